// What the repository ships as configuration must be good.
#include <doctest/doctest.h>

#include "daemon/config.h"

using namespace cambench;

TEST_CASE("the example configuration of a real bench is accepted as it stands") {
  const auto bench = config::read(CAMBENCH_SOURCE "/systemd/cambench.toml");
  CHECK(bench.stations.size() == 2);
  CHECK(bench.time_scale == 1);
  REQUIRE(bench.cell("R-017"));
  CHECK(one_C(*bench.cell("R-017")).value() * 1e3 == doctest::Approx(1.608));  // the paper's rate composite
}
