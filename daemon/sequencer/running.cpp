#include "daemon/sequencer/running.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "daemon/sequencer/preparing.h"

namespace cambench::sequencer {

namespace {

using Kind = Transition::Kind;

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

}  // namespace

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

}  // namespace cambench::sequencer
