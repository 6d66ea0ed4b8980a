#include "analysis/formats/ita.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_instead = "export the images as BIF6 or as ASCII instead";
constexpr std::uint32_t longest_side = 2048;
constexpr const char* summed_images = "filterdata/TofCorrection/ImageStack/Reduced Data/ImageStackScansAdded";

}  // namespace

ItaReader::ItaReader(BinaryFile file) : blocks_(std::move(file)) {
  const auto name = blocks_.file().name();
  const auto picture = blocks_.find("Meta/SI Image"), list = blocks_.find("MassIntervalList"),
             summed = blocks_.find(summed_images);
  if (!picture || !list || !summed)
    throw BadInput(name, 0, "holds no list of peaks or no summed images where SurfaceLab 6 keeps them",
                   export_instead);
  shape_.width = blocks_.number<std::uint32_t>(needed(*picture, "res_x"));
  shape_.height = blocks_.number<std::uint32_t>(needed(*picture, "res_y"));
  if (shape_.pixels() == 0 || shape_.width > longest_side || shape_.height > longest_side)
    throw BadInput(name, 0, fmt::format("images of {} x {} pixels cannot be", shape_.width, shape_.height),
                   export_instead);
  const auto images = blocks_.children(*summed);
  for (const auto& peak : blocks_.children(*list))
    if (peak.name == "mi") images_.push_back(image_of(peak, images));
}

void ItaReader::read(const Image& image, const PixelSink& sink) {
  std::vector<char> bytes(4 * shape_.pixels());
  blocks_.read(image.counts, bytes);
  std::vector<PixelCounts> row;
  for (std::size_t i = 0; i < shape_.pixels(); ++i) {
    if (const auto counts = load<std::uint32_t>(&bytes[4 * i]); counts != 0)
      row.push_back({static_cast<std::uint32_t>(i), static_cast<double>(counts)});
    if ((i + 1) % shape_.width != 0) continue;
    if (!row.empty()) sink(row);
    row.clear();
  }
}

ItStr::Block ItaReader::needed(const ItStr::Block& parent, std::string_view name) {
  if (const auto block = blocks_.child(parent, name)) return *block;
  throw BadInput(blocks_.file().name(), 0, fmt::format("{} lacks its {}", parent.name, name), export_instead);
}

ItaReader::Image ItaReader::image_of(const ItStr::Block& peak, const std::vector<ItStr::Block>& summed) {
  Image image;
  const auto id = blocks_.number<std::uint32_t>(needed(peak, "id"));
  const auto description = blocks_.child(peak, "desc"), assignment = blocks_.child(peak, "assign");
  if (description) image.description = blocks_.text(*description);
  image.interval.lower = blocks_.number<double>(needed(peak, "lmass"));
  image.interval.upper = blocks_.number<double>(needed(peak, "umass"));
  if (assignment) image.interval.label = blocks_.text(*assignment);
  if (image.interval.label.empty())
    image.interval.label = fmt::format("m/z {:.4f}", blocks_.number<double>(needed(peak, "cmass")));
  const auto place = std::ranges::find_if(
      summed, [&](const ItStr::Block& block) { return block.name == "Image" && block.id == id; });
  if (place == summed.end())
    throw BadInput(blocks_.file().name(), 0, fmt::format("peak {} has no image", id), export_instead);
  image.counts = needed(*place, "ImageArray.Long");
  return image;
}

}  // namespace cambench::sims
