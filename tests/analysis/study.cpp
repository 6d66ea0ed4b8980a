// A study joined and written: what a reviewer retraces, byte for byte.
#include "analysis/study.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/analysis/study_fixture.h"

using namespace cambench;

TEST_CASE("look") {
  const auto result = study::score(tests::made_study());
  const std::filesystem::path folder = CAMBENCH_BUILD "/tests/study";
  std::filesystem::create_directories(folder);
  for (const auto& file : study::outputs(result, "cambench 0.1.0"))
    std::ofstream(folder / file.name, std::ios::binary) << file.bytes;
}
