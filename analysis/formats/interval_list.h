// SurfaceLab's list of peaks ("Export peak list as/Ascii", also called mass interval list): tab-separated, one title
// line, CRLF, a NUL byte at the end; the first row is the total.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sims {

/// Channels with lower <= m/z < upper, so that no channel counts for two neighbours.
struct MassInterval {
  std::string label;            ///< the assignment; `m/z 96.9601` where SurfaceLab has none
  double lower = 0, upper = 0;  ///< u
};

/// Columns are found by their titles `Lower Mass (u)`, `Upper Mass (u)`, `Assignment` (and `Center Mass (u)`,
/// `Description` where present). Rows of the total are left out. Throws BadInput: bounds that are no interval, the same
/// ion twice, no row.
[[nodiscard]] std::vector<MassInterval> parse_interval_list(std::string_view text, std::string_view name);

[[nodiscard]] bool looks_like_interval_list(std::string_view start);

/// `m/z 1` ... : from half a unit below to half a unit above each nominal mass. For spectra without a peak list.
[[nodiscard]] std::vector<MassInterval> nominal_intervals(int first = 1, int last = 300);

}  // namespace cambench::sims
