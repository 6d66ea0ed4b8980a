#include "analysis/ion_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "analysis/normalise.h"

namespace cambench::sims {
namespace {

std::optional<std::uint32_t> interval_of(std::span<const MassInterval> intervals, std::string_view label) {
  if (label.empty()) return std::nullopt;
  const auto key = fragment_key(label);
  for (std::uint32_t i = 0; i < intervals.size(); ++i)
    if (fragment_key(intervals[i].label) == key) return i;
  return std::nullopt;
}

// Ions counted by pixel, and within a pixel by interval; before these stand those of no interval, or all of the pixel
// where an ion may be of several.
class CountedPixels {
 public:
  CountedPixels(const ChannelIntervals& by_channel, std::size_t intervals, std::size_t pixels)
      : by_channel_(by_channel), width_(intervals + 1), counts_(width_ * pixels) {}

  void add(std::span<const RawIon> ions) {
    if (by_channel_.disjoint()) {
      for (const auto& ion : ions) ++counts_[ion.pixel * width_ + by_channel_.slot(ion.channel)];
      return;
    }
    for (const auto& ion : ions) {
      std::uint32_t* counts = &counts_[ion.pixel * width_];
      ++counts[0];
      for (const auto interval : by_channel_.at(ion.channel)) ++counts[1 + interval];
    }
  }

  void add_up(SpectrumSums& sums) const {
    for (std::size_t at = 0; at < counts_.size(); at += width_) {
      const auto row = std::span(counts_).subspan(at, width_);
      const auto all = by_channel_.disjoint() ? row : row.first(1);
      const auto total = std::accumulate(all.begin(), all.end(), std::uint64_t{0});
      if (total > 0) sums.add(static_cast<double>(total), row.subspan(1));
    }
    sums.end();
  }

 private:
  const ChannelIntervals& by_channel_;
  std::size_t width_;
  std::vector<std::uint32_t> counts_;
};

// The interval of the reference ion, if there is one.
std::optional<std::uint32_t> reference_among(std::span<const MassInterval> intervals, std::string_view name,
                                             const NormaliseOptions& options) {
  const auto reference = interval_of(intervals, options.reference);
  if (!reference && options.reference_required && !options.reference.empty())
    throw BadInput(name, 0, fmt::format("no interval is assigned to the reference ion {}", options.reference),
                   "assign it in the peak list");
  return reference;
}

void refuse_empty(const RegionTotals& totals, std::string_view name) {
  if (totals.pixels_with_ions == 0)
    throw BadInput(name, 0, "the measurement holds no ion", "leave this spot out, or export it again");
}

template <typename PeakOf>
Region region_of(const RegionTotals& totals, ImageShape shape, std::span<const MassInterval> intervals,
                 const std::optional<std::uint32_t>& reference, std::string_view name,
                 const NormaliseOptions& options, double counts_without_total, PeakOf peak_of) {
  Region region;
  region.name = name;
  region.width = shape.width;
  region.height = shape.height;
  region.pixels_without_ions = shape.pixels() - totals.pixels_with_ions;
  if (reference) refer(region, intervals[*reference].label, totals, options);
  for (std::size_t i = 0; i < intervals.size(); ++i) region.peaks.push_back(peak_of(i, intervals[i].label));
  if (counts_without_total > 0)
    region.notes.push_back(
        fmt::format("{}: {} counts lie in pixels whose total the file gives as 0 and were left out", name,
                    counts_without_total));
  return region;
}

Region region_of(const SpectrumSums& sums, ImageShape shape, std::span<const MassInterval> intervals,
                 const std::optional<std::uint32_t>& reference, std::string_view name,
                 const NormaliseOptions& options) {
  refuse_empty(sums.totals(), name);
  return region_of(sums.totals(), shape, intervals, reference, name, options, sums.counts_without_total(),
                   [&](std::size_t i, const std::string& label) { return sums.peak(i, label); });
}

// First the images of the total and of the reference ion, then the sums of all peaks.
Region normalise_ions_twice(const RawIonPass& pass, ImageShape shape, const ChannelIntervals& by_channel,
                            std::span<const MassInterval> intervals, std::string_view name,
                            const NormaliseOptions& options) {
  const auto reference = reference_among(intervals, name, options);
  Image total{shape, std::vector<double>(shape.pixels())}, of_reference;
  if (reference) of_reference = total;
  pass([&](std::span<const RawIon> ions) {
    for (const auto& [pixel, channel] : ions) {
      ++total.counts[pixel];
      for (const auto interval : by_channel.at(channel))
        if (interval == reference) ++of_reference.counts[pixel];
    }
  });
  const auto weights = weigh(total, reference ? &of_reference : nullptr, options);
  total = of_reference = {};
  refuse_empty(weights, name);

  std::vector<Sums> sums(intervals.size());
  pass([&](std::span<const RawIon> ions) {
    std::vector<Sums> of_run(intervals.size());  // summed on its own, which keeps rounding small
    for (const auto& [pixel, channel] : ions)
      for (const auto interval : by_channel.at(channel)) of_run[interval].add(1, weights.pixels[pixel]);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(of_run[i]);
  });
  return region_of(weights, shape, intervals, reference, name, options, 0,
                   [&](std::size_t i, const std::string& label) { return peak_of(label, sums[i], weights); });
}

}  // namespace

Region normalise_spectra(const SpectrumPass& pass, ImageShape shape, std::span<const MassInterval> intervals,
                         std::string_view name, const NormaliseOptions& options) {
  const auto reference = reference_among(intervals, name, options);
  SpectrumSums sums(intervals.size(), reference, options);
  pass([&](double total, std::span<const double> areas) { sums.add(total, areas); });
  sums.end();
  return region_of(sums, shape, intervals, reference, name, options);
}

Region normalise_ions(const RawIonPass& pass, ImageShape shape, const ChannelIntervals& by_channel,
                      std::span<const MassInterval> intervals, std::string_view name,
                      const NormaliseOptions& options) {
  constexpr std::size_t most_counts = (32 << 20) / sizeof(std::uint32_t);
  if (shape.pixels() > most_counts / (intervals.size() + 1))
    return normalise_ions_twice(pass, shape, by_channel, intervals, name, options);
  const auto reference = reference_among(intervals, name, options);
  CountedPixels counted(by_channel, intervals.size(), shape.pixels());
  pass([&](std::span<const RawIon> ions) { counted.add(ions); });
  SpectrumSums sums(intervals.size(), reference, options);
  counted.add_up(sums);
  return region_of(sums, shape, intervals, reference, name, options);
}

Region normalise_images(const ImagePass& read, ImageShape shape, std::span<const MassInterval> intervals,
                        std::string_view name, const NormaliseOptions& options) {
  const auto reference = reference_among(intervals, name, options);
  const auto image_of = [&](std::uint32_t interval) {
    Image image{shape, std::vector<double>(shape.pixels())};
    read(interval, [&](std::uint32_t first_pixel, std::span<const std::uint32_t> counts) {
      std::ranges::copy(counts, image.counts.begin() + first_pixel);
    });
    return image;
  };
  Image of_reference;
  if (reference) of_reference = image_of(*reference);
  const auto weights = weigh(image_of(all_ions), reference ? &of_reference : nullptr, options);
  of_reference = {};
  refuse_empty(weights, name);

  double without_total = 0;
  std::vector<Peak> peaks;
  for (std::uint32_t i = 0; i < intervals.size(); ++i) {
    PeakSums sums(weights);
    read(i, [&](std::uint32_t first_pixel, std::span<const std::uint32_t> counts) {
      sums.add(first_pixel, counts);
    });
    without_total += sums.counts_without_total();
    peaks.push_back(sums.peak(intervals[i].label));
  }
  return region_of(weights, shape, intervals, reference, name, options, without_total,
                   [&](std::size_t i, const std::string&) { return std::move(peaks[i]); });
}

}  // namespace cambench::sims
