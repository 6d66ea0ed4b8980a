// Electrochemical scores of coatings (Hertle et al., "Rate Test"): the initial capacity and the capacity retention at
// high rate of a coated material, relative to the uncoated one.
//
//   QS_0   = Q_0.1C / Q_0.1C,uncoated
//   Q_ret  = Q_2C / Q_0.1C  of the same cell            QS_ret = Q_ret / Q_ret,uncoated
//
// Q are discharge capacities per gram of cathode active material. The printed equation 2 sets two quotients equal and
// defines nothing; the prose ("initial capacity and the capacity retention at 2.0 C", uncoated = 1) is what is computed.
// The paper does not say which of the two cycles of a rate counts: an option here, all choices are in the result.
// The overpotential is half of mean charge minus mean discharge potential (int E I dt / int I dt), second cycle of a
// rate: the first one's charge starts where a slower rate left off.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/capacity.h"
#include "analysis/setting.h"

namespace cambench::rate {

/// A rate test on one cell.
struct CellTest {
  std::string cell, material;
  std::string protocol_hash;  ///< limits, rates, basis of 1 C: equal hash, comparable
  double cam_g = 0;           ///< mass of active material
  double one_C_A = 0;
  std::vector<Cycle> cycles;
};

/// One rate of one cell.
struct RatePoint {
  double rate_C = 0;  ///< discharge current over 1 C, to two significant digits
  std::vector<std::uint32_t> cycles;
  std::vector<double> discharge_mAh_g, charge_mAh_g;
  std::vector<double> polarisation_V;       ///< mean charge minus mean discharge potential, per cycle
  std::vector<double> half_polarisation_V;  ///< the same at half of each half cycle's own charge
  std::vector<double> drop_after_charge_V;  ///< end of charge minus 1 s into the rest after it: iR
  std::vector<double> relaxation_V;         ///< end of charge minus end of the rest after it
};

/// The rates of a test in ascending order; cycles without a discharge are left out.
[[nodiscard]] std::vector<RatePoint> rate_points(const CellTest& test);

enum class CycleChoice { first, second, mean, max };
[[nodiscard]] std::string_view to_string(CycleChoice choice);

struct ScoreOptions {
  std::string reference;  ///< material id of the uncoated sample
  double low_C = 0.1, high_C = 2.0;
  CycleChoice choice = CycleChoice::first;
};
[[nodiscard]] std::vector<Setting> describe(const ScoreOptions& options);

/// A number with what its replicates say of it; no value: `why_not` is a sentence.
struct Scored {
  std::optional<double> value, sd;
  std::string why_not;
};

struct MaterialScores {
  std::string material;
  std::vector<std::string> cells;
  Scored low_mAh_g, high_mAh_g;           ///< discharge capacities at the two rates, mean over cells
  Scored retention;                       ///< Q_ret
  Scored initial_score, retention_score;  ///< QS_0, QS_ret
  Scored overpotential_V;                 ///< half of the polarisation at the high rate, second cycle
  /// QS_0 and QS_ret for every choice of cycle, in the order of CycleChoice.
  std::vector<std::optional<double>> initial_by_choice, retention_by_choice;
};

struct CellScores {
  ScoreOptions options;
  std::vector<MaterialScores> materials;  ///< in the order in which they were first met
  std::vector<std::string> notes;         ///< sentences for the report
};

/// Scores every material that has a test. A test whose protocol differs from the uncoated cell's is not scored, with
/// the reason; without an uncoated cell nothing is.
[[nodiscard]] CellScores score_cells(std::span<const CellTest> tests, const ScoreOptions& options);

}  // namespace cambench::rate
