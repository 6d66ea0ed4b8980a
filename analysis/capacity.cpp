#include "analysis/capacity.h"

#include <algorithm>
#include <cmath>

namespace cambench::rate {

namespace {

/// Less than this is no current: bias of an open circuit, never a programme of a battery test.
constexpr double no_current_A = 1e-7;

/// The rows of one step.
using Step = std::span<const Row>;

std::vector<Step> steps_of(std::span<const Row> rows) {
  std::vector<Step> steps;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= rows.size(); ++i) {
    const bool new_step = i == rows.size() || rows[i].step != rows[begin].step ||
                          rows[i].cycle != rows[begin].cycle || rows[i].step_time_s < rows[i - 1].step_time_s;
    if (!new_step) continue;
    steps.push_back(rows.subspan(begin, i - begin));
    begin = i;
  }
  return steps;
}

/// Integrals over one step: charge, energy, time. Signed as the current is.
struct Integral {
  double As = 0, Ws = 0, s = 0;
};

Integral integrate(Step step) {
  Integral sum;
  const Row& first = step.front();
  const double lead = std::max(0.0, first.step_time_s);  // from the step's start, current and potential held
  sum.As = first.current_A * lead;
  sum.Ws = first.current_A * first.potential_V * lead;
  sum.s = lead;
  for (std::size_t i = 1; i < step.size(); ++i) {
    const Row &a = step[i - 1], &b = step[i];
    const double dt = b.step_time_s - a.step_time_s;
    sum.As += 0.5 * (a.current_A + b.current_A) * dt;
    sum.Ws += 0.5 * (a.current_A * a.potential_V + b.current_A * b.potential_V) * dt;
    sum.s += dt;
  }
  return sum;
}

/// The potential at which `As` has moved, or how much of it has when the step ends before.
struct Reached {
  std::optional<double> potential_V;
  double moved_As = 0;
};

Reached potential_at_charge(Step step, double As) {
  double moved = std::abs(step.front().current_A) * std::max(0.0, step.front().step_time_s);
  for (std::size_t i = 1; i < step.size(); ++i) {
    const Row &a = step[i - 1], &b = step[i];
    const double part = 0.5 * std::abs(a.current_A + b.current_A) * (b.step_time_s - a.step_time_s);
    if (moved + part >= As && part > 0)
      return {a.potential_V + (b.potential_V - a.potential_V) * std::clamp((As - moved) / part, 0.0, 1.0),
              As};
    moved += part;
  }
  return {std::nullopt, moved};
}

double potential_at_half_charge(std::span<const Step> steps, double half_As) {
  for (const Step step : steps) {
    const Reached reached = potential_at_charge(step, half_As);
    if (reached.potential_V) return *reached.potential_V;
    half_As -= reached.moved_As;
  }
  return steps.back().back().potential_V;
}

std::optional<HalfCycle> half_cycle(std::span<const Step> steps) {
  if (steps.empty()) return std::nullopt;
  double As = 0, Ws = 0;
  HalfCycle half;
  for (const Step step : steps) {
    const Integral sum = integrate(step);
    As += sum.As;
    Ws += sum.Ws;
    half.duration_s += sum.s;
  }
  half.capacity_Ah = std::abs(As) / 3600;
  half.energy_Wh = std::abs(Ws) / 3600;
  half.mean_potential_V = As != 0 ? Ws / As : steps.front().front().potential_V;
  half.mean_current_A = half.duration_s > 0 ? std::abs(As) / half.duration_s : 0;
  half.begin_V = steps.front().front().potential_V;
  half.end_V = steps.back().back().potential_V;
  half.end_A = std::abs(steps.back().back().current_A);
  half.at_half_charge_V = potential_at_half_charge(steps, 0.5 * std::abs(As));
  return half;
}

std::optional<Relaxation> relaxation_of(Step rest, double tau_s) {
  const auto after_tau = std::ranges::find_if(rest, [&](const Row& r) { return r.step_time_s >= tau_s; });
  if (after_tau == rest.end()) return std::nullopt;
  return Relaxation{.first_s = after_tau->step_time_s,
                    .first_V = after_tau->potential_V,
                    .last_s = rest.back().step_time_s,
                    .last_V = rest.back().potential_V};
}

/// A cycle being put together.
struct Steps {
  std::vector<Step> charge, discharge;
  std::optional<Step> rest;  // the one between charge and discharge
  const Row* last = nullptr;
};

/// Which way most of the charge went; of a single row that took no time, which way its current goes.
bool charges(Step step) {
  const double As = integrate(step).As;
  return As > 0 || (As == 0 && step.back().current_A > 0);
}

void sort_in(Steps& steps, Step step) {
  steps.last = &step.back();
  const bool current =
      std::ranges::any_of(step, [](const Row& r) { return std::abs(r.current_A) > no_current_A; });
  if (current)
    (charges(step) ? steps.charge : steps.discharge).push_back(step);
  else if (!steps.charge.empty() && steps.discharge.empty())
    steps.rest = step;
}

Cycle cycle_of(std::uint32_t number, const Steps& steps, double tau_s) {
  Cycle cycle{.cycle = number, .charge = half_cycle(steps.charge), .discharge = half_cycle(steps.discharge)};
  if (steps.rest) cycle.relaxation = relaxation_of(*steps.rest, tau_s);
  if (cycle.charge) cycle.charge->counter_Ah = steps.last->charged_Ah;
  if (cycle.discharge) cycle.discharge->counter_Ah = steps.last->discharged_Ah;
  return cycle;
}

}  // namespace

std::string_view to_string(Efficiency convention) {
  return convention == Efficiency::discharge_by_charge ? "discharge / charge" : "charge / discharge";
}

std::optional<double> Cycle::efficiency(Efficiency convention) const {
  if (!charge || !discharge || charge->capacity_Ah <= 0 || discharge->capacity_Ah <= 0) return std::nullopt;
  return convention == Efficiency::discharge_by_charge ? discharge->capacity_Ah / charge->capacity_Ah
                                                       : charge->capacity_Ah / discharge->capacity_Ah;
}

std::vector<Cycle> cycles(std::span<const Row> rows, double tau_s) {
  std::vector<Cycle> all;
  const std::vector<Step> steps = steps_of(rows);
  for (std::size_t i = 0; i < steps.size();) {
    const std::uint32_t number = steps[i].front().cycle;
    Steps of_cycle;
    for (; i < steps.size() && steps[i].front().cycle == number; ++i) sort_in(of_cycle, steps[i]);
    const Cycle cycle = cycle_of(number, of_cycle, tau_s);
    if (cycle.charge || cycle.discharge) all.push_back(cycle);
  }
  return all;
}

}  // namespace cambench::rate
