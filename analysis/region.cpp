#include "analysis/region.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"
#include "analysis/mass_check.h"
#include "analysis/normalise.h"
#include "analysis/region_parts.h"
#include "analysis/spectra.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

std::string label_of(const fs::path& image) {
  const auto name = parse_image_file_name(name_of(image));
  return name ? name->label : std::string();
}

// Reads one image after the other and hashes them two at a time, which takes little longer than one. What is larger
// than any summed image, as scan-resolved ones are, passes through memory in pieces.
class HashedImages {
 public:
  void read(const fs::path& file, const PixelSink& sink, const ImageShape* expected) {
    BinaryFile image(file);
    if (image.size() <= largest_in_memory) {
      read_image_ascii(text_of(image), image.name(), sink, expected);
    } else {
      read_image_ascii(image, sink, expected);
      used_.push_back(used_whole(image));
    }
  }
  Image read(const fs::path& file, const ImageShape* expected = nullptr) {
    BinaryFile image(file);
    if (image.size() <= largest_in_memory) return parse_image_ascii(text_of(image), image.name(), expected);
    auto counts = parse_image_ascii(image, expected);
    used_.push_back(used_whole(image));
    return counts;
  }
  /// Of all files, sorted by name.
  std::vector<FileUsed> used() {
    if (read_ % 2 == 1) add(waiting_, sha256_hex(waiting_.text));
    std::ranges::sort(used_, {}, &FileUsed::name);
    return std::move(used_);
  }

 private:
  static constexpr std::uint64_t largest_in_memory = 8 << 20;
  struct Text {
    std::string name;
    std::string_view text;
  };

  // Lives until the next call but one.
  std::string_view text_of(BinaryFile& image) {
    auto& buffer = buffers_[read_++ % 2];
    if (buffer.size() < image.size()) buffer.resize(image.size());
    const auto bytes = std::span(buffer).first(image.size());
    image.read(0, bytes, "the image");
    const Text read{image.name(), {bytes.data(), bytes.size()}};
    if (read_ % 2 == 1) {
      waiting_ = read;
    } else {
      Sha256 first, second;
      Sha256::update_both(first, waiting_.text, second, read.text);
      add(waiting_, first.hex());
      add(read, second.hex());
    }
    return read.text;
  }

  void add(const Text& read, std::string sha256) {
    used_.push_back({read.name, std::move(sha256), read.text.size()});
  }

  std::array<std::string, 2> buffers_;
  std::size_t read_ = 0;
  Text waiting_;  // the first of a pair
  std::vector<FileUsed> used_;
};

class ImagesOfRegion {
 public:
  ImagesOfRegion(const RegionFiles& found, const NormaliseOptions& options)
      : found_(found), options_(options) {}

  Region read() {
    region_.name = found_.name;
    region_.intervals = "one exported image for each peak";
    region_.total = every_ion;
    const auto total_file = file_of(total_label);
    if (!total_file)
      throw BadInput(found_.name, 0,
                     fmt::format("the total ion image \"{} (0) - total.txt\" is missing", found_.name),
                     "export it as well");
    total_ = images_.read(*total_file);
    region_.width = total_.shape.width;
    region_.height = total_.shape.height;
    const auto reference_file = read_reference();
    weights_ = weigh(total_, reference_file ? &reference_ : nullptr, options_);
    if (weights_.pixels_with_ions == 0)
      throw BadInput(name_of(*total_file), 0, "the image holds no ion",
                     "leave this spot out, or export it again");

    if (reference_file) refer(region_, label_of(*reference_file), weights_, options_);

    for (const auto& file : found_.files) add_peak(file, total_file, reference_file);
    finish();
    return std::move(region_);
  }

 private:
  std::optional<fs::path> file_of(std::string_view label) const {
    const auto key = fragment_key(label);
    for (const auto& file : found_.files)
      if (fragment_key(label_of(file)) == key) return file;
    return std::nullopt;
  }

  std::optional<fs::path> read_reference() {
    if (options_.reference.empty()) return std::nullopt;
    const auto file = file_of(options_.reference);
    if (!file && options_.reference_required)
      throw BadInput(found_.name, 0,
                     fmt::format("the image of the reference ion {} is missing", options_.reference),
                     "export it as well, or choose another reference ion");
    if (!file) return std::nullopt;
    reference_ = images_.read(*file, &total_.shape);
    return file;
  }

  void add_peak(const fs::path& file, const std::optional<fs::path>& total,
                const std::optional<fs::path>& reference) {
    const auto label = label_of(file);
    if (file == total || label == rest_label) return;
    PeakSums sums(weights_);
    if (file == reference) {
      add_resident(sums, reference_);
    } else {
      images_.read(
          file, [&](std::span<const PixelCounts> run) { sums.add(run); }, &total_.shape);
    }
    if (sums.counts_without_total() > 0)
      region_.notes.push_back(fmt::format(
          "{}: {} counts of {} lie in pixels whose total is 0 and were left out; total and peak may not be "
          "of one export",
          found_.name, sums.counts_without_total(), label));
    region_.peaks.push_back(sums.peak(label));
  }

  static void add_resident(PeakSums& sums, const Image& image) {
    std::vector<PixelCounts> row;
    for (std::uint32_t pixel = 0; pixel < image.counts.size(); ++pixel) {
      if (image.counts[pixel] != 0) row.push_back({pixel, image.counts[pixel]});
      if ((pixel + 1) % image.shape.width == 0) {
        sums.add(row);
        row.clear();
      }
    }
  }

  void finish() {
    const auto all = weights_.pixels.size();
    region_.pixels_without_ions = all - weights_.pixels_with_ions;
    if (total_.shape.scans > 1)
      region_.notes.push_back(fmt::format("{}: {} scans were summed", found_.name, total_.shape.scans));
    sort_peaks(region_.peaks);
    region_.files = images_.used();
  }

  const RegionFiles& found_;
  const NormaliseOptions& options_;
  HashedImages images_;
  Region region_;
  Image total_, reference_;
  RegionWeights weights_;
};

/// Where the spectrum ends counts: a part of the ions is another total. Ends differ by a little from spot to spot.
std::string sum_of(const Spectrum& spectrum) {
  return fmt::format("sum of the spectrum from m/z {:.0f} to about {:.0f}", spectrum.mz.front(),
                     5 * std::round(spectrum.mz.back() / 5));
}

Region read_spectrum(const RegionFiles& found, const NormaliseOptions& options) {
  if (found.files.size() != 1)
    throw BadInput(found.name, 0, "a spot needs exactly one spectrum",
                   "give each spectrum a name of its own");
  const auto name = name_of(found.files.front());
  Region region;
  auto intervals = intervals_for(found, region);
  FileReader files;
  const auto text = files.read(found.files.front());
  auto spectrum = parse_spectrum_ascii(text, name);
  region.total = sum_of(spectrum);
  if (found.interval_list) spectrum = with_checked_masses(std::move(spectrum), options.masses, region);
  if (!found.interval_list)
    std::erase_if(intervals, [&](const MassInterval& i) { return !covers(spectrum, i); });

  region.files.push_back(used(found.files.front(), text));
  return finished(normalise_spectrum(spectrum, intervals, name, options), std::move(region), found.name);
}

}  // namespace

std::string name_of(const fs::path& file) { return file.filename().string(); }

FileUsed used(const fs::path& file, std::string_view text) {
  return {name_of(file), sha256_hex(text), text.size()};
}

void sort_peaks(std::vector<Peak>& peaks) {
  const auto order = [](const Peak& peak) {
    const auto fragment = FragmentTable::built_in().describe(peak.label);
    return std::tuple(fragment.mz == 0, fragment.mz, peak.label);
  };
  std::ranges::sort(peaks, {}, order);
}

FileUsed used_whole(BinaryFile& file) {
  Sha256 hash;
  file.each_piece([&](std::string_view piece) { hash.update(piece); });
  return {file.name(), hash.hex(), file.size()};
}

std::vector<MassInterval> intervals_for(const RegionFiles& found, Region& region) {
  if (!found.interval_list) {
    region.intervals = "nominal masses, each a whole unit wide";
    region.notes.push_back(
        "no peak list tells its peaks, so nominal masses are counted, which hold several ions each and "
        "belong to no category");
    return nominal_intervals();
  }
  region.intervals = "peak list " + name_of(*found.interval_list);
  FileReader files;
  const auto list = files.read(*found.interval_list);
  region.files.push_back(used(*found.interval_list, list));
  return parse_interval_list(list, name_of(*found.interval_list));
}

Region finished(Region normalised, Region so_far, const std::string& name) {
  normalised.name = name;
  normalised.intervals = std::move(so_far.intervals);
  normalised.total = std::move(so_far.total);
  normalised.files = std::move(so_far.files);
  for (const auto& note : so_far.notes) normalised.notes.push_back(name + ": " + note);
  for (const auto& doubt : so_far.doubts) normalised.doubts.push_back(name + ": " + doubt);
  std::ranges::sort(normalised.files, {}, &FileUsed::name);
  sort_peaks(normalised.peaks);
  return normalised;
}

Region read_region(const RegionFiles& found, const NormaliseOptions& options) {
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return ImagesOfRegion(found, options).read();
    case RegionFiles::Format::spectrum_ascii: return read_spectrum(found, options);
    case RegionFiles::Format::imzml: return read_imzml(found, options);
    case RegionFiles::Format::bif6: return read_bif6(found, options);
    case RegionFiles::Format::ita: return read_ita(found, options);
    case RegionFiles::Format::grd:
    case RegionFiles::Format::grd_split:
    case RegionFiles::Format::itm: return read_events(found, options);
  }
  throw BadInput(found.name, 0, "is of no known format", "name one");
}

}  // namespace cambench::sims
