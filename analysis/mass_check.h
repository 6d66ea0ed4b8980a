// Whether a measurement's masses are right, before its intervals are counted: by ions that every such spectrum has. A
// scale that is off by a fraction of a peak's width takes counts out of every interval and puts them into the
// neighbour's.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/formats/interval_list.h"
#include "analysis/formats/mass_scale.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/mass_calibration.h"
#include "analysis/region.h"

namespace cambench::sims {

/// What has to be corrected of the masses that a spectrum shows; nothing where they are right, cannot be checked, or are
/// only to be named. Looks at what lies near the known ions. What a reader of the result should see of it is added to
/// the region's notes and doubts, without its name.
std::optional<Calibration> check_masses(const Spectrum& spectrum, const MassCheck& check, Region& region);

/// The spectrum, with the masses corrected where that is asked for.
[[nodiscard]] Spectrum with_checked_masses(Spectrum spectrum, const MassCheck& check, Region& region);

/// The intervals where a measurement shows them whose masses need this correction.
[[nodiscard]] std::vector<MassInterval> as_shown(std::vector<MassInterval> intervals,
                                                 const Calibration& calibration);

// ---- the spectrum near the known ions, of measurements that are never in memory as a whole

/// Of raw events, by channel. Takes 8 MB at most.
class EventsNearKnownIons {
 public:
  EventsNearKnownIons(const MassScale& scale, const MassCheck& check);
  void add(std::span<const RawIon> ions) {
    for (const auto& ion : ions)
      if (ion.channel < counts_.size()) ++counts_[ion.channel];
  }
  [[nodiscard]] Spectrum spectrum() const;

 private:
  MassScale scale_;
  std::vector<std::uint32_t> counts_;  // by channel, up to the heaviest ion
};

/// Of one spectrum a pixel, where the pixels' channels lie at the same masses.
class SpectraNearKnownIons {
 public:
  explicit SpectraNearKnownIons(const MassCheck& check);
  void add(const Spectrum& of_pixel);
  /// Nothing where the pixels share no m/z axis, as when only the tops of their peaks are listed.
  [[nodiscard]] std::optional<Spectrum> spectrum() const;

 private:
  struct Near {
    double lower = 0, upper = 0;
    Spectrum sum;
  };
  std::vector<Near> ions_;  // by m/z, none overlapping
  bool shared_ = true;
};

std::optional<Calibration> check_masses(const SpectraNearKnownIons& near, const MassCheck& check,
                                        Region& region);

}  // namespace cambench::sims
