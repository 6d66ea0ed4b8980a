// A region as text, to be kept beside the hashes of its files, so that scoring again reads no image again.
#pragma once
#include <string>
#include <string_view>

#include "analysis/region.h"

namespace cambench::sims {

/// Exact: what region_from_json gives back equals what went in, to the last bit. Intensities stand as strings, since
/// Boost.JSON 1.81 reads one number in eight a bit beside what it wrote.
[[nodiscard]] std::string to_json(const Region& region);

/// Throws BadInput for anything that to_json did not write; `name` is what the sentence calls it.
[[nodiscard]] Region region_from_json(std::string_view json, std::string_view name);

}  // namespace cambench::sims
