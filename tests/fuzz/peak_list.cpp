// Any text as a high-resolution peak list. What is refused names the file; the intervals that are made of what is
// accepted are in order and do not overlap.
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/mass_list.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto peaks =
        parse_peak_list(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.txt");
    std::vector<IonPeak> ions;
    for (const auto& peak : peaks) {
      must(peak.mz > 0 && std::isfinite(peak.mz) && peak.intensity >= 0);
      ions.push_back({"m/z " + std::to_string(ions.size()), peak.mz, peak.intensity});
    }
    for (const auto& pair : overlaps(ions)) must(pair.a.mz <= pair.b.mz);
    double reached = 0;
    for (const auto& interval : intervals_for(ions)) {
      must(interval.lower >= reached && interval.lower <= interval.upper && !interval.label.empty());
      reached = interval.upper;
    }
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.txt"));
  }
  return 0;
}
