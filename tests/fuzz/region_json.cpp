// Any text as a kept region. What is refused names the place; what is accepted comes back from what is written of it.
#include "analysis/region_json.h"

#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto region = region_from_json(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    must(to_json(region_from_json(to_json(region), "again")) == to_json(region));
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz"));
  }
  return 0;
}
