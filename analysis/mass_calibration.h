// Whether a ToF spectrum's own masses are right, by ions that it is known to have.
//
// m = ((channel - k0) / sf)^2, so a wrong sf and k0 are a straight line between the roots of true and shown masses, and
// the deviations of all ions lie on a line over 1 / sqrt(m). A peak that does not is another ion's: PS- lies 282 ppm
// below PO2-, PSO- 225 ppm below PO3-, SO2- 278 ppm above S2-, and each may be the stronger one. So no ion is taken at its
// strongest peak; the line is looked for on which the most ions have one. Where that leaves a doubt, nothing is fitted.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "analysis/bad_input.h"
#include "analysis/formats/spectrum_ascii.h"

namespace cambench::sims {

struct CalibrationPoint {
  std::string label;
  double expected = 0, found = 0;  ///< u
  double counts = 0;               ///< at the peak's top, in a channel
  double ppm_before = 0, ppm_after = 0;
};

/// sqrt(m) = a sqrt(m_shown) + b
struct Calibration {
  double a = 1, b = 0;
  std::vector<CalibrationPoint> points;  ///< those that agree, by m/z
  std::vector<CalibrationPoint>
      left_out;  ///< those whose nearest peak lies elsewhere than the others say, by m/z
  std::vector<std::string> not_found;            ///< ions without a clear peak near their mass
  double rms_ppm_before = 0, rms_ppm_after = 0;  ///< of `points`

  [[nodiscard]] double corrected(double mz) const;
  [[nodiscard]] double shown(double mz) const;  ///< the other way round
  struct Constants {
    double sf = 0, k0 = 0;
  };
  [[nodiscard]] Constants corrected(Constants shown) const;
};

struct CalibrationOptions {
  double most_ppm = 600;  ///< a scale that is farther off is not believed
  /// How far from its mass an ion's peaks are looked for: farther, by more than a neighbour's distance, so that a scale
  /// beyond `most_ppm` is seen by the ions themselves and not by the neighbours that it moves into their places.
  double search_ppm = 900;
  double agree_ppm = 30;       ///< from an ion's peak to the line, where it belongs to it
  double most_tilt_ppm = 200;  ///< between the lightest and the heaviest ion; less than from PO3- to PSO-
  double least_counts = 100;   ///< at a peak's top, in a channel
};
/// Peaks that contradict each other, or a scale too far off to be sure of it: the masses may well be wrong.
struct DoubtfulScale : BadInput {
  using BadInput::BadInput;
};
/// Fits a and b to known ions by least squares of the relative deviations; a peak's place is the top of a Gaussian
/// through its channels near the top. Throws DoubtfulScale, which says where the peaks lie, unless three ions agree, more
/// than half of those with a peak, and no other line has as many. Throws BadInput where fewer than three have a peak, or
/// the heaviest that agrees is less than three times as heavy as the lightest.
[[nodiscard]] Calibration calibrate(const Spectrum& spectrum, std::span<const std::string> known,
                                    const CalibrationOptions& options = {});
[[nodiscard]] Spectrum recalibrated(Spectrum spectrum, const Calibration& calibration);

/// `PO2- (-282 ppm), PO3- (-219 ppm)`
[[nodiscard]] std::string deviations(std::span<const CalibrationPoint> points);

}  // namespace cambench::sims
