#include "daemon/sequencer/interlock_table.h"

#include <algorithm>

namespace cambench::sequencer {

std::string_view name(Mechanical press) { return press == Mechanical::vent ? "vent" : "hold"; }

const InterlockTable& shipped_interlocks() {
  using enum Watches;
  static const InterlockTable table{
      {.cause = "over_pressure",
       .meaning = "the pressure is above its limit",
       .watches = pressure,
       .limit_key = "hard_factor",
       .limit = 1.2,
       .least = 1.01,
       .most = 2,
       .votes = 2,
       .of = 2,
       .press = Mechanical::vent,
       .detail = "above its band counts; above so many times the target, one reading is enough"},
      {.cause = "pressure_lost",
       .meaning = "the pressure fell below half of its target",
       .watches = pressure,
       .limit_key = "below_fraction",
       .limit = 0.5,
       .least = 0.05,
       .most = 0.95,
       .votes = 2,
       .of = 2,
       .detail = "of the target"},
      {.cause = "pressure_low",
       .meaning = "the pressure left its band",
       .watches = pressure,
       .votes = 3,
       .of = 5,
       .longest = Seconds{2},
       .detail = "the band is the recipe's"},
      {.cause = "pressure_bad",
       .meaning = "the pressure reading cannot be believed",
       .watches = pressure,
       .limit_key = "jump_MPa_per_s",
       .limit = 100,
       .least = 0.1,
       .most = 1e4,
       .votes = 3,
       .of = 5,
       .longest = Seconds{2},
       .detail = "a reading that went faster than any press moves waits for a second one that agrees"},
      {.cause = "sensors_disagree",
       .meaning = "the two pressure sensors disagree",
       .watches = pressure,
       .limit_key = "difference_MPa",
       .limit = 2,
       .least = 0.1,
       .most = 100,
       .votes = 3,
       .of = 5,
       .longest = Seconds{30},
       .warns_first = true,
       .detail =
           "once the pressure has arrived; people are warned when it is counted, and it trips when it lasts"},
      {.cause = "press_stale",
       .meaning = "no good pressure reading came in time",
       .watches = age,
       .limit_key = "age_s",
       .limit = 2,
       .least = 0.6,
       .most = 60,
       .detail = "of the last good reading"},
      {.cause = "press_not_following",
       .meaning = "the press does not follow its ramp",
       .watches = pressure,
       .limit_key = "error_MPa",
       .limit = 5,
       .least = 0.1,
       .most = 1e3,
       .votes = 5,
       .of = 5,
       .detail = "between the pressure and the ramp that the controller shows, while it moves"},
      {.cause = "press_late",
       .meaning = "the press did not arrive in time",
       .watches = age,
       .detail = "the time is the recipe's"},
      {.cause = "potential_guard",
       .meaning = "a potential went beyond its guard",
       .watches = cell,
       .limit_key = "margin_V",
       .limit = 0.020,
       .least = 0,
       .most = 0.5,
       .votes = 3,
       .of = 5,
       .detail = "beyond the guard that is on board"},
      {.cause = "reference_lost",
       .meaning = "the reference electrode jumped against both others",
       .watches = cell,
       .limit_key = "jump_V",
       .limit = 0.2,
       .least = 0.02,
       .most = 2,
       .votes = 3,
       .of = 5,
       .detail = "of the counter electrode against the reference, from one sample to the next"},
      {.cause = "charge_guard",
       .meaning = "more charge moved than the step allows",
       .watches = cell,
       .detail = "the charge is the recipe's"},
      {.cause = "overload",
       .meaning = "the instrument reports an overloaded range, or no number",
       .watches = cell,
       .votes = 3,
       .of = 5},
      {.cause = "current_deviates",
       .meaning = "the measured current is not the one that was set",
       .watches = cell,
       .limit_key = "fraction",
       .limit = 0.05,
       .least = 0.001,
       .most = 0.5,
       .votes = 3,
       .of = 5,
       .detail = "of the current that was set"},
      {.cause = "potentiostat_silent",
       .meaning = "the potentiostat says nothing",
       .watches = age,
       .limit_key = "age_s",
       .limit = 5,
       .least = 0.5,
       .most = 600,
       .detail = "beyond three recording intervals"},
      {.cause = "step_overdue",
       .meaning = "the instrument did not end the step in time",
       .watches = age,
       .limit_key = "late_s",
       .limit = 30,
       .least = 1,
       .most = 3600,
       .detail = "beyond the time that the step may take"},
      {.cause = "ocv_window", .meaning = "the cell at rest is outside its window"},
      {.cause = "guard_on_board", .meaning = "a guard inside the instrument ended the step"},
      {.cause = "instrument_error", .meaning = "the instrument reported an error"},
      {.cause = "unknown_end", .meaning = "nobody can say how the step ended"},
      {.cause = "power_cycled", .meaning = "the instrument was switched off and on"},
      {.cause = "wrong_instrument", .meaning = "another instrument answers than the configured one"},
      {.cause = "foreign_program", .meaning = "the instrument runs a program that is not ours"},
      {.cause = "store_failed", .meaning = "what is measured cannot be kept"},
      {.cause = "fault", .meaning = "an instrument failed"},
  };
  return table;
}

const Interlock* find_row(const InterlockTable& table, std::string_view cause) {
  const auto row = std::ranges::find(table, cause, &Interlock::cause);
  return row == table.end() ? nullptr : &*row;
}

// A fault that begins just after a reading is seen by the next one: so many readings, not so many intervals between them.
Seconds worst_reaction(const Interlock& row, Seconds sampling) {
  constexpr Seconds tick{0.1};
  if (row.warns_first) return row.longest + press_poll;
  switch (row.watches) {
    case Watches::pressure: return row.votes * press_poll;
    case Watches::cell: return row.votes * sampling;
    case Watches::age: return Seconds(row.limit) + tick;
    case Watches::event: return Seconds{0};
  }
  return Seconds{0};
}

}  // namespace cambench::sequencer
