#include "analysis/mass_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "analysis/bad_input.h"
#include "analysis/mass_list.h"

namespace cambench::sims {
namespace {

std::string ions_of(const Calibration& calibration) {
  std::vector<std::string> labels;
  for (const auto& point : calibration.points) labels.push_back(point.label);
  return fmt::format("{}", fmt::join(labels, ", "));
}

}  // namespace

Spectrum with_checked_masses(Spectrum spectrum, const MassCheck& check, std::vector<std::string>& notes) {
  if (check.what == MassCheck::What::nothing) return spectrum;
  std::optional<Calibration> calibration;
  try {
    calibration = calibrate(spectrum, check.known_ions);
  } catch (const BadInput& bad) {
    notes.push_back(fmt::format("its masses were not checked ({})", bad.what()));
    return spectrum;
  }
  const double off = calibration->rms_ppm_before, left = calibration->rms_ppm_after;
  if (off <= check.tolerance_ppm) return spectrum;
  const auto found = fmt::format("its masses are {:.0f} ppm off (rms of {})", off, ions_of(*calibration));
  if (check.what == MassCheck::What::named) {
    notes.push_back(found + "; calibrate it again, or let study.toml correct it");
    return spectrum;
  }
  notes.push_back(
      fmt::format("{} and were corrected, {:.0f} ppm are left: sqrt(m) = {:.9f} sqrt(shown) {:+.3e}", found,
                  left, calibration->a, calibration->b));
  return recalibrated(std::move(spectrum), *calibration);
}

}  // namespace cambench::sims
