// A press that releases slowly, as real ones do: its own watchdog, a person or the end of the daemon must not close it
// half-way, and nobody may take it for an open one before it is down.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

constexpr std::string_view disarms = "disarm = [{ item = \"watchdog_ms\", value = 0 }]",
                           pressing =
                               "title = \"Pressing\"\n[[method]]\nstep = \"press\"\npressure_MPa = 40\n"
                               "until_time_s = 20\n";

/// 40 MPa that take 4 s to release, four times what the press's watchdog waits.
struct Releasing : Bench {
  explicit Releasing(const std::function<void(const Bench&)>& prepare = [](const Bench&) {})
      : Bench({.time_scale = scale}) {
    recipe("pressing", std::string(pressing));
    change_map(*this, "value = 5000", "value = 1000");
    prepare(*this);
    start();
    sim("press A1 release:rate=0.1");
  }
  /// The press of a watchdog that can only be fed.
  static void feeds(const Bench& bench) {
    std::string map = contents(bench.folder() / "changed.toml");
    map.erase(map.find(disarms), disarms.size());
    std::ofstream(bench.folder() / "changed.toml") << map;
  }
  [[nodiscard]] std::string release() const { return std::string(station().at("press_release").as_string()); }
  [[nodiscard]] bool press_says(const std::string& word) {
    return sim("state").find(word) != std::string::npos;
  }
  void until_half_way() {
    until(
        "it has released half of it", [&] { return truth().back().pressure_MPa < 20; },
        [&] { return sim("state"); });
  }
  void is_down_at_last() {
    until(
        "it is down", [&] { return release().empty(); }, [&] { return release(); });
    CHECK(press_says(", vents"));
    CHECK_MESSAGE(press_says(" press 0."), sim("state"));
    CHECK_FALSE(wall_between_if("press vents", "press holds"));
    CHECK(std::ranges::count(alarms(), "press_not_released") == 0);
  }
};

}  // namespace

TEST_CASE(
    "a press that needs longer to release than its watchdog waits is still venting, and the status says so") {
  std::optional<Releasing> bench;
  SUBCASE("its watchdog is disarmed") { bench.emplace(); }
  SUBCASE("its watchdog is fed") { bench.emplace(Releasing::feeds); }
  const std::string run = bench->run("pressing");
  bench->until_state("finished");
  CHECK(bench->release().starts_with("releases: "));
  const std::string refused = bench->refusal("pressing", "A1");
  CHECK_MESSAGE(refused.find("the press of A1 releases: ") != std::string::npos, refused);
  CHECK_FALSE(bench->post("/api/v1/stations/A1/press-test", {{"who", "anna"}, {"empty", "yes"}}).ok());
  bench->until_half_way();
  CHECK(bench->press_says(", vents"));
  bench->is_down_at_last();
  CHECK(bench->refusal("pressing", "A1").empty());
}

TEST_CASE("a daemon that comes back to a press that releases says so") {
  Releasing bench;
  bench.run("pressing");
  bench.until_state("finished");
  bench.kill();
  bench.start();
  until("the release is seen", [&] { return bench.release().starts_with("releases: "); });
  CHECK(bench.refusal("pressing", "A1").find("releases: ") != std::string::npos);
  bench.is_down_at_last();
}

TEST_CASE("a run that is aborted after an over-pressure trip goes on releasing, and so does a tested press") {
  Releasing bench(Releasing::feeds);
  SUBCASE("aborted") {
    bench.recipe("long", short_recipe(1800, 300, 1.0));
    const std::string run = bench.run("long");
    bench.until_step(0);
    bench.sim("press A1 runaway:rate=0.1");
    bench.until_state("tripped");
    bench.sim("press A1 clear runaway");
    until("the press vents", [&] { return bench.press_says(", vents"); });
    CHECK(bench.order(run, "abort").empty());
    bench.until_state("aborted");
  }
  SUBCASE("tested") {
    CHECK(
        bench
            .post("/api/v1/stations/A1/press-test", {{"who", "anna"}, {"empty", "yes"}, {"target_MPa", "40"}})
            .ok());
    until(
        "the press vents", [&] { return bench.press_says(", vents"); },
        [&] { return boost::json::serialize(bench.station().at("press_test")); });
  }
  bench.until_half_way();
  CHECK(bench.press_says(", vents"));
  bench.is_down_at_last();
}
