#include "analysis/ion_images.h"

#include <fmt/format.h>

#include <cassert>
#include <optional>

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

// The sums of all peaks, each fed in runs: a short run is summed on its own, which keeps rounding small.
class AllPeaks {
 public:
  AllPeaks(const RegionWeights& weights, std::size_t peaks) : sums_(peaks, PeakSums(weights)), runs_(peaks) {}

  void add(const Ions& ions) {
    auto& run = runs_[ions.interval];
    run.push_back({ions.pixel, ions.counts});
    if (run.size() == longest_run) hand_on(ions.interval);
  }
  [[nodiscard]] const PeakSums& sums(std::size_t interval) {
    hand_on(interval);
    return sums_[interval];
  }

 private:
  static constexpr std::size_t longest_run = 256;
  void hand_on(std::size_t interval) {
    sums_[interval].add(runs_[interval]);
    runs_[interval].clear();
  }

  std::vector<PeakSums> sums_;
  std::vector<std::vector<PixelCounts>> runs_;
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

RegionWeights weights_of(Image total, const Image* reference, std::string_view name,
                         const NormaliseOptions& options) {
  auto weights = weigh(total, reference, options);
  if (weights.pixels_with_ions == 0)
    throw BadInput(name, 0, "the measurement holds no ion", "leave this spot out, or export it again");
  return weights;
}

template <typename SumsOf>
Region region_of(const RegionWeights& weights, std::span<const MassInterval> intervals,
                 const std::optional<std::uint32_t>& reference, std::string_view name, SumsOf sums_of) {
  Region region;
  region.name = name;
  region.width = weights.shape.width;
  region.height = weights.shape.height;
  region.pixels_without_ions = weights.pixels.size() - weights.pixels_with_ions;
  if (reference) {
    region.reference = intervals[*reference].label;
    region.pixels_without_reference = weights.pixels_without_reference;
  }
  double without_total = 0;
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const PeakSums& sums = sums_of(i);
    without_total += sums.counts_without_total();
    region.peaks.push_back(sums.peak(intervals[i].label));
  }
  if (without_total > 0)
    region.notes.push_back(
        fmt::format("{}: {} counts lie in pixels whose total the file gives as 0 and were left out", name,
                    without_total));
  return region;
}

}  // namespace

Region normalise_ions(const IonPass& pass, ImageShape shape, std::span<const MassInterval> intervals,
                      std::string_view name, const NormaliseOptions& options) {
  const auto reference = reference_among(intervals, name, options);
  Image total{shape, std::vector<double>(shape.pixels())}, of_reference;
  if (reference) of_reference = total;
  const auto is_divisor = [&](std::uint32_t interval) {
    return interval == Ions::all || interval == reference;
  };
  pass(is_divisor, [&](std::span<const Ions> run) {
    for (const auto& ions : run) {
      assert(ions.pixel < shape.pixels());
      if (ions.interval == Ions::all) total.counts[ions.pixel] += ions.counts;
      if (ions.interval == reference) of_reference.counts[ions.pixel] += ions.counts;
    }
  });
  const auto weights = weights_of(std::move(total), reference ? &of_reference : nullptr, name, options);
  of_reference = {};

  AllPeaks peaks(weights, intervals.size());
  const auto is_peak = [](std::uint32_t interval) { return interval != Ions::all; };
  pass(is_peak, [&](std::span<const Ions> run) {
    for (const auto& ions : run)
      if (ions.interval != Ions::all) peaks.add(ions);
  });
  return region_of(
      weights, intervals, reference, name, [&](std::size_t i) -> auto& { return peaks.sums(i); });
}

Region normalise_images(const ImagePass& read, ImageShape shape, std::span<const MassInterval> intervals,
                        std::string_view name, const NormaliseOptions& options) {
  const auto reference = reference_among(intervals, name, options);
  const auto image_of = [&](std::uint32_t interval) {
    Image image{shape, std::vector<double>(shape.pixels())};
    read(interval, [&](std::span<const PixelCounts> run) {
      for (const auto& [pixel, counts] : run) image.counts[pixel] += counts;
    });
    return image;
  };
  Image of_reference;
  if (reference) of_reference = image_of(*reference);
  const auto weights = weights_of(image_of(Ions::all), reference ? &of_reference : nullptr, name, options);
  of_reference = {};

  std::vector<PeakSums> sums(intervals.size(), PeakSums(weights));
  for (std::uint32_t i = 0; i < intervals.size(); ++i)
    read(i, [&](std::span<const PixelCounts> run) { sums[i].add(run); });
  return region_of(
      weights, intervals, reference, name, [&](std::size_t i) -> auto& { return sums[i]; });
}

}  // namespace cambench::sims
