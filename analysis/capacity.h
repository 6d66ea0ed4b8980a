// Capacities of a rate test: charge moved in every half cycle, by the trapezoid on (t, I) and by the instrument's own
// counters, with mean potentials, energy and Coulombic efficiency. The conventions are those of battery testing with a
// cathode as working electrode: + current charges, a cycle is a charge and the discharge after it, and
// CE = discharge / charge.
//
// The trapezoid runs within a step only. A step's first row is reached from the step's start with its current held
// (t_rec - t_step), and the last row of a step is its end: nothing is integrated across a step boundary, where the
// current is not known.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
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
  double at_half_charge_V = 0;       ///< potential when half of its own charge has moved
  std::optional<double> counter_Ah;  ///< the instrument's counter at the end of the cycle
};

struct Cycle {
  std::uint32_t cycle = 0;
  std::optional<HalfCycle> charge, discharge;
  /// Potential 1 s (or the nearest row after) into the rest after the charge, and the last one of that rest: for iR and
  /// relaxation. Empty when no rest followed or it has no rows.
  std::optional<double> after_charge_1s_V, after_charge_rest_V;
  /// discharge / charge: a cathode cell, charge first.
  [[nodiscard]] std::optional<double> efficiency() const;
};

/// Every cycle that has current in it, in order. Rows must be in order of time; a row whose step time runs backwards
/// begins a new step. Works for any chunking of the same rows.
[[nodiscard]] std::vector<Cycle> cycles(std::span<const Row> rows);

}  // namespace cambench::rate
