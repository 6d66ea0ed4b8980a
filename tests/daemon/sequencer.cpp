// The sequencer as a screenplay: what happens, then what must be ordered. No clock but the one in the test.
#include "daemon/sequencer/sequencer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "daemon/sequencer/words.h"

using namespace cambench;
using namespace cambench::sequencer;
using namespace std::chrono_literals;

namespace {

PlannedStep charge(std::uint32_t index) {
  PlannedStep s;
  s.index = index;
  s.label = "charge 0.1 C";
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(0.1608);  // 0.1 C of the paper's rate composite at 200 mAh/g
  s.until_voltage = Volt(4.01);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = 57600s;
  s.run_time_is_planned = false;
  s.guards = {Volt(4.06), Volt(1.9), Volt(4.3), Volt(1.5), from_mAh(2.4)};
  return s;
}

PlannedStep rest(std::uint32_t index) {
  PlannedStep s;
  s.index = index;
  s.label = "rest";
  s.run_time = 7200s;
  s.on_gap = OnGap::proceed;
  return s;
}

PlannedStep pressing(std::uint32_t index) {
  PlannedStep s;
  s.index = index;
  s.kind = PlannedStep::Kind::press;
  s.pressure = MegaPascal(374);
  s.run_time = 180s;
  return s;
}

std::shared_ptr<Plan> rate_plan() {
  auto plan = std::make_shared<Plan>();
  plan->recipe = "rate-test-3e";
  plan->steps = {charge(0), rest(1)};
  plan->pressure = PressurePlan{MegaPascal(50), MegaPascal(2), 600s, PressurePlan::AtEnd::hold};
  plan->ocv_min = Volt(1.5);
  plan->ocv_max = Volt(3.9);
  return plan;
}

/// A run and a clock; every line of a test is one event.
struct Play {
  Run run;
  Instant now{};
  std::vector<Transition> log;
  Turn last;

  explicit Play(std::shared_ptr<const Plan> plan) { run.plan = std::move(plan); }

  Turn& hear(const Event& event) {
    last = step(std::move(run), event, now);
    run = last.run;
    log.insert(log.end(), last.transitions.begin(), last.transitions.end());
    return last;
  }
  void pressure(double MPa, int times = 1) {
    for (int i = 0; i < times; ++i) {
      now += 200ms;
      hear(event::PressureRead{{MegaPascal(MPa), MegaPascal(50), "", {now, {}}}});
    }
  }
  /// What the press shows and what the second sensor does, if it does.
  void both(double press_MPa, std::optional<double> second_MPa, int times, bool owed = false) {
    for (int i = 0; i < times; ++i) {
      now += 200ms;
      PressureSample sample{MegaPascal(press_MPa), MegaPascal(50), "", {now, {}}};
      if (second_MPa) sample.second = MegaPascal(*second_MPa);
      sample.second_owed = owed;
      hear(event::PressureRead{sample});
    }
  }
  void bad_pressure(int times) {
    for (int i = 0; i < times; ++i) {
      now += 200ms;
      hear(event::PressureRead{{std::nullopt, std::nullopt, "not a number", {now, {}}}});
    }
  }
  void sample(double step_time, double we, double cell, double mA, std::uint16_t status = 0) {
    now += 1s;
    Sample s;
    s.step = current_step(run) ? current_step(run)->index : 0;
    s.step_time = Seconds(step_time);
    s.we_vs_re = Volt(we);
    s.cell = Volt(cell);
    s.current = from_mA(mA);
    s.status = status;
    s.at.steady = now;
    last_pressure_stays_fresh();
    hear(event::Sampled{s});
  }
  void last_pressure_stays_fresh() { run.watch.good_pressure_at = now; }
  void start() {
    hear(event::Started{"anna"});
    hear(event::Identified{Device::press, "press"});
    hear(event::Identified{Device::potentiostat, "potentiostat"});
    pressure(50.1, 3);
    hear(event::RestPotential{Volt(2.2), Volt(2.6)});
  }
  /// A held run: what is checked before it goes on is as it must be.
  void resume() {
    hear(event::Ordered{event::Ordered::What::resume, "anna", "back"});
    hear(event::Identified{Device::press, ""});
    hear(event::Identified{Device::potentiostat, ""});
    hear(event::RestPotential{Volt(2.2), Volt(2.6)});
    pressure(50, 3);
  }
  [[nodiscard]] std::string phase() const { return std::string(name(run.phase)); }
};

template <typename T>
const T* ordered(const Turn& turn) {
  for (const Command& c : turn.commands)
    if (const auto* found = std::get_if<T>(&c)) return found;
  return nullptr;
}

template <typename T>
std::ptrdiff_t position(const Turn& turn) {
  return std::ranges::find_if(turn.commands, [](const Command& c) { return std::holds_alternative<T>(c); }) -
         turn.commands.begin();
}

}  // namespace

TEST_CASE("a pressure that rounds to nothing has no sign") {
  CHECK(words(MegaPascal(-0.004)) == "0.00 MPa");
  CHECK(words(MegaPascal(-0.006)) == "-0.01 MPa");
  CHECK(words(MegaPascal(49.975)) == "49.98 MPa");
}

TEST_CASE("nothing moves and nothing is polarised before the instruments have said who they are") {
  Play play(rate_plan());
  const Turn turn = play.hear(event::Started{"anna"});
  CHECK(turn.commands.size() == 2);
  CHECK(ordered<command::Identify>(turn));
  CHECK_FALSE(ordered<command::SetPressure>(turn));
  CHECK_FALSE(ordered<command::StartStep>(turn));
}

TEST_CASE("the first step begins once the cell is in its window and the pressure has arrived") {
  Play play(rate_plan());
  play.hear(event::Started{"anna"});
  CHECK(ordered<command::SetPressure>(play.hear(event::Identified{Device::press, ""}))->target ==
        MegaPascal(50));
  CHECK(ordered<command::MeasureRest>(play.hear(event::Identified{Device::potentiostat, ""})));
  CHECK(play.hear(event::RestPotential{Volt(2.2), Volt(2.6)}).commands.empty());
  play.pressure(20, 2);
  play.pressure(50, 2);
  CHECK(play.phase() == "preparing");
  play.pressure(50, 1);
  CHECK(play.phase() == "running");
  REQUIRE(ordered<command::StartStep>(play.last));
  CHECK(ordered<command::StartStep>(play.last)->step.index == 0);
}

TEST_CASE("a cell outside its window at rest is never polarised") {
  Play play(rate_plan());
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::press, ""});
  play.hear(event::Identified{Device::potentiostat, ""});
  play.pressure(50, 3);
  const Turn turn = play.hear(event::RestPotential{Volt(0.1), Volt(0.05)});
  CHECK(play.phase() == "tripped");
  CHECK_FALSE(ordered<command::StartStep>(turn));
  CHECK(ordered<command::OpenCell>(turn));
}

TEST_CASE(
    "an instrument that sees one potential is judged by its window, and refused where the recipe has none") {
  const auto plan = rate_plan();
  plan->ocv_we_min = Volt(1.3);
  plan->ocv_we_max = Volt(4.2);
  std::optional<Volt> seen;
  std::string phase = "tripped";
  SUBCASE("inside") { seen = Volt(2.9), phase = "running"; }
  SUBCASE("swapped leads") { seen = Volt(-2.9); }
  SUBCASE("no window") { seen = Volt(2.9), plan->ocv_we_min.reset(); }
  SUBCASE("no potential") {}
  Play play(plan);
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::press, ""});
  play.hear(event::Identified{Device::potentiostat, ""});
  play.pressure(50, 3);
  play.hear(event::RestPotential{seen, std::nullopt});
  CHECK(play.phase() == phase);
}

TEST_CASE("an absent instrument holds the run and polarises nothing") {
  Play play(rate_plan());
  play.hear(event::Started{"anna"});
  const Turn turn = play.hear(event::Faulted{Device::potentiostat, {Fault::Kind::link, "no such device"}});
  CHECK(play.phase() == "held");
  CHECK_FALSE(ordered<command::StartStep>(turn));
}

TEST_CASE("a press that does not arrive in time is made safe") {
  Play play(rate_plan());
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::press, ""});
  play.now += 601s;
  play.pressure(30);
  CHECK(play.phase() == "tripped");
  CHECK(ordered<command::HoldPressure>(play.last));
}

TEST_CASE("steps follow each other, and the last one leaves the cell open and the pressure held") {
  Play play(rate_plan());
  play.start();
  CHECK(ordered<command::StartStep>(play.hear(event::StepEnded{0, EndReason::planned, "END upper"}))
            ->step.index == 1);
  const Turn end = play.hear(event::StepEnded{1, EndReason::planned, ""});
  CHECK(play.phase() == "finished");
  CHECK(ordered<command::OpenCell>(end));
  CHECK(ordered<command::HoldPressure>(end));
}

TEST_CASE("the phase is the fold of the recorded transitions at every moment") {
  Play play(rate_plan());
  play.start();
  play.sample(10, 3.0, 2.7, 0.1608);
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
  play.hear(event::CellOpened{true});
  play.hear(event::Ordered{event::Ordered::What::resume, "anna", "back"});
  Phase folded = phase::Queued{};
  for (const auto& t : play.log) folded = fold(std::move(folded), t);
  CHECK(name(folded) == name(play.run.phase));
  CHECK(std::get<phase::Preparing>(folded).elapsed == Seconds(10));
}

TEST_CASE("a paused step goes on with the time that is left to it") {
  Play play(rate_plan());
  play.start();
  play.sample(600, 3.0, 2.7, 0.1608);
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
  CHECK(play.phase() == "held");
  play.hear(event::CellOpened{true});
  play.resume();
  REQUIRE(ordered<command::StartStep>(play.last));
  CHECK(ordered<command::StartStep>(play.last)->step.run_time == Seconds(57600 - 600));
}

TEST_CASE("a pressure that leaks out of its band opens the cell first and then holds the press") {
  Play play(rate_plan());
  play.start();
  play.pressure(47, 2);
  CHECK(play.phase() == "running");
  play.pressure(47);
  CHECK(play.phase() == "tripped");
  CHECK(position<command::OpenCell>(play.last) < position<command::HoldPressure>(play.last));
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_low");
}

TEST_CASE("a single spike of pressure does nothing") {
  Play play(rate_plan());
  play.start();
  play.pressure(46);
  play.pressure(50, 5);
  play.pressure(53);
  play.pressure(50, 5);
  CHECK(play.phase() == "running");
}

TEST_CASE("a lost pressure trips on the second reading") {
  Play play(rate_plan());
  play.start();
  play.pressure(10, 2);
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_lost");
}

TEST_CASE("over-pressure vents, above the hard limit on the first reading") {
  Play play(rate_plan());
  play.start();
  SUBCASE("two readings above the band") { play.pressure(53, 2); }
  SUBCASE("one reading above the hard limit") { play.pressure(63, 1); }
  CHECK(play.phase() == "tripped");
  CHECK(position<command::OpenCell>(play.last) < position<command::Vent>(play.last));
  CHECK_FALSE(ordered<command::HoldPressure>(play.last));
}

TEST_CASE("bad pressure data never count as good") {
  Play play(rate_plan());
  play.start();
  SUBCASE("readings that are not numbers") { play.bad_pressure(3); }
  SUBCASE("no readings at all") {
    play.now += 2100ms;
    play.hear(event::Tick{});
  }
  CHECK(play.phase() == "tripped");
  CHECK(ordered<command::OpenCell>(play.last));
}

TEST_CASE("a potential beyond its guard trips after three readings, more charge than allowed at once") {
  Play play(rate_plan());
  play.start();
  SUBCASE("working electrode") {
    for (int i = 1; i <= 3; ++i) play.sample(i, 4.09, 4.0, 0.1608);
  }
  SUBCASE("full cell") {
    for (int i = 1; i <= 3; ++i) play.sample(i, 4.0, 4.33, 0.1608);
  }
  SUBCASE("charge") {
    play.sample(1, 3.5, 3.2, 0.1608);
    play.sample(57000, 3.5, 3.2, 0.1608);
  }
  CHECK(play.phase() == "tripped");
}

TEST_CASE("a measured current that is not the set one trips") {
  Play play(rate_plan());
  play.start();
  for (int i = 2; i <= 4; ++i) play.sample(i, 3.0, 2.7, 0.2);
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "current_deviates");
}

TEST_CASE("a guard inside the instrument, an error and an unknown end all latch a trip") {
  Play play(rate_plan());
  play.start();
  SUBCASE("guard") { play.hear(event::StepEnded{0, EndReason::guard, "GUARD cell"}); }
  SUBCASE("error") { play.hear(event::StepEnded{0, EndReason::error, "!0032"}); }
  SUBCASE("unknown") { play.hear(event::StepEnded{0, EndReason::unknown, ""}); }
  CHECK(play.phase() == "tripped");
  CHECK(ordered<command::OpenCell>(play.last));
  CHECK_FALSE(ordered<command::StartStep>(play.last));
}

TEST_CASE("a trip stays until a named person resets it with a reason, and then waits to be resumed") {
  Play play(rate_plan());
  play.start();
  play.pressure(47, 3);
  play.hear(event::Ordered{event::Ordered::What::resume, "anna", "go on"});
  CHECK(play.phase() == "tripped");
  CHECK(play.hear(event::Ordered{event::Ordered::What::reset, "anna", "valve closed"}).refusal);
  play.hear(event::CellOpened{true});
  CHECK(play.hear(event::Ordered{event::Ordered::What::reset, "", ""}).refusal);
  play.bad_pressure(1);
  CHECK(play.hear(event::Ordered{event::Ordered::What::reset, "anna", "valve closed"}).refusal);
  play.pressure(47, 11);  // two seconds without a further fall
  CHECK_FALSE(play.hear(event::Ordered{event::Ordered::What::reset, "anna", "valve closed"}).refusal);
  CHECK(play.phase() == "held");
}

TEST_CASE("what a person orders is on record with the step that it is about") {
  Play play(rate_plan());
  play.start();
  play.hear(event::StepEnded{0, EndReason::planned, "END upper"});
  REQUIRE(play.phase() == "running");
  play.log.clear();
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
  play.hear(event::CellOpened{true});
  play.resume();
  play.pressure(47, 3);
  play.hear(event::CellOpened{true});
  play.pressure(47, 11);
  play.hear(event::Ordered{event::Ordered::What::reset, "anna", "valve closed"});
  play.hear(event::Ordered{event::Ordered::What::abort, "anna", "no time"});
  using Kind = Transition::Kind;
  for (const auto kind : {Kind::held, Kind::resumed, Kind::tripped, Kind::reset, Kind::aborted}) {
    CAPTURE(name(kind));
    const auto row = std::ranges::find(play.log, kind, &Transition::kind);
    REQUIRE(row != play.log.end());
    CHECK(row->step == 1);
  }
}

TEST_CASE("a resumed step is judged by its own readings, with the charge it has moved") {
  Play play(rate_plan());
  play.start();
  play.sample(3600, 3.0, 2.7, 0.1608);
  std::string cause;
  double we = 3.0, cell = 2.7;  // when it goes on
  SUBCASE("another current than the one that is set") {
    for (int i = 1; i <= 3; ++i) play.sample(3600 + i, 3.0, 2.7, 0.1);
    cause = "current_deviates";
  }
  SUBCASE("an overload") {
    for (int i = 1; i <= 3; ++i) play.sample(3600 + i, 3.0, 2.7, 0.1608, reading_status::overload);
    cause = "overload";
  }
  SUBCASE("a potential beyond its guard") {
    for (int i = 1; i <= 3; ++i) play.sample(3600 + i, 4.2, 3.9, 0.1608);
    cause = "potential_guard";
  }
  SUBCASE("a reference electrode that was lost and is a new one now") {
    for (int i = 1; i <= 3; ++i) play.sample(3600 + i, 3.6, 2.7, 0.1608);
    we = 3.6;
    cause = "reference_lost";
  }
  REQUIRE(play.phase() == "tripped");
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == cause);
  const AmpereHour moved = play.run.watch.charge;
  play.hear(event::CellOpened{true});
  CHECK_FALSE(play.hear(event::Ordered{event::Ordered::What::reset, "anna", "mended"}).refusal);
  play.resume();
  CHECK(play.phase() == "running");
  for (int i = 2; i <= 10; ++i) play.sample(i, we, cell, 0.1608);
  CHECK(play.phase() == "running");
  CHECK(play.run.watch.charge > moved);
}

TEST_CASE("a cell that does not confirm to be open is told again, and people are told") {
  Play play(rate_plan());
  play.start();
  play.pressure(47, 3);
  play.hear(event::CellOpened{false});
  play.now += 2s;
  const Turn again = play.hear(event::Tick{});
  CHECK(ordered<command::OpenCell>(again));
  CHECK(ordered<command::Raise>(again));
  play.hear(event::CellOpened{true});
  play.now += 10s;
  CHECK_FALSE(ordered<command::OpenCell>(play.hear(event::Tick{})));
}

TEST_CASE("a press that does not confirm its vent is told again, and people are told") {
  Play play(rate_plan());
  play.start();
  play.pressure(70);
  REQUIRE(ordered<command::Vent>(play.last));
  const Turn failed = play.hear(event::PressStopped{true, false, "switched to local"});
  REQUIRE(ordered<command::Raise>(failed));
  CHECK(ordered<command::Raise>(failed)->cause == "press_not_safe");
  CHECK(ordered<command::Raise>(failed)->severity == command::Severity::alarm);
  play.now += 60s;
  CHECK_FALSE(
      ordered<command::Vent>(play.hear(event::Tick{})));  // the bus is left alone while it does not answer
  play.pressure(70);
  CHECK(ordered<command::Vent>(play.last));
  play.pressure(70, 20);
  CHECK_FALSE(ordered<command::Vent>(play.last));  // one at a time
  play.hear(event::PressStopped{true, false, "switched to local"});
  play.hear(event::Ordered{event::Ordered::What::abort, "anna", "enough"});  // it stays wanted
  play.pressure(70, 9);
  CHECK_FALSE(ordered<command::Vent>(play.last));
  play.pressure(70);
  CHECK(ordered<command::Vent>(play.last));
  play.hear(event::PressStopped{true, true, ""});
  play.pressure(40, 50);
  CHECK_FALSE(ordered<command::Vent>(play.last));
}

TEST_CASE("what an earlier order to the press comes to says nothing of the last one") {
  Play play(rate_plan());
  play.start();
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
  SUBCASE("moved again meanwhile") {
    play.hear(event::CellOpened{true});
    play.hear(event::Ordered{event::Ordered::What::resume, "anna", "back"});
    play.hear(event::Identified{Device::press, ""});
    CHECK_FALSE(ordered<command::Raise>(play.hear(event::PressStopped{false, false, "late"})));
    play.pressure(50, 20);
    CHECK_FALSE(ordered<command::HoldPressure>(play.last));
  }
  SUBCASE("another stop") {
    CHECK_FALSE(ordered<command::Raise>(play.hear(event::PressStopped{true, false, "late"})));
  }
}

TEST_CASE("a lost link is a warning, because the limits live in the instrument") {
  Play play(rate_plan());
  play.start();
  play.hear(event::LinkChanged{Device::potentiostat, false, "cable"});
  play.now += 3600s;
  play.last_pressure_stays_fresh();
  play.hear(event::Tick{});
  CHECK(play.phase() == "running");
}

TEST_CASE("after a gap the instrument decides what may go on") {
  using Found = event::Restarted::Found;
  Play play(rate_plan());
  play.start();
  SUBCASE("still running our step: it goes on") {
    play.hear(event::Restarted{Found::running_ours, std::nullopt});
    CHECK(play.phase() == "running");
  }
  SUBCASE("ended as planned: the next step begins") {
    CHECK(ordered<command::StartStep>(play.hear(event::Restarted{Found::idle, EndReason::planned}))
              ->step.index == 1);
  }
  SUBCASE("an interrupted charge waits for a person with the cell open and the pressure held") {
    const Turn turn = play.hear(event::Restarted{Found::idle, std::nullopt});
    CHECK(play.phase() == "held");
    CHECK(ordered<command::OpenCell>(turn));
    CHECK(ordered<command::HoldPressure>(turn));
  }
  SUBCASE("a rest whose time is over ended by itself") {
    play.hear(event::StepEnded{0, EndReason::planned, ""});
    play.now += 7200s;
    play.hear(event::Restarted{Found::idle, std::nullopt});
    CHECK(play.phase() == "finished");
  }
  SUBCASE(
      "a rest that had begun, is not over and does not run any more ended for a reason that nobody knows") {
    play.hear(event::StepEnded{0, EndReason::planned, ""});
    play.sample(0, 3.0, 2.7, 0);
    play.now += 3600s;
    play.hear(event::Restarted{Found::idle, std::nullopt});
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "unknown_end");
  }
  SUBCASE(
      "a rest of which nothing was heard may never have begun: a person decides, and nothing is claimed") {
    play.hear(event::StepEnded{0, EndReason::planned, ""});
    play.now += 3600s;
    const Turn turn = play.hear(event::Restarted{Found::idle, std::nullopt});
    CHECK(std::get<phase::Held>(play.run.phase).why ==
          "the rest was ordered, and nobody heard whether it began");
    CHECK_FALSE(ordered<command::StartStep>(turn));
  }
  SUBCASE("power-cycled: never polarise") {
    CHECK_FALSE(ordered<command::StartStep>(play.hear(event::Restarted{Found::power_cycled, std::nullopt})));
    CHECK(play.phase() == "tripped");
  }
  SUBCASE("a foreign program: never polarise") {
    play.hear(event::Restarted{Found::running_other, std::nullopt});
    CHECK(play.phase() == "tripped");
  }
  const bool gap_recorded =
      std::ranges::any_of(play.log, [](const Transition& t) { return t.kind == Transition::Kind::gap; });
  CHECK(gap_recorded);
}

TEST_CASE("a link that is back says nothing until the instrument was asked") {
  Play play(rate_plan());
  play.start();
  play.hear(event::LinkChanged{Device::potentiostat, false, "unplugged"});
  play.now += 60h;  // longer than the step may take
  play.last_pressure_stays_fresh();
  play.hear(event::LinkChanged{Device::potentiostat, true, ""});
  play.hear(event::Tick{});
  CHECK(play.phase() == "running");
  play.hear(event::Restarted{event::Restarted::Found::idle, std::nullopt});
  CHECK(play.phase() == "held");
}

TEST_CASE("another instrument in the place of ours trips the run") {
  Play play(rate_plan());
  play.start();
  play.hear(event::Faulted{Device::potentiostat, {Fault::Kind::identity, "serial number X answered"}});
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "wrong_instrument");
}

TEST_CASE("a run that is taken up again is watched like before, with the charge it has moved") {
  Play play(rate_plan());
  play.start();
  Left left{.transitions = play.log,
            .last = Sample{.step_time = 3000s, .current = from_mA(0.1608)},
            .step_began = {}};
  left.charge = from_mAh(2.3);
  left.step_began = play.now;
  play.now += 3700s;
  play.run = take_up(rate_plan(), {}, left, play.now);
  CHECK(play.phase() == "running");
  SUBCASE("a pressure that is low trips, though the press never arrived since") {
    play.pressure(47, 3);
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_low");
  }
  SUBCASE("a press that does not answer trips") {
    play.now += 2100ms;
    play.hear(event::Tick{});
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "press_stale");
  }
  SUBCASE("what flowed in the gap counts against the charge that is allowed") {
    play.pressure(50);
    play.hear(event::Restarted{event::Restarted::Found::running_ours, std::nullopt});
    play.sample(3700, 3.5, 3.2, 0.1608);
    CHECK(play.phase() == "running");
    play.sample(6000, 3.5, 3.2, 0.1608);
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "charge_guard");
  }
  SUBCASE("held at once, it keeps what was done of the step") {
    play.hear(event::Restarted{event::Restarted::Found::idle, std::nullopt});
    CHECK(std::get<phase::Held>(play.run.phase).elapsed == 3000s);
  }
}

TEST_CASE(
    "a press step goes on while the potentiostat of its run is switched off and on, and waits after a "
    "restart") {
  auto plan = rate_plan();
  plan->steps = {pressing(0), rest(1)};
  Play play(plan);
  play.start();
  play.pressure(374, 3);
  const auto switched_on = [&] {
    play.hear(event::LinkChanged{Device::potentiostat, false, "unplugged"});
    play.hear(event::LinkChanged{Device::potentiostat, true, ""});
    play.hear(event::Restarted{event::Restarted::Found::power_cycled, std::nullopt});
  };
  switched_on();
  CHECK(play.phase() == "running");
  play.run = take_up(plan, {}, {.transitions = play.log, .last = {}, .step_began = {}}, play.now);
  for (int i = 0; i < 1000; ++i) play.pressure(374);
  CHECK(play.phase() == "running");  // and does not end by itself
  play.hear(event::Restarted{event::Restarted::Found::idle, std::nullopt});
  CHECK(play.phase() == "held");
}

TEST_CASE("a pressing that is taken up again is watched at the pressure of its step") {
  auto plan = rate_plan();
  plan->steps = {pressing(0), rest(1)};
  Play play(plan);
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::potentiostat, ""});
  play.hear(event::Identified{Device::press, ""});
  play.pressure(50, 3);
  play.hear(event::RestPotential{Volt(2.2), Volt(2.6)});
  play.pressure(374, 3);
  CHECK(play.phase() == "running");
  play.run = take_up(plan, {}, {.transitions = play.log, .last = {}, .step_began = {}}, play.now);
  SUBCASE("where it was left, it is no over-pressure of the run's own") {
    play.pressure(374, 3);
    CHECK(play.phase() == "running");
  }
  SUBCASE("a press that does not answer trips") {
    play.now += 2100ms;
    play.hear(event::Tick{});
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "press_stale");
  }
}

TEST_CASE("a reset is refused while the pressure still falls, and while it is still too high after a vent") {
  const event::Ordered reset{event::Ordered::What::reset, "anna", "valve closed"};
  Play play(rate_plan());
  play.start();
  SUBCASE("a leak") {
    for (double MPa = 49; MPa > 44; MPa -= 0.5) play.pressure(MPa);
    play.hear(event::CellOpened{true});
    CHECK(play.hear(reset).refusal);
    play.pressure(44, 11);
  }
  SUBCASE("over-pressure") {
    play.pressure(70, 2);
    play.hear(event::CellOpened{true});
    CHECK(play.hear(reset).refusal);
    play.pressure(3, 6);  // the first one alone is no press that can be believed
  }
  CHECK_FALSE(play.hear(reset).refusal);
}

TEST_CASE("a press that a run does not use cannot trip it") {
  auto plan = rate_plan();
  plan->pressure.reset();
  Play play(plan);
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::potentiostat, "potentiostat"});
  play.hear(event::RestPotential{Volt(2.2), Volt(2.6)});
  play.bad_pressure(5);
  CHECK(play.phase() == "running");
}

TEST_CASE("a held run is not resumed before its cell is open") {
  Play play(rate_plan());
  play.start();
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
  const event::Ordered resume{event::Ordered::What::resume, "anna", "back"};
  CHECK(play.hear(resume).refusal);
  play.hear(event::CellOpened{true});
  CHECK_FALSE(play.hear(resume).refusal);
}

TEST_CASE("pelletising holds 374 MPa for three minutes of experiment time and vents") {
  auto plan = std::make_shared<Plan>();
  plan->recipe = "pelletise";
  plan->steps = {pressing(0)};
  plan->needs_cell = false;
  Play play(plan);
  play.run.rules.time_scale = 10;
  play.hear(event::Started{"anna"});
  CHECK(ordered<command::SetPressure>(play.hear(event::Identified{Device::press, ""}))->target ==
        MegaPascal(374));
  play.pressure(374, 3);
  const Instant arrived = play.now;
  while (play.phase() == "running") play.pressure(374);
  CHECK(play.phase() == "finished");
  CHECK(play.now - arrived == 18s);
  CHECK(ordered<command::Vent>(play.last));
}

TEST_CASE("an abort opens the cell, keeps the pressure, and ends the run for good") {
  Play play(rate_plan());
  play.start();
  const Turn turn = play.hear(event::Ordered{event::Ordered::What::abort, "anna", "wrong cell"});
  CHECK(play.phase() == "aborted");
  CHECK(ordered<command::OpenCell>(turn));
  CHECK(ordered<command::HoldPressure>(turn));
  CHECK(play.hear(event::Ordered{event::Ordered::What::resume, "anna", "no"}).refusal);
}

TEST_CASE("an abort after an over-pressure trip does not stop its vent") {
  using What = event::Ordered::What;
  Play play(rate_plan());
  play.start();
  play.pressure(70);
  REQUIRE(ordered<command::Vent>(play.last));
  play.hear(event::CellOpened{true});
  SUBCASE("at once") { play.pressure(65); }
  SUBCASE("after its reset") {
    play.pressure(40, 6);
    CHECK_FALSE(play.hear(event::Ordered{What::reset, "anna", "valve closed"}).refusal);
  }
  SUBCASE("after a daemon came back to it") {
    play.run =
        take_up(rate_plan(), {}, Left{.transitions = play.log, .last = {}, .step_began = {}}, play.now);
    play.pressure(65);
  }
  const Turn turn = play.hear(event::Ordered{What::abort, "anna", "enough"});
  CHECK(play.phase() == "aborted");
  CHECK_FALSE(ordered<command::HoldPressure>(turn));
}

TEST_CASE("a press that releases for a minute is not listed as one that lost its pressure") {
  Play play(rate_plan());
  play.start();
  play.pressure(70, 2);
  for (double MPa = 69; MPa > 0; MPa -= 0.23) play.pressure(MPa);
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "over_pressure");
  CHECK(play.log.back().kind == Transition::Kind::tripped);
}

namespace {

/// A pellet is pressed, then charged under less.
std::shared_ptr<Plan> press_and_charge() {
  auto plan = rate_plan();
  plan->steps = {pressing(0), charge(1)};
  return plan;
}

}  // namespace

TEST_CASE("a press that is told to go down is not over-pressure on its way; one that rises on the way is") {
  Play play(press_and_charge());
  play.start();
  while (play.phase() == "running") play.pressure(374);
  REQUIRE(play.phase() == "preparing");
  CHECK(ordered<command::SetPressure>(play.last)->target == MegaPascal(50));
  SUBCASE("down") {
    for (double MPa = 374; MPa > 50; MPa -= 0.2) play.pressure(MPa);
    play.pressure(50, 3);
    CHECK(play.phase() == "running");
    play.pressure(63);
  }
  SUBCASE("up again") {
    for (double MPa = 374; MPa > 200; MPa -= 0.2) play.pressure(MPa);
    double MPa = 200;
    for (; MPa < 300 && play.phase() == "preparing"; ++MPa) play.pressure(MPa);
    CHECK(MPa < 245);
  }
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "over_pressure");
  CHECK(ordered<command::Vent>(play.last));
}

TEST_CASE("a pressing found interrupted is held, not vented") {
  Play play(press_and_charge());
  play.start();
  play.pressure(374, 5);
  REQUIRE(play.phase() == "running");
  play.run =
      take_up(press_and_charge(), {}, Left{.transitions = play.log, .last = {}, .step_began = {}}, play.now);
  play.pressure(374, 5);
  CHECK(play.phase() == "running");
  const Turn turn = play.hear(event::Restarted{event::Restarted::Found::idle, std::nullopt, {}});
  CHECK(play.phase() == "held");
  CHECK(ordered<command::HoldPressure>(turn));
  play.pressure(374, 5);
  CHECK(play.phase() == "held");
}

TEST_CASE("a held run whose press runs away is vented and told, and one that leaks out is told") {
  Play play(rate_plan());
  play.start();
  play.sample(600, 3.0, 2.7, 0.1608);
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "weekend"});
  play.hear(event::CellOpened{true});
  play.pressure(50, 5);
  CHECK(play.phase() == "held");
  SUBCASE("runs away") {
    play.pressure(53, 2);
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "over_pressure");
    CHECK(ordered<command::Vent>(play.last));
  }
  SUBCASE("leaks out, and what a person has seen is told once") {
    play.pressure(47, 3);
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_low");
    CHECK(ordered<command::Raise>(play.last)->severity == command::Severity::alarm);
    play.hear(event::CellOpened{true});
    play.pressure(47, 11);
    CHECK_FALSE(play.hear(event::Ordered{event::Ordered::What::reset, "anna", "seen"}).refusal);
    play.pressure(47, 11);
    CHECK(play.phase() == "held");
    return;
  }
  CHECK(std::get<phase::Tripped>(play.run.phase).elapsed == Seconds(600));
}

TEST_CASE("a run taken up after the press's watchdog fired is regulated again, or people are told") {
  Play play(rate_plan());
  play.start();
  play.run =
      take_up(rate_plan(), {}, Left{.transitions = play.log, .last = {}, .step_began = play.now}, play.now);
  play.hear(event::Restarted{event::Restarted::Found::running_ours, std::nullopt, {}});
  play.pressure(50, 2);
  CHECK_FALSE(ordered<command::SetPressure>(play.last));
  play.pressure(50);
  REQUIRE(ordered<command::SetPressure>(play.last));
  CHECK(ordered<command::SetPressure>(play.last)->target == MegaPascal(50));
  const Turn refused =
      play.hear(event::Faulted{Device::press, {Fault::Kind::instrument, "switched to local"}});
  CHECK(play.phase() == "running");
  CHECK(ordered<command::Raise>(refused)->cause == "press_not_regulated");
  play.pressure(50, 10);
  CHECK_FALSE(ordered<command::SetPressure>(play.last));
  play.pressure(47, 3);  // it is watched all the while
  CHECK(play.phase() == "tripped");
}

TEST_CASE("a trip ends its step on the record, with how the program came to its end") {
  Play play(rate_plan());
  play.start();
  EndReason expected = EndReason::aborted;
  SUBCASE("by us") { play.pressure(47, 3); }
  SUBCASE("by a guard on board") {
    expected = EndReason::guard;
    play.hear(event::StepEnded{0, EndReason::guard, "GUARD cell"});
  }
  REQUIRE(play.log.size() >= 2);
  const Transition &ended = play.log[play.log.size() - 2], &tripped = play.log.back();
  CHECK(ended.kind == Transition::Kind::step_ended);
  CHECK(ended.reason == expected);
  CHECK(tripped.kind == Transition::Kind::tripped);
  CHECK(play.phase() == "tripped");
}

TEST_CASE("what goes wrong after the first cause is listed under it, once each, and changes nothing") {
  Play play(rate_plan());
  play.start();
  play.pressure(10, 2);
  play.bad_pressure(5);
  std::vector<std::string> listed;
  for (const auto& t : play.log)
    if (t.kind == Transition::Kind::consequence) listed.push_back(t.cause);
  CHECK(listed == std::vector<std::string>{"pressure_bad"});
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_lost");
}

TEST_CASE("a jump that no press can make counts as a bad reading until a second one agrees") {
  Play play(rate_plan());
  play.start();
  SUBCASE("it goes away: a spike, counted") {
    play.pressure(130);
    play.pressure(50, 4);
    CHECK(play.phase() == "running");
    CHECK(play.run.watch.spikes == 1);
  }
  SUBCASE("it stays: the pressure is really there") {
    play.pressure(130, 2);
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "over_pressure");
    CHECK(play.run.watch.spikes == 0);
  }
  SUBCASE("it goes to and fro: nothing of it can be believed") {
    for (int i = 0; i < 3; ++i) {
      play.pressure(130);
      play.pressure(50);
    }
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_bad");
  }
}

TEST_CASE(
    "two sensors that disagree warn soon and trip when it lasts, and one that is silent does only if it is "
    "needed") {
  Play play(rate_plan());
  play.start();
  const Interlock& row = play.run.rules.row("sensors_disagree");
  const auto warns = [&] { return play.run.watch.disagree.warns(row); };
  SUBCASE("it lasts") {
    play.both(50, 47.9, 2);
    CHECK_FALSE(warns());
    play.both(50, 47.9, 1);
    CHECK(warns());
    play.both(50, 47.9, 147);  // 30 s of wire time, less one reading
    CHECK(play.phase() == "running");
    play.both(50, 47.9, 1);
    const auto& tripped = std::get<phase::Tripped>(play.run.phase);
    CHECK(tripped.cause == "sensors_disagree");
    CHECK(tripped.text == "for 30 s: 50.00 MPa, and the second sensor shows 47.90 MPa");
    CHECK(position<command::OpenCell>(play.last) < position<command::HoldPressure>(play.last));
    play.hear(event::CellOpened{true});
    play.both(50, 48.1, 5);  // within 2 MPa, and not well within
    play.hear(event::Ordered{event::Ordered::What::reset, "anna", "looked"});
    CHECK(play.last.refusal->find("the cause stands: 50.00 MPa, and the second sensor") == 0);
    play.both(50, 49, 5);
    play.hear(event::Ordered{event::Ordered::What::reset, "anna", "calibrated"});
    CHECK(play.phase() == "held");
  }
  SUBCASE("it ends in time") {
    play.both(50, 47.9, 149);
    play.both(50, 49, 5);
    CHECK_FALSE(warns());
    play.both(50, 47.9, 149);
    CHECK(play.phase() == "running");
  }
  SUBCASE("the second one is silent") {
    play.both(50, std::nullopt, 300);
    CHECK(play.phase() == "running");
    CHECK_FALSE(warns());
  }
  SUBCASE("the second one is silent and needed") {
    play.both(50, std::nullopt, 151, true);
    CHECK(std::get<phase::Tripped>(play.run.phase).text == "for 30 s: the second sensor gives no reading");
  }
}

TEST_CASE("a press that does not follow its ramp is stopped long before it is late") {
  Play play(rate_plan());
  play.hear(event::Started{"anna"});
  play.hear(event::Identified{Device::press, ""});
  for (int i = 1; i <= 60 && play.phase() == "preparing"; ++i) {
    play.now += 200ms;
    PressureSample sample{MegaPascal(0.1), MegaPascal(50), "", {play.now, {}}};
    sample.ramp = MegaPascal(0.2 * i);  // 1 MPa/s
    play.hear(event::PressureRead{sample});
  }
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "press_not_following");
  CHECK(ordered<command::HoldPressure>(play.last));
  CHECK(play.now - Instant{} < 7s);  // 5 MPa behind after 5 s, five readings
}

TEST_CASE("a reference electrode that jumps against both others is lost, whatever the guards say") {
  Play play(rate_plan());
  play.start();
  for (int i = 2; i < 6; ++i) play.sample(i, 3.0, 2.7, 0.1608);
  play.sample(6, 3.3, 2.7, 0.1608);
  play.sample(7, 3.0, 2.7, 0.1608);  // one reading alone is nothing
  CHECK(play.phase() == "running");
  for (int i = 8; i < 11; ++i) play.sample(i, 3.3, 2.7, 0.1608);
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "reference_lost");
}

TEST_CASE("a cell that breathes in its band is left alone for eight hours") {
  Play play(rate_plan());
  play.start();
  for (int i = 0; i < 8 * 3600; ++i) {
    play.now += 800ms;
    play.pressure(50 + 1.9 * std::sin(2 * 3.14159265 * i / (8 * 3600)));
    play.run.watch.heard_at = play.now;  // the potentiostat speaks all the while
  }
  CHECK(play.phase() == "running");
}

TEST_CASE("the configured table decides: more votes, another reaction, a longer age") {
  Play play(rate_plan());
  auto table = std::make_shared<InterlockTable>(shipped_interlocks());
  for (Interlock& row : *table) {
    if (row.cause == "pressure_low")
      row.votes = row.of = 8, row.longest = Seconds{0}, row.press = Mechanical::vent;
    if (row.cause == "press_stale") row.limit = 10;
  }
  play.run.rules.table = table;
  play.start();
  SUBCASE("votes and reaction") {
    play.pressure(47, 7);
    CHECK(play.phase() == "running");
    play.pressure(47);
    CHECK(play.phase() == "tripped");
    CHECK(ordered<command::Vent>(play.last));
  }
  SUBCASE("age") {
    play.now += 9s;
    play.run.watch.heard_at = play.now;
    play.hear(event::Tick{});
    CHECK(play.phase() == "running");
    play.now += 2s;
    play.run.watch.heard_at = play.now;
    play.hear(event::Tick{});
    CHECK(std::get<phase::Tripped>(play.run.phase).cause == "press_stale");
  }
}

TEST_CASE("readings that come too slowly to be counted trip by the time they have been bad") {
  Play play(rate_plan());
  play.start();
  play.pressure(47);
  play.now += 1900ms;
  play.pressure(47);  // two readings, 2.1 s apart: never three of five
  CHECK(std::get<phase::Tripped>(play.run.phase).cause == "pressure_low");
}

TEST_CASE("a step that ran out of time is held on the record, and a named person lets the run go on") {
  using What = event::Ordered::What;
  Play play(rate_plan());
  play.start();
  play.sample(57600, 3.9, 3.6, 0.001608);
  play.hear(event::StepEnded{0, EndReason::timeout, "END time"});
  CHECK(play.phase() == "held");
  const Transition& ended = play.log[play.log.size() - 2];
  CHECK(ended.kind == Transition::Kind::step_ended);
  CHECK(ended.reason == EndReason::timeout);
  CHECK(
      play.hear(event::Ordered{What::next_step, "anna", "full enough"}).refusal);  // the cell is not open yet
  play.hear(event::CellOpened{true});
  CHECK(play.hear(event::Ordered{What::next_step, "anna", ""}).refusal);
  CHECK_FALSE(play.hear(event::Ordered{What::next_step, "anna", "full enough"}).refusal);
  CHECK(play.phase() == "preparing");
  play.hear(event::Identified{Device::press, ""});
  play.hear(event::Identified{Device::potentiostat, ""});
  play.hear(event::RestPotential{Volt(2.9), Volt(2.6)});
  play.pressure(50, 3);
  REQUIRE(ordered<command::StartStep>(play.last));
  CHECK(ordered<command::StartStep>(play.last)->step.index == 1);
  Phase folded = phase::Queued{};
  for (const auto& t : play.log) folded = fold(std::move(folded), t);
  CHECK(std::get<phase::Running>(folded).step == 1);
}

TEST_CASE("a step that is resumed at its time limit has that time again, after all that was measured of it") {
  Play play(rate_plan());
  play.start();
  std::vector<Seconds> granted{57600s};
  for (const double last_row : {57599.6, 57600.2, 57598.0}) {  // of each part, as its instrument counts
    play.sample(last_row, 3.9, 3.6, 0.001608);
    play.hear(event::StepEnded{0, EndReason::timeout, "TIMEOUT"});
    const auto& held = std::get<phase::Held>(play.run.phase);
    CHECK(held.why ==
          "the step reached its time limit before its planned end; resumed, it has that time again");
    play.hear(event::CellOpened{true});
    play.resume();
    REQUIRE(ordered<command::StartStep>(play.last));
    const Seconds now = ordered<command::StartStep>(play.last)->step.run_time;
    CHECK(now > 57590s);
    CHECK(now <= 57600s);
    CHECK(std::ranges::count(granted, round<std::chrono::seconds>(now)) == 0);  // which tells the parts apart
    granted.push_back(round<std::chrono::seconds>(now));
  }
  const auto& running = std::get<phase::Running>(play.run.phase);
  CHECK(running.elapsed > 3 * 57597s);
  SUBCASE("paused in it, only what is left of it") {
    play.sample(600, 3.9, 3.6, 0.001608);
    play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
    play.hear(event::CellOpened{true});
    play.resume();
    REQUIRE(ordered<command::StartStep>(play.last));
    CHECK(ordered<command::StartStep>(play.last)->step.run_time.count() ==
          doctest::Approx((granted.back() - 600s).count()).epsilon(1e-4));
  }
}

TEST_CASE("a rest that is paused in its last second ends a few seconds late, and never begins again") {
  auto plan = rate_plan();
  plan->steps = {rest(0)};
  Play play(plan);
  play.start();
  double heard = 7199.5;
  for (int again = 0; again < 3; ++again) {
    play.sample(heard, 3.9, 3.6, 0);
    play.hear(event::Ordered{event::Ordered::What::pause, "anna", "lunch"});
    play.hear(event::CellOpened{true});
    play.resume();
    REQUIRE(ordered<command::StartStep>(play.last));
    const Seconds part = ordered<command::StartStep>(play.last)->step.run_time;
    CHECK(part >= 3s);  // a settling and two measurements, which the pickiest instrument asks for
    CHECK(part <= 4s);
    heard = 1;
  }
}

TEST_CASE("leaving the last step finishes the run") {
  Play play(rate_plan());
  play.start();
  play.hear(event::StepEnded{0, EndReason::planned, ""});
  play.hear(event::Ordered{event::Ordered::What::pause, "anna", "long enough"});
  play.hear(event::CellOpened{true});
  CHECK_FALSE(play.hear(event::Ordered{event::Ordered::What::next_step, "anna", "long enough"}).refusal);
  CHECK(play.phase() == "finished");
}
