#include "analysis/spectra.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

const Spectrum spectrum{{1.0, 2.0, 2.5, 3.0, 4.0, 5.0}, {1, 2, 4, 6, 0, 7}};

std::string refusal(const Spectrum& s, std::vector<MassInterval> intervals,
                    const NormaliseOptions& options = {}) {
  try {
    (void)normalise_spectrum(s, intervals, "s.txt", options);
  } catch (const BadInput& problem) {
    return problem.what();
  }
  return "accepted";
}

// As a pixel among others.
std::vector<double> areas_of_many(const Spectrum& s, std::span<const MassInterval> intervals,
                                  SpectrumArea area) {
  IntervalAreas areas(intervals, area);
  static_cast<void>(areas.of(spectrum));
  const auto found = areas.of(s);
  return {found.begin(), found.end()};
}

}  // namespace

TEST_CASE("an interval holds the channels from its lower mass up to, not including, its upper mass") {
  const std::vector<MassInterval> intervals = {
      {"a", 2.0, 3.0}, {"b", 3.0, 4.5}, {"c", 0.0, 0.5}, {"d", 0.0, 9.0}};
  CHECK(interval_areas(spectrum, intervals) == std::vector<double>{6, 6, 0, 20});
  CHECK(total_counts(spectrum) == 20);
}

TEST_CASE("intervals that overlap, touch, are nested, or lie far out get each its own channels") {
  std::mt19937 random(6);
  std::uniform_real_distribution<> mass(0, 30);
  const std::vector<MassInterval> special[] = {
      {},
      {{"all", 0, 10'000}, {"none", 7, 7}},
      {{"far", 8'999, 9'001}},
      {{"below 0", -1, 0.25}, {"further", 99'999, 100'001}},
  };
  for (int round = 0; round < 40; ++round) {
    auto intervals = special[round % 4];
    for (int i = 0; i < 30; ++i) {
      const double lower = i % 2 == 0 ? mass(random) : std::floor(mass(random) * 1024) / 1024;
      const double widths[] = {mass(random), mass(random) * 0.01, 1.0 / 1024, 3.0 / 1024};
      intervals.push_back({"", lower, lower + widths[round < 20 ? 1 + i % 3 : i % 4]});
    }
    Spectrum made{{-0.5, 9'000, 100'000}, {}};
    for (int i = 0; i < 400; ++i) made.mz.push_back(mass(random));
    for (const auto& [label, lower, upper] : intervals)
      made.mz.insert(made.mz.end(), {lower, upper, std::nextafter(upper, 0), (lower + upper) / 2});
    std::ranges::sort(made.mz);
    for (std::size_t i = 0; i < made.mz.size(); ++i) made.intensity.push_back(random() % 9);

    std::vector<double> expected;
    for (const auto& interval : intervals) {
      expected.push_back(0);
      for (std::size_t i = 0; i < made.mz.size(); ++i)
        if (made.mz[i] >= interval.lower && made.mz[i] < interval.upper) expected.back() += made.intensity[i];
    }
    CHECK(interval_areas(made, intervals) == expected);
    CHECK(areas_of_many(made, intervals, SpectrumArea::sum) == expected);
    CHECK(areas_of_many(made, intervals, SpectrumArea::trapezoid) ==
          interval_areas(made, intervals, SpectrumArea::trapezoid));
  }
}

TEST_CASE("the trapezoid runs over the channels of the interval") {
  const std::vector<MassInterval> intervals = {{"a", 2.0, 3.5}};
  CHECK(interval_areas(spectrum, intervals, SpectrumArea::trapezoid) ==
        std::vector<double>{0.5 * (2 + 4) / 2 + 0.5 * (4 + 6) / 2});
}

TEST_CASE("areas are normalised to all counts of the spectrum and to the reference ion's area") {
  const std::vector<MassInterval> intervals = {{"O-", 2.0, 3.0}, {"O_2Ni-", 3.0, 4.5}};
  const auto region = normalise_spectrum(spectrum, intervals, "s.txt", {.reference = "NiO2-"});
  CHECK(region.reference == "O_2Ni-");
  CHECK(region.peaks[0].by_total == 6.0 / 20);
  CHECK(region.peaks[0].by_reference == 1.0);
  CHECK(normalise_spectrum(spectrum, intervals, "s.txt", {.reference = ""}).reference.empty());
}

TEST_CASE("a spectrum that cannot be normalised is refused or said to have no reference") {
  CHECK(refusal({{1, 2}, {0, 0}}, {{"O-", 1, 2}}) ==
        "s.txt: the spectrum holds no ion; export it again, or leave this spot out");
  CHECK(refusal(spectrum, {{"PO_3-", 78.9, 79.0}})
            .starts_with("s.txt: the spectrum goes from m/z 1.000 to 5.000, the interval of PO_3- from "
                         "78.900 to 79.000"));
  CHECK(refusal(spectrum, {{"O-", 1, 2}}, {.reference_required = true})
            .starts_with("s.txt: no interval is assigned to the reference ion NiO2-"));
  const std::vector<MassInterval> empty_reference = {{"NiO2-", 3.5, 4.5}};
  const auto region = normalise_spectrum(spectrum, empty_reference, "s.txt");
  CHECK(region.reference.empty());
  CHECK(region.notes.size() == 1);
  CHECK(refusal(spectrum, empty_reference, {.reference_required = true})
            .starts_with("s.txt: the reference ion NiO2- has no counts"));
}
