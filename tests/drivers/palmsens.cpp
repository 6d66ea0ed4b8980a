// The MethodSCRIPT driver against the simulated instrument, which interprets the very programs it sends.
#include "drivers/palmsens.h"

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>

#include "drivers/sim/cell.h"
#include "tests/drivers/machine_link.h"

using namespace cambench;
using namespace cambench::tests;
namespace asio = boost::asio;

namespace {

/// A driver, its instrument and a cell of the rate test, on one bench.
struct Bench {
  asio::io_context io;
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::MscriptMachine machine{sim::Model::emstat4_hr, "ES4HR20B0001", 1};
  MachineLink* link = nullptr;
  std::unique_ptr<Palmsens> driver;

  explicit Bench(std::string serial = "ES4HR20B0001") {
    machine.connect(&cell);
    auto owned = std::make_unique<MachineLink>(io.get_executor(), machine);
    link = owned.get();
    driver = std::make_unique<Palmsens>(io.get_executor(), std::move(owned),
                                        PalmsensSettings{.serial = std::move(serial), .time_scale = 1000});
  }

  /// Runs one conversation to its end on the bench's own clock.
  template <typename T>
  Result<T> wait_for(asio::awaitable<Result<T>> conversation) {
    std::optional<Result<T>> answer;
    asio::co_spawn(io, std::move(conversation), [&](std::exception_ptr failure, Result<T> result) {
      if (failure) std::rethrow_exception(failure);
      answer = std::move(result);
    });
    while (!answer) io.run_one();
    return std::move(*answer);
  }

  struct Heard {
    std::vector<Sample> samples;
    std::optional<heard::Ended> ended;
    bool lost = false;
  };
  /// Listens until the program ends, the link breaks or `enough` says so.
  Heard listen(const std::function<bool(const Heard&)>& enough = [](const Heard&) { return false; }) {
    Heard all;
    while (!all.ended && !all.lost && !enough(all)) {
      auto what = wait_for(driver->next());
      REQUIRE(what);
      if (auto* measured = std::get_if<heard::Measured>(&*what)) all.samples.push_back(measured->sample);
      if (auto* ended = std::get_if<heard::Ended>(&*what)) all.ended = *ended;
      if (std::holds_alternative<heard::LinkLost>(*what)) all.lost = true;
    }
    return all;
  }
};

PlannedStep charge_at_1C() {
  PlannedStep s;
  s.index = 3;
  s.label = "charge 1 C";
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(1.608);
  s.until_voltage = Volt(4.01);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = Seconds(5760);
  s.run_time_is_planned = false;
  s.guards = {Volt(4.11), Volt(1.5), Volt(4.3), Volt(1.2), {}};
  s.sampling = Seconds(1);
  s.record_every = Seconds(30);
  s.record_delta = Volt(0.005);
  return s;
}

PlannedStep rest_of(double seconds) {
  PlannedStep s;
  s.index = 4;
  s.run_time = Seconds(seconds);
  s.sampling = Seconds(10);
  s.record_every = Seconds(60);
  return s;
}

}  // namespace

TEST_CASE("the driver knows its instrument and what it can do") {
  Bench bench;
  const auto who = bench.wait_for(bench.driver->identify());
  REQUIRE_MESSAGE(who, who.error().what);
  CHECK(who->model == "EmStat4 HR");
  CHECK(who->serial == "ES4HR20B0001");
  CHECK(who->galvanostat);
  CHECK(who->max_potential == Volt(6));
}

TEST_CASE("another serial number than the configured one is refused") {
  Bench bench("ES4HR20B9999");
  const auto who = bench.wait_for(bench.driver->identify());
  REQUIRE_FALSE(who);
  CHECK(who.error().kind == Fault::Kind::identity);
}

TEST_CASE("a charge ends at its cutoff with the first and the last point recorded and the cell open") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  const auto started = bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3}));
  REQUIRE_MESSAGE(started, started.error().what);
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::planned);
  CHECK(heard.ended->text == "END upper");
  CHECK(heard.ended->marker == Marker{"r000001", 3});
  REQUIRE(heard.samples.size() > 20);
  CHECK(heard.samples.front().step_time < Seconds(1.5));
  CHECK(heard.samples.back().we_vs_re >= Volt(4.01));
  CHECK(heard.samples.back().we_vs_re < Volt(4.03));
  for (const Sample& s : heard.samples) {
    CHECK(std::abs(s.current->value() - 1.608e-3) < 0.01e-3);
    CHECK(s.cell.has_value());
    CHECK(s.step == 3);
  }
  CHECK_FALSE(bench.machine.cell_on());
  // The rows are the filter's: far fewer than one a second, never further apart than asked.
  for (std::size_t i = 1; i < heard.samples.size(); ++i)
    CHECK(heard.samples[i].step_time - heard.samples[i - 1].step_time < Seconds(32));
}

TEST_CASE("a guard inside the instrument ends the step as a fault") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  step.guards.cell_max = Volt(3.3);
  REQUIRE(bench.wait_for(bench.driver->start(step, {"r000001", 3})));
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::guard);
  CHECK(heard.ended->text == "GUARD cell_max");
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("a current step that reaches its time limit says so, a rest that does is over as planned") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  step.run_time = Seconds(60);
  REQUIRE(bench.wait_for(bench.driver->start(step, {"r000001", 3})));
  CHECK(bench.listen().ended->reason == EndReason::timeout);
  REQUIRE(bench.wait_for(bench.driver->start(rest_of(600), {"r000001", 4})));
  const auto rest = bench.listen();
  CHECK(rest.ended->reason == EndReason::planned);
  CHECK(rest.samples.size() >= 10);
  CHECK(rest.samples.back().current == Ampere(0));
}

TEST_CASE("constant voltage ends when the current has fallen") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  step.kind = PlannedStep::Kind::constant_voltage;
  step.voltage = Volt(3.4);
  step.until_voltage.reset();
  step.until_current = from_mA(0.2);
  REQUIRE(bench.wait_for(bench.driver->start(step, {"r000001", 3})));
  const auto heard = bench.listen();
  CHECK(heard.ended->reason == EndReason::planned);
  CHECK(heard.ended->text == "END current");
  CHECK(abs(*heard.samples.back().current) <= from_mA(0.21));
}

TEST_CASE("opening the cell is confirmed by an open-circuit measurement, in every state") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  SUBCASE("idle") {}
  SUBCASE("while a charge runs") {
    REQUIRE(bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3})));
    bench.listen([](const auto& all) { return all.samples.size() >= 3; });
    CHECK(bench.machine.cell_on());
  }
  const auto opened = bench.wait_for(bench.driver->open_cell());
  REQUIRE_MESSAGE(opened, opened.error().what);
  CHECK_FALSE(bench.machine.cell_on());
  CHECK(bench.wait_for(bench.driver->open_cell()));
  const auto rest = bench.wait_for(bench.driver->measure_rest());
  REQUIRE(rest);
  CHECK(rest->cell->value() > 1.0);
}

TEST_CASE("after a critical overload the driver opens the cell, because the instrument does not") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  REQUIRE(bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3})));
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  REQUIRE(bench.machine.fault("overload"));
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::error);
  CHECK(heard.ended->text.starts_with("0032"));
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("a lost link comes back to its own program and goes on with it") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  REQUIRE(bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3})));
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  bench.link->plugged = false;
  CHECK(bench.listen().lost);
  bench.link->plugged = true;
  bench.link->step =
      Seconds(1e-4);  // the instrument's time passes slowly while the driver waits to reconnect
  for (bool back = false; !back;) {
    auto what = bench.wait_for(bench.driver->next());
    REQUIRE(what);
    back = std::holds_alternative<heard::LinkBack>(*what);
  }
  bench.link->step = Seconds(0.05);
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::running);
  CHECK(found->marker == Marker{"r000001", 3});
  CHECK(bench.listen().ended->reason == EndReason::planned);
}

TEST_CASE("bytes may come in any pieces") {
  Bench bench;
  bench.link->largest_piece = 1;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = rest_of(300);
  REQUIRE(bench.wait_for(bench.driver->start(step, {"r000001", 4})));
  CHECK(bench.listen().ended->reason == EndReason::planned);
}

TEST_CASE("what is beyond the instrument is refused before anything is sent") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  CHECK(bench.driver->prepare(step)->complete());
  SUBCASE("current") { step.current = Ampere(0.3); }
  SUBCASE("potential") { step.until_voltage = Volt(6.5); }
  SUBCASE("no time limit") { step.run_time = Seconds(0); }
  CHECK_FALSE(bench.driver->prepare(step));
}

TEST_CASE("a step whose guards are missing is not complete on board") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  step.guards.cell_max.reset();
  CHECK_FALSE(bench.driver->prepare(step)->complete());
}
