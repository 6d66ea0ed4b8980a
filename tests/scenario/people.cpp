// An alarm reaches a person, whatever hangs on the way; and systemd hears that every loop advances.
#include "tests/scenario/charging.h"
#include "tests/scenario/hook.h"
#include "tests/scenario/supervisor.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("a trip is told with its cause, and told again when a person has dealt with it") {
  const Hook hook;
  Charging bench(1.0, "[alarms]\ngroup_s = 0\n" + webhook(hook));
  bench.sim("press A1 burst");
  until(
      "somebody is told", [&] { return hook.heard_of("pressure_lost", "firing"); },
      [&] { return bench.log(); });
  const auto first = hook.heard().front();
  CHECK(first.at("version") == "4");
  CHECK(first.at("alerts").as_array()[0].at("labels").at("station") == "A1");
  CHECK(first.at("alerts").as_array()[0].at("labels").at("severity") == "critical");
  bench.sim("press A1 clear");
  until("the reset is granted", [&] { return bench.order(bench.run_id, "reset").empty(); });
  until("they hear that it is over", [&] { return hook.heard_of("pressure_lost", "resolved"); });
}

TEST_CASE("a receiver that hangs holds up nobody: the cell opens meanwhile, the others are told") {
  const Hook hangs(true), hook;
  Charging bench(1.0, "[alarms]\ngroup_s = 0\n[[alarm]]\ncause = \"potentiostat_link\"\non_s = 0\n" +
                          webhook(hook) + webhook(hangs));
  bench.sim("fault A1 link for=0.5");  // a warning, which the one that hangs takes and never answers
  until("the one that hangs has it", [&] { return hangs.heard_of("potentiostat_link", "firing"); });
  until("the connection is back", [&] { return bench.happened(bench.run_id, "gap"); });
  bench.expect_trip("press A1 burst", "pressure_lost");
  MESSAGE("burst to open cell, s: " << bench.wall_between("press A1 burst", "script ended"));
  until(
      "the others are told", [&] { return hook.heard_of("pressure_lost", "firing"); },
      [&] { return bench.log(); });
}

TEST_CASE("a cable with a bad contact is one alarm, however often it comes and goes") {
  const Hook hook;
  Charging bench(1.0,
                 "[alarms]\ngroup_s = 0\n[[alarm]]\ncause = \"potentiostat_link\"\non_s = 1\noff_s = 4\n" +
                     webhook(hook));
  const auto told = [&](const std::string& status) {
    return std::ranges::count_if(hook.heard(), [&](const auto& message) {
      const auto& alert = message.at("alerts").as_array().at(0);
      return alert.at("labels").at("alertname") == "potentiostat_link" &&
             alert.at("status").as_string() == status;
    });
  };
  const auto gaps = [&] { return std::ranges::count(bench.events(bench.run_id), "gap"); };
  for (int i = 1; i <= 3; ++i) {  // each shorter than an alarm has to stand
    bench.sim("fault A1 link for=0.1");
    until(
        "the connection is back", [&] { return gaps() == i; }, [&] { return bench.log(); });
  }
  CHECK(bench.alarms().empty());
  for (int i = 4; i <= 6; ++i) {  // and each longer, with pauses shorter than it has to be gone
    bench.sim("fault A1 link for=1.5");
    until(
        "the connection is back", [&] { return gaps() == i; }, [&] { return bench.log(); });
  }
  CHECK(bench.cell_is_on());
  CHECK(told("firing") == 1);
  CHECK(told("resolved") == 0);
  until("people hear that it is over", [&] { return told("resolved") == 1; });
  CHECK(told("firing") == 1);
  CHECK(bench.reader().alarms().size() == 1);
}

TEST_CASE("somebody outside hears the heartbeat, and hears nothing from a daemon that stands still") {
  const Hook hook;
  Bench bench({.extra = fmt::format("[heartbeat]\nurl = \"{}\"\nevery_s = 1\n", hook.url)});
  bench.start();
  until(
      "two heartbeats", [&] { return hook.beats() >= 2; }, [&] { return bench.log(); });
  bench.daemon().signal(SIGSTOP);
  const auto before = hook.beats();
  std::this_thread::sleep_for(2500ms);
  CHECK(hook.beats() <= before + 1);
  bench.daemon().signal(SIGCONT);
  until("it beats again", [&] { return hook.beats() > before + 2; });
}

TEST_CASE(
    "systemd is told that the bench is ready, and twice in each watchdog period that all loops advance") {
  Bench bench;
  Supervisor systemd(bench.folder() / "notify.sock");
  bench.environment = systemd.environment();
  bench.start();
  int ready = 0, fed = 0;
  until("it is ready", [&] { return (ready += systemd.count("READY=1")) == 1; });
  const auto began = std::chrono::steady_clock::now();
  until("ten feedings", [&] { return (fed += systemd.count("WATCHDOG=1")) >= 10; });
  const Seconds took = std::chrono::steady_clock::now() - began;
  MESSAGE("ten feedings in ", took.count(), " s; due are one in 0.2 s");
  CHECK(took > Seconds{1});
  bench.daemon().signal(SIGSTOP);
  systemd.count("");
  std::this_thread::sleep_for(600ms);
  CHECK(systemd.count("WATCHDOG=1") == 0);
  bench.daemon().signal(SIGCONT);
  until("fed again", [&] { return systemd.count("WATCHDOG=1") > 0; });
}

TEST_CASE("cambenchd --tell reaches everybody, and says whom it did not reach") {
  const Hook hook;
  Bench bench({.extra = webhook(hook) + "[[notify]]\nby = \"command\"\nrun = [\"/bin/false\"]\n"});
  const fs::path output = bench.folder() / "tell.out";
  Process tell(
      {Bench::program("cambenchd"), "--config", bench.configuration().string(), "--tell", "only a test"},
      output);
  CHECK(tell.wait() == 1);
  CHECK(hook.heard_of("daemon", "firing"));
  CHECK(contents(output).find(hook.url + ": told\n") != std::string::npos);
  CHECK(contents(output).find("/bin/false: /bin/false: failed with exit code 1") != std::string::npos);
}
