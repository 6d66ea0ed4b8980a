#include "analysis/formats/ita.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_instead = "export the images as BIF6 or as ASCII instead";
constexpr std::string_view images_at = "filterdata/TofCorrection/ImageStack/Reduced Data";

std::vector<ItStr::Block> named(const std::vector<ItStr::Block>& blocks, std::string_view name) {
  std::vector<ItStr::Block> found;
  for (const auto& block : blocks)
    if (block.name == name) found.push_back(block);
  return found;
}

}  // namespace

ItaReader::ItaReader(BinaryFile file) : blocks_(std::move(file)) {
  const auto name = blocks_.file().name();
  const auto peaks = it_peaks(blocks_);
  if (const auto reduced = blocks_.find(images_at)) {
    if (const auto folder = blocks_.child(*reduced, "ImageStackScansAdded"))
      summed_ = blocks_.children(*folder);
    if (const auto folder = blocks_.child(*reduced, "ImageStackScans")) scans_ = blocks_.children(*folder);
    by_serial_ = blocks_.child(*reduced, "Images");
  }
  if (peaks.empty() || (summed_.empty() && scans_.empty() && !by_serial_))
    throw BadInput(name, 0, "holds no list of peaks or no images where SurfaceLab keeps them",
                   export_instead);
  shape_ = it_shape(blocks_);
  for (const auto& peak : peaks) images_.push_back({peak.description, peak.interval, counts_of(peak)});
}

void ItaReader::read(const Image& image, const ImageSink& sink) {
  std::vector<std::uint32_t> counts(shape_.pixels());
  for (const auto& part : image.counts) {
    const auto bytes = blocks_.value(part, 4 * shape_.pixels());
    for (std::size_t i = 0; i < shape_.pixels(); ++i) {
      const auto more = load<std::uint32_t>(&bytes[4 * i]);
      if (more > UINT32_MAX - counts[i])
        throw BadInput(blocks_.file().name(), 0,
                       fmt::format("pixel {} of {} has more counts than can be", i + 1, image.interval.label),
                       export_instead);
      counts[i] += more;
    }
  }
  sink(0, counts);
}

std::vector<ItStr::Block> ItaReader::counts_of(const ItPeak& peak) {
  for (const auto* folders : {&summed_, &scans_}) {
    const auto place = std::ranges::find_if(
        *folders, [&](const ItStr::Block& block) { return block.name == "Image" && block.id == peak.id; });
    if (place == folders->end()) continue;
    if (auto images = named(blocks_.children(*place), "ImageArray.Long"); !images.empty()) return images;
  }
  const auto of_peak =
      by_serial_ && !peak.serial.empty() ? blocks_.child(*by_serial_, peak.serial) : std::nullopt;
  if (of_peak) {
    if (const auto sum = blocks_.child(*of_peak, "SumImage"))
      if (const auto image = blocks_.child(*sum, "EDROff")) return {*image};
    if (const auto scans = blocks_.child(*of_peak, "ScanData"))
      if (const auto images = blocks_.child(*scans, "EDROff"))
        if (auto all = blocks_.children(*images); !all.empty()) return all;
  }
  throw BadInput(blocks_.file().name(), 0,
                 fmt::format("peak {} ({}) has no image", peak.id, peak.interval.label), export_instead);
}

}  // namespace cambench::sims
