// Every row of the hazard table that a potentiostat and its cell can produce: the fault is injected, and the simulator's
// ground truth says what became of the cell.
#include <sys/resource.h>

#include "tests/scenario/charging.h"
#include "tests/scenario/hook.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("a potential that jumps beyond its limits ends in the instrument itself") {
  Charging().trip_of("fault A1 spike V=1 count=200");
}

TEST_CASE("a reference electrode that comes off opens the cell") {
  Charging().trip_of("fault A1 lead lead=re");
}

TEST_CASE("a counter electrode that comes off opens the cell") {
  Charging().trip_of("fault A1 lead lead=ce");
}

TEST_CASE("an overloaded range is not believed, though it prints a plausible number") {
  Charging bench;
  bench.expect_trip("fault A1 bits status=2 count=200", "overload");
}

TEST_CASE("potentials that are no numbers open the cell") {
  Charging bench;
  bench.expect_trip("fault A1 nan count=200",
                    "guard_on_board");  // the program itself believes no such reading
}

TEST_CASE("three readings of five decide: two bad ones are nothing") {
  Charging bench;
  const auto before = static_cast<int>(bench.samples(bench.run_id).size());
  bench.sim("fault A1 bits status=2 count=2");
  bench.until_step(0, "A1", before + 10);
  CHECK(bench.where().state == "running");
  CHECK(bench.cell_is_on());
}

TEST_CASE("a potentiostat that says nothing trips, and the cell opens as soon as it can be told") {
  Charging bench;
  bench.sim("fault A1 mute for=8");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped potentiostat_silent"), bench.where().why);
  until("the cell is open", [&] { return !bench.cell_is_on(); });
  MESSAGE("| potentiostat_silent | fault A1 mute | ",
          bench.wall_between("fault A1 mute", "script ended") * 1e3, " ms | ", bench.where().why);
}

TEST_CASE("a cell that does not open is told again, people are told, and the relay cuts its leads") {
  const fs::path relay = fs::temp_directory_path() / fmt::format("cambench-relay-{}", ::getpid());
  const fs::path cut = relay.string() + ".cut";
  std::ofstream(relay) << "#!/bin/sh\necho \"$1\" >> " << cut.string() << '\n';
  fs::permissions(relay, fs::perms::owner_all);
  struct Gone {
    fs::path one, two;
    ~Gone() {
      fs::remove(one);
      fs::remove(two);
    }
  } gone{relay, cut};

  Bench bench({.time_scale = scale});
  std::string text = contents(bench.configuration());
  text.insert(text.find("  [station.potentiostat]"),
              fmt::format("relay = [\"{}\", \"A1\"]\n", relay.string()));
  std::ofstream(bench.configuration()) << text;
  bench.recipe("long", short_recipe(1800, 300, 1.0));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("fault A1 freeze");  // the firmware hangs, the cell stays on
  bench.sim("press A1 burst");
  bench.until_state("tripped");
  CHECK(bench.happened(run, "tripped pressure_lost"));
  until(
      "people are told", [&] { return std::ranges::count(bench.alarms(), "cell_not_open") == 1; },
      [&] { return bench.log(); });
  CHECK(bench.cell_is_on());
  until(
      "the relay was asked", [&] { return contents(cut).starts_with("A1\n"); }, [&] { return bench.log(); });
  CHECK(bench.order(run, "reset").find("not confirmed") != std::string::npos);
  bench.sim("clear A1");  // the firmware wakes; whatever was asked of it meanwhile is still wanted
  until(
      "the cell is open", [&] { return !bench.cell_is_on(); }, [&] { return bench.log(); });
  MESSAGE("| cell_not_open | fault A1 freeze | open ", bench.wall_between("clear A1", "script ended") * 1e3,
          " ms after the instrument answers again |");
  until("the alarm's cause is gone", [&] {
    for (const auto& alarm : bench.reader().alarms())
      if (alarm.row.cause == "cell_not_open") return alarm.cleared.has_value();
    return false;
  });
}

TEST_CASE("every trip ends its step on the record") {
  Charging bench;
  bench.expect_trip("fault A1 bits status=2 count=200", "overload");
  CHECK(bench.happened(bench.run_id, "step_ended aborted"));
  CHECK(bench.reader().steps(bench.run_id).at(0).end_reason == "aborted");
}

TEST_CASE("nobody is told that a run is finished before its row is durable") {
  Bench bench({.time_scale = 2000});
  bench.recipe("short", short_recipe(120, 30));
  bench.start();
  const std::string run = bench.run("short");
  std::string told;
  int looks = 0;
  until("it is finished", [&] {
    told = bench.where().state;
    const std::string kept = bench.reader().run(run)->phase;  // looked at later: it may only be further
    if (told == "finished") CHECK(kept == "finished");
    if (told == "running") CHECK(kept != "queued");
    ++looks;
    return told == "finished";
  });
  MESSAGE(looks, " looks at the status and then at the store");
}

TEST_CASE("a cause on the shelf is told to nobody, and its interlock trips all the same") {
  const Hook hook;
  Charging bench(1.0, "[alarms]\ngroup_s = 0\n" + webhook(hook));
  const auto standing = [&] { return bench.status().at("alarms").as_array(); };
  const auto leak = [&] {
    bench.sim("press A1 leak:rate=0.02");
    bench.until_state("tripped");
    bench.open_for_good();
  };
  leak();
  until("people are told", [&] { return hook.heard_of("pressure_low", "firing"); });
  const auto first = standing().at(0).at("id").to_number<std::int64_t>();
  CHECK(bench
            .post(fmt::format("/api/v1/alarms/{}/shelve", first),
                  {{"who", "anna"}, {"reason", "the valve is being mended"}, {"minutes", "10"}})
            .ok());
  bench.sim("press A1 clear");
  until("the reset is granted", [&] { return bench.order(bench.run_id, "reset").empty(); });
  until("it goes on", [&] { return bench.order(bench.run_id, "resume").empty(); });
  bench.until_step(0, "A1", static_cast<int>(bench.samples(bench.run_id).size()) + 10);
  CHECK(bench.cell_is_on());
  CHECK(bench.truth().back().pressure_MPa > 49);
  const auto told = hook.heard().size();
  leak();
  CHECK(std::ranges::count(bench.events(bench.run_id), "tripped pressure_low") == 2);
  CHECK(bench.truth().back().switches == 4);
  const auto again = standing().back();
  CHECK(again.at("cause").as_string() == "pressure_low");
  CHECK(again.at("shelved_by").as_string().starts_with("anna"));
  CHECK(hook.heard().size() == told);
}

TEST_CASE("a current that is not the one that was set opens the cell") {
  Charging bench;
  bench.expect_trip("fault A1 current factor=1.2", "current_deviates");
}

TEST_CASE("a step whose end nobody hears is overdue, and its instrument ended it in time by itself") {
  Bench bench({.time_scale = scale,
               .extra = "[[interlock]]\ncause = \"potentiostat_silent\"\nage_s = 600\n"
                        "[[interlock]]\ncause = \"step_overdue\"\nlate_s = 1\n"});
  bench.recipe("brief", short_recipe(300, 300));
  bench.start();
  const std::string run = bench.run("brief");
  bench.until_step(0);
  bench.sim("fault A1 mute");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(run, "tripped step_overdue"), bench.where().why);
  const auto truth = bench.truth_with_cell_off();
  CHECK(truth.back().switches == 2);
  CHECK(truth.back().charge_Ah < 1.608e-3 * 330 / 3600);  // 300 s were planned, and a tenth more may pass
  MESSAGE("| step_overdue | fault A1 mute | the instrument opened the cell ",
          bench.wall_between("fault A1 mute", "script ended") * 1e3, " ms after it went silent | ",
          bench.where().why);
}

TEST_CASE("a cell whose rest potential is outside its window is never polarised") {
  Bench bench({.time_scale = scale});
  std::string text = short_recipe(600, 300);
  text.replace(text.find("min_V = 1.0"), 11, "min_V = 3.8");
  bench.recipe("full", text);
  bench.start();
  const std::string run = bench.run("full");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(run, "tripped ocv_window"), bench.where().why);
  CHECK(bench.truth_with_cell_off().back().switches == 0);
  CHECK(bench.truth().back().charge_Ah == 0);
}

TEST_CASE("a store that can write no more opens the cell, and what is due to be told still is") {
  const Hook hook;
  Bench bench({.time_scale = scale, .extra = "[alarms]\ngroup_s = 0\n" + webhook(hook)});
  bench.environment = {
      "--ignore-signal=XFSZ"};  // a word for env(1): what is beyond the limit fails, as on a dead disk
  bench.recipe("long", short_recipe(1800, 300));
  bench.start();
  bench.run("long");
  bench.until_step(0);
  const auto began = std::chrono::steady_clock::now();
  const rlimit none{0, 0};
  REQUIRE(::prlimit(bench.daemon().id(), RLIMIT_FSIZE, &none, nullptr) == 0);
  until("the cell is open", [&] { return !bench.cell_is_on(); });
  const Seconds took = std::chrono::steady_clock::now() - began;
  until("the status says so", [&] { return bench.where().state == "tripped"; });
  MESSAGE("| store_failed | no file may grow | ", took.count() * 1e3,
          " ms, of which at most 150 wait for the next commit | ", bench.where().why);
  until("people are told", [&] { return hook.heard_of("store_failed", "firing"); });
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}
