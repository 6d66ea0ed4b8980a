// Rows into tables: one prepared statement a kind of row, and the roll-ups that charts read.
#pragma once
#include <map>
#include <set>
#include <string>

#include "daemon/store/database.h"
#include "daemon/store/rollup.h"
#include "daemon/store/rows.h"
#include "daemon/store/step_summary.h"

namespace cambench::store {

inline constexpr std::int64_t minute_ns = 60'000'000'000;  ///< of pressures

/// Samples of a run that were not kept.
struct Gap {
  std::int64_t first = 0, last = 0, count = 0;
  Stamp at{};
  void add(const SampleRow& row);
  /// "gap", for the run that has them no more.
  [[nodiscard]] EventRow event(const std::string& run, std::string_view why) const;
};

/// A sample with a lower number than the last one came late: its step is added up again and its blocks are rolled up again.
/// One whose number is taken is left out, alone, and an event "gap" of its run says so: one wrong number must not end the
/// keeping for all.
///
/// Writes rows inside the caller's transaction, which ends with finish(). Used by the store's thread alone. What is summed in
/// memory, the open step and the open blocks of each run, is taken up from the tables by the run's first sample, so a crash
/// and a rollback leave nothing half made.
class RowWriter {
 public:
  explicit RowWriter(Database& database);
  void write(const Row& row);
  void write_late(SampleRow row);  ///< out of the spool: marked, and passed over when it is there already
  void finish();                   ///< before COMMIT: the steps as they are now
  void forget();  ///< after a rollback: what was added up since the last finish() never happened

  void operator()(const RunRow& row);
  void operator()(const PhaseRow& row);
  void operator()(const EventRow& row);
  void operator()(const SampleRow& row);
  void operator()(const PressureRow& row);
  void operator()(const AlarmRow& row);
  void operator()(const AlarmClearedRow& row);
  void operator()(const AcknowledgeRow& row);
  void operator()(const AuditRow& row);
  void operator()(const RegionRow& row);
  void operator()(const ScoreRow& row);
  void operator()(const JobRow& row);
  void operator()(const TripRow& row);
  void operator()(const TripReadingRow& row);
  void operator()(const ShelfRow& row);

 private:
  /// The end of a run's samples.
  struct Tail {
    Rollup::Open blocks;
    std::optional<StepSummary> step;
    std::int64_t step_from = 1;  ///< no sample of it has a lower number
    bool changed = false;
    std::set<std::uint32_t> late_steps;  ///< samples came in between since the last finish()
    [[nodiscard]] std::int64_t seq() const { return blocks.seq; }
  };
  Tail& tail_of(const std::string& run);
  [[nodiscard]] bool is_there(const Tail& tail, const SampleRow& row);
  void add(Tail& tail, const SampleRow& row);
  StepSummary resumed(const SampleRow& row);
  void turn_to_step(Tail& tail, const SampleRow& row);
  void save_step(const std::string& run, Tail& tail);
  void save(const std::string& run, const StepSummary& step);
  void settle_late(const std::string& run, Tail& tail);
  StepSummary added_up(const std::string& run, std::uint32_t step, std::int64_t from);

  Statement run_, phase_, event_, sample_, pressure_, pressure_minute_, alarm_, alarm_cleared_, acknowledge_,
      audit_, region_, score_, job_, trip_, trip_reading_, shelf_;
  Statement last_seq_, step_, step_so_far_, step_last_good_, step_samples_, is_there_;
  Rollup rollup_;
  std::map<std::string, Tail> tails_;  // of the runs that go on
  std::map<std::string, Gap> taken_;   // since the last finish()
};

}  // namespace cambench::store
