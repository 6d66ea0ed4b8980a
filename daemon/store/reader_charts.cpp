// Charts: samples from the roll-ups, pressures from the minutes, in about as many points as were asked for.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
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

/// Single readings; ?1 is how many at most.
std::string pressure_readings(std::string_view where) {
  return fmt::format(
      "SELECT at_wall_ns, test_time_s, pressure_MPa, target_MPa, trouble, pressure_MPa, pressure_MPa, 1, "
      "trouble IS NOT "
      "NULL FROM pressure WHERE {} ORDER BY at_wall_ns LIMIT ?1",
      where);
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

/// The readings themselves while there are few, else minutes.
std::vector<PressurePoint> pressure_points(Statement& all, Statement& minutes, std::size_t max_points) {
  max_points = std::max<std::size_t>(max_points, 1);
  const std::size_t few = 2 * max_points;
  all.bind(1, static_cast<std::int64_t>(few + 1));
  auto points = pressures_in(all);
  if (points.size() > few) points = pressures_in(minutes);
  const std::size_t together = (points.size() + max_points - 1) / max_points;
  return merged(points, [&](std::size_t i) { return static_cast<std::int64_t>(i / together); });
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

/// Both times grow with the sequence number, so a bisection over the primary key finds the place.
std::int64_t first_seq_where(const Chart& chart, std::string_view column, double value) {
  Statement at(chart.database,
               fmt::format("SELECT {} FROM sample WHERE run = ? AND seq >= ? ORDER BY seq LIMIT 1", column));
  std::int64_t low = 1, high = chart.last_of_run + 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    at.reset();
    at.bind(1, chart.run).bind(2, middle);
    const bool there = !at.step() || at.real(0) >= value;
    (there ? high : low) = there ? middle : middle + 1;
  }
  return low;
}

}  // namespace

std::vector<SeriesPoint> Reader::series(const std::string& run, double from_s, double to_s,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const Chart chart{database_, run, last_seq(run)};
  const double after = std::nextafter(to_s, std::numeric_limits<double>::infinity());
  return series_between(chart, first_seq_where(chart, "test_time_s", from_s),
                        first_seq_where(chart, "test_time_s", after) - 1, max_points);
}

std::vector<SeriesPoint> Reader::series(const std::string& run, WallTime from, WallTime to,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const Chart chart{database_, run, last_seq(run)};
  const double after =
      std::nextafter(static_cast<double>(nanoseconds(to)), std::numeric_limits<double>::infinity());
  return series_between(chart, first_seq_where(chart, "at_wall_ns", static_cast<double>(nanoseconds(from))),
                        first_seq_where(chart, "at_wall_ns", after) - 1, max_points);
}

std::string Reader::second_sensor_of_run(const std::string& run) {
  Statement row(database_, "SELECT station FROM run WHERE id = ?1");
  row.bind(1, run);
  return row.step() ? second_sensor_of(row.text(0)) : "";
}

std::vector<PressurePoint> Reader::pressures(const std::string& station, WallTime from, WallTime to,
                                             std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  Statement all(database_, pressure_readings("station = ?2 AND at_wall_ns BETWEEN ?3 AND ?4"));
  all.bind(2, station).bind(3, nanoseconds(from)).bind(4, nanoseconds(to));
  Statement minutes(database_, pressure_minutes("station = ?1 AND minute BETWEEN ?2 AND ?3"));
  minutes.bind(1, station).bind(2, nanoseconds(from) / minute_ns).bind(3, nanoseconds(to) / minute_ns);
  return pressure_points(all, minutes, max_points);
}

std::vector<PressurePoint> Reader::pressures_of_run(const std::string& run, std::size_t max_points,
                                                    Sensor sensor) {
  Transaction one_view(database_, Transaction::Kind::read);
  const auto second = second_sensor_of_run(run);
  const auto of_sensor = sensor == Sensor::second ? "station = " : "station <> ";
  Statement all(database_, pressure_readings(fmt::format("run = ?2 AND {}?3", of_sensor)));
  all.bind(2, run).bind(3, second);
  Statement minutes(database_, pressure_minutes(fmt::format("run = ?1 AND run <> '' AND {}?2", of_sensor)));
  minutes.bind(1, run).bind(2, second);
  return pressure_points(all, minutes, max_points);
}

std::vector<PressurePoint> Reader::pressures_after(const std::string& run, WallTime after,
                                                   std::int64_t limit) {
  Statement row(database_, pressure_readings("run = ?2 AND at_wall_ns > ?3 AND station <> ?4"));
  row.bind(1, limit).bind(2, run).bind(3, nanoseconds(after)).bind(4, second_sensor_of_run(run));
  return pressures_in(row);
}

}  // namespace cambench::store
