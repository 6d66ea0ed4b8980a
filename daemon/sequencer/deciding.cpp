#include "daemon/sequencer/deciding.h"

namespace cambench::sequencer {

Seconds done_of_step(const Run& run, Instant now) {
  const auto* running = std::get_if<phase::Running>(&run.phase);
  if (!running) return Seconds{0};
  if (run.watch.last) return running->elapsed + run.watch.last->step_time;
  if (run.press_arrived) return running->elapsed + (now - *run.press_arrived) * run.rules.time_scale;
  return running->elapsed;
}

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

void trip_run(Deciding& d, const Trip& trip, EndReason ended) {
  const auto [step, elapsed] = interrupted_at(d);
  open_cell(d, trip.text);
  stop_press(d, trip.press, trip.text);
  if (std::holds_alternative<phase::Running>(d.run().phase))
    d.pass({.kind = Transition::Kind::step_ended,
            .step = step,
            .reason = ended,
            .text = trip.text,
            .elapsed = elapsed});
  d.run().consequences.clear();
  d.pass({.kind = Transition::Kind::tripped,
          .step = step,
          .cause = trip.cause,
          .text = trip.text,
          .elapsed = elapsed});
  d.order(command::Raise{command::Severity::alarm, trip.cause, trip.text});
}

void hold_run(Deciding& d, std::string why, command::Severity severity, std::string cause) {
  const auto [step, elapsed] = interrupted_at(d);
  open_cell(d, why);
  stop_press(d, Mechanical::hold, why);
  d.pass({.kind = Transition::Kind::held, .step = step, .text = why, .elapsed = elapsed});
  d.order(command::Raise{severity, std::move(cause), std::move(why)});
}

void finish_run(Deciding& d) {
  const Plan& plan = d.plan();
  open_cell(d, "the run is finished");
  const bool vent = plan.pressure ? plan.pressure->at_end == PressurePlan::AtEnd::vent : true;
  stop_press(d, vent ? Mechanical::vent : Mechanical::hold, "the run is finished");
  d.pass({.kind = Transition::Kind::finished});
  d.order(command::Raise{command::Severity::info, "finished", plan.recipe + " is finished"});
}

}  // namespace cambench::sequencer
