#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <sstream>

#include "schema/status.h"
#include "tests/daemon/command_line.h"

using namespace cambench;
using tests::cambench_says, tests::has;

namespace {

/// A daemon that gives the same status documents one after the other (the last one for ever) and keeps what it was asked.
struct FakeDaemon {
  std::deque<Status> benches;
  http::Reply to_orders{.status = 200, .body = "{}"};
  struct Question {
    std::string socket, target, body;
  };
  std::vector<Question> asked;
  int waits = 0;

  Result<http::Reply> answer(const http::Address& address, std::string_view method, std::string_view target,
                             std::string_view body) {
    asked.push_back({address.socket, std::string(target), std::string(body)});
    if (method == "POST") return to_orders;
    if (benches.empty())
      return fail(Fault::Kind::link, "no daemon answers on /run/nobody.sock (Connection refused)");
    const Status now = benches.front();
    if (benches.size() > 1) benches.pop_front();
    return http::Reply{.status = 200, .body = to_json(now)};
  }
};

tests::Said cambench_says(FakeDaemon& daemon, std::vector<std::string> arguments, bool terminal = false,
                          const std::string& user = {}) {
  return tests::cambench_says(std::move(arguments), [&](cli::World& world) {
    world.terminal = terminal;
    world.user = user;
    world.ask = [&](auto&&... question) { return daemon.answer(question...); };
    world.wait = [&](Seconds) { ++daemon.waits; };
  });
}

Status bench_with(std::string state, std::uint32_t cycle, std::string why = "") {
  Status bench{.bench = "demo bench", .version = "0.1.0"};
  status::Station station{.name = "A1"};
  station.run = status::Run{.id = "r000001",
                            .recipe = "rate-test-3e",
                            .cell = "R-uncoated",
                            .state = std::move(state),
                            .why = std::move(why)};
  station.run->step = status::Step{.index = 1, .count = 33, .cycle = cycle, .label = "charge 0.1 C"};
  station.run->progress = 0.04;
  station.run->time_left = Seconds(89 * 3600);
  station.we_vs_re = {Volt(3.612), status::Quality::good, Seconds(0.5)};
  station.current = {Ampere(0.1608e-3), status::Quality::good, Seconds(0.5)};
  bench.stations.push_back(std::move(station));
  return bench;
}

}  // namespace

TEST_CASE("status is a table of the bench, and with --json the daemon's own document") {
  FakeDaemon daemon{.benches = {bench_with("running", 1)}};
  const auto said = cambench_says(daemon, {"status", "--socket", "/run/test.sock"});
  CHECK(said.code == cli::done);
  CHECK(daemon.asked.at(0).socket == "/run/test.sock");
  CHECK(has(said.out, "charge 0.1 C (2/33, cycle 1)"));
  CHECK(has(said.out, "3.612 V"));
  CHECK(has(said.out, "0.1608 mA"));
  CHECK(has(said.out, "3 d 17 h"));
  CHECK(cambench_says(daemon, {"status", "--json"}).out == to_json(bench_with("running", 1)) + "\n");
}

TEST_CASE("what is wrong stands in the status in words") {
  auto bench = bench_with("tripped", 1, "the pressure fell below its band");
  bench.stations[0].press =
      status::Instrument{.driver = "modbus", .up = false, .trouble = "no answer for 3 s"};
  bench.alarms.push_back({.id = 7,
                          .severity = command::Severity::alarm,
                          .cause = "pressure_low",
                          .text = "46.2 MPa",
                          .station = "A1"});
  FakeDaemon daemon{.benches = {bench}};
  const auto said = cambench_says(daemon, {"status"});
  CHECK(has(said.out, "station A1: press: no answer for 3 s"));
  CHECK(has(said.out, "run r000001 is tripped: the pressure fell below its band"));
  CHECK(has(said.out, "alarm 7 A1 pressure_low: 46.2 MPa"));
}

TEST_CASE("without a daemon the sentence says where it was looked for, and the code is 3") {
  FakeDaemon nobody;
  const auto said = cambench_says(nobody, {"status", "--socket", "/run/nobody.sock"});
  CHECK(said.code == cli::unreachable);
  CHECK(has(said.err,
            "no daemon answers on /run/nobody.sock (Connection refused); is cambenchd running? --socket"));
}

TEST_CASE("start posts the order and prints the run's id") {
  FakeDaemon daemon{.to_orders = {.status = 201, .body = R"({"run":"r000002","who":"anna"})"}};
  const auto said =
      cambench_says(daemon, {"start", "A1", "rate-test-3e", "--cell", "R-uncoated", "--who", "anna"});
  CHECK(said.code == cli::done);
  CHECK(said.out == "r000002\n");
  CHECK(daemon.asked.at(0).target == "/api/v1/runs");
  CHECK(daemon.asked.at(0).body ==
        R"({"station":"A1","cell":"R-uncoated","recipe":"rate-test-3e","who":"anna"})");
}

TEST_CASE("a refused order ends with 1 and the daemon's reason") {
  FakeDaemon daemon{
      .to_orders = {
          .status = 409,
          .body =
              R"({"title":"The order was not carried out","detail":"station A1 is busy with r000001."})"}};
  const auto said = cambench_says(daemon, {"start", "A1", "pelletise"});
  CHECK(said.code == cli::refused);
  CHECK(said.err == "station A1 is busy with r000001.\n");
}

TEST_CASE("a run may be named by its station") {
  FakeDaemon daemon{.benches = {bench_with("running", 1)}};
  CHECK(cambench_says(daemon, {"abort", "A1", "--reason", "wrong cell"}).out == "r000001: abort\n");
  CHECK(daemon.asked.back().target == "/api/v1/runs/r000001/abort");
  CHECK(daemon.asked.back().body == R"({"reason":"wrong cell"})");
  cambench_says(daemon, {"pause", "r000009"});
  CHECK(daemon.asked.back().target == "/api/v1/runs/r000009/pause");
  CHECK(cambench_says(daemon, {"pause", "../runs"}).code == cli::usage);
}

TEST_CASE("an order is signed by the user of this shell unless somebody is named") {
  FakeDaemon daemon{.benches = {bench_with("running", 1)}};
  const auto body_of = [&](std::vector<std::string> order) {
    cambench_says(daemon, std::move(order), false, "berta");
    return daemon.asked.back().body;
  };
  CHECK(body_of({"start", "A1", "pelletise"}) == R"({"station":"A1","recipe":"pelletise","who":"berta"})");
  CHECK(body_of({"abort", "A1", "--reason", "wrong cell"}) == R"({"who":"berta","reason":"wrong cell"})");
  CHECK(body_of({"ack", "41"}) == R"({"who":"berta"})");
  CHECK(body_of({"unshelve", "41"}) == R"({"who":"berta"})");
  CHECK(body_of({"abort", "A1", "--who", "anna"}) == R"({"who":"anna"})");
}

TEST_CASE("a reset needs a name and a reason") {
  FakeDaemon daemon{.benches = {bench_with("tripped", 1)}};
  CHECK(cambench_says(daemon, {"reset", "A1"}).code == cli::usage);
  CHECK(cambench_says(daemon, {"reset", "A1", "--who", "anna", "--reason", "seal replaced"}).code ==
        cli::done);
  CHECK(daemon.asked.back().body == R"({"who":"anna","reason":"seal replaced"})");
}

TEST_CASE("ack all acknowledges what waits, and nothing else") {
  auto bench = bench_with("running", 1);
  bench.alarms = {{.id = 3}, {.id = 4, .acknowledged_by = "anna", .acknowledged = WallTime{}}};
  FakeDaemon daemon{.benches = {bench}};
  CHECK(cambench_says(daemon, {"ack", "all"}).out == "alarm 3: acknowledged\n");
  CHECK(daemon.asked.back().target == "/api/v1/alarms/3/acknowledge");
}

TEST_CASE("watch prints one line a change and ends when nothing moves any more") {
  FakeDaemon daemon{.benches = {bench_with("preparing", 0), bench_with("running", 1),
                                bench_with("running", 1), bench_with("running", 2),
                                bench_with("finished", 8)}};
  const auto said = cambench_says(daemon, {"watch"});
  CHECK(said.code == cli::done);
  CHECK(daemon.waits == 5);  // once more than changes: a second look confirms that it is quiet
  CHECK(std::ranges::count(said.out, '\n') == 4);  // the second look at cycle 1 says nothing new
  CHECK(has(said.out, "station A1  running  r000001 rate-test-3e R-uncoated  cycle 2\n"));
}

TEST_CASE("watch ends with 4 when a run did not finish") {
  FakeDaemon daemon{.benches = {bench_with("tripped", 1, "the pressure fell")}};
  const auto said = cambench_says(daemon, {"watch"});
  CHECK(said.code == cli::not_finished);
  CHECK(has(said.err, "run r000001 on A1 is tripped: the pressure fell"));
}

TEST_CASE("watch does not end before a run that was started just now is seen") {
  auto idle = bench_with("", 0);
  idle.stations[0].run.reset();
  FakeDaemon daemon{.benches = {idle, bench_with("running", 1), bench_with("finished", 8)}};
  CHECK(has(cambench_says(daemon, {"watch"}).out, "finished"));
}

TEST_CASE("watch may wait for a study's scores") {
  auto waiting = bench_with("finished", 8), scored = waiting;
  waiting.studies.push_back({.id = "coatings", .state = "scoring"});
  scored.studies.push_back({.id = "coatings", .state = "scored", .version = 1});
  FakeDaemon daemon{.benches = {waiting, waiting, scored}};
  CHECK(cambench_says(daemon, {"watch", "--study", "coatings"}).code == cli::done);
  CHECK(daemon.waits == 3);
}

TEST_CASE("on a screen watch redraws one table") {
  FakeDaemon daemon{.benches = {bench_with("running", 1), bench_with("finished", 8)}};
  const auto said = cambench_says(daemon, {"watch"}, true);
  CHECK(has(said.out, "\x1b[3F\x1b[J"));  // three lines: bench, head, station
}

TEST_CASE("on a screen status goes on until somebody has had enough, and fits 80 columns") {
  FakeDaemon daemon{.benches = {bench_with("running", 1), bench_with("tripped", 1, std::string(200, 'x'))}};
  int looks = 0;
  const auto said = cambench_says({"status"}, [&](cli::World& world) {
    world.terminal = true;
    world.columns = 80;
    world.ask = [&](auto&&... question) { return daemon.answer(question...); };
    world.looks_on = [&](Seconds) { return ++looks < 3; };
  });
  CHECK(said.code == cli::done);
  CHECK(daemon.asked.size() == 3);
  CHECK(has(said.out, "charge 0.1 C    3.612 V  0.1608 mA"));
  CHECK(has(said.out, "A1  r000001 rate-test-3e R-uncoated, step 2 of 33, cycle 1"));
  std::istringstream lines(said.out);
  for (std::string line; std::getline(lines, line);) {
    if (const auto code = line.find("\x1b[J"); code != std::string::npos) line.erase(0, code + 3);
    CHECK_MESSAGE(line.size() <= 80, line);
  }
}

TEST_CASE("a live picture is never higher than the screen, and what is wrong keeps its place") {
  auto bench = bench_with("tripped", 1, "pressure_lost: 0.00 MPa");
  for (int i = 2; i <= 40; ++i) bench.stations.push_back({.name = fmt::format("A{}", i)});
  FakeDaemon daemon{.benches = {bench}};
  for (const int rows : {6, 12, 24, 100}) {
    CAPTURE(rows);
    const auto said = cambench_says({"status"}, [&](cli::World& world) {
      world.terminal = true;
      world.columns = 80;
      world.rows = rows;
      world.ask = [&](auto&&... question) { return daemon.answer(question...); };
      world.looks_on = [](Seconds) { return false; };
    });
    const auto lines = std::ranges::count(said.out, '\n');
    CHECK(lines < rows);
    CHECK(has(said.out, "pressure_lost: 0.00 MPa"));
    CHECK((said.out.find(" more lines\n") != std::string::npos) == (rows < 100));
  }
}

TEST_CASE("live status waits for a daemon that is started again, but not for one that never was") {
  FakeDaemon nobody, daemon{.benches = {bench_with("running", 1)}};
  int looks = 0;
  const auto live = [&](FakeDaemon& asked) {
    return cambench_says({"status"}, [&](cli::World& world) {
      world.terminal = true;
      world.ask = [&](auto&&... question) { return asked.answer(question...); };
      world.looks_on = [&](Seconds) {
        asked.benches.clear();
        return ++looks < 2;
      };
    });
  };
  CHECK(live(nobody).code == cli::unreachable);
  const auto said = live(daemon);
  CHECK(said.code == cli::done);
  CHECK(has(said.out, "is cambenchd running?"));
  CHECK(cambench_says({"status", "--once"}, [&](cli::World& world) {
          FakeDaemon once{.benches = {bench_with("running", 1)}};
          world.terminal = true;
          world.ask = [once](auto&&... question) mutable { return once.answer(question...); };
          world.looks_on = [](Seconds) { return true; };
        }).code == cli::done);
}

TEST_CASE("with --json every order prints the daemon's own answer") {
  FakeDaemon daemon{.benches = {bench_with("running", 1)}};
  daemon.to_orders.body = R"({"run":"r000001","who":"anna"})";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"start", "A1", "pelletise"},
        {"pause", "A1"},
        {"reset", "A1", "--who", "anna", "--reason", "mended"},
        {"ack", "41"},
        {"shelve", "41", "--minutes", "5", "--who", "anna", "--reason", "the pump"},
        {"unshelve", "41"}}) {
    auto said = words;
    said.emplace_back("--json");
    CHECK_MESSAGE(cambench_says(daemon, said).out == daemon.to_orders.body + "\n", words.front());
  }
}

TEST_CASE("audit tells who ordered what, why, and what became of it") {
  std::string asked;
  const std::string acts =
      R"json([{"id":7,"time":"2026-11-22T13:00:00.250Z","who":"anna (uid 1000, pid 4711)",)json"
      R"json("act":"remove cell","target":"R-017","reason":"the wire broke","outcome":"granted"}])json";
  const auto daemon = [&](cli::World& world) {
    world.ask = [&](const http::Address&, std::string_view, std::string_view target, std::string_view) {
      asked = target;
      return Result<http::Reply>(http::Reply{.status = 200, .body = acts});
    };
  };
  const auto said = cambench_says({"audit", "--limit", "5"}, daemon);
  CHECK(asked == "/api/v1/audit?limit=5");
  CHECK(has(said.out,
            "2026-11-22T13:00:00  anna (uid 1000, pid 4711)  remove cell  R-017  granted  the wire broke\n"));
  CHECK(cambench_says({"audit", "--json"}, daemon).out == acts + "\n");
}

TEST_CASE("a number that rounds to nothing has no sign") {
  auto bench = bench_with("running", 1);
  bench.stations[0].pressure = {MegaPascal(-0.004), status::Quality::good, Seconds(0.1)};
  bench.stations[0].current = {Ampere(-0.4e-8), status::Quality::good, Seconds(0.1)};
  bench.stations[0].we_vs_re = {Volt(-0.5), status::Quality::good, Seconds(0.1)};
  FakeDaemon daemon{.benches = {bench}};
  const auto said = cambench_says(daemon, {"status"});
  CHECK(has(said.out, " 0.0 MPa"));
  CHECK(has(said.out, " 0.0000 mA"));
  CHECK(has(said.out, "-0.500 V"));
}
