// The daemon dies and comes back; the instruments went on, or did not.
#include "daemon/store/verify.h"
#include "tests/scenario/bench.h"
#include "tests/scenario/hook.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

using namespace cambench;
using namespace cambench::scenario;

namespace {

constexpr double scale = 600;

/// No sample twice, none out of order, none missing (a row at least every 10 s), and the run's own clock never jumps ahead
/// of the instrument's.
void check_continuous(const std::vector<store::SampleRow>& rows) {
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto &now = rows[i], &before = rows[i - 1];
    CHECK(now.seq > before.seq);
    CHECK(now.test_time >= before.test_time);
    CHECK(now.sample.at.wall >= before.sample.at.wall);
    if (now.sample.step != before.sample.step) continue;
    const Seconds passed = now.sample.step_time - before.sample.step_time;
    CHECK(passed > Seconds{0});
    CHECK(passed < Seconds(10.9));
    CHECK(std::abs((now.test_time - before.test_time - passed).count()) < 0.5);
  }
}

std::size_t late(const std::vector<store::SampleRow>& rows) {
  return static_cast<std::size_t>(std::ranges::count_if(
      rows, [](const store::SampleRow& row) { return (row.sample.status & reading_status::late) != 0; }));
}

bool is_kept(const Bench& bench, const std::string& cause) {
  return std::ranges::any_of(bench.reader().alarms(),
                             [&](const auto& alarm) { return alarm.row.cause == cause; });
}

/// Of a cause that was raised once: whether it is over, as the store has it.
bool is_over(const Bench& bench, const std::string& cause) {
  const auto alarms = bench.reader().alarms();
  const auto found =
      std::ranges::find_if(alarms, [&](const auto& alarm) { return alarm.row.cause == cause; });
  REQUIRE(found != alarms.end());
  return found->cleared.has_value();
}

/// Somebody weighed the cell again: a run on it cannot be taken up.
void weigh_again(const Bench& bench) {
  std::string text = contents(bench.configuration());
  text.replace(text.find("composite_mg = 12.0"), 19, "composite_mg = 11.0");
  std::ofstream(bench.configuration()) << text;
}

/// What the cell has really been charged with since it was mounted, at the most.
double charged_Ah(const std::vector<Truth>& truth) {
  double most = 0;
  for (const Truth& row : truth) most = std::max(most, row.charge_Ah);
  return most - truth.front().charge_Ah;
}

}  // namespace

TEST_CASE("a daemon that was killed in a charge finds its program again and loses nothing") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(1200, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  bench.kill();
  CHECK(bench.cell_is_on());
  bench.start();
  CHECK(bench.where().step == 0);
  until("the gap is recorded", [&] { return bench.happened(run, "gap"); });
  CHECK(bench.where().state == "running");
  CHECK(bench.cell_is_on());
  bench.until_state("finished");

  const auto rows = bench.samples(run);
  check_continuous(rows);
  const auto steps = bench.reader().steps(run);
  REQUIRE(steps.size() == 3);
  for (const auto& step : steps) CHECK(step.end_reason == "planned");
  CHECK(std::abs(steps[0].summary.duration_s - 1200) <= 1.5);
  CHECK(late(rows) > 0);
  const auto truth = bench.truth_with_cell_off();
  const double deviation = steps[0].summary.charge.charge_Ah / charged_Ah(truth) - 1;
  MESSAGE(fmt::format("{} rows were fetched; the charge is {:+.4f} % off", late(rows), 100 * deviation));
  CHECK(std::abs(deviation) < 1e-3);
  CHECK(truth.back().switches == 4);  // on and off for the charge, on and off for the discharge
}

TEST_CASE("a daemon that comes back to a running charge watches the pressure again at once") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.kill();
  bench.start();
  until("the gap is recorded", [&] { return bench.happened(run, "gap"); });
  bench.sim("press A1 burst");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(run, "tripped pressure_lost"), bench.where().why);
  CHECK_FALSE(bench.truth_with_cell_off().back().cell_on);
}

TEST_CASE("a daemon that was killed in a rest goes on with it and then with the next step") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(300, 900));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(1);
  bench.kill();
  CHECK_FALSE(bench.cell_is_on());
  bench.start();
  bench.until_state("finished");
  const auto rows = bench.samples(run);
  check_continuous(rows);
  CHECK(bench.happened(run, "gap"));
  const auto steps = bench.reader().steps(run);
  REQUIRE(steps.size() == 3);
  CHECK(std::abs(steps[1].summary.duration_s - 900) < 0.1);
  for (const auto& step : steps) CHECK(step.end_reason == "planned");
}

TEST_CASE(
    "a daemon that comes back an hour after its charge ended has every row, and goes on from the true end") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(600, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  bench.kill();
  until("the instrument ends the charge by itself", [&] { return !bench.cell_is_on(); });
  const double ended_s = bench.truth_with_cell_off().back().instrument_s;
  until("an hour has passed", [&] { return bench.truth().back().instrument_s > ended_s + 3600; });
  bench.start();
  bench.until_state("finished");
  CHECK(bench.happened(run, "gap"));
  const auto rows = bench.samples(run);
  check_continuous(rows);
  const auto steps = bench.reader().steps(run);
  REQUIRE(steps.size() == 3);
  for (const auto& step : steps) CHECK(step.end_reason == "planned");
  CHECK(std::abs(steps[0].summary.duration_s - 600) < 0.1);
  const auto truth = bench.truth_with_cell_off();
  const double deviation = steps[0].summary.charge.charge_Ah / charged_Ah(truth) - 1;
  MESSAGE(fmt::format("{} rows were fetched; the charge is {:+.4f} % off", late(rows), 100 * deviation));
  CHECK(std::abs(deviation) < 1e-3);
  CHECK(truth.back().switches == 4);
}

TEST_CASE("a daemon that is killed three times in a charge has every row of it once") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(2400, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  for (int times = 0; times < 3; ++times) {
    bench.kill();
    const double killed_s = bench.truth().back().instrument_s;
    until("two minutes have passed", [&] { return bench.truth().back().instrument_s > killed_s + 120; });
    bench.start();
    until("it is listened to again",
          [&] { return bench.station().contains("run") && bench.where().step == 0; });
  }
  bench.until_step(1);
  const auto rows = bench.samples(run);
  check_continuous(rows);
  CHECK(bench.reader().steps(run).at(0).end_reason == "planned");
}

TEST_CASE("rows that are fetched after a trip and a restart are as far apart as they were measured") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("fault A1 link");
  const auto heard = bench.samples(run).size();
  bench.sim("press A1 burst");
  bench.until_state("tripped");  // recorded later than all that was heard of the cell
  const double tripped_s = bench.truth().back().instrument_s;
  until("a minute has passed", [&] { return bench.truth().back().instrument_s > tripped_s + 60; });
  bench.kill();
  bench.sim("clear A1");
  bench.start();
  until("its rows are fetched", [&] { return bench.samples(run).size() > heard + 3; });
  until("the cell is open", [&] { return !bench.cell_is_on(); });
  check_continuous(bench.samples(run));
}

TEST_CASE(
    "a charge that ended while nobody listened, without a storage, is held for a person with the cell open") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(600, 300));
  bench.sim("fault A1 no_card");
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  bench.kill();
  until("the instrument ends the charge by itself", [&] { return !bench.cell_is_on(); });
  bench.start();
  bench.until_state("held");
  CHECK(bench.happened(run, "gap"));
  CHECK(bench.where().step == 0);
  const auto truth = bench.truth_with_cell_off();
  CHECK(truth.back().switches == 2);  // never on again
  CHECK(std::abs(truth.back().pressure_MPa - 50) < 2.5);
  const auto alarms = bench.alarms();
  CHECK(std::ranges::count(alarms, "interrupted") == 1);
}

TEST_CASE("a step that is paused twice keeps one clock, also for what is heard until the cell is open") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(1200, 300));
  bench.start();
  const std::string run = bench.run("short");
  for (int time = 0; time < 2; ++time) {
    bench.until_step(0, "A1", 30 * (time + 1));
    REQUIRE(bench.order(run, "pause").empty());
    bench.until_state("held");
    until("it is resumed, the cell open and confirmed", [&] { return bench.order(run, "resume").empty(); });
  }
  bench.until_state("finished");
  const auto rows = bench.samples(run);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].sample.step != rows[i - 1].sample.step) continue;
    // What the first program did beyond the recorded pause is done again by the second one; it does not begin anew.
    CHECK(rows[i].sample.step_time > 0.5 * rows[i - 1].sample.step_time);
  }
  const auto seen = store::verify(bench.database());
  CHECK_MESSAGE(seen.breaches.empty(), seen.breaches.at(0).what);
}

TEST_CASE("a run goes on as it was started, whatever became of its recipe file") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(1200, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  bench.kill();
  bench.recipe("short", "this is no recipe any more");
  bench.start();
  bench.until_state("finished");
  CHECK(bench.reader().steps(run).size() == 3);
}

TEST_CASE("a pressing that was interrupted waits for a person, on a station with nothing but a press") {
  Bench bench({.time_scale = scale});
  std::string text = contents(bench.configuration());
  const auto from = text.find("  [station.potentiostat]"), to = text.find("  [station.press]");
  text.erase(from, to - from);
  std::ofstream(bench.configuration()) << text;
  bench.start();
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"recipe", "pelletise"}, {"who", "anna"}});
  REQUIRE(reply.status == 201);
  bench.until_state("running");
  bench.kill();
  bench.start();
  bench.until_state("held");
  const std::string run = bench.where().run;
  CHECK(bench.order(run, "resume").empty());
  bench.until_state("finished");
  CHECK(bench.happened(run, "gap"));
  CHECK(bench.happened(run, "step_ended planned"));
}

TEST_CASE("a pressing that was interrupted waits for a person, also while the potentiostat is switched off") {
  Bench bench({.time_scale = 50});
  bench.start();
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"recipe", "pelletise"}, {"who", "anna"}});
  REQUIRE(reply.status == 201);
  bench.until_state("running");
  bench.kill();
  bench.sim("fault A1 link");
  bench.start();
  bench.until_state("held");
  CHECK(bench.order(bench.where().run, "resume").empty());
  bench.until_state("finished");
}

TEST_CASE("a trip is still latched after the daemon was killed") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("press A1 burst");
  bench.until_state("tripped");
  bench.kill();
  bench.start();
  CHECK(bench.where().state == "tripped");
  CHECK(bench.where().why.starts_with("pressure_lost"));
  CHECK(bench.order(run, "resume").find("only a held run") != std::string::npos);
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}

TEST_CASE("a run that nobody can go on with has its cell opened, and people are told") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.kill();
  CHECK(bench.cell_is_on());
  weigh_again(bench);
  bench.start();
  until("the cell is opened", [&] { return !bench.cell_is_on(); });
  until("the run is given up", [&] { return bench.reader().run(run)->phase == "aborted"; });
  CHECK(bench.reader().alarms().at(0).row.cause == "run_abandoned");
  CHECK(bench.reader().unfinished_runs().empty());
}

TEST_CASE("people hear a firing run_abandoned, which is over once the next run begins on its station") {
  const Hook hook;
  Bench bench({.time_scale = scale, .extra = "[alarms]\ngroup_s = 0.2\n" + webhook(hook)});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  bench.run("long");
  bench.until_step(0);
  bench.kill();
  weigh_again(bench);
  bench.start();
  until(
      "people are told", [&] { return hook.heard_of("run_abandoned", "firing"); },
      [&] { return bench.log(); });
  CHECK_FALSE(is_over(bench, "run_abandoned"));
  until("the cell is opened", [&] { return !bench.cell_is_on(); });
  until("the next run is started", [&] { return bench.refusal("long", "A1").empty(); });
  until("people hear that it is over", [&] { return hook.heard_of("run_abandoned", "resolved"); });
}

TEST_CASE("a given-up cell whose first opening fails is told again, and people are told") {
  Bench bench({.time_scale = 50});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  bench.run("long");
  bench.until_step(0);
  bench.kill();
  weigh_again(bench);
  bench.sim("fault A1 slow_z s=10");
  bench.start();
  until(
      "people are told", [&] { return std::ranges::count(bench.alarms(), "cell_not_open") == 1; },
      [&] { return bench.log(); });
  until(
      "the cell is opened", [&] { return !bench.cell_is_on(); }, [&] { return bench.log(); });
  until("its alarm is over", [&] { return is_over(bench, "cell_not_open"); });
}

TEST_CASE("a run without a station is not said to be opened") {
  Bench bench({.stations = 2, .time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  bench.run("long", "A2");
  bench.until_step(0, "A2");
  bench.kill();
  std::string text = contents(bench.configuration());
  text.erase(text.rfind("[[station]]"));
  std::ofstream(bench.configuration()) << text;
  bench.start();
  const auto alarm = bench.reader().alarms().at(0);
  CHECK(alarm.row.cause == "run_abandoned");
  CHECK_MESSAGE(alarm.row.text.ends_with("nothing opens its cell but the limits in its instrument"),
                alarm.row.text);
  CHECK_FALSE(alarm.cleared.has_value());
}

namespace {

/// Aborted while its potentiostat cannot be reached. Its id.
std::string aborted_and_not_open(Bench& bench) {
  bench.recipe("long", short_recipe(3000, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("fault A1 link");
  REQUIRE(bench.order(run, "abort").empty());
  return run;
}

void opens_once_it_can_be_reached(Bench& bench) {
  bench.sim("clear A1");
  until(
      "the cell is opened", [&] { return !bench.cell_is_on(); }, [&] { return bench.log(); });
  until("its alarm is over", [&] { return is_over(bench, "cell_not_open"); });
}

}  // namespace

TEST_CASE("a cell that did not open before a restart is opened after it, and its alarm stands until then") {
  Bench bench({.time_scale = 50});
  aborted_and_not_open(bench);
  until("people are told, which is in the store", [&] { return is_kept(bench, "cell_not_open"); });
  bench.kill();
  bench.start();
  CHECK(bench.cell_is_on());
  CHECK_FALSE(is_over(bench, "cell_not_open"));
  CHECK(bench.refusal("long", "A1").find("has not answered") != std::string::npos);
  opens_once_it_can_be_reached(bench);
}

TEST_CASE(
    "a cell that does not open is told again also while the next pellet is pressed, and no cell is used "
    "before") {
  Bench bench({.time_scale = 50});
  const std::string run = aborted_and_not_open(bench);
  until("people are told", [&] { return std::ranges::count(bench.alarms(), "cell_not_open") == 1; });
  CHECK_MESSAGE(bench.refusal("long", "A1") == "the cell of " + run + " has not confirmed that it is open.",
                bench.refusal("long", "A1"));
  const auto pressing =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"recipe", "pelletise"}, {"who", "anna"}});
  CHECK(pressing.status == 201);
  CHECK_FALSE(is_over(bench, "cell_not_open"));
  opens_once_it_can_be_reached(bench);
}

TEST_CASE("a daemon that is told to stop ends at once and leaves the program to the instrument") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(3000, 300));
  bench.start();
  bench.run("long");
  bench.until_step(0);
  const auto told = std::chrono::steady_clock::now();
  CHECK(bench.daemon().end(SIGTERM) == 0);
  const Seconds took = std::chrono::steady_clock::now() - told;
  MESSAGE("SIGTERM: ended after ", took.count() * 1e3, " ms");
  CHECK(took < Seconds{5});
  CHECK(bench.cell_is_on());
  CHECK(bench.log().find("stopped") != std::string::npos);
}
