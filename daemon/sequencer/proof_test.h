// The dry-run proof test of a press on an empty press: does it go where it is told, stay where it is held, make safe
// by itself when nobody feeds it, and vent. Pure: it says what to do next, takes what came of it and when, and judges.
//
//    identity -> released -> target -> read-back -> arrival -> hold -> watchdog -> recovery -> vent
//       |           |
//       +-----------+--> ended at once: nothing has moved                 any later failure --> vent
//
// What was not proven is not passed: a step after a failure says that it was not tried.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/reading.h"
#include "schema/result.h"

namespace cambench::proof {

struct Setting {
  MegaPascal target{1};  ///< small: the press is empty
  std::optional<Seconds>
      watchdog_after;  ///< the device's own watchdog fires so long after the last word; none: no watchdog
  std::string watchdog_action;                                 ///< "hold", "vent" or "zero"
  Seconds arrive_within{60}, hold_for{3}, release_within{60};  ///< wire time, as all here
  Seconds watchdog_margin{2}, between_readings{0.2};

  [[nodiscard]] MegaPascal band() const { return std::max(MegaPascal(0.1), 0.1 * target); }
  [[nodiscard]] MegaPascal released() const { return 0.5 * target; }
};

/// What to do next with the press.
enum class Act {
  identify,
  set_target,
  read,           ///< one reading, the watchdog is not fed
  read_and_feed,  ///< one reading, then the watchdog is fed
  feed,
  be_silent,  ///< say nothing at all for ProofTest::silence()
  hold,
  vent,
  end
};

/// What came of it. A `fault` is a conversation that failed or an answer that says no.
struct Outcome {
  std::optional<Fault> fault;
  std::optional<PressureSample> sample;
  std::string text;  ///< identify: who answered
};

enum class Verdict { passed, failed, not_tried, not_there };
std::string_view name(Verdict verdict);  ///< "passed" "failed" "not tried" "not there"

struct Finding {
  std::string_view step;
  std::string expected, seen;
  Verdict verdict = Verdict::not_tried;
};

class ProofTest {
 public:
  explicit ProofTest(Setting setting);

  [[nodiscard]] Act next() const { return next_; }
  void came(const Outcome& outcome, Instant now);

  [[nodiscard]] Seconds silence() const { return *setting_.watchdog_after + setting_.watchdog_margin; }
  /// Between two readings at most: silent for the watchdog, or on the way by the host's own steps.
  [[nodiscard]] Seconds longest_act() const {
    return setting_.arrive_within + setting_.watchdog_after.value_or(Seconds{0}) + setting_.watchdog_margin;
  }
  [[nodiscard]] const Setting& setting() const { return setting_; }
  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  [[nodiscard]] bool over() const { return next_ == Act::end; }
  [[nodiscard]] bool passed() const;  ///< over, and nothing failed

 private:
  void identity(const Outcome& outcome);
  void released(const Outcome& outcome);
  void target(const Outcome& outcome);
  void read_back(const Outcome& outcome);
  void arrival(const Outcome& outcome, Instant now);
  void hold(const Outcome& outcome, Instant now);
  void watchdog(const Outcome& outcome, Instant now);
  void made_safe(const Outcome& outcome, Instant now);
  void recovery(const Outcome& outcome, Instant now);
  void vent(Outcome outcome, Instant now);

  void passed(std::string seen);
  void failed(std::string seen);
  void go_on(Act act);
  [[nodiscard]] bool arrived(const Outcome& outcome);
  [[nodiscard]] bool beyond(Seconds limit, Instant now);
  [[nodiscard]] bool is_released(const Outcome& outcome) const;

  Setting setting_;
  std::vector<Finding> findings_;
  std::size_t step_ = 0;
  Act next_ = Act::identify;
  std::optional<Instant> since_;  ///< when the step's waiting began
  unsigned in_band_ = 0;
  std::optional<MegaPascal> before_;  ///< the pressure that is to be kept
};

/// What will move, for the person who stands there.
std::string warning(const Setting& setting);

}  // namespace cambench::proof
