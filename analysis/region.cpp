#include "analysis/region.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/imzml.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"
#include "analysis/ion_images.h"
#include "analysis/normalise.h"
#include "analysis/spectra.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view total_label = "total", rest_label = "sum of rest";

std::string name_of(const fs::path& file) { return file.filename().string(); }

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

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

// A measurement that is evaluated by a peak list; it lacks a file where `files` has fewer than it needs.
void sort_in_spectra(const std::vector<RegionFiles>& spectra, const std::vector<fs::path>& lists,
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
  for (auto spectrum : spectra) {
    spectrum.interval_list = list;
    found.regions.push_back(std::move(spectrum));
  }
}

// Files that come in pairs: which name the other has, and what to say when it is missing.
class Companions {
 public:
  explicit Companions(const std::vector<fs::path>& files) {
    for (const auto& file : files) by_name_.emplace(lower_case(file.string()), file);
  }
  /// The file in the same folder with one of these names, in any case.
  std::optional<fs::path> beside(const fs::path& file, std::initializer_list<std::string> names) {
    for (const auto& name : names) {
      const auto place = by_name_.find(lower_case((file.parent_path() / name).string()));
      if (place == by_name_.end()) continue;
      taken_.insert(place->second);
      return place->second;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool taken(const fs::path& file) const { return taken_.contains(file); }

 private:
  std::map<std::string, fs::path> by_name_;
  std::set<fs::path> taken_;
};

void sort_in_imzml(const fs::path& xml, Companions& companions, std::vector<RegionFiles>& spectra,
                   FoundRegions& found) {
  const auto stem = xml.stem().string();
  if (const auto binary = companions.beside(xml, {stem + ".ibd"}))
    spectra.push_back({stem, RegionFiles::Format::imzml, {*binary, xml}, {}});
  else
    found.refused.push_back(
        {xml, fmt::format("{}: its binary file {}.ibd is missing; copy it as well", name_of(xml), stem)});
}

// A spot that two files tell of counts once: the first by format and name stays.
void refuse_namesakes(FoundRegions& found) {
  std::map<std::string, fs::path> first;
  std::erase_if(found.regions, [&](const RegionFiles& region) {
    const auto [earlier, fresh] = first.emplace(region.name, region.files.front());
    if (!fresh)
      for (const auto& file : region.files)
        found.refused.push_back(
            {file, fmt::format("{}: has the name of {}; keep one of them, or give each spot "
                               "a name of its own",
                               name_of(file), name_of(earlier->second))});
    return !fresh;
  });
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

// By the region's list, or by nominal mass. The list is remembered among the files.
std::vector<MassInterval> intervals_for(const RegionFiles& found, Region& region) {
  if (!found.interval_list) return nominal_intervals();
  FileReader files;
  const auto list = files.read(*found.interval_list);
  remember(region, *found.interval_list, list);
  return parse_interval_list(list, name_of(*found.interval_list));
}

// Takes what a measurement's normalisation gave, and what is known of its files and notes so far.
Region finished(Region normalised, Region so_far, const std::string& name) {
  normalised.name = name;
  normalised.files = std::move(so_far.files);
  for (const auto& note : so_far.notes) normalised.notes.push_back(name + ": " + note);
  std::ranges::sort(normalised.files, {}, &FileUsed::name);
  sort_peaks(normalised.peaks);
  return normalised;
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
  const auto spectrum = parse_spectrum_ascii(text, name);
  if (!found.interval_list)
    std::erase_if(intervals, [&](const MassInterval& i) { return i.upper > spectrum.mz.back(); });

  remember(region, found.files.front(), text);
  return finished(normalise_spectrum(spectrum, intervals, name, options), std::move(region), found.name);
}

// The two files of a measurement; the one whose name ends so first.
std::pair<fs::path, fs::path> pair_of(const RegionFiles& found, std::string_view first_ends) {
  if (found.files.size() != 2)
    throw BadInput(found.name, 0, "needs exactly two files", "keep both of a measurement, and no third");
  const bool in_order = lower_case(name_of(found.files[0])).ends_with(first_ends);
  return {found.files[in_order ? 0 : 1], found.files[in_order ? 1 : 0]};
}

// A measured axis that all pixels share leaves nothing to guess about what lies beyond it.
void check_axis(std::vector<MassInterval>& intervals, const std::vector<double>& axis,
                const RegionFiles& found) {
  if (axis.empty()) return;
  const auto beyond = [&](const MassInterval& i) { return i.upper > axis.back() || i.lower < axis.front(); };
  if (!found.interval_list) std::erase_if(intervals, beyond);
  const auto first = std::ranges::find_if(intervals, beyond);
  if (first != intervals.end())
    throw BadInput(
        found.name, 0,
        fmt::format("the spectra go from m/z {:.3f} to {:.3f}, the interval of {} from {:.3f} to {:.3f}",
                    axis.front(), axis.back(), first->label, first->lower, first->upper),
        "export a wider range, or take the interval out of the peak list");
}

Region read_imzml(const RegionFiles& found, const NormaliseOptions& options) {
  const auto [xml, binary] = pair_of(found, ".imzml");
  ImzmlReader reader{BinaryFile(xml), BinaryFile(binary)};
  Region region;
  auto intervals = intervals_for(found, region);
  check_axis(intervals, reader.shared_axis(), found);
  const auto hashes = reader.verify();
  region.files.push_back({name_of(xml), hashes.xml, reader.xml_bytes()});
  region.files.push_back({name_of(binary), hashes.binary, reader.binary_bytes()});
  region.notes = reader.notes();

  std::vector<Ions> run;
  const auto pass = [&](const IonSink& sink) {
    reader.each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
      run.assign(1, {pixel, Ions::all, total});
      const auto areas = interval_areas(spectrum, intervals, options.area);
      for (std::uint32_t i = 0; i < areas.size(); ++i)
        if (areas[i] != 0) run.push_back({pixel, i, areas[i]});
      sink(run);
    });
  };
  return finished(normalise_ions(pass, reader.shape(), intervals, found.name, options), std::move(region),
                  found.name);
}

}  // namespace

FoundRegions find_regions(std::vector<fs::path> files, const std::optional<fs::path>& interval_list) {
  std::ranges::sort(files);
  FoundRegions found;
  ImagesByBase images;
  Companions companions(files);
  std::vector<RegionFiles> spectra;
  std::vector<fs::path> lists, companion_like;
  FileReader reader;
  for (const auto& file : files) {
    const auto name = name_of(file);
    const auto small = lower_case(name);
    try {
      const auto start = reader.peek(file);
      if (start.empty())
        found.refused.push_back({file, name + ": is empty; copy or export it again"});
      else if (small.ends_with(".ibd"))
        companion_like.push_back(file);
      else if (looks_like_imzml(start))
        sort_in_imzml(file, companions, spectra, found);
      else if (const auto image = parse_image_file_name(name); image && looks_like_image_ascii(start))
        images[image->base].push_back(file);
      else if (looks_like_spectrum_ascii(start))
        spectra.push_back({file.stem().string(), RegionFiles::Format::spectrum_ascii, {file}, {}});
      else if (looks_like_interval_list(start))
        lists.push_back(file);
      else if (looks_like_image_ascii(start))
        found.refused.push_back(
            {file, name + ": an image, but not named \"<base> (<ID>) - <peak>.txt\"; keep the name "
                          "that SurfaceLab gives it"});
      else
        found.refused.push_back(
            {file,
             name + ": neither an ASCII image, nor a spectrum, nor a measurement (imzML), nor a peak list; "
                    "take it out of the folder or export it as one of these"});
    } catch (const BadInput& problem) {
      found.refused.push_back({file, problem.what()});
    }
  }
  for (const auto& file : companion_like)
    if (!companions.taken(file))
      found.refused.push_back(
          {file, name_of(file) + ": the file that it belongs to is missing; copy both of them"});
  sort_in_images(images, found);
  sort_in_spectra(spectra, lists, interval_list, found);
  refuse_namesakes(found);
  std::ranges::sort(found.regions, {}, &RegionFiles::name);
  return found;
}

Region read_region(const RegionFiles& found, const NormaliseOptions& options) {
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return ImagesOfRegion(found, options).read();
    case RegionFiles::Format::spectrum_ascii: return read_spectrum(found, options);
    case RegionFiles::Format::imzml: return read_imzml(found, options);
  }
  throw BadInput(found.name, 0, "is of no known format", "name one");
}

}  // namespace cambench::sims
