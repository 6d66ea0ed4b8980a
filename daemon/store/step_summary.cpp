#include "daemon/store/step_summary.h"

#include <algorithm>
#include <cmath>

namespace cambench::store {

namespace {

using Point = StepSummary::Point;

/// Adds the trapezoid of a potential times the current, which counts positive in the direction it flows.
void add_integral(std::optional<double>& sum, std::optional<double> Point::*potential, const Point& from,
                  const Point& to, double hours, double direction) {
  if (sum && from.*potential && to.*potential)
    *sum += 0.5 * hours * direction * (*(from.*potential) * from.current_A + *(to.*potential) * to.current_A);
  else
    sum.reset();
}

/// Where the current changes its sign within a trapezoid, the sign of its mean decides.
void add_trapezoid(StepSummary& step, const Point& from, const Point& to) {
  const double hours = (to.step_time_s - from.step_time_s) / 3600;
  const double charge_Ah = 0.5 * (from.current_A + to.current_A) * hours;
  if (!(hours > 0) || charge_Ah == 0) return;
  const double direction = charge_Ah > 0 ? 1 : -1;
  ChargeMoved& moved = direction > 0 ? step.charge : step.discharge;
  moved.charge_Ah += direction * charge_Ah;
  add_integral(moved.energy_Wh, &Point::cell_V, from, to, hours, direction);
  add_integral(moved.we_vs_re_VAh, &Point::we_vs_re_V, from, to, hours, direction);
}

template <typename Q>
std::optional<double> number(const std::optional<Q>& quantity) {
  if (!quantity) return std::nullopt;
  return quantity->value();
}

}  // namespace

std::optional<double> ChargeMoved::mean_we_vs_re_V() const {
  if (!we_vs_re_VAh || charge_Ah == 0) return std::nullopt;
  return *we_vs_re_VAh / charge_Ah;
}

std::optional<Point> believed(const Sample& sample) {
  if (!sample.current || (sample.status & not_believed)) return std::nullopt;
  return Point{sample.step_time.count(), sample.current->value(), number(sample.we_vs_re),
               number(sample.cell)};
}

void StepSummary::add(const SampleRow& row) {
  if (samples++ == 0) first_test_time_s = row.test_time.count();
  last_test_time_s = row.test_time.count();
  duration_s = std::max(duration_s, row.sample.step_time.count());
  if (row.cycle) cycle = row.cycle;
  const auto point = believed(row.sample);
  if (!point) return;
  // The first row of a step is reached from its start with the current held.
  Point start = *point;
  start.step_time_s = 0;
  add_trapezoid(*this, last_good.value_or(start), *point);
  last_good = point;
  last_we_vs_re_V = point->we_vs_re_V;
  last_cell_V = point->cell_V;
}

}  // namespace cambench::store
