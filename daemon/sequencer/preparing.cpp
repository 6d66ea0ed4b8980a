#include "daemon/sequencer/preparing.h"

#include <fmt/core.h>

#include <algorithm>

namespace cambench::sequencer {

namespace {

using Kind = Transition::Kind;

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

}  // namespace

void move_press(Deciding& d, MegaPascal target, MegaPascal band, Seconds settle) {
  d.run().press_stop.reset();
  d.run().press_to_set = false;
  expect_pressure(d.run().watch, target, band, d.now());
  d.run().checks.press_deadline = d.now() + std::chrono::duration_cast<Instant::duration>(settle);
  d.order(command::SetPressure{target});
}

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

void begin_preparing(Deciding& d) {
  d.run().checks = {};
  d.run().checks.potentiostat = !d.plan().needs_cell;
  d.run().checks.press = !uses_press(d.plan());
  forget_arrival(d.run().watch);
  d.run().checks.rest = !d.plan().needs_cell;
  if (uses_press(d.plan())) d.order(command::Identify{Device::press});
  if (d.plan().needs_cell) d.order(command::Identify{Device::potentiostat});
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

}  // namespace cambench::sequencer
