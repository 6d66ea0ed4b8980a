#include "analysis/formats/itstr_parts.h"

#include <fmt/format.h>

#include <cmath>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_instead = "export the images as BIF6 or as ASCII instead";
constexpr std::uint32_t longest_side = 2048;
constexpr int deepest_group = 8;

using Block = ItStr::Block;

Block needed(ItStr& blocks, const Block& parent, std::string_view name) {
  if (const auto block = blocks.child(parent, name)) return *block;
  throw BadInput(blocks.file().name(), 0, fmt::format("{} lacks its {}", parent.name, name), export_instead);
}

std::string text_of(ItStr& blocks, const Block& parent, std::string_view name) {
  const auto block = blocks.child(parent, name);
  return block ? blocks.text(*block) : std::string();
}

ItPeak peak_of(ItStr& blocks, const Block& mi) {
  ItPeak peak;
  peak.id = blocks.number<std::uint32_t>(needed(blocks, mi, "id"));
  peak.description = text_of(blocks, mi, "desc");
  peak.serial = text_of(blocks, mi, "SN");
  peak.interval.lower = blocks.number<double>(needed(blocks, mi, "lmass"));
  peak.interval.upper = blocks.number<double>(needed(blocks, mi, "umass"));
  peak.interval.label = text_of(blocks, mi, "assign");
  if (peak.interval.label.empty())
    peak.interval.label = fmt::format("m/z {:.4f}", blocks.number<double>(needed(blocks, mi, "cmass")));
  return peak;
}

// Version 7 puts peaks into groups, and these perhaps into others.
void add_peaks(ItStr& blocks, const Block& folder, int depth, std::vector<ItPeak>& peaks) {
  for (const auto& block : blocks.children(folder)) {
    if (block.name == "mi") peaks.push_back(peak_of(blocks, block));
    if (block.name == "mig" && depth < deepest_group) add_peaks(blocks, block, depth + 1, peaks);
  }
}

std::uint32_t take_length(std::string_view& bytes) {
  if (bytes.size() < 4) return UINT32_MAX;
  const auto length = load<std::uint32_t>(bytes.data());
  bytes.remove_prefix(4);
  return length;
}

std::string narrow(std::string_view wide) {
  std::string text;
  for (std::size_t i = 0; i + 1 < wide.size(); i += 2)
    if (const auto letter = load<std::uint16_t>(&wide[i]); letter != 0)
      text += letter >= ' ' && letter <= '~' ? static_cast<char>(letter) : '?';
  return text;
}

// Sixteen bytes of unknown meaning, then: length and letters of the key, two bytes, an integer, a number, length and
// letters of a text. False where the leaf is no such thing.
bool take_property(std::string_view bytes, std::string& key, ItProperty& property) {
  constexpr std::size_t unknown = 16, numbers = 2 + 8 + 8;
  if (bytes.size() < unknown) return false;
  bytes.remove_prefix(unknown);
  const auto key_size = take_length(bytes);
  if (key_size > bytes.size() || bytes.size() - key_size < numbers) return false;
  key = narrow(bytes.substr(0, key_size));
  bytes.remove_prefix(key_size);
  property.whole = load<std::int64_t>(bytes.data() + 2);
  property.number = load<double>(bytes.data() + 10);
  bytes.remove_prefix(numbers);
  const auto text_size = take_length(bytes);
  if (text_size <= bytes.size()) property.text = narrow(bytes.substr(0, text_size));
  return true;
}

std::optional<MassScale> scale_in(ItStr& blocks, std::string_view path) {
  const auto folder = blocks.find(path);
  if (!folder) return std::nullopt;
  const auto sf = blocks.child(*folder, "sf"), k0 = blocks.child(*folder, "k0");
  if (!sf || !k0) return std::nullopt;
  return MassScale{blocks.number<double>(*sf), blocks.number<double>(*k0)};
}

}  // namespace

std::vector<ItPeak> it_peaks(ItStr& blocks) {
  std::vector<ItPeak> peaks;
  for (const auto* place : {"MassIntervalList", "Options/massintervals"})
    if (const auto list = blocks.find(place); list && peaks.empty()) add_peaks(blocks, *list, 0, peaks);
  return peaks;
}

ImageShape it_shape(ItStr& blocks) {
  const auto name = blocks.file().name();
  ImageShape shape;
  if (const auto picture = blocks.find("Meta/SI Image")) {
    shape.width = blocks.number<std::uint32_t>(needed(blocks, *picture, "res_x"));
    shape.height = blocks.number<std::uint32_t>(needed(blocks, *picture, "res_y"));
  } else if (const auto raster = it_property(blocks, "Registration.Raster.Resolution")) {
    const bool possible = raster->whole > 0 && raster->whole <= longest_side;
    shape.width = shape.height = possible ? static_cast<std::uint32_t>(raster->whole) : 0;
  } else {
    throw BadInput(name, 0, "does not say how many pixels its images have", export_instead);
  }
  if (shape.pixels() == 0 || shape.width > longest_side || shape.height > longest_side)
    throw BadInput(name, 0, fmt::format("images of {} x {} pixels cannot be", shape.width, shape.height),
                   export_instead);
  return shape;
}

std::optional<double> it_field_of_view(ItStr& blocks) {
  std::optional<double> width;
  if (const auto picture = blocks.find("Meta/SI Image"))
    if (const auto field = blocks.child(*picture, "fieldofview")) width = blocks.number<double>(*field);
  if (!width)
    if (const auto property = it_property(blocks, "Registration.Raster.FieldOfView"))
      width = property->number;
  return width && *width > 0 && std::isfinite(*width) ? width : std::nullopt;
}

std::optional<MassScale> it_mass_scale(ItStr& blocks) {
  for (const auto* place : {"filterdata/TofCorrection/Spectrum/Reduced Data/IMassScaleSFK0", "MassScale"})
    if (const auto scale = scale_in(blocks, place)) return scale;
  const auto sf = it_property(blocks, "Context.MassScale.SF"),
             k0 = it_property(blocks, "Context.MassScale.K0");
  if (!sf || !k0) return std::nullopt;
  return MassScale{sf->number, k0->number};
}

std::optional<ItProperty> it_property(ItStr& blocks, std::string_view wanted) {
  std::optional<ItProperty> found;
  for (const auto* place : {"propend", "propstart"}) {
    const auto folder = blocks.find(place);
    if (!folder || found) continue;
    blocks.each_child(*folder, [&](const Block& leaf) {
      std::string key;
      ItProperty property;
      if (!found && take_property(blocks.small_value(leaf), key, property) && key == wanted) found = property;
    });
  }
  return found;
}

}  // namespace cambench::sims
