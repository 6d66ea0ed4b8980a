#include "daemon/sequencer/interlocks.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <utility>

#include "daemon/sequencer/words.h"

namespace cambench::sequencer {

namespace {

constexpr MegaPascal sensor_noise{0.5};

/// Whether a press cannot have gone from one reading to the other in the time between them.
bool jumped(const Rules& rules, const PressureSample& from, const PressureSample& to) {
  const Seconds between = std::max(press_poll, Seconds(to.at.steady - from.at.steady));
  const double fastest_MPa_per_s = rules.row("pressure_bad").limit * rules.time_scale;
  return abs(*to.pressure - *from.pressure) > MegaPascal(fastest_MPa_per_s * between.count()) + sensor_noise;
}

std::optional<Trip> judge_bad(Watch& watch, const Rules& rules, bool bad, std::string_view why, Instant at) {
  watch.pressure_bad.add(bad, at);
  const Interlock& row = rules.row("pressure_bad");
  if (!bad || !watch.pressure_target || !watch.pressure_bad.trip(row)) return std::nullopt;
  return trip(
      rules, row.cause,
      fmt::format("{} of {} pressure readings are bad: {}", watch.pressure_bad.bad(row.of), row.of, why));
}

std::optional<Trip> judge_ramp(Watch& watch, const Rules& rules, const PressureSample& sample) {
  if (!sample.ramp) return std::nullopt;
  const Interlock& row = rules.row("press_not_following");
  const MegaPascal error = abs(*sample.pressure - *sample.ramp);
  watch.not_following.add(error > MegaPascal(row.limit), sample.at.steady);
  if (!watch.not_following.trip(row)) return std::nullopt;
  return trip(rules, row.cause,
              fmt::format("{}, and its ramp is at {}", words(*sample.pressure), words(*sample.ramp)));
}

/// How far the second sensor is away, in words; empty while it agrees. What disagreed has to come well inside its limit.
std::optional<std::string> contradicted(const Watch& watch, const Rules& rules,
                                        const PressureSample& sample) {
  constexpr double well_inside = 0.8;
  if (!sample.second && sample.second_owed) return "the second sensor gives no reading";
  if (!sample.second || !sample.pressure) return std::nullopt;
  const double limit_MPa = rules.row("sensors_disagree").limit * (watch.disagree.bad(1) ? well_inside : 1);
  if (abs(*sample.second - *sample.pressure) <= MegaPascal(limit_MPa)) return std::nullopt;
  return fmt::format("{}, and the second sensor shows {}", words(*sample.pressure), words(*sample.second));
}

std::optional<Trip> judge_second(Watch& watch, const Rules& rules, const PressureSample& sample) {
  const auto why = contradicted(watch, rules, sample);
  watch.disagree.add(why.has_value(), sample.at.steady);
  const Interlock& row = rules.row("sensors_disagree");
  if (!watch.disagree.trip(row)) return std::nullopt;
  return trip(rules, row.cause, fmt::format("for {:g} s: {}", row.longest.count(), *why));
}

/// A reading that is believed.
std::optional<Trip> judge_value(Watch& watch, const Rules& rules, const PressureSample& sample) {
  const Instant at = sample.at.steady;
  watch.believed = sample;
  watch.good_pressure_at = at;
  watch.trend.add(at, *sample.pressure);
  if (!watch.pressure_target || watch.releases) return std::nullopt;

  const MegaPascal p = *sample.pressure, target = *watch.pressure_target, band = watch.pressure_band;
  const Interlock &over = rules.row("over_pressure"), &lost = rules.row("pressure_lost"),
                  &low = rules.row("pressure_low");
  if (!watch.pressure_arrived) watch.pressure_from = std::min(watch.pressure_from.value_or(p), p);
  const MegaPascal highest = watch.pressure_arrived ? target : std::max(target, *watch.pressure_from);
  if (p > over.limit * highest + band)
    return trip(rules, over.cause, fmt::format("{}, target {}", words(p), words(target)));
  watch.in_band = abs(p - target) <= band ? watch.in_band + 1 : 0;
  if (watch.in_band >= rules.arrival_votes) watch.pressure_arrived = true;
  if (!watch.pressure_arrived) return judge_ramp(watch, rules, sample);

  watch.pressure_over.add(p > target + band, at);
  watch.pressure_lost.add(p < lost.limit * target, at);
  watch.pressure_low.add(p < target - band, at);
  const auto seen = [&] {
    return fmt::format("{}, target {:.2f} +- {}", words(p), target.value(), words(band));
  };
  if (watch.pressure_over.trip(over)) return trip(rules, over.cause, seen());
  if (watch.pressure_lost.trip(lost)) return trip(rules, lost.cause, seen());
  if (watch.pressure_low.trip(low)) return trip(rules, low.cause, seen());
  return judge_second(watch, rules, sample);
}

/// A jump that no press can make is believed once a second reading agrees with it; till then it is a bad reading.
std::optional<Trip> judge_pressure(Watch& watch, const Rules& rules, const PressureSample& sample) {
  const Instant at = sample.at.steady;
  watch.last_pressure = sample;
  if (!sample.pressure) return judge_bad(watch, rules, true, sample.trouble, at);
  const auto from = [&](const PressureSample& other) { return abs(*sample.pressure - *other.pressure); };
  const auto first = std::exchange(watch.unbelieved, std::nullopt);
  if (first && !jumped(rules, *first, sample) && from(*first) <= from(*watch.believed)) {
    --watch.spikes;
    (void)judge_bad(watch, rules, false, {}, at);
    if (auto tripped = judge_value(watch, rules, *first)) return tripped;
    return judge_value(watch, rules, sample);
  }
  if (!watch.believed || !jumped(rules, *watch.believed, sample)) {
    (void)judge_bad(watch, rules, false, {}, at);
    return judge_value(watch, rules, sample);
  }
  watch.unbelieved = sample;
  ++watch.spikes;
  return judge_bad(watch, rules, true,
                   fmt::format("it jumped from {:.2f} to {:.2f} MPa", watch.believed->pressure->value(),
                               sample.pressure->value()),
                   at);
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
  const Interlock& row = rules.row("current_deviates");
  const Ampere allowed(std::max(std::abs(step.current.value()) * row.limit, 2e-6));
  watch.wrong_current.add(settled && abs(*sample.current - step.current) > allowed, sample.at.steady);
  if (!watch.wrong_current.trip(row)) return std::nullopt;
  return trip(rules, row.cause,
              fmt::format("{:.4g} mA measured, {:.4g} mA set", sample.current->value() * 1e3,
                          step.current.value() * 1e3));
}

/// Where the counter electrode stands against the reference moves slowly; when it jumps, the reference is lost. The first
/// points of a step may still settle.
std::optional<Trip> judge_reference(Watch& watch, const Rules& rules, const PlannedStep& step,
                                    const Sample& sample) {
  if (!sample.we_vs_re || !sample.cell || sample.step_time <= step.sampling) return std::nullopt;
  const Interlock& row = rules.row("reference_lost");
  const Volt now = *sample.we_vs_re - *sample.cell;
  const bool bad = watch.counter_vs_reference && abs(now - *watch.counter_vs_reference) > Volt(row.limit);
  watch.reference.add(bad, sample.at.steady);
  if (!bad) watch.counter_vs_reference = now;
  if (!watch.reference.trip(row)) return std::nullopt;
  return trip(rules, row.cause,
              fmt::format("the counter electrode went from {:.3f} to {:.3f} V against the reference",
                          watch.counter_vs_reference->value(), now.value()));
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
  const Interlock &guard = rules.row("potential_guard"), &marked = rules.row("overload");
  const Volt margin(guard.limit);
  const bool outside = (we && *we > margin) || (cell && *cell > margin);
  count_charge(watch, sample);
  watch.last = sample;

  watch.beyond_guard.add(outside, sample.at.steady);
  if (watch.beyond_guard.trip(guard))
    return trip(
        rules, guard.cause,
        fmt::format("E(WE vs RE) {:.3f} V, cell {:.3f} V", sample.we_vs_re.value_or(Volt(NAN)).value(),
                    sample.cell.value_or(Volt(NAN)).value()));
  if (guards.charge_max && AmpereHour(std::abs(watch.charge.value())) > *guards.charge_max)
    return trip(rules, "charge_guard",
                fmt::format("{:.4f} mAh moved, {:.4f} mAh allowed", watch.charge.value() * 1e3,
                            guards.charge_max->value() * 1e3));
  const bool is_marked = sample.status & (reading_status::overload | reading_status::bad);
  watch.overload.add(is_marked, sample.at.steady);
  if (watch.overload.trip(marked))
    return trip(rules, marked.cause,
                fmt::format("{} of {} readings are marked overloaded or bad", watch.overload.bad(marked.of),
                            marked.of));
  if (auto lost = judge_reference(watch, rules, step, sample)) return lost;
  return judge_current(watch, rules, step, sample);
}

std::optional<Trip> judge_ages(const Watch& watch, const Rules& rules, const PlannedStep* step, Instant now) {
  if (watch.pressure_target && watch.good_pressure_at) {
    const Seconds age = now - *watch.good_pressure_at;
    if (age > rules.age("press_stale"))
      return trip(rules, "press_stale",
                  fmt::format("the last good pressure reading is {:.1f} s old", age.count()));
  }
  if (step && step->kind != PlannedStep::Kind::press && watch.heard_at) {
    const Seconds silent = now - *watch.heard_at;
    const Seconds allowed = 3 * std::max(step->record_every, step->sampling) / rules.time_scale +
                            rules.age("potentiostat_silent");
    if (silent > allowed)
      return trip(rules, "potentiostat_silent", fmt::format("no sample for {:.1f} s", silent.count()));
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

const Interlock& Rules::row(std::string_view cause) const {
  const Interlock* found = find_row(*table, cause);
  assert(found);
  return *found;
}

void Votes::add(bool bad, Instant at) {
  bits_ = static_cast<std::uint16_t>(bits_ << 1 | (bad ? 1 : 0));
  if (!bad) bad_since_.reset();
  if (bad && !bad_since_) bad_since_ = at;
  last_ = at;
}

unsigned Votes::bad(unsigned of) const {
  return static_cast<unsigned>(std::popcount(static_cast<std::uint32_t>(bits_ & ((1u << of) - 1))));
}

bool Votes::trip(const Interlock& row) const {
  if (!row.warns_first && bad(row.of) >= row.votes) return true;
  return row.longest > Seconds{0} && bad_since_ && last_ - *bad_since_ >= row.longest;
}

Trip trip(const Rules& rules, std::string_view cause, std::string text) {
  return {std::string(cause), std::move(text), rules.row(cause).press};
}

void begin_step(Watch& watch, Instant now) {
  watch.heard_at = now;
  watch.last.reset();
  watch.counter_vs_reference.reset();
  watch.beyond_guard.clear();
  watch.reference.clear();
  watch.overload.clear();
  watch.wrong_current.clear();
}

void expect_pressure(Watch& watch, MegaPascal target, MegaPascal band, Instant now) {
  watch.pressure_target = target;
  watch.pressure_band = band;
  watch.pressure_from = watch.believed ? watch.believed->pressure : std::nullopt;
  watch.pressure_arrived = watch.releases = false;
  watch.in_band = 0;
  watch.good_pressure_at = now;  // from now on a reading is owed
  watch.pressure_low.clear();
  watch.pressure_lost.clear();
  watch.pressure_over.clear();
  watch.not_following.clear();
  watch.disagree.clear();
}

void expect_release(Watch& watch) {
  forget_arrival(watch);
  watch.releases = true;
}

void forget_arrival(Watch& watch) {
  watch.pressure_arrived = false;
  watch.in_band = 0;
  watch.pressure_low.clear();
  watch.pressure_lost.clear();
  watch.pressure_over.clear();
  watch.disagree.clear();
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
  const bool pressure_cause =
      cause.starts_with("press") || cause == "over_pressure" || cause == "sensors_disagree";
  if (!pressure_cause) return std::nullopt;
  if (!watch.last_pressure || now - watch.last_pressure->at.steady > rules.age("press_stale"))
    return "no fresh pressure reading";
  if (watch.pressure_bad.bad() > 0) return "the last five pressure readings are not all good";
  const auto& p = watch.last_pressure->pressure;
  if ((cause == "pressure_low" || cause == "pressure_lost") && watch.trend.falls())
    return fmt::format("the pressure still falls, {} now", words(*p));
  if (cause == "sensors_disagree") return contradicted(watch, rules, *watch.last_pressure);
  // Hysteresis: well inside the band, or the next breath of the cell trips again.
  if (cause == "over_pressure" && watch.pressure_target &&
      *p > *watch.pressure_target + 0.5 * watch.pressure_band)
    return "the pressure is still " + words(*p);
  return std::nullopt;
}

}  // namespace cambench::sequencer
