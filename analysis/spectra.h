// Spectra, one a spot: the area of each mass interval as a share of all ions counted in the spectrum. This is what the
// published principal component analysis starts from (Hertle et al., section "Principal Component Analysis").
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/formats/interval_list.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/region.h"

namespace cambench::sims {

/// All counts of the spectrum, inside and outside all intervals.
[[nodiscard]] double total_counts(const Spectrum& spectrum);

/// Whether the spectrum was measured in all of the interval: it ends beyond, and begins before the middle. What is said
/// of a mass is the middle of its channel, and of few channels the first may lie inside.
[[nodiscard]] bool covers(const Spectrum& spectrum, const MassInterval& interval);

/// One area for each interval (lower <= m/z < upper). The intervals may overlap and come in any order.
[[nodiscard]] std::vector<double> interval_areas(const Spectrum& spectrum,
                                                 std::span<const MassInterval> intervals,
                                                 SpectrumArea area = SpectrumArea::sum);

/// The same for one spectrum after the other: with a table of where each mass belongs, which takes a millisecond to make.
class IntervalAreas {
 public:
  IntervalAreas(std::span<const MassInterval> intervals, SpectrumArea area);
  /// In the order of the intervals; until the next call.
  [[nodiscard]] std::span<const double> of(const Spectrum& spectrum);

 private:
  struct Bounds {
    double lower = 0, upper = 0;
    std::uint32_t interval = 0;  // its index
  };
  struct Range {
    std::uint32_t first = 0, end = 0;  // of by_lower_
    friend bool operator==(const Range&, const Range&) = default;
  };
  static constexpr std::uint32_t on_border = std::uint32_t{1} << 31;

  void make_bins();
  void add_up(const Spectrum& spectrum);

  SpectrumArea area_;
  std::vector<double> areas_;  // of the intervals, then some for channels of none
  std::size_t intervals_ = 0;
  std::vector<Bounds> by_lower_;
  double bins_per_u_ = 1024;
  std::vector<std::uint32_t>
      bins_;                    // which of the areas takes their channels, or on_border | index of borders_
  std::vector<Range> borders_;  // where a channel must be compared with these
};

/// A Region of one spectrum: its `files` are the caller's to fill in. Throws BadInput: no ions at all, an interval that
/// the spectrum does not cover, a required reference ion that no interval has, or no counts.
[[nodiscard]] Region normalise_spectrum(const Spectrum& spectrum, std::span<const MassInterval> intervals,
                                        std::string_view name, const NormaliseOptions& options = {});

}  // namespace cambench::sims
