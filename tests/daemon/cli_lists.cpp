#include <doctest/doctest.h>

#include "tests/daemon/command_line.h"

using namespace cambench;
using tests::cambench_says, tests::has;

TEST_CASE("cells, materials and studies are what the daemon says, as tables or as they come") {
  std::string asked, body;
  const auto daemon = [&](cli::World& world) {
    world.ask = [&](const http::Address&, std::string_view, std::string_view target, std::string_view) {
      asked = target;
      return Result<http::Reply>(http::Reply{.status = 200, .body = body});
    };
  };
  body =
      R"([{"id":"R-017","material":"ncm","electrodes":3,"composite_mg":12,"one_C_A":0.001608,"reference_vs_li_V":0.31}])";
  const auto cells = cambench_says({"cells"}, daemon);
  CHECK(cells.code == cli::done);
  CHECK(asked == "/api/v1/cells");
  CHECK(has(cells.out, "R-017  ncm                3   12.00 mg  1.608 mA      +0.310 V"));
  CHECK(cambench_says({"cells", "--json"}, daemon).out == body + '\n');
  body = R"([{"id":"ncm","name":"NCM","coating":"none","amount_wt_percent":0,"reference":true}])";
  CHECK(has(cambench_says({"materials"}, daemon).out, "none: the reference"));
  body = R"([{"id":"coatings","title":"Coatings","state":"scored","version":3}])";
  CHECK(has(cambench_says({"studies"}, daemon).out, "coatings  scored        3  Coatings"));
}
