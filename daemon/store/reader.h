// What the store remembers, for the status API, jobs and a daemon that comes back. Reads only; a reader never
// checkpoints, and every call opens and closes its own transaction, so the write-ahead log cannot starve.
//
// reader.cpp reads runs with their samples and events, reader_charts.cpp what is drawn, reader_records.cpp all else.
//
// Threading: one thread at a time per Reader. Throws StoreError.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/store/database.h"
#include "daemon/store/rows.h"
#include "daemon/store/step_summary.h"

namespace cambench::store {

struct StoredRun {
  std::string id, station, recipe, recipe_hash, recipe_text;
  std::optional<std::string> cell, cell_json, material;
  std::string who, phase, program;
  double one_C_A = 0, time_scale = 1;
  WallTime started;
  std::optional<WallTime> ended;
};

struct StoredEvent {
  std::int64_t seq = 0;  ///< the cursor
  EventRow row;
};

/// One point of a chart: the extremes of everything between it and the next one. A point of a single sample has
/// minimum = maximum.
struct SeriesPoint {
  double test_time_s = 0;
  std::optional<double> we_vs_re_min_V, we_vs_re_max_V, cell_min_V, cell_max_V, current_min_A, current_max_A;
  WallTime at;
  std::int64_t seq = 0;  ///< of its first sample
};

/// One reading, or the readings of some minutes: the last good value, and the extremes.
struct PressurePoint {
  WallTime at;
  std::optional<double> test_time_s, pressure_MPa, target_MPa;
  std::string trouble;  ///< of the last bad reading; empty: there was none
  std::optional<double> pressure_min_MPa, pressure_max_MPa;
  std::int64_t readings = 1, bad = 0;
};

struct StoredStep {
  StepSummary summary;
  std::optional<std::string> end_reason;  ///< none: it has not ended
};

/// Numbers that were kept free in a step, for rows that were missed and may still be told.
struct StoredHole {
  std::optional<Seconds> from;  ///< step time of the row before; none: they are missing from the step's start
  Seconds to;                   ///< and of the row after
  WallTime at;                  ///< of the row before, or, without one, of the row after
  std::int64_t first_seq = 0, last_seq = 0;
};

/// What the steps of one cycle moved together.
struct CycleCapacity {
  std::uint32_t cycle = 0;
  ChargeMoved charge, discharge;
};

struct StoredAlarm {
  std::int64_t id = 0;
  AlarmRow row;
  std::optional<std::string> acknowledged_by;
  std::optional<WallTime> acknowledged;
  std::optional<WallTime> cleared;
};

struct StoredAct {
  std::int64_t id = 0;
  AuditRow row;
};

/// The first-out with what was measured around it.
struct StoredTrip {
  TripRow row;
  std::vector<TripReadingRow> readings;  ///< in the order they were heard
};

struct StoredScore {
  std::int64_t version = 0;
  ScoreRow row;
};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file);

  /// Newest first: an import is as new as the day it was brought. Those before the run `before`, when it is not empty.
  std::vector<StoredRun> runs(int limit = 1000, const std::string& before = {});
  std::optional<StoredRun> run(const std::string& id);
  std::vector<StoredRun> unfinished_runs();                               ///< not finished, not aborted
  std::vector<StoredRun> finished_runs_of_cell(const std::string& cell);  ///< newest first
  std::int64_t last_run_number();                                         ///< 0 for an empty store

  std::vector<StoredEvent> events(std::int64_t since, int limit = 1000);  ///< seq > since, oldest first
  std::int64_t last_event();                                              ///< its seq; 0 for an empty store
  std::vector<StoredEvent> events_of(const std::string& run, std::int64_t since = 0,
                                     std::int64_t limit = std::numeric_limits<std::int64_t>::max());

  /// In order, from the one after `after`: call again with the last number until nothing comes. Rows that an instrument
  /// kept while nobody listened come later than their neighbours, with numbers between theirs and the status `late`.
  std::vector<SampleRow> samples(const std::string& run, std::int64_t after = 0,
                                 std::int64_t limit = std::numeric_limits<std::int64_t>::max());
  std::int64_t last_seq(const std::string& run);
  std::vector<StoredHole> holes_of_last_step(const std::string& run);  ///< in their order
  Seconds last_test_time(const std::string& run);

  std::vector<StoredStep> steps(const std::string& run);
  std::vector<CycleCapacity> capacities(const std::string& run);  ///< steps before the first cycle left out

  /// At most about `max_points` points between two test times; first and last sample are always points of their
  /// own. Answered from the roll-ups, so the time it takes depends on the points and not on the samples.
  std::vector<SeriesPoint> series(const std::string& run, double from_s, double to_s, std::size_t max_points);
  /// The same between two wall times. Where the wall clock was set back, what it showed twice is the later pass.
  std::vector<SeriesPoint> series(const std::string& run, WallTime from, WallTime to, std::size_t max_points);
  std::vector<StoredRun> runs_of_station(const std::string& station, WallTime from,
                                         WallTime to);  ///< oldest first

  enum class Sensor { press, second };
  std::vector<PressurePoint> pressures(const std::string& station, WallTime from, WallTime to,
                                       std::size_t max_points);
  /// In the order of the run's own time.
  std::vector<PressurePoint> pressures_of_run(const std::string& run, std::size_t max_points,
                                              Sensor sensor = Sensor::press);

  /// Newest first; those with a number below `before`, when it is not 0.
  std::vector<StoredAlarm> alarms(int limit = 200, std::int64_t before = 0);
  std::vector<StoredAlarm> standing_alarms();  ///< not cleared, or not acknowledged; oldest first
  std::int64_t last_alarm_id();                ///< 0: there was none

  std::vector<StoredTrip> trips(const std::string& run);  ///< oldest first, with their readings
  std::vector<ShelfRow> shelved(WallTime now);            ///< whose time is not over

  std::optional<StoredScore> last_score(const std::string& study);
  std::optional<StoredScore> score(const std::string& study, std::int64_t version);
  std::vector<StoredScore> scores(const std::string& study);  ///< newest first
  std::vector<StoredScore> newest_scores();                   ///< the last version of every study
  std::vector<RegionRow> regions(const std::string& study, const std::string& settings);

  std::vector<JobRow> jobs(int limit = 100);                                ///< newest first
  std::vector<StoredAct> audit(int limit = 1000, std::int64_t before = 0);  ///< as the alarms

 private:
  friend class RunPressures;
  std::string second_sensor_of_run(const std::string& run);  ///< "" for a run that is not there
  /// Test times at which the wall clock had been set back.
  std::vector<double> pressures_set_back(const std::string& run);
  std::vector<PressurePoint> pressures_between(const std::string& run, double from_s, double until_s,
                                               WallTime after, std::int64_t limit);

  Database database_;
};

/// Each reading of a run's press in the order of the run's own time, whatever was done to the wall clock; page by page, each
/// in a transaction of its own.
class RunPressures {
 public:
  RunPressures(Reader& reader, std::string run) : reader_(reader), run_(std::move(run)) {}
  std::vector<PressurePoint> next(std::int64_t limit);  ///< nothing: that was all

 private:
  Reader& reader_;
  std::string run_;
  std::vector<double> ends_s_;  ///< of the passes of the wall clock, in test time; empty: not read yet
  std::size_t pass_ = 0;
  WallTime after_ = WallTime::min();
};

}  // namespace cambench::store
