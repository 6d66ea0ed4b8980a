// What is done to the host's clocks while a run goes on: it is on the record, and it decides nothing.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

constexpr double an_hour = 3600, a_day = 86'400;

/// A bench whose wall clock can be set, and whose host can sleep.
struct Clocked : Bench {
  std::string run_id;

  Clocked() : Bench({.time_scale = scale}) {
    set(0, 0);
    environment = {std::string("LD_PRELOAD=") + CAMBENCH_BUILD + "/tests/libshifted_clocks.so",
                   "CAMBENCH_CLOCKS=" + clocks().string(), "TZ=Europe/Berlin"};
    recipe("long", short_recipe(1800, 300, 1.0));
    start();
    run_id = run("long");
    until_step(0);
  }
  void set(double wall_s, double boot_s) const {
    std::ofstream(clocks().string() + ".new") << wall_s << ' ' << boot_s << '\n';
    fs::rename(clocks().string() + ".new", clocks());
  }
  [[nodiscard]] std::vector<std::string> clock_events() const {
    std::vector<std::string> said;
    for (const auto& event : reader().events(0))
      if (event.row.kind == "clock") said.push_back(event.row.text.value_or(""));
    return said;
  }
  /// The run is where it was, its cell on, no alarm stands; and ten more samples come, each later than the one before.
  void goes_on() {
    const auto before = static_cast<int>(samples(run_id).size());
    until_step(0, "A1", before + 10);
    CHECK(cell_is_on());
    CHECK(alarms().empty());
    const auto rows = samples(run_id);
    for (std::size_t i = 1; i < rows.size(); ++i) CHECK(rows[i].test_time > rows[i - 1].test_time);
  }

 private:
  [[nodiscard]] fs::path clocks() const { return folder() / "clocks"; }
};

}  // namespace

TEST_CASE("a wall clock that is set, forward or back, is recorded and changes nothing") {
  Clocked bench;
  std::string said;
  SUBCASE("an hour forward") {
    bench.set(an_hour, 0);
    said = "the wall clock was set forward by 3600.0 s";
  }
  SUBCASE("a day back") {
    bench.set(-a_day, 0);
    said = "the wall clock was set back by 86400.0 s";
  }
  until("it is recorded", [&] { return bench.clock_events() == std::vector{said}; });
  bench.goes_on();
  CHECK_FALSE(bench.happened(bench.run_id, "gap"));
  bench.kill();  // what a new daemon finds was recorded on a clock that has been set since
  bench.start();
  until("the gap is recorded", [&] { return bench.happened(bench.run_id, "gap"); });
  bench.goes_on();
}

TEST_CASE("the end of daylight saving is no change of any clock") {
  Clocked bench;
  constexpr double ends = 1'792'890'000;  // 2026-10-25T01:00:00Z: 3 o'clock in Berlin becomes 2
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  bench.set(ends - 1 - now, 0);
  until("the clock was set", [&] { return bench.clock_events().size() == 1; });
  until("it is winter in Berlin",
        [&] { return bench.status().at("now").as_string() > "2026-10-25T01:00:01"; });
  bench.goes_on();
  CHECK(bench.clock_events().size() == 1);
  std::int64_t last = 0;
  for (const auto& row :
       bench.samples(bench.run_id)) {  // two o'clock comes twice in Berlin, and once in the store
    const auto wall = row.sample.at.wall.time_since_epoch().count();
    if (wall > 1'793'000'000'000'000'000) continue;  // before the clock was set
    CHECK(wall > last);
    last = wall;
  }
  CHECK(last > 1'792'890'000'000'000'000);
}

TEST_CASE("a host that slept is a gap of the run, which goes on when its instrument did") {
  Clocked bench;
  bench.set(an_hour, an_hour);  // the steady clock stands still in sleep
  until("it is recorded",
        [&] { return bench.clock_events() == std::vector<std::string>{"the host slept for 3600.0 s"}; });
  until("the run has a gap", [&] { return bench.happened(bench.run_id, "gap"); });
  bench.goes_on();
}
