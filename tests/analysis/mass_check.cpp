// Spectra made of Gaussian peaks at known masses, with a scale that is right or off. Invented.
#include "analysis/mass_check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "analysis/fragments.h"
#include "analysis/region.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/analysis/itstr_writer.h"

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
  std::vector<std::string> notes, doubts;
};
Checked checked(Spectrum spectrum, MassCheck::What what) {
  Region said;
  auto result = with_checked_masses(std::move(spectrum), {.what = what}, said);
  return {std::move(result), said.notes, said.doubts};
}

// ---- the same in measurements of 2 x 2 pixels: 5000 ions of each kind, and of their neighbours more

constexpr int side = 2;
const std::vector<std::string> strong{"O-", "OH-", "S-", "PO2-", "PO3-"};
const std::map<std::string, std::uint32_t> neighbours{{"PS-", 8000}, {"PSO-", 6000}};
enum class Ions { alone, with_neighbours };

/// Calls ion(pixel, mass as it is shown).
void each_ion(double ppm, Ions ions, const std::function<void(std::uint32_t, double)>& ion) {
  std::mt19937 random(5);
  const auto some = [&](const std::string& label, std::uint32_t count) {
    std::normal_distribution<> shown(mass(label) * (1 + ppm * 1e-6), mass(label) / 6000 / 2.355);
    for (std::uint32_t i = 0; i < count; ++i) ion(i % (side * side), shown(random));
  };
  for (const auto& label : strong) some(label, 5000);
  if (ions == Ions::with_neighbours)
    for (const auto& [label, count] : neighbours) some(label, count);
}

void write_events(const Folder& folder, double ppm, Ions ions) {
  GrdWriter events;
  each_ion(ppm, ions, [&](std::uint32_t pixel, double mz) { events.ion(0, pixel % side, pixel / side, mz); });
  folder.write("s.itm.grd", events.events);
  folder.write("s.properties.txt", events.properties(side));
}

void write_split_events(const Folder& folder, double ppm, Ions ions) {
  GrdWriter events;
  each_ion(ppm, ions, [&](std::uint32_t pixel, double mz) { events.ion(0, pixel % side, pixel / side, mz); });
  events.write_split(folder, "s.itm");
  folder.write("s.properties.txt", events.properties(side));
}

void write_stream(const Folder& folder, double ppm, Ions ions) {
  ItmWriter stream;
  stream.side = side;
  stream.words_of_record = 1000;
  stream.scan(0);
  each_ion(ppm, ions, [&](std::uint32_t pixel, double mz) {
    stream.pixel(pixel % side, pixel / side);
    stream.ion(mz);
  });
  folder.write("s.itm", stream.write());
}

/// Channels of 10 ppm, as far as they hold ions.
void write_spectra(const Folder& folder, double ppm, Ions ions) {
  std::map<double, double> counts[side * side];
  each_ion(ppm, ions, [&](std::uint32_t pixel, double mz) {
    ++counts[pixel][std::exp(std::round(std::log(mz) * 1e5) / 1e5)];
  });
  ImzmlWriter file;
  file.width = file.height = side;
  file.number = 'd';
  for (int pixel = 0; pixel < side * side; ++pixel) {
    ImzmlPixel spectrum{1 + pixel % side, 1 + pixel / side, {}, {}};
    for (const auto& [mz, n] : counts[pixel]) {
      spectrum.mz.push_back(mz);
      spectrum.intensity.push_back(n);
    }
    file.pixels.push_back(std::move(spectrum));
  }
  file.write();
  folder.write("s.imzML", file.xml);
  folder.write("s.ibd", file.binary);
}

/// Intervals as wide as the peaks on both sides.
void write_peak_list(const Folder& folder) {
  std::string list = "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
  for (const auto& label : strong)
    list += fmt::format("{:.6f}\t{:.6f}\t{}\r\n", mass(label) * (1 - 1.0 / 6000),
                        mass(label) * (1 + 1.0 / 6000), label);
  folder.write("peaks.txt", list);
}

}  // namespace

TEST_CASE("a scale that is right is left alone and not spoken of") {
  const auto right = checked(spectrum(5), MassCheck::What::corrected);
  CHECK(right.notes.empty());
  CHECK(right.spectrum.mz == spectrum(5).mz);
}

TEST_CASE("a scale that is off is named, with how far and by which ions") {
  const auto off = checked(spectrum(180), MassCheck::What::named);
  CHECK(off.notes.empty());
  CHECK(off.doubts == std::vector<std::string>{"its masses are 180 ppm off (rms of O-, OH-, S-, PO2-, PO3-); "
                                               "calibrate it again, or let study.toml correct it"});
  CHECK(off.spectrum.mz == spectrum(180).mz);
  CHECK(checked(spectrum(180), MassCheck::What::nothing).doubts.empty());
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

TEST_CASE("a spectrum whose channels are too wide says so, not that ions are missing") {
  const auto fine = spectrum(0);
  Spectrum coarse;  // 100 channels to a bin: 2 x 100 of 133,008 at O-
  for (std::size_t i = 0; i + 50 <= fine.mz.size(); i += 50) {
    coarse.mz.push_back(fine.mz[i + 25]);
    coarse.intensity.push_back(std::accumulate(fine.intensity.begin() + static_cast<std::ptrdiff_t>(i),
                                               fine.intensity.begin() + static_cast<std::ptrdiff_t>(i) + 50,
                                               0.0));
  }
  const auto said = checked(coarse, MassCheck::What::named);
  REQUIRE(said.notes.size() == 1);
  CHECK(said.notes[0] ==
        "its masses were not checked (mass calibration: the channels are up to 1504 ppm wide, and a peak is "
        "167 ppm "
        "wide at R = 6000; export the spectrum with fewer channels to a bin)");
}

TEST_CASE("correcting gives a region its counts back; without a peak list nothing is checked") {
  const Folder folder;
  const auto shown = spectrum(180);
  std::string text = "# Binning: 2 channels\r\n# Deadtime Correction: on\r\nChannel\tm/z\tIntensity\r\n";
  for (std::size_t i = 0; i < shown.mz.size(); ++i)
    text += fmt::format("{}\t{:.6f}\t{:.0f}\r\n", 120'000 + 2 * i, shown.mz[i], shown.intensity[i]);
  folder.write("s.txt", text);
  const auto bare = find_regions(folder.files()).regions.at(0);
  CHECK(read_region(bare).doubts.empty());
  CHECK(read_region(bare).notes.size() == 1);  // that there is no list
  const double po3 = mass("PO3-"), reach = po3 / 6000;
  folder.write("peaks.txt",
               fmt::format("Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n{:.6f}\t{:.6f}\tPO_3-\r\n",
                           po3 - reach, po3 + reach));
  const auto found = find_regions(folder.files()).regions.at(0);
  const auto named = read_region(found),
             right = read_region(found, {.masses = {.what = MassCheck::What::corrected}});
  CHECK(named.doubts.at(0).find("s: its masses are 180 ppm off") == 0);
  CHECK(named.peaks.at(0).counts < 0.5 * right.peaks.at(0).counts);  // the peak lies half outside
  CHECK(right.notes.at(0).find("were corrected") != std::string::npos);
}

TEST_CASE("raw events and spectra of every pixel are checked and put right in the same way") {
  for (const auto ions : {Ions::alone, Ions::with_neighbours})
    for (const auto write : {write_events, write_split_events, write_stream, write_spectra}) {
      const Folder right_scale, wrong_scale;
      write(right_scale, 0, ions);
      write(wrong_scale, 200, ions);
      const auto read = [&](const Folder& folder, MassCheck::What what) {
        write_peak_list(folder);
        const auto found = find_regions(folder.files()).regions.at(0);
        return read_region(found, {.masses = {.what = what}});
      };
      const auto expected = read(right_scale, MassCheck::What::nothing),
                 left_alone = read(right_scale, MassCheck::What::corrected),
                 named = read(wrong_scale, MassCheck::What::named),
                 right = read(wrong_scale, MassCheck::What::corrected);
      CAPTURE(expected.files.front().name);
      CHECK(left_alone.peaks == expected.peaks);
      CHECK(left_alone.doubts.empty());
      CHECK(left_alone.notes == expected.notes);
      REQUIRE(named.doubts.size() == 1);
      CHECK(named.doubts[0].find(" ppm off (rms of O-, OH-, S-, PO2-, PO3-); calibrate it again") !=
            std::string::npos);
      CHECK(right.doubts.empty());
      REQUIRE(!right.notes.empty());
      CHECK(right.notes.back().find("and were corrected") != std::string::npos);
      for (std::size_t k = 0; k < strong.size(); ++k) {
        CAPTURE(strong[k]);
        CHECK(expected.peaks.at(k).counts > 4850);  // 98 % lie within
        CHECK(right.peaks.at(k).counts == doctest::Approx(expected.peaks[k].counts).epsilon(0.015));
        if (ions == Ions::alone) CHECK(named.peaks.at(k).counts < 0.75 * expected.peaks[k].counts);
      }
    }
}

TEST_CASE("known ions that are not there are named, and their neighbours move no interval") {
  auto ions = std::vector<std::string>{"O-", "OH-", "S-", "Cl-", "S2-", "PS-", "PSO-"};
  const auto right = checked(spectrum(0, ions), MassCheck::What::corrected);
  CHECK(right.spectrum.mz == spectrum(0).mz);
  CHECK(right.doubts.empty());
  CHECK(right.notes ==
        std::vector<std::string>{"its masses were checked by O-, OH-, S-, Cl-, S2- without PO2-, "
                                 "PO3-, near which other ions' peaks lie"});
  ions = {"O-", "OH-", "S-", "SO2-", "PS-", "PSO-"};
  const auto doubtful = checked(spectrum(0, ions), MassCheck::What::corrected);
  CHECK(doubtful.spectrum.mz == spectrum(0).mz);
  CHECK(doubtful.notes.empty());
  REQUIRE(doubtful.doubts.size() == 1);
  CHECK(doubtful.doubts[0].find(
            "its masses may be off and were not corrected (mass calibration: the peaks near "
            "the known ions agree on no scale: O- (+0 ppm)") == 0);
}

TEST_CASE("pixels that list the tops of their peaks share no axis, and that is said") {
  const Folder folder;
  ImzmlWriter file;
  file.number = 'd';
  std::mt19937 random(6);
  std::normal_distribution<> off(0, 60e-6);
  for (int x = 1; x <= 5000; ++x)
    file.pixels.push_back({x, 1, {mass("O-") * (1 + off(random)), mass("PO3-") * (1 + off(random))}, {3, 1}});
  file.write();
  folder.write("s.imzML", file.xml);
  folder.write("s.ibd", file.binary);
  write_peak_list(folder);
  for (const auto what : {MassCheck::What::named, MassCheck::What::corrected}) {
    const auto region = read_region(find_regions(folder.files()).regions.at(0), {.masses = {.what = what}});
    CHECK(region.notes ==
          std::vector<std::string>{"s: its masses were not checked (its pixels share no m/z axis)"});
  }
}

TEST_CASE("pixels with few counts lack ions, not channels") {
  const Folder folder;
  ImzmlWriter file;
  file.number = 'd';
  for (int x = 1; x <= 50; ++x) file.pixels.push_back({x, 1, {mass("O-"), mass("PO3-"), 250}, {3, 1, 9}});
  file.write();
  folder.write("s.imzML", file.xml);
  folder.write("s.ibd", file.binary);
  write_peak_list(folder);
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  REQUIRE(region.notes.size() == 1);
  CHECK(region.notes[0].find("0 of the known ions have a clear peak") != std::string::npos);
}
