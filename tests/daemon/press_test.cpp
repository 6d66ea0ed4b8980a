// The proof test carried out on a simulated press over TCP, in a hurry: the press lives 200 times faster, its watchdog
// waits 0.3 s.
#include "daemon/press_test.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "drivers/registry.h"
#include "drivers/sim/modbus_server.h"
#include "tests/drivers/loop.h"

using namespace cambench;
namespace asio = boost::asio;

namespace {

std::string quick_map(bool disarms) {
  std::ifstream file(CAMBENCH_SOURCE "/drivers/maps/generic-press.toml");
  std::string text(std::istreambuf_iterator<char>(file), {});
  for (const auto& [slow, quick] :
       {std::pair("value = 5000", "value = 300"), std::pair("within_ms = 1000", "within_ms = 60")})
    for (std::size_t at = text.find(slow); at != std::string::npos; at = text.find(slow))
      text.replace(at, std::string_view(slow).size(), quick);
  if (!disarms)
    text.erase(text.find("disarm = "), text.find('\n', text.find("disarm = ")) - text.find("disarm = "));
  const std::string path = CAMBENCH_BUILD "/proof-press.toml";
  std::ofstream(path) << text;
  return path;
}

struct Bench {
  explicit Bench(bool disarms = true) : map(quick_map(disarms)) {}
  std::string map;
  asio::io_context io;
  sim::PressMachine machine{{.time_scale = 200, .noise_MPa = 0.002}};
  sim::ModbusTcpServer server{io.get_executor(), {{1, &machine}}};
  std::unique_ptr<Press> press =
      make_press(io.get_executor(), {.driver = "modbus",
                                     .name = "A1",
                                     .port = "tcp://127.0.0.1:" + std::to_string(server.port()),
                                     .map = map})
          .value();
  int readings = 0;

  proof::ProofTest run(Seconds release_within = Seconds(0.5)) {
    auto setting = proof_setting(press->limits(), MegaPascal(1));
    REQUIRE(setting);
    setting->arrive_within = Seconds(0.5);
    setting->hold_for = Seconds(0.05);
    setting->release_within = release_within;
    setting->watchdog_margin = Seconds(0.1);
    setting->between_readings = Seconds(0.01);
    proof::ProofTest test(*setting);
    tests::finish(io, to_the_end(test));
    return test;
  }
  asio::awaitable<bool> to_the_end(proof::ProofTest& test) {
    co_await carry_out(io.get_executor(), *press, test, [this](const PressureSample&) { ++readings; });
    co_return true;
  }
};

const proof::Finding& of(const proof::ProofTest& test, std::string_view step) {
  return *std::ranges::find(test.findings(), step, &proof::Finding::step);
}

}  // namespace

TEST_CASE("a sound press passes its proof test, ends vented, and its own watchdog was what held it") {
  Bench bench;
  CHECK(bench.press->limits().watchdog_after == Seconds(0.3));
  CHECK(bench.press->limits().watchdog_action == "hold");
  const auto test = bench.run();
  for (const auto& finding : test.findings())
    CHECK_MESSAGE(finding.verdict == proof::Verdict::passed, finding.seen);
  CHECK(test.passed());
  CHECK(bench.machine.mode() == sim::PressMachine::Mode::vent);
  CHECK(bench.machine.true_pressure() < MegaPascal(0.5));
  CHECK(bench.readings > 8);
}

TEST_CASE("a press that needs longer to release than its watchdog waits is still venting, and passes") {
  for (const bool disarms : {true, false}) {
    Bench bench(disarms);
    REQUIRE(bench.machine.inject("release:rate=0.004"));  // 0.6 s to half of it
    const auto test = bench.run(Seconds(2));
    CHECK_MESSAGE(test.passed(), of(test, "vent").seen);
    CHECK(bench.machine.mode() == sim::PressMachine::Mode::vent);
    CHECK_FALSE(bench.machine.watchdog_expired());
  }
}

TEST_CASE("a press that leaks, sticks, ignores or clips what it is told does not pass") {
  for (const auto& [fault, step] :
       {std::pair("leak:rate=1", "arrival"), std::pair("stuck", "arrival"), std::pair("wignore", "target"),
        std::pair("wclip:max=0.5", "target"), std::pair("nan", "identity"),
        std::pair("exception:code=4", "identity")}) {
    Bench bench;
    REQUIRE(bench.machine.inject(fault));
    const auto test = bench.run();
    CHECK_FALSE(test.passed());
    const auto failed = std::ranges::find(test.findings(), proof::Verdict::failed, &proof::Finding::verdict);
    REQUIRE(failed != test.findings().end());
    const bool at_first_sight = std::string_view(fault) == "nan" && failed->step == "released";
    CHECK_MESSAGE((failed->step == step || at_first_sight),
                  fault << ": " << failed->step << ": " << failed->seen);
  }
}

TEST_CASE("a gauge is not tested, and a target beyond the map is refused before anything moves") {
  Bench bench;
  CHECK(proof_setting(PressLimits{}, MegaPascal(1)).error().kind == Fault::Kind::refused);
  const auto beyond = proof_setting(bench.press->limits(), MegaPascal(401));
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().what == "401 MPa is outside 0..400 MPa, which the press's map allows");
  CHECK_FALSE(proof_setting(bench.press->limits(), MegaPascal(0)));
  CHECK(of(proof::ProofTest(*proof_setting(bench.press->limits(), MegaPascal(2))), "target").expected ==
        "the press takes a target of 2.00 MPa");
}
