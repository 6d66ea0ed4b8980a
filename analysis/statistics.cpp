#include "analysis/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace cambench::sims {
namespace {

Statistics of_column(const SpotTable& table, const std::vector<std::size_t>& rows, std::size_t column) {
  std::vector<double> values;
  for (const auto row : rows) values.push_back(table.values(row, column));
  return statistics_of(values);
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

std::vector<FragmentStatistics> fragment_statistics(const SpotTable& table, const std::string& reference,
                                                    State reference_state) {
  const auto samples = rows_by_sample(table);
  const auto reference_rows = samples.find({reference, reference_state});
  std::vector<FragmentStatistics> all;
  for (const auto& [sample, rows] : samples)
    for (std::size_t column = 0; column < table.fragments.size(); ++column) {
      FragmentStatistics entry{
          sample.first, sample.second, table.fragments[column].label, of_column(table, rows, column), {}};
      if (reference_rows != samples.end())
        if (const double base = of_column(table, reference_rows->second, column).mean; base != 0)
          entry.relative_difference_percent = 100 * (entry.of.mean - base) / base;
      all.push_back(std::move(entry));
    }
  return all;
}

}  // namespace cambench::sims
