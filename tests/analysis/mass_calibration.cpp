// Spectra of Gaussian peaks at exact masses (AME2020), seen through a scale that is right or off. Which ions are
// neighbours, and how far apart: the paper's fragments. Strengths are invented.
#include "analysis/mass_calibration.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

using Constants = Calibration::Constants;
using Ions = std::map<std::string, double>;  // counts at the top, in one channel of 4

constexpr Constants truth{33257, -451};
const std::vector<std::string> known = {"O-", "OH-", "S-", "SH-", "Cl-", "S2-", "PO2-", "PO3-"};
const Ions all_known = {{"O-", 5e3},  {"OH-", 5e3}, {"S-", 5e3},   {"SH-", 5e3},
                        {"Cl-", 5e3}, {"S2-", 5e3}, {"PO2-", 5e3}, {"PO3-", 5e3}};
const Ions neighbours = {{"PS-", 8e3}, {"PSO-", 6e3}, {"SO2-", 7e3}, {"O2-", 9e3}};

double mass(const std::string& label) { return ion_mass(*parse_formula(label)).value(); }

Ions with(Ions ions, const Ions& more) {
  ions.insert(more.begin(), more.end());
  return ions;
}
Ions without(Ions ions, const std::vector<std::string>& gone) {
  for (const auto& label : gone) ions.erase(label);
  return ions;
}

using Peaks = std::map<double, double>;  // the same by mass

Peaks peaks_of(const Ions& ions, double shifted_ppm = 0) {
  Peaks peaks;
  for (const auto& [label, counts] : ions) peaks[mass(label) * (1 + shifted_ppm * 1e-6)] = counts;
  return peaks;
}

// `bin` channels in one.
Spectrum spectrum(const Peaks& peaks, Constants shown, int bin = 4, double resolution = 6000) {
  Spectrum s;
  const int last = static_cast<int>(truth.k0 + truth.sf * std::sqrt(165.0));
  for (int first = 120'000; first + bin <= last; first += bin) {
    double intensity = 0;
    for (int channel = first; channel < first + bin; ++channel) {
      const double mz = std::pow((channel - truth.k0) / truth.sf, 2);
      for (const auto& [of_ion, counts] : peaks) {
        const double away = (mz / of_ion - 1) * resolution * 2.3548;
        if (std::abs(away) < 8) intensity += counts / 4 * std::exp(-away * away / 2);
      }
    }
    const double centre = first + (bin - 1) / 2.0;
    s.mz.push_back(std::pow((centre - shown.k0) / shown.sf, 2));
    s.intensity.push_back(std::round(intensity));
  }
  return s;
}
Spectrum spectrum(const Ions& ions, Constants shown, int bin = 4, double resolution = 6000) {
  return spectrum(peaks_of(ions), shown, bin, resolution);
}

// All masses are shown so much too high.
Constants off(double ppm) { return {truth.sf / std::sqrt(1 + ppm * 1e-6), truth.k0}; }

std::vector<std::string> labels(const std::vector<CalibrationPoint>& points) {
  std::vector<std::string> all;
  for (const auto& point : points) all.push_back(point.label);
  return all;
}

std::string refusal(const Spectrum& s, const std::vector<std::string>& ions = known) {
  try {
    return "points: " + deviations(calibrate(s, ions).points);
  } catch (const BadInput& bad) {
    return bad.what();
  }
}

}  // namespace

TEST_CASE("wrong constants are found and put right: sf and k0 come back") {
  const std::vector<std::string> ions = {"O-", "OH-", "S-", "Cl-", "S2-", "PO3-", "SO3-", "PS4-"};
  Ions strong;
  for (const auto& ion : ions) strong[ion] = 1e5;
  const Constants shown{33257 * 1.0001, -451 + 8};
  const auto s = spectrum(strong, shown);
  const auto calibration = calibrate(s, ions);
  CHECK(calibration.points.size() == ions.size());
  CHECK(calibration.rms_ppm_before > 100);
  CHECK(calibration.rms_ppm_after < 1);
  const auto constants = calibration.corrected(shown);
  CHECK(constants.sf == doctest::Approx(truth.sf).epsilon(1e-6));
  CHECK(std::abs(constants.k0 - truth.k0) < 0.2);
  const auto again = calibrate(recalibrated(s, calibration), ions);
  CHECK(again.rms_ppm_before == doctest::Approx(calibration.rms_ppm_after).epsilon(0.01));
  MESSAGE("rms ", calibration.rms_ppm_before, " ppm before, ", calibration.rms_ppm_after, " after");
}

TEST_CASE("right constants stay") {
  const auto calibration = calibrate(spectrum(all_known, truth), known);
  CHECK(calibration.a == doctest::Approx(1).epsilon(1e-6));
  CHECK(std::abs(calibration.b) < 1e-5);
  CHECK(calibration.left_out.empty());
}

TEST_CASE("a neighbour that is stronger than the ion is not taken for it, wherever the scale is") {
  for (const double ppm : {0.0, 50.0, -120.0, 225.0, 282.0, -278.0, 550.0, -550.0})
    for (const int bin : {1, 4, 7}) {
      CAPTURE(ppm);
      CAPTURE(bin);
      auto ions = with(all_known, neighbours);
      for (auto& [label, counts] : ions) counts *= 4.0 / bin;
      const auto calibration = calibrate(spectrum(ions, off(ppm), bin), known);
      CHECK(calibration.points.size() == known.size());
      CHECK(calibration.left_out.empty());
      for (const auto& point : calibration.points) CHECK(std::abs(point.ppm_before - ppm) < 10);
      CHECK(calibration.rms_ppm_after < 5);
    }
}

TEST_CASE("ions that are not there are left out with how far their neighbour lies, and move nothing") {
  const auto s = spectrum(with(without(all_known, {"PO2-", "PO3-"}), neighbours), truth);
  const auto calibration = calibrate(s, known);
  CHECK(labels(calibration.points) == std::vector<std::string>{"O-", "OH-", "S-", "SH-", "Cl-", "S2-"});
  CHECK(deviations(calibration.left_out) == "PO2- (-282 ppm), PO3- (-225 ppm)");
  CHECK(calibration.rms_ppm_before < 1);
  CHECK(calibration.corrected(159) == doctest::Approx(159).epsilon(5e-6));
}

TEST_CASE("ions that merge with their neighbours are left out, too") {
  const auto ions = with(all_known, {{"PS-", 8e3}, {"PSO-", 6e3}});
  const auto calibration = calibrate(spectrum(ions, off(100), 4, 4000), known);
  CHECK(labels(calibration.points) == std::vector<std::string>{"O-", "OH-", "S-", "SH-", "Cl-", "S2-"});
  CHECK(labels(calibration.left_out) == std::vector<std::string>{"PO2-", "PO3-"});
  CHECK(calibration.rms_ppm_before == doctest::Approx(100).epsilon(0.02));
}

TEST_CASE("as many neighbours as ions leave a doubt, and nothing is fitted") {
  // O-, OH-, S- by themselves; S2-, PO2- and PO3- by their neighbours.
  const Ions half = {{"O-", 5e3}, {"OH-", 5e3}, {"S-", 5e3}, {"SO2-", 5e3}, {"PS-", 5e3}, {"PSO-", 5e3}};
  const auto why = refusal(spectrum(half, truth));
  CHECK(why.find("the peaks near the known ions agree on no scale: O- (+0 ppm), OH- (+0 ppm)") !=
        std::string::npos);
  CHECK(why.find("S2- (+278 ppm)") != std::string::npos);
}

TEST_CASE("a scale that jumped while it was measured is two, and neither is chosen") {
  auto peaks = peaks_of(all_known);
  peaks.merge(peaks_of(all_known, 300));
  const auto why = refusal(spectrum(peaks, truth));
  CHECK(why.find("the peaks near the known ions fit two scales: O- (") != std::string::npos);
  CHECK(why.find("; or O- (") != std::string::npos);
}

TEST_CASE("a scale that is farther off than neighbours lie apart is not believed, though they would fit it") {
  // At 750 ppm PS- and PSO- stand 468 and 525 ppm above PO2- and PO3-, and the ions beyond the window of belief.
  for (const double ppm : {750.0, -750.0})
    CHECK(refusal(spectrum(with(all_known, neighbours), off(ppm)))
              .find("too far off to tell ions from their neighbours: O- (") != std::string::npos);
  CHECK(refusal(spectrum(with(all_known, neighbours), off(2500))).find("points: ") == std::string::npos);
}

TEST_CASE("ions close to each other say nothing of masses far from them") {
  const auto s = spectrum({{"S-", 5e3}, {"SH-", 5e3}, {"Cl-", 5e3}}, off(100));
  CHECK(refusal(s).find("lie too close together for other masses: S- (+100 ppm), SH- (+100 ppm)") !=
        std::string::npos);
}

TEST_CASE("channels wider than a peak say nothing") {
  CHECK(
      refusal(spectrum(all_known, truth, 20))  // 302 ppm wide at O-, 136 at PO3-
          .find("PO3- (+0 ppm); name lighter or heavier ones, or export the spectrum with fewer channels") !=
      std::string::npos);
  CHECK(refusal(spectrum(all_known, truth, 30))
            .find("the channels are up to 451 ppm wide, and a peak is 167 ppm wide at R = 6000") !=
        std::string::npos);
}

TEST_CASE("ions without a clear peak are named, and with fewer than three nothing is fitted") {
  const auto s = spectrum({{"O-", 5e3}, {"OH-", 5e3}, {"S-", 5e3}, {"PO3-", 5e3}, {"PO2-", 50}}, truth);
  CHECK(calibrate(s, known).not_found == std::vector<std::string>{"SH-", "Cl-", "S2-", "PO2-"});
  const std::string few = "2 of the known ions have a clear peak, and three are needed";
  CHECK(refusal(s, {"O-", "OH-", "PS4-"}).find(few) != std::string::npos);
  CHECK(refusal(s, {"O-", "OH-", "O-"}).find(few) != std::string::npos);  // an ion counts once
  CHECK(refusal(s, {"total"}).find("\"total\" is no ion of known mass") != std::string::npos);
}
