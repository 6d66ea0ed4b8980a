// Rows of the hazard table that no limit inside an instrument can see: the host adds up the charge, compares the
// electrodes, and asks whose program runs.
#include <fcntl.h>

#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("a cell that was given more charge than its step may move is opened") {
  Bench bench(
      {.time_scale = scale,
       .extra = "[[interlock]]\ncause = \"current_deviates\"\nfraction = 0.5\n"});  // else it is first
  constexpr double allowed_mAh = 0.3;
  bench.recipe("long", "safety = { max_capacity_mAh = 0.3 }\n" + short_recipe(1800, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("fault A1 current factor=1.4");  // the instrument itself believes its set point
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(run, "tripped charge_guard"), bench.where().why);
  const Truth opened = bench.truth_with_cell_off().back();
  CHECK(opened.switches == 2);
  CHECK(opened.current_A == 0);
  const double beyond_mAh = opened.charge_Ah * 1e3 - allowed_mAh;
  const double after_s = beyond_mAh / (1.4 * 1.608) * 3600 / scale;
  MESSAGE("| charge_guard | fault A1 current factor=1.4 | ", after_s * 1e3, " ms after ", allowed_mAh,
          " mAh had flown | ", bench.where().why);
  // The current's step lies between two rows, a second apart.
  constexpr double of_a_row_mAh = 1.4 * 1.608 / 3600;
  CHECK(beyond_mAh > -of_a_row_mAh);
  CHECK(beyond_mAh < 0.1 * allowed_mAh);
}

TEST_CASE("a reference electrode that fails opens the cell, whichever way it fails") {
  Charging bench;
  SUBCASE("its wire comes off") { bench.trip_of("fault A1 lead lead=re"); }
  SUBCASE("its potential steps, within every guard") {
    bench.expect_trip("fault A1 spike V=-0.3 count=1000", "reference_lost");
  }
  SUBCASE("its contact comes and goes") {
    for (int i = 0; i < 5; ++i) bench.sim("fault A1 spike V=-0.3 after=10 count=10");  // every second row
    bench.expect_trip("fault A1 spike V=-0.3 after=10 count=10", "reference_lost");
  }
}

namespace {

/// Somebody's own program, by the vendor's tool on a laptop: 0.2 mA for an hour, with no limit at all.
constexpr std::string_view foreign_program =
    "e\nvar p\nvar c\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\nmeas_loop_cp p c 200u 1 3600\n"
    "pck_start\npck_add p\npck_add c\npck_end\nendloop\non_finished:\ncell_off\n\n";

void run_by_somebody_else(Bench& bench) {
  const int port = ::open((bench.folder() / "A1.tty").c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(port >= 0);
  const auto say = [&](std::string_view words) {
    REQUIRE(::write(port, words.data(), words.size()) == static_cast<ssize_t>(words.size()));
  };
  const auto instrument = [&](std::string_view word) {
    char unread[4096];
    while (::read(port, unread, sizeof unread) > 0) {
    }
    return bench.sim("state").find(word) != std::string::npos;
  };
  if (instrument("running")) say("Z\n");
  until("the instrument is idle", [&] { return instrument("idle"); });
  std::this_thread::sleep_for(50ms);  // it takes no words right after an abort
  say(foreign_program);
  until(
      "it runs somebody's program", [&] { return instrument("running") && instrument("cell ON"); },
      [&] { return bench.sim("state"); });
  ::close(port);
}

}  // namespace

TEST_CASE("a program that is not ours is ended, its cell opened, and the run trips") {
  Charging bench;
  bench.kill();
  run_by_somebody_else(bench);
  const auto began = std::chrono::steady_clock::now();
  bench.start();
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped foreign_program"), bench.where().why);
  bench.open_for_good();
  const Seconds took = std::chrono::steady_clock::now() - began;
  MESSAGE("| foreign_program | somebody's program in the instrument | ", took.count() * 1e3,
          " ms from the start of the daemon | ", bench.where().why);
}

TEST_CASE("no run begins on an instrument that somebody else uses") {
  Bench bench({.time_scale = scale});
  bench.recipe("long", short_recipe(1800, 300, 1.0));
  bench.sim("mount A1 rate ncm-uncoated");
  run_by_somebody_else(bench);
  bench.start();
  const auto began = std::chrono::steady_clock::now();
  const std::string run = bench.run("long");
  bench.until_state("held");
  const Seconds took = std::chrono::steady_clock::now() - began;
  CHECK_MESSAGE(bench.where().why.find("a program runs in the instrument") != std::string::npos,
                bench.where().why);
  CHECK(bench.reader().steps(run).empty());
  CHECK(bench.truth_with_cell_off().back().switches == 2);  // somebody's program on, and off
  MESSAGE("| not_ready | somebody's program at the start | ", took.count() * 1e3, " ms | ",
          bench.where().why);
}
