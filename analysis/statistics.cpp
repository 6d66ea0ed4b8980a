#include "analysis/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <numeric>

namespace cambench::sims {
namespace {

Statistics of_column(const SpotTable& table, const std::vector<std::size_t>& rows, std::size_t column) {
  std::vector<double> values;
  for (const auto row : rows) values.push_back(table.values(row, column));
  return statistics_of(values);
}

double squared_standard_error(const Statistics& of) {
  return of.sd ? *of.sd * *of.sd / static_cast<double>(of.n) : 0;
}

// Both means are uncertain, and the difference divides by one of them.
void compare(FragmentStatistics& entry, const Statistics& base, bool with_itself) {
  if (base.mean == 0) return;
  const double ratio = entry.of.mean / base.mean;
  entry.relative_difference_percent = 100 * (ratio - 1);
  if (with_itself || !entry.of.sd || !base.sd) return;
  entry.relative_difference_se_percent =
      100 * std::sqrt(squared_standard_error(entry.of) + ratio * ratio * squared_standard_error(base)) /
      std::abs(base.mean);
}

}  // namespace

double quantile(std::span<const double> sorted, double p) {
  assert(!sorted.empty());
  const double position = static_cast<double>(sorted.size() - 1) * p;
  const auto below = static_cast<std::size_t>(position);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

Statistics statistics_of(std::span<const double> values) {
  assert(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const auto n = static_cast<double>(sorted.size());

  Statistics s;
  s.n = sorted.size();
  s.min = sorted.front();
  s.max = sorted.back();
  s.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / n;
  s.q1 = quantile(sorted, 0.25);
  s.median = quantile(sorted, 0.5);
  s.q3 = quantile(sorted, 0.75);
  const double squares = std::accumulate(sorted.begin(), sorted.end(), 0.0, [&](double sum, double value) {
    return sum + (value - s.mean) * (value - s.mean);
  });
  s.sd_population = std::sqrt(squares / n);
  if (s.n > 1) s.sd = std::sqrt(squares / (n - 1));
  return s;
}

double student(double z, double freedom) {
  const double within = std::erf(z / std::numbers::sqrt2);  // the share between -z and z
  if (freedom < 2) return std::tan(std::numbers::pi / 2 * within);
  if (freedom < 3) return within * std::sqrt(2 / (1 - within * within));
  // Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5).
  const double z2 = z * z, n = freedom;
  return z * (1 + (z2 + 1) / (4 * n) + ((5 * z2 + 16) * z2 + 3) / (96 * n * n) +
              (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * n * n * n) +
              ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / (92160 * n * n * n * n));
}

std::vector<FragmentStatistics> fragment_statistics(const SpotTable& table, const std::string& reference,
                                                    State reference_state) {
  const auto samples = rows_by_sample(table);
  const auto reference_rows = samples.find({reference, reference_state});
  std::vector<FragmentStatistics> all;
  for (const auto& [sample, rows] : samples)
    for (std::size_t column = 0; column < table.fragments.size(); ++column) {
      FragmentStatistics entry{
          sample.first, sample.second, table.fragments[column].label, of_column(table, rows, column), {}, {}};
      if (reference_rows != samples.end())
        compare(entry, of_column(table, reference_rows->second, column), sample == reference_rows->first);
      all.push_back(std::move(entry));
    }
  return all;
}

std::vector<Setting> describe_statistics(const std::string& reference, State reference_state) {
  return {
      {"relative differences", fmt::format("to the mean of {}, {}", reference, to_string(reference_state)),
       "of each fragment, in per cent of that mean; the paper names no reference sample, and every study has "
       "this one"},
      {"quartiles and median", "type 7: at position (n - 1) p of the sorted spots, linear between neighbours",
       "neither the paper nor its scripts define them; this is the usual rule of numpy, pandas and R"},
      {"standard deviations", "of the sample (n - 1)",
       "the spots stand for the whole sample; that of the spots alone (n), which the published scripts give, "
       "stands beside it in the table of fragments"},
  };
}

}  // namespace cambench::sims
