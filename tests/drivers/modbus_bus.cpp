#include "drivers/link/modbus_bus.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "drivers/modbus_press.h"
#include "drivers/sim/modbus_server.h"
#include "tests/drivers/loop.h"

using namespace cambench;
using namespace cambench::link;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace modbus = cambench::wire::modbus;
using modbus::Table;
using modbus::Words;

namespace {

constexpr std::uint16_t counter = 1, target = 4, command = 12, serial = 36;

BusRequest reading(std::uint16_t address, std::uint16_t count) {
  BusRequest request;
  request.what = BusRead{Table::holding, address, count};
  request.timeout = Seconds(0.3);
  request.guard_time = Seconds(0.4);
  request.name = "test";
  return request;
}

BusRequest writing(std::uint16_t address, Words words, Urgency urgency) {
  BusRequest request = reading(address, 1);
  BusWrite write;
  write.table = Table::holding;
  write.address = address;
  write.words = std::move(words);
  request.what = std::move(write);
  request.urgency = urgency;
  return request;
}

sim::PressSettings fast() {
  sim::PressSettings settings;
  settings.time_scale = 200;
  return settings;
}

/// Two presses behind one gateway, or on one line.
struct Bench {
  asio::io_context io;
  sim::PressMachine first{fast()}, second{fast()};
  sim::ModbusTcpServer server{io.get_executor(), {{1, &first}, {2, &second}}};

  std::shared_ptr<ModbusBus> bus() {
    auto settings = bus_settings("tcp://127.0.0.1:" + std::to_string(server.port()));
    REQUIRE(settings);
    return ModbusBus::shared(io.get_executor(), *settings).value();
  }
};

asio::awaitable<void> note(std::shared_ptr<ModbusBus> bus, BusRequest request, int number,
                           std::vector<int>& order, std::vector<Result<Words>>& results) {
  auto result = co_await bus->ask(std::move(request));
  order.push_back(number);
  results.push_back(std::move(result));
}

asio::awaitable<bool> waited(asio::io_context& io, std::chrono::milliseconds time) {
  asio::steady_timer timer(io, time);
  co_await timer.async_wait(asio::use_awaitable);
  co_return true;
}

}  // namespace

TEST_CASE("a port is a numeric address or a serial line with parameters that exist") {
  CHECK(bus_settings("tcp://127.0.0.1:1502")->port == 1502);
  CHECK(bus_settings("tcp://192.168.50.7")->port == 502);
  CHECK(bus_settings("/dev/serial/by-id/usb-press", 19200, 'E', 1)->parity == 'E');
  for (const char* port :
       {"tcp://press.lab:502", "tcp://127.0.0.1:", "tcp://127.0.0.1:70000", "tcp://", "COM3", ""})
    CHECK_FALSE(bus_settings(port));
  CHECK_FALSE(bus_settings("/dev/ttyUSB0", 19201, 'N', 1));
  CHECK_FALSE(bus_settings("/dev/ttyUSB0", 19200, 'X', 1));
  CHECK(bus_settings("tcp://press.lab:502").error().what.find("must be numeric") != std::string::npos);
}

TEST_CASE("stations behind one gateway share one bus, and each reads its own unit") {
  Bench bench;
  const auto bus = bench.bus();
  CHECK(bus == bench.bus());
  BusRequest other = reading(target, 2);
  other.unit = 2;
  REQUIRE(bench.second.write(target, Words{0x4248, 0}));
  CHECK(tests::finish(bench.io, bus->ask(reading(target, 2))).value() == Words{0, 0});
  CHECK(tests::finish(bench.io, bus->ask(other)).value() == Words{0x4248, 0});
  const BusHealth health = bus->health();
  CHECK(health.ok == 2);
  CHECK(health.errors == 0);
  CHECK(health.connects == 1);
  CHECK(health.longest >= health.last);
}

TEST_CASE("an absent unit behind the gateway is a link fault that names port and unit") {
  Bench bench;
  BusRequest absent = reading(target, 2);
  absent.unit = 9;
  const auto refused = tests::finish(bench.io, bench.bus()->ask(absent));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Fault::Kind::link);
  CHECK(refused.error().what == "test: exception 11, gateway target does not answer (tcp://127.0.0.1:" +
                                    std::to_string(bench.server.port()) + " unit 9)");
}

TEST_CASE("a silent unit that guards a cell leaves the line to the others for as long as it held them up") {
  Bench bench;
  const auto bus = bench.bus();
  BusRequest other = reading(target, 2), silent = reading(target, 2);
  other.unit = 2;
  silent.guards_cell = other.guards_cell = true;
  CHECK(tests::finish(bench.io, bus->ask(other)));
  REQUIRE(bench.first.inject("stall"));
  CHECK(tests::finish(bench.io, bus->ask(silent)).error().kind == Fault::Kind::timeout);  // 0.3 s
  const auto asked = bench.server.requests();
  CHECK(tests::finish(bench.io, bus->ask(silent)).error().what.find("left alone") != std::string::npos);
  CHECK(bench.server.requests() == asked);
  CHECK(tests::finish(bench.io, bus->ask(other)));

  silent.urgency = Urgency::stop;  // waits for nobody
  CHECK(tests::finish(bench.io, bus->ask(silent)).error().kind == Fault::Kind::timeout);
  silent.urgency = Urgency::poll;
  Fault later;
  do later = tests::finish(bench.io, bus->ask(silent)).error();
  while (later.what.find("left alone") != std::string::npos);
  CHECK(later.kind == Fault::Kind::timeout);
}

TEST_CASE("a stop overtakes what waits and discards the set points of its own unit, not of the other") {
  Bench bench;
  const auto bus = bench.bus();
  REQUIRE(bench.first.inject("delay:s=0.02"));  // so that the rest has to wait
  std::vector<int> order;
  std::vector<Result<Words>> results;
  BusRequest others = writing(target, {0x4120, 0}, Urgency::set_point);
  others.unit = 2;
  asio::co_spawn(bench.io, note(bus, reading(counter, 1), 0, order, results), asio::detached);
  asio::co_spawn(bench.io, note(bus, reading(counter, 1), 1, order, results), asio::detached);
  asio::co_spawn(bench.io, note(bus, writing(target, {0x4248, 0}, Urgency::set_point), 2, order, results),
                 asio::detached);
  asio::co_spawn(bench.io, note(bus, others, 3, order, results), asio::detached);
  asio::co_spawn(bench.io, note(bus, writing(command, {2}, Urgency::stop), 4, order, results),
                 asio::detached);
  while (order.size() < 5) tests::finish(bench.io, waited(bench.io, 10ms));

  const auto place = [&](int number) { return std::ranges::find(order, number) - order.begin(); };
  CHECK(place(4) < place(1));
  CHECK(place(4) < place(3));
  REQUIRE_FALSE(results[static_cast<std::size_t>(place(2))]);
  CHECK(results[static_cast<std::size_t>(place(2))].error().kind == Fault::Kind::cancelled);
  CHECK(results[static_cast<std::size_t>(place(3))]);
  CHECK(bench.first.target() == MegaPascal(0));
  CHECK(bench.second.target() == MegaPascal(10));
}

TEST_CASE("a full queue is a fault at once, but a stop still finds room") {
  Bench bench;
  auto settings = bus_settings("tcp://127.0.0.1:" + std::to_string(bench.server.port())).value();
  settings.queue = 2;
  const auto bus = std::make_shared<ModbusBus>(settings);
  REQUIRE(bench.first.inject("delay:s=0.02"));
  std::vector<int> order;
  std::vector<Result<Words>> results;
  for (int number = 0; number < 6; ++number)
    asio::co_spawn(bench.io, note(bus, reading(counter, 1), number, order, results), asio::detached);
  asio::co_spawn(bench.io, note(bus, writing(command, {2}, Urgency::stop), 6, order, results),
                 asio::detached);
  while (order.size() < 7) tests::finish(bench.io, waited(bench.io, 10ms));
  int refused = 0;
  for (std::size_t i = 0; i < 7; ++i) {
    if (results[i]) continue;
    CHECK(order[i] != 6);
    CHECK(results[i].error().kind == Fault::Kind::refused);
    ++refused;
  }
  CHECK(refused >= 3);
}

TEST_CASE("closing a bus ends a request that waits, without waiting for its time-out") {
  Bench bench;
  const auto bus = bench.bus();
  REQUIRE(bench.first.inject("stall"));
  BusRequest patient = reading(counter, 1);
  patient.timeout = Seconds(100);
  std::vector<int> order;
  std::vector<Result<Words>> results;
  asio::co_spawn(bench.io, note(bus, patient, 0, order, results), asio::detached);
  tests::finish(bench.io, waited(bench.io, 30ms));
  CHECK(order.empty());
  bus->close();
  tests::finish(bench.io, waited(bench.io, 10ms));
  REQUIRE(results.size() == 1);
  CHECK_FALSE(results[0]);
  CHECK(tests::finish(bench.io, bus->ask(reading(counter, 1))).error().kind == Fault::Kind::cancelled);
}

TEST_CASE("an io_context that goes while requests wait takes its buses with it") {
  sim::PressMachine machine(fast());
  std::vector<int> order;
  std::vector<Result<Words>> results;
  {
    asio::io_context io;
    sim::ModbusTcpServer server(io.get_executor(), {{1, &machine}});
    REQUIRE(machine.inject("stall"));
    BusRequest patient = reading(counter, 1);
    patient.timeout = Seconds(100);
    const auto settings = bus_settings("tcp://127.0.0.1:" + std::to_string(server.port())).value();
    for (int number = 0; number < 3; ++number)
      asio::co_spawn(
          io, note(ModbusBus::shared(io.get_executor(), settings).value(), patient, number, order, results),
          asio::detached);
    tests::finish(io, waited(io, 30ms));
  }
  CHECK(order.empty());
}

// Modbus over serial line 1.02, section 6.2.2: the example frame 02 07 ends in 41 12.
TEST_CASE("the checksum of the simulated line is the specification's") {
  const std::vector<std::uint8_t> frame{0x02, 0x07};
  CHECK(sim::crc16(frame) == 0x1241);
}

TEST_CASE("two presses on one serial line are read and moved") {
  asio::io_context io;
  sim::PressMachine first(fast()), second([] {
    auto settings = fast();
    settings.serial = "PRESS-0002";
    return settings;
  }());
  sim::ModbusRtuServer line(io.get_executor(), {{1, &first}, {2, &second}});
  ModbusPressOptions options;
  options.name = "press B2";
  options.port = line.path();
  options.unit = 2;
  options.serial = "PRESS-0002";
  auto press = make_modbus_press(io.get_executor(), options);
  REQUIRE_MESSAGE(press, press.error().what);
  const auto identity = tests::finish(io, (*press)->identify());
  REQUIRE_MESSAGE(identity, identity.error().what);
  const auto moved = tests::finish(io, (*press)->set_target(MegaPascal(50)));
  REQUIRE_MESSAGE(moved, moved.error().what);
  CHECK(second.target() == MegaPascal(50));
  CHECK(first.target() == MegaPascal(0));
  REQUIRE(tests::finish(io, (*press)->vent()));
  CHECK(second.mode() == sim::PressMachine::Mode::vent);
}

// Without transaction numbers a reply that is late by one would answer every following request for ever.
TEST_CASE("on a serial line a late reply is waited out and thrown away") {
  asio::io_context io;
  sim::PressMachine machine(fast());
  sim::ModbusRtuServer line(io.get_executor(), {{1, &machine}});
  const auto bus = ModbusBus::shared(io.get_executor(), bus_settings(line.path()).value()).value();
  REQUIRE(machine.write(target, Words{0x4248, 0}));
  REQUIRE(machine.inject("delay:s=0.4"));
  const auto late = tests::finish(io, bus->ask(reading(target, 2)));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == Fault::Kind::timeout);
  machine.clear_all();
  CHECK(tests::finish(io, bus->ask(reading(serial, 2))).value() ==
        Words{0x5052, 0x4553});  // "PRES", same length
  CHECK(tests::finish(io, bus->ask(reading(target, 2))).value() == Words{0x4248, 0});
  CHECK(bus->health().drained == 9);  // unit, function, length, four bytes, checksum
}

TEST_CASE("on a serial line a reply of another unit is not an answer") {
  asio::io_context io;
  sim::PressMachine machine(fast());
  sim::ModbusRtuServer line(io.get_executor(), {{1, &machine}});
  const auto bus = ModbusBus::shared(io.get_executor(), bus_settings(line.path()).value()).value();
  REQUIRE(machine.inject("unit"));
  CHECK_FALSE(tests::finish(io, bus->ask(reading(target, 2))));
  machine.clear_all();
  CHECK(tests::finish(io, bus->ask(reading(target, 2))));
}

TEST_CASE("a serial line that does not exist is a link fault, and one with two settings is refused") {
  asio::io_context io;
  const auto settings = bus_settings("/dev/no-such-line").value();
  const auto bus = ModbusBus::shared(io.get_executor(), settings).value();
  const auto absent = tests::finish(io, bus->ask(reading(target, 2)));
  REQUIRE_FALSE(absent);
  CHECK(absent.error().kind == Fault::Kind::link);
  CHECK_FALSE(ModbusBus::shared(io.get_executor(), bus_settings("/dev/no-such-line", 9600).value()));
}
