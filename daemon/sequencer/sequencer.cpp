#include "daemon/sequencer/sequencer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "schema/overloaded.h"

namespace cambench::sequencer {

namespace {

using Kind = Transition::Kind;

/// A turn being put together: every change of phase goes through `pass`, so that the fold and the record
/// agree.
class Deciding {
 public:
  Deciding(Run run, Instant now) : now_(now) { turn_.run = std::move(run); }

  Run& run() { return turn_.run; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const Plan& plan() const { return *turn_.run.plan; }

  void pass(Transition transition) {
    turn_.run.phase = fold(std::move(turn_.run.phase), transition);
    turn_.transitions.push_back(std::move(transition));
  }
  void refuse(std::string why) { turn_.refusal = std::move(why); }
  void order(Command command) { turn_.commands.push_back(std::move(command)); }
  Turn take() { return std::move(turn_); }

 private:
  Turn turn_;
  Instant now_;
};

/// The experiment time of the running step that is done by now: what the instrument said, or for a rest and a
/// press step what the steady clock says.
Seconds done_of_step(const Run& run, Instant now) {
  const auto* running = std::get_if<phase::Running>(&run.phase);
  if (!running) return Seconds{0};
  if (run.watch.last) return running->elapsed + run.watch.last->step_time;
  if (run.press_arrived) return running->elapsed + (now - *run.press_arrived) * run.rules.time_scale;
  return running->elapsed;
}

// ---- what every phase may have to do ----------------------------------------------------------------------

void open_cell(Deciding& d, std::string why) {
  if (!d.plan().needs_cell) return;
  d.run().cell_open_wanted = true;
  d.run().cell_open_confirmed = false;
  d.run().open_asked = d.now();
  d.order(command::OpenCell{std::move(why)});
}

void stop_press(Deciding& d, Mechanical how, const std::string& why) {
  if (!uses_press(d.plan())) return;
  auto& stop = d.run().press_stop;
  if (how == Mechanical::hold && stop && stop->how == Mechanical::vent) return;
  stop = {how, std::nullopt};
  d.run().press_to_set = false;
  if (how == Mechanical::vent) {
    expect_release(d.run().watch);
    d.order(command::Vent{why});
  } else {
    d.order(command::HoldPressure{why});
  }
}

/// Which step a stop interrupts, and how much of it is done.
std::pair<std::uint32_t, Seconds> interrupted_at(Deciding& d) {
  if (const auto* preparing = std::get_if<phase::Preparing>(&d.run().phase))
    return {preparing->next_step, preparing->elapsed};
  if (const auto* held = std::get_if<phase::Held>(&d.run().phase)) return {held->step, held->elapsed};
  if (const auto* tripped = std::get_if<phase::Tripped>(&d.run().phase))
    return {tripped->step, tripped->elapsed};
  const PlannedStep* step = current_step(d.run());
  return {step ? step->index : 0, done_of_step(d.run(), d.now())};
}

Trip because(Deciding& d, std::string_view cause, std::string text) {
  return trip(d.run().rules, cause, std::move(text));
}

std::string_view cause_of(const Fault& fault) {
  switch (fault.kind) {
    case Fault::Kind::identity: return "wrong_instrument";
    case Fault::Kind::storage: return "store_failed";
    case Fault::Kind::timeout:
    case Fault::Kind::link:
    case Fault::Kind::protocol:
    case Fault::Kind::instrument:
    case Fault::Kind::refused:
    case Fault::Kind::bad_value:
    case Fault::Kind::input:
    case Fault::Kind::cancelled: return "fault";
  }
  return "fault";
}

/// `ended`: how the running step's program came to its end; by us, unless the instrument said otherwise.
void trip_run(Deciding& d, const Trip& trip, EndReason ended = EndReason::aborted) {
  const auto [step, elapsed] = interrupted_at(d);
  open_cell(d, trip.text);
  stop_press(d, trip.press, trip.text);
  if (std::holds_alternative<phase::Running>(d.run().phase))
    d.pass({.kind = Kind::step_ended, .step = step, .reason = ended, .text = trip.text, .elapsed = elapsed});
  d.run().consequences.clear();
  d.pass({.kind = Kind::tripped, .step = step, .cause = trip.cause, .text = trip.text, .elapsed = elapsed});
  d.order(command::Raise{command::Severity::alarm, trip.cause, trip.text});
}

void hold_run(Deciding& d, std::string why, command::Severity severity, std::string cause) {
  const auto [step, elapsed] = interrupted_at(d);
  open_cell(d, why);
  stop_press(d, Mechanical::hold, why);
  d.pass({.kind = Kind::held, .step = step, .text = why, .elapsed = elapsed});
  d.order(command::Raise{severity, std::move(cause), std::move(why)});
}

void finish_run(Deciding& d) {
  const Plan& plan = d.plan();
  open_cell(d, "the run is finished");
  const bool vent = plan.pressure ? plan.pressure->at_end == PressurePlan::AtEnd::vent : true;
  stop_press(d, vent ? Mechanical::vent : Mechanical::hold, "the run is finished");
  d.pass({.kind = Kind::finished});
  d.order(command::Raise{command::Severity::info, "finished", plan.recipe + " is finished"});
}

// ---- Preparing --------------------------------------------------------------------------------------------

void move_press(Deciding& d, MegaPascal target, MegaPascal band, Seconds settle) {
  d.run().press_stop.reset();
  d.run().press_to_set = false;
  expect_pressure(d.run().watch, target, band, d.now());
  d.run().checks.press_deadline = d.now() + std::chrono::duration_cast<Instant::duration>(settle);
  d.order(command::SetPressure{target});
}

/// A press step has no band of its own: 2 % of the target, at least 1 MPa.
MegaPascal press_step_band(const PlannedStep& step) {
  return std::max(MegaPascal(1.0), 0.02 * step.pressure.value_or(MegaPascal(0)));
}

void enter_step(Deciding& d) {
  auto& run = d.run();
  const auto& preparing = std::get<phase::Preparing>(run.phase);
  PlannedStep step = d.plan().steps.at(preparing.next_step);
  const Seconds elapsed = preparing.elapsed;
  if (elapsed == Seconds{0}) run.watch.charge = AmpereHour(0);
  begin_step(run.watch, d.now());
  d.pass({.kind = Kind::step_began, .step = step.index, .elapsed = elapsed});
  run.step_began = d.now();
  run.step_acknowledged = false;
  run.taken_up = false;
  run.press_arrived.reset();
  run.cell_open_wanted = false;
  if (step.kind == PlannedStep::Kind::press) {
    move_press(d, step.pressure.value_or(MegaPascal(0)), press_step_band(step),
               d.plan().pressure ? d.plan().pressure->settle : Seconds{600});
    return;
  }
  d.order(command::StartStep{rest_of(std::move(step), elapsed)});
}

/// Starts the checks: identities first, then the press moves and the cell is looked at, at the same time.
void begin_preparing(Deciding& d) {
  d.run().checks = {};
  d.run().checks.potentiostat = !d.plan().needs_cell;
  d.run().checks.press = !uses_press(d.plan());
  forget_arrival(d.run().watch);
  d.run().checks.rest = !d.plan().needs_cell;
  if (uses_press(d.plan())) d.order(command::Identify{Device::press});
  if (d.plan().needs_cell) d.order(command::Identify{Device::potentiostat});
}

bool pressure_ready(const Run& run) { return !run.plan->pressure || run.watch.pressure_arrived; }

void proceed_when_ready(Deciding& d) {
  const auto& run = d.run();
  if (!run.checks.potentiostat || !run.checks.press || !run.checks.rest || !pressure_ready(run)) return;
  d.pass({.kind = Kind::prepared, .step = std::get<phase::Preparing>(run.phase).next_step});
  enter_step(d);
}

void identified(Deciding& d, Device device) {
  if (device == Device::potentiostat) {
    d.run().checks.potentiostat = true;
    d.order(command::MeasureRest{});
  } else {
    d.run().checks.press = true;
    if (const auto& pressure = d.plan().pressure)
      move_press(d, pressure->target, pressure->band, pressure->settle);
  }
}

std::optional<std::string> outside(std::string_view what, Volt at_rest, std::optional<Volt> min,
                                   std::optional<Volt> max) {
  if (!(min && at_rest < *min) && !(max && at_rest > *max)) return std::nullopt;
  return fmt::format("{} at rest has {:.3f} V, expected {:.2f} to {:.2f} V", what, at_rest.value(),
                     min.value_or(Volt(-99)).value(), max.value_or(Volt(99)).value());
}

/// An instrument that sees one potential is judged by that one.
std::optional<std::string> rest_refusal(const Plan& plan, const event::RestPotential& rest) {
  if (!plan.ocv_min && !plan.ocv_max) return std::nullopt;
  if (rest.cell) return outside("the cell", *rest.cell, plan.ocv_min, plan.ocv_max);
  if (!rest.we_vs_re) return "the instrument gave no potential of the cell at rest";
  if (!plan.ocv_we_min || !plan.ocv_we_max)
    return "the instrument sees WE against RE alone, and the recipe's [ocv] has no we_min_V and we_max_V";
  return outside("the working electrode", *rest.we_vs_re, plan.ocv_we_min, plan.ocv_we_max);
}

void while_preparing(Deciding& d, const Event& event) {
  if (const auto* known = std::get_if<event::Identified>(&event)) {
    identified(d, known->device);
  } else if (const auto* rest = std::get_if<event::RestPotential>(&event)) {
    if (auto refusal = rest_refusal(d.plan(), *rest)) return trip_run(d, because(d, "ocv_window", *refusal));
    d.run().checks.rest = true;
  } else if (const auto* faulted = std::get_if<event::Faulted>(&event)) {
    return hold_run(d, faulted->fault.what, command::Severity::alarm, "not_ready");  // nothing was polarised
  } else if (std::holds_alternative<event::Restarted>(event)) {
    return begin_preparing(d);
  } else if (const auto deadline = d.run().checks.press_deadline;
             deadline && d.now() > *deadline && !pressure_ready(d.run())) {
    return trip_run(d, because(d, "press_late", "the press did not reach its pressure in time"));
  }
  proceed_when_ready(d);
}

// ---- Running ----------------------------------------------------------------------------------------------

void next_step(Deciding& d, std::uint32_t ended) {
  if (ended + 1 >= d.plan().steps.size()) return finish_run(d);
  const bool was_press = d.plan().steps[ended].kind == PlannedStep::Kind::press;
  if (was_press && d.plan().pressure) {  // back to the run's own pressure before the cell is used
    const auto& pressure = *d.plan().pressure;
    return move_press(d, pressure.target, pressure.band, pressure.settle);
  }
  enter_step(d);
}

void end_step(Deciding& d, EndReason reason, std::string text) {
  const std::uint32_t ended = std::get<phase::Running>(d.run().phase).step;
  d.pass({.kind = Kind::step_ended, .step = ended, .reason = reason, .text = std::move(text)});
  next_step(d, ended);
}

/// What is on record of a step whose time limit was reached: that time, and a second more each time, because instruments
/// tell the parts of a step apart by the time that is left to them.
Seconds done_at_limit(const PlannedStep& step, const phase::Running& running, Seconds heard) {
  const Seconds limit = running.elapsed + rest_of(step, running.elapsed).run_time;
  return std::max(heard, limit) + Seconds(std::round(limit / step.run_time));
}

/// The time limit came before the planned end: a person decides between that time again (resume) and the next step.
void end_in_time(Deciding& d, std::string text) {
  const auto [step, heard] = interrupted_at(d);
  const Seconds elapsed =
      done_at_limit(*current_step(d.run()), std::get<phase::Running>(d.run().phase), heard);
  open_cell(d, "the step reached its time limit");
  stop_press(d, Mechanical::hold, "the step reached its time limit");
  d.pass({.kind = Kind::step_ended,
          .step = step,
          .reason = EndReason::timeout,
          .text = std::move(text),
          .elapsed = elapsed});
  const std::string why =
      "the step reached its time limit before its planned end; resumed, it has that time again";
  d.pass({.kind = Kind::held, .step = step, .text = why, .elapsed = elapsed});
  d.order(command::Raise{command::Severity::alarm, "step_timeout", why});
}

void end_by(Deciding& d, EndReason reason, const std::string& text) {
  switch (reason) {
    case EndReason::planned: return end_step(d, reason, text);
    case EndReason::timeout: return end_in_time(d, text);
    case EndReason::guard: return trip_run(d, because(d, "guard_on_board", text), reason);
    case EndReason::error: return trip_run(d, because(d, "instrument_error", text), reason);
    case EndReason::aborted:
    case EndReason::unknown:
      return trip_run(d, because(d, "unknown_end", text.empty() ? "the program ended by itself" : text),
                      reason);
  }
}

void step_ended(Deciding& d, const event::StepEnded& ended) {
  if (ended.step != std::get<phase::Running>(d.run().phase).step) return;  // an echo of an older program
  end_by(d, ended.reason, ended.text);
}

void press_step_progress(Deciding& d, const PlannedStep& step) {
  auto& run = d.run();
  if (!run.press_arrived && run.watch.pressure_arrived) run.press_arrived = d.now();
  if (!run.press_arrived) {
    if (run.checks.press_deadline && d.now() > *run.checks.press_deadline)
      trip_run(d, because(d, "press_late", "the press did not reach its pressure in time"));
    return;
  }
  const Seconds held = done_of_step(run, d.now());
  if (held >= step.run_time)
    end_step(d, EndReason::planned,
             fmt::format("{:.0f} MPa held for {:.0f} s", step.pressure.value_or(MegaPascal(0)).value(),
                         held.count()));
}

void check_overdue(Deciding& d, const PlannedStep& step) {
  const auto& run = d.run();
  if (step.kind == PlannedStep::Kind::press || !run.step_began || !run.potentiostat_up) return;
  const Seconds allowed = 1.02 * step.run_time / run.rules.time_scale + run.rules.age("step_overdue");
  if (d.now() - *run.step_began > allowed)
    trip_run(d, because(d, "step_overdue", fmt::format("{} should have ended by now", step.label)));
}

/// Whether a step of a fixed time can have ended by itself: an instrument that is idle before was switched off, or
/// somebody else ended its program. None: nobody can say how long ago the step began (daemon/clock.h).
std::optional<bool> time_is_over(Deciding& d, const PlannedStep& step) {
  constexpr double clocks_agree = 0.98;
  const auto& run = d.run();
  if (!run.step_began) return std::nullopt;
  const Seconds left = step.run_time - std::get<phase::Running>(run.phase).elapsed;
  return (d.now() - *run.step_began) * run.rules.time_scale >= clocks_agree * left;
}

/// After a gap (daemon restarted, link back): what the instrument says decides; when in doubt a person does.
void found_again(Deciding& d, const event::Restarted& restarted) {
  using Found = event::Restarted::Found;
  const PlannedStep& step = *current_step(d.run());
  const std::uint32_t index = step.index;
  const auto gap = [&](std::string text) {
    d.pass({.kind = Kind::gap, .step = index, .text = std::move(text)});
  };
  switch (restarted.found) {
    case Found::running_ours: return gap("the instrument went on with this step by itself");
    case Found::absent:
      d.order(command::Raise{command::Severity::warning, "potentiostat_absent",
                             "the potentiostat does not answer; its own limits guard the cell"});
      return gap("the instrument does not answer");
    case Found::power_cycled:
      gap("the instrument was switched off and on");
      return trip_run(d, because(d, "power_cycled", "the instrument lost its program"));
    case Found::running_other:
      gap("the instrument runs a program that is not this run's");
      return trip_run(d, because(d, "foreign_program", "another program was found in the instrument"));
    case Found::idle: break;
  }
  if (restarted.ended) {  // whatever on_gap says: the step is over, and its end is known
    gap(fmt::format("the instrument ended this step while nobody listened: {}",
                    restarted.text.empty() ? name(*restarted.ended) : restarted.text));
    return end_by(d, *restarted.ended, restarted.text);
  }
  gap(step.kind == PlannedStep::Kind::press ? "nobody watched the press"
                                            : "the instrument is idle; how the step ended is not known");
  if (step.on_gap == OnGap::proceed && step.kind == PlannedStep::Kind::open_circuit) {
    const auto over = time_is_over(d, step);
    if (over && *over) return end_step(d, EndReason::planned, "the rest was over before the gap was");
    if (over && d.run().watch.last)
      return trip_run(d, because(d, "unknown_end",
                                 "the rest is not over, and the instrument does not run it any more: it was "
                                 "stopped, or its supply was lost"));
    return hold_run(d,
                    over ? "the rest was ordered, and nobody heard whether it began"
                         : "the host was restarted, and nobody can say whether the rest was long enough",
                    command::Severity::alarm, "interrupted");
  }
  hold_run(d, "the step was interrupted; a person decides whether to go on", command::Severity::alarm,
           "interrupted");
}

void link_changed(Deciding& d, const event::LinkChanged& link) {
  if (link.device == Device::potentiostat && !link.up)  // the press's silence is judged by its age
    d.order(
        command::Raise{command::Severity::warning, "potentiostat_link",
                       "connection to the potentiostat lost; its own limits guard the cell: " + link.why});
}

/// While nobody was there the press may have held by its own watchdog: until it is told to run again, neither does it
/// regulate nor can its watchdog be armed.
void set_press_again(Deciding& d) {
  auto& run = d.run();
  if (!run.press_to_set || run.watch.in_band < run.rules.arrival_votes) return;
  run.press_to_set = false;
  d.order(command::SetPressure{*run.watch.pressure_target});
}

/// A press that is where it must be and takes no order is watched by its readings; the cell need not be opened for that.
bool only_regulation(const PlannedStep& step, const event::Faulted& faulted) {
  return faulted.device == Device::press && step.kind != PlannedStep::Kind::press &&
         faulted.fault.kind != Fault::Kind::storage;
}

void while_running(Deciding& d, const Event& event) {
  const PlannedStep& step = *current_step(d.run());
  if (const auto* ended = std::get_if<event::StepEnded>(&event)) return step_ended(d, *ended);
  const bool pressing = step.kind == PlannedStep::Kind::press;
  const auto* restarted = std::get_if<event::Restarted>(&event);
  if (restarted && (!pressing || d.run().taken_up)) return found_again(d, *restarted);
  if (const auto* link = std::get_if<event::LinkChanged>(&event)) return link_changed(d, *link);
  if (const auto* faulted = std::get_if<event::Faulted>(&event)) {
    if (only_regulation(step, *faulted))
      return d.order(command::Raise{command::Severity::warning, "press_not_regulated",
                                    "the press does not take its set point: " + faulted->fault.what});
    return trip_run(d, because(d, cause_of(faulted->fault), faulted->fault.what));
  }
  if (std::holds_alternative<event::StepBegan>(event)) {
    d.run().step_acknowledged = true;
    d.run().watch.heard_at = d.now();
  }
  if (pressing && d.run().taken_up) return;  // whether it is gone on with is a person's to say
  if (pressing) return press_step_progress(d, step);
  if (std::holds_alternative<event::PressureRead>(event)) set_press_again(d);
  check_overdue(d, step);
}

// ---- orders, safe states, and the dispatch ----------------------------------------------------------------

/// What else goes wrong after the first cause is listed under it, once each.
void list_consequence(Deciding& d, const Trip& also) {
  const auto& tripped = std::get<phase::Tripped>(d.run().phase);
  auto& listed = d.run().consequences;
  if (also.cause == tripped.cause || std::ranges::find(listed, also.cause) != listed.end()) return;
  listed.push_back(also.cause);
  d.pass({.kind = Kind::consequence, .step = tripped.step, .cause = also.cause, .text = also.text});
}

void resume_run(Deciding& d, const event::Ordered& order) {
  d.pass({.kind = Kind::resumed, .step = interrupted_at(d).first, .text = order.reason, .who = order.who});
  begin_preparing(d);
}

void abort_run(Deciding& d, const event::Ordered& order) {
  open_cell(d, "aborted by " + order.who);
  stop_press(d, Mechanical::hold, "aborted by " + order.who);
  d.pass({.kind = Kind::aborted, .step = interrupted_at(d).first, .text = order.reason, .who = order.who});
}

void reset_run(Deciding& d, const event::Ordered& order) {
  const auto* tripped = std::get_if<phase::Tripped>(&d.run().phase);
  if (!tripped) return d.refuse("the run is not tripped");
  if (order.who.empty() || order.reason.empty()) return d.refuse("a reset needs a name and a reason");
  if (d.plan().needs_cell && !d.run().cell_open_confirmed)
    return d.refuse("the cell has not confirmed that it is open");
  if (auto stands = still_stands(d.run().watch, d.run().rules, tripped->cause, d.now()))
    return d.refuse("the cause stands: " + *stands);
  d.pass({.kind = Kind::reset, .step = tripped->step, .text = order.reason, .who = order.who});
  forget_arrival(d.run().watch);
}

/// A person judged that what was interrupted is enough: a charge that reached its time limit, say.
void leave_step(Deciding& d, const event::Ordered& order) {
  const auto* held = std::get_if<phase::Held>(&d.run().phase);
  if (!held) return d.refuse("only a held run can go on with its next step");
  if (order.who.empty() || order.reason.empty()) return d.refuse("leaving a step needs a name and a reason");
  if (d.run().cell_open_wanted && !d.run().cell_open_confirmed)
    return d.refuse("the cell has not confirmed that it is open");
  const std::uint32_t left = held->step;
  d.pass({.kind = Kind::step_ended,
          .step = left,
          .reason = EndReason::aborted,
          .text = fmt::format("left by {}: {}", order.who, order.reason),
          .who = order.who});
  if (left + 1 >= d.plan().steps.size()) return finish_run(d);
  begin_preparing(d);
}

void ordered(Deciding& d, const event::Ordered& order) {
  using What = event::Ordered::What;
  const Phase& phase = d.run().phase;
  const bool over =
      std::holds_alternative<phase::Finished>(phase) || std::holds_alternative<phase::Aborted>(phase);
  switch (order.what) {
    case What::abort: return over ? d.refuse("the run is over") : abort_run(d, order);
    case What::pause:
      if (!std::holds_alternative<phase::Running>(phase)) return d.refuse("only a running run can be paused");
      return hold_run(d, fmt::format("paused by {}: {}", order.who, order.reason), command::Severity::info,
                      "paused");
    case What::resume:
      if (!std::holds_alternative<phase::Held>(phase)) return d.refuse("only a held run can be resumed");
      if (d.run().cell_open_wanted && !d.run().cell_open_confirmed)
        return d.refuse("the cell has not confirmed that it is open");
      return resume_run(d, order);
    case What::reset: return reset_run(d, order);
    case What::next_step: return leave_step(d, order);
  }
}

/// A cell that was told to open and did not confirm it is told again, and people are told.
void insist_on_open_cell(Deciding& d, const Event& event) {
  auto& run = d.run();
  if (const auto* opened = std::get_if<event::CellOpened>(&event)) {
    run.cell_open_confirmed = opened->confirmed;
    return;
  }
  if (!std::holds_alternative<event::Tick>(event) || !run.cell_open_wanted || run.cell_open_confirmed) return;
  if (run.open_asked && d.now() - *run.open_asked < run.rules.reopen_every) return;
  d.order(command::Raise{command::Severity::alarm, "cell_not_open",
                         "the cell has not confirmed that it is open"});
  d.order(command::CutLeads{"the cell has not confirmed that it is open"});
  open_cell(d, "not confirmed yet");
}

/// A press that was told to stop and did not confirm it is told again as soon as it can be read, and people are told.
void insist_on_stopped_press(Deciding& d, const Event& event) {
  auto& stop = d.run().press_stop;
  if (!stop) return;
  if (const auto* stopped = std::get_if<event::PressStopped>(&event)) {
    if (stopped->vent != (stop->how == Mechanical::vent)) return;  // an order before the last
    stop->failed = stopped->confirmed ? std::nullopt : std::optional(d.now());
    if (!stopped->confirmed)
      d.order(command::Raise{
          command::Severity::alarm, "press_not_safe",
          fmt::format("the press has not confirmed its {}: {}", name(stop->how), stopped->why)});
    return;
  }
  if (!std::holds_alternative<event::PressureRead>(event) || !stop->failed) return;
  if (d.now() - *stop->failed >= d.run().rules.reopen_every) stop_press(d, stop->how, "not confirmed yet");
}

/// Held or tripped: whoever comes back makes sure that nothing polarises the cell, before anything is asked.
void while_stopped(Deciding& d, const Event& event) {
  const auto* link = std::get_if<event::LinkChanged>(&event);
  const bool back = link && link->device == Device::potentiostat && link->up;
  if (back || std::holds_alternative<event::Restarted>(event))
    open_cell(d, "the instrument can be reached again");
}

/// A link that is back says nothing yet: until the instrument was asked, neither its silence nor its time counts.
void note_potentiostat(Run& run, const Event& event, Instant now) {
  if (const auto* link = std::get_if<event::LinkChanged>(&event);
      link && link->device == Device::potentiostat && !link->up)
    run.potentiostat_up = false;
  if (const auto* restarted = std::get_if<event::Restarted>(&event)) {
    run.potentiostat_up = restarted->found != event::Restarted::Found::absent;
    run.watch.heard_at = now;
  }
}

/// A stack that waits for a person under its pressure is guarded too; one that never got there, only against too much.
bool is_guarded(const Run& run, const Trip& tripped) {
  if (std::holds_alternative<phase::Held>(run.phase))
    return run.watch.pressure_arrived || tripped.cause == "over_pressure";
  return std::holds_alternative<phase::Running>(run.phase) ||
         std::holds_alternative<phase::Preparing>(run.phase);
}

void begin(Deciding& d, const Event& event) {
  const auto* started = std::get_if<event::Started>(&event);
  if (!started) return;
  d.pass({.kind = Kind::started, .who = started->who});
  begin_preparing(d);
}

/// Whether the last trip vented the press, and nothing has moved it since.
bool was_vented(const Rules& rules, const std::vector<Transition>& transitions) {
  bool vented = false;
  for (const Transition& t : transitions) {
    const Interlock* row = t.kind == Kind::tripped ? find_row(*rules.table, t.cause) : nullptr;
    if (row) vented = row->press == Mechanical::vent;
    if (t.kind == Kind::resumed || t.kind == Kind::step_began) vented = false;
  }
  return vented;
}

/// The step that a run is in, whether it goes on or was stopped there.
const PlannedStep* interrupted_step(const Run& run) {
  if (const PlannedStep* running = current_step(run)) return running;
  const auto& steps = run.plan->steps;
  const auto* held = std::get_if<phase::Held>(&run.phase);
  const auto* tripped = std::get_if<phase::Tripped>(&run.phase);
  const std::size_t at = held ? held->step : tripped ? tripped->step : steps.size();
  return at < steps.size() ? &steps[at] : nullptr;
}

}  // namespace

Run take_up(std::shared_ptr<const Plan> plan, const Rules& rules, const Left& left, Instant now) {
  Run run;
  run.plan = std::move(plan);
  run.rules = rules;
  const bool releases = was_vented(rules, left.transitions);
  for (const auto& transition : left.transitions) run.phase = fold(std::move(run.phase), transition);
  run.taken_up = true;
  run.potentiostat_up = false;
  run.step_began = left.step_began;
  run.watch.last = left.last;
  run.watch.charge = left.charge;
  const PlannedStep* step = current_step(run);
  if (const PlannedStep* at = interrupted_step(run); at && at->kind == PlannedStep::Kind::press) {
    expect_pressure(run.watch, at->pressure.value_or(MegaPascal(0)), press_step_band(*at), now);
  } else if (const auto& pressure = run.plan->pressure) {
    expect_pressure(run.watch, pressure->target, pressure->band, now);
    run.watch.pressure_arrived = run.press_to_set = step != nullptr;
  }
  if (releases) {
    expect_release(run.watch);
    run.press_stop = {Mechanical::vent, std::nullopt};
    // Whether it was still on its way nobody knows: it is told again.
    if (std::holds_alternative<phase::Tripped>(run.phase)) run.press_stop->failed = Instant{};
  }
  return run;
}

PlannedStep rest_of(PlannedStep step, Seconds done) {
  const Seconds of_this_limit{std::fmod(done.count(), step.run_time.count())};
  step.run_time = std::max(step.sampling, step.run_time - of_this_limit);
  return step;
}

bool uses_press(const Plan& plan) {
  return plan.pressure || std::ranges::any_of(plan.steps, [](const PlannedStep& s) {
           return s.kind == PlannedStep::Kind::press;
         });
}

const PlannedStep* current_step(const Run& run) {
  const auto* running = std::get_if<phase::Running>(&run.phase);
  return running && running->step < run.plan->steps.size() ? &run.plan->steps[running->step] : nullptr;
}

Turn step(Run run, const Event& event, Instant now) {
  Deciding d(std::move(run), now);
  insist_on_open_cell(d, event);
  insist_on_stopped_press(d, event);
  note_potentiostat(d.run(), event, now);
  if (const auto* order = std::get_if<event::Ordered>(&event)) {
    ordered(d, *order);
    return d.take();
  }
  // A row is judged whenever it comes, also one that the instrument kept while nobody listened.
  const bool judged = d.run().potentiostat_up || std::holds_alternative<event::Sampled>(event);
  const PlannedStep* watched = judged ? current_step(d.run()) : nullptr;
  const auto tripped = observe(d.run().watch, d.run().rules, watched, event, now);
  if (tripped && is_guarded(d.run(), *tripped)) {
    trip_run(d, *tripped);
    return d.take();
  }
  if (tripped && std::holds_alternative<phase::Tripped>(d.run().phase)) list_consequence(d, *tripped);
  std::visit(Overloaded{[&](const phase::Queued&) { begin(d, event); },
                        [&](const phase::Preparing&) { while_preparing(d, event); },
                        [&](const phase::Running&) { while_running(d, event); },
                        [&](const phase::Held&) { while_stopped(d, event); },
                        [&](const phase::Tripped&) { while_stopped(d, event); },
                        [](const phase::Finished&) {}, [](const phase::Aborted&) {}},
             Phase(d.run().phase));
  return d.take();
}

}  // namespace cambench::sequencer
