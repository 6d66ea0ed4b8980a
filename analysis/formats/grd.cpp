#include "analysis/formats/grd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

constexpr std::size_t record_size = 20;
constexpr std::uint32_t longest_side = 2048;
constexpr std::string_view export_again = "export the raw data again with their properties";

// Records become ions inside the raster.
class Raster {
 public:
  Raster(std::string_view file, std::uint32_t resolution) : file_(file), resolution_(resolution) {}

  RawIon ion(std::uint32_t scan, std::uint32_t x, std::uint32_t y, std::uint32_t channel) {
    ++records_;
    if (x >= resolution_ || y >= resolution_)
      throw BadInput(file_, 0,
                     fmt::format("ion {} lies at X {} Y {}, outside the raster of {} x {}", records_, x, y,
                                 resolution_, resolution_),
                     export_again);
    last_scan_ = std::max(last_scan_, scan);
    return {y * resolution_ + x, channel};
  }
  [[nodiscard]] std::uint32_t scans() const { return last_scan_ == UINT32_MAX ? last_scan_ : last_scan_ + 1; }

 private:
  std::string_view file_;
  std::uint32_t resolution_, last_scan_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace

GrdProperties parse_grd_properties(std::string_view text, std::string_view name) {
  std::string without_nul(text);
  std::erase(without_nul, '\0');
  std::optional<double> resolution, sf, k0, upper;
  const std::pair<std::string_view, std::optional<double>*> wanted[] = {
      {"Registration.Raster.Resolution", &resolution},
      {"Context.MassScale.SF", &sf},
      {"Context.MassScale.K0", &k0},
      {"Measurement.UpperMass", &upper}};
  text::Lines lines(without_nul);
  while (const auto line = lines.next()) {
    const auto fields = text::split(*line, '\t');
    for (const auto& [key, value] : wanted) {
      if (text::trimmed(fields[0]) != key) continue;
      const auto number = fields.size() > 2 ? text::number(fields[2]) : std::nullopt;
      if (!number || !std::isfinite(*number))
        throw BadInput(name, lines.number(), fmt::format("{} has no number in the third column", key),
                       export_again);
      *value = number;
    }
  }
  for (const auto& [key, value] : wanted)
    if (!*value && value != &upper) throw BadInput(name, 0, fmt::format("{} is missing", key), export_again);
  if (*resolution < 1 || *resolution > longest_side || *resolution != std::floor(*resolution))
    throw BadInput(name, 0,
                   fmt::format("a raster of {} pixels cannot be (1 to {})", *resolution, longest_side),
                   export_again);
  return {static_cast<std::uint32_t>(*resolution), {*sf, *k0}, upper};
}

GrdReader::GrdReader(BinaryFile file, const GrdProperties& properties)
    : file_(std::move(file)), resolution_(properties.resolution) {
  if (file_.size() == 0 || file_.size() % record_size != 0)
    throw BadInput(
        file_.name(), 0,
        fmt::format("its {} bytes are no whole number of {}-byte records", file_.size(), record_size),
        "the file is cut short: copy or export it again");
}

std::uint32_t GrdReader::each_ion(const std::function<void(std::span<const RawIon>)>& sink) {
  Raster raster(file_.name(), resolution_);
  std::vector<RawIon> run;
  file_.each_piece(
      [&](std::string_view piece) {
        run.clear();
        for (const char* at = piece.data(); at != piece.data() + piece.size(); at += record_size)
          run.push_back(raster.ion(load<std::uint32_t>(at), load<std::uint32_t>(at + 8),
                                   load<std::uint32_t>(at + 12), load<std::uint32_t>(at + 16)));
        sink(run);
      },
      record_size);
  return raster.scans();
}

SplitGrdReader::SplitGrdReader(BinaryFile scans, BinaryFile coords, BinaryFile tofs,
                               const GrdProperties& properties)
    : scans_(std::move(scans)),
      coords_(std::move(coords)),
      tofs_(std::move(tofs)),
      resolution_(properties.resolution) {
  const auto bytes = tofs_.size();
  for (const auto& [file, expected] : {std::pair(&scans_, bytes), std::pair(&coords_, 2 * bytes)})
    if (bytes == 0 || bytes % 4 != 0 || file->size() != expected)
      throw BadInput(file->name(), 0,
                     fmt::format("has {} bytes, and {} has {}: they do not hold equally many ions",
                                 file->size(), tofs_.name(), bytes),
                     "one of them is cut short: copy or export them again");
}

std::uint32_t SplitGrdReader::each_ion(const std::function<void(std::span<const RawIon>)>& sink) {
  constexpr std::uint64_t ions_of_piece = 16 * 1024;
  Raster raster(coords_.name(), resolution_);
  std::vector<RawIon> run;
  std::string scan, coord, tof;
  const auto read = [](BinaryFile& file, std::uint64_t first, std::uint64_t count, std::string& into) {
    into.resize(4 * count);
    file.read(4 * first, into, "the ions");
  };
  const auto all = tofs_.size() / 4;
  for (std::uint64_t first = 0; first < all; first += ions_of_piece) {
    const auto count = std::min(ions_of_piece, all - first);
    read(scans_, first, count, scan);
    read(coords_, 2 * first, 2 * count, coord);
    read(tofs_, first, count, tof);
    run.clear();
    for (std::size_t i = 0; i < count; ++i)
      run.push_back(raster.ion(load<std::uint32_t>(&scan[4 * i]), load<std::uint32_t>(&coord[8 * i]),
                               load<std::uint32_t>(&coord[8 * i + 4]), load<std::uint32_t>(&tof[4 * i])));
    sink(run);
  }
  return raster.scans();
}

}  // namespace cambench::sims
