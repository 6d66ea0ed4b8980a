#include "daemon/station.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "daemon/press_test.h"
#include "daemon/records.h"

namespace cambench {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto poll_period = 200ms;  // 5 Hz, wire time: pressure is never stretched by the time scale
constexpr auto tick_period = 100ms, scaled_tick_period = 10ms;  // a hold ends with a tick
constexpr auto first_retry = 1s, last_retry = 10s;
constexpr int press_failures_until_reintroduced = 3;

Stamp now_stamp() { return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()}; }

asio::awaitable<void> pause(asio::any_io_executor executor, asio::steady_timer::duration time) {
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

bool makes_safe(const Command& command) {
  return std::holds_alternative<command::OpenCell>(command) ||
         std::holds_alternative<command::HoldPressure>(command) ||
         std::holds_alternative<command::Vent>(command);
}

}  // namespace

Station::Station(asio::any_io_executor executor, const config::Station& station, sequencer::Rules rules,
                 Instruments instruments, store::Store& store, Alarms& alarms, Journal& journal)
    : executor_(std::move(executor)),
      name_(station.name),
      config_(station),
      rules_(rules),
      instruments_(std::move(instruments)),
      store_(store),
      alarms_(alarms),
      journal_(journal) {}

void Station::open() {
  if (instruments_.potentiostat) asio::co_spawn(executor_, listen_to_potentiostat(), asio::detached);
  if (instruments_.press) asio::co_spawn(executor_, poll_press(), asio::detached);
  asio::co_spawn(executor_, tick(), asio::detached);
}

bool Station::busy() const {
  if (!active_) return false;
  const auto& phase = active_->run.phase;
  return !std::holds_alternative<sequencer::phase::Finished>(phase) &&
         !std::holds_alternative<sequencer::phase::Aborted>(phase);
}

bool Station::met() const {
  return (!instruments_.potentiostat || potentiostat_trouble_ != not_met) &&
         (!instruments_.press || press_trouble_ != not_met);
}

// ---- runs -------------------------------------------------------------------------------------------------

namespace {

/// Why this station cannot carry out this plan, or nothing. Every limit of every step must live in the instrument.
std::optional<std::string> unfit(const Plan& plan, const Station::Instruments& instruments) {
  const bool presses = plan.pressure || std::ranges::any_of(plan.steps, [](const PlannedStep& s) {
                         return s.kind == PlannedStep::Kind::press;
                       });
  if (presses && !instruments.press) return "the recipe needs a press and this station has none";
  if (!plan.needs_cell) return std::nullopt;
  if (!instruments.potentiostat) return "the recipe needs a potentiostat and this station has none";
  for (const PlannedStep& step : plan.steps) {
    if (step.kind == PlannedStep::Kind::press) continue;
    const auto on_board = instruments.potentiostat->prepare(step);
    if (!on_board) return fmt::format("step {} ({}): {}", step.index + 1, step.label, on_board.error().what);
    if (!on_board->complete())
      return fmt::format("step {} ({}): not every limit can live in the instrument", step.index + 1,
                         step.label);
  }
  return std::nullopt;
}

}  // namespace

void Station::begin(RunInfo info, std::function<void(Result<void>)> done) {
  if (busy())
    return done(fail(Fault::Kind::refused, fmt::format("{} is busy with {}", name_, active_->info.id)));
  if (proving())
    return done(fail(Fault::Kind::refused, fmt::format("the press of {} is being tested", name_)));
  if (info.plan->needs_cell && instruments_.potentiostat && !potentiostat_identity_)
    return done(fail(Fault::Kind::refused, "the potentiostat has not answered: " + potentiostat_trouble_));
  if (auto why = unfit(*info.plan, instruments_)) return done(fail(Fault::Kind::refused, *why));
  const Instant now = std::chrono::steady_clock::now();
  active_.emplace();
  active_->info = std::move(info);
  active_->run.plan = active_->info.plan;
  active_->run.rules = rules_;
  active_->began = now;
  journal_.info(name_, active_->info.id,
                fmt::format("{} on cell {} started by {}", active_->info.recipe,
                            active_->info.cell.empty() ? "-" : active_->info.cell, active_->info.who));
  auto started = [this, done = std::move(done)](Result<void> kept) {
    if (!kept) active_.reset();
    done(kept);
    if (kept) happen(event::Started{active_->info.who});
  };
  store_.commit(records::of_start(active_->info, name_, rules_.time_scale),
                [executor = executor_, started = std::move(started)](Result<void> kept) {
                  asio::post(executor, [started, kept] { started(kept); });
                });
}

void Station::recover(RunInfo info, const LeftRun& kept) {
  const Stamp now = now_stamp();
  const auto ago = [&](WallTime then) { return std::max(Seconds{0}, Seconds(now.wall - then)); };
  const auto before_now = [&](Seconds wire) {
    return now.steady - std::chrono::duration_cast<Instant::duration>(wire);
  };
  sequencer::Left left{.transitions = records::transitions_of(kept.events), .last = {}, .step_began = {}};
  active_.emplace();
  active_->info = std::move(info);
  active_->began = before_now(std::max(ago(active_->info.started), kept.last_test_time / rules_.time_scale));
  active_->last_test_time = active_->step_base = kept.last_test_time;
  if (kept.last_sample) active_->seq = kept.last_sample->seq;
  for (const auto& [seq, row] : kept.events) {
    if (row.kind != sequencer::name(sequencer::Transition::Kind::step_began)) continue;
    left.step_began = before_now(ago(row.at.wall));
    left.last.reset();
    left.charge = AmpereHour(0);
    active_->step_base = row.test_time.value_or(kept.last_test_time);
    const Seconds done_before = row.elapsed.value_or(Seconds{0});
    const auto& last = kept.last_sample;
    if (!last || last->sample.step != row.step) continue;
    left.charge = kept.charge;
    if (last->sample.step_time <= done_before) continue;
    left.last = last->sample;  // the instrument counts from the beginning of this part of the step
    left.last->step_time -= done_before;
    active_->step_base = std::max(active_->step_base, last->test_time - left.last->step_time);
  }
  active_->run = sequencer::take_up(active_->info.plan, rules_, left, now.steady);
  journal_.warning(name_, active_->info.id,
                   fmt::format("taken up again after a stop, {}", sequencer::name(active_->run.phase)));
}

Result<void> Station::order(const event::Ordered& order) {
  if (!active_) return fail(Fault::Kind::refused, name_ + " has no run");
  refusal_.reset();
  happen(order);
  if (refusal_) return fail(Fault::Kind::refused, *refusal_);
  return {};
}

// ---- the single way in ------------------------------------------------------------------------------------

void Station::happen(Event event) {
  if (!active_) return;
  inbox_.push_back(std::move(event));
  if (in_turn_) return;  // an event that a turn brought about waits for its end
  in_turn_ = true;
  while (!inbox_.empty() && active_) {
    const Event next = std::move(inbox_.front());
    inbox_.pop_front();
    take_turn(next);
  }
  in_turn_ = false;
}

void Station::take_turn(const Event& event) {
  sequencer::Turn turn = sequencer::step(std::move(active_->run), event, std::chrono::steady_clock::now());
  active_->run = std::move(turn.run);
  if (turn.refusal) refusal_ = turn.refusal;
  for (const auto& transition : turn.transitions) note(transition);

  auto rows = records::of_turn(turn, active_->info.id, name_, now_stamp(),
                               test_time(std::chrono::steady_clock::now()));
  std::vector<Command> after;
  for (Command& command : turn.commands) {
    if (const auto* raised = std::get_if<command::Raise>(&command)) {
      raise(*raised, rows);
    } else if (makes_safe(command)) {
      ++epoch_;
      carry_out(command);
    } else {
      after.push_back(std::move(command));
    }
  }
  const bool finished = std::ranges::any_of(
      turn.transitions, [](const auto& t) { return t.kind == sequencer::Transition::Kind::finished; });
  record(std::move(rows), std::move(after), finished);
}

/// An alarm that stands already is neither told nor kept again.
void Station::raise(const command::Raise& raised, std::vector<store::Row>& rows) {
  auto row = alarms_.raise(name_, active_->info.id, raised, std::chrono::system_clock::now());
  if (row || raised.severity == command::Severity::info) journal_.raise(name_, active_->info.id, raised);
  if (row) rows.push_back(std::move(*row));
}

void Station::record(std::vector<store::Row> rows, std::vector<Command> after, bool finished) {
  if (rows.empty()) {
    for (const Command& command : after) carry_out(command);
    return;
  }
  auto committed = [this, after = std::move(after), epoch = epoch_, finished](Result<void> kept) {
    if (!kept) return happen(event::Faulted{Device::potentiostat, kept.error()});
    if (finished && on_finished) on_finished(active_->info.id);
    if (epoch != epoch_) return;  // something made safe in between: what was ordered before it is void
    for (const Command& command : after) carry_out(command);
  };
  store_.commit(std::move(rows), [executor = executor_, committed = std::move(committed)](Result<void> kept) {
    asio::post(executor, [committed, kept] { committed(kept); });
  });
}

void Station::note(const sequencer::Transition& t) {
  using Kind = sequencer::Transition::Kind;
  const auto& steps = active_->info.plan->steps;
  const std::string label = t.step < steps.size() ? steps[t.step].label : "";
  std::string text;
  switch (t.kind) {
    case Kind::started: return;
    case Kind::prepared: text = "instruments, cell and pressure are as they must be"; break;
    case Kind::step_began: text = fmt::format("step {} of {}: {}", t.step + 1, steps.size(), label); break;
    case Kind::step_ended:
      text = fmt::format("step {} ended, {}{}{}", t.step + 1, sequencer::name(t.reason),
                         t.text.empty() ? "" : ": ", t.text);
      break;
    case Kind::held: text = "held: " + t.text; break;
    case Kind::resumed: text = "resumed by " + t.who; break;
    case Kind::tripped: text = fmt::format("TRIPPED by {}: {}", t.cause, t.text); break;
    case Kind::reset: text = fmt::format("reset by {}: {}", t.who, t.text); break;
    case Kind::gap: text = "gap: " + t.text; break;
    case Kind::finished: text = "finished"; break;
    case Kind::aborted: text = fmt::format("aborted by {}: {}", t.who, t.text); break;
  }
  journal_.info(name_, active_->info.id, text);
}

Seconds Station::test_time(Instant now) const {
  return std::max(active_->last_test_time, Seconds(now - active_->began) * rules_.time_scale);
}

// ---- carrying out -----------------------------------------------------------------------------------------

void Station::carry_out(const Command& command) {
  const auto spawn = [&](asio::awaitable<void> act) {
    asio::co_spawn(executor_, std::move(act), asio::detached);
  };
  if (const auto* c = std::get_if<command::Identify>(&command)) return spawn(identify(c->device));
  if (std::holds_alternative<command::MeasureRest>(command)) return spawn(measure_rest());
  if (const auto* c = std::get_if<command::StartStep>(&command)) return spawn(start_step(c->step, epoch_));
  if (const auto* c = std::get_if<command::OpenCell>(&command)) return spawn(open_cell(c->why));
  if (const auto* c = std::get_if<command::SetPressure>(&command))
    return spawn(set_pressure(c->target, epoch_));
  if (std::holds_alternative<command::HoldPressure>(command)) return spawn(stop_press(false));
  if (std::holds_alternative<command::Vent>(command)) return spawn(stop_press(true));
}

asio::awaitable<void> Station::identify(Device device) {
  Result<Identity> known;  // g++ 12 miscompiles co_await inside a conditional expression
  if (device == Device::press)
    known = co_await instruments_.press->identify();
  else
    known = co_await instruments_.potentiostat->identify();
  if (!known) {
    happen(event::Faulted{device, known.error()});
    co_return;
  }
  (device == Device::press ? press_identity_ : potentiostat_identity_) = *known;
  happen(event::Identified{device, fmt::format("{} {} {}", known->maker, known->model, known->serial)});
}

asio::awaitable<void> Station::measure_rest() {
  const auto rest = co_await instruments_.potentiostat->measure_rest();
  if (!rest) {
    happen(event::Faulted{Device::potentiostat, rest.error()});
    co_return;
  }
  happen(event::RestPotential{rest->we_vs_re, rest->cell});
}

asio::awaitable<void> Station::start_step(PlannedStep step, std::uint64_t epoch) {
  if (epoch != epoch_ || !active_) co_return;
  const Marker marker{active_->info.id, step.index};
  const auto started = co_await instruments_.potentiostat->start(step, marker);
  if (!active_) co_return;
  if (epoch != epoch_) {  // made safe while the program was on its way: it must not run
    co_await open_cell("a program arrived after the cell was ordered open");
    co_return;
  }
  if (!started) {
    happen(event::Faulted{Device::potentiostat, started.error()});
    co_return;
  }
  active_->step_base = test_time(std::chrono::steady_clock::now());
  active_->last_sample.reset();
  happen(event::StepBegan{step.index});
}

asio::awaitable<void> Station::open_cell(std::string why) {
  if (opening_) co_return;  // one at a time; the sequencer insists until it is confirmed
  opening_ = true;
  const auto opened = co_await instruments_.potentiostat->open_cell();
  opening_ = false;
  if (!opened)
    journal_.alarm(name_, active_ ? active_->info.id : "",
                   fmt::format("the cell did not open ({}): {}", why, opened.error().what));
  happen(event::CellOpened{opened.has_value()});
}

asio::awaitable<void> Station::set_pressure(MegaPascal target, std::uint64_t epoch) {
  if (epoch != epoch_) co_return;
  const auto set = co_await instruments_.press->set_target(target);
  if (!set && set.error().kind != Fault::Kind::cancelled)  // ended by a hold or vent of ours: no fault
    happen(event::Faulted{Device::press, set.error()});
}

asio::awaitable<void> Station::stop_press(bool vent) {
  Result<void> stopped;
  if (vent)
    stopped = co_await instruments_.press->vent();
  else
    stopped = co_await instruments_.press->hold();
  if (!stopped)
    journal_.alarm(name_, active_ ? active_->info.id : "",
                   fmt::format("the press did not {}: {}", vent ? "vent" : "hold", stopped.error().what));
}

// ---- the potentiostat -------------------------------------------------------------------------------------

asio::awaitable<void> Station::meet_potentiostat() {
  auto wait = std::chrono::duration_cast<asio::steady_timer::duration>(first_retry);
  for (;;) {
    const auto known = co_await instruments_.potentiostat->identify();
    if (known) {
      potentiostat_identity_ = *known;
      potentiostat_trouble_.clear();
      journal_.info(name_, "",
                    fmt::format("potentiostat is {} {}, serial {}, firmware {}", known->maker, known->model,
                                known->serial, known->firmware));
      co_return;
    }
    if (potentiostat_trouble_ != known.error().what) {  // one line at the change, none while it lasts
      potentiostat_trouble_ = known.error().what;
      journal_.warning(name_, "", "potentiostat: " + potentiostat_trouble_);
      potentiostat_away(known.error());
    }
    co_await pause(executor_, wait);
    wait = std::min<asio::steady_timer::duration>(2 * wait, last_retry);
  }
}

asio::awaitable<void> Station::listen_to_potentiostat() {
  co_await meet_potentiostat();
  co_await link_is_back();
  for (;;) {
    auto what = co_await instruments_.potentiostat->next();
    if (!what) {
      journal_.warning(name_, active_ ? active_->info.id : "", "potentiostat: " + what.error().what);
      co_await pause(executor_, first_retry);
      continue;
    }
    const bool back = std::holds_alternative<heard::LinkBack>(*what);
    heard(std::move(*what));
    if (back) co_await link_is_back();
  }
}

/// The instrument can be spoken to (again): what it does decides what the run may do.
asio::awaitable<void> Station::link_is_back() {
  if (open_when_met_) {
    const std::string why = *std::exchange(open_when_met_, std::nullopt);
    co_await open_cell(why);
  }
  if (!busy()) co_return;
  happen(event::LinkChanged{Device::potentiostat, true, ""});
  tell_what_to_expect();
  const auto found = co_await instruments_.potentiostat->reattach();
  using Now = event::Restarted::Found;
  if (!found) {
    if (found.error().kind == Fault::Kind::identity)
      potentiostat_away(found.error());
    else
      happen(event::Restarted{Now::absent, std::nullopt});
    co_return;
  }
  Now what = Now::idle;
  switch (found->state) {
    case Found::State::idle: break;
    case Found::State::power_cycled: what = Now::power_cycled; break;
    case Found::State::unknown: what = Now::running_other; break;
    case Found::State::running: {
      const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
      const bool ours = running && found->marker == Marker{active_->info.id, running->step};
      what = ours ? Now::running_ours : Now::running_other;
    }
  }
  happen(event::Restarted{what, std::nullopt});
}

/// Out of reach is a warning, because the limits are on board; another instrument in its place is a fault.
void Station::potentiostat_away(const Fault& why) {
  happen(event::LinkChanged{Device::potentiostat, false, why.what});
  if (why.kind == Fault::Kind::identity) happen(event::Faulted{Device::potentiostat, why});
}

void Station::tell_what_to_expect() {
  const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
  if (!running || running->step >= active_->info.plan->steps.size()) return;
  const auto& last = active_->run.watch.last;
  const bool of_this_step = last && last->step == running->step;
  instruments_.potentiostat->expect(active_->info.plan->steps[running->step],
                                    {active_->info.id, running->step},
                                    of_this_step ? last->step_time : Seconds(-1));
}

void Station::heard(Heard&& what) {
  if (auto* measured_now = std::get_if<heard::Measured>(&what)) {
    measured(measured_now->sample);
  } else if (const auto* ended = std::get_if<heard::Ended>(&what)) {
    if (active_ && ended->marker.run == active_->info.id)
      happen(event::StepEnded{ended->marker.step, ended->reason, ended->text});
  } else if (const auto* lost = std::get_if<heard::LinkLost>(&what)) {
    potentiostat_trouble_ = lost->why.what;
    journal_.warning(name_, active_ ? active_->info.id : "",
                     "potentiostat: connection lost: " + lost->why.what);
    potentiostat_away(lost->why);
  } else {
    potentiostat_trouble_.clear();
    journal_.info(name_, active_ ? active_->info.id : "", "potentiostat: connection is back");
  }
}

void Station::measured(const Sample& sample) {
  if (!active_) return;
  const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
  const Seconds done_before = running ? running->elapsed : Seconds{0};
  active_->last_test_time = std::max(active_->last_test_time, active_->step_base + sample.step_time);
  active_->last_sample = sample;
  ++samples_;
  const auto kept = store_.append(
      records::of_sample(sample, active_->info, ++active_->seq, active_->last_test_time, done_before));
  if (!kept) happen(event::Faulted{Device::potentiostat, kept.error()});
  happen(event::Sampled{sample});
}

// ---- what others may know ---------------------------------------------------------------------------------

namespace {

status::Instrument instrument_of(std::string driver, bool simulated, const std::optional<Identity>& known,
                                 const std::string& trouble, const IoHealth& health) {
  status::Instrument shown;
  shown.driver = std::move(driver);
  shown.simulated = simulated;
  shown.up = known && trouble.empty();
  shown.trouble = trouble;
  shown.ok = health.ok;
  shown.errors = health.errors;
  shown.last_io = health.last;
  shown.longest_io = health.longest;
  if (!known) return shown;
  shown.maker = known->maker;
  shown.model = known->model;
  shown.serial = known->serial;
  shown.firmware = known->firmware;
  return shown;
}

status::ProofTest proof_status(const proof::ProofTest& test, const std::string& who, WallTime started) {
  status::ProofTest shown{who, !test.over() ? "running" : test.passed() ? "passed" : "failed", started, {}};
  for (const auto& it : test.findings())
    shown.steps.push_back({std::string(it.step), it.expected, it.seen, std::string(name(it.verdict))});
  return shown;
}

std::string why(const sequencer::Phase& phase) {
  if (const auto* held = std::get_if<sequencer::phase::Held>(&phase)) return held->why;
  if (const auto* tripped = std::get_if<sequencer::phase::Tripped>(&phase))
    return tripped->cause + ": " + tripped->text;
  if (const auto* aborted = std::get_if<sequencer::phase::Aborted>(&phase)) return aborted->why;
  return {};
}

std::string_view kind_name(PlannedStep::Kind kind) {
  switch (kind) {
    case PlannedStep::Kind::open_circuit: return "open_circuit";
    case PlannedStep::Kind::constant_current: return "constant_current";
    case PlannedStep::Kind::constant_voltage: return "constant_voltage";
    case PlannedStep::Kind::press: return "press";
  }
  return "";
}

/// How long a step is expected to take: a current step about as long as its rate says, others their run time.
Seconds expected(const PlannedStep& step) {
  if (step.kind == PlannedStep::Kind::constant_current && step.rate_C && *step.rate_C != 0)
    return std::min(step.run_time, Seconds(3600.0 / std::abs(*step.rate_C)));
  return step.run_time;
}

/// The step a run is at, whatever its phase; the number of steps when it is over.
std::size_t position(const sequencer::Phase& phase, std::size_t count) {
  if (const auto* preparing = std::get_if<sequencer::phase::Preparing>(&phase)) return preparing->next_step;
  if (const auto* running = std::get_if<sequencer::phase::Running>(&phase)) return running->step;
  if (const auto* held = std::get_if<sequencer::phase::Held>(&phase)) return held->step;
  if (const auto* tripped = std::get_if<sequencer::phase::Tripped>(&phase)) return tripped->step;
  if (std::holds_alternative<sequencer::phase::Finished>(phase)) return count;
  return 0;
}

}  // namespace

status::Run Station::run_status() const {
  const Active& active = *active_;
  status::Run shown;
  shown.id = active.info.id;
  shown.recipe = active.info.recipe;
  shown.cell = active.info.cell;
  shown.material = active.info.material;
  shown.who = active.info.who;
  shown.started = active.info.started;
  shown.state = sequencer::name(active.run.phase);
  shown.why = why(active.run.phase);
  shown.one_C = active.info.plan->one_C;
  if (active.info.plan->reference_vs_li != Volt(0)) shown.reference_vs_li = active.info.plan->reference_vs_li;

  const auto& steps = active.info.plan->steps;
  const std::size_t at = position(active.run.phase, steps.size());
  Seconds before{0}, total{0};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    total += expected(steps[i]);
    if (i < at) before += expected(steps[i]);
  }
  Seconds in_step{0};
  if (at < steps.size()) {
    if (active.last_sample && active.last_sample->step == at) in_step = active.last_sample->step_time;
    if (const auto* running = std::get_if<sequencer::phase::Running>(&active.run.phase))
      in_step += running->elapsed;
    shown.step = status::Step{static_cast<std::uint32_t>(at),
                              static_cast<std::uint32_t>(steps.size()),
                              steps[at].cycle,
                              steps[at].label,
                              std::string(kind_name(steps[at].kind)),
                              in_step};
    in_step = std::min(in_step, expected(steps[at]));
  }
  if (total > Seconds{0}) shown.progress = std::min(1.0, (before + in_step) / total);
  if (std::holds_alternative<sequencer::phase::Running>(active.run.phase))
    shown.time_left = total - before - in_step;
  return shown;
}

status::Station Station::status(Instant now) const {
  status::Station shown;
  shown.name = name_;
  if (config_.potentiostat)
    shown.potentiostat =
        instrument_of(config_.potentiostat->driver, config_.potentiostat->simulated, potentiostat_identity_,
                      potentiostat_trouble_, instruments_.potentiostat->health());
  if (config_.press)
    shown.press = instrument_of(config_.press->driver, config_.press->simulated, press_identity_,
                                press_trouble_, instruments_.press->health());
  shown.samples = samples_;
  shown.polls_missed = polls_missed_;
  if (last_pressure_) {
    shown.pressure = status::pressure_reading(*last_pressure_, now, rules_.press_stale);
    shown.pressure_target =
        status::reading(last_pressure_->target, last_pressure_->at, now, rules_.press_stale);
  }
  if (proof_) shown.press_test = proof_status(proof_->test, proof_->who, proof_->started);
  if (!active_) return shown;
  shown.run = run_status();
  const auto* step = sequencer::current_step(active_->run);
  if (step && step->kind != PlannedStep::Kind::press)
    shown.cell_open = step->kind == PlannedStep::Kind::open_circuit;
  else if (active_->run.cell_open_confirmed)
    shown.cell_open = true;
  if (const auto& sample = active_->last_sample; sample && step) {
    const Seconds stale = 3 * std::max(step->record_every, step->sampling) / rules_.time_scale + Seconds(5);
    const bool bad = sample->status & (reading_status::bad | reading_status::overload);
    shown.we_vs_re = status::reading(sample->we_vs_re, sample->at, now, stale, bad);
    shown.cell = status::reading(sample->cell, sample->at, now, stale, bad);
    shown.current = status::reading(sample->current, sample->at, now, stale, bad);
  }
  return shown;
}

// ---- the press --------------------------------------------------------------------------------------------

asio::awaitable<void> Station::poll_press() {
  auto wait = std::chrono::duration_cast<asio::steady_timer::duration>(first_retry);
  asio::steady_timer timer(executor_);
  int failures = press_failures_until_reintroduced;
  for (;;) {
    timer.expires_after(poll_period);
    if (proving()) {  // the test reads by itself, and needs silence for the watchdog
      co_await prove_press();
      continue;
    }
    if (failures >= press_failures_until_reintroduced) {
      const auto known = co_await instruments_.press->identify();
      if (known) {
        if (!press_trouble_.empty())
          journal_.info(name_, "",
                        fmt::format("press is {} {}, serial {}", known->maker, known->model, known->serial));
        if (!instruments_.potentiostat && press_trouble_ == not_met)  // nobody else says that we are back
          happen(event::Restarted{event::Restarted::Found::idle, std::nullopt});
        press_identity_ = *known;
        press_trouble_.clear();
        failures = 0;
        wait = first_retry;
      } else {
        if (press_trouble_ != known.error().what) journal_.warning(name_, "", "press: " + known.error().what);
        press_trouble_ = known.error().what;
        pressure_missed(known.error().what);
        co_await pause(executor_,
                       busy() ? std::chrono::duration_cast<asio::steady_timer::duration>(poll_period) : wait);
        wait = std::min<asio::steady_timer::duration>(2 * wait, last_retry);
        continue;
      }
    }
    auto read = co_await instruments_.press->read();
    failures = read ? 0 : failures + 1;
    if (!read) ++polls_missed_;
    const bool good = read && read->pressure;
    if (read)
      pressure_read(std::move(*read));
    else
      pressure_missed(read.error().what);
    // Fed only here: after the interlocks have been evaluated on fresh, good data, and while a run needs the press.
    if (good && busy() && active_->run.watch.pressure_target && instruments_.press->limits().watchdog)
      co_await feed_watchdog();
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

asio::awaitable<void> Station::feed_watchdog() {
  const auto fed = co_await instruments_.press->feed_watchdog();
  const std::string trouble = fed ? std::string() : fed.error().what;
  if (trouble != watchdog_trouble_ && !trouble.empty())  // one line at the change, none while it lasts
    journal_.warning(name_, active_ ? active_->info.id : "", "press watchdog: " + trouble);
  watchdog_trouble_ = trouble;
}

Result<std::string> Station::test_press(MegaPascal target, const std::string& who) {
  const auto refuse = [](std::string why) { return fail(Fault::Kind::refused, std::move(why)); };
  if (!instruments_.press) return refuse(name_ + " has no press");
  if (busy())
    return refuse(fmt::format("{} is on {}; a press is tested when it is empty", active_->info.id, name_));
  if (proving()) return refuse(fmt::format("the press of {} is being tested already", name_));
  if (!press_trouble_.empty()) return refuse("the press does not answer: " + press_trouble_);
  const auto setting = proof_setting(instruments_.press->limits(), target);
  if (!setting) return fail(setting.error());
  proof_.emplace(proof::ProofTest(*setting), who, std::chrono::system_clock::now());
  const std::string will_move = proof::warning(*setting);
  journal_.warning(name_, "", fmt::format("proof test of the press by {}: {}", who, will_move));
  return will_move;
}

asio::awaitable<void> Station::prove_press() {
  co_await cambench::carry_out(executor_, *instruments_.press, proof_->test,
                               [this](const PressureSample& sample) { pressure_read(sample); });
  const auto& test = proof_->test;
  for (const auto& finding : test.findings())
    if (finding.verdict == proof::Verdict::failed)
      journal_.alarm(name_, "", fmt::format("proof test: {}: {}", finding.step, finding.seen));
  journal_.info(name_, "",
                test.passed() ? "proof test of the press passed" : "proof test of the press failed");
  store_.commit(records::of_proof_test(test, name_, proof_->who, now_stamp()),
                [executor = executor_, this](Result<void> kept) {
                  if (kept) return;
                  asio::post(executor, [this, kept] {
                    journal_.alarm(name_, "", "the proof test is not recorded: " + kept.error().what);
                  });
                });
}

void Station::pressure_read(PressureSample sample) {
  keep_pressure(sample);
  happen(event::PressureRead{std::move(sample)});
}

/// A conversation that failed is no reading: the age of the last good one is what trips.
void Station::pressure_missed(const std::string& why) {
  keep_pressure({std::nullopt, std::nullopt, why, now_stamp()});
}

void Station::keep_pressure(const PressureSample& sample) {
  last_pressure_ = sample;
  if (!records::worth_storing(sample, last_stored_pressure_, rules_.time_scale)) return;
  const auto kept = store_.append(records::of_pressure(sample, name_, busy() ? active_->info.id : "",
                                                       busy() ? test_time(sample.at.steady) : Seconds{0}));
  last_stored_pressure_ = sample;
  if (!kept) happen(event::Faulted{Device::press, kept.error()});
}

asio::awaitable<void> Station::tick() {
  asio::steady_timer timer(executor_);
  for (;;) {
    timer.expires_after(rules_.time_scale > 1 ? scaled_tick_period : tick_period);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    happen(event::Tick{});
  }
}

}  // namespace cambench
