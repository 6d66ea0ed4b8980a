#include "daemon/store/reader.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "daemon/store/migrations.h"
#include "daemon/store/writer.h"

namespace cambench::store {

namespace {

WallTime wall(std::int64_t nanoseconds) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(nanoseconds)));
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
    "time_scale, started_wall_ns, ended_wall_ns FROM run ";

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
  return run;
}

std::vector<StoredRun> runs_of(Statement& statement) {
  std::vector<StoredRun> found;
  while (statement.step()) found.push_back(run_of(statement));
  return found;
}

constexpr auto event_columns =
    "SELECT seq, run, station, kind, step, reason, cause, text, who, elapsed_s, test_time_s, at_wall_ns, "
    "at_mono_ns "
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
  return {row.real(0),       row.maybe_real(1), row.maybe_real(2), row.maybe_real(3),
          row.maybe_real(4), row.maybe_real(5), row.maybe_real(6)};
}

/// How many samples one block of a level spans; level 0 is the samples themselves.
std::int64_t span_of(int level) {
  std::int64_t span = level == 0 ? 1 : rollup_samples;
  for (int l = 1; l < level; ++l) span *= rollup_blocks;
  return span;
}

}  // namespace

Reader::Reader(const std::filesystem::path& file) : database_(open_for_reading(file)) {}

std::vector<StoredRun> Reader::runs(int limit) {
  Statement rows(database_, std::string(run_columns) + "ORDER BY id DESC LIMIT ?");
  rows.bind(1, std::int64_t{limit});
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

std::int64_t Reader::last_run_number() {
  return database_.number("SELECT coalesce(max(CAST(substr(id, 2) AS INTEGER)), 0) FROM run");
}

std::vector<StoredEvent> Reader::events(std::int64_t since, int limit) {
  Statement rows(database_, std::string(event_columns) + "WHERE seq > ? ORDER BY seq LIMIT ?");
  rows.bind(1, since).bind(2, std::int64_t{limit});
  return events_in(rows);
}

std::vector<StoredEvent> Reader::events_of(const std::string& run) {
  Statement rows(database_, std::string(event_columns) + "WHERE run = ? ORDER BY seq");
  rows.bind(1, run);
  return events_in(rows);
}

std::vector<SampleRow> Reader::samples(const std::string& run) {
  Statement row(database_,
                "SELECT seq, test_time_s, step, cycle, step_time_s, we_vs_re_V, cell_V, current_A, "
                "current_set_A, status, "
                "at_wall_ns, at_mono_ns FROM sample WHERE run = ? ORDER BY seq");
  row.bind(1, run);
  std::vector<SampleRow> found;
  while (row.step()) {
    SampleRow s{.run = run,
                .seq = row.integer(0),
                .test_time = Seconds(row.real(1)),
                .cycle = static_cast<std::uint32_t>(row.integer(3)),
                .sample = {}};
    s.sample.step = static_cast<std::uint32_t>(row.integer(2));
    s.sample.step_time = Seconds(row.real(4));
    s.sample.we_vs_re = maybe<Volt>(row, 5);
    s.sample.cell = maybe<Volt>(row, 6);
    s.sample.current = maybe<Ampere>(row, 7);
    s.sample.current_set = maybe<Ampere>(row, 8);
    s.sample.status = static_cast<std::uint16_t>(row.integer(9));
    s.sample.at = {steady(row.integer(11)), wall(row.integer(10))};
    found.push_back(std::move(s));
  }
  return found;
}

std::int64_t Reader::last_seq(const std::string& run) {
  Statement row(database_, "SELECT coalesce(max(seq), 0) FROM sample WHERE run = ?");
  row.bind(1, run);
  return row.step() ? row.integer(0) : 0;
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
      "SELECT test_time_s, we_vs_re_V, we_vs_re_V, cell_V, cell_V, current_A, current_A FROM sample "
      "WHERE run = ? AND seq BETWEEN ? AND ? ORDER BY seq");
  row.bind(1, run).bind(2, first).bind(3, last);
  while (row.step()) points.push_back(point_of(row));
}

void Reader::add_points(std::vector<SeriesPoint>& points, const std::string& run, std::int64_t first,
                        std::int64_t last, int level) {
  if (first > last) return;
  if (level == 0) return add_samples(points, run, first, last);
  // Whole blocks of this level, and finer ones for what sticks out on either side.
  const std::int64_t span = span_of(level);
  const std::int64_t begin = (first - 1 + span - 1) / span, end = last / span;
  if (begin >= end) return add_points(points, run, first, last, level - 1);
  add_points(points, run, first, begin * span, level - 1);
  Statement row(
      database_,
      "SELECT first_test_time_s, we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, "
      "current_max_A FROM rollup WHERE run = ? AND level = ? AND block BETWEEN ? AND ? ORDER BY block");
  row.bind(1, run).bind(2, std::int64_t{level}).bind(3, begin).bind(4, end - 1);
  while (row.step()) points.push_back(point_of(row));
  add_points(points, run, end * span + 1, last, level - 1);
}

std::int64_t Reader::first_seq_from(const std::string& run, double test_time_s) {
  // Test time grows with the sequence number, so a bisection over the primary key finds the place.
  Statement at(database_, "SELECT test_time_s FROM sample WHERE run = ? AND seq >= ? ORDER BY seq LIMIT 1");
  std::int64_t low = 1, high = last_seq(run) + 1;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    at.reset();
    at.bind(1, run).bind(2, middle);
    const bool there = !at.step() || at.real(0) >= test_time_s;
    (there ? high : low) = there ? middle : middle + 1;
  }
  return low;
}

std::vector<SeriesPoint> Reader::series(const std::string& run, double from_s, double to_s,
                                        std::size_t max_points) {
  Transaction one_view(database_, Transaction::Kind::read);
  const std::int64_t first = first_seq_from(run, from_s);
  const std::int64_t last = std::min(
      first_seq_from(run, std::nextafter(to_s, std::numeric_limits<double>::infinity())) - 1, last_seq(run));
  if (first > last) return {};
  const auto wanted = static_cast<std::int64_t>(std::max<std::size_t>(max_points, 4));
  int level = 0;
  while (level < rollup_levels && (last - first + 1) / span_of(level) > wanted) ++level;
  std::vector<SeriesPoint> points;
  add_samples(points, run, first, first);
  add_points(points, run, first + 1, last - 1, level);
  if (last > first) add_samples(points, run, last, last);
  return points;
}

std::vector<PressurePoint> Reader::pressures_of_run(const std::string& run, std::size_t max_points) {
  Statement count(database_, "SELECT count(*) FROM pressure WHERE run = ?");
  count.bind(1, run);
  const std::int64_t rows = count.step() ? count.integer(0) : 0;
  const std::int64_t stride =
      std::max<std::int64_t>(1, rows / static_cast<std::int64_t>(std::max<std::size_t>(1, max_points)));
  Statement row(
      database_,
      "SELECT at_wall_ns, test_time_s, pressure_MPa, target_MPa, trouble FROM (SELECT *, row_number() OVER "
      "(ORDER BY at_wall_ns) AS number FROM pressure WHERE run = ?1) WHERE number % ?2 = 0 OR number = 1 OR "
      "number = ?3 OR trouble IS NOT NULL ORDER BY at_wall_ns");
  row.bind(1, run).bind(2, stride).bind(3, rows);
  std::vector<PressurePoint> points;
  while (row.step())
    points.push_back(
        {wall(row.integer(0)), row.maybe_real(1), row.maybe_real(2), row.maybe_real(3), row.text(4)});
  return points;
}

std::vector<StoredAlarm> Reader::alarms(int limit) {
  Statement row(
      database_,
      "SELECT id, station, run, severity, cause, text, raised_wall_ns, acknowledged_by, acknowledged_wall_ns "
      "FROM alarm ORDER BY id DESC LIMIT ?");
  row.bind(1, std::int64_t{limit});
  std::vector<StoredAlarm> found;
  while (row.step()) {
    StoredAlarm alarm{
        row.integer(0),
        {row.integer(0), row.maybe_text(1), row.maybe_text(2), row.text(3), row.text(4), row.text(5), wall(row.integer(6))},
        row.maybe_text(7),
        std::nullopt};
    if (!row.is_null(8)) alarm.acknowledged = wall(row.integer(8));
    found.push_back(std::move(alarm));
  }
  return found;
}

std::optional<StoredScore> Reader::last_score(const std::string& study) {
  Statement row(
      database_,
      "SELECT version, inputs_hash, settings, program, result_json, at_wall_ns FROM score WHERE study = ? "
      "ORDER BY version DESC LIMIT 1");
  row.bind(1, study);
  if (!row.step()) return std::nullopt;
  return StoredScore{row.integer(0),
                     {study, row.text(1), row.text(2), row.text(3), row.text(4), wall(row.integer(5))}};
}

std::vector<RegionRow> Reader::regions(const std::string& study, const std::string& settings) {
  Statement row(database_,
                "SELECT hash, material, state, name, values_json, files_json, at_wall_ns FROM region WHERE "
                "study = ? AND "
                "settings = ? ORDER BY material, state, name, at_wall_ns");
  row.bind(1, study).bind(2, settings);
  std::vector<RegionRow> found;
  while (row.step())
    found.push_back({row.text(0), settings, study, row.text(1), row.text(2), row.text(3), row.text(4),
                     row.text(5), wall(row.integer(6))});
  return found;
}

}  // namespace cambench::store
