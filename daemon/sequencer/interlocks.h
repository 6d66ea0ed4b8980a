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
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "schema/event.h"
#include "schema/plan.h"

namespace cambench::sequencer {

/// What the mechanical side does once the cell is open. Over-pressure vents, everything else keeps the stack.
enum class Mechanical { hold, vent };

/// One row of the interlock table: a stable name, what the press does, and the sentence for people.
struct Interlock {
  std::string_view cause;
  Mechanical press;
  std::string_view meaning;
};

/// The shipped table, in the order in which causes are judged: the first one that holds is the first-out.
std::span<const Interlock> interlock_table();

/// How far and how long, as configuration. The defaults are the reference values of the hazard table.
struct Rules {
  double time_scale = 1.0;           ///< experiment seconds per wire second
  Seconds press_stale{2.0};          ///< age of the last good pressure, wire time
  Seconds potentiostat_silent{5.0};  ///< added to three recording intervals, wire time
  Seconds overdue{30.0};             ///< a step may end this much later than its run time, wire time
  Seconds reopen_every{2.0};         ///< how often an unconfirmed cell-off is repeated
  Volt potential_margin{0.020};      ///< host guard = guard on board + margin
  double current_tolerance = 0.05;   ///< |I - I_set| / I_set
  double lost_fraction = 0.5;        ///< pressure below this part of the target is lost
  double hard_factor = 1.2;          ///< pressure above this multiple of the target trips on one reading
  unsigned votes = 3;                ///< m of the last five readings
};

/// A trip: which row of the table, and what was seen.
struct Trip {
  std::string cause, text;
  Mechanical press = Mechanical::hold;
};

/// The trip of a row of the table, with what was seen.
Trip trip(std::string_view cause, std::string text);

/// The last five verdicts on one matter.
class Votes {
 public:
  void add(bool bad) { bits_ = static_cast<std::uint8_t>((bits_ << 1 | (bad ? 1 : 0)) & 0x1f); }
  [[nodiscard]] unsigned bad() const { return static_cast<unsigned>(__builtin_popcount(bits_)); }
  [[nodiscard]] bool last_two() const { return (bits_ & 3) == 3; }
  void clear() { bits_ = 0; }

 private:
  std::uint8_t bits_ = 0;
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
  bool pressure_arrived = false;  ///< the band counts only from here on
  unsigned in_band = 0;           ///< consecutive readings inside the band
  std::optional<PressureSample> last_pressure;
  std::optional<Instant> good_pressure_at;
  Trend trend;
  Votes pressure_bad, pressure_low, pressure_lost, pressure_over;
  // potentiostat
  std::optional<Instant> heard_at;  ///< last sample or acknowledgement of the running step
  std::optional<Sample> last;       ///< last sample of the running step
  AmpereHour charge{0};             ///< moved in the running step, signed
  Votes beyond_guard, overload, wrong_current;
};

/// Forget what belonged to the last step; the press's memory stays.
void begin_step(Watch& watch, Instant now);

/// The press was told to move: the band is judged again from arrival on.
void expect_pressure(Watch& watch, MegaPascal target, MegaPascal band, Instant now);

/// Takes in one event and says whether a limit is broken. `step` is the step that the instrument runs now,
/// null when none does: then nothing electrical is judged.
std::optional<Trip> observe(Watch& watch, const Rules& rules, const PlannedStep* step, const Event& event,
                            Instant now);

/// Whether the cause of a trip is still there, in words; empty when a reset may be granted.
std::optional<std::string> still_stands(const Watch& watch, const Rules& rules, std::string_view cause,
                                        Instant now);

}  // namespace cambench::sequencer
