// Rate tests out of the store: the last finished one of a cell, as capacities per cycle. A finished run never changes,
// so each is read once. Used by one thread.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "daemon/jobs/scoring.h"
#include "daemon/store/reader.h"

namespace cambench::jobs {

class RateTests {
 public:
  /// The newest finished run of the cell that has discharges at two rates at least; nothing when there is none. A half
  /// cycle that a person left before its end gives nothing; the test says so.
  std::optional<RateTest> last_of(store::Reader& reader, const std::string& cell);

 private:
  struct Read {
    RateTest test;
    bool at_two_rates = false;  ///< half cycles that were left included
  };
  const Read& read(store::Reader& reader, const store::StoredRun& run);
  std::map<std::string, Read> by_run_;
};

}  // namespace cambench::jobs
