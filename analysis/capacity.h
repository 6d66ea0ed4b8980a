// Capacities of a rate test: charge moved in every half cycle, by the trapezoid on (t, I) and by the instrument's own
// counters, with mean potentials, energy and Coulombic efficiency. + current charges; a cycle number comes with the rows.
//
// The trapezoid runs within a step only. A step's first row is reached from the step's start with its current held
// (t_rec - t_step), and the last row of a step is its end: nothing is integrated across a step boundary, where the
// current is not known.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace cambench::rate {

/// One row of a rate test, from a file or from the store.
struct Row {
  double test_time_s = 0;
  double step_time_s = 0;   ///< since the step began
  double current_A = 0;     ///< + charges
  double potential_V = 0;   ///< what limits and overpotential are about: WE vs RE, or the cell
  std::uint32_t cycle = 0;  ///< from 1; 0 before the first
  std::uint32_t step = 0;   ///< changes with every step; may repeat in later cycles
  std::optional<double> charged_Ah, discharged_Ah;  ///< the instrument's counters, reset per cycle
};

/// One charge or discharge.
struct HalfCycle {
  double capacity_Ah = 0;       ///< absolute
  double energy_Wh = 0;         ///< absolute
  double mean_potential_V = 0;  ///< int E I dt / int I dt
  double mean_current_A = 0;    ///< absolute, time-weighted
  double duration_s = 0;
  double begin_V = 0, end_V = 0;     ///< first and last potential under current
  double end_A = 0;                  ///< current of the last row, absolute
  double at_half_charge_V = 0;       ///< potential when half of its own charge has moved
  std::optional<double> counter_Ah;  ///< the instrument's counter at the end of the cycle
};

/// The rest after a charge: what the potential does once the current is gone.
struct Relaxation {
  double first_s = 0, first_V = 0;  ///< the first row at or after tau
  double last_s = 0, last_V = 0;    ///< the end of the rest
};

/// Programs disagree about what is divided by what, so it is always said.
enum class Efficiency {
  discharge_by_charge,  ///< of a cathode cell, which is charged first: the default of this project
  charge_by_discharge  ///< of a half cell that is discharged (lithiated) first, such as graphite against lithium
};
[[nodiscard]] std::string_view to_string(Efficiency convention);

struct Cycle {
  std::uint32_t cycle = 0;
  std::optional<HalfCycle> charge, discharge;
  std::optional<Relaxation> relaxation;  ///< after the charge; none when no rest followed
  /// None unless both halves moved charge.
  [[nodiscard]] std::optional<double> efficiency(
      Efficiency convention = Efficiency::discharge_by_charge) const;
};

/// Every cycle that has current in it, in order. Rows must be in order of time; a row whose step time runs backwards
/// begins a new step. A half cycle may be several steps (constant current, then constant voltage; or one that was
/// interrupted). `tau_s`: how long after the current Relaxation::first is taken.
[[nodiscard]] std::vector<Cycle> cycles(std::span<const Row> rows, double tau_s = 1.0);

}  // namespace cambench::rate
