// A station whose potentiostat is a source-measure unit, through the real daemon: its buffer keeps what nobody heard.
#include <cmath>

#include "tests/scenario/campaign.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

struct Unit : Bench {
  explicit Unit(double scale = 300, std::string extra = {})
      : Bench({.stations = 0, .time_scale = scale, .extra = std::move(extra), .source_measure_units = 1}) {}
};

/// With a charge that runs.
struct Charging : Unit {
  std::string run_id;
  explicit Charging(int charge_s = 1500, double scale = 300) : Unit(scale) {
    recipe("short", short_recipe(charge_s, 300));
    start();
    run_id = run("short");
    until_step(0);
  }
  [[nodiscard]] long switches() { return truth_with_cell_off().back().switches; }
};

/// Every row of every step once and in order, and no pause longer than the recipe's rows are apart.
void check_complete(const std::vector<store::SampleRow>& rows) {
  REQUIRE(!rows.empty());
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto &now = rows[i], &before = rows[i - 1];
    CHECK(now.seq == before.seq + 1);
    if (now.sample.step != before.sample.step) {
      CHECK(now.sample.step_time == Seconds{0});
      continue;
    }
    const Seconds pause = now.sample.step_time - before.sample.step_time;
    CHECK(pause > Seconds{0});
    CHECK(pause < Seconds{12});  // a row every 10 s, on a grid of one second
  }
}

/// Charge in the store and in the truth, of the step that ended at the highest state of charge.
void check_charge(const Bench& bench, const std::string& run, const std::vector<Truth>& truth,
                  double within) {
  double charged_Ah = 0;
  for (const Truth& row : truth) charged_Ah = std::max(charged_Ah, row.charge_Ah);
  const double stored_Ah = bench.reader().steps(run).at(0).summary.charge.charge_Ah;
  MESSAGE("charge: ", stored_Ah * 1e3, " mAh stored, ", charged_Ah * 1e3, " mAh true");
  CHECK(std::abs(stored_Ah / charged_Ah - 1) < within);
}

}  // namespace

TEST_CASE("a source-measure unit carries a charge, a rest and a discharge, and its coulombs are the cell's") {
  Unit bench;
  bench.recipe("short", short_recipe(1500, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_state("finished");
  const auto steps = bench.reader().steps(run);
  REQUIRE(steps.size() == 3);
  for (const auto& step : steps) CHECK(step.end_reason == "planned");
  check_complete(bench.samples(run));
  check_charge(bench, run, bench.truth_with_cell_off(), 1e-3);
  const auto seen = bench.truth_with_cell_off();
  CHECK_FALSE(bench.cell_is_on());
  for (const Truth& row : seen) CHECK((row.cell_on || std::abs(row.current_A) < 1e-9));
}

TEST_CASE("a daemon that was killed in a charge of a source-measure unit loses no row and has none twice") {
  Charging bench;
  bench.kill();
  CHECK(bench.cell_is_on());
  bench.start();
  CHECK(bench.where().step == 0);
  bench.until_state("finished");
  CHECK(bench.happened(bench.run_id, "gap"));  // told, although nothing is missing
  check_complete(bench.samples(bench.run_id));
  check_charge(bench, bench.run_id, bench.truth_with_cell_off(), 1e-3);
}

TEST_CASE(
    "a charge that ended while the daemon was dead is told with all its rows, and the run goes on by "
    "itself") {
  Charging bench(900);
  bench.kill();
  until("the instrument ends the charge by itself", [&] { return !bench.cell_is_on(); });
  bench.start();
  bench.until_state("finished");
  const auto steps = bench.reader().steps(bench.run_id);
  REQUIRE(steps.size() == 3);
  for (const auto& step : steps) CHECK(step.end_reason == "planned");
  check_complete(bench.samples(bench.run_id));
  check_charge(bench, bench.run_id, bench.truth_with_cell_off(), 1e-3);
}

TEST_CASE("a session that a killed daemon left behind is ended by the dead-socket port") {
  Charging bench;
  bench.sim("fault A1 hangs");
  bench.kill();
  bench.start();
  until(
      "the daemon is back", [&] { return bench.happened(bench.run_id, "gap"); }, [&] { return bench.log(); });
  CHECK(contents(bench.folder() / "sim.log").find("dead-socket port opened") != std::string::npos);
  bench.until_state("finished");
  check_complete(bench.samples(bench.run_id));
}

TEST_CASE("a connection that ends within an answer, half an answer and another host cost no row") {
  Charging bench;
  std::string fault;
  SUBCASE("ends") { fault = "drop_data"; }
  SUBCASE("half an answer") { fault = "half_reply"; }
  SUBCASE("another host takes the session") { fault = "second_client"; }
  bench.sim("fault A1 " + fault);
  until(
      "the daemon has lost and found it", [&] { return bench.happened(bench.run_id, "gap"); },
      [&] { return bench.log(); });
  bench.until_state("finished");
  check_complete(bench.samples(bench.run_id));
}

TEST_CASE("rows of an aborted run that come after the next one began are not the next one's") {
  Charging bench(3000, 100);
  bench.sim("fault A1 link");
  const auto heard = bench.samples(bench.run_id).size();
  REQUIRE(bench.order(bench.run_id, "abort").empty());
  until("people are told", [&] { return std::ranges::count(bench.alarms(), "cell_not_open") == 1; });
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"recipe", "pelletise"}, {"who", "anna"}});
  REQUIRE(reply.status == 201);
  const auto next = boost::json::value_to<std::string>(boost::json::parse(reply.body).at("run"));
  bench.sim("clear A1");
  until(
      "the cell is opened", [&] { return !bench.cell_is_on(); }, [&] { return bench.log(); });
  until(
      "the aborted run has its rows", [&] { return bench.samples(bench.run_id).size() > heard + 10; },
      [&] { return fmt::format("{} have {}", next, bench.samples(next).size()); });
  CHECK(bench.samples(next).empty());
  check_complete(bench.samples(bench.run_id));
}

TEST_CASE("another source-measure unit at the address is refused and nothing is polarised") {
  Charging bench;
  std::string fault, says;
  SUBCASE("another serial number") { fault = "serial value=04499999", says = "04499999"; }
  SUBCASE("another language") { fault = "language value=TSP", says = "TSP"; }
  bench.sim("fault A1 " + fault);
  bench.sim("fault A1 link for=0.3");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped wrong_instrument"), bench.where().why);
  CHECK(bench.where().why.find(says) != std::string::npos);
  CHECK(bench.order(bench.run_id, "reset").find("not confirmed") != std::string::npos);
}

TEST_CASE("a source-measure unit that lost its power in a charge is never polarised again by itself") {
  Charging bench;
  bench.sim("fault A1 power_cycle for=0.3");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped power_cycled"), bench.where().why);
  until("high impedance is set", [&] { return bench.truth_with_cell_off().back().current_A == 0; });
  CHECK_FALSE(bench.cell_is_on());
  CHECK(bench.switches() == 4);  // on and off for the look at the potential, on and off for the charge
}

TEST_CASE("swapped leads are noticed at rest and the cell is never polarised") {
  Unit bench;
  bench.sim("fault A1 swapped");
  bench.recipe("short", short_recipe(1500, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_state("held");
  CHECK_MESSAGE(bench.where().why.find("swapped") != std::string::npos, bench.where().why);
  CHECK(bench.reader().steps(run).empty());
  CHECK(bench.truth_with_cell_off().back().charge_Ah == 0);
}

TEST_CASE("an output that goes off by itself trips, and the event log's words are told") {
  Charging bench;
  bench.sim("fault A1 interlock");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped unknown_end"), bench.where().why);
  CHECK_MESSAGE(bench.where().why.find("interlock or over-temperature") != std::string::npos,
                bench.where().why);
  CHECK_FALSE(bench.cell_is_on());
}

TEST_CASE("an output protection that trips is a guard") {
  Charging bench;
  std::string fault;
  SUBCASE("by itself") { fault = "protection"; }
  SUBCASE("because a sense lead is off and reads nothing") { fault = "sense_open"; }
  SUBCASE("because a sense lead is off and reads the rail") { fault = "sense_open rails=1"; }
  bench.sim("fault A1 " + fault);
  bench.until_state("tripped");
  const bool told = bench.happened(bench.run_id, "tripped guard_on_board") ||
                    bench.happened(bench.run_id, "tripped potential_guard");  // whoever sees it first
  CHECK_MESSAGE(told, bench.where().why);
  CHECK_FALSE(bench.cell_is_on());
  CHECK(while_on(bench.truth_with_cell_off()).highest_V < 5.0);
}

TEST_CASE("a buffer that takes no more rows is silence, and silence trips") {
  Charging bench(1500, 100);
  bench.sim("fault A1 buffer_full");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped potentiostat_silent"), bench.where().why);
  CHECK_FALSE(bench.cell_is_on());
}

TEST_CASE(
    "a conversation that is recorded holds every step, both ways, and goes on in the same file after a "
    "kill") {
  Unit bench;
  std::string text = contents(bench.configuration());
  text.replace(text.find("driver = \"keithley\""), 0, "record = true\n  ");
  std::ofstream(bench.configuration()) << text;
  bench.recipe("short", short_recipe(900, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_step(0);
  bench.kill();
  bench.start();
  bench.until_state("finished");
  const std::string wire = contents(bench.folder() / "state" / "wire" / "A1.log");
  const auto count = [&](std::string_view what) {
    std::size_t found = 0;
    for (auto at = wire.find(what); at != std::string::npos; at = wire.find(what, at + 1)) ++found;
    return found;
  };
  CHECK(count("# who: cambenchd") == 2);
  CHECK(count("\n> :INIT\n") == 3);
  CHECK(count("\n> *IDN?\n") >= 2);
  CHECK(count("\n< KEITHLEY INSTRUMENTS,MODEL 2450,04400001,1.7.12b\n") == count("\n> *IDN?\n"));
  CHECK(count("\n> :TRAC:DATA? 1,") >= 3);  // of three steps, and once more when the charge was interrupted
  MESSAGE("recorded: ", wire.size() / 1024, " KiB for half an hour of the experiment");
}
