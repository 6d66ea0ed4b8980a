// Every row of the hazard table that a press can produce: the fault is injected at the wire, and the simulator's ground
// truth says what became of the cell. What must not trip stands here too.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("a pressure that is lost opens the cell on the second reading, and the press holds") {
  Charging bench;
  bench.expect_trip("press A1 burst", "pressure_lost");
  until("the press holds", [&] { return bench.press_says(", holds"); });
}

TEST_CASE("a sensor that stands still is not measuring") {
  Charging bench;
  SUBCASE("its counter stands") { bench.expect_trip("press A1 freeze:counter=1", "pressure_bad"); }
  SUBCASE("its counter counts, its value stays") { bench.expect_trip("press A1 freeze", "pressure_bad"); }
}

TEST_CASE("a sensor that is broken is not believed in any direction") {
  Charging bench;
  SUBCASE("it says so") { bench.expect_trip("press A1 sensor", "pressure_bad"); }
  SUBCASE("infinite") { bench.expect_trip("press A1 inf", "pressure_bad"); }
  CHECK(bench.order(bench.run_id, "reset").find("the cause stands") != std::string::npos);
}

TEST_CASE("a sensor that drifts out of the band opens the cell") {
  Charging bench;
  bench.expect_trip("press A1 drift:rate=0.02", "over_pressure");
}

TEST_CASE("a single reading that no press can have gone to is counted, shown and ignored") {
  Charging bench(1.0, "[[interlock]]\ncause = \"pressure_bad\"\njump_MPa_per_s = 2\n");  // experiment time
  for (int i = 1; i <= 3; ++i) {
    bench.sim("press A1 glitch:MPa=80");
    until(
        "the spike is counted", [&] { return bench.station().at("pressure_spikes").to_number<int>() == i; },
        [&] { return bench.where().why; });
    std::this_thread::sleep_for(
        1100ms);  // five good readings between two spikes: else they are a broken sensor
  }
  CHECK(bench.where().state == "running");
  CHECK(bench.cell_is_on());
}

TEST_CASE(
    "a controller that restarted has lost its set point: the cell opens and nothing goes on by itself") {
  Charging bench;
  bench.expect_trip("press A1 reboot", "pressure_bad");
  CHECK(bench.where().why.find("restarted") != std::string::npos);
  CHECK(bench.order(bench.run_id, "resume").find("only a held run") != std::string::npos);
}

TEST_CASE("a set point that somebody moved at the panel opens the cell, and nobody fights for it") {
  Charging bench;
  bench.expect_trip("press A1 panel 30", "pressure_bad");
  CHECK(bench.where().why.find("we ordered 50") != std::string::npos);
}

TEST_CASE("a press that goes away opens the cell") {
  Charging bench;
  SUBCASE("its connections are refused") {
    bench.sim("press A1 drop");
    bench.expect_trip("press A1 refuse", "press_stale");
  }
  SUBCASE("its answers are another transaction's") { bench.expect_trip("press A1 tid", "press_stale"); }
  SUBCASE("its answers are another unit's") { bench.expect_trip("press A1 unit", "press_stale"); }
  SUBCASE("it answers every question with an exception") {
    bench.expect_trip("press A1 exception:code=4", "press_stale");
  }
}

TEST_CASE("what a healthy network does to a press costs nothing") {
  Charging bench;
  const auto before = static_cast<int>(bench.samples(bench.run_id).size());
  SUBCASE("answers that come twice") { bench.sim("press A1 dup"); }
  SUBCASE("answers that come late") { bench.sim("press A1 delay:s=0.2"); }
  SUBCASE("a connection that is cut once") { bench.sim("press A1 drop"); }
  bench.until_step(0, "A1", before + 20);  // two seconds and more
  CHECK(bench.cell_is_on());
  CHECK(bench.where().state == "running");
}

TEST_CASE("a press that does not follow its ramp is stopped, and the cell is never polarised") {
  std::optional<Starting> bench;
  SUBCASE("its actuator is stuck") { bench.emplace("press A1 stuck"); }
  SUBCASE("it is far too slow") { bench.emplace("press A1 slow:factor=2000"); }
  bench->never_polarised("tripped");
  CHECK_MESSAGE(bench->happened(bench->run_id, "tripped press_not_following"), bench->where().why);
}

TEST_CASE("a set point that is lost or clipped is read back, and the cell is never polarised") {
  std::optional<Starting> bench;
  SUBCASE("forgotten") { bench.emplace("press A1 wignore"); }
  SUBCASE("clipped") { bench.emplace("press A1 wclip:max=20"); }
  SUBCASE("switched to local") { bench.emplace("press A1 local"); }
  bench->never_polarised("held");
}

TEST_CASE("a press with another word order than its map is never told to move") {
  Bench bench({.time_scale = scale});
  change_map(bench, "ABCD", "CDAB");
  bench.recipe("long", short_recipe(1800, 300, 1.0));
  bench.start();
  const auto began = std::chrono::steady_clock::now();
  bench.run("long");
  bench.until_state("held");
  const Seconds took = std::chrono::steady_clock::now() - began;
  MESSAGE("| wrong word order | ", took.count() * 1e3, " ms after the start | ", bench.where().why);
  CHECK_MESSAGE(bench.where().why.find("word order") != std::string::npos, bench.where().why);
  CHECK(bench.sim("state").find("press 0.00 MPa") != std::string::npos);
  CHECK_FALSE(bench.cell_is_on());
}

TEST_CASE("a cell that breathes in its band for two hours is left alone") {
  Bench bench({.time_scale = 2000});
  std::string text = short_recipe(60, 7200, 2.5);
  text.replace(text.find("cell_min_V"), 0, "we_min_V = 2.6\n");  // no discharge says how low it may go
  bench.recipe("rest", text.substr(0, text.rfind("[[method]]")));
  bench.start();
  const std::string run = bench.run("rest");
  bench.until_step(1, "A1", 1);
  bench.sim("press A1 breathe:amplitude=1.5");  // a quarter of a breath: the whole way up
  bench.until_state("finished");
  double highest = 0;
  for (const auto& reading : bench.reader().pressures_of_run(run, 1000))
    highest = std::max(highest, reading.pressure_MPa.value_or(0));
  MESSAGE("breathing: up to ", highest, " MPa in a band of 50 +- 2.5 MPa, no trip");
  CHECK(highest > 51);
}

TEST_CASE("a press that nobody feeds holds by its own watchdog") {
  Charging bench;
  bench.kill();
  until("the press's watchdog holds", [&] { return bench.press_says("holds, its watchdog expired"); });
  MESSAGE("| host dead | kill -9 | ", bench.wall_between("host connected", "host gone"), " s |");
  CHECK(bench.cell_is_on());  // its own limits guard it
}

TEST_CASE("a run that is taken up after its press's watchdog fired is regulated and watched again") {
  Charging bench;
  CHECK(bench.daemon().end(SIGTERM) == 0);
  until("the press's watchdog holds", [&] { return bench.press_says("holds, its watchdog expired"); });
  bench.start();
  until(
      "the press regulates, its watchdog armed",
      [&] { return bench.press_says(", runs") && !bench.press_says("watchdog expired"); },
      [&] { return bench.sim("state") + bench.log(); });
  CHECK(bench.where().state == "running");
  CHECK(bench.cell_is_on());
  CHECK(std::ranges::count(bench.alarms(), "press_watchdog") == 0);
}

TEST_CASE("the first cause is kept with what was measured before and after it, and with what followed") {
  Charging bench;
  bench.expect_trip("press A1 burst", "pressure_lost");
  bench.sim("press A1 nan");
  until("a consequence is listed", [&] { return bench.happened(bench.run_id, "consequence"); });
  const auto trips = bench.reader().trips(bench.run_id);
  REQUIRE(trips.size() == 1);
  CHECK(trips[0].row.cause == "pressure_lost");
  int before = 0, after = 0, samples = 0;
  bool consequence = false;
  for (const auto& reading : trips[0].readings) {
    CHECK(reading.offset >= Seconds{-10});
    CHECK(reading.offset <= Seconds{10});
    ++(reading.offset < Seconds{0} ? before : after);
    samples += reading.what == "sample";
    consequence = consequence || (reading.what == "event" && reading.text->starts_with("also pressure_bad"));
  }
  MESSAGE("first-out: ", before, " readings before, ", after, " after, ", samples,
          " of them samples of the cell");
  CHECK(before > 5);
  CHECK(after > 3);
  CHECK(samples > 3);
  CHECK(consequence);
}
