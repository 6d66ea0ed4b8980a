// The host's interlocks: what must be true of a running cell, judged on every reading and every tick.
//
// They are the second layer. The first is inside the instruments (schema/plan.h, Guards), the third is the
// press controller's own watchdog and relief valve. Bad data never counts as good: a reading that is stale,
// not a number or marked by its instrument is a vote to trip, never a reason to wait.
//
// Pure: no clock, no I/O. Wire matters (ages, votes) are never stretched by the time scale.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/sequencer/interlock_table.h"
#include "schema/event.h"
#include "schema/plan.h"

namespace cambench::sequencer {

/// The table, and what stands beside it.
struct Rules {
  double time_scale = 1.0;     ///< experiment seconds per wire second
  Seconds reopen_every{2.0};   ///< how often an unconfirmed cell-off is repeated
  unsigned arrival_votes = 3;  ///< consecutive readings in the band are an arrival
  std::shared_ptr<const InterlockTable> table = std::make_shared<InterlockTable>(shipped_interlocks());

  [[nodiscard]] const Interlock& row(std::string_view cause) const;
  [[nodiscard]] Seconds age(std::string_view cause) const { return Seconds(row(cause).limit); }
};

/// A trip: which row of the table, and what was seen.
struct Trip {
  std::string cause, text;
  Mechanical press = Mechanical::hold;
};

/// The trip of a row of the table, with what was seen.
Trip trip(const Rules& rules, std::string_view cause, std::string text);

/// The last verdicts on one matter, and since when it has been bad without a pause.
class Votes {
 public:
  void add(bool bad, Instant at);
  [[nodiscard]] unsigned bad(unsigned of = 5) const;
  [[nodiscard]] bool trip(const Interlock& row) const;
  [[nodiscard]] bool warns(const Interlock& row) const { return bad(row.of) >= row.votes; }
  void clear() { *this = {}; }

 private:
  std::uint16_t bits_ = 0;
  std::optional<Instant> bad_since_;
  Instant last_{};
};

/// The good pressures of the last two seconds: a leak that goes on is a cause that stands, whatever the band says, and a
/// press whose valves are closed cannot come back into its band by itself.
class Trend {
 public:
  void add(Instant at, MegaPascal pressure);
  [[nodiscard]] bool falls() const;

 private:
  struct Reading {
    Instant at;
    MegaPascal pressure;
  };
  std::deque<Reading> readings_;
};

/// What the interlocks remember between events.
struct Watch {
  // press
  std::optional<MegaPascal> pressure_target;  ///< set once the press was told to move
  MegaPascal pressure_band{0};
  /// The lowest since it was told, and there: on its way down it is not too high.
  std::optional<MegaPascal> pressure_from;
  bool pressure_arrived = false;  ///< the band counts only from here on
  bool releases = false;          ///< told to: how high it is says nothing until it is told to move again
  unsigned in_band = 0;           ///< consecutive readings inside the band
  std::optional<PressureSample> last_pressure;
  std::optional<Instant> good_pressure_at;
  Trend trend;
  std::optional<PressureSample> believed;    ///< the last good reading that a press can have gone to
  std::optional<PressureSample> unbelieved;  ///< a jump that waits for a second reading that agrees
  std::uint64_t spikes = 0;                  ///< jumps that did not come again
  Votes pressure_bad, pressure_low, pressure_lost, pressure_over, not_following, disagree;
  // potentiostat
  std::optional<Instant> heard_at;           ///< last sample or acknowledgement of the running step
  std::optional<Sample> last;                ///< last sample of the running step
  AmpereHour charge{0};                      ///< moved in the running step, signed
  std::optional<Volt> counter_vs_reference;  ///< of the last sample that was no jump
  Votes beyond_guard, reference, overload, wrong_current;
};

/// A step begins, or what is left of one: it is judged by its own readings, and by the charge that was moved in it before.
/// The press's memory stays.
void begin_step(Watch& watch, Instant now);

/// The press was told to move: the band is judged again from arrival on.
void expect_pressure(Watch& watch, MegaPascal target, MegaPascal band, Instant now);

/// The press was told to vent: that its pressure falls is no fault.
void expect_release(Watch& watch);

/// A person lets the run go on: where the pressure is now is no fault until the press was told to move again.
void forget_arrival(Watch& watch);

/// Takes in one event and says whether a limit is broken. `step` is the step that the instrument runs now,
/// null when none does: then nothing electrical is judged.
std::optional<Trip> observe(Watch& watch, const Rules& rules, const PlannedStep* step, const Event& event,
                            Instant now);

/// Whether the cause of a trip is still there, in words; empty when a reset may be granted.
std::optional<std::string> still_stands(const Watch& watch, const Rules& rules, std::string_view cause,
                                        Instant now);

}  // namespace cambench::sequencer
