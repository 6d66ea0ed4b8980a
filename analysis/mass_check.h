// Whether a spectrum's masses are right, before its intervals are counted: by ions that every such spectrum has. A scale
// that is off by a fraction of a peak's width takes counts out of every interval and puts them into the neighbour's.
#pragma once
#include <string>
#include <vector>

#include "analysis/formats/spectrum_ascii.h"
#include "analysis/region.h"

namespace cambench::sims {

/// The spectrum, with the masses corrected where that is asked for. What a reader of the result should see of it is added
/// to `notes`, without the file's name.
[[nodiscard]] Spectrum with_checked_masses(Spectrum spectrum, const MassCheck& check,
                                           std::vector<std::string>& notes);

}  // namespace cambench::sims
