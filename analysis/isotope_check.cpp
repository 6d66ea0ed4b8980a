#include "analysis/isotope_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace cambench::sims {
namespace {

struct Heavy {
  std::string_view element;
  int isotope = 0;
  double ratio = 0;  ///< abundance over that of the most abundant isotope
};
constexpr std::array heavies{Heavy{"C", 13, 0.0107 / 0.9893},     Heavy{"O", 18, 0.00205 / 0.99757},
                             Heavy{"S", 34, 0.0425 / 0.9499},     Heavy{"Cl", 37, 0.2424 / 0.7576},
                             Heavy{"Ni", 60, 0.26223 / 0.680769}, Heavy{"Cu", 65, 0.3085 / 0.6915}};

// The listed peak nearest to a mass, within the window.
const ListedPeak* peak_near(std::span<const Assignment> assignments, double mz, double ppm) {
  const ListedPeak* nearest = nullptr;
  for (const auto& [peak, candidates] : assignments)
    if (std::abs(peak.mz - mz) <= 1e-6 * ppm * mz &&
        (!nearest || std::abs(peak.mz - mz) < std::abs(nearest->mz - mz)))
      nearest = &peak;
  return nearest;
}

std::string spelled(const Formula& formula) {
  std::string label;
  for (const auto& [nuclide, n] : formula.atoms) {
    if (nuclide.isotope != 0) label += fmt::format("^{}", nuclide.isotope);
    label += nuclide.element + (n > 1 ? std::to_string(n) : std::string());
  }
  return label + (formula.charge < 0 ? '-' : '+');
}

IsotopeCheck::Verdict verdict_of(const IsotopeCheck& check, double would_be, double weakest,
                                 const IsotopeOptions& options) {
  using V = IsotopeCheck::Verdict;
  constexpr double clear_of_the_weakest = 3;
  if (!check.found) return would_be > clear_of_the_weakest * weakest ? V::absent : V::too_weak;
  const double off = *check.found / check.expected - 1;
  return std::abs(off) <= options.tolerance ? V::agrees : off > 0 ? V::stronger : V::weaker;
}

}  // namespace

std::string_view to_string(IsotopeCheck::Verdict verdict) {
  using V = IsotopeCheck::Verdict;
  switch (verdict) {
    case V::agrees: return "agrees";
    case V::stronger: return "stronger: another ion lies there too";
    case V::weaker: return "weaker: the assignment is in doubt";
    case V::absent: return "absent: the assignment is in doubt";
    case V::too_weak: return "too weak to be seen";
  }
  return "";
}

std::vector<IsotopeCheck> check_isotopes(std::span<const Assignment> assignments,
                                         const IsotopeOptions& options) {
  double weakest = INFINITY;
  for (const auto& assignment : assignments)
    if (assignment.peak.intensity > 0) weakest = std::min(weakest, assignment.peak.intensity);
  std::vector<IsotopeCheck> checks;
  for (const auto& assignment : assignments) {
    const Candidate* ion = assignment.ion();
    const auto formula = ion ? parse_formula(ion->label) : std::nullopt;
    const double intensity = assignment.peak.intensity;
    if (!formula || !(intensity > 0) ||
        std::ranges::any_of(formula->atoms, [](const auto& atom) { return atom.first.isotope != 0; }))
      continue;
    for (const Heavy& heavy : heavies) {
      const int atoms = formula->count(heavy.element);
      if (atoms == 0) continue;
      Formula changed = *formula;
      const Formula::Nuclide light{std::string(heavy.element), 0};
      if (--changed.atoms[light] == 0) changed.atoms.erase(light);
      changed.atoms[{std::string(heavy.element), heavy.isotope}] = 1;
      IsotopeCheck check{.ion = ion->label,
                         .heavy = spelled(changed),
                         .mz = ion_mass(changed).value_or(0),
                         .expected = atoms * heavy.ratio,
                         .found = {}};
      if (const auto* peak = peak_near(assignments, check.mz, options.ppm))
        check.found = peak->intensity / intensity;
      check.verdict = verdict_of(check, check.expected * intensity, weakest, options);
      checks.push_back(std::move(check));
    }
  }
  return checks;
}

}  // namespace cambench::sims
