// The simulated press by itself: its registers by address, its physics by the true pressure.
#include "drivers/sim/press_machine.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

using namespace cambench;
using namespace cambench::sim;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t status = 0, counter = 1, pressure = 2, target = 4, uptime = 8, rate = 10,
                        command = 12, watchdog_ms = 14, watchdog_action = 15, feed = 16, watchdog_state = 17,
                        watchdog_reset = 18;
constexpr Instant start{1000s};

std::vector<std::uint16_t> words(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return {static_cast<std::uint16_t>(bits >> 16), static_cast<std::uint16_t>(bits)};
}

struct Bench {
  explicit Bench(PressSettings settings = {}) : machine(std::move(settings), start) {}

  void after(std::chrono::milliseconds time) { machine.advance(now += time); }
  std::uint16_t word(std::uint16_t address) { return machine.read(address, 1).value()[0]; }
  double number(std::uint16_t address) {
    const auto both = machine.read(address, 2).value();
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(both[0]) << 16 | both[1]));
  }
  void put(std::uint16_t address, std::uint16_t value) {
    REQUIRE(machine.write(address, std::vector{value}));
  }
  void press(double MPa) {
    REQUIRE(machine.write(target, words(MPa)));
    put(command, 1);
  }
  [[nodiscard]] double truth() const { return machine.true_pressure().value(); }
  Instant now = start;
  PressMachine machine;
};

PressSettings quiet() {
  PressSettings settings;
  settings.noise_MPa = 0;
  return settings;
}

}  // namespace

TEST_CASE("the pressure follows a ramp of 1 MPa/s with a lag of 1.5 s") {
  Bench bench(quiet());
  bench.press(50);
  bench.after(20s);
  CHECK(bench.truth() ==
        doctest::Approx(20 - 1.5).epsilon(0.01));  // a first-order lag trails a ramp by rate x lag
  bench.after(45s);
  CHECK(bench.truth() == doctest::Approx(50).epsilon(1e-4));
  CHECK((bench.word(status) & 2) == 2);
}

TEST_CASE("the same experiment at 100 times the speed ends at the same pressure") {
  auto settings = quiet();
  settings.time_scale = 100;
  Bench bench(settings);
  bench.press(50);
  bench.after(200ms);
  CHECK(bench.truth() == doctest::Approx(20 - 1.5).epsilon(0.01));
}

TEST_CASE("the shown pressure scatters by the sensor's noise around the true one") {
  PressSettings settings;
  settings.noise_MPa = 0.05;
  Bench bench(settings);
  bench.press(50);
  bench.after(120s);
  double sum = 0, squares = 0;
  constexpr int readings = 2000;
  for (int i = 0; i < readings; ++i) {
    bench.after(20ms);
    const double off = bench.number(pressure) - bench.truth();
    sum += off;
    squares += off * off;
  }
  CHECK(std::abs(sum / readings) < 0.005);
  CHECK(std::sqrt(squares / readings) == doctest::Approx(0.05).epsilon(0.05));
}

TEST_CASE("a leak loses 0.5 MPa a second, a burst everything, a runaway gains 5 MPa a second") {
  for (const auto& [fault, expected] :
       {std::pair("leak", 45.0), std::pair("burst", 0.0), std::pair("runaway", 100.0)}) {
    Bench bench(quiet());
    bench.press(50);
    bench.after(100s);
    REQUIRE(bench.machine.inject(fault));
    bench.after(10s);
    CHECK(bench.truth() == doctest::Approx(expected).epsilon(0.01));
    bench.machine.clear(fault);
    bench.after(120s);
    CHECK(bench.truth() == doctest::Approx(50).epsilon(0.01));
  }
}

TEST_CASE("a vent releases 20 MPa a second, or as slowly as it is told") {
  for (const auto& [fault, expected] : {std::pair("", 30.0), std::pair("release:rate=2", 48.0)}) {
    Bench bench(quiet());
    bench.press(50);
    bench.after(100s);
    if (*fault) REQUIRE(bench.machine.inject(fault));
    bench.put(command, 3);
    bench.after(1s);
    CHECK(bench.truth() == doctest::Approx(expected).epsilon(0.01));
    bench.after(30s);
    CHECK(bench.truth() < 0.1);
  }
}

TEST_CASE("a stuck actuator stays where it is, a slow one arrives later") {
  Bench bench(quiet());
  bench.press(50);
  bench.after(100s);
  REQUIRE(bench.machine.inject("stuck"));
  bench.press(80);
  bench.after(100s);
  CHECK(bench.truth() == doctest::Approx(50));
  bench.machine.clear_all();
  REQUIRE(bench.machine.inject("slow:factor=20"));
  bench.after(30s);
  CHECK(bench.truth() > 60);
  CHECK(bench.truth() < 75);
}

TEST_CASE("a pressed cell breathes, a released one does not") {
  Bench bench(quiet());
  bench.machine.set_breathing(MegaPascal(0.8));
  CHECK(bench.truth() == 0);
  bench.press(50);
  bench.after(100s);
  CHECK(bench.truth() == doctest::Approx(50.8));
  bench.put(command, 3);
  bench.after(60s);
  CHECK(bench.truth() == doctest::Approx(0));
}

TEST_CASE("an unfed watchdog closes the valves after its time, and a run needs its reset") {
  Bench bench(quiet());
  bench.press(50);
  bench.put(watchdog_action, 2);
  bench.put(watchdog_ms, 1000);
  for (std::uint16_t i = 1; i <= 20; ++i) {
    bench.after(900ms);
    bench.put(feed, i);
  }
  CHECK(bench.word(watchdog_state) == 1);
  bench.after(900ms);
  bench.put(feed, 20);  // the same number again is a host that hangs
  bench.after(200ms);
  CHECK(bench.word(watchdog_state) == 2);
  CHECK(bench.machine.mode() == PressMachine::Mode::hold);
  const double held = bench.truth();
  bench.press(80);
  bench.after(60s);
  CHECK(bench.truth() == doctest::Approx(held));
  bench.put(watchdog_reset, 0xafee);
  bench.press(80);
  bench.put(watchdog_ms, 0);
  bench.after(100s);
  CHECK(bench.truth() == doctest::Approx(80).epsilon(0.001));
}

TEST_CASE("the watchdog and the uptime run on wire time whatever the time scale") {
  auto settings = quiet();
  settings.time_scale = 5000;
  Bench bench(settings);
  bench.put(watchdog_ms, 1000);
  bench.after(990ms);
  CHECK(bench.word(watchdog_state) == 1);
  bench.after(20ms);
  CHECK(bench.word(watchdog_state) == 2);
  CHECK(bench.word(uptime + 1) == 1);
}

TEST_CASE("a restart forgets target and watchdog and closes the valves") {
  Bench bench(quiet());
  bench.press(50);
  bench.put(watchdog_ms, 5000);
  bench.after(4s);
  REQUIRE(bench.machine.inject("reboot"));
  CHECK(bench.number(target) == 0);
  CHECK(bench.word(uptime + 1) == 0);
  CHECK(bench.word(counter) == 0);
  CHECK(bench.word(watchdog_state) == 0);
  CHECK(bench.machine.mode() == PressMachine::Mode::hold);
}

TEST_CASE("a frozen sensor shows the old pressure, with or without its counter") {
  Bench bench(quiet());
  bench.press(50);
  bench.after(100s);
  REQUIRE(bench.machine.inject("freeze"));
  bench.put(command, 3);
  const auto before = bench.word(counter);
  bench.after(10s);
  CHECK(bench.number(pressure) == doctest::Approx(50).epsilon(0.01));
  CHECK(bench.truth() < 0.1);
  CHECK(bench.word(counter) != before);
  REQUIRE(bench.machine.inject("freeze:counter=1"));
  const auto stopped = bench.word(counter);
  bench.after(10s);
  CHECK(bench.word(counter) == stopped);
}

TEST_CASE("illegal addresses and values are exceptions, and nothing of the request is done") {
  Bench bench;
  CHECK(bench.machine.read(18, 2).error().code == 2);
  CHECK(bench.machine.read(31, 1).error().code == 2);
  CHECK(bench.machine.read(65535, 1).error().code == 2);
  CHECK(bench.machine.read(0, 0).error().code == 2);
  CHECK(bench.machine.write(target, std::vector<std::uint16_t>{0x4248}).error().code == 2);  // half a float
  CHECK(bench.machine.write(pressure, words(1)).error().code == 2);
  CHECK(bench.machine.write(target, words(401)).error().code == 3);
  CHECK(bench.machine.write(target, words(NAN)).error().code == 3);
  auto both = words(10);  // a good target, and a command that does not exist behind the rate
  for (const std::uint16_t word : {0, 0, 0, 0}) both.push_back(word);
  CHECK_FALSE(bench.machine.write(target, both));
  CHECK(bench.number(target) == 0);
  CHECK(bench.number(rate) == 1);
}

TEST_CASE("a write that is held is done when its time has come, and nobody hears of it") {
  Bench bench;
  REQUIRE(bench.machine.inject("hold:s=3"));
  CHECK(bench.machine.trouble().mute);
  REQUIRE(bench.machine.write(target, words(50)));
  bench.after(2900ms);
  CHECK(bench.number(target) == 0);
  bench.machine.clear("hold");
  bench.after(200ms);
  CHECK(bench.number(target) == 50);
}

TEST_CASE("an unknown fault is refused with a list of those there are") {
  Bench bench;
  const auto unknown = bench.machine.inject("leek");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().what.find("leak:rate=0.5  pressure is lost") != std::string::npos);
  for (const char* wrong :
       {"leak:speed=1", "leak:rate=", "leak:rate=fast", "leak:rate=-1", "burst:rate=1", ""})
    CHECK_FALSE(bench.machine.inject(wrong));
  CHECK(PressMachine::known_faults().size() == 28);
}
