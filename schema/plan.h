// A recipe resolved for one cell: a flat list of steps in amperes, volts at the instrument's terminals and
// megapascals. The planner (recipe.h) makes it, the sequencer walks along it, a driver carries out one step.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/reading.h"
#include "schema/units.h"

namespace cambench {

/// Which potential a limit is on.
enum class LimitOn { we_vs_re, cell };

/// Limits that end a step as a fault. Every current step has all of them; a rest has none but its duration.
/// Potentials are as the instrument sees them (against the real reference electrode, not Li+/Li).
struct Guards {
  std::optional<Volt> we_max, we_min;      ///< on the working electrode against the reference
  std::optional<Volt> cell_max, cell_min;  ///< on the full cell
  std::optional<AmpereHour> charge_max;    ///< absolute charge moved in the step; judged by the host
};

/// What a daemon that finds this step interrupted may do by itself.
enum class OnGap { proceed, wait_for_person };

/// One step, ready to be carried out.
struct PlannedStep {
  enum class Kind {
    open_circuit,      ///< cell off, potentials watched
    constant_current,  ///< galvanostatic; cell opens at the end
    constant_voltage,  ///< potentiostatic; cell opens at the end
    press              ///< the press moves to `pressure` and stays for `run_time`; the cell stays open
  };
  std::uint32_t index = 0;   ///< position in the plan, from 0; never repeats
  std::uint32_t source = 0;  ///< position in the recipe's method, from 1; repeats in loops
  std::uint32_t cycle = 0;   ///< from 1; 0 before the first current step
  std::string label;         ///< e.g. "charge 0.1 C", for people
  Kind kind = Kind::open_circuit;

  Ampere current;                ///< constant_current; + charges
  std::optional<double> rate_C;  ///< the same as a multiple of 1 C, when the recipe says so
  std::optional<Volt> voltage;   ///< constant_voltage: set point on `limit_on`
  std::optional<Volt>
      until_voltage;  ///< constant_current: planned end; upper for charge, lower for discharge
  std::optional<Ampere> until_current;  ///< constant_voltage: planned end, absolute
  LimitOn limit_on = LimitOn::cell;
  std::optional<MegaPascal> pressure;  ///< press

  Seconds run_time{0};              ///< the instrument ends the step after this, whatever happens; never 0
  bool run_time_is_planned = true;  ///< true: reaching run_time is the planned end; false: it is a time-out
  Guards guards;

  Seconds sampling{1};               ///< how often the instrument measures and compares limits
  Seconds record_every{1};           ///< a row at least this often; first and last point always
  std::optional<Volt> record_delta;  ///< and whenever a potential moved this much
  OnGap on_gap = OnGap::wait_for_person;
};
/// "open_circuit", "constant_current", "constant_voltage", "press"
std::string_view name(PlannedStep::Kind kind);

/// The pressure that a run keeps, and what to think of deviations.
struct PressurePlan {
  MegaPascal target{0};
  MegaPascal band{0};   ///< |pressure - target| above this is a deviation
  Seconds settle{600};  ///< wire time within which the press must arrive
  enum class AtEnd { hold, vent } at_end = AtEnd::hold;
};

struct Plan {
  std::string recipe;       ///< its name
  std::string recipe_hash;  ///< SHA-256 (hex) of the canonical recipe: equal hash, equal protocol
  Ampere one_C{0};          ///< 0 for a plan without current steps
  std::vector<PlannedStep> steps;
  std::optional<PressurePlan> pressure;  ///< empty: the run does not use the press
  std::optional<Volt> ocv_min, ocv_max;  ///< window that the cell at rest must lie in before it is polarised
  std::optional<Volt> ocv_we_min, ocv_we_max;  ///< and the working electrode against the reference
  bool needs_cell = true;                      ///< false for a pure press run
  Volt reference_vs_li{0};     ///< offset of the reference electrode to Li+/Li used for the limits
  std::string reference_note;  ///< its provenance, e.g. "lithiated gold, assumed"
};

/// Which run and step an instrument program belongs to, so that a restarted daemon recognises its own.
struct Marker {
  std::string run;         ///< 1 to 16 characters of [a-z0-9]
  std::uint32_t step = 0;  ///< PlannedStep::index
  friend bool operator==(const Marker&, const Marker&) = default;
};

}  // namespace cambench
