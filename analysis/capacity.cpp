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

/// Integrals over one step: charge, energy, time, and charge-weighted potential.
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

double potential_at_charge(Step step, double As) {
  double moved = std::abs(step.front().current_A) * std::max(0.0, step.front().step_time_s);
  for (std::size_t i = 1; i < step.size(); ++i) {
    const Row &a = step[i - 1], &b = step[i];
    const double part = 0.5 * std::abs(a.current_A + b.current_A) * (b.step_time_s - a.step_time_s);
    if (moved + part >= As && part > 0)
      return a.potential_V + (b.potential_V - a.potential_V) * std::clamp((As - moved) / part, 0.0, 1.0);
    moved += part;
  }
  return step.back().potential_V;
}

/// A half cycle may be several steps (constant current, then constant voltage): they add up.
void add(std::optional<HalfCycle>& half, Step step, const Integral& sum) {
  const bool first = !half;
  if (first) half.emplace();
  const double before_As = half->capacity_Ah * 3600, As = std::abs(sum.As);
  half->mean_potential_V =
      (half->mean_potential_V * before_As + std::abs(sum.Ws)) / std::max(before_As + As, 1e-300);
  half->capacity_Ah += As / 3600;
  half->energy_Wh += std::abs(sum.Ws) / 3600;
  half->duration_s += sum.s;
  half->mean_current_A = half->duration_s > 0 ? half->capacity_Ah * 3600 / half->duration_s : 0;
  if (first) {
    half->begin_V = step.front().potential_V;
    half->at_half_charge_V = potential_at_charge(step, 0.5 * As);
  }
  half->end_V = step.back().potential_V;
}

void note_rest(Cycle& cycle, Step rest) {
  if (!cycle.charge || cycle.discharge) return;  // only the rest between charge and discharge
  const auto after_1s = std::ranges::find_if(rest, [](const Row& r) { return r.step_time_s >= 1.0; });
  if (after_1s != rest.end()) cycle.after_charge_1s_V = after_1s->potential_V;
  cycle.after_charge_rest_V = rest.back().potential_V;
}

void note_counters(Cycle& cycle, const Row& row) {
  if (cycle.charge && row.charged_Ah) cycle.charge->counter_Ah = row.charged_Ah;
  if (cycle.discharge && row.discharged_Ah) cycle.discharge->counter_Ah = row.discharged_Ah;
}

}  // namespace

std::optional<double> Cycle::efficiency() const {
  if (!charge || !discharge || charge->capacity_Ah <= 0) return std::nullopt;
  return discharge->capacity_Ah / charge->capacity_Ah;
}

std::vector<Cycle> cycles(std::span<const Row> rows) {
  std::vector<Cycle> all;
  for (const Step step : steps_of(rows)) {
    const Integral sum = integrate(step);
    if (all.empty() || all.back().cycle != step.front().cycle) all.push_back({.cycle = step.front().cycle});
    Cycle& cycle = all.back();
    const bool current =
        std::ranges::any_of(step, [](const Row& r) { return std::abs(r.current_A) > no_current_A; });
    if (!current)
      note_rest(cycle, step);
    else
      add(sum.As > 0 ? cycle.charge : cycle.discharge, step, sum);
    note_counters(cycle, step.back());
  }
  std::erase_if(all, [](const Cycle& c) { return !c.charge && !c.discharge; });
  return all;
}

}  // namespace cambench::rate
