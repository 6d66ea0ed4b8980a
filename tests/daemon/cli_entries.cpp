#include <doctest/doctest.h>

#include <functional>

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

namespace {

/// A daemon that knows one edited cell and one of the configuration, and keeps what it is told.
struct Entries {
  std::string user{}, method{}, target{}, body{};
  void operator()(cli::World& world) {
    world.user = user;
    world.ask = [this](const http::Address&, std::string_view how, std::string_view where,
                       std::string_view what) {
      if (how == "GET")
        return Result<http::Reply>(http::Reply{
            .status = 200,
            .body =
                R"({"cells":[{"id":"R-1","material":"ncm","edited":false},)"
                R"({"id":"R-2","material":"ncm","electrodes":3,"composite_mg":12,"reference_note":null,"one_C_A":0.0016,"edited":true}],)"
                R"("studies":[]})"});
      method = how, target = where, body = what;
      return Result<http::Reply>(http::Reply{.status = 200, .body = R"({"cell":"R-2","who":"anna"})"});
    };
  }
};

}  // namespace

TEST_CASE("a cell that is set keeps what is not named, and a new one holds what is written") {
  Entries bench;
  const auto said = cambench_says(
      {"cells", "set", "R-2", "composite_mg=12.5", "electrodes=", "--who", "anna"}, std::ref(bench));
  CHECK(said.out == "R-2: kept\n");
  CHECK(bench.method == "PUT");
  CHECK(bench.target == "/api/v1/cells/R-2");
  CHECK(bench.body == R"({"material":"ncm","composite_mg":1.25E1,"who":"anna"})");
  cambench_says({"cells", "set", "R-1", "material=ncm-x"}, std::ref(bench));
  CHECK(bench.body == R"({"material":"ncm-x"})");  // the configuration's: the daemon says so
  cambench_says({"studies", "set", "S-1", "materials=a,b", "title=12 coatings"}, std::ref(bench));
  CHECK(bench.body == R"({"materials":["a","b"],"title":"12 coatings"})");
  CHECK(cambench_says({"cells", "set", "R-2", "12.5"}, std::ref(bench)).code == cli::usage);
  CHECK(cambench_says({"cells", "set", "../runs", "a=b"}, std::ref(bench)).code == cli::usage);
}

TEST_CASE("a change of an entry is signed by the user of this shell unless somebody is named") {
  Entries bench{.user = "berta"};
  cambench_says({"cells", "set", "R-1", "material=ncm-x"}, std::ref(bench));
  CHECK(bench.body == R"({"material":"ncm-x","who":"berta"})");
  cambench_says({"cells", "remove", "R-2", "--reason", "broke"}, std::ref(bench));
  CHECK(bench.target == "/api/v1/cells/R-2?reason=broke&who=berta");
}

TEST_CASE("what is taken away is taken away for a reason, which goes with the order") {
  Entries bench;
  CHECK(cambench_says({"cells", "remove", "R-2"}, std::ref(bench)).code == cli::usage);
  CHECK(bench.method.empty());
  const auto said =
      cambench_says({"cells", "remove", "R-2", "--reason", "broke & leaked, 5 %", "--json"}, std::ref(bench));
  CHECK(said.out == "{\"cell\":\"R-2\",\"who\":\"anna\"}\n");
  CHECK(bench.method == "DELETE");
  CHECK(bench.target == "/api/v1/cells/R-2?reason=broke%20%26%20leaked%2C%205%20%25");
}
