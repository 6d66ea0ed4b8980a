// What others may know of a station: its part of the status document.
#include <algorithm>

#include "daemon/station.h"

namespace cambench {

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
  shown.state = sequencer::name(active.shown);
  shown.why = why(active.shown);
  shown.one_C = active.info.plan->one_C;
  if (active.info.plan->reference_vs_li != Volt(0)) shown.reference_vs_li = active.info.plan->reference_vs_li;

  const auto& steps = active.info.plan->steps;
  const std::size_t at = position(active.shown, steps.size());
  Seconds before{0}, total{0};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    total += expected(steps[i]);
    if (i < at) before += expected(steps[i]);
  }
  Seconds in_step{0};
  if (at < steps.size()) {
    if (active.last_sample && active.last_sample->step == at) in_step = active.last_sample->step_time;
    if (const auto* running = std::get_if<sequencer::phase::Running>(&active.shown))
      in_step += running->elapsed;
    shown.step = status::Step{static_cast<std::uint32_t>(at),
                              static_cast<std::uint32_t>(steps.size()),
                              steps[at].cycle,
                              steps[at].label,
                              std::string(cambench::name(steps[at].kind)),
                              in_step};
    in_step = std::min(in_step, expected(steps[at]));
  }
  if (total > Seconds{0}) shown.progress = std::min(1.0, (before + in_step) / total);
  if (std::holds_alternative<sequencer::phase::Running>(active.shown))
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
  if (config_.gauge)
    shown.gauge = instrument_of(config_.gauge->driver, config_.gauge->simulated, gauge_identity_,
                                gauge_trouble_, instruments_.gauge->health());
  if (last_gauge_)
    shown.pressure_second = status::pressure_reading(*last_gauge_, now, rules_.age("press_stale"));
  shown.samples = samples_;
  shown.polls_missed = polls_missed_;
  if (last_pressure_) {
    shown.pressure = status::pressure_reading(*last_pressure_, now, rules_.age("press_stale"));
    shown.pressure_target =
        status::reading(last_pressure_->target, last_pressure_->at, now, rules_.age("press_stale"));
  }
  if (release_) shown.press_release = release_->words();
  if (proof_) shown.press_test = proof_status(proof_->test, proof_->who, proof_->started);
  if (!active_) return shown;
  shown.run = run_status();
  shown.pressure_spikes = active_->run.watch.spikes;
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

}  // namespace cambench
