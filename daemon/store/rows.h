// What the store keeps, as values: one struct a table of schema/sql, in the quantities of schema/.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schema/reading.h"
#include "schema/units.h"

namespace cambench::store {

struct RunRow {  ///< a new run
  std::string id, station, recipe, recipe_hash, recipe_text;
  std::optional<std::string> cell, cell_json, material;
  std::string who;
  Ampere one_C{0};
  std::string phase;
  double time_scale = 1;
  WallTime started;
};

struct PhaseRow {  ///< an existing run is in another phase now
  std::string run, phase;
  std::optional<WallTime> ended;
};

struct EventRow {
  std::optional<std::string> run, station;
  std::string kind;
  std::optional<std::uint32_t> step;
  std::optional<std::string> reason, cause, text, who;
  std::optional<Seconds> elapsed, test_time;
  Stamp at;
  // Given by the store itself: the same moment on the host's CLOCK_BOOTTIME, and the boot that it belongs to.
  std::optional<Seconds> boot{};
  std::string boot_id{};
};

struct SampleRow {
  std::string run;
  std::int64_t seq = 0;  ///< from 1, in the order of time; numbers may be missing and come later, never twice
  Seconds test_time{0};
  std::uint32_t cycle = 0;
  Sample sample;
};

/// Readings of a station's second pressure sensor are kept beside the press's, under a name of their own.
[[nodiscard]] inline std::string second_sensor_of(const std::string& station) { return station + " gauge"; }

struct PressureRow {
  std::string station;  ///< or second_sensor_of() it
  std::optional<std::string> run;
  std::optional<Seconds> test_time;
  PressureSample sample;
};

struct AlarmRow {
  std::int64_t id = 0;  ///< given by daemon/alarms.h, never used twice
  std::optional<std::string> station, run;
  std::string severity, cause, text;
  WallTime raised;
};

struct AlarmClearedRow {  ///< the cause is gone
  std::int64_t alarm = 0;
  WallTime at;
};

struct AcknowledgeRow {
  std::int64_t alarm = 0;
  std::string who;
  WallTime at;
};

struct AuditRow {
  std::string who, act;
  std::optional<std::string> target, reason;
  std::string outcome;
  WallTime at;
};

struct RegionRow {
  std::string hash, settings, study, material, state, name, values_json, files_json;
  WallTime at;
};

struct ScoreRow {  ///< the version is given by the store: one more than the study's last
  std::string study, inputs_hash, settings, program, result_json;
  WallTime at;
  std::string summary_json;
};

struct JobRow {  ///< a job that is over
  std::string study, what, state, text;
  WallTime started, finished;
};

struct TripRow {  ///< the first-out
  std::string run;
  std::int64_t number = 0;  ///< of the run's trips, from 1
  std::string station;
  std::uint32_t step = 0;
  std::string cause, text;
  Stamp at;
};

struct TripReadingRow {  ///< one reading of the ten seconds before and after a trip
  std::string run;
  std::int64_t number = 0, seq = 0;  ///< of the trip; of its readings
  Seconds offset{0};                 ///< wire time since the trip; negative before it
  std::string what;                  ///< "sample", "pressure", "event"
  std::optional<MegaPascal> pressure, target;
  std::optional<Volt> we_vs_re, cell;
  std::optional<Ampere> current;
  std::optional<std::uint32_t> status;
  std::optional<std::string> text;
};

struct ShelfRow {  ///< a cause of a station that nobody is told of until then
  std::string station, cause, who, reason;
  WallTime from, until;
};

using Row =
    std::variant<RunRow, PhaseRow, EventRow, SampleRow, PressureRow, AlarmRow, AlarmClearedRow,
                 AcknowledgeRow, AuditRow, RegionRow, ScoreRow, JobRow, TripRow, TripReadingRow, ShelfRow>;

}  // namespace cambench::store
