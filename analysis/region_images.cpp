#include "analysis/region_images.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "analysis/bad_input.h"
#include "analysis/formats/binary_file.h"
#include "analysis/fragments.h"
#include "analysis/region_parts.h"
#include "analysis/spectra.h"

namespace cambench::sims {
namespace {

Image read_file(const std::filesystem::path& file, const ImageShape* expected = nullptr) {
  BinaryFile image(file);
  return parse_image_ascii(image, expected);
}

std::optional<double> in_um(std::optional<double> metres) {
  if (metres) *metres *= 1e6;
  return metres;
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
    stack->reader.read(image, [&](std::uint32_t first_pixel, std::span<const std::uint32_t> some) {
      std::ranges::copy(some, counts.counts.begin() + first_pixel);
    });
    return counts;
  };
  RegionImages images;
  if constexpr (requires { stack->reader.field_of_view(); })
    images.field_of_view_um = in_um(stack->reader.field_of_view());
  for (const auto& interval : stack->intervals) images.labels.push_back(interval.label);
  images.total = [stack, read] { return read(stack->total); };
  images.peak = [stack, read](std::size_t i, const ImageShape&) { return read(stack->peaks.at(i)); };
  return images;
}

// ---- images that are counted

class CountedImages {
 public:
  /// Adds to images of zeros: the first is number `first`, where 0 is the total and i + 1 that of peak i.
  using Fill = std::function<void(std::size_t first, std::span<Image> images)>;
  CountedImages(const ImageShape& shape, std::size_t peaks, std::size_t most_bytes, Fill fill)
      : shape_(shape), all_(peaks + 1), most_bytes_(most_bytes), fill_(std::move(fill)) {}

  const Image& number(std::size_t number) {
    if (number < first_ || number - first_ >= images_.size()) {
      const auto fit = most_bytes_ / (sizeof(double) * shape_.pixels());
      const auto at_a_time = std::clamp<std::size_t>(fit, 1, all_ - number);
      images_.assign(at_a_time, Image{shape_, std::vector<double>(shape_.pixels())});
      first_ = number;
      fill_(first_, images_);
    }
    return images_[number - first_];
  }

 private:
  ImageShape shape_;
  std::size_t all_, most_bytes_, first_ = 0;
  Fill fill_;
  std::vector<Image> images_;
};

RegionImages counted_images(const ImageShape& shape, std::span<const MassInterval> intervals,
                            std::size_t most_bytes, CountedImages::Fill fill) {
  const auto counted = std::make_shared<CountedImages>(shape, intervals.size(), most_bytes, std::move(fill));
  RegionImages images;
  for (const auto& interval : intervals) images.labels.push_back(interval.label);
  images.total = [counted] { return counted->number(0); };
  images.peak = [counted](std::size_t i, const ImageShape&) { return counted->number(i + 1); };
  return images;
}

void count(const Events& events, std::size_t first, std::span<Image> images) {
  events.each_ion([&](std::span<const RawIon> ions) {
    for (const auto& [pixel, channel] : ions) {
      if (first == 0) ++images[0].counts[pixel];
      for (const auto interval : events.by_channel.at(channel))
        if (interval + 1 >= first && interval + 1 - first < images.size())
          ++images[interval + 1 - first].counts[pixel];
    }
  });
}

void count(const PixelSpectra& spectra, SpectrumArea area, std::size_t first, std::span<Image> images) {
  IntervalAreas areas(spectra.intervals, area);
  spectra.reader->each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
    const auto of_pixel = areas.of(spectrum);
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i].counts[pixel] = first + i == 0 ? total : of_pixel[first + i - 1];
  });
}

RegionImages event_images(Events opened, std::size_t most_bytes) {
  const auto events = std::make_shared<Events>(std::move(opened));
  auto images =
      counted_images(events->shape, events->intervals, most_bytes,
                     [events](std::size_t first, std::span<Image> of) { count(*events, first, of); });
  images.field_of_view_um = in_um(events->field_of_view);
  return images;
}

RegionImages spectrum_images(PixelSpectra opened, SpectrumArea area, std::size_t most_bytes) {
  const auto spectra = std::make_shared<PixelSpectra>(std::move(opened));
  auto images = counted_images(
      spectra->reader->shape(), spectra->intervals, most_bytes,
      [spectra, area](std::size_t first, std::span<Image> of) { count(*spectra, area, first, of); });
  images.field_of_view_um = spectra->reader->field_of_view_um();
  return images;
}

}  // namespace

std::size_t RegionImages::find(std::string_view ion) const {
  const auto key = fragment_key(ion);
  return static_cast<std::size_t>(
      std::ranges::find_if(labels, [&](const auto& label) { return fragment_key(label) == key; }) -
      labels.begin());
}

RegionImages images_of(const RegionFiles& found, const NormaliseOptions& options, std::size_t most_bytes) {
  Region unused;
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return exported_images(found);
    case RegionFiles::Format::bif6: return stacked_images(open_bif6(found, unused));
    case RegionFiles::Format::ita: return stacked_images(open_ita(found));
    case RegionFiles::Format::imzml:
      return spectrum_images(open_imzml(found, options.masses, unused), options.area, most_bytes);
    case RegionFiles::Format::grd:
    case RegionFiles::Format::grd_split:
    case RegionFiles::Format::itm:
      return event_images(open_events(found, options.masses, unused), most_bytes);
    case RegionFiles::Format::spectrum_ascii: break;
  }
  throw BadInput(found.name, 0, "is one spectrum of all its pixels",
                 "export its images or raw events to look at parts of it");
}

}  // namespace cambench::sims
