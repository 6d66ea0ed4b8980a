#include "analysis/cell_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace cambench::rate {

namespace {

std::optional<double> quotient(std::optional<double> a, std::optional<double> b) {
  if (!a || !b || *b <= 0) return std::nullopt;
  return *a / *b;
}

// ---- from cycles to rates

std::optional<double> moved_Ah(const std::optional<HalfCycle>& half, ScoreOptions::Charge by) {
  if (!half) return std::nullopt;
  return by == ScoreOptions::Charge::trapezoid ? std::optional(half->capacity_Ah) : half->counter_Ah;
}

/// E at the end of the charge minus E tau later; none when the first record of the rest came much later than that.
std::optional<double> current_step_V(const Cycle& cycle, double tau_s) {
  if (!cycle.charge || !cycle.relaxation || cycle.relaxation->first_s > 2 * tau_s) return std::nullopt;
  return cycle.charge->end_V - cycle.relaxation->first_V;
}

std::optional<double> overpotential_V(const Cycle& cycle, const ScoreOptions& options) {
  using O = ScoreOptions::Overpotential;
  if (!cycle.charge) return std::nullopt;
  switch (options.overpotential) {
    case O::mean:
      if (!cycle.discharge) return std::nullopt;
      return 0.5 * (cycle.charge->mean_potential_V - cycle.discharge->mean_potential_V);
    case O::half_charge:
      if (!cycle.discharge) return std::nullopt;
      return 0.5 * (cycle.charge->at_half_charge_V - cycle.discharge->at_half_charge_V);
    case O::current_step: return current_step_V(cycle, options.tau_s);
    case O::relaxation:
      if (!cycle.relaxation) return std::nullopt;
      return cycle.charge->end_V - cycle.relaxation->last_V;
  }
  return std::nullopt;
}

CycleValues values_of(const Cycle& cycle, const CellTest& test, const ScoreOptions& options) {
  const auto per_gram = [&](const std::optional<HalfCycle>& half) -> std::optional<double> {
    const auto Ah = moved_Ah(half, options.charge);
    if (!Ah) return std::nullopt;
    return *Ah * 1e3 / test.cam_g;
  };
  CycleValues values{.cycle = cycle.cycle,
                     .rate_C = cycle.discharge->mean_current_A / test.one_C_A,
                     .charge_mAh_g = per_gram(cycle.charge),
                     .discharge_mAh_g = per_gram(cycle.discharge)};
  values.efficiency = quotient(values.discharge_mAh_g, values.charge_mAh_g);
  if (const auto counted = cycle.discharge->counter_Ah; counted && *counted > 0)
    values.counter_deviation = cycle.discharge->capacity_Ah / *counted - 1;
  if (cycle.charge) values.mean_charge_V = cycle.charge->mean_potential_V;
  values.mean_discharge_V = cycle.discharge->mean_potential_V;
  values.overpotential_V = overpotential_V(cycle, options);
  if (const auto step = current_step_V(cycle, options.tau_s);
      step && cycle.charge->end_A > 0 && test.area_cm2 > 0)
    values.resistance_ohm_cm2 = *step / cycle.charge->end_A * test.area_cm2;
  return values;
}

/// 0.0998 and 0.1003 are both 0.1 C.
double to_two_digits(double rate) {
  if (rate <= 0) return 0;
  const double unit = std::pow(10.0, 1 - std::floor(std::log10(rate)));
  return std::round(rate * unit) / unit;
}

bool same_rate(double a, double b, const ScoreOptions& options) {
  return std::abs(a - b) <= options.rate_tolerance * b;
}

/// The first stretch of cycles at a rate: a return to 0.1 C at the end of a test is not the initial capacity.
const RatePoint* at_rate(const std::vector<RatePoint>& rates, double rate_C, const ScoreOptions& options) {
  const auto found =
      std::ranges::find_if(rates, [&](const RatePoint& r) { return same_rate(r.rate_C, rate_C, options); });
  return found == rates.end() ? nullptr : &*found;
}

CellValues evaluate(const CellTest& test, const Material* material, const ScoreOptions& options) {
  CellValues cell{.test = test};
  if (material && options.gram == ScoreOptions::Gram::uncoated)
    cell.test.cam_g *= 1 - material->amount_wt_percent / 100;
  cell.rates = rate_points(cell.test, options);
  const RatePoint *low = at_rate(cell.rates, options.low_C, options),
                  *high = at_rate(cell.rates, options.high_C, options);
  for (const CycleChoice choice : cycle_choices) {
    Capacities& capacities = cell.by_choice[static_cast<std::size_t>(choice)];
    if (low) capacities.low_mAh_g = low->discharge_mAh_g(choice);
    if (high) capacities.high_mAh_g = high->discharge_mAh_g(choice);
    capacities.retention = quotient(capacities.high_mAh_g, capacities.low_mAh_g);
  }
  for (RatePoint& rate : cell.rates)
    rate.retention = quotient(rate.discharge_mAh_g(options.cycle), cell.capacities(options.cycle).low_mAh_g);
  if (!material)
    cell.undefined = fmt::format("the study has no material {}", test.material);
  else if (cell.rates.empty())
    cell.undefined = test.left.empty() ? "it has no discharge, or no mass or no 1 C to judge it by"
                                       : fmt::format("{}", fmt::join(test.left, "; "));
  else if (options.charge == ScoreOptions::Charge::counter &&
           std::ranges::none_of(test.cycles,
                                [](const Cycle& c) { return c.discharge && c.discharge->counter_Ah; }))
    cell.undefined = "its instrument recorded no counter, which the settings ask for";
  return cell;
}

// ---- from cells to scores

using Get = std::optional<double> (*)(const Capacities&);

std::optional<double> low_of(const Capacities& c) { return c.low_mAh_g; }
std::optional<double> retention_of(const Capacities& c) { return c.retention; }

std::vector<double> of_cells(const std::vector<CellValues>& cells, std::string_view material,
                             CycleChoice choice, Get get) {
  std::vector<double> values;
  for (const CellValues& cell : cells) {
    if (!cell.undefined.empty() || cell.test.material != material) continue;
    if (const auto value = get(cell.capacities(choice))) values.push_back(*value);
  }
  return values;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The standard error of the mean, relative to it.
double relative_error(const std::vector<double>& values) {
  const double mean = mean_of(values), n = static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1) / n) / mean;
}

std::optional<double> score_by(const std::vector<CellValues>& cells, std::string_view material,
                               std::string_view reference, CycleChoice choice, Get get) {
  const auto own = of_cells(cells, material, choice, get), base = of_cells(cells, reference, choice, get);
  if (own.empty() || base.empty()) return std::nullopt;
  return quotient(mean_of(own), mean_of(base));
}

/// Why a material has no value: none of its cells was measured, or entered, or has the cycle in question.
std::string why_no_value(const std::vector<CellValues>& cells, std::string_view material,
                         std::string_view missing) {
  if (cells.empty()) return "the study has no rate test";
  std::string reasons;
  for (const CellValues& cell : cells) {
    if (cell.test.material != material) continue;
    reasons += fmt::format("{}cell {}: {}", reasons.empty() ? "" : "; ", cell.test.cell,
                           cell.undefined.empty() ? missing : std::string_view(cell.undefined));
    if (cell.undefined.empty() && !cell.test.left.empty())
      reasons += fmt::format(" ({})", fmt::join(cell.test.left, "; "));
  }
  return reasons.empty() ? fmt::format("no rate test of {}", material) : reasons;
}

QualityScore quality_score(const std::vector<CellValues>& cells, std::string_view material,
                           const ScoreOptions& options, Get get, std::string_view missing) {
  QualityScore score;
  const auto own = of_cells(cells, material, options.cycle, get),
             base = of_cells(cells, options.reference, options.cycle, get);
  if (own.empty())
    score.why_not = why_no_value(cells, material, missing);
  else if (base.empty())
    score.why_not = "nothing to compare with: " + why_no_value(cells, options.reference, missing);
  else if (mean_of(base) <= 0)
    score.why_not = "the uncoated cells moved no charge, so there is nothing to compare with";
  if (!score.why_not.empty()) return score;
  score.value = mean_of(own) / mean_of(base);
  for (const double value : own) score.cells.push_back(value / mean_of(base));
  if (material != options.reference && own.size() >= 2 && base.size() >= 2 && *score.value > 0)
    score.sd = *score.value * std::hypot(relative_error(own), relative_error(base));
  return score;
}

MaterialScores scores_of(const std::vector<CellValues>& cells, const std::string& material,
                         const ScoreOptions& options) {
  const std::string cycle =
      options.cycle == CycleChoice::second ? "second discharge" : "discharge";  // max and mean need one only
  const std::string no_low = fmt::format("it has no {} at {} C", cycle, options.low_C);
  const std::string no_high =
      fmt::format("it has no {} at both {} C and {} C", cycle, options.low_C, options.high_C);
  MaterialScores scores{.material = material};
  scores.cells = static_cast<std::size_t>(std::ranges::count_if(cells, [&](const CellValues& cell) {
    return cell.undefined.empty() && cell.test.material == material;
  }));
  scores.initial = quality_score(cells, material, options, low_of, no_low);
  scores.retention = quality_score(cells, material, options, retention_of, no_high);
  for (const CycleChoice choice : cycle_choices) {
    const auto i = static_cast<std::size_t>(choice);
    scores.initial_by_choice[i] = score_by(cells, material, options.reference, choice, low_of);
    scores.retention_by_choice[i] = score_by(cells, material, options.reference, choice, retention_of);
  }
  return scores;
}

void refuse_other_protocols(std::vector<CellValues>& cells, const std::string& reference) {
  const auto base = std::ranges::find_if(cells, [&](const CellValues& cell) {
    return cell.test.material == reference && cell.undefined.empty();
  });
  if (base == cells.end()) return;
  for (CellValues& cell : cells)
    if (cell.undefined.empty() && cell.test.protocol_hash != base->test.protocol_hash)
      cell.undefined = fmt::format(
          "it ran another protocol than the uncoated cell {} (limits, rates, basis of 1 C or reference "
          "electrode "
          "differ), so their capacities cannot be compared",
          base->test.cell);
}

// ---- what a reader should know

void note_counters(const CellValues& cell, std::vector<std::string>& notes) {
  constexpr double slow = 0.001, fast = 0.005;  // allowed: up to 0.5 C, and above
  const CycleValues* worst = nullptr;
  for (const RatePoint& rate : cell.rates)
    for (const CycleValues& cycle : rate.cycles)
      if (cycle.counter_deviation && std::abs(*cycle.counter_deviation) > (rate.rate_C > 0.5 ? fast : slow) &&
          (!worst || std::abs(*cycle.counter_deviation) > std::abs(*worst->counter_deviation)))
        worst = &cycle;
  if (worst)
    notes.push_back(
        fmt::format("cell {}: in cycle {} the trapezoid on the records and the instrument's own counter "
                    "differ by {:+.2f} %",
                    cell.test.cell, worst->cycle, *worst->counter_deviation * 100));
}

void note_return(const CellValues& cell, const ScoreOptions& options, std::vector<std::string>& notes) {
  const RatePoint* first = at_rate(cell.rates, options.low_C, options);
  if (!first || cell.rates.size() < 2 || &cell.rates.back() == first) return;
  const RatePoint& last = cell.rates.back();
  const auto kept = quotient(last.cycles.front().discharge_mAh_g, first->cycles.back().discharge_mAh_g);
  if (same_rate(last.rate_C, options.low_C, options) && kept)
    notes.push_back(
        fmt::format("cell {}: back at {} C it has {:.1f} % of its capacity before the fast cycles",
                    cell.test.cell, options.low_C, *kept * 100));
}

template <typename Of>
void note_difference(const std::vector<CellValues>& cells, std::string_view sentence, Of of,
                     std::vector<std::string>& notes) {
  std::set<std::string> found;
  std::string list;
  for (const CellValues& cell : cells) {
    if (!cell.undefined.empty()) continue;
    const std::string value = of(cell.test);
    found.insert(value);
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", cell.test.cell, value);
  }
  if (found.size() > 1) notes.push_back(fmt::format("{}: {}", sentence, list));
}

std::vector<std::string> notes_of(const std::vector<CellValues>& cells, const ScoreOptions& options) {
  std::vector<std::string> notes;
  for (const CellValues& cell : cells) {
    const std::string& id = cell.test.cell;
    if (!cell.undefined.empty()) {
      notes.push_back(fmt::format("cell {} enters no score: {}", id, cell.undefined));
      continue;
    }
    if (cell.test.electrodes < 3)
      notes.push_back(fmt::format(
          "cell {} has no reference electrode: its potentials and its overpotential hold the counter "
          "electrode too",
          id));
    for (const auto* sentences : {&cell.test.left, &cell.test.caveats})
      for (const auto& sentence : *sentences) notes.push_back(fmt::format("cell {}: {}", id, sentence));
    note_counters(cell, notes);
    note_return(cell, options, notes);
  }
  note_difference(
      cells, "the cells assume different potentials of their reference electrodes, which shifts the limits",
      [](const CellTest& test) {
        return test.reference_vs_li_V ? fmt::format("{:.3f} V", *test.reference_vs_li_V)
                                      : std::string("none");
      },
      notes);
  return notes;
}

const Material* find_material(std::span<const Material> materials, std::string_view id) {
  const auto found = std::ranges::find(materials, id, &Material::id);
  return found == materials.end() ? nullptr : &*found;
}

Setting overpotential_setting(const ScoreOptions& options) {
  using O = ScoreOptions::Overpotential;
  switch (options.overpotential) {
    case O::mean:
      return {
          "overpotential", "half of (mean E of charge - mean E of discharge)",
          "needs neither open-circuit curve nor state of charge; the paper says only that it was measured "
          "against a reference electrode"};
    case O::half_charge:
      return {"overpotential", "half of (E of charge - E of discharge) at half of each one's charge",
              "at a like state of charge, with less of both ends"};
    case O::current_step:
      return {"overpotential", fmt::format("E at the end of charge - E {} s into the rest", options.tau_s),
              "ohmic part and fast charge transfer; after charge, because the drop after discharge is the "
              "steep end "
              "of the curve"};
    case O::relaxation:
      return {"overpotential", "E at the end of charge - E at the end of the rest",
              "ohmic part, kinetics and diffusion together"};
  }
  return {};
}

}  // namespace

std::string_view to_string(CycleChoice choice) {
  switch (choice) {
    case CycleChoice::first: return "first";
    case CycleChoice::second: return "second";
    case CycleChoice::mean: return "mean";
    case CycleChoice::max: return "max";
  }
  return {};
}

std::vector<RatePoint> rate_points(const CellTest& test, const ScoreOptions& options) {
  std::vector<RatePoint> rates;
  if (test.one_C_A <= 0 || test.cam_g <= 0) return rates;
  for (const Cycle& cycle : test.cycles) {
    if (!cycle.discharge) continue;
    const CycleValues values = values_of(cycle, test, options);
    if (rates.empty() || !same_rate(values.rate_C, rates.back().cycles.front().rate_C, options))
      rates.emplace_back();
    rates.back().cycles.push_back(values);
  }
  for (RatePoint& rate : rates) {
    double sum = 0;
    for (const CycleValues& cycle : rate.cycles) sum += cycle.rate_C;
    rate.rate_C = to_two_digits(sum / static_cast<double>(rate.cycles.size()));
    const bool second = options.overpotential_cycle != CycleChoice::first && rate.cycles.size() > 1;
    rate.overpotential_V = rate.cycles[second ? 1 : 0].overpotential_V;
  }
  return rates;
}

std::optional<double> RatePoint::discharge_mAh_g(CycleChoice choice) const {
  std::vector<double> values;
  for (const CycleValues& cycle : cycles)
    if (cycle.discharge_mAh_g) values.push_back(*cycle.discharge_mAh_g);
  if (values.empty()) return std::nullopt;
  switch (choice) {
    case CycleChoice::first: return values.front();
    case CycleChoice::second: return values.size() > 1 ? std::optional(values[1]) : std::nullopt;
    case CycleChoice::mean: return mean_of(values);
    case CycleChoice::max: return std::ranges::max(values);
  }
  return std::nullopt;
}

const MaterialScores* CellScores::find(std::string_view material) const {
  const auto found = std::ranges::find(materials, material, &MaterialScores::material);
  return found == materials.end() ? nullptr : &*found;
}

CellScores score_cells(std::span<const CellTest> tests, std::span<const Material> materials,
                       const ScoreOptions& options) {
  CellScores result{.options = options};
  for (const CellTest& test : tests)
    result.cells.push_back(evaluate(test, find_material(materials, test.material), options));
  refuse_other_protocols(result.cells, options.reference);
  for (const Material& material : materials)
    result.materials.push_back(scores_of(result.cells, material.id, options));
  result.notes = notes_of(result.cells, options);
  return result;
}

std::vector<Setting> describe(const ScoreOptions& options) {
  const bool trapezoid = options.charge == ScoreOptions::Charge::trapezoid;
  const bool coated = options.gram == ScoreOptions::Gram::coated;
  return {
      {"uncoated reference of rate tests", options.reference, "its QS_0 and QS_ret are 1"},
      {"QS_0", fmt::format("discharge capacity at {} C over that of the uncoated sample", options.low_C),
       "the prose around eq. 2; as printed, eq. 2 equates two samples and defines nothing"},
      {"QS_ret",
       fmt::format(
           "capacity at {} C over that at {} C of the same cell, over the same of the uncoated sample",
           options.high_C, options.low_C),
       "eq. 3; the text also speaks of 1.0 C, which is listed but not scored"},
      {"rate of a cycle",
       fmt::format("its mean discharge current over 1 C, within {} %", options.rate_tolerance * 100),
       "an instrument does not hit the nominal current exactly"},
      {"cycle of a rate", std::string(to_string(options.cycle)),
       "the paper runs two cycles a rate and does not say which counts; all choices are listed"},
      {"charge", trapezoid ? "trapezoid on current and time, within each step" : "the instrument's counter",
       trapezoid ? "the same for every instrument; the counter is compared with it"
                 : "as the instrument reports it"},
      {"gram",
       coated ? "of active material as weighed, coating included" : "of active material without its coating",
       coated ? "the plainest reading of capacity per gram of CAM"
              : "5 wt% of coating alone shift QS_0 by 5 %"},
      {"replicates", "mean of the cells; SD from both means' standard errors",
       "given only when both the sample and the uncoated one have two cells or more"},
      {"Coulombic efficiency", std::string(to_string(Efficiency::discharge_by_charge)),
       "of the same cycle, as for a cathode cell that is charged first; programs disagree about this"},
      overpotential_setting(options),
      {"cycle of the overpotential", std::string(to_string(options.overpotential_cycle)),
       "the first charge at a new rate starts where the slower cycle left off"},
  };
}

}  // namespace cambench::rate
