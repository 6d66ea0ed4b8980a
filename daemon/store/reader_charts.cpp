// Charts: samples from the roll-ups, pressures from the minutes, in about as many points as were asked for.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <set>
#include <utility>

#include "daemon/store/columns.h"
#include "daemon/store/reader.h"
#include "daemon/store/rollup.h"
#include "daemon/store/writer.h"

namespace cambench::store {

namespace {

SeriesPoint point_of(const Statement& row) {
  return {row.real(0),       row.maybe_real(1), row.maybe_real(2),    row.maybe_real(3), row.maybe_real(4),
          row.maybe_real(5), row.maybe_real(6), wall(row.integer(7)), row.integer(8)};
}

PressurePoint pressure_point_of(const Statement& row) {
  return {wall(row.integer(0)), row.maybe_real(1), row.maybe_real(2), row.maybe_real(3), row.text(4),
          row.maybe_real(5),    row.maybe_real(6), row.integer(7),    row.integer(8)};
}

std::vector<PressurePoint> pressures_in(Statement& row) {
  std::vector<PressurePoint> found;
  while (row.step()) found.push_back(pressure_point_of(row));
  return found;
}

constexpr std::string_view by_own_time = "test_time_s, at_wall_ns";

/// Single readings; ?1 is how many at most.
std::string pressure_readings(std::string_view where, std::string_view order = "at_wall_ns") {
  return fmt::format(
      "SELECT at_wall_ns, test_time_s, pressure_MPa, target_MPa, trouble, pressure_MPa, pressure_MPa, 1, "
      "trouble IS NOT "
      "NULL FROM pressure WHERE {} ORDER BY {} LIMIT ?1",
      where, order);
}

std::string pressure_minutes(std::string_view where) {
  return fmt::format(
      "SELECT first_wall_ns, first_test_time_s, pressure_MPa, target_MPa, trouble, pressure_min_MPa, "
      "pressure_max_MPa, "
      "readings, bad FROM pressure_minute WHERE {} ORDER BY minute",
      where);
}

void lower(std::optional<double>& value, const std::optional<double>& other) {
  if (other && (!value || *other < *value)) value = other;
}

void raise(std::optional<double>& value, const std::optional<double>& other) {
  if (other && (!value || *other > *value)) value = other;
}

void merge(SeriesPoint& point, const SeriesPoint& next) {
  lower(point.we_vs_re_min_V, next.we_vs_re_min_V);
  raise(point.we_vs_re_max_V, next.we_vs_re_max_V);
  lower(point.cell_min_V, next.cell_min_V);
  raise(point.cell_max_V, next.cell_max_V);
  lower(point.current_min_A, next.current_min_A);
  raise(point.current_max_A, next.current_max_A);
}

void merge(PressurePoint& point, const PressurePoint& next) {
  if (next.pressure_MPa) point.pressure_MPa = next.pressure_MPa;
  if (next.target_MPa) point.target_MPa = next.target_MPa;
  if (!next.trouble.empty()) point.trouble = next.trouble;
  lower(point.pressure_min_MPa, next.pressure_min_MPa);
  raise(point.pressure_max_MPa, next.pressure_max_MPa);
  point.readings += next.readings;
  point.bad += next.bad;
}

/// Points of one bucket made one; `bucket_of` grows along the points.
template <typename Point, typename BucketOf>
std::vector<Point> merged(const std::vector<Point>& points, BucketOf bucket_of) {
  std::vector<Point> result;
  std::int64_t last = -1;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::int64_t bucket = bucket_of(i);
    if (bucket == last)
      merge(result.back(), points[i]);
    else
      result.push_back(points[i]);
    last = bucket;
  }
  return result;
}

/// How many points are made one, so that so many are about `max_points`.
std::size_t together_of(std::size_t points, std::size_t max_points) {
  return std::max<std::size_t>((points + max_points - 1) / max_points, 1);
}

std::vector<PressurePoint> thinned(const std::vector<PressurePoint>& points, std::size_t max_points) {
  const std::size_t together = together_of(points.size(), max_points);
  return merged(points, [&](std::size_t i) { return static_cast<std::int64_t>(i / together); });
}

/// The readings themselves, when there are at most twice as many as points are wanted.
std::optional<std::vector<PressurePoint>> few_readings(Statement& all, std::size_t max_points) {
  all.bind(1, static_cast<std::int64_t>(2 * max_points + 1));
  auto points = pressures_in(all);
  if (points.size() > 2 * max_points) return std::nullopt;
  return points;
}

constexpr auto by_test_time = [](const PressurePoint& a, const PressurePoint& b) {
  return a.test_time_s < b.test_time_s;
};

/// Readings in the order of a run's own time. `minutes` of the wall clock are none once that was set back.
std::vector<PressurePoint> thinned_in_order(Statement& all_in_order, std::size_t readings,
                                            std::size_t max_points) {
  const std::size_t together = together_of(readings, max_points);
  std::vector<PressurePoint> points;
  for (std::size_t i = 0; all_in_order.step(); ++i) {
    const PressurePoint point = pressure_point_of(all_in_order);
    if (i % together == 0)
      points.push_back(point);
    else
      merge(points.back(), point);
  }
  return points;
}

/// The points of one chart while they are gathered, in one read transaction.
struct Chart {
  Database& database;
  const std::string& run;
  std::int64_t last_of_run;
  std::vector<SeriesPoint> points{};

  void add_samples(std::int64_t first, std::int64_t last) {
    Statement row(database,
                  fmt::format("SELECT test_time_s, we_vs_re_V, we_vs_re_V, cell_V, cell_V, current_A, "
                              "current_A, at_wall_ns, seq FROM (SELECT seq, test_time_s, at_wall_ns, {} FROM "
                              "sample WHERE run = ? AND seq BETWEEN ? AND ?) ORDER BY seq",
                              believed_columns));
    row.bind(1, run).bind(2, first).bind(3, last);
    while (row.step()) points.push_back(point_of(row));
  }

  /// Whole blocks of this level, and finer ones for what sticks out on either side.
  void add(std::int64_t first, std::int64_t last, int level) {
    if (first > last) return;
    if (level == 0) return add_samples(first, last);
    const std::int64_t span = span_of(level);
    const std::int64_t begin = (first - 1 + span - 1) / span;
    const std::int64_t end = std::min(last, written_up_to(last_of_run)) / span;
    if (begin >= end) return add(first, last, level - 1);
    add(first, begin * span, level - 1);
    add_blocks(begin, end - 1, level);
    add(end * span + 1, last, level - 1);
  }

  void add_blocks(std::int64_t first, std::int64_t last, int level) {
    Statement row(
        database,
        "SELECT first_test_time_s, we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, "
        "current_max_A, first_wall_ns, first_seq FROM rollup WHERE run = ? AND level = ? AND block BETWEEN ? "
        "AND ? ORDER BY block");
    row.bind(1, run).bind(2, std::int64_t{level}).bind(3, first).bind(4, last);
    while (row.step()) points.push_back(point_of(row));
  }
};

std::vector<SeriesPoint> series_between(Chart chart, std::int64_t first, std::int64_t last,
                                        std::size_t max_points) {
  last = std::min(last, chart.last_of_run);
  if (first > last) return {};
  const auto wanted = static_cast<std::int64_t>(std::max<std::size_t>(max_points, 8));
  // The finest level that is not too much to read; what it gives beyond the points wanted is merged.
  const auto too_much = [&](int level) {
    return (last - first + 1) / span_of(level) > (level == 0 ? 8 : 4) * wanted;
  };
  int level = 0;
  while (level < rollup_levels && too_much(level)) ++level;
  chart.add(first + 1, last - 1, level);
  const std::vector<SeriesPoint> between = std::exchange(chart.points, {});
  const auto bucket_of = [&](std::size_t i) {
    return (between[i].seq - first) * wanted / (last - first + 1);
  };
  chart.add_samples(first, first);
  for (auto& point : merged(between, bucket_of)) chart.points.push_back(point);
  if (last > first) chart.add_samples(last, last);
  return std::move(chart.points);
}

/// Numbers of samples, first and last.
struct Range {
  std::int64_t first = 0, last = 0;
};

/// The first one in the range whose time is not before `value`, or the one behind the range. Both times grow along a range
/// in which the wall clock was not set back, so a bisection over the primary key finds the place.
std::int64_t first_seq_where(const Chart& chart, Range range, std::string_view column, double value) {
  Statement at(chart.database,
               fmt::format("SELECT {} FROM sample WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT 1",
                           column));
  std::int64_t low = range.first, high = range.last + 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    at.reset();
    at.bind(1, chart.run).bind(2, middle).bind(3, range.last);
    const bool there = !at.step() || at.real(0) >= value;
    (there ? high : low) = there ? middle : middle + 1;
  }
  return low;
}

/// Samples that were heard earlier, by the wall clock, than the ones before them.
void add_steps_back(const Chart& chart, Range among, std::set<std::int64_t>& steps) {
  Statement row(
      chart.database,
      "SELECT seq FROM (SELECT seq, at_wall_ns, lag(at_wall_ns) OVER (ORDER BY seq) AS before_ns FROM "
      "sample WHERE run = ? AND seq BETWEEN ? AND ?) WHERE at_wall_ns < before_ns");
  row.bind(1, chart.run).bind(2, among.first).bind(3, among.last);
  while (row.step()) steps.insert(row.integer(0));
}

/// The samples between two times that the wall clock was set back. A step back that is shorter than a block of the
/// roll-ups takes may be passed over.
std::vector<Range> passes_of(const Chart& chart) {
  std::set<std::int64_t> begins{1};
  Statement row(
      chart.database,
      "SELECT before_seq, last_seq FROM (SELECT last_seq, first_wall_ns, lag(first_wall_ns) OVER o AS "
      "before_ns, lag(first_seq) OVER o AS before_seq FROM rollup WHERE run = ? AND level = 1 WINDOW o "
      "AS (ORDER BY block)) WHERE first_wall_ns < before_ns");
  row.bind(1, chart.run);
  while (row.step()) add_steps_back(chart, {row.integer(0), row.integer(1)}, begins);
  const std::int64_t not_rolled_up = written_up_to(chart.last_of_run) + 1;
  add_steps_back(chart, {not_rolled_up - rollup_samples, chart.last_of_run}, begins);
  std::vector<Range> passes;
  for (const std::int64_t first : begins) {
    if (!passes.empty()) passes.back().last = first - 1;
    passes.push_back({first, chart.last_of_run});
  }
  return passes;
}

/// The wall time of the first sample of a range, or of its last.
double wall_ns_of(const Chart& chart, Range range, std::string_view order) {
  Statement row(chart.database,
                fmt::format("SELECT at_wall_ns FROM sample WHERE run = ? AND seq BETWEEN ? AND ? "
                            "ORDER BY seq {} LIMIT 1",
                            order));
  row.bind(1, chart.run).bind(2, range.first).bind(3, range.last);
  return row.step() ? row.real(0) : 0;
}

/// In the order of the wall clock. What it showed twice, because it was set back, is what it showed last.
std::deque<Range> ranges_between(const Chart& chart, WallTime from, WallTime to) {
  constexpr double always = std::numeric_limits<double>::infinity();
  const auto from_ns = static_cast<double>(nanoseconds(from));
  const double until_ns = std::nextafter(static_cast<double>(nanoseconds(to)), always);
  double later_from_ns = always, later_until_ns = always;  // of all later passes
  std::deque<Range> found;
  const auto part = [&](Range pass, double begin_ns, double end_ns) {
    return Range{first_seq_where(chart, pass, "at_wall_ns", begin_ns),
                 first_seq_where(chart, pass, "at_wall_ns", end_ns) - 1};
  };
  const std::vector<Range> passes = passes_of(chart);
  for (auto pass = passes.rbegin(); pass != passes.rend(); ++pass) {
    const Range before = part(*pass, from_ns, std::min(until_ns, later_from_ns));
    const Range after = part(*pass, std::max(from_ns, later_until_ns), until_ns);
    if (before.first <= before.last) found.push_front(before);
    if (after.first <= after.last) found.push_back(after);
    const double last_ns = std::nextafter(wall_ns_of(chart, *pass, "DESC"), always);
    later_from_ns = std::min(later_from_ns, wall_ns_of(chart, *pass, ""));
    later_until_ns = later_until_ns == always ? last_ns : std::max(later_until_ns, last_ns);
  }
  return found;
}

}  // namespace

std::vector<SeriesPoint> Reader::series(const std::string& run, double from_s, double to_s,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const Chart chart{database_, run, last_seq(run)};
  const Range all{1, chart.last_of_run};
  const double after = std::nextafter(to_s, std::numeric_limits<double>::infinity());
  return series_between(chart, first_seq_where(chart, all, "test_time_s", from_s),
                        first_seq_where(chart, all, "test_time_s", after) - 1, max_points);
}

std::vector<SeriesPoint> Reader::series(const std::string& run, WallTime from, WallTime to,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const Chart chart{database_, run, last_seq(run)};
  const auto ranges = ranges_between(chart, from, to);
  std::int64_t samples = 0;
  for (const Range& range : ranges) samples += range.last - range.first + 1;
  std::vector<SeriesPoint> points;
  for (const Range& range : ranges) {
    const double share = static_cast<double>(range.last - range.first + 1) / static_cast<double>(samples);
    const auto part = series_between(chart, range.first, range.last,
                                     static_cast<std::size_t>(share * static_cast<double>(max_points)));
    points.insert(points.end(), part.begin(), part.end());
  }
  return points;
}

std::string Reader::second_sensor_of_run(const std::string& run) {
  Statement row(database_, "SELECT station FROM run WHERE id = ?1");
  row.bind(1, run);
  return row.step() ? second_sensor_of(row.text(0)) : "";
}

std::vector<PressurePoint> Reader::pressures(const std::string& station, WallTime from, WallTime to,
                                             std::size_t max_points) {
  max_points = std::max<std::size_t>(max_points, 1);
  Transaction one_view(database_, Transaction::Kind::read);
  Statement all(database_, pressure_readings("station = ?2 AND at_wall_ns BETWEEN ?3 AND ?4"));
  all.bind(2, station).bind(3, nanoseconds(from)).bind(4, nanoseconds(to));
  if (const auto few = few_readings(all, max_points)) return thinned(*few, max_points);
  Statement minutes(database_, pressure_minutes("station = ?1 AND minute BETWEEN ?2 AND ?3"));
  minutes.bind(1, station).bind(2, nanoseconds(from) / minute_ns).bind(3, nanoseconds(to) / minute_ns);
  return thinned(pressures_in(minutes), max_points);
}

std::vector<PressurePoint> Reader::pressures_of_run(const std::string& run, std::size_t max_points,
                                                    Sensor sensor) {
  max_points = std::max<std::size_t>(max_points, 1);
  Transaction one_view(database_, Transaction::Kind::read);
  const auto second = second_sensor_of_run(run);
  const auto of_sensor = sensor == Sensor::second ? "station = " : "station <> ";
  Statement all(database_, pressure_readings(fmt::format("run = ?2 AND {}?3", of_sensor)));
  all.bind(2, run).bind(3, second);
  if (auto few = few_readings(all, max_points)) {
    std::ranges::stable_sort(*few, by_test_time);
    return thinned(*few, max_points);
  }
  Statement minutes(database_, pressure_minutes(fmt::format("run = ?1 AND run <> '' AND {}?2", of_sensor)));
  minutes.bind(1, run).bind(2, second);
  const auto points = pressures_in(minutes);
  if (std::ranges::is_sorted(points, by_test_time) && passes_of({database_, run, last_seq(run)}).size() == 1)
    return thinned(points, max_points);
  std::size_t readings = 0;
  for (const PressurePoint& minute : points) readings += static_cast<std::size_t>(minute.readings);
  Statement in_order(database_, pressure_readings(fmt::format("run = ?2 AND {}?3", of_sensor), by_own_time));
  in_order.bind(1, std::numeric_limits<std::int64_t>::max()).bind(2, run).bind(3, second);
  return thinned_in_order(in_order, readings, max_points);
}

std::vector<double> Reader::pressures_set_back(const std::string& run) {
  Statement row(database_,
                "SELECT test_time_s FROM (SELECT test_time_s, at_wall_ns, lag(at_wall_ns) OVER (ORDER BY "
                "test_time_s, at_wall_ns) AS before_ns FROM pressure WHERE run = ?1 AND station <> ?2) WHERE "
                "at_wall_ns < before_ns");
  row.bind(1, run).bind(2, second_sensor_of_run(run));
  std::vector<double> times_s;
  while (row.step()) times_s.push_back(row.real(0));
  return times_s;
}

std::vector<PressurePoint> Reader::pressures_between(const std::string& run, double from_s, double until_s,
                                                     WallTime after, std::int64_t limit) {
  Statement row(database_,
                pressure_readings("run = ?2 AND at_wall_ns > ?3 AND station <> ?4 AND "
                                  "coalesce(test_time_s, 0) >= ?5 AND coalesce(test_time_s, 0) < ?6"));
  row.bind(1, limit).bind(2, run).bind(3, nanoseconds(after)).bind(4, second_sensor_of_run(run));
  row.bind(5, from_s).bind(6, until_s);
  return pressures_in(row);
}

std::vector<PressurePoint> RunPressures::next(std::int64_t limit) {
  constexpr double always = std::numeric_limits<double>::infinity();
  if (ends_s_.empty()) {
    ends_s_ = reader_.pressures_set_back(run_);
    ends_s_.push_back(always);
  }
  for (; pass_ < ends_s_.size(); ++pass_, after_ = WallTime::min()) {
    const double from_s = pass_ == 0 ? -always : ends_s_[pass_ - 1];
    auto page = reader_.pressures_between(run_, from_s, ends_s_[pass_], after_, limit);
    if (page.empty()) continue;
    after_ = page.back().at;
    return page;
  }
  return {};
}

}  // namespace cambench::store
