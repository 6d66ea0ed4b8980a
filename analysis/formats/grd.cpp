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

std::uint32_t GrdReader::each_ion(const std::function<void(std::span<const Ion>)>& sink) {
  std::uint32_t last_scan = 0;
  std::uint64_t records = 0;
  std::vector<Ion> run;
  file_.each_piece(
      [&](std::string_view piece) {
        run.clear();
        for (const char* at = piece.data(); at != piece.data() + piece.size(); at += record_size) {
          const auto x = load<std::uint32_t>(at + 8), y = load<std::uint32_t>(at + 12);
          if (x >= resolution_ || y >= resolution_)
            throw BadInput(file_.name(), 0,
                           fmt::format("ion {} lies at X {} Y {}, outside the raster of {} x {}",
                                       records + run.size() + 1, x, y, resolution_, resolution_),
                           export_again);
          last_scan = std::max(last_scan, load<std::uint32_t>(at));
          run.push_back({y * resolution_ + x, load<std::uint32_t>(at + 16)});
        }
        records += run.size();
        sink(run);
      },
      record_size);
  return last_scan == UINT32_MAX ? last_scan : last_scan + 1;
}

}  // namespace cambench::sims
