#include "analysis/cell_scores.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

namespace cambench::rate {

namespace {

constexpr std::array choices{CycleChoice::first, CycleChoice::second, CycleChoice::mean, CycleChoice::max};

/// 0.0998 and 0.1003 are both 0.1 C.
double two_digits(double rate) {
  if (rate <= 0) return 0;
  const double unit = std::pow(10.0, std::floor(std::log10(rate)) - 1);
  return std::round(rate / unit) * unit;
}

bool same_rate(double a, double b) { return std::abs(a - b) < 0.02 * std::max(a, b); }

std::optional<double> chosen(const std::vector<double>& values, CycleChoice choice) {
  if (values.empty()) return std::nullopt;
  switch (choice) {
    case CycleChoice::first: return values.front();
    case CycleChoice::second: return values.size() > 1 ? std::optional(values[1]) : std::nullopt;
    case CycleChoice::mean:
      return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    case CycleChoice::max: return *std::ranges::max_element(values);
  }
  return std::nullopt;
}

/// Mean and sample SD of what the replicates gave.
Scored over_cells(const std::vector<double>& values, std::string why_not) {
  if (values.empty()) return {std::nullopt, std::nullopt, std::move(why_not)};
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, std::nullopt, ""};
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / (n - 1)), ""};
}

/// What one cell has to say for one choice of cycle.
struct Capacities {
  std::optional<double> low, high;
  [[nodiscard]] std::optional<double> retention() const {
    if (!low || !high || *low <= 0) return std::nullopt;
    return *high / *low;
  }
};

const RatePoint* at_rate(const std::vector<RatePoint>& points, double rate) {
  const auto found =
      std::ranges::find_if(points, [&](const RatePoint& p) { return same_rate(p.rate_C, rate); });
  return found == points.end() ? nullptr : &*found;
}

Capacities capacities(const std::vector<RatePoint>& points, const ScoreOptions& options, CycleChoice choice) {
  const RatePoint *low = at_rate(points, options.low_C), *high = at_rate(points, options.high_C);
  return {low ? chosen(low->discharge_mAh_g, choice) : std::nullopt,
          high ? chosen(high->discharge_mAh_g, choice) : std::nullopt};
}

/// Second cycle where there is one: the first charge of a rate starts where the slower rate left off.
std::optional<double> overpotential(const std::vector<RatePoint>& points, double rate) {
  const RatePoint* at = at_rate(points, rate);
  if (!at || at->polarisation_V.empty()) return std::nullopt;
  return 0.5 * at->polarisation_V[at->polarisation_V.size() > 1 ? 1 : 0];
}

/// The replicates of one material.
struct Replicates {
  std::vector<std::string> cells;
  std::vector<std::vector<RatePoint>> points;
};

template <typename Get>
std::vector<double> collect(const Replicates& replicates, Get get) {
  std::vector<double> values;
  for (const auto& points : replicates.points)
    if (const auto value = get(points)) values.push_back(*value);
  return values;
}

/// A quotient of two means; its relative error is the root of the sum of the squared relative standard errors.
Scored quotient(const Scored& a, std::size_t n_a, const Scored& b, std::size_t n_b) {
  if (!a.value) return {std::nullopt, std::nullopt, a.why_not};
  if (!b.value) return {std::nullopt, std::nullopt, "the uncoated cell: " + b.why_not};
  if (*b.value <= 0) return {std::nullopt, std::nullopt, "the uncoated cell has no capacity to compare with"};
  Scored q{*a.value / *b.value, std::nullopt, ""};
  const auto relative = [](const Scored& s, std::size_t n) {
    return s.sd && *s.value != 0 ? *s.sd / *s.value / std::sqrt(static_cast<double>(n)) : 0.0;
  };
  if (a.sd || b.sd) q.sd = *q.value * std::hypot(relative(a, n_a), relative(b, n_b));
  return q;
}

struct Basis {
  Scored low, high, retention;
};

Basis basis_of(const Replicates& replicates, const ScoreOptions& options, CycleChoice choice) {
  const auto missing = [&](double rate) {
    return fmt::format("no {} cycle at {:g} C", to_string(choice) == "second" ? "second" : "complete", rate);
  };
  return {over_cells(collect(replicates, [&](const auto& p) { return capacities(p, options, choice).low; }),
                     missing(options.low_C)),
          over_cells(collect(replicates, [&](const auto& p) { return capacities(p, options, choice).high; }),
                     missing(options.high_C)),
          over_cells(
              collect(replicates, [&](const auto& p) { return capacities(p, options, choice).retention(); }),
              missing(options.high_C))};
}

MaterialScores score(const std::string& material, const Replicates& own, const Replicates& uncoated,
                     const ScoreOptions& options) {
  MaterialScores scores{.material = material, .cells = own.cells};
  for (const CycleChoice choice : choices) {
    const Basis mine = basis_of(own, options, choice), theirs = basis_of(uncoated, options, choice);
    const Scored initial = quotient(mine.low, own.cells.size(), theirs.low, uncoated.cells.size());
    const Scored retention =
        quotient(mine.retention, own.cells.size(), theirs.retention, uncoated.cells.size());
    scores.initial_by_choice.push_back(initial.value);
    scores.retention_by_choice.push_back(retention.value);
    if (choice != options.choice) continue;
    scores.low_mAh_g = mine.low;
    scores.high_mAh_g = mine.high;
    scores.retention = mine.retention;
    scores.initial_score = initial;
    scores.retention_score = retention;
  }
  scores.overpotential_V =
      over_cells(collect(own, [&](const auto& p) { return overpotential(p, options.high_C); }),
                 fmt::format("no complete cycle at {:g} C", options.high_C));
  return scores;
}

}  // namespace

std::string_view to_string(CycleChoice choice) {
  switch (choice) {
    case CycleChoice::first: return "first";
    case CycleChoice::second: return "second";
    case CycleChoice::mean: return "mean";
    case CycleChoice::max: return "max";
  }
  return "";
}

std::vector<Setting> describe(const ScoreOptions& options) {
  return {
      {"reference", options.reference, "the uncoated material; its scores are 1 by definition"},
      {"low rate", fmt::format("{:g} C", options.low_C), "the paper: initial capacity at 0.1 C"},
      {"high rate", fmt::format("{:g} C", options.high_C), "the paper: capacity retention at 2.0 C"},
      {"cycle", std::string(to_string(options.choice)),
       "the paper does not say which of the two cycles of a rate counts; \"initial\" reads as the first"},
      {"QS_ret", "(Q_high / Q_low) / (Q_high / Q_low of the uncoated)",
       "equation 3 and the prose; equation 2 as printed defines nothing"},
      {"overpotential", "(mean E of charge - mean E of discharge) / 2 at the high rate, second cycle",
       "needs neither open-circuit curve nor state of charge; includes the resistance of half the separator"},
  };
}

std::vector<RatePoint> rate_points(const CellTest& test) {
  std::vector<RatePoint> points;
  for (const Cycle& cycle : test.cycles) {
    if (!cycle.discharge || test.one_C_A <= 0 || test.cam_g <= 0) continue;
    const double rate = two_digits(cycle.discharge->mean_current_A / test.one_C_A);
    auto at = std::ranges::find_if(points, [&](const RatePoint& p) { return same_rate(p.rate_C, rate); });
    if (at == points.end()) at = points.insert(points.end(), RatePoint{.rate_C = rate});
    at->cycles.push_back(cycle.cycle);
    at->discharge_mAh_g.push_back(cycle.discharge->capacity_Ah * 1e3 / test.cam_g);
    if (!cycle.charge) continue;
    at->charge_mAh_g.push_back(cycle.charge->capacity_Ah * 1e3 / test.cam_g);
    at->polarisation_V.push_back(cycle.charge->mean_potential_V - cycle.discharge->mean_potential_V);
    at->half_polarisation_V.push_back(cycle.charge->at_half_charge_V - cycle.discharge->at_half_charge_V);
    if (cycle.after_charge_1s_V)
      at->drop_after_charge_V.push_back(cycle.charge->end_V - *cycle.after_charge_1s_V);
    if (cycle.after_charge_rest_V)
      at->relaxation_V.push_back(cycle.charge->end_V - *cycle.after_charge_rest_V);
  }
  std::ranges::sort(points, {}, &RatePoint::rate_C);
  return points;
}

CellScores score_cells(std::span<const CellTest> tests, const ScoreOptions& options) {
  CellScores result{.options = options, .materials = {}, .notes = {}};
  std::vector<std::string> order;
  std::map<std::string, Replicates> by_material;
  const auto uncoated = std::ranges::find(tests, options.reference, &CellTest::material);
  for (const CellTest& test : tests) {
    if (uncoated != tests.end() && test.protocol_hash != uncoated->protocol_hash) {
      result.notes.push_back(fmt::format("cell {} ran another protocol than the uncoated cell {}: not scored",
                                         test.cell, uncoated->cell));
      continue;
    }
    if (!by_material.contains(test.material)) order.push_back(test.material);
    by_material[test.material].cells.push_back(test.cell);
    by_material[test.material].points.push_back(rate_points(test));
  }
  if (uncoated == tests.end() && !tests.empty())
    result.notes.push_back("there is no rate test of the uncoated material: nothing to be relative to");
  for (const std::string& material : order)
    result.materials.push_back(
        score(material, by_material[material], by_material[options.reference], options));
  return result;
}

}  // namespace cambench::rate
