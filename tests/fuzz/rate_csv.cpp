// Any text as a rate test. What is refused names the file; what is accepted has rows in the order of time, whose
// capacities are not negative.
#include "analysis/formats/rate_csv.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto test =
        rate::read_rate_csv(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.csv");
    must(!test.rows.empty() && !test.potential.empty());
    must(std::ranges::is_sorted(test.rows, {}, &rate::Row::test_time_s));
    for (const auto& row : test.rows) must(std::isfinite(row.current_A) && std::isfinite(row.potential_V));
    for (const auto& cycle : rate::cycles(test.rows))
      for (const auto& half : {cycle.charge, cycle.discharge})
        if (half) must(!(half->capacity_Ah < 0) && !(half->duration_s < 0));
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.csv"));
  }
  return 0;
}
