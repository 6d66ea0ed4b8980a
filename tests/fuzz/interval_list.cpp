// Any text as SurfaceLab's peak list. What is refused names the file; what is accepted is a list of intervals, each of
// its own ion, that comes back when it is written.
#include "analysis/formats/interval_list.h"

#include <cmath>
#include <set>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static_cast<void>(looks_like_interval_list(input));
  try {
    const auto intervals = parse_interval_list(input, "fuzz.txt");
    must(!intervals.empty());
    std::set<std::string> ions;
    for (const auto& interval : intervals) {
      must(interval.lower >= 0 && interval.lower < interval.upper && std::isfinite(interval.upper));
      must(!interval.label.empty() && ions.insert(fragment_key(interval.label)).second);
    }
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.txt"));
  }
  return 0;
}
