// The SCPI driver against the simulated source-measure unit, which runs the very trigger models it sends.
#include "drivers/keithley.h"

#include <doctest/doctest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>

#include "drivers/sim/cell.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/scpi_link.h"
#include "tests/drivers/steps.h"

using namespace cambench;
using namespace cambench::tests;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto serial = "04451117";

/// A driver, its instrument and a cell of two electrodes, on one bench.
struct Bench {
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> stays{io.get_executor()};
  sim::Cell cell;
  sim::ScpiMachine machine{"2450", serial, 1};
  ScpiLink* link = nullptr;
  ScpiDeadSocket* dead_socket = nullptr;
  std::unique_ptr<Keithley> driver;

  explicit Bench(KeithleySettings settings = {},
                 sim::CellKind kind = *sim::cell_kind("degradation", "ncm-uncoated"))
      : cell(kind) {
    machine.faults.swapped = settings.polarity < 0;
    machine.connect(&cell);
    plug_in(std::move(settings));
  }

  /// A new driver, as after a new start of the daemon.
  void plug_in(KeithleySettings settings = {}) {
    driver.reset();
    if (settings.serial.empty()) settings.serial = serial;
    settings.time_scale = 1000;
    if (settings.reply_time == KeithleySettings{}.reply_time) settings.reply_time = Seconds(0.1);
    settings.reconnect_time = Seconds(0.01);
    auto owned = std::make_unique<ScpiLink>(io.get_executor(), machine);
    link = owned.get();
    auto other = std::make_unique<ScpiDeadSocket>(machine, owned->plugged);
    dead_socket = other.get();
    driver = std::make_unique<Keithley>(io.get_executor(), std::move(owned), std::move(other), settings);
  }

  /// Runs one conversation to its end on the bench's own clock.
  template <typename T>
  Result<T> wait_for(asio::awaitable<Result<T>> conversation) {
    return finish(io, std::move(conversation));
  }

  void meet() {
    const auto who = wait_for(driver->identify());
    REQUIRE_MESSAGE(who, who.error().what);
  }
  void begin(const PlannedStep& step) {
    const auto started = wait_for(driver->start(step, {"r000001", step.index}));
    REQUIRE_MESSAGE(started, started.error().what);
  }

  struct Heard {
    std::vector<Sample> samples;
    std::optional<heard::Ended> ended;
    bool lost = false, back = false;
  };
  Heard listen(const std::function<bool(const Heard&)>& enough = [](const Heard& h) { return h.lost; }) {
    Heard all;
    while (!all.ended && !enough(all)) {
      auto what = wait_for(driver->next());
      REQUIRE_MESSAGE(what, what.error().what);
      if (auto* measured = std::get_if<heard::Measured>(&*what)) all.samples.push_back(measured->sample);
      if (auto* ended = std::get_if<heard::Ended>(&*what)) all.ended = *ended;
      if (std::holds_alternative<heard::LinkLost>(*what)) all.lost = true;
      if (std::holds_alternative<heard::LinkBack>(*what)) all.back = true;
    }
    return all;
  }
  Heard listen_until_lost() {
    return listen([](const Heard& h) { return h.lost; });
  }
  Heard listen_until_back() {
    return listen([](const Heard& h) { return h.back; });
  }
  Heard listen_for(std::size_t rows) {
    return listen([rows](const Heard& h) { return h.samples.size() >= rows; });
  }
};

PlannedStep charge() {
  PlannedStep s;
  s.index = 3;
  s.label = "charge 1 C";
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(1.6);
  s.until_voltage = Volt(3.6);
  s.limit_on = LimitOn::cell;
  s.run_time = Seconds(5760);
  s.run_time_is_planned = false;
  s.guards = {{}, {}, Volt(3.7), Volt(1.2), {}};
  s.sampling = Seconds(5);
  s.record_every = Seconds(30);
  return s;
}

PlannedStep discharge() {
  PlannedStep s = charge();
  s.index = 5;
  s.current = from_mA(-1.6);
  s.until_voltage = Volt(2.4);
  return s;
}

}  // namespace

TEST_CASE("the driver knows its instrument and refuses another") {
  Bench bench;
  const auto who = bench.wait_for(bench.driver->identify());
  REQUIRE_MESSAGE(who, who.error().what);
  CHECK(who->model == "2450");
  CHECK(who->serial == serial);
  CHECK(who->stores_on_board);
  SUBCASE("another serial number") { bench.plug_in({.serial = "09999999"}); }
  SUBCASE("another language") {
    bench.machine.faults.language = "TSP";
    bench.plug_in();
  }
  const auto other = bench.wait_for(bench.driver->identify());
  REQUIRE_FALSE(other);
  CHECK(other.error().kind == Fault::Kind::identity);
}

TEST_CASE("a charge by voltage source ends at its cutoff, never passes it, and leaves the cell open") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK_MESSAGE(heard.ended->reason == EndReason::planned, heard.ended->text);
  CHECK(heard.ended->marker == Marker{"r000001", 3});
  REQUIRE(heard.samples.size() > 10);
  CHECK(heard.samples.front().step_time == Seconds(0));
  CHECK(std::abs(heard.samples.back().cell->value() - 3.6) < 0.005);
  CHECK(heard.samples.back().current->value() < 0.95 * 1.6e-3);
  for (const Sample& s : heard.samples) CHECK(s.cell->value() < 3.605);
  for (std::size_t i = 1; i + 1 < heard.samples.size(); ++i) {
    const bool at_cutoff = heard.samples[i].cell->value() > 3.59;  // there the current begins to fall
    CHECK((at_cutoff || std::abs(heard.samples[i].current->value() - 1.6e-3) < 0.02e-3));
    CHECK(heard.samples[i].step_time - heard.samples[i - 1].step_time < Seconds(36));
  }
  CHECK_FALSE(bench.machine.output_on());
  CHECK(std::abs(bench.machine.current().value()) < 1e-9);
}

TEST_CASE("charge and discharge agree with the cell's own coulombs, by either method") {
  using wire::scpi::Method;
  for (const Method method : {Method::voltage_source, Method::current_source}) {
    Bench bench({.charge = method, .discharge = method});
    bench.meet();
    double counted_As = 0;
    for (PlannedStep step : {charge(), discharge()}) {
      step.sampling = Seconds(1);  // a current source passes its cutoff by what one interval brings
      bench.begin(step);
      const auto heard = bench.listen();
      REQUIRE(heard.ended);
      CHECK_MESSAGE(heard.ended->reason == EndReason::planned, heard.ended->text);
      const Sample& last = heard.samples.back();
      CHECK(std::abs(last.cell->value() - step.until_voltage->value()) < 0.02);
      for (std::size_t i = 1; i < heard.samples.size(); ++i)
        counted_As += 0.5 * (*heard.samples[i].current + *heard.samples[i - 1].current).value() *
                      (heard.samples[i].step_time - heard.samples[i - 1].step_time).count();
    }
    CHECK(std::abs(counted_As / 3600 - bench.cell.charge().value()) < 2e-5);
  }
}

TEST_CASE("a rest sources nothing and shows the potential") {
  Bench bench;
  bench.meet();
  REQUIRE(bench.wait_for(bench.driver->open_cell()));  // until then NORMAL lets a little flow
  const auto before = bench.cell.charge();
  bench.begin(rest_of(600));
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::planned);
  CHECK(heard.samples.size() >= 10);
  CHECK(std::abs(heard.samples.back().cell->value() - bench.cell.leads(Ampere(0)).we_vs_ce.value()) < 0.001);
  CHECK(std::abs(heard.samples.back().step_time.count() - 600) < 12);
  CHECK(bench.cell.charge() == before);
}

TEST_CASE("a rest whose measurements take twice as long as counted still ends as planned") {
  Bench bench;
  bench.meet();
  PlannedStep rest = rest_of(7200);
  rest.run_time_is_planned = true;
  rest.sampling = Seconds(1);
  SUBCASE("the meter is slow") { REQUIRE(bench.machine.fault("slow_meter", {"share=1"})); }
  SUBCASE("a source is read back before each, which a rest needs not") {
    REQUIRE(bench.machine.settle("readback", 1));
  }
  bench.begin(rest);
  bench.machine.advance(bench.machine.now() + Seconds(7100));
  bench.link->step = Seconds(1e-3);  // no longer between two looks than on a bench
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK_MESSAGE(heard.ended->reason == EndReason::planned, heard.ended->text);
  CHECK(std::abs(heard.samples.back().step_time.count() - 7200) < 60);
  CHECK_FALSE(bench.machine.output_on());
}

TEST_CASE("swapped leads work with polarity -1, and are noticed without") {
  KeithleySettings swapped;
  swapped.polarity = -1;
  Bench bench(swapped);
  bench.meet();
  const auto rest = bench.wait_for(bench.driver->measure_rest());
  REQUIRE_MESSAGE(rest, rest.error().what);
  CHECK(rest->cell->value() > 1.0);
  for (const PlannedStep& step : {charge(), discharge()}) {
    bench.begin(step);
    const auto heard = bench.listen();
    CHECK(heard.ended->reason == EndReason::planned);
    CHECK(heard.samples[1].current->value() * step.current.value() > 0);
  }
  bench.plug_in();
  bench.meet();
  const auto refused = bench.wait_for(bench.driver->measure_rest());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("swapped") != std::string::npos);
  CHECK_FALSE(bench.machine.output_on());
}

TEST_CASE("a host that was away loses no row") {
  Bench bench;
  bench.meet();
  PlannedStep step = charge();
  step.record_every = step.sampling;  // every row is told
  bench.begin(step);
  std::vector<Sample> all;
  const auto collect = [&all](Bench::Heard heard) {
    all.insert(all.end(), heard.samples.begin(), heard.samples.end());
    return heard;
  };
  collect(bench.listen_for(10));
  const Seconds left_at = bench.machine.now();
  SUBCASE("while the program went on") {
    bench.link->plugged = false;
    CHECK(collect(bench.listen_until_lost()).lost);
    bench.machine.advance(left_at + Seconds(300));
    bench.link->plugged = true;
  }
  SUBCASE("until after its end") {
    bench.link->plugged = false;
    CHECK(collect(bench.listen_until_lost()).lost);
    bench.machine.advance(left_at + Seconds(6000));
    CHECK_FALSE(bench.machine.running());
    bench.link->plugged = true;
  }
  SUBCASE("because the connection ended within an answer") {
    bench.machine.faults.dropped_data = 1;
    CHECK(collect(bench.listen_until_lost()).lost);
  }
  CHECK(collect(bench.listen_until_back()).back);
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::running);
  CHECK(found->marker == Marker{"r000001", 3});
  const std::size_t before = all.size();
  const auto after = collect(bench.listen());
  REQUIRE(after.ended);
  CHECK(after.ended->reason == EndReason::planned);
  for (std::size_t i = 1; i < all.size(); ++i) {  // none missing, none twice
    const Seconds pause = all[i].step_time - all[i - 1].step_time;
    CHECK(pause > Seconds(4.9));
    CHECK(pause < Seconds(6.2));
  }
  CHECK((all[before].status & reading_status::late) != 0);
}

TEST_CASE("a new daemon takes up the program it finds, from the row it has") {
  Bench bench;
  bench.meet();
  PlannedStep step = charge();
  step.record_every = step.sampling;
  bench.begin(step);
  const Seconds recorded = bench.listen_for(10).samples.back().step_time;
  bench.plug_in();
  bench.meet();
  SUBCASE("that it expects") {
    bench.driver->expect(step, {"r000001", 3}, recorded);
    const auto found = bench.wait_for(bench.driver->reattach());
    REQUIRE_MESSAGE(found, found.error().what);
    CHECK(found->state == Found::State::running);
    CHECK(found->marker == Marker{"r000001", 3});
    const auto heard = bench.listen();
    CHECK(heard.ended->reason == EndReason::planned);
    CHECK(heard.samples.front().step_time > recorded);
    CHECK(heard.samples.front().step_time - recorded < Seconds(6.2));
  }
  SUBCASE("that is another run's") {
    bench.driver->expect(step, {"r000002", 3}, recorded);
    const auto found = bench.wait_for(bench.driver->reattach());
    REQUIRE(found);
    CHECK(found->state == Found::State::running);
    CHECK(found->marker == Marker{"r000001", 3});
    CHECK(bench.wait_for(bench.driver->open_cell()));
    CHECK_FALSE(bench.machine.output_on());
  }
}

TEST_CASE(
    "rows are told as each answer brings them, and what a pause left is here before a program is said to "
    "run") {
  Bench bench;
  bench.meet();
  PlannedStep step = rest_of(10'000);
  step.sampling = Seconds(1);
  bench.begin(step);
  const Seconds recorded = bench.listen_for(3).samples.back().step_time;
  const auto questions = [&] {
    const std::string& said = bench.link->written;
    int count = 0;
    for (auto at = said.find(":TRAC:DATA?"); at != std::string::npos; at = said.find(":TRAC:DATA?", at + 1))
      ++count;
    return count;
  };
  const int before = questions();
  bench.machine.advance(bench.machine.now() + Seconds(2000));
  SUBCASE("a host that did not ask for long") {
    bench.listen_for(1);
    CHECK(questions() <= before + 2);  // of four or more; one may have been under way
    bench.listen_for(30);
    CHECK(questions() > before + 2);
  }
  SUBCASE("a new daemon that knows the rows up to a few seconds ago") {
    bench.plug_in();
    bench.meet();
    bench.driver->expect(step, {"r000001", step.index}, recorded + Seconds(1990));
    REQUIRE(bench.wait_for(bench.driver->reattach()));
    CHECK(questions() > 3);
    const int asked = questions();
    bench.listen_for(1);
    CHECK(questions() <= asked + 1);
  }
}

TEST_CASE("a list that comes in two pieces does not leave a run unasked") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  const Seconds recorded = bench.listen_for(3).samples.back().step_time;
  bench.plug_in({.reply_time = Seconds(3)});
  bench.meet();
  bench.driver->expect(charge(), {"r000001", 3}, recorded);
  asio::steady_timer sent_again(bench.io, 400ms);  // as the network does it with what was lost
  SUBCASE("the second has the name, and comes late") {
    bench.link->hold_back_after = 1;
    sent_again.async_wait([&](boost::system::error_code) { bench.link->release(); });
  }
  SUBCASE("the second comes instead of the next answer: the stream starts anew") {
    bench.link->hold_back_after = 4;
    REQUIRE_FALSE(bench.wait_for(bench.driver->reattach()));
    CHECK(bench.listen_until_lost().lost);
    CHECK(bench.listen_until_back().back);
  }
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE_MESSAGE(found, found.error().what);
  CHECK(found->state == Found::State::running);
  CHECK(found->marker == Marker{"r000001", 3});
}

TEST_CASE("a search for its program that gave way to an order to open is asked for again") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(3);
  bench.plug_in();
  bench.meet();
  bench.driver->expect(charge(), {"r000001", 3}, Seconds(-1));
  auto reattaching = std::make_shared<std::optional<Result<Found>>>();
  asio::co_spawn(bench.io, bench.driver->reattach(),
                 [&](std::exception_ptr, Result<Found> found) { *reattaching = std::move(found); });
  bench.io.restart();
  bench.io.poll_one();
  CHECK(bench.wait_for(bench.driver->open_cell()));
  REQUIRE(reattaching->has_value());
  REQUIRE_FALSE(reattaching->value());
  CHECK(bench.listen_until_back().back);
  CHECK(bench.wait_for(bench.driver->reattach())->marker == Marker{"r000001", 3});
}

TEST_CASE("a power cycle is told and never polarises again") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(3);
  const auto switched_on = bench.machine.switched_on();
  bench.machine.power_cycle();
  CHECK(bench.listen_until_lost().lost);
  CHECK(bench.listen_until_back().back);
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::power_cycled);
  CHECK(bench.wait_for(bench.driver->open_cell()));
  CHECK(bench.machine.switched_on() == switched_on);
  CHECK(std::abs(bench.machine.current().value()) < 1e-9);  // NORMAL is left behind
}

TEST_CASE("opening the cell is confirmed, in every state") {
  Bench bench;
  SUBCASE("before it was ever asked who it is") {}
  SUBCASE("idle") { bench.meet(); }
  SUBCASE("while a charge runs") {
    bench.meet();
    bench.begin(charge());
    bench.listen_for(3);
    CHECK(bench.machine.output_on());
  }
  SUBCASE("after the connection was lost") {
    bench.meet();
    bench.begin(charge());
    bench.machine.faults.half_replies = 1;
  }
  const auto opened = bench.wait_for(bench.driver->open_cell());
  REQUIRE_MESSAGE(opened, opened.error().what);
  CHECK_FALSE(bench.machine.output_on());
  CHECK_FALSE(bench.machine.running());
  CHECK(bench.wait_for(bench.driver->open_cell()));
}

TEST_CASE("an output that goes off by itself is no planned end") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(3);
  bench.machine.interlock();
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::unknown);
  CHECK_FALSE(bench.machine.output_on());
}

TEST_CASE("an open sense lead ends in the output protection, told as a guard") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(3);
  bench.machine.faults.sense_open = true;
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::guard);
  CHECK(heard.ended->text == "output protection");
  CHECK(bench.cell.leads(Ampere(0)).we_vs_ce.value() < 5.0);
}

TEST_CASE("a buffer that is full takes no rows, and the log block still says that the time was over") {
  Bench bench;
  bench.meet();
  bench.begin(rest_of(600));
  REQUIRE(bench.machine.fault("buffer_full", {}));
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK_MESSAGE(heard.ended->reason == EndReason::planned, heard.ended->text);
  CHECK(heard.samples.size() < 5);  // of eleven
}

TEST_CASE("a protection that trips is a guard") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(3);
  REQUIRE(bench.machine.fault("protection", {}));
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  CHECK(heard.ended->reason == EndReason::guard);
  CHECK(heard.ended->text == "output protection");
}

TEST_CASE("an end that was told and not kept is told again to the next daemon, with its last rows") {
  Bench bench;
  bench.meet();
  PlannedStep step = charge();
  step.record_every = step.sampling;
  bench.begin(step);
  const Seconds kept = bench.listen_for(10).samples.back().step_time;
  CHECK(bench.listen().ended->reason == EndReason::planned);
  bench.plug_in();
  bench.meet();
  SUBCASE("of the part of the step that is expected") {
    bench.driver->expect(step, {"r000001", 3}, kept);
    CHECK(bench.wait_for(bench.driver->reattach())->state == Found::State::running);
    const auto again = bench.listen();
    CHECK(again.ended->reason == EndReason::planned);
    CHECK(again.samples.front().step_time > kept);
    CHECK(again.samples.front().step_time - kept < Seconds(6.2));
  }
  SUBCASE("and of no other part") {
    step.run_time = step.run_time - Seconds(100);  // as it is gone on with
    bench.driver->expect(step, {"r000001", 3}, Seconds(-1));
    CHECK(bench.wait_for(bench.driver->reattach())->state == Found::State::idle);
  }
}

TEST_CASE("high impedance is set before anything else, where nothing runs") {
  Bench bench;
  bench.meet();
  const auto before = bench.cell.charge();
  bench.machine.advance(bench.machine.now() + Seconds(3600));
  CHECK(bench.cell.charge() == before);  // NORMAL would have discharged it
}

TEST_CASE("9.9E37 is a reading without a value") {
  Bench bench;
  bench.meet();
  bench.begin(rest_of(300));
  bench.machine.faults.no_values = 1;
  const auto heard = bench.listen();
  REQUIRE(heard.ended);
  std::size_t without = 0;
  for (const Sample& s : heard.samples) {
    without += s.cell ? 0 : 1;
    CHECK(((s.status & reading_status::overload) != 0) == !s.cell.has_value());
  }
  CHECK(without == 1);
}

TEST_CASE("half an answer is a lost connection, and the program goes on") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(2);
  bench.machine.faults.half_replies = 1;
  CHECK(bench.listen_until_lost().lost);
  CHECK(bench.listen_until_back().back);
  CHECK(bench.listen().ended->reason == EndReason::planned);
}

TEST_CASE("a session that hangs in the instrument is closed by the dead-socket port") {
  Bench bench;
  bench.meet();
  bench.begin(charge());
  bench.listen_for(2);
  bench.link->plugged = false;
  CHECK(bench.listen_until_lost().lost);
  bench.link->plugged = true;
  CHECK(bench.listen_until_back().back);
  CHECK(bench.dead_socket->knocks == 1);
}

TEST_CASE("a second client is refused and told why") {
  Bench bench;
  REQUIRE(bench.machine.open_session());
  const auto who = bench.wait_for(bench.driver->identify());
  REQUIRE_FALSE(who);
  CHECK(who.error().kind == Fault::Kind::link);
  CHECK(bench.dead_socket->knocks == 0);
}

TEST_CASE("old errors are drained, new ones refuse a start with the output never on") {
  Bench bench;
  bench.machine.fill_errors();
  bench.meet();
  CHECK(bench.machine.errors() == 0);
  REQUIRE(bench.wait_for(bench.driver->measure_rest()));
  const auto looked = bench.machine.switched_on();
  PlannedStep step = charge();
  step.guards.cell_max = Volt(12);  // beyond what this driver lets a cell have
  step.until_voltage = Volt(11);
  const auto started = bench.wait_for(bench.driver->start(step, {"r000001", 3}));
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == Fault::Kind::refused);
  CHECK(bench.machine.switched_on() == looked);
}

TEST_CASE("*ESR? comes before *CLS, high impedance before the output goes off, *OPC? before :INIT") {
  Bench bench;
  bench.meet();
  bench.begin(rest_of(60));
  const std::string& said = bench.link->written;
  CHECK(said.find("*ESR?") < said.find("*CLS"));
  CHECK(said.find(":OUTP:VOLT:SMOD HIMP") < said.find(":OUTP OFF"));
  CHECK(said.find("*OPC?") < said.find(":INIT"));
  CHECK(said.find("*OPC?", said.find(":INIT")) == std::string::npos);
  CHECK(said.find("*RST") == std::string::npos);
}

TEST_CASE("a step that guards both potentials needs to be told what the sense leads are on") {
  PlannedStep step = charge();
  step.limit_on = LimitOn::we_vs_re;
  step.guards = {Volt(4.11), Volt(1.5), Volt(4.3), Volt(1.2), {}};
  Bench bench;
  bench.meet();
  CHECK(bench.driver->prepare(charge())->complete());
  const auto refused = bench.driver->prepare(step);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("one potential only") != std::string::npos);
  KeithleySettings settings;
  settings.sense = LimitOn::we_vs_re;
  bench.plug_in(settings);
  bench.meet();
  const auto on_board = bench.driver->prepare(step);
  REQUIRE_MESSAGE(on_board, on_board.error().what);
  CHECK(on_board->complete());
  CHECK_FALSE(bench.driver->prepare(charge()));
}

TEST_CASE("bytes may come in any pieces") {
  Bench bench;
  bench.link->largest_piece = 1;
  bench.meet();
  bench.begin(rest_of(300));
  CHECK(bench.listen().ended->reason == EndReason::planned);
}
