// The daemon crashes, is stopped, or finds instruments that are not as it left them; and what makes safe without it.
#include "tests/scenario/charging.h"
#include "tests/scenario/hook.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

struct Said {
  int code;
  std::string text;
};

Said cambenchd(const Bench& bench, const std::vector<std::string>& options,
               const std::vector<std::string>& environment = {}) {
  const fs::path output = bench.folder() / "said.out";
  fs::remove(output);
  std::vector<std::string> words{"/usr/bin/env"};
  words.insert(words.end(), environment.begin(), environment.end());
  words.insert(words.end(), {Bench::program("cambenchd"), "--config", bench.configuration().string()});
  words.insert(words.end(), options.begin(), options.end());
  Process process(words, output);
  const int code = process.wait();
  return {code, contents(output)};
}

/// cambenchd --make-safe, as systemd calls it after the service has ended with `result`; empty: as a person does.
Said make_safe(const Bench& bench, const std::string& result = {}) {
  if (result.empty()) return cambenchd(bench, {"--make-safe"});
  return cambenchd(bench, {"--make-safe", "--after-stop"}, {"SERVICE_RESULT=" + result});
}

/// Somebody edits the configuration.
void edit(const Bench& bench, const std::string& what, const std::string& with) {
  std::string text = contents(bench.configuration());
  const auto at = text.find(what);
  REQUIRE(at != text.npos);
  std::ofstream(bench.configuration()) << text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE(
    "a daemon that crashes leaves the cell to its limits, and ExecStopPost opens it without the database") {
  Charging bench;
  CHECK(bench.daemon().end(SIGSEGV) == -SIGSEGV);
  CHECK(bench.cell_is_on());
  fs::rename(bench.database(), bench.folder() / "elsewhere.sqlite");
  const auto began = std::chrono::steady_clock::now();
  const Said safe = make_safe(bench, "core-dump");
  const Seconds took = std::chrono::steady_clock::now() - began;
  CHECK_MESSAGE(safe.code == 0, safe.text);
  CHECK(safe.text == "A1: cell open, confirmed; press holds\n");
  CHECK_FALSE(bench.cell_is_on());
  CHECK(bench.press_says(", holds"));
  MESSAGE("| daemon crash | SIGSEGV | ", took.count() * 1e3,
          " ms from ExecStopPost to the cell open and the press held |");
  CHECK(make_safe(bench, "core-dump").code == 0);  // again: it stays so
  CHECK_FALSE(fs::exists(bench.database()));
  fs::rename(bench.folder() / "elsewhere.sqlite", bench.database());
  bench.start();
  bench.until_state("tripped");  // a person decides
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped unknown_end"), bench.where().why);
  CHECK(bench.where().why.find("stopped before its end") != std::string::npos);
  CHECK(bench.happened(bench.run_id, "gap"));
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}

TEST_CASE("after an ordered stop the programs in the instruments go on") {
  Charging bench;
  CHECK(bench.daemon().end(SIGTERM) == 0);
  const Said safe = make_safe(bench, "success");
  CHECK(safe.code == 0);
  CHECK(safe.text.find("goes on under its own limits") != std::string::npos);
  CHECK(bench.cell_is_on());
}

TEST_CASE("a bench may say that a crash leaves its programs running") {
  Charging bench;
  CHECK(bench.daemon().end(SIGTERM) == 0);
  edit(bench, "time_scale", "after_crash = \"leave_running\"\ntime_scale");
  bench.start();
  bench.until_step(0);
  CHECK(bench.daemon().end(SIGABRT) == -SIGABRT);
  CHECK(make_safe(bench, "watchdog").code == 0);
  CHECK(bench.cell_is_on());
  bench.start();
  until("the gap is recorded", [&] { return bench.happened(bench.run_id, "gap"); });
  CHECK(bench.where().state == "running");
}

TEST_CASE("making safe beside a daemon that lives is refused: the instruments are its own") {
  Charging bench;
  const Said refused = make_safe(bench);
  CHECK(refused.code == 1);
  CHECK_MESSAGE(refused.text.find("the instruments are its own") != std::string::npos, refused.text);
  CHECK(bench.cell_is_on());
  CHECK(bench.where().state == "running");
}

TEST_CASE("a press that releases is left to it when the daemon crashes") {
  Charging bench;
  bench.sim("press A1 release:rate=0.02");  // 2 MPa in each second of wire time
  bench.sim("press A1 runaway:rate=0.1");
  bench.until_state("tripped");
  bench.sim("press A1 clear runaway");
  until("the press vents", [&] { return bench.press_says(", vents"); });
  CHECK(bench.daemon().end(SIGSEGV) == -SIGSEGV);
  const Said safe = make_safe(bench, "core-dump");
  CHECK_MESSAGE(safe.code == 0, safe.text);
  CHECK(safe.text == "A1: cell open, confirmed; press releases\n");
  CHECK(bench.press_says(", vents"));
}

TEST_CASE("making safe tells of each instrument that is not there, and opens the others") {
  Bench bench({.stations = 2, .time_scale = scale});
  bench.sim("fault A1 link");
  const Said safe = make_safe(bench);
  CHECK(safe.code == 1);
  CHECK_MESSAGE(safe.text.find("A2: cell open, confirmed; press holds") != std::string::npos, safe.text);
  CHECK(safe.text.find("A1: cell open") == std::string::npos);
}

TEST_CASE(
    "a configuration that was broken while the daemon ran is made safe, and people told, by the one it "
    "started with") {
  const Hook hook;
  Charging bench(1.0, webhook(hook));
  std::vector<std::string> environment;
  SUBCASE("a cell of a misspelt material") {
    edit(bench, "material = \"ncm-uncoated\"", "material = \"ncm-uncaoted\"");
  }
  SUBCASE("no TOML any more") { edit(bench, "[log]", "[log"); }
  SUBCASE("gone") {
    fs::remove(bench.configuration());
    environment = {"STATE_DIRECTORY=" + (bench.folder() / "state").string()};
  }
  CHECK(bench.daemon().end(SIGSEGV) == -SIGSEGV);
  auto as_service = environment;
  as_service.emplace_back("SERVICE_RESULT=core-dump");
  for (const bool service : {true, false}) {
    const Said safe = service ? cambenchd(bench, {"--make-safe", "--after-stop"}, as_service)
                              : cambenchd(bench, {"--make-safe"}, environment);
    CHECK_MESSAGE(safe.code == 0, safe.text);
    CHECK(safe.text.find("A1: cell open, confirmed; press holds\n") != std::string::npos);
    CHECK(safe.text.find("by the configuration that cambenchd started with last") != std::string::npos);
  }
  CHECK_FALSE(bench.cell_is_on());
  const Said told = cambenchd(bench, {"--tell", "given up"}, environment);
  CHECK_MESSAGE(told.code == 0, told.text);
  REQUIRE(hook.heard_of("daemon", "firing"));
  const auto message = boost::json::serialize(hook.heard().back());
  CHECK_MESSAGE(message.find("given up") != message.npos, message);
  CHECK_MESSAGE(message.find("cambench.toml") != message.npos, message);
}

TEST_CASE(
    "what a daemon left is made safe by the configuration it started with, though a good one is there now") {
  Charging bench;
  edit(bench, "serial = \"ES4HR20B0001\"", "serial = \"ES4HR20B0777\"");
  CHECK(bench.daemon().end(SIGSEGV) == -SIGSEGV);
  CHECK(make_safe(bench).text.find("A1: cell open") == std::string::npos);  // a person means what he wrote
  CHECK(bench.cell_is_on());
  const Said safe = make_safe(bench, "core-dump");
  CHECK_MESSAGE(safe.code == 0, safe.text);
  CHECK_FALSE(bench.cell_is_on());
}

TEST_CASE(
    "a station that cannot be made does not keep the others from being opened, nor its press its cell") {
  Bench bench({.stations = 2, .time_scale = scale});
  const fs::path map = bench.folder() / "press.toml";
  fs::copy_file(CAMBENCH_SOURCE "/drivers/maps/generic-press.toml", map);
  edit(bench, "map = \"generic-press\"", "map = \"press.toml\"");
  bench.start();
  bench.kill();
  fs::remove(map);
  const Said safe = make_safe(bench);
  CHECK(safe.code == 1);
  CHECK_MESSAGE(safe.text.find("A1: cell open, confirmed; station A1: ") != std::string::npos, safe.text);
  CHECK_MESSAGE(safe.text.find("A2: cell open, confirmed; press holds") != std::string::npos, safe.text);
}

TEST_CASE("a daemon that stood still finds stale data, and stale data never count as good") {
  Charging bench;
  bench.daemon().signal(SIGSTOP);
  until("the press's own watchdog holds", [&] { return bench.press_says("holds, its watchdog expired"); });
  CHECK(bench.cell_is_on());
  bench.daemon().signal(SIGCONT);
  bench.until_state("tripped");
  MESSAGE("| daemon hangs | SIGSTOP, SIGCONT | ", bench.where().why, " |");
  bench.open_for_good();
  until("the stop is recorded", [&] {
    for (const auto& event : bench.reader().events(0))
      if (event.row.kind == "clock" && event.row.text->find("stood still") != std::string::npos) return true;
    return false;
  });
  CHECK(bench.happened(bench.run_id, "gap"));
}

TEST_CASE("a start without instruments serves, says so, and refuses to begin") {
  Bench bench({.time_scale = scale});
  bench.recipe("short", short_recipe(600, 300));
  std::string expected;
  SUBCASE("no potentiostat") {
    bench.sim("fault A1 link");
    expected = "has not answered";
  }
  SUBCASE("half of them: no press") {
    bench.sim("press A1 refuse");
    expected = "";
  }
  bench.start();
  bench.sim("mount A1 rate ncm-uncoated");
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"cell", "R-A1"}, {"recipe", "short"}, {"who", "anna"}});
  if (!expected.empty()) {
    CHECK(reply.status == 409);
    CHECK(http::complaint(reply).find(expected) != std::string::npos);
  } else {  // the run is there and waits for a person; nothing was polarised
    bench.until_state("held");
    CHECK(bench.truth_with_cell_off().back().switches == 0);
  }
  CHECK_FALSE(bench.cell_is_on());
}

TEST_CASE(
    "an instrument that was switched off and on while no daemon was there is never polarised again by "
    "itself") {
  Charging bench;
  bench.kill();
  bench.sim("fault A1 power_cycle for=0.3");
  bench.start();
  until(
      "the run has stopped",
      [&] { return bench.where().state == "held" || bench.where().state == "tripped"; },
      [&] { return bench.log(); });
  CHECK(bench.happened(bench.run_id, "gap"));
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}

TEST_CASE("another instrument that was put in the place while no daemon was there is refused") {
  Charging bench;
  bench.kill();
  bench.sim("fault A1 serial value=ES4HR99B9999");
  bench.sim("fault A1 power_cycle for=0.3");
  bench.start();
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped wrong_instrument"), bench.where().why);
  CHECK(bench.truth_with_cell_off().back().switches == 2);
}
