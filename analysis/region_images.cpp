#include "analysis/region_images.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/fragments.h"
#include "analysis/region_parts.h"

namespace cambench::sims {
namespace {

Image read_file(const std::filesystem::path& file, const ImageShape* expected = nullptr) {
  FileReader reader;
  return parse_image_ascii(reader.read(file), name_of(file), expected);
}

RegionImages exported_images(const RegionFiles& found) {
  RegionImages images;
  std::vector<std::filesystem::path> peaks;
  for (const auto& file : found.files) {
    const auto name = parse_image_file_name(name_of(file));
    if (!name) continue;
    if (name->label == total_label) images.total = [file] { return read_file(file); };
    if (name->label == total_label || name->label == rest_label) continue;
    images.labels.push_back(name->label);
    peaks.push_back(file);
  }
  if (!images.total)
    throw BadInput(found.name, 0, "there is no total ion image", "export the total ion image too");
  images.peak = [peaks](std::size_t i, const ImageShape& of_total) {
    return read_file(peaks.at(i), &of_total);
  };
  return images;
}

// Of a stack: any reader with shape() and read().
template <typename Reader, typename StackImage>
RegionImages stacked_images(Stack<Reader, StackImage> opened) {
  const auto stack = std::make_shared<Stack<Reader, StackImage>>(std::move(opened));
  const auto read = [stack](const StackImage& image) {
    Image counts{stack->reader.shape(), std::vector<double>(stack->reader.shape().pixels())};
    stack->reader.read(image, [&](std::uint32_t first_pixel, std::span<const double> some) {
      std::ranges::copy(some, counts.counts.begin() + first_pixel);
    });
    return counts;
  };
  RegionImages images;
  for (const auto& interval : stack->intervals) images.labels.push_back(interval.label);
  images.total = [stack, read] { return read(stack->total); };
  images.peak = [stack, read](std::size_t i, const ImageShape&) { return read(stack->peaks.at(i)); };
  return images;
}

}  // namespace

std::size_t RegionImages::find(std::string_view ion) const {
  const auto key = fragment_key(ion);
  return static_cast<std::size_t>(
      std::ranges::find_if(labels, [&](const auto& label) { return fragment_key(label) == key; }) -
      labels.begin());
}

RegionImages images_of(const RegionFiles& found) {
  Region unused;
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return exported_images(found);
    case RegionFiles::Format::bif6: return stacked_images(open_bif6(found, unused));
    case RegionFiles::Format::ita: return stacked_images(open_ita(found));
    default:
      throw BadInput(found.name, 0, "holds no ion images",
                     "export them as BIF6 or as \"Ascii (X, Y, I)\" to look at parts of it");
  }
}

}  // namespace cambench::sims
