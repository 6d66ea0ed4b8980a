// Scores of rate tests: eqs. 2 and 3 of Hertle et al. (section "Rate Tests") and the overpotential against the
// reference electrode. Eq. 2 as printed equates two samples and defines nothing; the prose beside it does:
//
//   QS_0 = Q_0.1C / Q_0.1C,uncoated      Q_ret = Q_2C / Q_0.1C of the same cell      QS_ret = Q_ret / Q_ret,uncoated
//
// Q is the discharge capacity per gram of active material. Which cycle of a rate counts, what a gram is and which
// overpotential is meant the paper leaves open: each is an option here, its default first and its reason in describe().
// All cycle choices are always worked out, so that a reader sees how much hangs on them.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/capacity.h"
#include "analysis/setting.h"
#include "schema/cell.h"

namespace cambench::rate {

/// Which cycle of a rate counts.
enum class CycleChoice { first, second, mean, max };
inline constexpr std::array cycle_choices{CycleChoice::first, CycleChoice::second, CycleChoice::mean,
                                          CycleChoice::max};
[[nodiscard]] std::string_view to_string(CycleChoice choice);

struct ScoreOptions {
  std::string reference;             ///< material id of the uncoated baseline
  double low_C = 0.1, high_C = 2.0;  ///< rates of Q_0.1C and Q_2C
  double rate_tolerance = 0.05;      ///< a cycle belongs to a rate that its mean current is this close to
  CycleChoice cycle = CycleChoice::first;
  enum class Charge { trapezoid, counter } charge = Charge::trapezoid;  ///< counter: the instrument's own
  enum class Gram { coated, uncoated } gram = Gram::coated;  ///< uncoated: less the coating's weight percent
  enum class Overpotential {
    mean,          ///< half of (mean E of charge - mean E of discharge), means over the charge moved
    half_charge,   ///< half of (E_charge - E_discharge), each where half of its own charge has moved
    current_step,  ///< E at the end of charge - E tau later, in the rest
    relaxation     ///< E at the end of charge - E at the end of the rest
  } overpotential = Overpotential::mean;
  CycleChoice overpotential_cycle = CycleChoice::second;  ///< first or second
  double tau_s = 1.0;                                     ///< of current_step; must be the tau of cycles()
};
[[nodiscard]] std::vector<Setting> describe(const ScoreOptions& options);

/// A rate test that is over: the cell, what was done with it, and its cycles.
struct CellTest {
  std::string cell, material;
  std::string protocol_hash;  ///< limits, rates, basis of 1 C: only equal ones may be compared
  double cam_g = 0;           ///< mass of active material, coating included
  double one_C_A = 0;
  double area_cm2 = 0;                      ///< 0: unknown, then no resistance is given
  int electrodes = 3;                       ///< 2: Row::potential_V was that of the whole cell
  std::optional<double> reference_vs_li_V;  ///< offset of the reference electrode that the limits assumed
  std::string run;                          ///< the run or file it comes from
  bool simulated = false;
  std::vector<Setting> facts;  ///< further things to print: recipe, limits, temperature, pressure
  std::vector<Cycle> cycles;
  std::vector<std::string> left;     ///< half cycles that are not among `cycles`, and why, as sentences
  std::vector<std::string> caveats;  ///< of half cycles that are: sentences for the report
};

/// One cycle in the units people compare.
struct CycleValues {
  std::uint32_t cycle = 0;
  double rate_C = 0;  ///< mean discharge current over 1 C, as measured
  std::optional<double> charge_mAh_g, discharge_mAh_g;
  std::optional<double> efficiency;         ///< discharge / charge
  std::optional<double> counter_deviation;  ///< discharge: trapezoid / instrument's counter - 1
  std::optional<double> mean_charge_V, mean_discharge_V;
  std::optional<double> overpotential_V;     ///< by the option
  std::optional<double> resistance_ohm_cm2;  ///< current_step / current x area, whatever the option
};

/// Neighbouring cycles of one rate.
struct RatePoint {
  double rate_C = 0;  ///< nominal: the mean of its cycles, to two digits
  std::vector<CycleValues> cycles;
  std::optional<double> retention;        ///< Q_r / Q_low, both by the cycle choice
  std::optional<double> overpotential_V;  ///< of the chosen cycle; where a rate has one cycle only, of that
  [[nodiscard]] std::optional<double> discharge_mAh_g(CycleChoice choice) const;
};

/// Q_0.1C, Q_2C and their ratio by one cycle choice.
struct Capacities {
  std::optional<double> low_mAh_g, high_mAh_g, retention;
};

/// The rates of a test in the order they were run; cycles without a discharge are left out.
[[nodiscard]] std::vector<RatePoint> rate_points(const CellTest& test, const ScoreOptions& options = {});

struct CellValues {
  CellTest test;
  std::vector<RatePoint> rates;                            ///< in the order they were run
  std::array<Capacities, cycle_choices.size()> by_choice;  ///< as cycle_choices
  std::string undefined;  ///< why this cell enters no score, as a sentence; empty: it does
  [[nodiscard]] const Capacities& capacities(CycleChoice choice) const {
    return by_choice[static_cast<std::size_t>(choice)];
  }
};

/// QS_0 or QS_ret of a material.
struct QualityScore {
  std::optional<double> value;
  std::optional<double> sd;   ///< from the replicates' standard errors; none unless both sides have two cells
  std::vector<double> cells;  ///< of each cell on its own against the mean of the uncoated ones
  std::string why_not;        ///< no value: the reason, as a sentence
};

struct MaterialScores {
  std::string material;
  std::size_t cells = 0;            ///< that entered
  QualityScore initial, retention;  ///< QS_0, QS_ret
  /// QS_0 and QS_ret by every cycle choice, as cycle_choices.
  std::array<std::optional<double>, cycle_choices.size()> initial_by_choice, retention_by_choice;
};

struct CellScores {
  ScoreOptions options;
  std::vector<CellValues> cells;          ///< in the order given
  std::vector<MaterialScores> materials;  ///< in the order given; the reference scores exactly 1
  std::vector<std::string> notes;         ///< sentences for the report
  [[nodiscard]] const MaterialScores* find(std::string_view material) const;
};

/// Never throws for data: what cannot be scored says why. A cell whose protocol differs from the baseline's is left out.
[[nodiscard]] CellScores score_cells(std::span<const CellTest> tests, std::span<const Material> materials,
                                     const ScoreOptions& options);

}  // namespace cambench::rate
