#include "daemon/store/reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "daemon/store/columns.h"
#include "daemon/store/migrations.h"
#include "daemon/store/rollup.h"
#include "daemon/store/writer.h"

namespace cambench::store {

namespace {

WallTime wall(std::int64_t nanoseconds) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(nanoseconds)));
}

std::int64_t nanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

Instant steady(std::int64_t nanoseconds) { return Instant(std::chrono::nanoseconds(nanoseconds)); }

template <typename Q>
std::optional<Q> maybe(const Statement& row, int column) {
  const auto value = row.maybe_real(column);
  if (!value) return std::nullopt;
  return Q(*value);
}

constexpr auto run_columns =
    "SELECT id, station, recipe, recipe_hash, recipe_text, cell, cell_json, material, who, phase, one_C_A, "
    "time_scale, started_wall_ns, ended_wall_ns, program FROM run ";

StoredRun run_of(const Statement& row) {
  StoredRun run;
  run.id = row.text(0);
  run.station = row.text(1);
  run.recipe = row.text(2);
  run.recipe_hash = row.text(3);
  run.recipe_text = row.text(4);
  run.cell = row.maybe_text(5);
  run.cell_json = row.maybe_text(6);
  run.material = row.maybe_text(7);
  run.who = row.text(8);
  run.phase = row.text(9);
  run.one_C_A = row.real(10);
  run.time_scale = row.real(11);
  run.started = wall(row.integer(12));
  if (!row.is_null(13)) run.ended = wall(row.integer(13));
  run.program = row.text(14);
  return run;
}

std::vector<StoredRun> runs_of(Statement& statement) {
  std::vector<StoredRun> found;
  while (statement.step()) found.push_back(run_of(statement));
  return found;
}

constexpr auto event_columns =
    "SELECT seq, run, station, kind, step, reason, cause, text, who, elapsed_s, test_time_s, at_wall_ns, "
    "at_mono_ns, at_boot_ns, boot_id "
    "FROM event ";

std::vector<StoredEvent> events_in(Statement& row) {
  std::vector<StoredEvent> found;
  while (row.step()) {
    StoredEvent event;
    event.seq = row.integer(0);
    event.row.run = row.maybe_text(1);
    event.row.station = row.maybe_text(2);
    event.row.kind = row.text(3);
    if (!row.is_null(4)) event.row.step = static_cast<std::uint32_t>(row.integer(4));
    event.row.reason = row.maybe_text(5);
    event.row.cause = row.maybe_text(6);
    event.row.text = row.maybe_text(7);
    event.row.who = row.maybe_text(8);
    event.row.elapsed = maybe<Seconds>(row, 9);
    event.row.test_time = maybe<Seconds>(row, 10);
    event.row.at = {steady(row.integer(12)), wall(row.integer(11))};
    if (!row.is_null(13)) event.row.boot = Seconds(1e-9 * static_cast<double>(row.integer(13)));
    event.row.boot_id = row.maybe_text(14).value_or("");
    found.push_back(std::move(event));
  }
  return found;
}

Database open_for_reading(const std::filesystem::path& file) {
  Database database(file, Database::Mode::read_only);
  database.run("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON");
  require_current(database);
  return database;
}

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

void add(ChargeMoved& sum, const ChargeMoved& more) {
  const auto add_or_lose = [](std::optional<double>& a, const std::optional<double>& b) {
    if (a && b)
      *a += *b;
    else
      a.reset();
  };
  sum.charge_Ah += more.charge_Ah;
  add_or_lose(sum.energy_Wh, more.energy_Wh);
  add_or_lose(sum.we_vs_re_VAh, more.we_vs_re_VAh);
}

constexpr auto alarm_columns =
    "SELECT id, station, run, severity, cause, text, raised_wall_ns, acknowledged_by, acknowledged_wall_ns, "
    "cleared_wall_ns FROM alarm ";

std::vector<StoredAlarm> alarms_in(Statement& row) {
  std::vector<StoredAlarm> found;
  while (row.step()) {
    StoredAlarm alarm;
    alarm.id = row.integer(0);
    alarm.row = {alarm.id,    row.maybe_text(1), row.maybe_text(2),   row.text(3),
                 row.text(4), row.text(5),       wall(row.integer(6))};
    alarm.acknowledged_by = row.maybe_text(7);
    if (!row.is_null(8)) alarm.acknowledged = wall(row.integer(8));
    if (!row.is_null(9)) alarm.cleared = wall(row.integer(9));
    found.push_back(std::move(alarm));
  }
  return found;
}

constexpr auto score_columns =
    "SELECT study, version, inputs_hash, settings, program, result_json, at_wall_ns, summary_json FROM "
    "score ";

std::vector<StoredScore> scores_in(Statement& row) {
  std::vector<StoredScore> found;
  while (row.step())
    found.push_back({row.integer(1),
                     {row.text(0), row.text(2), row.text(3), row.text(4), row.text(5), wall(row.integer(6)),
                      row.text(7)}});
  return found;
}

constexpr auto region_columns =
    "SELECT hash, settings, study, material, state, name, values_json, files_json, at_wall_ns FROM region ";

std::vector<RegionRow> regions_in(Statement& row) {
  std::vector<RegionRow> found;
  while (row.step())
    found.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5),
                     row.text(6), row.text(7), wall(row.integer(8))});
  return found;
}

template <typename T>
std::optional<T> first_of(std::vector<T> found) {
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace

Reader::Reader(const std::filesystem::path& file) : database_(open_for_reading(file)) {}

std::vector<StoredRun> Reader::runs(int limit, const std::string& before) {
  Statement rows(database_, std::string(run_columns) + "WHERE ?2 = '' OR id < ?2 ORDER BY id DESC LIMIT ?1");
  rows.bind(1, std::int64_t{limit}).bind(2, before);
  return runs_of(rows);
}

std::optional<StoredRun> Reader::run(const std::string& id) {
  Statement rows(database_, std::string(run_columns) + "WHERE id = ?");
  rows.bind(1, id);
  if (!rows.step()) return std::nullopt;
  return run_of(rows);
}

std::vector<StoredRun> Reader::unfinished_runs() {
  Statement rows(database_,
                 std::string(run_columns) + "WHERE phase NOT IN ('finished', 'aborted') ORDER BY id");
  return runs_of(rows);
}

std::optional<StoredRun> Reader::last_run_of_cell(const std::string& cell, const std::string& recipe) {
  Statement rows(database_, std::string(run_columns) +
                                "WHERE cell = ? AND recipe = ? AND phase = 'finished' ORDER BY id DESC");
  rows.bind(1, cell).bind(2, recipe);
  if (!rows.step()) return std::nullopt;
  return run_of(rows);
}

std::vector<StoredRun> Reader::finished_runs_of_cell(const std::string& cell) {
  Statement rows(database_,
                 std::string(run_columns) + "WHERE cell = ? AND phase = 'finished' ORDER BY id DESC");
  rows.bind(1, cell);
  return runs_of(rows);
}

std::int64_t Reader::last_run_number() {
  return database_.number(
      "SELECT coalesce(max(CAST(substr(id, 2) AS INTEGER)), 0) FROM run WHERE id LIKE 'r%'");
}

std::vector<StoredEvent> Reader::events(std::int64_t since, int limit) {
  Statement rows(database_, std::string(event_columns) + "WHERE seq > ? ORDER BY seq LIMIT ?");
  rows.bind(1, since).bind(2, std::int64_t{limit});
  return events_in(rows);
}

std::int64_t Reader::last_event() { return database_.number("SELECT coalesce(max(seq), 0) FROM event"); }

std::vector<StoredEvent> Reader::events_of(const std::string& run, std::int64_t since, std::int64_t limit) {
  Statement rows(database_, std::string(event_columns) + "WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?");
  rows.bind(1, run).bind(2, since).bind(3, limit);
  return events_in(rows);
}

std::vector<StoredRun> Reader::runs_of_station(const std::string& station, WallTime from, WallTime to) {
  Statement rows(database_,
                 std::string(run_columns) +
                     "WHERE station = ?1 AND started_wall_ns <= ?3 AND coalesce(ended_wall_ns, ?2) >= ?2 "
                     "ORDER BY id");
  rows.bind(1, station).bind(2, nanoseconds(from)).bind(3, nanoseconds(to));
  return runs_of(rows);
}

std::vector<SampleRow> Reader::samples(const std::string& run, std::int64_t after, std::int64_t limit) {
  Statement row(database_, "SELECT " + std::string(sample_columns) +
                               " FROM sample WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?");
  row.bind(1, run).bind(2, after).bind(3, limit);
  std::vector<SampleRow> found;
  while (row.step()) found.push_back(sample_in(row, run));
  return found;
}

std::int64_t Reader::last_seq(const std::string& run) {
  Statement row(database_, "SELECT coalesce(max(seq), 0) FROM sample WHERE run = ?");
  row.bind(1, run);
  return row.step() ? row.integer(0) : 0;
}

std::vector<StoredHole> Reader::holes_of_last_step(const std::string& run) {
  Statement row(database_,
                "SELECT seq, step, step_time_s, at_wall_ns FROM sample WHERE run = ? ORDER BY seq DESC");
  row.bind(1, run);
  std::vector<StoredHole> found;
  std::int64_t step = 0, after_seq = 0, before_seq = 0;  // before_seq: the last of the step before
  Seconds after{0};
  WallTime after_at;
  for (bool first = true; row.step(); first = false) {
    if (!first && row.integer(1) != step) {
      before_seq = row.integer(0);
      break;
    }
    const Seconds time(row.real(2));
    const WallTime at = wall(row.integer(3));
    if (!first && row.integer(0) + 1 < after_seq)
      found.push_back({time, after, at, row.integer(0) + 1, after_seq - 1});
    step = row.integer(1), after_seq = row.integer(0), after = time, after_at = at;
  }
  if (before_seq + 1 < after_seq) found.push_back({{}, after, after_at, before_seq + 1, after_seq - 1});
  std::ranges::reverse(found);
  return found;
}

Seconds Reader::last_test_time(const std::string& run) {
  Statement row(
      database_,
      "SELECT max(coalesce((SELECT test_time_s FROM sample WHERE run = ?1 ORDER BY seq DESC LIMIT 1), 0), "
      "coalesce((SELECT max(test_time_s) FROM event WHERE run = ?1), 0))");
  row.bind(1, run);
  return Seconds(row.step() ? row.real(0) : 0.0);
}

void Reader::add_samples(std::vector<SeriesPoint>& points, const std::string& run, std::int64_t first,
                         std::int64_t last) {
  Statement row(
      database_,
      "SELECT test_time_s, we_vs_re_V, we_vs_re_V, cell_V, cell_V, current_A, current_A, at_wall_ns, "
      "seq FROM sample "
      "WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY seq");
  row.bind(1, run).bind(2, first).bind(3, last);
  while (row.step()) points.push_back(point_of(row));
}

void Reader::add_points(std::vector<SeriesPoint>& points, const std::string& run, std::int64_t first,
                        std::int64_t last, int level, std::int64_t written) {
  if (first > last) return;
  if (level == 0) return add_samples(points, run, first, last);
  // Whole blocks of this level, and finer ones for what sticks out on either side.
  const std::int64_t span = span_of(level);
  const std::int64_t begin = (first - 1 + span - 1) / span, end = std::min(last, written) / span;
  if (begin >= end) return add_points(points, run, first, last, level - 1, written);
  add_points(points, run, first, begin * span, level - 1, written);
  Statement row(
      database_,
      "SELECT first_test_time_s, we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, "
      "current_max_A, first_wall_ns, first_seq FROM rollup WHERE run = ? AND level = ? AND block BETWEEN ? "
      "AND ? ORDER "
      "BY block");
  row.bind(1, run).bind(2, std::int64_t{level}).bind(3, begin).bind(4, end - 1);
  while (row.step()) points.push_back(point_of(row));
  add_points(points, run, end * span + 1, last, level - 1, written);
}

std::int64_t Reader::first_seq_where(const std::string& run, std::string_view column, double value) {
  // Both times grow with the sequence number, so a bisection over the primary key finds the place.
  Statement at(database_,
               fmt::format("SELECT {} FROM sample WHERE run = ? AND seq >= ? ORDER BY seq LIMIT 1", column));
  std::int64_t low = 1, high = last_seq(run) + 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    at.reset();
    at.bind(1, run).bind(2, middle);
    const bool there = !at.step() || at.real(0) >= value;
    (there ? high : low) = there ? middle : middle + 1;
  }
  return low;
}

std::vector<SeriesPoint> Reader::series(const std::string& run, double from_s, double to_s,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const double after = std::nextafter(to_s, std::numeric_limits<double>::infinity());
  return series_between(run, first_seq_where(run, "test_time_s", from_s),
                        first_seq_where(run, "test_time_s", after) - 1, max_points);
}

std::vector<SeriesPoint> Reader::series(const std::string& run, WallTime from, WallTime to,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const double after =
      std::nextafter(static_cast<double>(nanoseconds(to)), std::numeric_limits<double>::infinity());
  return series_between(run, first_seq_where(run, "at_wall_ns", static_cast<double>(nanoseconds(from))),
                        first_seq_where(run, "at_wall_ns", after) - 1, max_points);
}

std::vector<SeriesPoint> Reader::series_between(const std::string& run, std::int64_t first, std::int64_t last,
                                                std::size_t max_points) {
  const std::int64_t last_of_run = last_seq(run);
  last = std::min(last, last_of_run);
  if (first > last) return {};
  const auto wanted = static_cast<std::int64_t>(std::max<std::size_t>(max_points, 8));
  // The finest level that is not too much to read; what it gives beyond the points wanted is merged.
  const auto too_much = [&](int level) {
    return (last - first + 1) / span_of(level) > (level == 0 ? 8 : 4) * wanted;
  };
  int level = 0;
  while (level < rollup_levels && too_much(level)) ++level;
  std::vector<SeriesPoint> between;
  add_points(between, run, first + 1, last - 1, level, written_up_to(last_of_run));
  std::vector<SeriesPoint> points;
  add_samples(points, run, first, first);
  const auto bucket_of = [&](std::size_t i) {
    return (between[i].seq - first) * wanted / (last - first + 1);
  };
  for (auto& point : merged(between, bucket_of)) points.push_back(point);
  if (last > first) add_samples(points, run, last, last);
  return points;
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

std::vector<PressurePoint> Reader::pressures_of_run(const std::string& run, std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  Statement all(database_, pressure_readings("run = ?2"));
  all.bind(2, run);
  Statement minutes(database_, pressure_minutes("run = ?1 AND run <> ''"));
  minutes.bind(1, run);
  return pressure_points(all, minutes, max_points);
}

std::vector<PressurePoint> Reader::pressures_after(const std::string& run, WallTime after,
                                                   std::int64_t limit) {
  Statement row(database_, pressure_readings("run = ?2 AND at_wall_ns > ?3"));
  row.bind(1, limit).bind(2, run).bind(3, nanoseconds(after));
  return pressures_in(row);
}

std::vector<StoredStep> Reader::steps(const std::string& run) {
  Statement row(database_,
                fmt::format("SELECT {}, step, (SELECT reason FROM event WHERE event.run = step.run AND "
                            "event.step = step.step AND event.kind IN ('step_began', 'step_ended') ORDER BY "
                            "seq DESC LIMIT 1) FROM "
                            "step WHERE run = ? ORDER BY step",
                            step_columns));
  row.bind(1, run);
  std::vector<StoredStep> found;
  while (row.step())
    found.push_back({step_in(row, static_cast<std::uint32_t>(row.integer(13)), 0), row.maybe_text(14)});
  return found;
}

std::vector<CycleCapacity> Reader::capacities(const std::string& run) {
  std::vector<CycleCapacity> cycles;
  for (const StoredStep& step : steps(run)) {
    if (step.summary.cycle == 0) continue;
    if (cycles.empty() || cycles.back().cycle != step.summary.cycle)
      cycles.push_back({.cycle = step.summary.cycle});
    add(cycles.back().charge, step.summary.charge);
    add(cycles.back().discharge, step.summary.discharge);
  }
  return cycles;
}

std::vector<StoredAlarm> Reader::alarms(int limit, std::int64_t before) {
  Statement row(database_, std::string(alarm_columns) + "WHERE ?2 = 0 OR id < ?2 ORDER BY id DESC LIMIT ?1");
  row.bind(1, std::int64_t{limit}).bind(2, before);
  return alarms_in(row);
}

std::vector<StoredAlarm> Reader::standing_alarms() {
  Statement row(database_, std::string(alarm_columns) +
                               "WHERE cleared_wall_ns IS NULL OR acknowledged_by IS NULL ORDER BY id");
  return alarms_in(row);
}

std::int64_t Reader::last_alarm_id() { return database_.number("SELECT coalesce(max(id), 0) FROM alarm"); }

namespace {

template <typename Q>
std::optional<Q> quantity(const std::optional<double>& number) {
  return number ? std::optional(Q(*number)) : std::nullopt;
}

std::vector<TripReadingRow> readings_of(Database& database, const TripRow& trip) {
  Statement row(
      database,
      "SELECT seq, offset_s, what, pressure_MPa, target_MPa, we_vs_re_V, cell_V, current_A, status, "
      "text FROM trip_reading WHERE run = ? AND number = ? ORDER BY seq");
  row.bind(1, trip.run).bind(2, trip.number);
  std::vector<TripReadingRow> found;
  while (row.step()) {
    TripReadingRow reading{.run = trip.run,
                           .number = trip.number,
                           .seq = row.integer(0),
                           .offset = Seconds(row.real(1)),
                           .what = row.text(2),
                           .pressure = quantity<MegaPascal>(row.maybe_real(3)),
                           .target = quantity<MegaPascal>(row.maybe_real(4)),
                           .we_vs_re = quantity<Volt>(row.maybe_real(5)),
                           .cell = quantity<Volt>(row.maybe_real(6)),
                           .current = quantity<Ampere>(row.maybe_real(7)),
                           .status = {},
                           .text = row.maybe_text(9)};
    if (!row.is_null(8)) reading.status = static_cast<std::uint32_t>(row.integer(8));
    found.push_back(std::move(reading));
  }
  return found;
}

}  // namespace

std::vector<StoredTrip> Reader::trips(const std::string& run) {
  Transaction moment(database_, Transaction::Kind::read);
  Statement row(database_,
                "SELECT number, station, step, cause, text, at_wall_ns, at_mono_ns FROM trip WHERE run = ? "
                "ORDER BY number");
  row.bind(1, run);
  std::vector<StoredTrip> found;
  while (row.step())
    found.push_back({{run,
                      row.integer(0),
                      row.text(1),
                      static_cast<std::uint32_t>(row.integer(2)),
                      row.text(3),
                      row.text(4),
                      {Instant(std::chrono::nanoseconds(row.integer(6))), wall(row.integer(5))}},
                     {}});
  for (StoredTrip& trip : found) trip.readings = readings_of(database_, trip.row);
  return found;
}

std::vector<ShelfRow> Reader::shelved(WallTime now) {
  Statement row(database_,
                "SELECT station, cause, who, reason, from_wall_ns, until_wall_ns FROM shelf WHERE "
                "until_wall_ns > ? ORDER BY until_wall_ns");
  row.bind(1, std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
  std::vector<ShelfRow> found;
  while (row.step())
    found.push_back(
        {row.text(0), row.text(1), row.text(2), row.text(3), wall(row.integer(4)), wall(row.integer(5))});
  return found;
}

std::optional<StoredScore> Reader::last_score(const std::string& study) {
  Statement row(database_, std::string(score_columns) + "WHERE study = ? ORDER BY version DESC LIMIT 1");
  row.bind(1, study);
  return first_of(scores_in(row));
}

std::optional<StoredScore> Reader::score(const std::string& study, std::int64_t version) {
  Statement row(database_, std::string(score_columns) + "WHERE study = ? AND version = ?");
  row.bind(1, study).bind(2, version);
  return first_of(scores_in(row));
}

std::vector<StoredScore> Reader::scores(const std::string& study) {
  Statement row(database_, std::string(score_columns) + "WHERE study = ? ORDER BY version DESC");
  row.bind(1, study);
  return scores_in(row);
}

std::vector<StoredScore> Reader::newest_scores() {
  Statement row(database_, std::string(score_columns) +
                               "AS s WHERE version = (SELECT max(version) FROM score WHERE study = s.study) "
                               "ORDER BY study");
  return scores_in(row);
}

std::vector<RegionRow> Reader::regions(const std::string& study, const std::string& settings) {
  Statement row(database_, std::string(region_columns) +
                               "WHERE study = ? AND settings = ? ORDER BY material, state, name, at_wall_ns");
  row.bind(1, study).bind(2, settings);
  return regions_in(row);
}

std::optional<RegionRow> Reader::region(const std::string& hash, const std::string& settings) {
  Statement row(database_, std::string(region_columns) + "WHERE hash = ? AND settings = ? LIMIT 1");
  row.bind(1, hash).bind(2, settings);
  return first_of(regions_in(row));
}

std::vector<JobRow> Reader::jobs(int limit) {
  Statement row(
      database_,
      "SELECT study, what, state, text, started_wall_ns, finished_wall_ns FROM job ORDER BY id DESC LIMIT ?");
  row.bind(1, std::int64_t{limit});
  std::vector<JobRow> found;
  while (row.step())
    found.push_back(
        {row.text(0), row.text(1), row.text(2), row.text(3), wall(row.integer(4)), wall(row.integer(5))});
  return found;
}

std::vector<StoredAct> Reader::audit(int limit, std::int64_t before) {
  Statement row(database_,
                "SELECT who, act, target, reason, outcome, at_wall_ns, id FROM audit WHERE ?2 = 0 OR id < ?2 "
                "ORDER BY id DESC LIMIT ?1");
  row.bind(1, std::int64_t{limit}).bind(2, before);
  std::vector<StoredAct> found;
  while (row.step())
    found.push_back({row.integer(6),
                     {row.text(0), row.text(1), row.maybe_text(2), row.maybe_text(3), row.text(4),
                      wall(row.integer(5))}});
  return found;
}

}  // namespace cambench::store
