// Heavier isotopes as witnesses. Masses: AME2020; abundances: IUPAC 2013.
#include "analysis/isotope_check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

using namespace cambench::sims;
using Verdict = IsotopeCheck::Verdict;

namespace {

double mass(const std::string& label) { return ion_mass(*parse_formula(label)).value(); }

std::vector<IsotopeCheck> checked(const std::map<std::string, double>& intensities) {
  std::vector<ListedPeak> peaks;
  for (const auto& [label, intensity] : intensities) peaks.push_back({mass(label), intensity});
  std::ranges::sort(peaks, {}, &ListedPeak::mz);
  return check_isotopes(assign(peaks, FragmentTable::built_in()));
}

const IsotopeCheck& of(const std::vector<IsotopeCheck>& checks, const std::string& ion,
                       const std::string& heavy) {
  for (const auto& check : checks)
    if (check.ion == ion && check.heavy == heavy) return check;
  throw std::runtime_error(fmt::format("no check of {} by {}", ion, heavy));
}

}  // namespace

TEST_CASE("chlorine's second isotope has 32 % of the first one's intensity, and sits 1.997 u above it") {
  const auto checks = checked({{"Cl-", 1e6}, {"^37Cl-", 0.32e6}});
  const auto& chlorine = of(checks, "Cl-", "^37Cl-");
  CHECK(chlorine.mz - mass("Cl-") == doctest::Approx(1.99705).epsilon(1e-6));
  CHECK(chlorine.expected == doctest::Approx(0.32).epsilon(1e-3));
  CHECK(chlorine.found.value() == doctest::Approx(0.32));
  CHECK(chlorine.verdict == Verdict::agrees);
}

TEST_CASE("two sulfur atoms show twice the share of one") {
  const auto checks = checked({{"S-", 1e6}, {"^34S-", 4.47e4}, {"S2-", 1e6}, {"S^34S-", 8.95e4}});
  CHECK(of(checks, "S-", "^34S-").expected == doctest::Approx(0.04474).epsilon(1e-3));
  CHECK(of(checks, "S2-", "S^34S-").expected == doctest::Approx(0.08948).epsilon(1e-3));
  CHECK(of(checks, "S2-", "S^34S-").verdict == Verdict::agrees);
}

TEST_CASE(
    "a heavy peak that is missing, too weak or too strong speaks against the assignment, one below the list "
    "says nothing") {
  CHECK(of(checked({{"NiO2-", 1e6}, {"S-", 1e3}}), "NiO2-", "^60NiO2-").verdict == Verdict::absent);
  CHECK(of(checked({{"NiO2-", 1e6}, {"^60NiO2-", 1e5}}), "NiO2-", "^60NiO2-").verdict == Verdict::weaker);
  CHECK(of(checked({{"NiO2-", 1e6}, {"^60NiO2-", 9e5}}), "NiO2-", "^60NiO2-").verdict == Verdict::stronger);
  CHECK(of(checked({{"O-", 1e4}, {"S-", 1e3}}), "O-", "^18O-").verdict == Verdict::too_weak);
}

TEST_CASE("peaks without intensity and unassigned ones are not checked") {
  CHECK(checked({{"Cl-", 0}}).empty());
}
