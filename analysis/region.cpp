#include "analysis/region.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/bif6.h"
#include "analysis/formats/file.h"
#include "analysis/formats/grd.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/imzml.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/ita.h"
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

std::string label_of(const fs::path& image) {
  const auto name = parse_image_file_name(name_of(image));
  return name ? name->label : std::string();
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

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

// The two files of a measurement: the one that ends so, and the other.
std::pair<fs::path, fs::path> pair_of(const RegionFiles& found, std::string_view ending) {
  if (found.files.size() != 2)
    throw BadInput(found.name, 0, "needs exactly two files", "keep both of a measurement, and no third");
  const auto last = name_of(found.files[1]);
  const bool second =
      last.size() >= ending.size() &&
      std::ranges::equal(last.substr(last.size() - ending.size()), ending, {}, to_lower, to_lower);
  return {found.files[second ? 1 : 0], found.files[second ? 0 : 1]};
}

// Of a file that is read in pieces.
void remember(Region& region, BinaryFile& file) {
  Sha256 hash;
  file.each_piece([&](std::string_view piece) { hash.update(piece); });
  region.files.push_back({file.name(), hash.hex(), file.size()});
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

  const auto pass = [&](const IsWanted& wanted, const IonSink& sink) {
    std::vector<std::uint32_t> indices;
    std::vector<MassInterval> asked;
    for (std::uint32_t i = 0; i < intervals.size(); ++i)
      if (wanted(i)) {
        indices.push_back(i);
        asked.push_back(intervals[i]);
      }
    std::vector<Ions> run;
    reader.each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
      run.assign(1, {pixel, Ions::all, total});
      const auto areas = interval_areas(spectrum, asked, options.area);
      for (std::size_t i = 0; i < areas.size(); ++i)
        if (areas[i] != 0) run.push_back({pixel, indices[i], areas[i]});
      sink(run);
    });
  };
  return finished(normalise_ions(pass, reader.shape(), intervals, found.name, options), std::move(region),
                  found.name);
}

// The peaks' names, by a list with the same bounds; what it does not name is told by its mass.
std::string label_of(const Bif6Reader::Image& image, std::span<const MassInterval> list) {
  constexpr double rounding = 1e-4;  // u: 32-bit numbers there, six decimals here
  const auto same = std::ranges::find_if(list, [&](const MassInterval& i) {
    return std::abs(i.lower - image.lower) < rounding && std::abs(i.upper - image.upper) < rounding;
  });
  return same == list.end() ? fmt::format("m/z {:.4f}", image.centre) : same->label;
}

// Sum of rest, which is no peak, has no interval of its own.
bool is_peak(const Bif6Reader::Image& image, const Bif6Reader::Image& total) {
  const bool as_wide = image.lower <= total.lower && image.upper >= total.upper;
  return image.id > 1 || (image.id == 1 && image.lower < image.upper && !as_wide);
}

// Images in one file, one after the other: any reader with images() and read().
template <typename Reader, typename Image>
IonPass pass_of_images(Reader& reader, const Image& total, const std::vector<Image>& peaks) {
  return [&](const IsWanted& wanted, const IonSink& sink) {
    std::vector<Ions> run;
    const auto hand_on = [&](const Image& image, std::uint32_t interval) {
      if (!wanted(interval)) return;
      reader.read(image, [&](std::span<const PixelCounts> pixels) {
        run.clear();
        for (const auto& [pixel, counts] : pixels) run.push_back({pixel, interval, counts});
        sink(run);
      });
    };
    hand_on(total, Ions::all);
    for (std::uint32_t i = 0; i < peaks.size(); ++i) hand_on(peaks[i], i);
  };
}

void refuse_same_ions(const std::vector<MassInterval>& intervals, std::string_view file) {
  std::set<std::string> keys;
  for (const auto& interval : intervals)
    if (!keys.insert(fragment_key(interval.label)).second)
      throw BadInput(file, 0, fmt::format("has two images of {}", interval.label),
                     "export one image for each ion");
}

Region read_bif6(const RegionFiles& found, const NormaliseOptions& options) {
  Bif6Reader reader{BinaryFile(found.files.at(0))};
  const auto& images = reader.images();
  const auto total = std::ranges::find(images, 0U, &Bif6Reader::Image::id);
  if (total == images.end())
    throw BadInput(reader.file().name(), 0, "has no total ion image (number 0)", "export it as well");
  Region region;
  remember(region, reader.file());
  std::vector<MassInterval> list;
  if (found.interval_list) list = intervals_for(found, region);

  std::vector<MassInterval> intervals;
  std::vector<Bif6Reader::Image> peaks;
  for (const auto& image : images) {
    if (!is_peak(image, *total)) continue;
    peaks.push_back(image);
    intervals.push_back({label_of(image, list), image.lower, image.upper});
  }
  refuse_same_ions(intervals, reader.file().name());
  if (list.empty())
    region.notes.push_back("no peak list names its images, so they are told by their mass alone");
  return finished(
      normalise_ions(pass_of_images(reader, *total, peaks), reader.shape(), intervals, found.name, options),
      std::move(region), found.name);
}

Region read_ita(const RegionFiles& found, const NormaliseOptions& options) {
  ItaReader reader{BinaryFile(found.files.at(0))};
  const auto& images = reader.images();
  const auto total = std::ranges::find(images, total_label, &ItaReader::Image::description);
  if (total == images.end())
    throw BadInput(reader.file().name(), 0, "has no total ion image",
                   "export the images as BIF6 or as ASCII instead");
  Region region;
  remember(region, reader.file());
  std::vector<MassInterval> intervals;
  std::vector<ItaReader::Image> peaks;
  for (const auto& image : images) {
    if (image.description == total_label || image.description == rest_label) continue;
    peaks.push_back(image);
    intervals.push_back(image.interval);
  }
  refuse_same_ions(intervals, reader.file().name());
  return finished(
      normalise_ions(pass_of_images(reader, *total, peaks), reader.shape(), intervals, found.name, options),
      std::move(region), found.name);
}

Region read_grd(const RegionFiles& found, const NormaliseOptions& options) {
  const auto [events, properties_file] = pair_of(found, ".grd");
  Region region;
  FileReader files;
  const auto text = files.read(properties_file);
  remember(region, properties_file, text);
  const auto properties = parse_grd_properties(text, name_of(properties_file));
  GrdReader reader(BinaryFile(events), properties);
  remember(region, reader.file());

  auto intervals = intervals_for(found, region);
  if (properties.upper_mass) check_axis(intervals, {0, *properties.upper_mass}, found);
  const ChannelIntervals by_channel(properties.scale, intervals, name_of(properties_file));
  std::uint32_t scans = 0;
  const auto pass = [&](const IsWanted& wanted, const IonSink& sink) {
    const bool totals = wanted(Ions::all);
    std::vector<bool> asked;
    for (std::uint32_t i = 0; i < intervals.size(); ++i) asked.push_back(wanted(i));
    std::vector<Ions> run;
    scans = reader.each_ion([&](std::span<const GrdReader::Ion> ions) {
      run.clear();
      for (const auto& [pixel, channel] : ions) {
        if (totals) run.push_back({pixel, Ions::all, 1});
        for (const auto interval : by_channel.at(channel))
          if (asked[interval]) run.push_back({pixel, interval, 1});
      }
      sink(run);
    });
  };
  auto normalised = normalise_ions(pass, reader.shape(), intervals, found.name, options);
  if (scans > 1) region.notes.push_back(fmt::format("{} scans were summed", scans));
  return finished(std::move(normalised), std::move(region), found.name);
}

}  // namespace

Region read_region(const RegionFiles& found, const NormaliseOptions& options) {
  switch (found.format) {
    case RegionFiles::Format::images_ascii: return ImagesOfRegion(found, options).read();
    case RegionFiles::Format::spectrum_ascii: return read_spectrum(found, options);
    case RegionFiles::Format::imzml: return read_imzml(found, options);
    case RegionFiles::Format::bif6: return read_bif6(found, options);
    case RegionFiles::Format::grd: return read_grd(found, options);
    case RegionFiles::Format::ita: return read_ita(found, options);
  }
  throw BadInput(found.name, 0, "is of no known format", "name one");
}

}  // namespace cambench::sims
