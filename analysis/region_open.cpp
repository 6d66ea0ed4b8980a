// Files of measurements, opened: which images, events or spectra they hold, and which intervals these are counted in.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/grd.h"
#include "analysis/formats/itm.h"
#include "analysis/fragments.h"
#include "analysis/mass_check.h"
#include "analysis/region_parts.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool ends_in(const fs::path& file, std::string_view ending) {
  const auto name = name_of(file);
  return name.size() >= ending.size() &&
         std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, to_lower, to_lower);
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

// ---- names of the images of BIF6

using Bif6Image = Bif6Reader::Image;

constexpr double rounding = 1e-4;  // u: 32-bit numbers there, six decimals in a list

bool same_bounds(const auto& a, const auto& b) {
  return std::abs(a.lower - b.lower) < rounding && std::abs(a.upper - b.upper) < rounding;
}

// Nearer than half-way from Nb- to NiCl-, the closest of the known fragments.
bool same_place(const auto& a, const auto& b) {
  return std::abs(a.lower + a.upper - b.lower - b.upper) / 2 < 1e-3 + rounding;
}

// Each image's interval of the list: that with the same bounds, or where these were edited, the one in the same place,
// if neither has another there. Null: none.
std::vector<const MassInterval*> listed(std::span<const Bif6Image> images,
                                        std::span<const MassInterval> list) {
  std::vector<const MassInterval*> found;
  for (const auto& image : images) {
    const auto same = std::ranges::find_if(list, [&](const auto& i) { return same_bounds(i, image); });
    found.push_back(same == list.end() ? nullptr : &*same);
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (found[i]) continue;
    const auto here = [&](const auto& other) { return same_place(other, images[i]); };
    const auto interval = std::ranges::find_if(list, here);
    if (interval == list.end() || std::ranges::count_if(list, here) > 1) continue;
    const auto there = [&](const auto& other) { return same_place(other, *interval); };
    if (std::ranges::count_if(images, there) == 1) found[i] = &*interval;
  }
  return found;
}

std::string some_of(const std::vector<std::string>& labels) {
  constexpr std::size_t most = 5;
  if (labels.size() <= most) return fmt::format("{}", fmt::join(labels, ", "));
  return fmt::format("{} and {} more", fmt::join(labels.begin(), labels.begin() + most, ", "),
                     labels.size() - most);
}

// What the list does not name is told by its mass, is in no category, and so in no category's score.
std::vector<MassInterval> named(std::span<const Bif6Image> images, std::span<const MassInterval> list,
                                std::string_view list_file, Region& region) {
  const auto intervals = listed(images, list);
  std::vector<MassInterval> all;
  std::vector<std::string> moved, without;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& image = images[i];
    const auto label = intervals[i] ? intervals[i]->label : fmt::format("m/z {:.4f}", image.centre);
    all.push_back({label, image.lower, image.upper});
    if (!intervals[i])
      without.push_back(label);
    else if (!same_bounds(image, *intervals[i]))
      moved.push_back(label);
  }
  if (list_file.empty()) return all;
  if (!moved.empty())
    region.notes.push_back(
        fmt::format("{} of its {} images were exported with other bounds than {} gives, and are named by "
                    "their centre: {}",
                    moved.size(), images.size(), list_file, some_of(moved)));
  if (!without.empty())
    region.doubts.push_back(
        fmt::format("{} of its {} images have no name in {} and count for no category: {}; take the peak "
                    "list that they were exported with",
                    without.size(), images.size(), list_file, some_of(without)));
  return all;
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

// ---- raw events

// By any reader with shape() and each_ion(). `says` is the file that gives the mass scale.
template <typename Reader>
Events events_of(Reader opened, const MassScale& scale, std::vector<MassInterval> intervals, bool by_list,
                 std::string_view says, const MassCheck& masses, Region& region,
                 std::optional<double> field_of_view) {
  const auto reader = std::make_shared<Reader>(std::move(opened));
  const auto each_ion = [reader](const RawIonSink& sink) { return reader->each_ion(sink); };
  if (by_list && masses.what == MassCheck::What::corrected) {
    EventsNearKnownIons near(scale, masses);
    each_ion([&](std::span<const RawIon> ions) { near.add(ions); });
    if (const auto calibration = check_masses(near.spectrum(), masses, region))
      intervals = as_shown(std::move(intervals), *calibration);
  }
  ChannelIntervals by_channel(scale, intervals, says);
  return {reader->shape(),       each_ion, scale,        std::move(intervals),
          std::move(by_channel), by_list,  field_of_view};
}

Events open_grd(const RegionFiles& found, const MassCheck& masses, Region& region) {
  const auto text = file_ending_in(found, ".txt");
  FileReader files;
  const auto properties = parse_grd_properties(files.read(text), name_of(text));
  auto intervals = intervals_for(found, region);
  if (properties.upper_mass) check_axis(intervals, {0, *properties.upper_mass}, found);
  const auto open = [&](std::string_view ending) { return BinaryFile(file_ending_in(found, ending)); };
  const auto events = [&](auto reader) {
    return events_of(std::move(reader), properties.scale, std::move(intervals),
                     found.interval_list.has_value(), name_of(text), masses, region,
                     properties.field_of_view);
  };
  if (found.format == RegionFiles::Format::grd) return events(GrdReader(open(".grd"), properties));
  return events(SplitGrdReader(open(".scans"), open(".coords"), open(".tofs"), properties));
}

Events open_itm(const RegionFiles& found, const MassCheck& masses, Region& region) {
  ItmReader reader{BinaryFile(found.files.at(0))};
  const auto name = reader.file().name();
  const auto scale = reader.scale();
  const auto field_of_view = reader.field_of_view();
  auto intervals = reader.intervals();
  const bool own_list = !found.interval_list && !intervals.empty();
  if (own_list) {
    region.intervals = "peak list that the file holds";
    region.notes.push_back("its peaks are those of the list that the file holds");
  } else {
    intervals = intervals_for(found, region);
  }
  refuse_same_ions(intervals, name);
  return events_of(std::move(reader), scale, std::move(intervals), own_list || found.interval_list, name,
                   masses, region, field_of_view);
}

}  // namespace

fs::path file_ending_in(const RegionFiles& found, std::string_view ending) {
  const auto place =
      std::ranges::find_if(found.files, [&](const fs::path& file) { return ends_in(file, ending); });
  if (place == found.files.end())
    throw BadInput(found.name, 0, fmt::format("its file *{} is missing", ending), "copy it as well");
  return *place;
}

Stack<Bif6Reader, Bif6Reader::Image> open_bif6(const RegionFiles& found, Region& region) {
  Bif6Reader reader{BinaryFile(found.files.at(0))};
  const auto& images = reader.images();
  const auto total = std::ranges::find(images, 0U, &Bif6Reader::Image::id);
  if (total == images.end())
    throw BadInput(reader.file().name(), 0, "has no total ion image (number 0)", "export it as well");
  region.intervals = "images of the file, told by their masses";
  std::vector<MassInterval> list;
  if (found.interval_list) {
    list = intervals_for(found, region);
    region.intervals = "images of the file, named by " + region.intervals;
  }

  std::vector<Bif6Image> peaks;
  std::ranges::copy_if(images, std::back_inserter(peaks),
                       [&](const Bif6Image& image) { return is_peak(image, *total); });
  auto intervals = named(peaks, list, found.interval_list ? name_of(*found.interval_list) : "", region);
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

Events open_events(const RegionFiles& found, const MassCheck& masses, Region& region) {
  return found.format == RegionFiles::Format::itm ? open_itm(found, masses, region)
                                                  : open_grd(found, masses, region);
}

PixelSpectra open_imzml(const RegionFiles& found, const MassCheck& masses, Region& region) {
  const auto xml = file_ending_in(found, ".imzml"), binary = file_ending_in(found, ".ibd");
  auto reader = std::make_unique<ImzmlReader>(BinaryFile(xml), BinaryFile(binary));
  auto intervals = intervals_for(found, region);
  check_axis(intervals, reader->shared_axis(), found);
  std::ranges::copy(reader->notes(), std::back_inserter(region.notes));
  if (found.interval_list && masses.what == MassCheck::What::corrected) {
    SpectraNearKnownIons near(masses);
    reader->each_pixel([&](std::uint32_t, double, const Spectrum& spectrum) { near.add(spectrum); });
    if (const auto calibration = check_masses(near, masses, region))
      intervals = as_shown(std::move(intervals), *calibration);
  }
  return {std::move(reader), std::move(intervals)};
}

}  // namespace cambench::sims
