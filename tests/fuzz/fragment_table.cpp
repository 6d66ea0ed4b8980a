// Any text as a table of fragments, its first line as a label. A formula means the same however it is written; what is
// refused names the file; what is accepted finds every fragment again.
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto label = input.substr(0, input.find('\n'));
  if (const auto formula = parse_formula(label)) {
    const auto again = parse_formula(fragment_key(label));
    must(again && *again == *formula && fragment_key(fragment_key(label)) == fragment_key(label));
    const auto mass = ion_mass(*formula);
    must(!mass || (*mass > 0 && std::isfinite(*mass)));
    must(!category_by_rule(*formula).empty());
  }
  try {
    const auto table = FragmentTable::parse(input, "fuzz.csv");
    for (const auto& fragment : table.fragments()) {
      must(!fragment.category.empty() && fragment.mz >= 0);
      must(table.describe(fragment.label).mz == fragment.mz);
    }
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.csv"));
  }
  return 0;
}
