// Rows into tables: one prepared statement a kind of row, and the roll-ups that charts read.
#pragma once
#include "daemon/store/database.h"
#include "daemon/store/rows.h"

namespace cambench::store {

/// A roll-up block of level 1 spans so many samples; a block of each further level so many of the one below.
inline constexpr std::int64_t rollup_samples = 64, rollup_blocks = 16;
inline constexpr int rollup_levels = 3;

/// Writes rows inside the caller's transaction. Used by the store's thread alone. Blocks are rolled up from the
/// tables themselves when their last sample is written, so a crash leaves none half made.
class RowWriter {
 public:
  explicit RowWriter(Database& database);
  void write(const Row& row);

  void operator()(const RunRow& row);
  void operator()(const PhaseRow& row);
  void operator()(const EventRow& row);
  void operator()(const SampleRow& row);
  void operator()(const PressureRow& row);
  void operator()(const AlarmRow& row);
  void operator()(const AcknowledgeRow& row);
  void operator()(const AuditRow& row);
  void operator()(const RegionRow& row);
  void operator()(const ScoreRow& row);

 private:
  void roll_up(const SampleRow& row);

  Statement run_, phase_, event_, sample_, pressure_, alarm_, acknowledge_, audit_, region_, score_;
  Statement roll_samples_, roll_blocks_;
};

}  // namespace cambench::store
