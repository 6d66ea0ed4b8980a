// The daemon crashes, is stopped, or finds instruments that are not as it left them; and what makes safe without it.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

struct Said {
  int code;
  std::string text;
};

/// cambenchd --make-safe, as systemd calls it after the service has ended with `result`; empty: as a person does.
Said make_safe(Bench& bench, const std::string& result = {}) {
  const fs::path output = bench.folder() / "make_safe.out";
  fs::remove(output);
  std::vector<std::string> words{"/usr/bin/env"};
  if (!result.empty()) words.push_back("SERVICE_RESULT=" + result);
  for (const auto& word : {Bench::program("cambenchd"), std::string("--config"),
                           bench.configuration().string(), std::string("--make-safe")})
    words.push_back(word);
  if (!result.empty()) words.emplace_back("--after-stop");
  Process process(words, output);
  const int code = process.wait();
  return {code, contents(output)};
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
  std::string text = contents(bench.configuration());
  text.insert(text.find("time_scale"), "after_crash = \"leave_running\"\n");
  std::ofstream(bench.configuration()) << text;
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
