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

// Who copies a file may give it its size first, and what is not written yet is zeros.
bool ends_in_zeros(BinaryFile& file, std::uint64_t bytes) {
  std::vector<char> end(bytes);
  file.read(file.size() - bytes, end, "its end");
  return std::ranges::all_of(end, [](char byte) { return byte == 0; });
}

// Records become ions inside the raster, a piece at a time.
class Raster {
 public:
  Raster(std::string_view file, std::uint32_t resolution) : file_(file), resolution_(resolution) {}

  void begin_piece(std::size_t records) { ions_.resize(records); }
  void set(std::size_t i, std::uint32_t scan, std::uint32_t x, std::uint32_t y, std::uint32_t channel) {
    if (x >= resolution_ || y >= resolution_)
      throw BadInput(file_, 0,
                     fmt::format("ion {} lies at X {} Y {}, outside the raster of {} x {}",
                                 before_piece_ + i + 1, x, y, resolution_, resolution_),
                     export_again);
    last_scan_ = std::max(last_scan_, scan);
    ions_[i] = {y * resolution_ + x, channel};
  }
  [[nodiscard]] std::span<const RawIon> end_piece() {
    before_piece_ += ions_.size();
    return ions_;
  }
  [[nodiscard]] std::uint32_t scans() const { return last_scan_ == UINT32_MAX ? last_scan_ : last_scan_ + 1; }

 private:
  std::string_view file_;
  std::uint32_t resolution_, last_scan_ = 0;
  std::uint64_t before_piece_ = 0;
  std::vector<RawIon> ions_;
};

}  // namespace

GrdProperties parse_grd_properties(std::string_view text, std::string_view name) {
  std::string without_nul(text);
  std::erase(without_nul, '\0');
  std::optional<double> resolution, sf, k0, upper, field_of_view;
  const std::pair<std::string_view, std::optional<double>*> wanted[] = {
      {"Registration.Raster.Resolution", &resolution},
      {"Context.MassScale.SF", &sf},
      {"Context.MassScale.K0", &k0},
      {"Measurement.UpperMass", &upper},
      {"Registration.Raster.FieldOfView", &field_of_view}};
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
    if (!*value && value != &upper && value != &field_of_view)
      throw BadInput(name, 0, fmt::format("{} is missing", key), export_again);
  if (*resolution < 1 || *resolution > longest_side || *resolution != std::floor(*resolution))
    throw BadInput(name, 0,
                   fmt::format("a raster of {} pixels cannot be (1 to {})", *resolution, longest_side),
                   export_again);
  return {static_cast<std::uint32_t>(*resolution), {*sf, *k0}, upper, field_of_view};
}

GrdReader::GrdReader(BinaryFile file, const GrdProperties& properties)
    : file_(std::move(file)), resolution_(properties.resolution) {
  if (file_.size() == 0 || file_.size() % record_size != 0)
    throw BadInput(
        file_.name(), 0,
        fmt::format("its {} bytes are no whole number of {}-byte records", file_.size(), record_size),
        "the file is cut short: copy or export it again");
  if (ends_in_zeros(file_, record_size)) throw unwritten(file_.name(), "the last ion has no flight time");
}

std::uint32_t GrdReader::each_ion(const std::function<void(std::span<const RawIon>)>& sink) {
  Raster raster(file_.name(), resolution_);
  file_.each_piece(
      [&](std::string_view piece) {
        const auto records = piece.size() / record_size;
        raster.begin_piece(records);
        const char* at = piece.data();
        for (std::size_t i = 0; i < records; ++i, at += record_size)
          raster.set(i, load<std::uint32_t>(at), load<std::uint32_t>(at + 8), load<std::uint32_t>(at + 12),
                     load<std::uint32_t>(at + 16));
        sink(raster.end_piece());
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
  if (ends_in_zeros(tofs_, 4)) throw unwritten(tofs_.name(), "the last ion has no flight time");
  // The first pixel may come last, but never with so many ions.
  constexpr std::uint64_t ions = 512;
  if (resolution_ > 1 && coords_.size() >= 8 * ions && ends_in_zeros(coords_, 8 * ions))
    throw unwritten(coords_.name(), fmt::format("the last {} ions lie in the first pixel", ions));
}

std::uint32_t SplitGrdReader::each_ion(const std::function<void(std::span<const RawIon>)>& sink) {
  constexpr std::uint64_t ions_of_piece = 16 * 1024;
  Raster raster(coords_.name(), resolution_);
  std::vector<std::uint32_t> scan, coord, tof;
  const auto read = [](BinaryFile& file, std::uint64_t first, std::uint64_t count,
                       std::vector<std::uint32_t>& into) {
    into.resize(count);
    file.read(4 * first, as_bytes_of(into), "the ions");
  };
  const auto all = tofs_.size() / 4;
  for (std::uint64_t first = 0; first < all; first += ions_of_piece) {
    const auto count = std::min(ions_of_piece, all - first);
    read(scans_, first, count, scan);
    read(coords_, 2 * first, 2 * count, coord);
    read(tofs_, first, count, tof);
    raster.begin_piece(count);
    for (std::size_t i = 0; i < count; ++i) raster.set(i, scan[i], coord[2 * i], coord[2 * i + 1], tof[i]);
    sink(raster.end_piece());
  }
  return raster.scans();
}

}  // namespace cambench::sims
