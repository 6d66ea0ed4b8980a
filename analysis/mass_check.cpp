#include "analysis/mass_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

std::string ions_of(const std::vector<CalibrationPoint>& points) {
  std::vector<std::string> labels;
  for (const auto& point : points) labels.push_back(point.label);
  return fmt::format("{}", fmt::join(labels, ", "));
}

// How far from a known ion its peak and the foot of it may lie: twice as far as it is looked for.
constexpr double reach = 2e-6 * CalibrationOptions{}.search_ppm;

std::vector<double> masses_of(const MassCheck& check) {
  std::vector<double> masses;
  for (const auto& label : check.known_ions)
    if (const auto formula = parse_formula(label))
      if (const auto mass = ion_mass(*formula)) masses.push_back(*mass);
  std::ranges::sort(masses);
  return masses;
}

}  // namespace

std::optional<Calibration> check_masses(const Spectrum& spectrum, const MassCheck& check, Region& region) {
  if (check.what == MassCheck::What::nothing) return std::nullopt;
  std::optional<Calibration> calibration;
  try {
    calibration = calibrate(spectrum, check.known_ions);
  } catch (const DoubtfulScale& doubt) {
    region.doubts.push_back(fmt::format("its masses may be off and were not corrected ({})", doubt.what()));
    return std::nullopt;
  } catch (const BadInput& bad) {
    region.notes.push_back(fmt::format("its masses were not checked ({})", bad.what()));
    return std::nullopt;
  }
  const double off = calibration->rms_ppm_before, left = calibration->rms_ppm_after;
  if (!calibration->left_out.empty())
    region.notes.push_back(
        fmt::format("its masses were checked by {} without {}, near which other ions' peaks lie",
                    ions_of(calibration->points), ions_of(calibration->left_out)));
  if (off <= check.tolerance_ppm) return std::nullopt;
  const auto found =
      fmt::format("its masses are {:.0f} ppm off (rms of {})", off, ions_of(calibration->points));
  if (check.what == MassCheck::What::named) {
    region.doubts.push_back(found + "; calibrate it again, or let study.toml correct it");
    return std::nullopt;
  }
  region.notes.push_back(
      fmt::format("{} and were corrected, {:.0f} ppm are left: sqrt(m) = {:.9f} sqrt(shown) {:+.3e}", found,
                  left, calibration->a, calibration->b));
  return calibration;
}

Spectrum with_checked_masses(Spectrum spectrum, const MassCheck& check, Region& region) {
  const auto calibration = check_masses(spectrum, check, region);
  return calibration ? recalibrated(std::move(spectrum), *calibration) : spectrum;
}

std::vector<MassInterval> as_shown(std::vector<MassInterval> intervals, const Calibration& calibration) {
  for (auto& interval : intervals) {
    interval.lower = calibration.shown(interval.lower);
    interval.upper = calibration.shown(interval.upper);
  }
  return intervals;
}

// ---- raw events

EventsNearKnownIons::EventsNearKnownIons(const MassScale& scale, const MassCheck& check) : scale_(scale) {
  constexpr double most_channels = 2 << 20;
  const auto masses = masses_of(check);
  if (masses.empty()) return;
  const double last = scale.k0 + scale.sf * std::sqrt(masses.back() * (1 + reach));
  if (last > 0) counts_.resize(static_cast<std::size_t>(std::min(last, most_channels)));
}

Spectrum EventsNearKnownIons::spectrum() const {
  Spectrum spectrum;
  for (std::size_t channel = 0; channel < counts_.size(); ++channel) {
    if (static_cast<double>(channel) <= scale_.k0) continue;
    spectrum.mz.push_back(scale_.mz(static_cast<double>(channel)));
    spectrum.intensity.push_back(counts_[channel]);
  }
  return spectrum;
}

// ---- one spectrum a pixel

SpectraNearKnownIons::SpectraNearKnownIons(const MassCheck& check) {
  for (const double mass : masses_of(check)) {
    const double lower = mass * (1 - reach), upper = mass * (1 + reach);
    if (!ions_.empty() && lower <= ions_.back().upper)
      ions_.back().upper = upper;
    else
      ions_.push_back({lower, upper, {}});
  }
}

void SpectraNearKnownIons::add(const Spectrum& of_pixel) {
  constexpr std::size_t most_channels = 4096;  // of one ion: an axis of 0.3 ppm
  for (auto& [lower, upper, sum] : ions_) {
    auto i = std::ranges::lower_bound(of_pixel.mz, lower) - of_pixel.mz.begin();
    for (; i < std::ssize(of_pixel.mz) && of_pixel.mz[static_cast<std::size_t>(i)] <= upper; ++i) {
      const double mz = of_pixel.mz[static_cast<std::size_t>(i)];
      const auto at = std::ranges::lower_bound(sum.mz, mz) - sum.mz.begin();
      if (at == std::ssize(sum.mz) || sum.mz[static_cast<std::size_t>(at)] != mz) {
        if (sum.mz.size() == most_channels) shared_ = false;
        if (!shared_) return;
        sum.mz.insert(sum.mz.begin() + at, mz);
        sum.intensity.insert(sum.intensity.begin() + at, 0.0);
      }
      sum.intensity[static_cast<std::size_t>(at)] += of_pixel.intensity[static_cast<std::size_t>(i)];
    }
  }
}

std::optional<Spectrum> SpectraNearKnownIons::spectrum() const {
  if (!shared_) return std::nullopt;
  Spectrum all;
  for (const auto& ion : ions_) {
    all.mz.insert(all.mz.end(), ion.sum.mz.begin(), ion.sum.mz.end());
    all.intensity.insert(all.intensity.end(), ion.sum.intensity.begin(), ion.sum.intensity.end());
  }
  return all;
}

std::optional<Calibration> check_masses(const SpectraNearKnownIons& near, const MassCheck& check,
                                        Region& region) {
  if (const auto spectrum = near.spectrum()) return check_masses(*spectrum, check, region);
  region.notes.push_back("its masses were not checked (its pixels share no m/z axis)");
  return std::nullopt;
}

}  // namespace cambench::sims
