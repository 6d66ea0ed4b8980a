// The potentiostat is switched off, exchanged, or out of reach.
#include "tests/scenario/campaign.h"

#include <cmath>

using namespace cambench;
using namespace cambench::scenario;

namespace {

struct Running : Bench {
  std::string run_id;
  explicit Running(std::int64_t step, int charge_s = 1800, int rest_s = 900, double scale = 100)
      : Bench({.time_scale = scale, .extra = "[[alarm]]\ncause = \"potentiostat_link\"\non_s = 1\n"}) {
    recipe("long", short_recipe(charge_s, rest_s));
    start();
    run_id = run("long");
    until_step(step);
  }
};

}  // namespace

TEST_CASE("an instrument that lost its power in a charge is never polarised again by itself") {
  Running bench(0);
  bench.sim("fault A1 power_cycle for=0.3");
  until(
      "the daemon has seen it", [&] { return bench.happened(bench.run_id, "gap"); },
      [&] { return bench.log(); });
  until("the run has stopped",
        [&] { return bench.where().state == "held" || bench.where().state == "tripped"; });
  CHECK_FALSE(bench.cell_is_on());
  CHECK(bench.truth_with_cell_off().back().switches == 2);
  CHECK_FALSE(bench.happened(bench.run_id, "step_ended planned"));
}

TEST_CASE("an instrument that lost its power in a rest does not begin the next step by itself") {
  Running bench(1, 300, 3000, 300);
  bench.sim("fault A1 power_cycle for=0.3");
  until(
      "the daemon has seen it", [&] { return bench.happened(bench.run_id, "gap"); },
      [&] { return bench.log(); });
  bench.until_state("tripped");
  CHECK(bench.happened(bench.run_id, "tripped unknown_end"));
  CHECK_MESSAGE(bench.where().why.find("the supply was lost, or the program failed") != std::string::npos,
                bench.where().why);
  CHECK_FALSE(bench.cell_is_on());
  CHECK(bench.truth_with_cell_off().back().switches == 2);  // of the charge before
}

TEST_CASE(
    "an instrument of 3 V refuses the rate test before anything moves, and carries out what stays within "
    "it") {
  Bench bench({.stations = 1, .time_scale = 300, .models = {"MultiEmStat4 LR"}});
  std::string within = short_recipe(600, 100);
  const auto replace = [&](std::string_view what, std::string_view by) {
    within.replace(within.find(what), what.size(), by);
  };
  replace("until_voltage_V = 4.32", "until_voltage_V = 3.2");  // vs Li+/Li; 2.89 V against the reference
  replace("cell_max_V = 4.3", "cell_max_V = 2.95");
  replace("rate_C = 1.0", "rate_C = 0.02");
  replace("rate_C = -1.0", "rate_C = -0.02");
  bench.recipe("within", within);
  bench.start();
  CHECK_THROWS_WITH_AS(bench.run("rate-test-3e"), doctest::Contains("4.010 V is beyond 3 V"),
                       std::runtime_error);
  CHECK(bench.truth().back().switches == 0);
  const std::string run = bench.run("within");
  bench.until_state("finished");
  CHECK(bench.reader().steps(run).at(0).end_reason == "planned");
  CHECK(while_on(bench.truth_with_cell_off()).highest_V < 3);
}

TEST_CASE("a firmware whose full cell has the other sign is refused at rest, and nothing is polarised") {
  Bench bench({.time_scale = 300});
  bench.recipe("short", short_recipe(600, 100));
  bench.sim("settle A1 ag_is_ce_vs_we 1");
  bench.start();
  const std::string run = bench.run("short");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(run, "tripped ocv_window"), bench.where().why);
  CHECK(bench.reader().steps(run).empty());
  CHECK(bench.truth().back().switches == 0);
}

TEST_CASE("another instrument on the same port is refused and nothing is polarised") {
  Running bench(0);
  bench.sim("fault A1 serial value=ES4HR99B9999");
  bench.sim("fault A1 power_cycle for=0.3");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped wrong_instrument"), bench.where().why);
  CHECK(bench.where().why.find("ES4HR99B9999") != std::string::npos);
  CHECK_FALSE(bench.cell_is_on());
  const auto answer = bench.order(bench.run_id, "reset");
  CHECK_MESSAGE(answer.find("not confirmed") != std::string::npos, answer, '\n', bench.log());
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}

TEST_CASE("a pressing goes on while the potentiostat, which it does not use, is switched off and on") {
  Bench bench({.time_scale = 40});
  bench.start();
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"recipe", "pelletise"}, {"who", "anna"}});
  REQUIRE(reply.status == 201);
  bench.until_state("running");
  bench.sim("fault A1 power_cycle for=0.3");
  until(
      "the potentiostat is back", [&] { return bench.log().find("connection is back") != std::string::npos; },
      [&] { return bench.log(); });
  bench.until_state("finished");
  const std::string run = bench.where().run;
  CHECK_FALSE(bench.happened(run, "gap"));
  CHECK(bench.happened(run, "step_ended planned"));
}

TEST_CASE("a cable that is out for ten minutes costs no row, and the step goes on") {
  Running bench(0, 1500, 600, 300);
  bench.sim("fault A1 link for=2");
  until(
      "people are warned", [&] { return std::ranges::count(bench.alarms(), "potentiostat_link") == 1; },
      [&] { return bench.log(); });
  CHECK(bench.where().state == "running");
  CHECK(bench.cell_is_on());
  until(
      "the gap is recorded", [&] { return bench.happened(bench.run_id, "gap"); },
      [&] { return bench.log(); });
  CHECK(bench.where().state == "running");
  bench.until_step(1);
  const auto steps = bench.reader().steps(bench.run_id);
  REQUIRE(!steps.empty());
  CHECK(steps[0].end_reason == "planned");
  CHECK(std::abs(steps[0].summary.duration_s - 1500) < 0.1);
  CHECK(bench.truth_with_cell_off().back().switches == 2);
  Seconds last{-1};
  int late = 0;
  for (const auto& row : bench.samples(bench.run_id)) {
    if (row.sample.step != 0) break;
    CHECK(row.sample.step_time > last);
    if (last > Seconds{0}) CHECK(row.sample.step_time - last < Seconds(10.9));
    last = row.sample.step_time;
    if (row.sample.status & reading_status::late) ++late;
  }
  MESSAGE(late, " rows were fetched");
  CHECK(late >= 50);
}
