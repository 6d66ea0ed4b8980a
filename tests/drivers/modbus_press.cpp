// The driver against a simulated press over a real TCP connection on the loopback. The press lives 200 times
// faster than the wire, so that ramps end within milliseconds; the wire itself is never stretched. The map is the
// built-in one with shorter time-outs.
#include "drivers/modbus_press.h"

#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <fstream>

#include "drivers/press_judge.h"
#include "drivers/register_maps.h"
#include "drivers/sim/modbus_server.h"
#include "tests/drivers/loop.h"

using namespace cambench;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

void replace(std::string& text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  text.replace(at, from.size(), to);
}

std::string quick_map() {
  std::ifstream file(CAMBENCH_SOURCE "/drivers/maps/generic-press.toml");
  std::string text(std::istreambuf_iterator<char>(file), {});
  for (const auto& [slow, quick] :
       {std::pair("response_timeout_ms = 500", "response_timeout_ms = 300"),
        std::pair("within_ms = 1000", "within_ms = 60"), std::pair("stale_ms = 1000", "stale_ms = 300")})
    for (std::size_t at = text.find(slow); at != std::string::npos; at = text.find(slow))
      text.replace(at, std::strlen(slow), quick);
  return text;
}

std::string file_of(const std::string& name, const std::string& map) {
  const std::string path = CAMBENCH_BUILD "/" + name;
  std::ofstream(path) << map;
  return path;
}

/// The same press for a host that has to ramp by itself, and that spares the EEPROM of the set point.
std::string host_ramp_map() {
  std::string text = quick_map();
  replace(text, "by = \"device\"\nrate = \"rate\"", "by = \"host\"\ninterval_ms = 4000");
  replace(text, "write = { min = 0, max = 400, step = 0.01 }",
          "write = { min = 0, max = 400, step = 0.01, only_on_change = true, min_interval_ms = 10 }");
  replace(text, "write = [{ item = \"command\", value = 2 }]\nconfirm = { item = \"mode\", equals = 2,",
          "write = [{ item = \"target\", value = \"pressure\" }]\nconfirm = { item = \"mode\", equals = 1,");
  return text;
}

struct Bench {
  explicit Bench(sim::PressSettings settings = fast(), ModbusPressOptions options = {})
      : machine(std::move(settings)), server(io.get_executor(), {{1, &machine}}) {
    if (options.map == "generic-press") options.map = file_of("quick-press.toml", quick_map());
    options.name = "press A1";
    options.port = "tcp://127.0.0.1:" + std::to_string(server.port());
    auto made = make_modbus_press(io.get_executor(), options);
    REQUIRE_MESSAGE(made, made.error().what);
    press = std::move(*made);
  }
  static sim::PressSettings fast() {
    sim::PressSettings settings;
    settings.time_scale = 200;
    settings.noise_MPa = 0.002;
    return settings;
  }
  PressureSample read() {
    auto sample = tests::finish(io, press->read());
    REQUIRE_MESSAGE(sample, sample.error().what);
    return *sample;
  }
  void order(MegaPascal target) {
    const auto done = tests::finish(io, press->set_target(target));
    REQUIRE_MESSAGE(done, done.error().what);
  }
  bool arrives(MegaPascal target) {
    for (int poll = 0; poll < 500; ++poll) {
      const auto sample = read();
      if (sample.pressure && abs(*sample.pressure - target) < MegaPascal(0.2)) return true;
      wait(5ms);
    }
    return false;
  }
  asio::awaitable<void> keep_ordering(MegaPascal target, std::optional<Result<void>>& result) {
    result = co_await press->set_target(target);
  }
  asio::awaitable<bool> waited(std::chrono::milliseconds time) {
    asio::steady_timer timer(io, time);
    co_await timer.async_wait(asio::use_awaitable);
    co_return true;
  }
  void wait(std::chrono::milliseconds time) { tests::finish(io, waited(time)); }

  asio::io_context io;
  sim::PressMachine machine;
  sim::ModbusTcpServer server;
  std::unique_ptr<Press> press;
};

}  // namespace

TEST_CASE("the press says who it is, and another serial number than the configured one is refused") {
  Bench bench;
  const auto identity = tests::finish(bench.io, bench.press->identify());
  REQUIRE_MESSAGE(identity, identity.error().what);
  CHECK(identity->serial == "PRESS-0001");
  CHECK(identity->firmware == "1");
  CHECK(bench.press->limits().max_target == MegaPascal(400));
  CHECK(bench.press->limits().watchdog);

  ModbusPressOptions options;
  options.serial = "PRESS-0002";
  Bench other(Bench::fast(), options);
  const auto refused = tests::finish(other.io, other.press->identify());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Fault::Kind::identity);
  CHECK(refused.error().what ==
        "press A1: serial number \"PRESS-0001\" answered, configured is \"PRESS-0002\"");
}

TEST_CASE("a press whose words come in another order than the map says is not taken for ours") {
  auto settings = Bench::fast();
  settings.low_word_first = true;
  Bench bench(settings);
  const auto refused = tests::finish(bench.io, bench.press->identify());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Fault::Kind::identity);
  CHECK(refused.error().what.find("word order") != std::string::npos);
}

TEST_CASE("a press reaches 50 MPa, holds it, follows a lower target, and vents") {
  Bench bench;
  bench.order(MegaPascal(50));
  CHECK(bench.machine.target() == MegaPascal(50));
  REQUIRE(bench.arrives(MegaPascal(50)));
  CHECK(std::abs(bench.machine.true_pressure().value() - 50) < 0.3);
  CHECK(bench.read().target == MegaPascal(50));

  REQUIRE(tests::finish(bench.io, bench.press->hold()));
  CHECK(bench.machine.mode() == sim::PressMachine::Mode::hold);
  bench.order(MegaPascal(20));
  REQUIRE(bench.arrives(MegaPascal(20)));

  REQUIRE(tests::finish(bench.io, bench.press->vent()));
  CHECK(bench.machine.mode() == sim::PressMachine::Mode::vent);
  REQUIRE(bench.arrives(MegaPascal(0)));
}

// Setting a target takes several exchanges; whichever of them is under way, the hold is what remains.
TEST_CASE("a hold that comes while a target is being set wins") {
  for (unsigned exchanges = 0; exchanges < 9; ++exchanges) {
    Bench bench;
    REQUIRE(bench.machine.inject("delay:s=0.003"));
    std::optional<Result<void>> done;
    asio::co_spawn(bench.io, bench.keep_ordering(MegaPascal(50), done), asio::detached);
    while (!done && bench.server.requests() < exchanges) bench.wait(1ms);
    REQUIRE(tests::finish(bench.io, bench.press->hold()));
    while (!done) bench.wait(2ms);
    CHECK(bench.machine.mode() == sim::PressMachine::Mode::hold);
    if (!*done) CHECK(done->error().kind == Fault::Kind::cancelled);
  }
}

TEST_CASE("a target above the map's limit never reaches the wire") {
  Bench bench;
  const auto before = bench.server.requests();
  const auto refused = tests::finish(bench.io, bench.press->set_target(MegaPascal(401)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Fault::Kind::refused);
  CHECK(refused.error().what == "press A1: target: 401 MPa is outside 0..400, which the map allows");
  CHECK(bench.server.requests() == before);
}

TEST_CASE("NaN, infinity and a broken sensor are readings without a pressure, and the trouble says which") {
  Bench bench;
  for (const auto& [fault, trouble] :
       {std::pair("nan", "pressure: NaN is not a number"),
        std::pair("inf", "pressure: infinity is not a number"),
        std::pair("sensor", "pressure: the device says status.sensor_broken")}) {
    REQUIRE(bench.machine.inject(fault));
    const auto sample = bench.read();
    CHECK_FALSE(sample.pressure);
    CHECK(sample.trouble == trouble);
    bench.machine.clear_all();
    CHECK(bench.read().pressure);
  }
}

TEST_CASE("a sensor whose counter stands still is not measuring") {
  Bench bench;
  REQUIRE(bench.read().pressure);
  REQUIRE(bench.machine.inject("freeze:counter=1"));
  bench.wait(30ms);
  CHECK(bench.read().pressure);  // two readings faster than the sensor are no fault
  bench.wait(350ms);             // stale_ms of the map is 300
  const auto sample = bench.read();
  CHECK_FALSE(sample.pressure);
  CHECK(sample.trouble.find("stands still") != std::string::npos);
}

TEST_CASE("a write that the press acknowledges and forgets is a fault after one repetition") {
  Bench bench;
  bench.order(MegaPascal(10));
  REQUIRE(bench.machine.inject("wignore"));
  const auto lost = tests::finish(bench.io, bench.press->set_target(MegaPascal(50)));
  REQUIRE_FALSE(lost);
  CHECK(lost.error().kind == Fault::Kind::instrument);
  CHECK(lost.error().what.find("wrote 4248 0000 and reads back 4120 0000") != std::string::npos);
}

TEST_CASE("a target that the press clips is a fault, not a smaller target") {
  Bench bench;
  REQUIRE(bench.machine.inject("wclip:max=20"));
  const auto clipped = tests::finish(bench.io, bench.press->set_target(MegaPascal(50)));
  REQUIRE_FALSE(clipped);
  CHECK(clipped.error().kind == Fault::Kind::instrument);
}

TEST_CASE("a press in local mode that ignores a hold does not count as made safe") {
  Bench bench;
  bench.order(MegaPascal(10));
  REQUIRE(bench.machine.inject("local"));
  const auto unsafe = tests::finish(bench.io, bench.press->hold());
  REQUIRE_FALSE(unsafe);
  CHECK(unsafe.error().what.find("hold was not confirmed after 3 attempts") != std::string::npos);
}

TEST_CASE("a set point that somebody moved at the panel is noticed at the next reading") {
  Bench bench;
  bench.order(MegaPascal(50));
  REQUIRE(bench.read().pressure);
  bench.machine.set_target_by_hand(MegaPascal(80));
  const auto sample = bench.read();
  CHECK_FALSE(sample.pressure);
  CHECK(sample.trouble == "the set point is 80.000 MPa, we ordered 50.000 MPa");
  bench.order(MegaPascal(50));
  CHECK(bench.read().pressure);
}

TEST_CASE("a press that restarted is in trouble until somebody orders a new target") {
  Bench bench;
  bench.order(MegaPascal(50));
  bench.machine.advance(std::chrono::steady_clock::now() + 90s);
  REQUIRE(bench.read().pressure);
  REQUIRE(bench.machine.inject("reboot"));
  bench.server.drop_connections();
  auto sample = bench.read();  // the lost connection is reopened without a fault
  CHECK_FALSE(sample.pressure);
  CHECK(sample.trouble == "the press restarted: its uptime went from 90 to 0 s");
  CHECK(sample.target == MegaPascal(0));
  CHECK_FALSE(bench.read().pressure);  // still: nobody has ordered anything
  bench.order(MegaPascal(50));
  CHECK(bench.read().pressure);
}

TEST_CASE("a controller that restarted and was held is believed again, and moves again") {
  Bench bench;
  bench.order(MegaPascal(50));
  const Instant ordered = std::chrono::steady_clock::now();
  bench.machine.advance(ordered + 90s);
  REQUIRE(bench.read().pressure);
  REQUIRE(bench.machine.inject("reboot"));
  CHECK_FALSE(bench.read().pressure);
  REQUIRE(tests::finish(bench.io, bench.press->hold()));
  bench.machine.advance(ordered + 91s);
  CHECK_MESSAGE(bench.read().pressure, bench.read().trouble);
  bench.order(MegaPascal(40));
  CHECK(bench.machine.mode() == sim::PressMachine::Mode::run);
  CHECK(bench.read().trouble.empty());
}

TEST_CASE("a set point that the device rounds is not one that somebody moved") {
  for (const std::string name :
       {"generic-press", "alicat-pc", "beckhoff-bk9000", "pixsys-atr243", "watlow-pm"}) {
    const auto map = find_register_map(name);
    REQUIRE(map);
    const auto& item = map->items[*map->target];
    const wire::modbus::Block block{"", item.table, item.address, item.count};
    for (double MPa = 0.3; MPa < 300; MPa *= 1.37) {
      const auto words = words_for(*map, *map->target, map->from_pressure(*map->target, MegaPascal(MPa)));
      if (!words) continue;  // beyond what the map allows
      const auto back = value_of(*map, *map->target, block, *words);
      REQUIRE(back);
      PressureSample sample;
      sample.target = map->to_pressure(*map->target, *back);
      CHECK_MESSAGE(was_moved(*map, sample, MegaPascal(MPa)).empty(),
                    name << ": " << was_moved(*map, sample, MegaPascal(MPa)));
      sample.target = *sample.target + MegaPascal(1);
      CHECK_FALSE(was_moved(*map, sample, MegaPascal(MPa)).empty());
    }
  }
}

TEST_CASE("a press that does not answer is a fault within its time-out, and is back when it answers") {
  Bench bench;
  bench.order(MegaPascal(50));
  REQUIRE(bench.machine.inject("stall"));
  const auto before = bench.press->health();
  CHECK(before.ok > 3);
  CHECK(before.errors == 0);
  const auto silent = tests::finish(bench.io, bench.press->read());
  REQUIRE_FALSE(silent);
  CHECK(silent.error().kind == Fault::Kind::timeout);
  CHECK(bench.press->health().errors == 1);
  CHECK(bench.press->health().ok == before.ok);
  CHECK(bench.press->health().longest >= Seconds(0.3));  // the map waits so long
  bench.machine.clear_all();
  CHECK(bench.read().target == MegaPascal(50));
}

// With a late reply libmodbus by itself stays one behind for ever (RTU) or fails for ever (TCP).
TEST_CASE("a late reply never becomes a value") {
  Bench bench;
  bench.order(MegaPascal(50));
  REQUIRE(bench.arrives(MegaPascal(50)));
  REQUIRE(bench.machine.inject("delay:s=0.4"));  // the map waits 0.3 s
  const auto late = tests::finish(bench.io, bench.press->read());
  REQUIRE_FALSE(late);
  bench.machine.clear_all();
  REQUIRE(tests::finish(bench.io, bench.press->vent()));
  bench.wait(150ms);  // the late reply has been sent now
  for (int poll = 0; poll < 5; ++poll) {
    const auto sample = bench.read();
    if (sample.pressure) CHECK(*sample.pressure < MegaPascal(1));
  }
}

TEST_CASE("a reply to another request, of another unit, or twice is not believed") {
  Bench bench;
  bench.order(MegaPascal(5));
  for (const char* fault : {"tid", "unit"}) {
    REQUIRE(bench.machine.inject(fault));
    const auto foreign = tests::finish(bench.io, bench.press->read());
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().kind == Fault::Kind::protocol);
    bench.machine.clear_all();
    CHECK(bench.read().pressure);
  }
  REQUIRE(bench.machine.inject("dup"));
  CHECK(bench.read().pressure);
  bench.wait(5ms);
  CHECK(bench.read().pressure);  // the second copy was drained
}

TEST_CASE("a reply with old data under a new request shows in the sample counter") {
  Bench bench;
  REQUIRE(bench.machine.inject("stale"));
  std::string troubles;
  for (int poll = 0; poll < 6; ++poll) {
    troubles += bench.read().trouble;
    bench.wait(25ms);
  }
  CHECK(troubles.find("the sample counter went back") != std::string::npos);
}

TEST_CASE("an exception of the device counts as a lost link, one about the map as a wrong map") {
  Bench bench;
  REQUIRE(bench.machine.inject("exception:code=4"));
  CHECK(tests::finish(bench.io, bench.press->read()).error().kind == Fault::Kind::link);
  bench.machine.clear_all();
  REQUIRE(bench.machine.inject("exception:code=2"));
  const auto wrong = tests::finish(bench.io, bench.press->read());
  CHECK(wrong.error().kind == Fault::Kind::instrument);
  CHECK(wrong.error().what.find("the register map does not fit") != std::string::npos);
}

TEST_CASE("a press that refuses connections is a link fault, and is left alone for growing moments") {
  Bench bench;
  REQUIRE(bench.machine.inject("refuse"));
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto refused = tests::finish(bench.io, bench.press->read());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Fault::Kind::link);
  }
  CHECK(tests::finish(bench.io, bench.press->read()).error().what.find("left alone") != std::string::npos);
  bench.machine.clear_all();
  CHECK(tests::finish(bench.io, bench.press->vent()));  // a stop does not wait for the pause
}

TEST_CASE("a silent press is asked at every turn while a cell runs under it, and otherwise left alone") {
  Bench bench;
  REQUIRE(bench.machine.inject("stall"));
  const auto asked_in_six_turns = [&] {
    const auto before = bench.server.requests();
    for (int turn = 0; turn < 6; ++turn) CHECK_FALSE(tests::finish(bench.io, bench.press->read()));
    return bench.server.requests() - before;
  };
  bench.press->guard(true);
  CHECK(asked_in_six_turns() == 6);
  bench.press->guard(false);
  CHECK(asked_in_six_turns() == 0);  // it failed more than twice in a row: the pauses have grown
  bench.press->guard(true);
  CHECK(asked_in_six_turns() == 6);
}

TEST_CASE("an unfed watchdog holds the press by itself, feeding then says so, and a new target resets it") {
  Bench bench;
  bench.order(MegaPascal(50));
  REQUIRE(bench.arrives(MegaPascal(50)));
  REQUIRE(tests::finish(bench.io, bench.press->feed_watchdog()));
  REQUIRE(tests::finish(bench.io, bench.press->feed_watchdog()));
  bench.machine.advance(std::chrono::steady_clock::now() + 6s);  // the map arms it with 5 s
  CHECK(bench.machine.watchdog_expired());
  CHECK(bench.machine.mode() == sim::PressMachine::Mode::hold);
  const auto expired = tests::finish(bench.io, bench.press->feed_watchdog());
  REQUIRE_FALSE(expired);
  CHECK(expired.error().kind == Fault::Kind::instrument);

  bench.order(MegaPascal(40));
  CHECK(tests::finish(bench.io, bench.press->feed_watchdog()));
  CHECK_FALSE(bench.machine.watchdog_expired());
}

TEST_CASE("a vent outlasts the press's own watchdog, which is disarmed, or fed where it cannot be") {
  const bool can_disarm = true, is_fed = true;
  struct Case {
    bool disarms, fed;
    sim::PressMachine::Mode then;
  };
  using Mode = sim::PressMachine::Mode;
  for (const Case& it : {Case{can_disarm, !is_fed, Mode::vent}, Case{can_disarm, is_fed, Mode::vent},
                         Case{!can_disarm, is_fed, Mode::vent}, Case{!can_disarm, !is_fed, Mode::hold}}) {
    std::string map = quick_map();
    if (!it.disarms) replace(map, "disarm = [{ item = \"watchdog_ms\", value = 0 }]", "");
    ModbusPressOptions options;
    options.map = file_of("venting-press.toml", map);
    Bench bench(Bench::fast(), options);
    bench.order(MegaPascal(50));
    REQUIRE(bench.arrives(MegaPascal(50)));
    REQUIRE(tests::finish(bench.io, bench.press->feed_watchdog()));
    CHECK_FALSE(bench.press->vents());
    REQUIRE(bench.machine.inject("release:rate=0.005"));
    REQUIRE(tests::finish(bench.io, bench.press->vent()));
    const Instant ordered = std::chrono::steady_clock::now();
    for (const auto later : {4s, 8s, 12s}) {  // the map arms it with 5 s
      CHECK(bench.read().trouble.empty());
      if (it.fed) CHECK(tests::finish(bench.io, bench.press->feed_watchdog()));
      bench.machine.advance(ordered + later);
    }
    CHECK(bench.machine.true_pressure() > MegaPascal(30));
    CHECK(bench.machine.mode() == it.then);
    (void)bench.read();
    CHECK(bench.press->vents() == (it.then == Mode::vent));
  }
}

TEST_CASE("a press that is told to move after a vent is watched again") {
  Bench bench;
  bench.order(MegaPascal(50));
  REQUIRE(tests::finish(bench.io, bench.press->feed_watchdog()));
  REQUIRE(tests::finish(bench.io, bench.press->vent()));
  bench.order(MegaPascal(40));
  (void)bench.read();
  REQUIRE(tests::finish(bench.io, bench.press->feed_watchdog()));
  bench.machine.advance(std::chrono::steady_clock::now() + 6s);
  CHECK(bench.machine.watchdog_expired());
}

namespace {

struct HostRampBench : Bench {
  HostRampBench() : Bench(settings(), options()) {}
  static sim::PressSettings settings() {
    auto press = fast();
    press.noise_MPa = 0;
    press.rate_MPa_per_s = 1000;  // a device that goes wherever its set point is
    return press;
  }
  static ModbusPressOptions options() {
    ModbusPressOptions host;
    host.map = file_of("host-ramp-press.toml", host_ramp_map());
    host.time_scale = 200;
    return host;
  }
};

}  // namespace

// 1 MPa/s at 200 times the speed is 4 MPa in each wire step of 20 ms.
TEST_CASE("a host ramp walks from the pressure there is to the target in limited steps") {
  HostRampBench bench;
  std::optional<Result<void>> done;
  asio::co_spawn(bench.io, bench.keep_ordering(MegaPascal(30), done), asio::detached);
  double before = 0, largest = 0;
  int steps = 0;
  while (!done) {
    bench.wait(2ms);
    const double target = bench.machine.target().value();
    largest = std::max(largest, target - before);
    if (target != before) ++steps;
    before = target;
  }
  REQUIRE_MESSAGE(*done, done->error().what);
  CHECK(before == 30);
  CHECK(largest <= 4.01);
  CHECK(steps >= 7);
  REQUIRE(bench.arrives(MegaPascal(30)));
}

TEST_CASE("a hold ends a host ramp where the press is, and the ramp says who ended it") {
  HostRampBench bench;
  std::optional<Result<void>> done;
  asio::co_spawn(bench.io, bench.keep_ordering(MegaPascal(300), done), asio::detached);
  while (bench.machine.target() < MegaPascal(20)) bench.wait(2ms);
  bench.read();
  REQUIRE(tests::finish(bench.io, bench.press->hold()));
  bench.wait(60ms);
  REQUIRE(done);
  REQUIRE_FALSE(*done);
  CHECK(done->error().kind == Fault::Kind::cancelled);
  const MegaPascal held = bench.machine.target();
  CHECK(held < MegaPascal(60));
  bench.wait(60ms);
  CHECK(bench.machine.target() == held);
  CHECK(bench.read().pressure);
}

TEST_CASE("a set point that is already there is not written again to an EEPROM") {
  HostRampBench bench;
  bench.order(MegaPascal(8));
  REQUIRE(bench.arrives(MegaPascal(8)));
  bench.wait(80ms);  // settled to the hundredth
  const auto writes = bench.machine.target_writes();
  bench.order(MegaPascal(8));
  REQUIRE(tests::finish(bench.io, bench.press->hold()));
  CHECK(bench.machine.target_writes() == writes);
}

TEST_CASE("a ramp does not begin at a pressure that nobody knows") {
  HostRampBench bench;
  REQUIRE(bench.machine.inject("nan"));
  const auto refused = tests::finish(bench.io, bench.press->set_target(MegaPascal(50)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Fault::Kind::bad_value);
  CHECK(bench.machine.target() == MegaPascal(0));
}

// A load cell under a press that is tightened by hand: the map has no set point.
TEST_CASE("a gauge reads and holds by itself, and says that somebody has to release it") {
  std::string map = quick_map();
  replace(map, "target = \"target\"\n", "");
  map.erase(map.find("[ramp]"));
  ModbusPressOptions options;
  options.map = file_of("gauge.toml", map);
  Bench bench(Bench::fast(), options);
  CHECK(bench.press->limits().max_target == MegaPascal(0));
  CHECK(bench.read().pressure);
  CHECK(tests::finish(bench.io, bench.press->hold()));
  CHECK(tests::finish(bench.io, bench.press->vent()).error().kind == Fault::Kind::refused);
  CHECK(tests::finish(bench.io, bench.press->set_target(MegaPascal(1))).error().kind == Fault::Kind::refused);
}

namespace {

/// As much of an Alicat PC as the built-in map uses (manual, pages 34 and 35): 80 mm piston, 10 mm pellet.
class AlicatLike final : public sim::RegisterDevice {
 public:
  void advance(Instant) override {}
  std::expected<std::vector<std::uint16_t>, sim::ModbusException> read(std::uint16_t address,
                                                                       std::uint16_t count) override {
    if (address == 999 && count == 2) return std::vector<std::uint16_t>{id, result};
    if (address == 1009 && count == 2) return setpoint;
    // The gas is at its set point at once, unless the valves are held or exhaust.
    const std::uint16_t flags = argument == 3 ? 1u << 10 : argument == 1 ? 1u << 8 : 0;
    if (address == 1200 && count == 4) return std::vector<std::uint16_t>{0, flags, gas[0], gas[1]};
    return std::unexpected(sim::ModbusException{2});
  }
  std::expected<void, sim::ModbusException> write(std::uint16_t address,
                                                  std::span<const std::uint16_t> words) override {
    if (address == 999 && words.size() == 2) {
      id = words[0];
      result = id == 6 && words[1] <= 3 ? 0 : 32769;
      argument = words[1];
    } else if (address == 1009 && words.size() == 2) {
      setpoint.assign(words.begin(), words.end());
      ++setpoints;
    } else {
      return std::unexpected(sim::ModbusException{2});
    }
    if (argument == 0) gas = setpoint;
    if (argument == 3) gas = {0, 0};
    return {};
  }
  std::uint16_t id = 0, argument = 0, result = 0;
  std::vector<std::uint16_t> setpoint{0, 0}, gas{0, 0};
  int setpoints = 0;
};

}  // namespace

TEST_CASE("the Alicat map walks the gas pressure, and closes and exhausts by its command registers") {
  asio::io_context io;
  AlicatLike device;
  sim::ModbusTcpServer server(io.get_executor(), {{1, &device}});
  ModbusPressOptions options;
  options.name = "press C1";
  options.port = "tcp://127.0.0.1:" + std::to_string(server.port());
  options.map = "alicat-pc";
  options.time_scale = 500;
  const auto press = make_modbus_press(io.get_executor(), options);
  REQUIRE_MESSAGE(press, press.error().what);
  REQUIRE(tests::finish(io, (*press)->identify()));
  CHECK((*press)->limits().max_target.value() == doctest::Approx(64).epsilon(1e-3));  // 10 bar of gas
  const auto moved = tests::finish(io, (*press)->set_target(MegaPascal(50)));
  REQUIRE_MESSAGE(moved, moved.error().what);
  CHECK(device.setpoint[0] == 0x40FA);  // 7.8125 bar is 40FA 0000; the rest is the piston's rounding
  CHECK(device.setpoints >= 5);
  const auto sample = tests::finish(io, (*press)->read());
  REQUIRE(sample);
  CHECK(sample->pressure->value() == doctest::Approx(50).epsilon(1e-6));
  REQUIRE(tests::finish(io, (*press)->hold()));
  CHECK(device.argument == 1);
  REQUIRE(tests::finish(io, (*press)->vent()));
  CHECK(device.argument == 3);
  CHECK(tests::finish(io, (*press)->read())->pressure == MegaPascal(0));
}

namespace {

/// The command word of a weighing transmitter of HBM's kind (register 5 there): bit 15 hands an order over, the
/// status answers with its own bit 15 and takes both back when the order is withdrawn. Bit 0 of `pulse` counts edges.
class Handshaking final : public sim::RegisterDevice {
 public:
  static constexpr std::uint16_t command = 100, status = 101, pulse = 102;
  explicit Handshaking(sim::PressMachine& below) : below_(below) {}
  void advance(Instant now) override { below_.advance(now); }
  std::expected<std::vector<std::uint16_t>, sim::ModbusException> read(std::uint16_t address,
                                                                       std::uint16_t count) override {
    if (address == status && count == 1)
      return std::vector<std::uint16_t>{static_cast<std::uint16_t>(acknowledges ? handed & 0x8000 : 0)};
    if (address == command && count == 1) return std::vector<std::uint16_t>{handed};
    if (address == pulse && count == 1) return std::vector<std::uint16_t>{bit};
    return below_.read(address, count);
  }
  std::expected<void, sim::ModbusException> write(std::uint16_t address,
                                                  std::span<const std::uint16_t> words) override {
    if (address == command) {
      if (words[0] & 0x8000) orders.push_back(words[0] & 0x7fff);
      handed = words[0];
    } else if (address == pulse) {
      edges += words[0] == 1 && bit == 0;
      bit = words[0];
    } else {
      return below_.write(address, words);
    }
    return {};
  }
  std::uint16_t handed = 0, bit = 0;
  int edges = 0;
  bool acknowledges = true;
  std::vector<int> orders;

 private:
  sim::PressMachine& below_;
};

std::string handshake_map() {
  std::string text = quick_map();
  for (const char* section : {"[watchdog]", "[action.run]", "[action.hold]", "[action.vent]"}) {
    const auto from = text.find(section);
    REQUIRE(from != std::string::npos);
    text.erase(from,
               text.find("\n[", from) == std::string::npos ? text.npos : text.find("\n[", from) + 1 - from);
  }
  return text + R"(
[item.order]
address = 100
type = "u16"
write = { min = 0, max = 65535 }
[item.answer]
address = 101
type = "u16"
bits = { taken = 15 }
[item.release]
address = 102
type = "u16"
write = { min = 0, max = 1 }
[action.hold]
write = [
  { item = "order", value = 0x8002, until = { item = "answer.taken", equals = 1, within_ms = 60 } },
  { item = "order", value = 0, until = { item = "answer.taken", equals = 0, within_ms = 60 } },
]
[action.vent]
write = [{ item = "release", value = 1, pulse_ms = 2 }]
)";
}

}  // namespace

TEST_CASE("an order that a device wants handed over and confirmed, or as a pulse, is written so") {
  asio::io_context io;
  sim::PressMachine machine(Bench::fast());
  Handshaking device(machine);
  sim::ModbusTcpServer server(io.get_executor(), {{1, &device}});
  ModbusPressOptions options;
  options.name = "press H1";
  options.port = "tcp://127.0.0.1:" + std::to_string(server.port());
  options.map = file_of("handshake.toml", handshake_map());
  const auto press = make_modbus_press(io.get_executor(), options);
  REQUIRE_MESSAGE(press, press.error().what);

  const auto held = tests::finish(io, (*press)->hold());
  REQUIRE_MESSAGE(held, held.error().what);
  CHECK(device.orders == std::vector{2});
  CHECK(device.handed == 0);
  const auto vented = tests::finish(io, (*press)->vent());
  REQUIRE_MESSAGE(vented, vented.error().what);
  CHECK(device.edges == 1);
  CHECK(device.bit == 0);

  device.acknowledges = false;  // then the order is not withdrawn as if it had been taken
  const auto unheard = tests::finish(io, (*press)->hold());
  REQUIRE_FALSE(unheard);
  CHECK(unheard.error().what.find("answer should be 1") != std::string::npos);
  CHECK(device.handed == 0x8002);
}
