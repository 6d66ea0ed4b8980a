#include "analysis/region.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"
#include "analysis/normalise.h"
#include "analysis/spectra.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view total_label = "total", rest_label = "sum of rest";

std::string name_of(const fs::path& file) { return file.filename().string(); }

// ---- finding

using ImagesByBase = std::map<std::string, std::vector<fs::path>>;

std::string label_of(const fs::path& image) {
  const auto name = parse_image_file_name(name_of(image));
  return name ? name->label : std::string();
}

// Why a set of images is no region; empty for one that is.
std::string trouble_with(const std::string& base, const std::vector<fs::path>& images) {
  std::map<std::string, std::string> label_by_key;
  for (const auto& image : images) {
    const auto label = label_of(image);
    const auto [earlier, fresh] = label_by_key.emplace(fragment_key(label), label);
    if (!fresh)
      return fmt::format("{}: {} and {} are the same ion; keep one file for each ion", base, earlier->second,
                         label);
  }
  if (!label_by_key.contains(std::string(total_label)))
    return fmt::format("{}: the total ion image \"{} (0) - total.txt\" is missing; export it as well", base,
                       base);
  return {};
}

void sort_in_images(const ImagesByBase& images, FoundRegions& found) {
  for (const auto& [base, files] : images) {
    if (auto trouble = trouble_with(base, files); !trouble.empty())
      found.refused.push_back({files.front(), std::move(trouble)});
    else
      found.regions.push_back({base, RegionFiles::Format::images_ascii, files, {}});
  }
}

void sort_in_spectra(const std::vector<fs::path>& spectra, const std::vector<fs::path>& lists,
                     const std::optional<fs::path>& study_list, FoundRegions& found) {
  if (lists.size() > 1) {
    for (const auto& list : lists)
      found.refused.push_back(
          {list, fmt::format("{}: the folder has {} peak lists; keep the one that its spectra are "
                             "to be evaluated with",
                             name_of(list), lists.size())});
    return;
  }
  const auto list = lists.empty() ? study_list : std::optional(lists.front());
  for (const auto& spectrum : spectra)
    found.regions.push_back(
        {spectrum.stem().string(), RegionFiles::Format::spectrum_ascii, {spectrum}, list});
}

// ---- reading

void remember(Region& region, const fs::path& file, std::string_view text) {
  region.files.push_back({name_of(file), sha256_hex(text), text.size()});
}

// By m/z; what is no formula behind the formulas, by its text.
void sort_peaks(std::vector<Peak>& peaks) {
  const auto order = [](const Peak& peak) {
    const auto fragment = FragmentTable::built_in().describe(peak.label);
    return std::tuple(fragment.mz == 0, fragment.mz, peak.label);
  };
  std::ranges::sort(peaks, {}, order);
}

class ImagesOfRegion {
 public:
  ImagesOfRegion(const RegionFiles& found, const NormaliseOptions& options)
      : found_(found), options_(options) {}

  Region read() {
    region_.name = found_.name;
    const auto total_file = file_of(total_label);
    if (!total_file)
      throw BadInput(found_.name, 0,
                     fmt::format("the total ion image \"{} (0) - total.txt\" is missing", found_.name),
                     "export it as well");
    total_ = read_whole(*total_file);
    region_.width = total_.shape.width;
    region_.height = total_.shape.height;
    const auto reference_file = read_reference();
    weights_ = weigh(total_, reference_file ? &reference_ : nullptr, options_);
    if (weights_.pixels_with_ions == 0)
      throw BadInput(name_of(*total_file), 0, "the image holds no ion",
                     "leave this spot out, or export it again");

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

  Image read_whole(const fs::path& file, const ImageShape* expected = nullptr) {
    const auto text = files_.read(file);
    remember(region_, file, text);
    return parse_image_ascii(text, name_of(file), expected);
  }

  std::optional<fs::path> read_reference() {
    if (options_.reference.empty()) return std::nullopt;
    const auto file = file_of(options_.reference);
    if (!file && options_.reference_required)
      throw BadInput(found_.name, 0,
                     fmt::format("the image of the reference ion {} is missing", options_.reference),
                     "export it as well, or choose another reference ion");
    if (!file) return std::nullopt;
    reference_ = read_whole(*file, &total_.shape);
    region_.reference = label_of(*file);
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
      const auto text = files_.read(file);
      remember(region_, file, text);
      read_image_ascii(
          text, name_of(file), [&](std::span<const PixelCounts> run) { sums.add(run); }, &total_.shape);
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
    region_.pixels_without_reference = region_.reference.empty() ? 0 : weights_.pixels_without_reference;
    if (total_.shape.scans > 1)
      region_.notes.push_back(fmt::format("{}: {} scans were summed", found_.name, total_.shape.scans));
    sort_peaks(region_.peaks);
    std::ranges::sort(region_.files, {}, &FileUsed::name);
  }

  const RegionFiles& found_;
  const NormaliseOptions& options_;
  FileReader files_;
  Region region_;
  Image total_, reference_;
  RegionWeights weights_;
};

Region read_spectrum(const RegionFiles& found, const NormaliseOptions& options) {
  if (found.files.size() != 1)
    throw BadInput(found.name, 0, "a spot needs exactly one spectrum",
                   "give each spectrum a name of its own");
  const auto name = name_of(found.files.front());
  FileReader files;
  std::vector<FileUsed> used;
  auto intervals = nominal_intervals();
  if (found.interval_list) {
    const auto list = files.read(*found.interval_list);
    intervals = parse_interval_list(list, name_of(*found.interval_list));
    used.push_back({name_of(*found.interval_list), sha256_hex(list), list.size()});
  }
  const auto text = files.read(found.files.front());
  const auto spectrum = parse_spectrum_ascii(text, name);
  if (!found.interval_list)
    std::erase_if(intervals, [&](const MassInterval& i) { return i.upper > spectrum.mz.back(); });

  auto region = normalise_spectrum(spectrum, intervals, name, options);
  region.name = found.name;
  region.files = std::move(used);
  remember(region, found.files.front(), text);
  std::ranges::sort(region.files, {}, &FileUsed::name);
  sort_peaks(region.peaks);
  return region;
}

}  // namespace

FoundRegions find_regions(std::vector<fs::path> files, const std::optional<fs::path>& interval_list) {
  std::ranges::sort(files);
  FoundRegions found;
  ImagesByBase images;
  std::vector<fs::path> spectra, lists;
  FileReader reader;
  for (const auto& file : files) {
    const auto name = name_of(file);
    try {
      const auto start = reader.peek(file);
      if (start.empty())
        found.refused.push_back({file, name + ": is empty; copy or export it again"});
      else if (const auto image = parse_image_file_name(name); image && looks_like_image_ascii(start))
        images[image->base].push_back(file);
      else if (looks_like_spectrum_ascii(start))
        spectra.push_back(file);
      else if (looks_like_interval_list(start))
        lists.push_back(file);
      else if (looks_like_image_ascii(start))
        found.refused.push_back(
            {file, name + ": an image, but not named \"<base> (<ID>) - <peak>.txt\"; keep the name "
                          "that SurfaceLab gives it"});
      else
        found.refused.push_back(
            {file, name + ": neither an ASCII image, nor an ASCII spectrum, nor a peak list; take it "
                          "out of the folder or export it as one of these"});
    } catch (const BadInput& problem) {
      found.refused.push_back({file, problem.what()});
    }
  }
  sort_in_images(images, found);
  sort_in_spectra(spectra, lists, interval_list, found);
  std::ranges::sort(found.regions, {}, &RegionFiles::name);
  return found;
}

Region read_region(const RegionFiles& found, const NormaliseOptions& options) {
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return ImagesOfRegion(found, options).read();
    case RegionFiles::Format::spectrum_ascii: return read_spectrum(found, options);
  }
  throw BadInput(found.name, 0, "is of no known format", "name one");
}

}  // namespace cambench::sims
