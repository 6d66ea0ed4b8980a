// The MethodSCRIPT driver against the simulated instrument, which interprets the very programs it sends.
#include "drivers/palmsens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <limits>

#include "drivers/sim/cell.h"
#include "drivers/wire/mscript_program.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/machine_link.h"
#include "tests/drivers/steps.h"

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
    plug_in_new_driver(std::move(serial));
  }

  /// As a daemon that comes up does it: nothing is remembered.
  void plug_in_new_driver(std::string serial = "ES4HR20B0001") {
    PalmsensSettings settings;
    settings.serial = std::move(serial);
    settings.time_scale = 1000;
    settings.deaf_after_error = Seconds(0.001);
    settings.silence = Seconds(0.1);
    settings.reply_time = Seconds(0.5);
    settings.abort_time = Seconds(0.5);
    auto owned = std::make_unique<MachineLink>(io.get_executor(), machine);
    link = owned.get();
    driver = std::make_unique<Palmsens>(io.get_executor(), std::move(owned), std::move(settings));
  }

  template <typename T>
  Result<T> wait_for(asio::awaitable<Result<T>> conversation) {
    return finish(io, std::move(conversation));
  }
  void begin(const PlannedStep& step) {
    const auto known = wait_for(driver->identify());
    REQUIRE_MESSAGE(known, known.error().what);
    const auto started = wait_for(driver->start(step, {"r000001", step.index}));
    REQUIRE_MESSAGE(started, started.error().what);
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

TEST_CASE("a driver that meets its program running follows it, notices a lost link, and runs the next step") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  REQUIRE(bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3})));
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  bench.driver.reset();  // the daemon was killed
  auto owned = std::make_unique<MachineLink>(bench.io.get_executor(), bench.machine);
  bench.link = owned.get();
  bench.link->step = Seconds(1e-4);  // little of the charge passes while the driver asks
  bench.driver = std::make_unique<Palmsens>(bench.io.get_executor(), std::move(owned),
                                            PalmsensSettings{.serial = "ES4HR20B0001", .time_scale = 1000});
  REQUIRE(bench.wait_for(bench.driver->identify()));
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE(found);
  REQUIRE(found->state == Found::State::running);
  bench.link->step = Seconds(0.05);
  SUBCASE("the link") {
    bench.link->plugged = false;
    CHECK(bench.listen().lost);
  }
  SUBCASE("the next step") {
    CHECK(bench.listen().ended->reason == EndReason::planned);
    const auto started = bench.wait_for(bench.driver->start(rest_of(300), {"r000001", 4}));
    CHECK_MESSAGE(started, started.error().what);
  }
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
  const double nan = std::numeric_limits<double>::quiet_NaN();
  SUBCASE("current") { step.current = Ampere(0.3); }
  SUBCASE("no current") { step.current = Ampere(0); }
  SUBCASE("a current that is no number") { step.current = Ampere(nan); }
  SUBCASE("potential") { step.until_voltage = Volt(6.5); }
  SUBCASE("a guard that is no number") { step.guards.cell_max = Volt(nan); }
  SUBCASE("guards the wrong way round") { std::swap(step.guards.we_max, step.guards.we_min); }
  SUBCASE("a cutoff behind its guard") { step.until_voltage = Volt(4.2); }
  SUBCASE("no time limit") { step.run_time = Seconds(0); }
  SUBCASE("a time limit that is no number") { step.run_time = Seconds(nan); }
  SUBCASE("measurements too far apart to guard anything") { step.sampling = Seconds(120); }
  SUBCASE("a potential to hold that is missing") { step.kind = PlannedStep::Kind::constant_voltage; }
  SUBCASE("a full cell to hold, with three electrodes") {
    step.kind = PlannedStep::Kind::constant_voltage;
    step.voltage = Volt(3.5);
    step.limit_on = LimitOn::cell;
  }
  SUBCASE("a press step") { step.kind = PlannedStep::Kind::press; }
  CHECK_FALSE(bench.driver->prepare(step));
}

TEST_CASE("a step whose guards are missing is not complete on board") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  PlannedStep step = charge_at_1C();
  step.guards.cell_max.reset();
  CHECK_FALSE(bench.driver->prepare(step)->complete());
}

// ---- what nobody knows of the real instrument -----------------------------------------------------------------

namespace {

/// Every behaviour that no document settles, in its other reading.
const std::vector<std::pair<std::string, double>> other_readings{{"on_finished_after_error", 1},
                                                                 {"blank_after_error", 0},
                                                                 {"first_point_at_zero", 0},
                                                                 {"cp_reports_measured", 1},
                                                                 {"blank_answers_blank_running", 1},
                                                                 {"abort_waits_for_sample", 1},
                                                                 {"unread_output_blocks", 1},
                                                                 {"zero_has_blank_prefix", 1},
                                                                 {"mode_change", 1},
                                                                 {"mode_change", 2},
                                                                 {"deaf_after_error_s", 0.1}};

}  // namespace

TEST_CASE("a charge, a rest and a guard end as they must under every reading of the manual") {
  for (const auto& [name, value] : other_readings) {
    CAPTURE(name);
    Bench bench;
    REQUIRE(bench.machine.settle(name, value));
    PlannedStep step = charge_at_1C();
    step.until_voltage = Volt(3.6);
    bench.begin(step);
    const auto charged = bench.listen();
    CHECK(charged.ended->reason == EndReason::planned);
    CHECK(charged.samples.back().we_vs_re >= Volt(3.6));
    CHECK(std::abs(charged.samples.back().current->value() - 1.608e-3) < 0.01e-3);
    CHECK_FALSE(bench.machine.cell_on());
    bench.begin(rest_of(600));
    CHECK(bench.listen().ended->reason == EndReason::planned);
    step.guards.cell_max = Volt(3.2);
    bench.begin(step);
    CHECK(bench.listen().ended->text == "GUARD cell_max");
    CHECK_FALSE(bench.machine.cell_on());
  }
}

TEST_CASE("a cell opens, on demand and after an overload, under every reading of the manual") {
  for (const auto& [name, value] : other_readings) {
    CAPTURE(name);
    Bench bench;
    REQUIRE(bench.machine.settle(name, value));
    bench.begin(charge_at_1C());
    bench.listen([](const auto& all) { return all.samples.size() >= 2; });
    REQUIRE(bench.machine.cell_on());
    const auto opened = bench.wait_for(bench.driver->open_cell());
    CHECK_MESSAGE(opened, opened.error().what);
    CHECK_FALSE(bench.machine.cell_on());
    CHECK(bench.listen().ended->reason == EndReason::aborted);
    bench.begin(charge_at_1C());
    bench.listen([](const auto& all) { return all.samples.size() >= 2; });
    REQUIRE(bench.machine.fault("overload"));
    CHECK(bench.listen().ended->reason == EndReason::error);
    CHECK_FALSE(bench.machine.cell_on());
  }
}

TEST_CASE(
    "a firmware whose full cell has the other sign shows it at rest, where the recipe's window refuses it") {
  Bench bench;
  REQUIRE(bench.machine.settle("ag_is_ce_vs_we", 1));
  REQUIRE(bench.wait_for(bench.driver->identify()));
  const auto rest = bench.wait_for(bench.driver->measure_rest());
  REQUIRE(rest);
  CHECK(*rest->cell < Volt(-2));
  CHECK(*rest->we_vs_re > Volt(2));
  CHECK(bench.machine.switches() == 0);
}

TEST_CASE("every model that can cycle a cell does so, the others are refused") {
  for (const auto model : {sim::Model::emstat4_hr, sim::Model::emstat4_lr, sim::Model::multi_emstat4_hr,
                           sim::Model::multi_emstat4_lr, sim::Model::nexus, sim::Model::emstat_pico}) {
    asio::io_context io;
    sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
    sim::MscriptMachine machine{model, "X1", 1};
    machine.connect(&cell);
    Palmsens driver(io.get_executor(), std::make_unique<MachineLink>(io.get_executor(), machine),
                    PalmsensSettings{.serial = "X1", .time_scale = 1000});
    PlannedStep step = charge_at_1C();
    step.until_voltage = Volt(2.8);
    step.guards = {Volt(2.95), Volt(-1), Volt(2.95), Volt(-1), {}};
    const auto known = finish(io, driver.identify());
    CHECK(known.has_value() == sim::profile(model).galvanostat);
    if (!known) continue;
    CHECK(known->max_potential == sim::profile(model).max_potential);
    CHECK(known->max_current == sim::profile(model).max_current);
    CHECK(finish(io, driver.start(step, {"r1", 0})));
    CHECK(finish(io, driver.open_cell()));
    CHECK_FALSE(machine.cell_on());
  }
}

TEST_CASE("an older firmware that cannot measure both potentials is refused before anything is polarised") {
  Bench bench;
  REQUIRE(bench.machine.settle("knows_add_meas", 0));
  const auto known = bench.wait_for(bench.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().what.find("4008") != std::string::npos);
}

// ---- what must never happen -----------------------------------------------------------------------------------

TEST_CASE("an upload that is cut anywhere never switches the cell on") {
  const std::string script = wire::mscript::program(charge_at_1C(), {"r000001", 3},
                                                    {*wire::mscript::model_of("es4_hr"), "ES4HR20B0001"});
  const std::string upload = "l\n" + script + "\n";
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  const auto switched_on_after = [&](const std::string& sent) {
    sim::MscriptMachine machine{sim::Model::emstat4_hr, "ES4HR20B0001", 1};
    machine.connect(&cell);
    machine.receive(sent);
    machine.receive("\nt\ni\n");  // as the driver greets an instrument when it is back
    machine.advance(Seconds(10));
    return machine.switches() > 0 || machine.running();
  };
  for (std::size_t length = 0; length <= upload.size(); ++length)
    CHECK_FALSE(switched_on_after(upload.substr(0, length)));
  CHECK(switched_on_after(upload + "r\n"));
}

TEST_CASE("a potential that is no number ends a charge by a guard, with the cell off") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 2; });
  REQUIRE(bench.machine.fault("nan"));
  const auto heard = bench.listen();
  CHECK(heard.ended->reason == EndReason::guard);
  CHECK(heard.ended->text == "GUARD no_reading");
  CHECK((heard.samples.back().status & reading_status::bad) != 0);
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("a rest goes on over a potential that is no number") {
  Bench bench;
  bench.begin(rest_of(600));
  bench.listen([](const auto& all) { return all.samples.size() >= 2; });
  REQUIRE(bench.machine.fault("nan"));
  const auto heard = bench.listen();
  CHECK(heard.ended->reason == EndReason::planned);
  CHECK(std::ranges::count_if(heard.samples, [](const Sample& s) { return !s.we_vs_re; }) == 1);
}

TEST_CASE("a held potential that leaves its guard is ended by it, although the set potential has not moved") {
  Bench bench;
  PlannedStep step = charge_at_1C();
  step.kind = PlannedStep::Kind::constant_voltage;
  step.voltage = Volt(3.4);
  step.until_voltage.reset();
  step.until_current = from_mA(0.01);
  bench.begin(step);
  bench.listen([](const auto& all) { return all.samples.size() >= 2; });
  REQUIRE(bench.machine.fault("spike", {"V=1"}));
  const auto heard = bench.listen();
  CHECK(heard.ended->text == "GUARD we_max");
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("one noisy measurement just beyond the cutoff does not end a step, one beyond the guard does") {
  Bench bench;
  PlannedStep step = charge_at_1C();
  step.until_voltage = Volt(3.6);
  bench.begin(step);
  bench.listen([](const auto& all) { return all.samples.size() >= 10; });  // it rises fast at first
  const Volt now = bench.machine.leads()->we_vs_re;
  SUBCASE("just beyond the cutoff") {
    REQUIRE(bench.machine.fault("spike", {"V=" + std::to_string((Volt(3.605) - now).value())}));
    const auto heard = bench.listen();
    CHECK(heard.ended->reason == EndReason::planned);
    CHECK(heard.samples.size() > 3);
  }
  SUBCASE("beyond the guard") {
    REQUIRE(bench.machine.fault("spike", {"V=0.9"}));
    CHECK(bench.listen().ended->text == "GUARD we_max");
  }
}

TEST_CASE("a row is sent when a potential has moved, and at least as often as asked") {
  Bench bench;
  PlannedStep step = charge_at_1C();
  step.until_voltage = Volt(3.7);
  bench.begin(step);
  const auto heard = bench.listen();
  REQUIRE(heard.samples.size() > 10);
  for (std::size_t i = 1; i + 1 < heard.samples.size(); ++i) {
    const Seconds apart = heard.samples[i].step_time - heard.samples[i - 1].step_time;
    const Volt moved = abs(*heard.samples[i].we_vs_re - *heard.samples[i - 1].we_vs_re);
    const Volt cell_moved = abs(*heard.samples[i].cell - *heard.samples[i - 1].cell);
    CHECK(apart <= Seconds(30.5));
    CHECK((apart >= Seconds(29.5) || std::max(moved, cell_moved) >= Volt(0.00499)));
  }
}

TEST_CASE("status bits of the instrument reach the sample") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 2; });
  REQUIRE(bench.machine.fault("bits", {"status=2", "count=200"}));
  const auto heard = bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  CHECK((heard.samples.back().status & reading_status::overload) != 0);
}

TEST_CASE(
    "whatever befalls a line on its way, a charge ends as planned with the cell off and no wrong number "
    "told") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> faults{
      {"xon", {"count=50"}},
      {"truncate", {"count=2"}},
      {"merge", {}},
      {"bad_hex", {"count=2"}},
      {"no_star", {}},
      {"late", {"count=3"}},
      {"bits", {"status=4", "count=9"}},
      {"range", {"id=9", "count=9"}},
      {"prefix", {"count=9"}},
      {"mute", {"for=40"}}};
  for (const auto& [name, settings] : faults) {
    CAPTURE(name);
    Bench bench;
    PlannedStep step = charge_at_1C();
    step.until_voltage = Volt(3.6);
    bench.begin(step);
    const auto before = bench.listen([](const auto& all) { return all.samples.size() >= 3; });
    REQUIRE(bench.machine.fault(name, settings));
    const auto after = bench.listen();
    CHECK(after.ended->reason == EndReason::planned);
    CHECK(after.ended->text == "END upper");
    CHECK_FALSE(bench.machine.cell_on());
    for (const Sample& row : after.samples) {
      if (!row.current) continue;  // damaged, and told as such
      CHECK(std::abs(row.current->value() - 1.608e-3) < 0.01e-3);
      CHECK(*row.we_vs_re > Volt(2.5));
      CHECK(*row.we_vs_re < Volt(3.65));
    }
  }
}

TEST_CASE(
    "an acknowledgement that comes late, and an error without its empty line, open the cell all the same") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  SUBCASE("slow Z") {
    REQUIRE(bench.machine.fault("slow_z", {"s=5"}));
    CHECK(bench.wait_for(bench.driver->open_cell()));
  }
  SUBCASE("no empty line after a critical overload") {
    REQUIRE(bench.machine.fault("no_blank"));
    REQUIRE(bench.machine.fault("overload"));
    CHECK(bench.listen().ended->reason == EndReason::error);
  }
  CHECK_FALSE(bench.machine.cell_on());
}

// ---- gaps -----------------------------------------------------------------------------------------------------

TEST_CASE("a daemon that comes back finds its own program and goes on with it") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  bench.plug_in_new_driver();
  const auto known = bench.wait_for(bench.driver->identify());
  REQUIRE(known);
  CHECK(known->model == "EmStat4 HR");
  const auto found = bench.wait_for(bench.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::running);
  CHECK(found->marker == Marker{"r000001", 3});
  CHECK(bench.listen().ended->reason == EndReason::planned);
}

TEST_CASE("a program that ended while nobody listened is found idle with the cell off") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  bench.machine.set_reader(false);
  bench.machine.advance(bench.machine.now() + Seconds(20'000));
  CHECK_FALSE(bench.machine.cell_on());
  static_cast<void>(bench.machine.take_output());
  bench.plug_in_new_driver();
  REQUIRE(bench.wait_for(bench.driver->identify()));
  CHECK(bench.wait_for(bench.driver->reattach())->state == Found::State::idle);
}

TEST_CASE("somebody else's program is not taken for ours, and can be stopped") {
  Bench bench;
  bench.machine.receive(
      "e\nvar p\nset_pgstat_mode 2\nset_e 3\ncell_on\nvar c\nmeas_loop_ca p c 3 1 10000\n"
      "pck_start\npck_add p\npck_end\nendloop\non_finished:\ncell_off\n\n");
  bench.machine.advance(Seconds(5));
  REQUIRE(bench.machine.cell_on());
  bench.link->step = Seconds(1e-4);  // its time passes slowly while the driver listens
  REQUIRE(bench.wait_for(bench.driver->identify()));
  CHECK(bench.wait_for(bench.driver->reattach())->state == Found::State::unknown);
  CHECK_FALSE(bench.wait_for(bench.driver->start(charge_at_1C(), {"r000001", 3})));
  CHECK(bench.machine.cell_on());
  CHECK(bench.wait_for(bench.driver->open_cell()));
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE(
    "a frozen instrument is a lost link, one that only lost its program has ended it for an unknown reason") {
  Bench bench;
  bench.begin(charge_at_1C());
  bench.listen([](const auto& all) { return all.samples.size() >= 3; });
  SUBCASE("frozen") {
    REQUIRE(bench.machine.fault("freeze"));
    CHECK(bench.listen().lost);
  }
  SUBCASE("switched off and on behind a link that stands") {
    bench.machine.power_cycle();
    const auto heard = bench.listen();
    REQUIRE(heard.ended);
    CHECK(heard.ended->reason == EndReason::unknown);
    CHECK(heard.ended->text == "the instrument has lost the program");
  }
}
