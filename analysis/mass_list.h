// From the peaks of a high-resolution analyser (Orbitrap) to mass intervals for ToF spectra: which ion a peak is, which
// peaks the ToF analyser cannot tell apart, and where each begins and ends there. Hertle et al. (section "ToF-SIMS") take
// their list of fragments from Orbitrap spectra, since R = m/dm of the ToF analyser is about 6000.
//
// Where a mass does not decide, nothing is decided: a peak with two possible ions stays ambiguous, and two ions in one
// ToF peak get one interval that names both and belongs to no category.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/formats/interval_list.h"
#include "analysis/fragments.h"

namespace cambench::sims {

// ---- which ion a peak is

struct ListedPeak {
  double mz = 0;         ///< u, centroid
  double intensity = 0;  ///< in any unit; 0: not given
};
/// A table with a title line, separated by tabs, semicolons or commas: a column `m/z`, `mz`, `Mass`, `Center Mass (u)`,
/// and if there is one `Intensity` or `Area`. Lines that begin with '#' are skipped. Sorted by m/z. Throws BadInput.
[[nodiscard]] std::vector<ListedPeak> parse_peak_list(std::string_view text, std::string_view name);

struct ElementLimit {
  std::string element;
  int isotope = 0;  ///< 0: the most abundant one
  int most = 1;     ///< atoms in an ion
};

struct AssignOptions {
  double ppm = 3;  ///< to both sides: what an Orbitrap keeps after its calibration
  int charge = -1;
  int most_elements = 4;  ///< different ones in an ion: LiPSO is the richest that the paper names
  /// Those of the paper's cells: Li6PS5Cl, NCM, coatings, carbon, and the isotopes that are strong enough to be listed.
  std::vector<ElementLimit> elements = {
      {"Li", 0, 2}, {"Na", 0, 1}, {"H", 0, 4},   {"C", 0, 12},  {"N", 0, 1},  {"O", 0, 6},  {"F", 0, 2},
      {"P", 0, 3},  {"S", 0, 9},  {"Cl", 0, 3},  {"Mn", 0, 1},  {"Co", 0, 1}, {"Ni", 0, 1}, {"Zr", 0, 1},
      {"Nb", 0, 1}, {"S", 34, 1}, {"Cl", 37, 1}, {"Ni", 60, 1}, {"C", 13, 1}};
};

struct Candidate {
  std::string label;    ///< PO3-, or ^34SO3-
  double mz = 0;        ///< computed
  double ppm = 0;       ///< (measured - computed) / computed
  bool listed = false;  ///< the table of fragments has it
};
/// Every ion of these elements within the window, of at most one rare isotope: those that the table has first, then by
/// deviation. `table` gives their spelling.
[[nodiscard]] std::vector<Candidate> candidates(double mz, const FragmentTable& table,
                                                const AssignOptions& options = {});

struct Assignment {
  ListedPeak peak;
  std::vector<Candidate> candidates;
  /// The ion: the only candidate, or the only one that the table of fragments has. Null: unknown or ambiguous.
  [[nodiscard]] const Candidate* ion() const;
};
[[nodiscard]] std::vector<Assignment> assign(std::span<const ListedPeak> peaks, const FragmentTable& table,
                                             const AssignOptions& options = {});

// ---- what the ToF analyser can tell apart

struct IonPeak {
  std::string label;
  double mz = 0;
  double intensity = 0;  ///< 0: unknown, counts as strong
};
[[nodiscard]] std::vector<IonPeak> ions(std::span<const Assignment> assignments);

struct Overlap {
  IonPeak a, b;                 ///< a the lighter
  double needs_resolution = 0;  ///< m / (difference of m)
};
/// Pairs that `resolution` = m/dm cannot separate, by m/z.
[[nodiscard]] std::vector<Overlap> overlaps(std::span<const IonPeak> peaks, double resolution = 6000);

struct IntervalOptions {
  double resolution = 6000;  ///< m/dm of the ToF analyser, dm the full width at half maximum
  double widths = 1;         ///< from the centre to the bound, in dm; neighbours meet half-way
  double minor = 0.02;       ///< an ion with less than this share of a shared peak does not spoil its name
};
/// One interval a peak that can be told apart, ascending, none overlapping. Ions that cannot be share one, named
/// "NiS-/Zr-"; such a name is of no category.
[[nodiscard]] std::vector<MassInterval> intervals_for(std::span<const IonPeak> peaks,
                                                      const IntervalOptions& options = {});

/// As SurfaceLab writes it, for parse_interval_list() and for SurfaceLab.
[[nodiscard]] std::string interval_list_text(std::span<const MassInterval> intervals);

}  // namespace cambench::sims
