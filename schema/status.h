// The bench as one value: what a person, a dashboard or a script may know of it now. The runner fills it, to_json()
// writes the document of GET /api/v1/status, and every other view of "now" is derived from the same value.
//
// A number that cannot be believed is not there: a Reading carries a value only while it is good, and otherwise a
// word that says why it is missing. In JSON every key ends in its unit, and nothing is ever renamed, only added.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/command.h"
#include "schema/reading.h"
#include "schema/units.h"

namespace cambench {

namespace status {

enum class Quality {
  good,    ///< recent, and its instrument stands by it
  stale,   ///< the last one is too old: no value
  bad,     ///< the instrument marked it, or it is no number: no value
  absent,  ///< there never was one, or the cell has no such electrode: no value
};
std::string_view name(Quality quality);

/// One number of the bench. `value` is there exactly when `quality` is good.
template <typename Q>
struct Reading {
  std::optional<Q> value;
  Quality quality = Quality::absent;
  std::optional<Seconds> age;  ///< wire time since it was heard, good or not; none when absent
};

/// A reading as it looks at `now`: gone once it is older than `stale_after`, and gone when `bad`.
template <typename Q>
Reading<Q> reading(const std::optional<Q>& value, const Stamp& at, Instant now, Seconds stale_after,
                   bool bad = false) {
  const Seconds age = now - at.steady;
  if (age > stale_after) return {std::nullopt, Quality::stale, age};
  if (bad) return {std::nullopt, Quality::bad, age};
  if (!value) return {std::nullopt, Quality::absent, std::nullopt};
  return {value, Quality::good, age};
}

/// The same rule for what a press said: its sample is bad when it has a trouble to tell.
Reading<MegaPascal> pressure_reading(const PressureSample& sample, Instant now, Seconds stale_after);

/// One of a station's two instruments.
struct Instrument {
  std::string driver;                          ///< "methodscript", "modbus"
  std::string maker, model, serial, firmware;  ///< as it answered; empty until it did
  bool simulated = false;
  bool up = false;                    ///< the link stands and the right instrument answers
  std::string trouble;                ///< when not: why, in words
  std::uint64_t errors = 0;           ///< failed conversations since the daemon came up
  std::uint64_t ok = 0;               ///< answered ones
  Seconds last_io{0}, longest_io{0};  ///< one question and its answer, wire time
};

struct Step {
  std::uint32_t index = 0, count = 0;  ///< index from 0
  std::uint32_t cycle = 0;
  std::string label,
      kind;  ///< "charge 0.1 C"; "open_circuit", "constant_current", "constant_voltage", "press"
  std::optional<Seconds> elapsed;  ///< experiment time in this step
};

struct Run {
  std::string id, recipe, cell, material, who;
  WallTime started{};
  std::string state;  ///< "queued" "preparing" "running" "held" "tripped" "finished" "aborted"
  std::string why;    ///< held, tripped, aborted: the reason, in words
  std::optional<Step> step;
  double progress = 0;               ///< 0..1, of experiment time
  std::optional<Seconds> time_left;  ///< experiment time, an estimate; none when it is held or over
  Ampere one_C{0};
  std::optional<Volt> reference_vs_li;  ///< offset of the reference electrode to Li+/Li
};

/// The last proof test of a press, or the one that runs.
struct ProofStep {
  std::string step, expected, seen, verdict;  ///< "passed" "failed" "not tried" "not there"
};
struct ProofTest {
  std::string who, state;  ///< "running" "passed" "failed"
  WallTime started{};
  std::vector<ProofStep> steps;
};

struct Station {
  std::string name;
  std::optional<Instrument> potentiostat, press, gauge;
  std::optional<Run> run;         ///< the last one stays until the next begins
  std::optional<bool> cell_open;  ///< confirmed open, or polarised; none: nobody knows
  Reading<Volt> we_vs_re, cell;
  Reading<Ampere> current;
  Reading<MegaPascal> pressure, pressure_target;
  Reading<MegaPascal> pressure_second;          ///< of the gauge
  std::uint64_t samples = 0, polls_missed = 0;  ///< since the daemon came up
  std::uint64_t pressure_spikes = 0;    ///< in this run: jumps that no press can make, and that went away
  std::string press_release;            ///< "releases: 274.00 MPa", from a vent until it is down; else empty
  std::optional<ProofTest> press_test;  ///< none since the daemon came up
};

struct Alarm {
  std::int64_t id = 0;
  WallTime since{};
  std::optional<WallTime> cleared;  ///< the cause is gone; the alarm stays until it was acknowledged
  command::Severity severity{};
  std::string cause, text;   ///< "pressure_low"; the sentence
  std::string station, run;  ///< empty: the whole bench
  std::string acknowledged_by;
  std::optional<WallTime> acknowledged;
  std::string shelved_by;  ///< nobody is told of it until `shelved_until`; empty: it is not shelved
  std::optional<WallTime> shelved_until;
};
std::string_view name(command::Severity severity);

struct Job {
  std::string id, study, what;  ///< "score", "export", ...
  std::string state;            ///< "waiting" "running" "done" "failed"
  double progress = 0;          ///< 0..1
  std::string text;             ///< what it does, waits for, or why it failed
  std::optional<WallTime> started, finished;
};

/// One axis of the radar chart.
struct Axis {
  std::string key, label;  ///< "QS_0", "DS_general"; "initial capacity"
  bool higher_is_better = true;
};
struct Score {
  std::string axis;
  std::optional<double> value;
  std::optional<double> sd;
  std::string why_not{};                      ///< no value: the reason
  std::optional<double> ci_low{}, ci_high{};  ///< confidence interval of the value, where there is one
};
struct ScoredMaterial {
  std::string id, name, coating;
  double amount_wt_percent = 0;
  bool reference = false;
  std::vector<Score> scores;
  std::string radar;  ///< file name of its chart among the study's results; empty: none yet
};
struct Study {
  std::string id, title;
  std::string state;         ///< "waiting" "scoring" "scored" "failed"
  std::string text;          ///< what it waits for, in words
  std::int64_t version = 0;  ///< of the scores, grows with every scoring that changed something; 0: none yet
  std::optional<WallTime> scored;
  std::vector<Axis> axes;
  std::vector<ScoredMaterial> materials;
  std::vector<std::string> problems;  ///< files that cannot be used, one sentence each
};

struct StoreHealth {
  bool up = true;
  std::string trouble;
  Seconds commit_age{0};  ///< since the last commit that had something to write
  std::size_t queued = 0, queue_capacity = 0;
  std::uint64_t rows = 0, file_bytes = 0, wal_bytes = 0, disk_free_bytes = 0;
  std::string warning{};  ///< what will become trouble when nobody acts
  // Samples that could not be taken in time: on disk, to be stored late; or lost, which is a gap of their run.
  std::uint64_t spooled = 0, spooled_bytes = 0, lost = 0;
};

/// How late the deciding thread came to what was due, since the daemon came up.
struct Lateness {
  static constexpr std::array<double, 11> bounds_s = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                      0.05,   0.1,   0.25,   0.5,   1};
  std::array<std::uint64_t, bounds_s.size() + 1> counts{};  ///< of each bucket alone; the last has no bound
  Seconds sum{0}, longest{0};

  void note(Seconds late);
};

struct IoHealth {
  Seconds lag{0};  ///< how late the deciding thread's last tick was
  std::size_t descriptors = 0;
  Lateness lateness;
};

}  // namespace status

struct Status {
  std::uint64_t revision = 0;  ///< grows whenever anything changes; given by whoever publishes it
  WallTime now{}, started{};
  std::string bench, version;
  double time_scale = 1;
  bool ready = true;  ///< instruments were met and the store takes rows
  std::string not_ready;
  std::vector<status::Station> stations;
  std::vector<status::Alarm> alarms;  ///< standing ones, and those nobody acknowledged
  std::vector<status::Job> jobs;
  std::vector<status::Study> studies;
  status::StoreHealth store;
  status::IoHealth io;
};

/// The document of /api/v1/status.
std::string to_json(const Status& status);

std::string to_json(const status::Study& study);

/// /api/v1/stations, /studies: the same as root arrays; stations are flat, one row each.
std::string stations_json(const Status& status);
std::string studies_json(const Status& status);

}  // namespace cambench
