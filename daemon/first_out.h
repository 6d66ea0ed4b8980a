// What was measured in the ten seconds before a trip and in the ten after it, reading by reading, so that the next
// morning somebody can see what came first. Pure; wire time.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/rows.h"

namespace cambench {

class FirstOut {
 public:
  static constexpr Seconds span{10};

  // Each says which row to keep at once, when a trip is less than ten seconds old; else it is remembered.
  std::optional<store::Row> heard(const Sample& sample);
  std::optional<store::Row> heard(const PressureSample& sample);
  std::optional<store::Row> happened(std::string text, Instant at);

  /// A trip: its own row, and what was remembered. A trip within the ten seconds of another begins its own record.
  std::vector<store::Row> tripped(store::TripRow trip);

 private:
  struct Remembered {
    Instant at;
    store::TripReadingRow reading;
  };
  std::optional<store::Row> note(Instant at, store::TripReadingRow reading);
  store::Row of_trip(const Remembered& one);

  std::deque<Remembered> before_;
  std::optional<store::TripRow> trip_;
  std::int64_t seq_ = 0;
};

}  // namespace cambench
