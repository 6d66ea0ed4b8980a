// Whether an ion that a mass was assigned to shows its heavier isotopes where and as strong as it must: a second witness
// for the assignment, which the mass alone cannot give. Abundances: IUPAC 2013 (Meija et al., Pure Appl. Chem. 88, 293,
// 2016).
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/mass_list.h"

namespace cambench::sims {

struct IsotopeCheck {
  std::string ion, heavy;       ///< S2-, and with one heavier isotope: S^34S-
  double mz = 0;                ///< u, of the heavy one, computed
  double expected = 0;          ///< intensity over that of the ion: abundances times number of atoms
  std::optional<double> found;  ///< none: no such peak is listed
  enum class Verdict {
    agrees,
    stronger,  ///< another ion lies there too
    weaker,    ///< the assignment is in doubt
    absent,    ///< the same: it should stand well above the weakest peak of the list
    too_weak   ///< nothing can be said: it would be lost among the weakest
  } verdict = Verdict::too_weak;
};
[[nodiscard]] std::string_view to_string(IsotopeCheck::Verdict verdict);

struct IsotopeOptions {
  double ppm = 3;          ///< how far from its mass a heavy peak may lie
  double tolerance = 0.3;  ///< of the ratio, relative: what counting and overlap leave of it
};

/// One for each assigned ion of known intensity and each of its elements with a second isotope (13C, 18O, 34S, 37Cl, 60Ni,
/// 65Cu), by m/z of the ion.
[[nodiscard]] std::vector<IsotopeCheck> check_isotopes(std::span<const Assignment> assignments,
                                                       const IsotopeOptions& options = {});

}  // namespace cambench::sims
