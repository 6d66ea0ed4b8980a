// Secondary-ion fragments: what a label means, what the ion weighs, and which degradation pathway it tells of.
// Labels are compared by composition, because SurfaceLab writes elements in the order the operator typed them
// (CO_3Li- and LiCO_3- are one ion).
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sims {

/// An ion's composition. Grammar of SurfaceLab labels: element symbols, `_n` (or a plain n) for a count, `^m` before
/// an isotope, at the end the charge: `PO_3-`, `PO3-`, `^13CC_7H-`, `C_6^13C-`, `^65Cu-`, `Li+`.
struct Formula {
  struct Nuclide {
    std::string element;
    int isotope = 0;  ///< mass number as written; 0: none written, the most abundant isotope is meant
    friend auto operator<=>(const Nuclide&, const Nuclide&) = default;
  };
  std::map<Nuclide, int> atoms;  ///< how many of each
  int charge = -1;               ///< -1 or +1

  /// How many atoms of an element, isotopes together.
  [[nodiscard]] int count(std::string_view element) const;
  friend bool operator==(const Formula&, const Formula&) = default;
};

/// Nothing when the label is no formula: `total`, `sum of rest`, `m/z 178`.
[[nodiscard]] std::optional<Formula> parse_formula(std::string_view label);

/// m/z of the ion in u: the isotopes' masses (AME2020) and one electron mass more for each negative charge.
/// Nothing for an isotope that the table of masses does not have.
[[nodiscard]] std::optional<double> ion_mass(const Formula& formula);

/// What two labels have in common exactly when they mean the same ion: composition for formulas, else the text.
[[nodiscard]] std::string fragment_key(std::string_view label);

/// The category by rule (README of the table: head of fragments.cpp): polysulfide, SOy, POy, SE, CAM, coating, other.
[[nodiscard]] std::string_view category_by_rule(const Formula& formula);

struct Fragment {
  std::string label;  ///< as people write it: PO3-
  double mz = 0;
  std::string category;
};

/// A table `formula,mz,category` that users may edit. Empty mz: computed. Empty category: by rule.
class FragmentTable {
 public:
  /// The table that comes with the program (analysis/tables/fragments.csv).
  [[nodiscard]] static const FragmentTable& built_in();
  /// Throws BadInput: no such columns, a formula that cannot be read, the same ion twice.
  [[nodiscard]] static FragmentTable parse(std::string_view text, std::string_view name);

  [[nodiscard]] const std::vector<Fragment>& fragments() const { return fragments_; }
  /// How to show a label and what to count it for. An ion that the table does not list is shown without underscores
  /// and judged by rule; a label that is no formula keeps its text and is `other`.
  [[nodiscard]] Fragment describe(std::string_view label) const;

 private:
  std::vector<Fragment> fragments_;
  std::map<std::string, std::size_t, std::less<>> by_key_;
};

}  // namespace cambench::sims
