#include "daemon/sequencer/sequencer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "daemon/sequencer/orders.h"
#include "daemon/sequencer/preparing.h"
#include "daemon/sequencer/running.h"
#include "schema/overloaded.h"

namespace cambench::sequencer {

namespace {

using Kind = Transition::Kind;

/// A cell that was told to open and did not confirm it is told again, and people are told.
void insist_on_open_cell(Deciding& d, const Event& event) {
  auto& run = d.run();
  if (const auto* opened = std::get_if<event::CellOpened>(&event)) {
    run.cell_open_confirmed = opened->confirmed;
    return;
  }
  if (!std::holds_alternative<event::Tick>(event) || !awaits_open_cell(run)) return;
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

/// What else goes wrong after the first cause is listed under it, once each.
void list_consequence(Deciding& d, const Trip& also) {
  const auto& tripped = std::get<phase::Tripped>(d.run().phase);
  auto& listed = d.run().consequences;
  if (also.cause == tripped.cause || std::ranges::find(listed, also.cause) != listed.end()) return;
  listed.push_back(also.cause);
  d.pass({.kind = Kind::consequence, .step = tripped.step, .cause = also.cause, .text = also.text});
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

bool awaits_open_cell(const Run& run) { return run.cell_open_wanted && !run.cell_open_confirmed; }

PlannedStep rest_of(PlannedStep step, Seconds done) {
  const Seconds whole = step.run_time;
  const Seconds least = 2 * step.sampling + Seconds(1);  // no instrument starts less
  const Seconds done_of_it =
      step.run_time_is_planned ? std::min(done, whole) : Seconds(std::fmod(done.count(), whole.count()));
  const Seconds left = whole - done_of_it;
  step.run_time = std::min(whole, left < least ? least + left : left);
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
