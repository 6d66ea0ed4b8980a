// Masses: AME2020, as in fragments.h. Pairs that R = 6000 separates or not: the paper's neighbours, by exact mass.
#include "analysis/mass_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "analysis/bad_input.h"
#include "analysis/spectra.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

const FragmentTable& table() { return FragmentTable::built_in(); }

double mass(const std::string& label) { return ion_mass(*parse_formula(label)).value(); }

IonPeak ion(const std::string& label, double intensity = 0) { return {label, mass(label), intensity}; }

bool has(const std::vector<Candidate>& all, const std::string& label) {
  return std::ranges::any_of(
      all, [&](const Candidate& c) { return fragment_key(c.label) == fragment_key(label); });
}

// Channels and their masses by sf and k0; a Gaussian of R = 6000 at every ion's mass.
Spectrum spectrum(const std::vector<std::string>& labels) {
  constexpr double sf = 33257, k0 = -451;
  Spectrum s;
  for (int channel = 130'000; channel < 469'000; channel += 4) {
    const double mz = std::pow((channel - k0) / sf, 2);
    double intensity = 0;
    for (const auto& label : labels) {
      const double away = (mz / mass(label) - 1) * 6000 * 2.3548;
      if (std::abs(away) < 8) intensity += 1e5 * std::exp(-away * away / 2);
    }
    s.mz.push_back(mz);
    s.intensity.push_back(std::round(intensity));
  }
  return s;
}

}  // namespace

TEST_CASE(
    "every fragment of the table that its elements allow is found at its own mass, and the table's name "
    "wins") {
  std::size_t found = 0;
  for (const Fragment& fragment : table().fragments()) {
    const auto all = candidates(fragment.mz, table(), {.ppm = 1});
    if (has(all, fragment.label)) {
      ++found;
      CHECK(all.front().listed);
    } else {
      const auto formula = *parse_formula(fragment.label);
      const bool beyond = formula.count("In") || formula.count("Al") || formula.count("Si") ||
                          formula.count("O") > 6 || formula.count("Mn") > 1 || formula.count("Ni") > 1 ||
                          formula.count("Co") > 1 || formula.count("Zr") > 1 || formula.count("Nb") > 1 ||
                          formula.count("P") > 3;
      CHECK_MESSAGE(beyond, fragment.label);
    }
  }
  MESSAGE(found, " of ", table().fragments().size(), " fragments");
  CHECK(found > 110);
}

TEST_CASE("every candidate lies in the window, has its own mass, and comes once") {
  for (const double mz : {63.9624, 78.9591, 95.9168, 126.88, 158.8, 222.77}) {
    const auto all = candidates(mz, table(), {.ppm = 20});
    for (const Candidate& c : all) {
      CHECK(std::abs(c.ppm) <= 20.001);
      CHECK(c.mz == doctest::Approx(mass(c.label)).epsilon(1e-12));
      CHECK(c.ppm == doctest::Approx((mz / c.mz - 1) * 1e6).epsilon(1e-6));
      CHECK(std::ranges::count(all, c.label, &Candidate::label) == 1);
    }
  }
}

TEST_CASE("a narrower window keeps a subset: the ions that fit better") {
  const auto wide = candidates(mass("PS3-"), table(), {.ppm = 100});
  const auto narrow = candidates(mass("PS3-"), table(), {.ppm = 5});
  CHECK(narrow.size() < wide.size());
  for (const Candidate& c : narrow) CHECK(has(wide, c.label));
  for (const Candidate& c : wide) CHECK(has(narrow, c.label) == (std::abs(c.ppm) <= 5));
}

TEST_CASE("O2- and S- are told apart at 17.8 mDa, and the electron's mass counts") {
  // The neutral masses that the paper prints: 34 ppm and 17 ppm beside the ions.
  CHECK(candidates(31.989830, table(), {.ppm = 3}).empty());
  CHECK(candidates(31.972072, table(), {.ppm = 3}).empty());
  REQUIRE(candidates(31.990378, table(), {.ppm = 3}).size() == 1);
  CHECK(candidates(31.990378, table(), {.ppm = 3}).front().label == "O2-");
  CHECK(candidates(31.972620, table(), {.ppm = 3}).front().label == "S-");
}

TEST_CASE("rare isotopes are found, at most one in an ion") {
  CHECK(has(candidates(mass("^34SO3-"), table()), "^34SO3-"));
  CHECK(has(candidates(mass("^60NiO2-"), table()), "^60NiO2-"));
  CHECK_FALSE(has(candidates(mass("^34S^37Cl-"), table()), "^34S^37Cl-"));
}

TEST_CASE("where two listed ions or two unlisted ones fit, the peak stays without a name") {
  const double between = (mass("Nb-") + mass("NiCl-")) / 2;  // 2.2 mDa apart
  const std::vector<ListedPeak> peaks{{between, 10}, {mass("PO3-"), 10}, {5.5, 10}};
  const auto assigned = assign(peaks, table(), {.ppm = 20});
  REQUIRE(assigned.size() == 3);
  CHECK(has(assigned[0].candidates, "Nb-"));
  CHECK(has(assigned[0].candidates, "NiCl-"));
  CHECK(assigned[0].ion() == nullptr);
  CHECK(assigned[1].ion()->label == "PO3-");
  CHECK(assigned[2].candidates.empty());
  CHECK(ions(assigned).size() == 1);
}

TEST_CASE(
    "R = 6000 cannot separate the paper's close neighbours, and can separate every O2-for-S pair below 106 "
    "u") {
  std::vector<IonPeak> peaks;
  for (const Fragment& f : table().fragments()) peaks.push_back({f.label, f.mz, 0});
  const auto pairs = overlaps(peaks);
  for (const auto& [a, b] : {std::pair{"Zr-", "NiS-"},
                             {"Nb-", "NiCl-"},
                             {"HSO4-", "H2PO4-"},
                             {"MnO3-", "LiS3-"},
                             {"S4-", "NiCl2-"},
                             {"ZrO2-", "NiS2-"},
                             {"PS3-", "PS2O2-"}})
    CHECK_MESSAGE(overlaps(std::vector{ion(a), ion(b)}).size() == 1, a, " and ", b);
  for (const auto& [a, b] : {std::pair{"O2-", "S-"},
                             {"PO2-", "PS-"},
                             {"SO2-", "S2-"},
                             {"PO3-", "PSO-"},
                             {"SO3-", "S2O-"},
                             {"SO4-", "S2O2-"}})
    CHECK_MESSAGE(overlaps(std::vector{ion(a), ion(b)}).empty(), a, " and ", b);
  for (const Overlap& o : pairs) {
    CHECK(o.a.mz <= o.b.mz);
    CHECK(o.needs_resolution > 6000);
  }
  const auto sharper = overlaps(peaks, 20'000);
  CHECK(sharper.size() < pairs.size());
  MESSAGE(pairs.size(), " pairs at R = 6000, ", sharper.size(), " at 20000");
}

TEST_CASE("the resolution that a pair needs is m over its distance") {
  const auto pairs = overlaps(std::vector{ion("PS3-"), ion("PS2O2-")});
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].needs_resolution == doctest::Approx(126.89 / 0.017757).epsilon(1e-3));
}

TEST_CASE("intervals hold their ions, never overlap, and ions that share a peak share an interval") {
  const std::vector peaks{ion("Zr-"), ion("NiS-"), ion("PO3-"), ion("PSO-"), ion("SO3-")};
  const auto intervals = intervals_for(peaks);
  REQUIRE(intervals.size() == 4);
  for (std::size_t i = 0; i + 1 < intervals.size(); ++i) CHECK(intervals[i].upper <= intervals[i + 1].lower);
  const auto shared =
      std::ranges::find_if(intervals, [](const auto& i) { return i.label.find('/') != std::string::npos; });
  REQUIRE(shared != intervals.end());
  for (const char* label : {"Zr-", "NiS-"}) {
    CHECK(shared->label.find(label) != std::string::npos);
    CHECK(shared->lower < mass(label));
    CHECK(shared->upper > mass(label));
  }
  CHECK(table().describe(shared->label).category == "other");
  CHECK(intervals.front().label == "PSO-");  // 78.94, below PO3- at 78.96
  CHECK(intervals.front().lower == doctest::Approx(mass("PSO-") * (1 - 1.0 / 6000)).epsilon(1e-9));
}

TEST_CASE("an ion with a hundredth of a shared peak does not spoil its name, one of unknown strength does") {
  CHECK(intervals_for(std::vector{ion("Zr-", 99), ion("NiS-", 1)}).front().label == "Zr-");
  CHECK(intervals_for(std::vector{ion("Zr-", 90), ion("NiS-", 10)}).front().label.size() == 8);
  CHECK(intervals_for(std::vector{ion("Zr-", 99), ion("NiS-")}).front().label.size() == 8);
}

TEST_CASE("a list written for SurfaceLab reads back, and takes each ion's counts from a ToF spectrum") {
  const auto intervals = intervals_for(std::vector{ion("SO2-"), ion("S2-"), ion("PO3-"), ion("PS4-")});
  const auto back = parse_interval_list(interval_list_text(intervals), "made.txt");
  REQUIRE(back.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(back[i].label == intervals[i].label);
    CHECK(std::abs(back[i].lower - intervals[i].lower) < 1e-6);
  }
  const auto both = spectrum({"SO2-", "S2-", "PO3-", "PS4-"});
  const auto alone = spectrum({"SO2-"});
  const auto areas = interval_areas(both, back);
  for (const double area : areas) CHECK(area > 0);
  // Half-way to its neighbour, 17.8 mDa beside it, SO2- is 1.96 standard deviations wide: 2.5 % spill over.
  const auto of_one = interval_areas(alone, back);
  CHECK(std::min(of_one[0], of_one[1]) / total_counts(alone) == doctest::Approx(0.025).epsilon(0.15));
  CHECK(std::max(of_one[0], of_one[1]) > 0.95 * total_counts(alone));
}

TEST_CASE("peak lists are read with any of the usual separators and titles, and refused by line") {
  for (const char* text :
       {"m/z,Intensity\n78.959,12\n31.9726,3\n", "# Orbitrap\nm/z;Intensity\r\n31,9726;3\r\n78,959;12\r\n",
        "Mass\tArea\n31.9726\t3\n78.959\t12\n"}) {
    const auto peaks = parse_peak_list(text, "peaks.csv");
    REQUIRE(peaks.size() == 2);
    CHECK(peaks[0].mz == doctest::Approx(31.9726));
    CHECK(peaks[1].intensity == 12);
  }
  CHECK_THROWS_WITH_AS((void)parse_peak_list("m/z,Intensity\n78.959,12\nx,3\n", "peaks.csv"),
                       doctest::Contains("peaks.csv, line 3"), BadInput);
  for (const char* text : {"", "a,b\n1,2\n", "m/z\n", "m/z\n-1\n", "m/z,Intensity\n1,nan\n"})
    CHECK_THROWS_AS((void)parse_peak_list(text, "peaks.csv"), BadInput);
}
