// What one step of a run amounts to: charge, energy and mean potential, added up sample by sample.
#pragma once
#include <cstdint>
#include <optional>

#include "daemon/store/rows.h"

namespace cambench::store {

/// Charge that went one way. The integrals are gone once a potential they need was missing.
struct ChargeMoved {
  double charge_Ah = 0;                                         ///< >= 0
  std::optional<double> energy_Wh = 0;                          ///< integral of cell_V over the charge
  std::optional<double> we_vs_re_VAh = 0;                       ///< integral of we_vs_re_V over the charge
  [[nodiscard]] std::optional<double> mean_we_vs_re_V() const;  ///< none without charge
};

/// A step so far. Trapezoid rule over the step's own clock, so a gap in which the step stood still adds nothing; from
/// the step's start to its first sample that sample's values are held.
/// Samples that are overloaded, not numbers or without a current are counted and otherwise passed over.
struct StepSummary {
  std::uint32_t step = 0, cycle = 0;
  std::int64_t samples = 0;
  double first_test_time_s = 0, last_test_time_s = 0;
  double duration_s = 0;  ///< the step's clock at its last sample
  ChargeMoved charge, discharge;
  std::optional<double> last_we_vs_re_V, last_cell_V;

  void add(const SampleRow& row);

  /// The last sample that counted: the left end of the next trapezoid.
  struct Point {
    double step_time_s = 0, current_A = 0;
    std::optional<double> we_vs_re_V, cell_V;
  };
  std::optional<Point> last_good;
};

/// Numbers with one of these bits are measured by nobody.
inline constexpr std::uint16_t not_believed = reading_status::overload | reading_status::bad;

/// What counts of a sample; nothing when its current is not to be believed.
std::optional<StepSummary::Point> believed(const Sample& sample);

}  // namespace cambench::store
