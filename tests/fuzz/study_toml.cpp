// Any text as study.toml, its first line as a pattern for its second. What is refused names the file; what is accepted
// can be scored by.
#include <algorithm>
#include <string_view>

#include "analysis/bad_input.h"
#include "daemon/jobs/study_file.h"
#include "tests/fuzz/must.h"

using namespace cambench;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto first = std::min(input.find('\n'), size), second = std::min(first + 1, size);
  const auto pattern = input.substr(0, first), path = input.substr(second, input.find('\n', second) - second);
  if (pattern == path) must(jobs::matches(pattern, path));
  static_cast<void>(jobs::matches(pattern, path));
  try {
    const auto study = jobs::parse_study_file(input, "nowhere/study.toml", {});
    const auto& scoring = study.scoring;
    must(scoring.study.cells.low_C < scoring.study.cells.high_C && scoring.normalise.min_counts > 0);
    for (const auto& axis : scoring.study.radar) must(axis.span > 0 && !axis.key.empty());
    must(!study.wait || study.regions.value_or(0) > 0);
    must(!describe(scoring.degradation).empty() && !describe(scoring.normalise).empty());
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("study.toml"));
  }
  return 0;
}
