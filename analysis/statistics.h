// Statistics over the spots of a sample, per fragment, as Hertle et al. list them (section "ToF-SIMS": minimum,
// maximum, average, median, standard deviation, quartiles, relative difference to a reference sample).
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/setting.h"
#include "analysis/spot_table.h"

namespace cambench::sims {

struct Statistics {
  std::size_t n = 0;
  double min = 0, max = 0, mean = 0, median = 0;
  double q1 = 0, q3 = 0;     ///< type 7: position (n - 1) p, linear between neighbours
  std::optional<double> sd;  ///< sample standard deviation (n - 1); none for one value
  double sd_population = 0;  ///< (n), as the published scripts give it
};
/// Of at least one value, sorted: type 7 of Hyndman and Fan (1996), the usual one of numpy, pandas and R.
[[nodiscard]] double quantile(std::span<const double> sorted, double p);

/// Student's t with so many degrees of freedom (1 at least) where a normal deviate is z. Between 1 and 3 of them, that
/// of the whole number below.
[[nodiscard]] double student(double z, double freedom);

/// Of at least one finite value.
[[nodiscard]] Statistics statistics_of(std::span<const double> values);

struct FragmentStatistics {
  std::string material;
  State state = State::cycled;
  std::string fragment;
  Statistics of;
  /// 100 (mean - mean of the reference) / mean of the reference; none when the reference has mean 0.
  std::optional<double> relative_difference_percent;
  /// Its standard error, from those of both means; none where one of them has a single spot.
  std::optional<double> relative_difference_se_percent;
};

/// Sorted by material, state, then fragment as in the table. `reference` names the material to compare with, in
/// `reference_state`; without such rows no relative difference is given.
[[nodiscard]] std::vector<FragmentStatistics> fragment_statistics(const SpotTable& table,
                                                                  const std::string& reference,
                                                                  State reference_state = State::uncycled);
/// By which rules, and compared with what.
[[nodiscard]] std::vector<Setting> describe_statistics(const std::string& reference,
                                                       State reference_state = State::uncycled);

}  // namespace cambench::sims
