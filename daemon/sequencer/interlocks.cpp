#include "daemon/sequencer/interlocks.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace cambench::sequencer {

namespace {

constexpr std::array table{
    Interlock{"over_pressure", Mechanical::vent, "the pressure is above its limit"},
    Interlock{"pressure_lost", Mechanical::hold, "the pressure fell below half of its target"},
    Interlock{"pressure_low", Mechanical::hold, "the pressure left its band"},
    Interlock{"pressure_bad", Mechanical::hold, "the pressure reading cannot be believed"},
    Interlock{"press_stale", Mechanical::hold, "no good pressure reading came in time"},
    Interlock{"press_late", Mechanical::hold, "the press did not arrive in time"},
    Interlock{"potential_guard", Mechanical::hold, "a potential went beyond its guard"},
    Interlock{"charge_guard", Mechanical::hold, "more charge moved than the step allows"},
    Interlock{"overload", Mechanical::hold, "the instrument reports an overloaded range"},
    Interlock{"current_deviates", Mechanical::hold, "the measured current is not the one that was set"},
    Interlock{"potentiostat_silent", Mechanical::hold, "the potentiostat says nothing"},
    Interlock{"step_overdue", Mechanical::hold, "the instrument did not end the step in time"},
    Interlock{"ocv_window", Mechanical::hold, "the cell at rest is outside its window"},
    Interlock{"guard_on_board", Mechanical::hold, "a guard inside the instrument ended the step"},
    Interlock{"instrument_error", Mechanical::hold, "the instrument reported an error"},
    Interlock{"unknown_end", Mechanical::hold, "nobody can say how the step ended"},
    Interlock{"power_cycled", Mechanical::hold, "the instrument was switched off and on"},
    Interlock{"wrong_instrument", Mechanical::hold, "another instrument answers than the configured one"},
    Interlock{"foreign_program", Mechanical::hold, "the instrument runs a program that is not ours"},
    Interlock{"fault", Mechanical::hold, "an instrument or the store failed"},
};

std::optional<Trip> judge_pressure(Watch& watch, const Rules& rules, const PressureSample& sample) {
  watch.last_pressure = sample;
  watch.pressure_bad.add(!sample.pressure);
  if (watch.pressure_target && watch.pressure_bad.bad() >= rules.votes)
    return trip("pressure_bad", fmt::format("{} of 5 pressure readings are bad: {}", watch.pressure_bad.bad(),
                                            sample.trouble));
  if (!sample.pressure) return std::nullopt;
  watch.good_pressure_at = sample.at.steady;
  watch.trend.add(sample.at.steady, *sample.pressure);
  if (!watch.pressure_target) return std::nullopt;

  const MegaPascal p = *sample.pressure, target = *watch.pressure_target, band = watch.pressure_band;
  if (p > rules.hard_factor * target + band)
    return trip("over_pressure", fmt::format("{:.2f} MPa, target {:.2f} MPa", p.value(), target.value()));
  watch.in_band = abs(p - target) <= band ? watch.in_band + 1 : 0;
  if (watch.in_band >= rules.votes) watch.pressure_arrived = true;
  if (!watch.pressure_arrived) return std::nullopt;

  watch.pressure_over.add(p > target + band);
  watch.pressure_lost.add(p < rules.lost_fraction * target);
  watch.pressure_low.add(p < target - band);
  const auto seen = [&] {
    return fmt::format("{:.2f} MPa, target {:.2f} +- {:.2f} MPa", p.value(), target.value(), band.value());
  };
  if (watch.pressure_over.last_two()) return trip("over_pressure", seen());
  if (watch.pressure_lost.last_two()) return trip("pressure_lost", seen());
  if (watch.pressure_low.bad() >= rules.votes) return trip("pressure_low", seen());
  return std::nullopt;
}

/// How far a potential lies beyond its guard; negative inside, empty without a guard or a reading.
std::optional<Volt> beyond(std::optional<Volt> value, std::optional<Volt> low, std::optional<Volt> high) {
  if (!value || (!low && !high)) return std::nullopt;
  Volt worst(-1e9);
  if (high) worst = std::max(worst, *value - *high);
  if (low) worst = std::max(worst, *low - *value);
  return worst;
}

void count_charge(Watch& watch, const Sample& sample) {
  if (!sample.current) return;
  const Seconds since = watch.last ? sample.step_time - watch.last->step_time : sample.step_time;
  const Ampere before = watch.last && watch.last->current ? *watch.last->current : *sample.current;
  const double ampere_seconds = 0.5 * (before + *sample.current).value() * std::max(0.0, since.count());
  watch.charge = watch.charge + AmpereHour(ampere_seconds / 3600.0);
}

std::optional<Trip> judge_current(Watch& watch, const Rules& rules, const PlannedStep& step,
                                  const Sample& sample) {
  if (step.kind != PlannedStep::Kind::constant_current || !sample.current) return std::nullopt;
  const bool settled = sample.step_time > step.sampling;  // the first point may still be on its way
  const Ampere allowed(std::max(std::abs(step.current.value()) * rules.current_tolerance, 2e-6));
  watch.wrong_current.add(settled && abs(*sample.current - step.current) > allowed);
  if (watch.wrong_current.bad() < rules.votes) return std::nullopt;
  return trip("current_deviates", fmt::format("{:.4g} mA measured, {:.4g} mA set",
                                              sample.current->value() * 1e3, step.current.value() * 1e3));
}

std::optional<Trip> judge_sample(Watch& watch, const Rules& rules, const PlannedStep& step,
                                 const Sample& sample, Instant now) {
  if (sample.step != step.index) return std::nullopt;  // a late row of another step is data, not a verdict
  watch.heard_at = now;
  const bool late = sample.status & reading_status::late;
  const Seconds last = watch.last ? watch.last->step_time : Seconds(-1);
  if (sample.step_time < last || (late && sample.step_time == last)) return std::nullopt;  // out of its order
  const Guards& guards = step.guards;
  const auto we = beyond(sample.we_vs_re, guards.we_min, guards.we_max);
  const auto cell = beyond(sample.cell, guards.cell_min, guards.cell_max);
  const bool outside = (we && *we > rules.potential_margin) || (cell && *cell > rules.potential_margin);
  count_charge(watch, sample);
  watch.last = sample;

  watch.beyond_guard.add(outside);
  if (watch.beyond_guard.bad() >= rules.votes)
    return trip("potential_guard", fmt::format("E(WE vs RE) {:.3f} V, cell {:.3f} V",
                                               sample.we_vs_re.value_or(Volt(NAN)).value(),
                                               sample.cell.value_or(Volt(NAN)).value()));
  if (guards.charge_max && AmpereHour(std::abs(watch.charge.value())) > *guards.charge_max)
    return trip("charge_guard", fmt::format("{:.4f} mAh moved, {:.4f} mAh allowed",
                                            watch.charge.value() * 1e3, guards.charge_max->value() * 1e3));
  watch.overload.add(sample.status & (reading_status::overload | reading_status::bad));
  if (watch.overload.bad() >= rules.votes)
    return trip("overload",
                fmt::format("{} of 5 readings are marked overloaded or bad", watch.overload.bad()));
  return judge_current(watch, rules, step, sample);
}

std::optional<Trip> judge_ages(const Watch& watch, const Rules& rules, const PlannedStep* step, Instant now) {
  if (watch.pressure_target && watch.good_pressure_at) {
    const Seconds age = now - *watch.good_pressure_at;
    if (age > rules.press_stale)
      return trip("press_stale", fmt::format("the last good pressure reading is {:.1f} s old", age.count()));
  }
  if (step && step->kind != PlannedStep::Kind::press && watch.heard_at) {
    const Seconds silent = now - *watch.heard_at;
    const Seconds allowed =
        3 * std::max(step->record_every, step->sampling) / rules.time_scale + rules.potentiostat_silent;
    if (silent > allowed)
      return trip("potentiostat_silent", fmt::format("no sample for {:.1f} s", silent.count()));
  }
  return std::nullopt;
}

}  // namespace

void Trend::add(Instant at, MegaPascal pressure) {
  constexpr Seconds span{2};  // of wire time: ten readings
  readings_.push_back({at, pressure});
  while (at - readings_.front().at > span) readings_.pop_front();
}

bool Trend::falls() const {
  constexpr MegaPascal noise{0.2};
  if (readings_.empty()) return false;
  const auto highest = std::ranges::max_element(readings_, {}, &Reading::pressure);
  return highest->pressure - readings_.back().pressure > noise;
}

std::span<const Interlock> interlock_table() { return table; }

Trip trip(std::string_view cause, std::string text) {
  const auto row = std::ranges::find(table, cause, &Interlock::cause);
  const Mechanical press = row == table.end() ? Mechanical::hold : row->press;
  return {std::string(cause), std::move(text), press};
}

void begin_step(Watch& watch, Instant now) {
  watch.heard_at = now;
  watch.last.reset();
  watch.charge = AmpereHour(0);
  watch.beyond_guard.clear();
  watch.overload.clear();
  watch.wrong_current.clear();
}

void expect_pressure(Watch& watch, MegaPascal target, MegaPascal band, Instant now) {
  watch.pressure_target = target;
  watch.pressure_band = band;
  watch.pressure_arrived = false;
  watch.in_band = 0;
  watch.good_pressure_at = now;  // from now on a reading is owed
  watch.pressure_low.clear();
  watch.pressure_lost.clear();
  watch.pressure_over.clear();
}

std::optional<Trip> observe(Watch& watch, const Rules& rules, const PlannedStep* step, const Event& event,
                            Instant now) {
  if (const auto* read = std::get_if<event::PressureRead>(&event))
    return judge_pressure(watch, rules, read->sample);
  if (const auto* sampled = std::get_if<event::Sampled>(&event))
    return step ? judge_sample(watch, rules, *step, sampled->sample, now) : std::nullopt;
  if (std::holds_alternative<event::Tick>(event)) return judge_ages(watch, rules, step, now);
  return std::nullopt;
}

std::optional<std::string> still_stands(const Watch& watch, const Rules& rules, std::string_view cause,
                                        Instant now) {
  const bool pressure_cause = cause.starts_with("press") || cause == "over_pressure";
  if (!pressure_cause) return std::nullopt;
  if (!watch.last_pressure || now - watch.last_pressure->at.steady > rules.press_stale)
    return "no fresh pressure reading";
  if (watch.pressure_bad.bad() > 0) return "the last five pressure readings are not all good";
  const auto& p = watch.last_pressure->pressure;
  if ((cause == "pressure_low" || cause == "pressure_lost") && watch.trend.falls())
    return fmt::format("the pressure still falls, {:.2f} MPa now", p->value());
  if (cause == "over_pressure" && watch.pressure_target && *p > *watch.pressure_target + watch.pressure_band)
    return fmt::format("the pressure is still {:.2f} MPa", p->value());
  return std::nullopt;
}

}  // namespace cambench::sequencer
