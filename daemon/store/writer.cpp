#include "daemon/store/writer.h"

#include <fmt/core.h>
#include <time.h>

#include <utility>

#include "daemon/clock.h"
#include "daemon/store/columns.h"

namespace cambench::store {

namespace {

template <typename Q>
std::optional<double> number(const std::optional<Q>& quantity) {
  if (!quantity) return std::nullopt;
  return quantity->value();
}

std::optional<double> number(const std::optional<Seconds>& time) {
  if (!time) return std::nullopt;
  return time->count();
}

std::optional<std::int64_t> number(const std::optional<std::uint32_t>& count) {
  if (!count) return std::nullopt;
  return *count;
}

std::optional<std::int64_t> number(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return nanoseconds(*time);
}

/// The same moment on the clock that counts sleep too.
std::int64_t boot_ns(Instant at) {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  const std::int64_t now_ns = boot.tv_sec * std::int64_t{1'000'000'000} + boot.tv_nsec;
  return now_ns - nanoseconds(std::chrono::steady_clock::now()) + nanoseconds(at);
}

constexpr std::size_t most_tails = 1000;  ///< far more than runs go on at a time

/// An INSERT with as many parameters as columns are named.
std::string insert(std::string_view table, std::string_view columns) {
  std::string sql = "INSERT INTO " + std::string(table) + " (" + std::string(columns) + ") VALUES (?";
  for (const char c : columns)
    if (c == ',') sql += ",?";
  return sql + ")";
}

}  // namespace

RowWriter::RowWriter(Database& db)
    : run_(db,
           insert("run",
                  "id, station, recipe, recipe_hash, recipe_text, cell, cell_json, material, who, one_C_A, "
                  "phase, time_scale, started_wall_ns, program")),
      phase_(db, "UPDATE run SET phase = ?2, ended_wall_ns = ?3 WHERE id = ?1"),
      event_(db,
             insert("event",
                    "run, station, kind, step, reason, cause, text, who, elapsed_s, test_time_s, at_wall_ns, "
                    "at_mono_ns, at_boot_ns, boot_id")),
      sample_(db, insert("sample",
                         "run, seq, test_time_s, step, cycle, step_time_s, we_vs_re_V, cell_V, current_A, "
                         "current_set_A, status, at_wall_ns, at_mono_ns")),
      // Two readings within one tick of the system clock, or a clock set back: the later one stands.
      pressure_(
          db,
          "INSERT OR REPLACE INTO pressure (station, at_wall_ns, run, test_time_s, pressure_MPa, target_MPa, "
          "trouble) VALUES (?,?,?,?,?,?,?)"),
      pressure_minute_(
          db,
          "INSERT INTO pressure_minute (station, minute, run, first_wall_ns, first_test_time_s, "
          "pressure_MPa, "
          "pressure_min_MPa, pressure_max_MPa, target_MPa, trouble, readings, bad) VALUES (?1, ?2, ?3, ?4, "
          "?5, ?6, ?6, "
          "?6, ?7, ?8, 1, ?8 IS NOT NULL) ON CONFLICT DO UPDATE SET "
          "pressure_min_MPa = min(coalesce(pressure_min_MPa, ?6), coalesce(?6, pressure_min_MPa)), "
          "pressure_max_MPa = max(coalesce(pressure_max_MPa, ?6), coalesce(?6, pressure_max_MPa)), "
          "pressure_MPa = coalesce(?6, pressure_MPa), target_MPa = coalesce(?7, target_MPa), "
          "trouble = coalesce(?8, trouble), readings = readings + 1, bad = bad + (?8 IS NOT NULL)"),
      alarm_(db, insert("alarm", "id, station, run, severity, cause, text, raised_wall_ns")),
      alarm_cleared_(db, "UPDATE alarm SET cleared_wall_ns = ?2 WHERE id = ?1 AND cleared_wall_ns IS NULL"),
      acknowledge_(db,
                   "UPDATE alarm SET acknowledged_by = ?2, acknowledged_wall_ns = ?3 WHERE id = ?1 AND "
                   "acknowledged_by IS NULL"),
      audit_(db, insert("audit", "at_wall_ns, who, act, target, reason, outcome")),
      region_(db,
              "INSERT OR REPLACE INTO region (hash, settings, study, material, state, name, values_json, "
              "files_json, "
              "at_wall_ns) VALUES (?,?,?,?,?,?,?,?,?)"),
      score_(
          db,
          "INSERT INTO score (study, version, inputs_hash, settings, program, result_json, at_wall_ns, "
          "summary_json) "
          "VALUES "
          "(?1, (SELECT coalesce(max(version), 0) + 1 FROM score WHERE study = ?1), ?2, ?3, ?4, ?5, ?6, ?7)"),
      job_(db, insert("job", "study, what, state, text, started_wall_ns, finished_wall_ns")),
      trip_(db, insert("trip", "run, number, station, step, cause, text, at_wall_ns, at_mono_ns")),
      trip_reading_(db, insert("trip_reading",
                               "run, number, seq, offset_s, what, pressure_MPa, target_MPa, we_vs_re_V, "
                               "cell_V, current_A, status, text")),
      shelf_(db,
             "INSERT OR REPLACE INTO shelf (station, cause, who, reason, from_wall_ns, until_wall_ns) VALUES "
             "(?,?,?,?,?,?)"),
      last_seq_(db, "SELECT coalesce(max(seq), 0) FROM sample WHERE run = ?"),
      step_(db, "INSERT OR REPLACE INTO step (run, step, " + std::string(step_columns) +
                    ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      step_so_far_(db, "SELECT " + std::string(step_columns) + " FROM step WHERE run = ? AND step = ?"),
      step_last_good_(
          db,
          "SELECT step_time_s, current_A, we_vs_re_V, cell_V FROM sample WHERE run = ?1 AND step = ?2 AND "
          "current_A IS NOT NULL AND status & ?3 = 0 AND seq < ?4 ORDER BY seq DESC LIMIT 1"),
      step_samples_(db, "SELECT " + std::string(sample_columns) +
                            " FROM sample WHERE run = ?1 AND seq >= ?2 AND step = ?3 ORDER BY seq"),
      is_there_(db, "SELECT 1 FROM sample WHERE run = ? AND seq = ?"),
      rollup_(db) {}

void Gap::add(const SampleRow& row) {
  if (count++ == 0) first = row.seq, at = row.sample.at;
  last = row.seq;
}

EventRow Gap::event(const std::string& run, std::string_view why) const {
  EventRow row{.run = run, .kind = "gap", .at = at};
  row.text = fmt::format("{} samples (numbers {} to {}) are lost: {}", count, first, last, why);
  return row;
}

void RowWriter::write(const Row& row) { std::visit(*this, row); }

void RowWriter::write_late(SampleRow row) {
  Tail& tail = tail_of(row.run);
  if (is_there(tail, row)) return;
  row.sample.status |= reading_status::late;
  add(tail, row);
}

bool RowWriter::is_there(const Tail& tail, const SampleRow& row) {
  if (row.seq > tail.seq()) return false;
  is_there_.bind(1, row.run).bind(2, row.seq);
  const bool found = is_there_.step();
  is_there_.reset();
  return found;
}

void RowWriter::operator()(const RunRow& row) {
  run_.bind(1, row.id)
      .bind(2, row.station)
      .bind(3, row.recipe)
      .bind(4, row.recipe_hash)
      .bind(5, row.recipe_text);
  run_.bind(6, row.cell).bind(7, row.cell_json).bind(8, row.material).bind(9, row.who);
  run_.bind(10, row.one_C.value()).bind(11, row.phase).bind(12, row.time_scale);
  run_.bind(13, nanoseconds(row.started)).bind(14, std::string_view(CAMBENCH_VERSION)).run();
}

void RowWriter::operator()(const PhaseRow& row) {
  phase_.bind(1, row.run).bind(2, row.phase).bind(3, number(row.ended)).run();
  if (!row.ended) return;
  if (const auto tail = tails_.find(row.run); tail != tails_.end()) {
    save_step(row.run, tail->second);
    tails_.erase(tail);
  }
}

void RowWriter::operator()(const EventRow& row) {
  event_.bind(1, row.run)
      .bind(2, row.station)
      .bind(3, row.kind)
      .bind(4, number(row.step))
      .bind(5, row.reason);
  event_.bind(6, row.cause).bind(7, row.text).bind(8, row.who).bind(9, number(row.elapsed));
  event_.bind(10, number(row.test_time))
      .bind(11, nanoseconds(row.at.wall))
      .bind(12, nanoseconds(row.at.steady));
  event_.bind(13, boot_ns(row.at.steady)).bind(14, boot_id()).run();
}

void RowWriter::operator()(const SampleRow& row) {
  Tail& tail = tail_of(row.run);
  is_there(tail, row) ? taken_[row.run].add(row) : add(tail, row);
}

void RowWriter::add(Tail& tail, const SampleRow& row) {
  const bool late = row.seq < tail.seq();
  if (!late) turn_to_step(tail, row);  // before the row is in the table, which a sum may be taken from
  const Sample& s = row.sample;
  sample_.bind(1, row.run).bind(2, row.seq).bind(3, row.test_time.count());
  sample_.bind(4, std::int64_t{s.step}).bind(5, std::int64_t{row.cycle}).bind(6, s.step_time.count());
  sample_.bind(7, number(s.we_vs_re)).bind(8, number(s.cell)).bind(9, number(s.current));
  sample_.bind(10, number(s.current_set)).bind(11, std::int64_t{s.status});
  sample_.bind(12, nanoseconds(s.at.wall)).bind(13, nanoseconds(s.at.steady)).run();
  if (late) {
    tail.late_steps.insert(s.step);
    return rollup_.add_late(tail.blocks, row);
  }
  tail.step->add(row);
  tail.changed = true;
  rollup_.add(tail.blocks, row);
}

void RowWriter::settle_late(const std::string& run, Tail& tail) {
  for (const std::uint32_t step : std::exchange(tail.late_steps, {})) {
    const bool is_last = tail.step && tail.step->step == step;
    StepSummary summary = added_up(run, step, is_last ? tail.step_from : 1);
    save(run, summary);
    if (is_last) tail.step = std::move(summary), tail.changed = false;
  }
  rollup_.settle(run, tail.blocks);
}

StepSummary RowWriter::added_up(const std::string& run, std::uint32_t step, std::int64_t from) {
  StepSummary sum{.step = step};
  step_samples_.bind(1, run).bind(2, from).bind(3, std::int64_t{step});
  while (step_samples_.step()) sum.add(sample_in(step_samples_, run));
  step_samples_.reset();
  return sum;
}

RowWriter::Tail& RowWriter::tail_of(const std::string& run) {
  const auto [place, is_new] = tails_.try_emplace(run);
  if (is_new) {
    last_seq_.bind(1, run).step();
    const std::int64_t seq = last_seq_.integer(0);
    last_seq_.reset();
    place->second.blocks = rollup_.open_after(run, seq);
  }
  return place->second;
}

void RowWriter::turn_to_step(Tail& tail, const SampleRow& row) {
  if (tail.step && tail.step->step == row.sample.step) return;
  save_step(row.run, tail);
  tail.step = resumed(row);
  tail.step_from = tail.step->samples == 0 ? tail.seq() + 1 : 1;  // rows before this one may come late
}

/// The step that a sample belongs to, as the tables know it: empty for a new one, else as the last commit left it.
StepSummary RowWriter::resumed(const SampleRow& row) {
  StepSummary step{.step = row.sample.step, .cycle = row.cycle};
  step_so_far_.bind(1, row.run).bind(2, std::int64_t{step.step});
  const bool known = step_so_far_.step();
  if (known) step = step_in(step_so_far_, step.step, 0);
  step_so_far_.reset();
  if (!known) return step;
  step_last_good_.bind(1, row.run).bind(2, std::int64_t{step.step});
  step_last_good_.bind(3, std::int64_t{not_believed}).bind(4, row.seq);
  if (step_last_good_.step())
    step.last_good = {step_last_good_.real(0), step_last_good_.real(1), step_last_good_.maybe_real(2),
                      step_last_good_.maybe_real(3)};
  step_last_good_.reset();
  return step;
}

void RowWriter::save_step(const std::string& run, Tail& tail) {
  settle_late(run, tail);
  if (std::exchange(tail.changed, false)) save(run, *tail.step);
}

void RowWriter::save(const std::string& run, const StepSummary& s) {
  step_.bind(1, run).bind(2, std::int64_t{s.step}).bind(3, std::int64_t{s.cycle}).bind(4, s.samples);
  step_.bind(5, s.first_test_time_s).bind(6, s.last_test_time_s).bind(7, s.duration_s);
  step_.bind(8, s.charge.charge_Ah).bind(9, s.charge.energy_Wh).bind(10, s.charge.we_vs_re_VAh);
  step_.bind(11, s.discharge.charge_Ah).bind(12, s.discharge.energy_Wh).bind(13, s.discharge.we_vs_re_VAh);
  step_.bind(14, s.last_we_vs_re_V).bind(15, s.last_cell_V).run();
}

void RowWriter::finish() {
  for (const auto& [run, gap] : std::exchange(taken_, {}))
    (*this)(gap.event(run, "their numbers were taken by others"));
  for (auto& [run, tail] : tails_) save_step(run, tail);
  if (tails_.size() > most_tails) tails_.clear();  // rows that came after the end of their runs
}

void RowWriter::forget() {
  tails_.clear();
  taken_.clear();
}

void RowWriter::operator()(const PressureRow& row) {
  const PressureSample& s = row.sample;
  const std::int64_t at_ns = nanoseconds(s.at.wall);
  const auto trouble = s.trouble.empty() ? std::nullopt : std::optional(s.trouble);
  pressure_.bind(1, row.station).bind(2, at_ns).bind(3, row.run).bind(4, number(row.test_time));
  pressure_.bind(5, number(s.pressure)).bind(6, number(s.target)).bind(7, trouble).run();
  pressure_minute_.bind(1, row.station)
      .bind(2, at_ns / minute_ns)
      .bind(3, row.run.value_or(""))
      .bind(4, at_ns);
  pressure_minute_.bind(5, number(row.test_time)).bind(6, number(s.pressure)).bind(7, number(s.target));
  pressure_minute_.bind(8, trouble).run();
}

void RowWriter::operator()(const AlarmRow& row) {
  alarm_.bind(1, row.id).bind(2, row.station).bind(3, row.run).bind(4, row.severity).bind(5, row.cause);
  alarm_.bind(6, row.text).bind(7, nanoseconds(row.raised)).run();
}

void RowWriter::operator()(const AlarmClearedRow& row) {
  alarm_cleared_.bind(1, row.alarm).bind(2, nanoseconds(row.at)).run();
}

void RowWriter::operator()(const AcknowledgeRow& row) {
  acknowledge_.bind(1, row.alarm).bind(2, row.who).bind(3, nanoseconds(row.at)).run();
}

void RowWriter::operator()(const AuditRow& row) {
  audit_.bind(1, nanoseconds(row.at))
      .bind(2, row.who)
      .bind(3, row.act)
      .bind(4, row.target)
      .bind(5, row.reason);
  audit_.bind(6, row.outcome).run();
}

void RowWriter::operator()(const RegionRow& row) {
  region_.bind(1, row.hash).bind(2, row.settings).bind(3, row.study).bind(4, row.material).bind(5, row.state);
  region_.bind(6, row.name)
      .bind(7, row.values_json)
      .bind(8, row.files_json)
      .bind(9, nanoseconds(row.at))
      .run();
}

void RowWriter::operator()(const ScoreRow& row) {
  score_.bind(1, row.study).bind(2, row.inputs_hash).bind(3, row.settings).bind(4, row.program);
  score_.bind(5, row.result_json).bind(6, nanoseconds(row.at)).bind(7, row.summary_json).run();
}

void RowWriter::operator()(const JobRow& row) {
  job_.bind(1, row.study).bind(2, row.what).bind(3, row.state).bind(4, row.text);
  job_.bind(5, nanoseconds(row.started)).bind(6, nanoseconds(row.finished)).run();
}

void RowWriter::operator()(const TripRow& row) {
  trip_.bind(1, row.run).bind(2, row.number).bind(3, row.station).bind(4, std::int64_t{row.step});
  trip_.bind(5, row.cause).bind(6, row.text);
  trip_.bind(7, nanoseconds(row.at.wall)).bind(8, nanoseconds(row.at.steady)).run();
}

void RowWriter::operator()(const TripReadingRow& row) {
  trip_reading_.bind(1, row.run).bind(2, row.number).bind(3, row.seq).bind(4, row.offset.count());
  trip_reading_.bind(5, row.what).bind(6, number(row.pressure)).bind(7, number(row.target));
  trip_reading_.bind(8, number(row.we_vs_re)).bind(9, number(row.cell)).bind(10, number(row.current));
  trip_reading_.bind(11, number(row.status)).bind(12, row.text).run();
}

void RowWriter::operator()(const ShelfRow& row) {
  shelf_.bind(1, row.station).bind(2, row.cause).bind(3, row.who).bind(4, row.reason);
  shelf_.bind(5, nanoseconds(row.from)).bind(6, nanoseconds(row.until)).run();
}

}  // namespace cambench::store
