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

#include "daemon/clock.h"
#include "daemon/records.h"

namespace cambench {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto tick_period = 100ms, scaled_tick_period = 10ms;  // a hold ends with a tick

bool makes_safe(const Command& command) {
  return std::holds_alternative<command::OpenCell>(command) ||
         std::holds_alternative<command::CutLeads>(command) ||
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
  if (instruments_.gauge) asio::co_spawn(executor_, poll_gauge(), asio::detached);
  asio::co_spawn(executor_, tick(), asio::detached);
}

bool Station::busy() const { return active_ && !sequencer::is_over(active_->run.phase); }

bool Station::met() const {
  return (!instruments_.potentiostat || potentiostat_trouble_ != not_met) &&
         (!instruments_.press || press_trouble_ != not_met);
}

Station::Active::Active() = default;

// ---- runs -------------------------------------------------------------------------------------------------

namespace {

/// Why the instrument cannot carry out this plan, or nothing. Every limit of every step must live in it.
std::optional<std::string> unfit(const Plan& plan, const Potentiostat& instrument) {
  for (const PlannedStep& step : plan.steps) {
    if (step.kind == PlannedStep::Kind::press) continue;
    const auto on_board = instrument.prepare(step);
    if (!on_board) return fmt::format("step {} ({}): {}", step.index + 1, step.label, on_board.error().what);
    if (!on_board->complete())
      return fmt::format("step {} ({}): not every limit can live in the instrument", step.index + 1,
                         step.label);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> Station::lacks(const Plan& plan) const {
  if (sequencer::uses_press(plan) && !instruments_.press)
    return "the recipe needs a press and this station has none";
  if (plan.needs_cell && !instruments_.potentiostat)
    return "the recipe needs a potentiostat and this station has none";
  return std::nullopt;
}

void Station::begin(RunInfo info, std::function<void(Result<void>)> done) {
  if (busy())
    return done(fail(Fault::Kind::refused, fmt::format("{} is busy with {}", name_, active_->info.id)));
  if (proving())
    return done(fail(Fault::Kind::refused, fmt::format("the press of {} is being tested", name_)));
  if (auto why = lacks(*info.plan)) return done(fail(Fault::Kind::refused, *why));
  if (release_ && !release_->stands(std::chrono::steady_clock::now()))  // of one that stands people are told
    return done(fail(Fault::Kind::refused, fmt::format("the press of {} {}", name_, release_->words())));
  const Instant now = std::chrono::steady_clock::now();
  auto left = left_cell_;
  if (active_ && sequencer::awaits_open_cell(active_->run))
    left = {active_->info.id, "not confirmed yet", now};
  if (info.plan->needs_cell) {
    if (!potentiostat_identity_)
      return done(fail(Fault::Kind::refused, "the potentiostat has not answered: " + potentiostat_trouble_));
    if (left && opening_failed_)
      return done(fail(Fault::Kind::refused,
                       fmt::format("the cell of {} has not confirmed that it is open", left->run)));
    if (auto why = unfit(*info.plan, *instruments_.potentiostat))
      return done(fail(Fault::Kind::refused, *why));
  }
  left_cell_ = std::move(left);
  before_ = std::move(active_);
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
    if (!kept) return;
    clear_alarm("run_abandoned");  // whoever starts a run has seen what is on the station
    happen(event::Started{active_->info.who});
  };
  store_.commit(records::of_start(active_->info, name_, rules_.time_scale),
                [executor = executor_, started = std::move(started)](Result<void> kept) {
                  asio::post(executor, [started, kept] { started(kept); });
                });
}

namespace {

Recorded recorded(const store::EventRow& row) { return {row.at.wall, row.boot, row.boot_id}; }

}  // namespace

void Station::recover(RunInfo info, const LeftRun& kept) {
  const Clocks now = read_clocks();
  const auto ago = [&](WallTime then) { return std::max(Seconds{0}, Seconds(now.wall - then)); };  // of data
  const auto before_now = [&](Seconds wire) {
    return now.steady - std::chrono::duration_cast<Instant::duration>(wire);
  };
  sequencer::Left left{.transitions = records::transitions_of(kept.events), .last = {}, .step_began = {}};
  active_.emplace();
  active_->info = std::move(info);
  Seconds age = kept.last_test_time / rules_.time_scale;
  if (!kept.events.empty()) age = std::max(age, since(recorded(kept.events.front().row), now).value_or(age));
  active_->began = before_now(age);
  active_->step_base = kept.last_test_time;
  if (kept.last_sample) {
    active_->seq = kept.last_sample->seq;
    active_->last_test_time =
        kept.last_sample->test_time;  // what happened later must not hold back rows before it
  }
  for (const auto& [seq, row] : kept.events) {
    if (row.kind != sequencer::name(sequencer::Transition::Kind::step_began)) continue;
    const auto age_of_step = since(recorded(row), now);
    left.step_began = age_of_step ? std::optional(before_now(*age_of_step)) : std::nullopt;
    left.last.reset();
    left.charge = AmpereHour(0);
    active_->holes.clear();
    active_->step_base = row.test_time.value_or(kept.last_test_time);
    const Seconds done_before = active_->done_before = row.elapsed.value_or(Seconds{0});
    const auto& last = kept.last_sample;
    if (!last || last->sample.step != row.step) continue;
    left.charge = kept.charge;
    if (last->sample.step_time <= done_before) continue;
    left.last = last->sample;  // the instrument counts from the beginning of this part of the step
    left.last->step_time -= done_before;
    left.last->at.steady = before_now(ago(left.last->at.wall));
    active_->step_base = std::max(active_->step_base, last->test_time - left.last->step_time);
    for (const store::StoredHole& hole : kept.holes) {
      const Stamp at{before_now(ago(hole.at)), hole.at};
      const Seconds to = hole.to - done_before;
      if (hole.from && *hole.from >= done_before - same_row)
        active_->holes.push_back({*hole.from - done_before, to, at, hole.first_seq, hole.last_seq});
      if (!hole.from && done_before == Seconds{0})
        active_->holes.push_back(
            {before_start, to, told_at(at, before_start - to), hole.first_seq, hole.last_seq});
    }
  }
  active_->last_sample = left.last;
  active_->run = sequencer::take_up(active_->info.plan, rules_, left, now.steady);
  active_->shown = active_->run.phase;
  active_->trips = std::ranges::count(left.transitions, sequencer::Transition::Kind::tripped,
                                      &sequencer::Transition::kind);
  journal_.warning(name_, active_->info.id,
                   fmt::format("taken up again after a stop, {}", sequencer::name(active_->run.phase)));
}

void Station::note_gap(const std::string& why) {
  if (!busy()) return;
  const std::string text = "nobody listened: " + why;
  journal_.warning(name_, active_->info.id, text);
  keep(store::EventRow{.run = active_->info.id,
                       .station = name_,
                       .kind = "gap",
                       .text = text,
                       .test_time = test_time(std::chrono::steady_clock::now()),
                       .at = now_stamp()});
}

std::optional<std::string> Station::stands_still(Instant now) const {
  constexpr Seconds longest{60};  // identifying a press that does not answer takes some time-outs and a pause
  if (now - ticked_at_ > longest) return fmt::format("the clock of station {} stands still", name_);
  const Seconds silent = proving() ? proof_->test.longest_act() : Seconds{0};
  if (instruments_.press && now - polled_at_ > longest + silent)
    return fmt::format("the conversation with the press of {} stands still", name_);
  if (instruments_.gauge && now - gauge_polled_at_ > longest)
    return fmt::format("the conversation with the gauge of {} stands still", name_);
  for (const Asked& asked : {meeting_, opening_, stopping_})
    if (asked.since && now - *asked.since > longest)
      return fmt::format("the {} of {} stands still", asked.what, name_);
  return std::nullopt;
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
  auto rows = records::of_turn(turn, active_->info.id, name_, now_stamp(),
                               test_time(std::chrono::steady_clock::now()));
  for (const auto& transition : turn.transitions) {
    const std::string told = note(transition);
    keep_trip(transition, rows);
    if (auto row = first_out_.happened(told, std::chrono::steady_clock::now()))
      rows.push_back(std::move(*row));
    clear_alarms(transition, rows);
  }
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

/// A trip is kept with what was measured before it.
void Station::keep_trip(const sequencer::Transition& t, std::vector<store::Row>& rows) {
  if (t.kind != sequencer::Transition::Kind::tripped) return;
  std::ranges::move(first_out_.tripped({.run = active_->info.id,
                                        .number = ++active_->trips,
                                        .station = name_,
                                        .step = t.step,
                                        .cause = t.cause,
                                        .text = t.text,
                                        .at = now_stamp()}),
                    std::back_inserter(rows));
}

/// What people were told of this run has no cause any more once a person has dealt with it, or it is over.
void Station::clear_alarms(const sequencer::Transition& t, std::vector<store::Row>& rows) {
  using Kind = sequencer::Transition::Kind;
  const bool dealt_with = t.kind == Kind::step_began || t.kind == Kind::reset || t.kind == Kind::resumed ||
                          t.kind == Kind::aborted || t.kind == Kind::finished;
  if (!dealt_with) return;
  std::ranges::move(alarms_.clear(name_, active_->info.id, "", std::chrono::system_clock::now(),
                                  sequencer::awaits_open_cell(active_->run) ? "cell_not_open" : ""),
                    std::back_inserter(rows));
}

void Station::clear_alarm(std::string_view cause) {
  for (store::Row& row :
       alarms_.clear(name_, active_ ? active_->info.id : "", cause, std::chrono::system_clock::now()))
    keep(std::move(row));
}

void Station::keep(std::optional<store::Row> row) {
  if (!row) return;
  if (const auto kept = store_.append(std::move(*row)); !kept)
    happen(event::Faulted{Device::potentiostat, kept.error()});
}

void Station::record(std::vector<store::Row> rows, std::vector<Command> after, bool finished) {
  if (rows.empty()) {
    for (const Command& command : after) carry_out(command);
    return;
  }
  auto committed = [this, after = std::move(after), epoch = epoch_, finished, run = active_->info.id,
                    phase = active_->run.phase](Result<void> kept) {
    const bool on_station = active_ && active_->info.id == run;
    if (on_station) active_->shown = kept ? phase : active_->run.phase;
    if (!kept) return happen(event::Faulted{Device::potentiostat, kept.error()});
    if (finished && on_finished) on_finished(run);
    if (epoch != epoch_) return;  // something made safe in between: what was ordered before it is void
    for (const Command& command : after) carry_out(command);
  };
  store_.commit(std::move(rows), [executor = executor_, committed = std::move(committed)](Result<void> kept) {
    asio::post(executor, [committed, kept] { committed(kept); });
  });
}

/// The line that people read; empty when there is none.
std::string Station::note(const sequencer::Transition& t) {
  using Kind = sequencer::Transition::Kind;
  const auto& steps = active_->info.plan->steps;
  const std::string label = t.step < steps.size() ? steps[t.step].label : "";
  std::string text;
  switch (t.kind) {
    case Kind::started: return {};
    case Kind::prepared: text = "instruments, cell and pressure are as they must be"; break;
    case Kind::step_began: text = fmt::format("step {} of {}: {}", t.step + 1, steps.size(), label); break;
    case Kind::step_ended:
      text = fmt::format("step {} ended, {}{}{}", t.step + 1, sequencer::name(t.reason),
                         t.text.empty() ? "" : ": ", t.text);
      break;
    case Kind::held: text = "held: " + t.text; break;
    case Kind::resumed: text = "resumed by " + t.who; break;
    case Kind::tripped: text = fmt::format("TRIPPED by {}: {}", t.cause, t.text); break;
    case Kind::consequence: text = fmt::format("also {}: {}", t.cause, t.text); break;
    case Kind::reset: text = fmt::format("reset by {}: {}", t.who, t.text); break;
    case Kind::gap: text = "gap: " + t.text; break;
    case Kind::finished: text = "finished"; break;
    case Kind::aborted: text = fmt::format("aborted by {}: {}", t.who, t.text); break;
  }
  journal_.info(name_, active_->info.id, text);
  return text;
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
  if (std::holds_alternative<command::CutLeads>(command) && !config_.relay.empty() && cut_leads)
    return cut_leads(config_.relay);
  if (const auto* c = std::get_if<command::SetPressure>(&command)) {
    end_release();
    return spawn(set_pressure(c->target, epoch_));
  }
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
  if (const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase))
    active_->done_before = running->elapsed;
  active_->last_sample.reset();
  active_->holes.clear();
  happen(event::StepBegan{step.index});
}

asio::awaitable<void> Station::open_cell(std::string why) {
  if (opening_.since) co_return;  // one at a time; the sequencer insists until it is confirmed
  opening_.since = std::chrono::steady_clock::now();
  const auto opened = co_await instruments_.potentiostat->open_cell();
  opening_.since.reset();
  opening_failed_ = !opened;
  if (!opened)
    journal_.alarm(name_, active_ ? active_->info.id : "",
                   fmt::format("the cell did not open ({}): {}", why, opened.error().what));
  if (opened) {
    left_cell_.reset();
    clear_alarm("cell_not_open");
  }
  happen(event::CellOpened{opened.has_value()});
}

asio::awaitable<void> Station::set_pressure(MegaPascal target, std::uint64_t epoch) {
  if (epoch != epoch_) co_return;
  const auto set = co_await instruments_.press->set_target(target);
  if (!set && set.error().kind != Fault::Kind::cancelled)  // ended by a hold or vent of ours: no fault
    happen(event::Faulted{Device::press, set.error()});
}

asio::awaitable<void> Station::stop_press(bool vent) {
  const bool by_hand = instruments_.press->limits().max_target <= MegaPascal(0);
  if (vent && !by_hand) begin_release();
  if (!vent) end_release();
  Result<void> stopped;
  if (!stopping_.since) stopping_.since = std::chrono::steady_clock::now();
  if (vent)
    stopped = co_await instruments_.press->vent();
  else
    stopped = co_await instruments_.press->hold();
  stopping_.since.reset();
  if (!stopped)
    journal_.alarm(name_, active_ ? active_->info.id : "",
                   fmt::format("the press did not {}: {}", vent ? "vent" : "hold", stopped.error().what));
  if (stopped) clear_alarm("press_not_safe");
  if (by_hand) co_return;  // somebody has to
  happen(event::PressStopped{vent, stopped.has_value(), stopped ? std::string() : stopped.error().what});
}

asio::awaitable<void> Station::tick() {
  asio::steady_timer timer(executor_);
  for (;;) {
    timer.expires_after(rules_.time_scale > 1 ? scaled_tick_period : tick_period);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    ticked_at_ = std::chrono::steady_clock::now();
    happen(event::Tick{});
    insist_on_left_cell();
  }
}

}  // namespace cambench
