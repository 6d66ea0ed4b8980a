#include "daemon/store/reader.h"

#include <fmt/core.h>

#include <algorithm>

#include "daemon/store/columns.h"
#include "daemon/store/migrations.h"
#include "daemon/store/rollup.h"

namespace cambench::store {

namespace {

Instant steady(std::int64_t nanoseconds) { return Instant(std::chrono::nanoseconds(nanoseconds)); }

/// Runs are in the order in which they came to the store, their rowid: the id of an import is a hash.
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

}  // namespace

Reader::Reader(const std::filesystem::path& file) : database_(open_for_reading(file)) {}

std::vector<StoredRun> Reader::runs(int limit, const std::string& before) {
  Statement rows(database_, std::string(run_columns) +
                                "WHERE ?2 = '' OR rowid < (SELECT rowid FROM run WHERE id = ?2) "
                                "ORDER BY rowid DESC LIMIT ?1");
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

std::vector<StoredRun> Reader::finished_runs_of_cell(const std::string& cell) {
  Statement rows(database_,
                 std::string(run_columns) + "WHERE cell = ? AND phase = 'finished' ORDER BY rowid DESC");
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
  // Where the wall clock was set back, a run has samples before its start: in its blocks, or not rolled up yet.
  Statement rows(
      database_,
      fmt::format(
          "{} WHERE station = ?1 AND (started_wall_ns <= ?3 OR EXISTS (SELECT 1 FROM rollup WHERE run = "
          "run.id AND level = {} AND first_wall_ns <= ?3) OR EXISTS (SELECT 1 FROM (SELECT at_wall_ns "
          "FROM sample WHERE run = run.id ORDER BY seq DESC LIMIT {}) WHERE at_wall_ns <= ?3)) AND "
          "(coalesce(ended_wall_ns, ?2) >= ?2 OR ended_wall_ns < started_wall_ns) ORDER BY rowid",
          run_columns, written_level, span_of(written_level)));
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

}  // namespace cambench::store
