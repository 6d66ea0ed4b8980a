#include "analysis/spectra.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

// Channels of no interval have as many sums, so that an addition need not wait for the one before.
constexpr std::size_t sums_of_none = 8;

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

double area_between(const Spectrum& spectrum, double lower, double upper, SpectrumArea area) {
  const auto channel_from = [&](double mz) {
    return static_cast<std::size_t>(std::ranges::lower_bound(spectrum.mz, mz) - spectrum.mz.begin());
  };
  const auto first = channel_from(lower), last = std::max(first, channel_from(upper));
  return area == SpectrumArea::sum ? sum_of(spectrum, first, last) : trapezoid_of(spectrum, first, last);
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
    : area_(area), areas_(intervals.size() + sums_of_none), intervals_(intervals.size()) {
  for (std::uint32_t i = 0; i < intervals.size(); ++i)
    by_lower_.push_back({intervals[i].lower, intervals[i].upper, i});
  std::ranges::stable_sort(by_lower_, {}, &Bounds::lower);
  if (area == SpectrumArea::sum) make_bins();
}

// So narrow that most bins lie in one interval or in none, as long as the table is small.
void IntervalAreas::make_bins() {
  double last = 0;
  for (const auto& bounds : by_lower_) last = std::max(last, bounds.upper);
  constexpr double most_bins = 512 * 1024;
  while (last * bins_per_u_ >= most_bins && bins_per_u_ > 16) bins_per_u_ /= 2;
  const auto bin_of = [&](double mz) {
    return static_cast<std::size_t>(std::clamp(mz * bins_per_u_, 0.0, most_bins));
  };
  bins_.resize(bin_of(last) + 2);
  for (std::size_t bin = 0; bin < bins_.size(); ++bin)
    bins_[bin] = static_cast<std::uint32_t>(intervals_ + bin % sums_of_none);

  std::size_t next = 0;
  Range here;
  for (const auto& bounds : by_lower_)
    for (auto bin = std::max(next, bin_of(bounds.lower)); bin <= bin_of(bounds.upper); next = ++bin) {
      const double begins = static_cast<double>(bin) / bins_per_u_;  // exact, as bins_per_u_ is a power of 2
      const double ends = begins + 1 / bins_per_u_;
      while (here.first < intervals_ && by_lower_[here.first].upper <= begins) ++here.first;
      here.end = std::max(here.end, here.first);
      while (here.end < intervals_ && by_lower_[here.end].lower < ends) ++here.end;
      const auto& first = by_lower_[std::min<std::size_t>(here.first, intervals_ - 1)];
      if (here.first == here.end) continue;
      if (bin > 0 && here.end == here.first + 1 && first.lower <= begins && ends <= first.upper) {
        bins_[bin] = first.interval;
        continue;
      }
      if (borders_.empty() || borders_.back() != here) borders_.push_back(here);
      bins_[bin] = on_border | static_cast<std::uint32_t>(borders_.size() - 1);
    }
  if (last * bins_per_u_ < most_bins) return;
  // Whatever lies beyond the table falls into its last bin.
  borders_.push_back({0, static_cast<std::uint32_t>(intervals_)});
  bins_.back() = on_border | static_cast<std::uint32_t>(borders_.size() - 1);
}

std::span<const double> IntervalAreas::of(const Spectrum& spectrum) {
  if (area_ == SpectrumArea::sum)
    add_up(spectrum);
  else
    for (const auto& [lower, upper, interval] : by_lower_)
      areas_[interval] = area_between(spectrum, lower, upper, area_);
  return std::span(areas_).first(intervals_);
}

void IntervalAreas::add_up(const Spectrum& spectrum) {
  std::ranges::fill(areas_, 0.0);
  const auto* const bins = bins_.data();
  auto* const areas = areas_.data();
  const double bins_per_u = bins_per_u_, last_bin = static_cast<double>(bins_.size() - 1);
  for (std::size_t channel = 0; channel < spectrum.mz.size(); ++channel) {
    const double mz = spectrum.mz[channel], intensity = spectrum.intensity[channel];
    const auto bin = static_cast<std::int64_t>(std::max(0.0, std::min(mz * bins_per_u, last_bin)));
    const auto takes = bins[bin];
    if (!(takes & on_border)) {
      areas[takes] += intensity;
      continue;
    }
    const auto [first, end] = borders_[takes & ~on_border];
    for (auto i = first; i < end; ++i)
      if (by_lower_[i].lower <= mz && mz < by_lower_[i].upper) areas[by_lower_[i].interval] += intensity;
  }
}

bool covers(const Spectrum& spectrum, const MassInterval& interval) {
  return spectrum.mz.front() <= (interval.lower + interval.upper) / 2 && interval.upper <= spectrum.mz.back();
}

std::vector<double> interval_areas(const Spectrum& spectrum, std::span<const MassInterval> intervals,
                                   SpectrumArea area) {
  std::vector<double> areas;
  for (const auto& interval : intervals)
    areas.push_back(area_between(spectrum, interval.lower, interval.upper, area));
  return areas;
}

Region normalise_spectrum(const Spectrum& spectrum, std::span<const MassInterval> intervals,
                          std::string_view name, const NormaliseOptions& options) {
  const double total = total_counts(spectrum);
  if (!(total > 0))
    throw BadInput(name, 0, "the spectrum holds no ion", "export it again, or leave this spot out");
  for (const auto& interval : intervals)
    if (!covers(spectrum, interval))
      throw BadInput(
          name, 0,
          fmt::format("the spectrum goes from m/z {:.3f} to {:.3f}, the interval of {} from {:.3f} to {:.3f}",
                      spectrum.mz.front(), spectrum.mz.back(), interval.label, interval.lower,
                      interval.upper),
          "export a wider range, or take the interval out of the peak list");

  Region region;
  region.name = name;
  const auto areas = interval_areas(spectrum, intervals, options.area);
  const auto* reference = options.reference.empty() ? nullptr : find_interval(intervals, options.reference);
  if (!reference && options.reference_required && !options.reference.empty())
    throw BadInput(name, 0, fmt::format("no interval is assigned to the reference ion {}", options.reference),
                   "assign it in the peak list");
  double reference_area = reference ? areas[static_cast<std::size_t>(reference - intervals.data())] : 0;
  if (reference && !(reference_area > 0)) {
    if (options.reference_required)
      throw BadInput(name, 0, fmt::format("the reference ion {} has no counts", reference->label),
                     "measure it for longer, or normalise by the total ion count");
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
