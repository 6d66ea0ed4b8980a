// Regions of formats that hold a whole measurement: stacks of images, spectra of every pixel, raw events.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "analysis/ion_images.h"
#include "analysis/mass_check.h"
#include "analysis/region_parts.h"
#include "analysis/spectra.h"

namespace cambench::sims {
namespace {

template <typename Reader, typename StackImage>
Region of_stack(Stack<Reader, StackImage>& stack, const RegionFiles& found, Region region,
                const NormaliseOptions& options) {
  region.total = every_ion;
  const auto read = [&](std::uint32_t interval, const ImageSink& sink) {
    stack.reader.read(interval == all_ions ? stack.total : stack.peaks[interval], sink);
  };
  return finished(normalise_images(read, stack.reader.shape(), stack.intervals, found.name, options),
                  std::move(region), found.name);
}

}  // namespace

Region read_imzml(const RegionFiles& found, const NormaliseOptions& options) {
  Region region;
  const auto [reader, intervals] = open_imzml(found, options.masses, region);
  region.total =
      reader->totals_given() ? "total ion current that the file gives" : "sum of each pixel's spectrum";
  const auto hashes = reader->verify();
  region.files.push_back({name_of(file_ending_in(found, ".imzml")), hashes.xml, reader->xml_bytes()});
  region.files.push_back({name_of(file_ending_in(found, ".ibd")), hashes.binary, reader->binary_bytes()});

  std::optional<SpectraNearKnownIons> near;
  if (found.interval_list && options.masses.what == MassCheck::What::named) near.emplace(options.masses);
  IntervalAreas areas(intervals, options.area);
  auto normalised = normalise_spectra(
      [&](const SpectrumSink& sink) {
        reader->each_pixel([&](std::uint32_t, double total, const Spectrum& spectrum) {
          if (near) near->add(spectrum);
          sink(total, areas.of(spectrum));
        });
      },
      reader->shape(), intervals, found.name, options);
  if (near) check_masses(*near, options.masses, region);
  return finished(std::move(normalised), std::move(region), found.name);
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
  Region region{.intervals = "images of the file, under their names there"};
  region.files.push_back(used_whole(stack.reader.file()));
  return of_stack(stack, found, std::move(region), options);
}

Region read_events(const RegionFiles& found, const NormaliseOptions& options) {
  Region region{.total = std::string(every_ion)};
  for (const auto& path : found.files) {
    BinaryFile file(path);
    region.files.push_back(used_whole(file));
  }
  const auto events = open_events(found, options.masses, region);
  std::optional<EventsNearKnownIons> near;
  if (events.by_list && options.masses.what == MassCheck::What::named)
    near.emplace(events.scale, options.masses);
  std::uint32_t scans = 0;
  const auto pass = [&](const RawIonSink& sink) {
    scans = events.each_ion([&](std::span<const RawIon> ions) {
      if (near) near->add(ions);  // in a second pass again, which moves no peak
      sink(ions);
    });
  };
  auto normalised =
      normalise_ions(pass, events.shape, events.by_channel, events.intervals, found.name, options);
  if (scans > 1) region.notes.push_back(fmt::format("{} scans were summed", scans));
  if (near) check_masses(near->spectrum(), options.masses, region);
  return finished(std::move(normalised), std::move(region), found.name);
}

}  // namespace cambench::sims
