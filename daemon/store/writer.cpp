#include "daemon/store/writer.h"

namespace cambench::store {

namespace {

std::int64_t nanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t nanoseconds(Instant time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

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

/// An INSERT with as many parameters as columns are named.
std::string insert(std::string_view table, std::string_view columns) {
  std::string sql = "INSERT INTO " + std::string(table) + " (" + std::string(columns) + ") VALUES (?";
  for (const char c : columns)
    if (c == ',') sql += ",?";
  return sql + ")";
}

constexpr auto extremes =
    "min(we_vs_re_V), max(we_vs_re_V), min(cell_V), max(cell_V), min(current_A), max(current_A) FROM sample "
    "WHERE run = ?1 AND seq BETWEEN ?3 AND ?4";
constexpr auto extremes_of_blocks =
    "min(we_vs_re_min_V), max(we_vs_re_max_V), min(cell_min_V), max(cell_max_V), min(current_min_A), "
    "max(current_max_A) FROM rollup WHERE run = ?1 AND level = ?2 - 1 AND block BETWEEN ?3 AND ?4";

}  // namespace

RowWriter::RowWriter(Database& db)
    : run_(db,
           insert("run",
                  "id, station, recipe, recipe_hash, recipe_text, cell, cell_json, material, who, one_C_A, "
                  "phase, time_scale, started_wall_ns")),
      phase_(db, "UPDATE run SET phase = ?2, ended_wall_ns = ?3 WHERE id = ?1"),
      event_(db,
             insert("event",
                    "run, station, kind, step, reason, cause, text, who, elapsed_s, test_time_s, at_wall_ns, "
                    "at_mono_ns")),
      sample_(db, insert("sample",
                         "run, seq, test_time_s, step, cycle, step_time_s, we_vs_re_V, cell_V, current_A, "
                         "current_set_A, status, at_wall_ns, at_mono_ns")),
      // Two readings within one tick of the system clock, or a clock set back: the later one stands.
      pressure_(
          db,
          "INSERT OR REPLACE INTO pressure (station, at_wall_ns, run, test_time_s, pressure_MPa, target_MPa, "
          "trouble) VALUES (?,?,?,?,?,?,?)"),
      alarm_(db, insert("alarm", "id, station, run, severity, cause, text, raised_wall_ns")),
      acknowledge_(db,
                   "UPDATE alarm SET acknowledged_by = ?2, acknowledged_wall_ns = ?3 WHERE id = ?1 AND "
                   "acknowledged_by IS NULL"),
      audit_(db, insert("audit", "at_wall_ns, who, act, target, reason, outcome")),
      region_(db,
              "INSERT OR IGNORE INTO region (hash, settings, study, material, state, name, values_json, "
              "files_json, "
              "at_wall_ns) VALUES (?,?,?,?,?,?,?,?,?)"),
      score_(db,
             "INSERT INTO score (study, version, inputs_hash, settings, program, result_json, at_wall_ns) "
             "VALUES "
             "(?1, (SELECT coalesce(max(version), 0) + 1 FROM score WHERE study = ?1), ?2, ?3, ?4, ?5, ?6)"),
      roll_samples_(db, std::string("INSERT OR REPLACE INTO rollup SELECT ?1, 1, ?2, min(seq), max(seq), "
                                    "min(test_time_s), max(test_time_s), ") +
                            extremes),
      roll_blocks_(
          db, std::string("INSERT OR REPLACE INTO rollup SELECT ?1, ?2, ?5, min(first_seq), max(last_seq), "
                          "min(first_test_time_s), max(last_test_time_s), ") +
                  extremes_of_blocks) {}

void RowWriter::write(const Row& row) { std::visit(*this, row); }

void RowWriter::operator()(const RunRow& row) {
  run_.bind(1, row.id)
      .bind(2, row.station)
      .bind(3, row.recipe)
      .bind(4, row.recipe_hash)
      .bind(5, row.recipe_text);
  run_.bind(6, row.cell).bind(7, row.cell_json).bind(8, row.material).bind(9, row.who);
  run_.bind(10, row.one_C.value()).bind(11, row.phase).bind(12, row.time_scale);
  run_.bind(13, nanoseconds(row.started)).run();
}

void RowWriter::operator()(const PhaseRow& row) {
  phase_.bind(1, row.run).bind(2, row.phase).bind(3, number(row.ended)).run();
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
  event_.run();
}

void RowWriter::operator()(const SampleRow& row) {
  const Sample& s = row.sample;
  sample_.bind(1, row.run).bind(2, row.seq).bind(3, row.test_time.count());
  sample_.bind(4, std::int64_t{s.step}).bind(5, std::int64_t{row.cycle}).bind(6, s.step_time.count());
  sample_.bind(7, number(s.we_vs_re)).bind(8, number(s.cell)).bind(9, number(s.current));
  sample_.bind(10, number(s.current_set)).bind(11, std::int64_t{s.status});
  sample_.bind(12, nanoseconds(s.at.wall)).bind(13, nanoseconds(s.at.steady)).run();
  if (row.seq % rollup_samples == 0) roll_up(row);
}

void RowWriter::roll_up(const SampleRow& row) {
  std::int64_t block = row.seq / rollup_samples - 1;
  roll_samples_.bind(1, row.run).bind(2, block);
  roll_samples_.bind(3, row.seq - rollup_samples + 1).bind(4, row.seq).run();
  for (std::int64_t level = 2; level <= rollup_levels && (block + 1) % rollup_blocks == 0; ++level) {
    const std::int64_t first = block - rollup_blocks + 1, last = block;
    block = last / rollup_blocks;
    roll_blocks_.bind(1, row.run).bind(2, level).bind(3, first).bind(4, last).bind(5, block).run();
  }
}

void RowWriter::operator()(const PressureRow& row) {
  const PressureSample& s = row.sample;
  pressure_.bind(1, row.station)
      .bind(2, nanoseconds(s.at.wall))
      .bind(3, row.run)
      .bind(4, number(row.test_time));
  pressure_.bind(5, number(s.pressure)).bind(6, number(s.target));
  if (s.trouble.empty())
    pressure_.bind_null(7);
  else
    pressure_.bind(7, s.trouble);
  pressure_.run();
}

void RowWriter::operator()(const AlarmRow& row) {
  alarm_.bind(1, row.id).bind(2, row.station).bind(3, row.run).bind(4, row.severity).bind(5, row.cause);
  alarm_.bind(6, row.text).bind(7, nanoseconds(row.raised)).run();
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
  score_.bind(5, row.result_json).bind(6, nanoseconds(row.at)).run();
}

}  // namespace cambench::store
