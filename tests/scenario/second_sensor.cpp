// A sensor that drifts shows nothing by itself: a second one does. The press's own sensor believes that all is well, the load
// cell under the die knows the truth.
#include <cmath>

#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

/// The press of A1 with the load cell under its die as a second sensor; disagreement trips after two seconds, not thirty.
struct TwoSensors : Bench {
  std::string run_id;

  explicit TwoSensors(const std::string& more = {})
      : Bench({.time_scale = scale,
               .extra = "[[interlock]]\ncause = \"sensors_disagree\"\nfor_s = 2\n"
                        "[[alarm]]\ncause = \"gauge_silent\"\non_s = 1\noff_s = 1\n"}) {
    std::string text = contents(configuration());
    const auto port =
        text.substr(text.rfind("tcp://"), text.find('"', text.rfind("tcp://")) - text.rfind("tcp://"));
    std::ofstream(configuration())
        << text
        << fmt::format(
               "  [station.gauge]\n  driver = \"modbus\"\n  port = \"{}\"\n  unit = 2\n"
               "  map = \"laumas-tlb\"\n  simulated = true\n{}",
               port, more);
    recipe("long", short_recipe(1800, 300, 20));  // a wide band: the press's own sensor never leaves it
    start();
    run_id = run("long");
    until_step(0);
  }
  void warned_of(const std::string& cause) {
    until(
        "people are warned of " + cause, [&] { return std::ranges::count(alarms(), cause) == 1; },
        [&] { return log(); });
  }
  Truth open_for_good() {
    const auto rows = truth_with_cell_off();
    CHECK_FALSE(cell_is_on());
    CHECK(rows.back().current_A == 0);
    CHECK(rows.back().switches == 2);
    return rows.back();
  }
};

double highest(const std::vector<store::PressurePoint>& points) {
  double most = 0;
  for (const auto& point : points) most = std::max(most, point.pressure_max_MPa.value_or(0));
  return most;
}

}  // namespace

TEST_CASE(
    "a sensor that drifts away from the second one is told, and then the cell is opened and the press held") {
  TwoSensors bench;
  CHECK(std::abs(bench.station().at("pressure_second_MPa").as_double() - 50) < 0.5);
  CHECK(bench.station().at("gauge").at("up").as_bool());
  CHECK(bench.alarms().empty());
  const auto began = std::chrono::steady_clock::now();
  const auto since = [&] { return Seconds(std::chrono::steady_clock::now() - began).count() * 1e3; };
  bench.sim("press A1 drift:rate=0.009");  // at once as far as it would be by now, 0.9 MPa more each second
  bench.warned_of("sensors_differ");
  CHECK(bench.cell_is_on());
  CHECK(bench.where().state == "running");
  const double warned_ms = since();
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped sensors_disagree"), bench.where().why);
  const Truth opened = bench.open_for_good();
  CHECK(std::abs(opened.pressure_MPa - 50) < 0.5);  // all the time, whatever the press's sensor said
  MESSAGE("| sensors_disagree | press A1 drift | people warned after ", warned_ms, " ms, cell open after ",
          bench.wall_between("press A1 drift", "script ended") * 1e3, ", press held after ",
          bench.wall_between("press A1 drift", "press holds") * 1e3, " | ", bench.where().why);
  auto reader = bench.reader();
  const auto of_press = reader.pressures_of_run(bench.run_id, 10'000),
             of_second = reader.pressures_of_run(bench.run_id, 10'000, store::Reader::Sensor::second);
  CHECK(highest(of_press) > 51.5);
  CHECK(highest(of_second) < 51);
  CHECK(bench.order(bench.run_id, "reset").find("the cause stands") != std::string::npos);
  bench.sim("press A1 clear");
  until("the reset is granted", [&] { return bench.order(bench.run_id, "reset").empty(); });
}

TEST_CASE("a second sensor that falls silent is told, and opens the cell only where it is needed") {
  SUBCASE("people are told, and the press's own sensor guards on") {
    TwoSensors bench;
    bench.sim("gauge A1 silent");
    bench.warned_of("gauge_silent");
    std::this_thread::sleep_for(2500ms);  // longer than a disagreement may last
    CHECK(bench.cell_is_on());
    CHECK(bench.where().state == "running");
    bench.sim("gauge A1 clear");
    until("it is heard again", [&] { return bench.station().at("gauge").at("up").as_bool(); });
    until("the warning's cause is gone", [&] { return bench.reader().alarms().back().cleared.has_value(); });
  }
  SUBCASE("it is needed") {
    TwoSensors bench("  needed = true\n");
    bench.sim("gauge A1 broken");
    bench.until_state("tripped");
    CHECK_MESSAGE(bench.happened(bench.run_id, "tripped sensors_disagree"), bench.where().why);
    bench.open_for_good();
    MESSAGE("| sensors_disagree | gauge A1 broken | ",
            bench.wall_between("gauge A1 broken", "script ended") * 1e3, " ms | ", bench.where().why);
  }
}
