#include "analysis/spectra.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

// The value where lower <= mz < upper, else 0, without a jump: whether a channel lies in an interval cannot be guessed.
double if_within(double value, double mz, double lower, double upper) {
  using Two = double __attribute__((vector_size(16)));  // for their comparisons, which give bits
  using Bits = std::int64_t __attribute__((vector_size(16)));
  const Two at{mz, mz}, from{lower, lower}, to{upper, upper}, all{value, value};
  return std::bit_cast<Two>(std::bit_cast<Bits>(all) & (from <= at) & (at < to))[0];
}

double sum_of(const Spectrum& spectrum, std::size_t first, std::size_t last) {
  const auto begin = spectrum.intensity.begin();
  return std::accumulate(begin + static_cast<std::ptrdiff_t>(first),
                         begin + static_cast<std::ptrdiff_t>(last), 0.0);
}

double trapezoid_of(const Spectrum& spectrum, std::size_t first, std::size_t last) {
  double area = 0;
  for (std::size_t i = first; i + 1 < last; ++i)
    area += (spectrum.mz[i + 1] - spectrum.mz[i]) * (spectrum.intensity[i] + spectrum.intensity[i + 1]) / 2;
  return area;
}

const MassInterval* find_interval(std::span<const MassInterval> intervals, std::string_view label) {
  const auto key = fragment_key(label);
  const auto found =
      std::ranges::find_if(intervals, [&](const MassInterval& i) { return fragment_key(i.label) == key; });
  return found == intervals.end() ? nullptr : &*found;
}

}  // namespace

double total_counts(const Spectrum& spectrum) { return sum_of(spectrum, 0, spectrum.intensity.size()); }

IntervalAreas::IntervalAreas(std::span<const MassInterval> intervals, SpectrumArea area)
    : area_(area), areas_(intervals.size()) {
  for (std::size_t i = 0; i < intervals.size(); ++i)
    by_lower_.push_back({intervals[i].lower, intervals[i].upper, i});
  std::ranges::stable_sort(by_lower_, {}, &Bounds::lower);
  double last = 0;
  for (const auto& bounds : by_lower_) last = std::max(last, bounds.upper);
  constexpr double never = std::numeric_limits<double>::infinity();
  by_lower_.push_back({never, never, 0});

  // So narrow that few bins have two intervals, as long as the table stays in the processor's cache.
  constexpr double most_bins = 256 * 1024;
  while (last * bins_per_u_ >= most_bins && bins_per_u_ > 16) bins_per_u_ /= 2;
  const auto bins = static_cast<std::size_t>(std::clamp(last * bins_per_u_, 0.0, most_bins)) + 1;
  std::uint32_t first = 0, end = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const auto begins = static_cast<double>(bin) / bins_per_u_,
               ends = static_cast<double>(bin + 1) / bins_per_u_;
    const bool is_last = bin + 1 == bins;  // which every higher mass falls into
    while (first < areas_.size() && by_lower_[first].upper <= begins) ++first;
    while (end < areas_.size() && (is_last || by_lower_[end].lower < ends)) ++end;
    bins_.push_back({.first = first, .more = end > first + 1});
  }
}

std::span<const double> IntervalAreas::of(const Spectrum& spectrum) {
  if (area_ == SpectrumArea::sum)
    add_up(spectrum);
  else
    integrate(spectrum);
  return areas_;
}

// Channel by channel: a table says which interval is the first that it can lie in, and whether there are others.
void IntervalAreas::add_up(const Spectrum& spectrum) {
  std::ranges::fill(areas_, 0.0);
  if (areas_.empty()) return;
  const auto* const bins = bins_.data();
  const auto* const by_lower = by_lower_.data();
  auto* const areas = areas_.data();
  const double bins_per_u = bins_per_u_, last_bin = static_cast<double>(bins_.size() - 1);
  for (std::size_t channel = 0; channel < spectrum.mz.size(); ++channel) {
    const double mz = spectrum.mz[channel], intensity = spectrum.intensity[channel];
    const auto [first, more] =
        bins[static_cast<std::int64_t>(std::max(0.0, std::min(mz * bins_per_u, last_bin)))];
    const auto* bounds = &by_lower[first];
    areas[bounds->interval] += if_within(intensity, mz, bounds->lower, bounds->upper);
    if (!more) continue;
    for (++bounds; bounds->lower <= mz; ++bounds)
      if (mz < bounds->upper) areas[bounds->interval] += intensity;
  }
}

// Interval by interval. Both are in the order of m/z, so one walk finds every beginning.
void IntervalAreas::integrate(const Spectrum& spectrum) {
  const auto channels = spectrum.mz.size();
  std::size_t first = 0;
  for (const auto& [lower, upper, interval] : std::span(by_lower_).first(areas_.size())) {
    while (first < channels && spectrum.mz[first] < lower) ++first;
    auto end = first;
    while (end < channels && spectrum.mz[end] < upper) ++end;
    areas_[interval] = trapezoid_of(spectrum, first, end);
  }
}

std::vector<double> interval_areas(const Spectrum& spectrum, std::span<const MassInterval> intervals,
                                   SpectrumArea area) {
  IntervalAreas areas(intervals, area);
  const auto of_spectrum = areas.of(spectrum);
  return {of_spectrum.begin(), of_spectrum.end()};
}

Region normalise_spectrum(const Spectrum& spectrum, std::span<const MassInterval> intervals,
                          std::string_view name, const NormaliseOptions& options) {
  const double total = total_counts(spectrum);
  if (!(total > 0))
    throw BadInput(name, 0, "the spectrum holds no ion", "export it again, or leave this spot out");
  for (const auto& interval : intervals)
    if (interval.upper > spectrum.mz.back())
      throw BadInput(
          name, 0,
          fmt::format("the spectrum ends at m/z {:.3f}, below the end of the interval of {} ({:.3f})",
                      spectrum.mz.back(), interval.label, interval.upper),
          "export it up to a higher mass, or take the interval out of the peak list");

  Region region;
  region.name = name;
  const auto areas = interval_areas(spectrum, intervals, options.area);
  const auto* reference = options.reference.empty() ? nullptr : find_interval(intervals, options.reference);
  if (!reference && options.reference_required && !options.reference.empty())
    throw BadInput(name, 0, fmt::format("no interval is assigned to the reference ion {}", options.reference),
                   "assign it in the peak list");
  double reference_area = reference ? areas[static_cast<std::size_t>(reference - intervals.data())] : 0;
  if (reference && !(reference_area > 0)) {
    region.notes.push_back(fmt::format(
        "{}: the reference ion {} has no counts, so nothing is normalised to it", name, reference->label));
    reference = nullptr;
  }
  if (reference) region.reference = reference->label;

  for (std::size_t i = 0; i < intervals.size(); ++i) {
    Peak peak;
    peak.label = intervals[i].label;
    peak.counts = areas[i];
    peak.by_total = peak.by_total_sum = peak.ratio_to_total = areas[i] / total;
    if (reference)
      peak.by_reference = peak.by_reference_sum = peak.ratio_to_reference = areas[i] / reference_area;
    region.peaks.push_back(std::move(peak));
  }
  return region;
}

}  // namespace cambench::sims
