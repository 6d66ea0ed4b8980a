// Spectra made of Gaussian peaks at known masses, with a scale that is right or off. Invented.
#include "analysis/mass_check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "analysis/fragments.h"
#include "analysis/region.h"
#include "tests/analysis/folder.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

double mass(const std::string& label) { return *ion_mass(*parse_formula(label)); }

/// Peaks of R = 6000; masses are shown `ppm` too high.
Spectrum spectrum(double ppm, const std::vector<std::string>& ions = {"O-", "OH-", "S-", "PO2-", "PO3-"}) {
  constexpr double sf = 33257, k0 = -451;
  Spectrum made;
  for (int channel = 120'000; channel < 310'000; channel += 2) {
    const double true_mz = std::pow((channel - k0) / sf, 2);
    double counts = 0;
    for (const auto& ion : ions) {
      const double width = mass(ion) / 6000 / 2.355;
      counts += 5e3 * std::exp(-std::pow((true_mz - mass(ion)) / width, 2) / 2);
    }
    made.mz.push_back(true_mz * (1 + ppm * 1e-6));
    made.intensity.push_back(std::round(counts));
  }
  return made;
}

struct Checked {
  Spectrum spectrum;
  std::vector<std::string> notes;
};
Checked checked(Spectrum spectrum, MassCheck::What what) {
  Checked result;
  result.spectrum = with_checked_masses(std::move(spectrum), {.what = what}, result.notes);
  return result;
}

}  // namespace

TEST_CASE("a scale that is right is left alone and not spoken of") {
  const auto right = checked(spectrum(5), MassCheck::What::corrected);
  CHECK(right.notes.empty());
  CHECK(right.spectrum.mz == spectrum(5).mz);
}

TEST_CASE("a scale that is off is named, with how far and by which ions") {
  const auto off = checked(spectrum(180), MassCheck::What::named);
  CHECK(off.notes == std::vector<std::string>{"its masses are 180 ppm off (rms of O-, OH-, S-, PO2-, PO3-); "
                                              "calibrate it again, or let study.toml correct it"});
  CHECK(off.spectrum.mz == spectrum(180).mz);
  CHECK(checked(spectrum(180), MassCheck::What::nothing).notes.empty());
}

TEST_CASE("a scale that is off is put right where that is asked for") {
  const auto right = checked(spectrum(180), MassCheck::What::corrected);
  REQUIRE(right.notes.size() == 1);
  CHECK(right.notes[0].find(
            "180 ppm off (rms of O-, OH-, S-, PO2-, PO3-) and were corrected, 0 ppm are left") !=
        std::string::npos);
  const auto expected = spectrum(0).mz;
  for (std::size_t i = 0; i < expected.size(); i += 1000)
    CHECK(std::abs(right.spectrum.mz[i] / expected[i] - 1) < 2e-6);
}

TEST_CASE("a spectrum with too few of the known ions says that its masses were not checked") {
  const auto few = checked(spectrum(180, {"O-", "OH-"}), MassCheck::What::corrected);
  REQUIRE(few.notes.size() == 1);
  CHECK(few.notes[0].find("its masses were not checked (mass calibration: 2 of the known ions") == 0);
}

TEST_CASE("correcting gives a region its counts back; without a peak list nothing is checked") {
  const Folder folder;
  const auto shown = spectrum(180);
  std::string text = "# Binning: 2 channels\r\n# Deadtime Correction: on\r\nChannel\tm/z\tIntensity\r\n";
  for (std::size_t i = 0; i < shown.mz.size(); ++i)
    text += fmt::format("{}\t{:.6f}\t{:.0f}\r\n", 120'000 + 2 * i, shown.mz[i], shown.intensity[i]);
  folder.write("s.txt", text);
  const auto bare = find_regions(folder.files()).regions.at(0);
  CHECK(read_region(bare).notes.empty());
  const double po3 = mass("PO3-"), reach = po3 / 6000;
  folder.write("peaks.txt",
               fmt::format("Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n{:.6f}\t{:.6f}\tPO_3-\r\n",
                           po3 - reach, po3 + reach));
  const auto found = find_regions(folder.files()).regions.at(0);
  const auto named = read_region(found),
             right = read_region(found, {.masses = {.what = MassCheck::What::corrected}});
  CHECK(named.notes.at(0).find("s: its masses are 180 ppm off") == 0);
  CHECK(named.peaks.at(0).counts < 0.5 * right.peaks.at(0).counts);  // the peak lies half outside
  CHECK(right.notes.at(0).find("were corrected") != std::string::npos);
}
