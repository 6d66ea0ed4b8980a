// What is kept beside the samples: alarms, trips, shelves, scores with their regions, jobs and the audit trail.
#include "daemon/store/columns.h"
#include "daemon/store/reader.h"

namespace cambench::store {

namespace {

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
                           .pressure = maybe<MegaPascal>(row, 3),
                           .target = maybe<MegaPascal>(row, 4),
                           .we_vs_re = maybe<Volt>(row, 5),
                           .cell = maybe<Volt>(row, 6),
                           .current = maybe<Ampere>(row, 7),
                           .status = {},
                           .text = row.maybe_text(9)};
    if (!row.is_null(8)) reading.status = static_cast<std::uint32_t>(row.integer(8));
    found.push_back(std::move(reading));
  }
  return found;
}

}  // namespace

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
