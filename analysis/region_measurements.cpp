// Regions of formats that hold a whole measurement: stacks of images, spectra of every pixel, raw events.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/grd.h"
#include "analysis/formats/imzml.h"
#include "analysis/formats/itm.h"
#include "analysis/fragments.h"
#include "analysis/ion_images.h"
#include "analysis/region_parts.h"
#include "analysis/spectra.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Of a file that is read in pieces.
FileUsed used_whole(BinaryFile& file) {
  Sha256 hash;
  file.each_piece([&](std::string_view piece) { hash.update(piece); });
  return {file.name(), hash.hex(), file.size()};
}

bool ends_in(const fs::path& file, std::string_view ending) {
  const auto name = name_of(file);
  return name.size() >= ending.size() &&
         std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, to_lower, to_lower);
}

fs::path file_ending_in(const RegionFiles& found, std::string_view ending) {
  const auto place =
      std::ranges::find_if(found.files, [&](const fs::path& file) { return ends_in(file, ending); });
  if (place == found.files.end())
    throw BadInput(found.name, 0, fmt::format("its file *{} is missing", ending), "copy it as well");
  return *place;
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

GrdProperties properties_of(const fs::path& file, Region& region) {
  FileReader files;
  const auto text = files.read(file);
  region.files.push_back(used(file, text));
  return parse_grd_properties(text, name_of(file));
}

std::vector<MassInterval> intervals_within(const std::optional<double>& upper_mass, const RegionFiles& found,
                                           Region& region) {
  auto intervals = intervals_for(found, region);
  if (upper_mass) check_axis(intervals, {0, *upper_mass}, found);
  return intervals;
}

// Raw events, by any reader with shape() and each_ion(), whose ions the intervals name.
template <typename Reader>
Region of_events(Reader& reader, const ChannelIntervals& by_channel,
                 const std::vector<MassInterval>& intervals, const RegionFiles& found, Region region,
                 const NormaliseOptions& options) {
  std::uint32_t scans = 0;
  const auto pass = [&](const RawIonSink& sink) { scans = reader.each_ion(sink); };
  auto normalised = normalise_ions(pass, reader.shape(), by_channel, intervals, found.name, options);
  if (scans > 1) region.notes.push_back(fmt::format("{} scans were summed", scans));
  return finished(std::move(normalised), std::move(region), found.name);
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

void refuse_same_ions(const std::vector<MassInterval>& intervals, std::string_view file) {
  std::set<std::string> keys;
  for (const auto& interval : intervals)
    if (!keys.insert(fragment_key(interval.label)).second)
      throw BadInput(file, 0, fmt::format("has two images of {}", interval.label),
                     "export one image for each ion");
}

template <typename Reader, typename StackImage>
Region of_stack(Stack<Reader, StackImage>& stack, const RegionFiles& found, Region region,
                const NormaliseOptions& options) {
  const auto read = [&](std::uint32_t interval, const ImageSink& sink) {
    stack.reader.read(interval == all_ions ? stack.total : stack.peaks[interval], sink);
  };
  return finished(normalise_images(read, stack.reader.shape(), stack.intervals, found.name, options),
                  std::move(region), found.name);
}

}  // namespace

Region read_imzml(const RegionFiles& found, const NormaliseOptions& options) {
  const auto xml = file_ending_in(found, ".imzml"), binary = file_ending_in(found, ".ibd");
  ImzmlReader reader{BinaryFile(xml), BinaryFile(binary)};
  Region region;
  auto intervals = intervals_for(found, region);
  check_axis(intervals, reader.shared_axis(), found);
  const auto hashes = reader.verify();
  region.files.push_back({name_of(xml), hashes.xml, reader.xml_bytes()});
  region.files.push_back({name_of(binary), hashes.binary, reader.binary_bytes()});
  region.notes = reader.notes();

  IntervalAreas areas(intervals, options.area);
  const auto pass = [&](const SpectrumSink& sink) {
    reader.each_pixel(
        [&](std::uint32_t, double total, const Spectrum& spectrum) { sink(total, areas.of(spectrum)); });
  };
  return finished(normalise_spectra(pass, reader.shape(), intervals, found.name, options), std::move(region),
                  found.name);
}

Stack<Bif6Reader, Bif6Reader::Image> open_bif6(const RegionFiles& found, Region& region) {
  Bif6Reader reader{BinaryFile(found.files.at(0))};
  const auto& images = reader.images();
  const auto total = std::ranges::find(images, 0U, &Bif6Reader::Image::id);
  if (total == images.end())
    throw BadInput(reader.file().name(), 0, "has no total ion image (number 0)", "export it as well");
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
  const auto total_image = *total;
  return {std::move(reader), total_image, std::move(peaks), std::move(intervals)};
}

Stack<ItaReader, ItaReader::Image> open_ita(const RegionFiles& found) {
  ItaReader reader{BinaryFile(found.files.at(0))};
  const auto& images = reader.images();
  const auto total = std::ranges::find(images, total_label, &ItaReader::Image::description);
  if (total == images.end())
    throw BadInput(reader.file().name(), 0, "has no total ion image",
                   "export the images as BIF6 or as ASCII instead");
  std::vector<MassInterval> intervals;
  std::vector<ItaReader::Image> peaks;
  for (const auto& image : images) {
    if (image.description == total_label || image.description == rest_label) continue;
    peaks.push_back(image);
    intervals.push_back(image.interval);
  }
  refuse_same_ions(intervals, reader.file().name());
  const auto total_image = *total;
  return {std::move(reader), total_image, std::move(peaks), std::move(intervals)};
}

Region read_bif6(const RegionFiles& found, const NormaliseOptions& options) {
  Region region;
  auto stack = open_bif6(found, region);
  region.files.push_back(used_whole(stack.reader.file()));
  if (!found.interval_list)
    region.notes.push_back("no peak list names its images, so they are told by their mass alone");
  return of_stack(stack, found, std::move(region), options);
}

Region read_ita(const RegionFiles& found, const NormaliseOptions& options) {
  auto stack = open_ita(found);
  Region region;
  region.files.push_back(used_whole(stack.reader.file()));
  return of_stack(stack, found, std::move(region), options);
}

Region read_grd(const RegionFiles& found, const NormaliseOptions& options) {
  Region region;
  const auto text = file_ending_in(found, ".txt");
  const auto properties = properties_of(text, region);
  GrdReader reader(BinaryFile(file_ending_in(found, ".grd")), properties);
  region.files.push_back(used_whole(reader.file()));
  const auto intervals = intervals_within(properties.upper_mass, found, region);
  const ChannelIntervals by_channel(properties.scale, intervals, name_of(text));
  return of_events(reader, by_channel, intervals, found, std::move(region), options);
}

Region read_split_grd(const RegionFiles& found, const NormaliseOptions& options) {
  Region region;
  const auto text = file_ending_in(found, ".txt");
  const auto properties = properties_of(text, region);
  const auto open = [&](std::string_view ending) { return BinaryFile(file_ending_in(found, ending)); };
  for (const auto& path : found.files)
    if (!ends_in(path, ".txt")) {
      BinaryFile file(path);
      region.files.push_back(used_whole(file));
    }
  SplitGrdReader reader(open(".scans"), open(".coords"), open(".tofs"), properties);
  const auto intervals = intervals_within(properties.upper_mass, found, region);
  const ChannelIntervals by_channel(properties.scale, intervals, name_of(text));
  return of_events(reader, by_channel, intervals, found, std::move(region), options);
}

Region read_itm(const RegionFiles& found, const NormaliseOptions& options) {
  ItmReader reader{BinaryFile(found.files.at(0))};
  Region region;
  region.files.push_back(used_whole(reader.file()));
  auto intervals = reader.intervals();
  if (found.interval_list || intervals.empty())
    intervals = intervals_for(found, region);
  else
    region.notes.push_back("its peaks are those of the list that the file holds");
  refuse_same_ions(intervals, reader.file().name());
  const ChannelIntervals by_channel(reader.scale(), intervals, reader.file().name());
  return of_events(reader, by_channel, intervals, found, std::move(region), options);
}

}  // namespace cambench::sims
