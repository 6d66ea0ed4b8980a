// What a real daemon answers, while it measures, against schema/openapi.json: no field and no route that is not
// described. And orders over TCP, from the token to the audit trail.
#include "daemon/http/routes.h"
#include "daemon/http/tokens.h"
#include "tests/daemon/openapi.h"
#include "tests/scenario/bench.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

/// One request over TCP as curl sends it; the whole answer.
std::string over_tcp(const Bench& bench, const std::string& words) {
  const auto out = (bench.folder() / "answer").string();
  const auto command = fmt::format("curl -s -i -o '{}' --max-time 10 {}", out, words);
  REQUIRE(std::system(command.c_str()) == 0);
  return contents(out);
}

std::string target_of(std::string_view route, const std::string& run) {
  std::string target(route.substr(route.find(' ') + 1));
  const auto put = [&](std::string_view place, std::string_view value) {
    if (const auto at = target.find(place); at != target.npos) target.replace(at, place.size(), value);
  };
  put("{run}", run);
  put("{study}/{file}", "coatings/report.html");
  put("{study}", "coatings");
  put("{format}", "executed");
  put("{file}", target.starts_with("/dygraphs") ? "dygraph.min.js" : "app.js");
  return target;
}

}  // namespace

TEST_CASE("everything that a daemon answers while it measures is described") {
  Bench bench(
      {.stations = 2,
       .time_scale = 300,
       .extra = "[[study]]\nid = \"coatings\"\ntitle = \"Coatings\"\nmaterials = [\"ncm-uncoated\"]\n"});
  bench.recipe("long", short_recipe(36000, 3000));
  bench.start();
  const auto run = bench.run("long"), tripped = bench.run("long", "A2");
  bench.until_step(0);
  bench.until_step(0, "A2");
  bench.sim("press A2 leak:rate=2");
  bench.until_state("tripped", "A2");
  CHECK(bench.order(run, "pause").empty());
  until("the order is in the audit trail", [&] { return !bench.reader().audit().empty(); });
  const openapi::Document document;
  int described = 0;
  for (const auto& route : document.routes()) {
    if (!route.starts_with("GET ") || route.ends_with("/stream")) continue;
    for (const std::string& query :
         route.ends_with("/series")
             ? std::vector<std::string>{"?run=" + run, "?station=A1&format=columns&max_points=20"}
         : route.ends_with("/pressures") || route.ends_with("/capacities")
             ? std::vector<std::string>{"?run=" + run}
             : std::vector<std::string>{""}) {
      const auto target = target_of(route, run) + query;
      const auto reply = bench.get(target);
      const bool no_scores_yet = target.find("/coatings/") != target.npos;
      CHECK_MESSAGE(reply.status == (no_scores_yet ? 404 : 200), target);
      for (const auto& complaint : document.complaints(route, reply.status, reply.content_type, reply.body))
        FAIL_CHECK(complaint);
      ++described;
    }
  }
  CHECK(described > 20);
  CHECK(bench.get("/api/v1/openapi.json").body == contents(CAMBENCH_SOURCE "/schema/openapi.json"));
}

TEST_CASE("an order over TCP goes from a token to the run and into the audit trail") {
  Bench bench;
  bench.recipe("long", short_recipe(36000, 3000));
  bench.start();
  const auto run = bench.run("long");
  bench.until_step(0);
  const auto tokens = bench.folder() / "state" / "tokens";
  const auto anna = *http::add_token(tokens, "anna", http::Role::operates);
  const auto wall = *http::add_token(tokens, "wall", http::Role::viewer);
  const auto order = [&](const std::string& what, const std::string& token) {
    const auto said = over_tcp(
        bench, fmt::format("-X POST -H 'Content-Type: application/json' -H 'Authorization: Bearer {}' -d "
                           "'{{\"reason\":\"the test says so\"}}' http://{}/api/v1/runs/{}/{}",
                           token, bench.tcp_place(), run, what));
    return said.substr(9, 3);
  };
  CHECK(order("pause", "cb_" + std::string(64, '0')) == "401");
  CHECK(order("pause", wall) == "403");
  CHECK(bench.where().state == "running");
  CHECK(order("pause", anna) == "200");
  bench.until_state("held");
  CHECK_FALSE(bench.cell_is_on());
  CHECK(order("reset", anna) == "403");
  const auto trail = [&] {
    std::vector<std::string> acts;
    for (const auto& [id, act] : bench.reader().audit())
      acts.push_back(act.act + ' ' + act.who + ": " + act.outcome.substr(0, 7));
    std::ranges::reverse(acts);
    return acts;
  };
  until("the acts are recorded", [&] { return trail().back().starts_with("reset"); });
  auto acts = trail();
  acts.erase(acts.begin(), acts.end() - 3);
  CHECK(acts == std::vector<std::string>{"pause wall (token wall, viewer, 127.0.0.1): refused",
                                         "pause anna (token anna, operator, 127.0.0.1): granted",
                                         "reset anna (token anna, operator, 127.0.0.1): refused"});
}

TEST_CASE("a cell that is put can be run at once and after a restart, and is not changed under its run") {
  Bench bench;
  bench.recipe("long", short_recipe(36000, 3000));
  bench.start();
  const auto tokens = bench.folder() / "state" / "tokens";
  const auto anna = *http::add_token(tokens, "anna", http::Role::operates);
  const auto edit = [&](const std::string& method, const std::string& target, const std::string& body) {
    const auto said =
        over_tcp(bench, fmt::format("-X {} -H 'Content-Type: application/json' -H 'Authorization: Bearer "
                                    "{}' -d '{}' http://{}/api/v1/{}",
                                    method, anna, body, bench.tcp_place(), target));
    return said.substr(9, 3);
  };
  const std::string cell =
      R"({"material":"ncm-uncoated","electrodes":3,"composite_mg":12,"cam_fraction":0.67,)"
      R"("area_cm2":0.7854,"reference_vs_li_V":0.31,"reference_note":"assumed"})";
  CHECK(edit("PUT", "cells/R-new", cell) == "200");
  CHECK(edit("PUT", "cells/R-bad", R"({"material":"nothing"})") == "422");
  CHECK(edit("PUT", "cells/R-A1", cell) == "409");  // stands in the configuration
  CHECK(edit("PUT", "studies/coatings", R"({"materials":["ncm-uncoated"]})") == "403");  // an admin's
  bench.sim("mount A1 rate ncm-uncoated");
  const auto started =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"cell", "R-new"}, {"recipe", "long"}, {"who", "anna"}});
  REQUIRE_MESSAGE(started.status == 201, started.body);
  bench.until_step(0);
  CHECK(edit("DELETE", "cells/R-new", "") == "400");  // nobody said why
  CHECK(edit("DELETE", "cells/R-new?reason=broken", "") == "409");
  bench.kill();
  bench.start();
  CHECK(bench.get("/api/v1/cells").body.find("\"id\":\"R-new\"") != std::string::npos);
  bench.until_step(0);  // it was taken up again: its cell is as it was
  CHECK(bench.post("/api/v1/runs", {}).status == 400);
  const auto told = bench.get("/api/v1/audit").body;
  CHECK(told.find("\"act\":\"edit cell\",\"target\":\"R-new\"") != std::string::npos);
  CHECK(told.find("\"act\":\"remove cell\",\"target\":\"R-new\",\"reason\":\"broken\"") != std::string::npos);
}

TEST_CASE("a rate test that was made elsewhere is brought while the bench measures, once") {
  Bench bench;
  bench.recipe("long", short_recipe(36000, 3000));
  bench.start();
  const auto run = bench.run("long");
  bench.until_step(0);
  {
    std::ofstream file(bench.folder() / "rate.csv");
    file << "test_time,step_time,cycle_index,step_index,current,voltage\n";
    for (int i = 1; i <= 20'000; ++i)
      file << fmt::format("{0},{0},1,1,0.001,{1:.6f}\n", 10 * i, 3 + 1e-5 * i);
  }
  const auto brought = [&] {
    const auto command = fmt::format(
        "'{}' --json import '{}' --cell R-A1 --voltage-is we_vs_re --who anna --config '{}' > '{}' 2>&1",
        Bench::program("cambench"), (bench.folder() / "rate.csv").string(),
        (bench.folder() / "cambench.toml").string(), (bench.folder() / "said").string());
    return WEXITSTATUS(std::system(command.c_str()));
  };
  const auto said = [&] { return contents(bench.folder() / "said"); };
  CHECK_MESSAGE(brought() == 0, said());
  const auto id = std::string(boost::json::parse(said()).at("run").as_string());
  CHECK(bench.reader().run(id)->phase == "finished");
  CHECK(bench.reader().last_seq(id) == 20'000);
  CHECK(bench.reader().audit(1).at(0).row.act == "import");
  CHECK(bench.where().state == "running");
  CHECK(brought() == 1);
  CHECK_MESSAGE(said().find("in the store already: run " + id) != std::string::npos, said());
  for (const auto& event : bench.reader().events_of(run)) CHECK(event.row.kind != "gap");
}

TEST_CASE("a stream tells of a run's steps as they happen, and goes on after the last one seen") {
  Bench bench({.stations = 1, .time_scale = 1000, .extra = {}});
  bench.recipe("short", short_recipe(600, 300));
  bench.start();
  const auto heard = bench.folder() / "heard";
  Process curl(
      {"/usr/bin/curl", "-s", "-N", fmt::format("http://{}/api/v1/events/stream?since=0", bench.tcp_place())},
      heard);
  bench.run("short");
  until("the stream tells that the run is finished",
        [&] { return contents(heard).find("\"kind\":\"finished\"") != std::string::npos; });
  const auto said = contents(heard);
  const auto at = [&](std::string_view what) { return said.find(what); };
  CHECK(at("event: status\ndata: {\"revision\":") != said.npos);
  CHECK(at("\"kind\":\"started\"") < at("\"kind\":\"step_began\""));
  CHECK(at("\"kind\":\"step_began\"") < at("\"kind\":\"step_ended\""));
  CHECK(at("\"kind\":\"step_ended\"") < at("\"kind\":\"finished\""));
  CHECK(at("id: 1\n") < at("id: 2\n"));
  curl.end(SIGTERM);
}
