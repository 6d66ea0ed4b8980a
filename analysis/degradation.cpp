#include "analysis/degradation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "analysis/bad_input.h"
#include "analysis/statistics.h"

namespace cambench::sims {
namespace {

constexpr double rounding = 1e-12;  // anchors this close, relative to their size, are equal

const std::vector<std::size_t>& anchor(const RowsBySample& samples, const std::string& material,
                                       State state) {
  if (const auto found = samples.find({material, state}); found != samples.end()) return found->second;
  throw BadInput(fmt::format("{} {}", material, to_string(state)), 0,
                 "no spot of this anchor sample, which the scores are scaled by", "add its measurements");
}

// ---- the principal component analysis

std::vector<std::size_t> pca_rows(const SpotTable& table, const DegradationOptions& options) {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < table.spots.size(); ++row) {
    const auto& spot = table.spots[row];
    const bool is_reference = spot.material == options.reference;
    if (is_reference ||
        (options.rows == DegradationOptions::Rows::uncycled_and_all_cycled && spot.state == State::cycled))
      rows.push_back(row);
  }
  return rows;
}

Matrix pick_rows(const Matrix& values, const std::vector<std::size_t>& rows) {
  Matrix picked(rows.size(), values.columns());
  for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(values.row(rows[i]), picked.row(i).begin());
  return picked;
}

std::vector<double> column_maxima(const Matrix& values) {
  std::vector<double> maxima(values.columns(), 0.0);
  for (std::size_t row = 0; row < values.rows(); ++row)
    for (std::size_t column = 0; column < values.columns(); ++column)
      maxima[column] = std::max(maxima[column], values(row, column));
  return maxima;
}

void run_pca(const SpotTable& table, DegradationResult& result) {
  const auto rows = pca_rows(table, result.options);
  PcaOptions options;
  options.centred = result.options.columns == DegradationOptions::Columns::centred;
  if (result.options.maximum == DegradationOptions::Maximum::all_spots)
    options.maximum = column_maxima(table.values);
  result.pca = principal_components(pick_rows(table.values, rows), options);
  for (const auto row : rows) result.pca_spots.push_back(table.spots[row]);
  for (const auto column : result.pca.used) result.fragments.push_back(table.fragments[column]);
  for (std::size_t column = 0; column < table.fragments.size(); ++column)
    if (!std::ranges::binary_search(result.pca.used, column))
      result.excluded.push_back(table.fragments[column].label);
}

// The mean PC1 score of the reference material in one state.
double mean_score(const DegradationResult& result, State state) {
  double sum = 0, n = 0;
  for (std::size_t row = 0; row < result.pca_spots.size(); ++row) {
    if (result.pca_spots[row].material != result.options.reference || result.pca_spots[row].state != state)
      continue;
    sum += result.pca.scores(row, 0);
    ++n;
  }
  return sum / n;
}

// PC1 points from uncycled to uncoated cycled; a tie leaves it with its largest loading positive.
void orient(DegradationResult& result) {
  if (result.pca.explained.empty() ||
      mean_score(result, State::cycled) >= mean_score(result, State::uncycled))
    return;
  flip(result.pca, 0);
  result.flipped = true;
}

// ---- eq. 1

// sum over f of l_f v_f, for every spot of the table.
std::vector<double> raw_scores(const SpotTable& table, const DegradationResult& result,
                               const std::vector<std::size_t>& entering) {
  const bool scaled = result.options.values == DegradationOptions::Values::max_scaled;
  std::vector<double> raw(table.spots.size(), 0.0);
  for (std::size_t row = 0; row < raw.size(); ++row)
    for (const auto i : entering) {
      const double value = table.values(row, result.pca.used[i]);
      raw[row] += result.pca.loadings(0, i) * (scaled ? value / result.pca.maximum[i] : value);
    }
  return raw;
}

std::vector<std::size_t> fragments_entering(const DegradationResult& result, const std::string* category) {
  std::vector<std::size_t> entering;
  if (result.pca.explained.empty()) return entering;
  const bool positive_only = result.options.loadings == DegradationOptions::Loadings::positive_only;
  for (std::size_t i = 0; i < result.fragments.size(); ++i)
    if ((!category || result.fragments[i].category == *category) &&
        (!positive_only || result.pca.loadings(0, i) > 0))
      entering.push_back(i);
  return entering;
}

std::vector<double> pick(const std::vector<double>& values, const std::vector<std::size_t>& rows) {
  std::vector<double> picked;
  for (const auto row : rows) picked.push_back(values[row]);
  return picked;
}

// 0 when no anchor has more than one spot: then nothing is known of their scatter.
double pooled_sd(const Statistics& a, const Statistics& b) {
  const auto freedom = static_cast<double>(a.n + b.n) - 2;
  if (freedom <= 0) return 0;
  const auto squares = [](const Statistics& s) {
    return static_cast<double>(s.n) * s.sd_population * s.sd_population;
  };
  return std::sqrt((squares(a) + squares(b)) / freedom);
}

std::string why_undefined(const ScoreSet& set, const DegradationResult& result) {
  if (result.pca.explained.empty()) return "all spots are equal, so there is no principal component";
  if (set.fragments.empty()) return fmt::format("no fragment of category {} enters", set.category);
  const double distance = std::abs(set.raw_uncoated - set.raw_uncycled);
  if (distance <= rounding * std::max(std::abs(set.raw_uncoated), std::abs(set.raw_uncycled)))
    return "the two anchors, uncycled and uncoated cycled, are equal";
  if (result.options.undefined == DegradationOptions::Undefined::below_spot_sd &&
      distance < set.anchor_spot_sd)
    return fmt::format(
        "the two anchors, uncycled and uncoated cycled, are {:.3g} apart and their spots scatter by {:.3g}: "
        "a score "
        "would be noise blown up",
        distance, set.anchor_spot_sd);
  return {};
}

SampleScore score_sample(const Sample& sample, const std::vector<double>& raw, double zero,
                         double one_minus_zero, bool defined) {
  SampleScore score;
  score.material = sample.first;
  score.state = sample.second;
  score.spots = raw.size();
  score.raw = statistics_of(raw).mean;
  if (!defined) return score;
  for (const double value : raw) score.spot_scores.push_back((value - zero) / one_minus_zero);
  const auto spread = statistics_of(score.spot_scores);
  score.score = (score.raw - zero) / one_minus_zero;
  score.sd = spread.sd;
  score.min = spread.min;
  score.max = spread.max;
  return score;
}

ScoreSet score_set(const SpotTable& table, const RowsBySample& samples, const DegradationResult& result,
                   const std::string* category) {
  ScoreSet set;
  set.category = category ? *category : "general";
  const auto entering = fragments_entering(result, category);
  for (const auto i : entering) set.fragments.push_back(result.fragments[i].label);

  const auto raw = raw_scores(table, result, entering);
  const auto& reference = result.options.reference;
  const auto uncycled = statistics_of(pick(raw, anchor(samples, reference, State::uncycled)));
  const auto uncoated = statistics_of(pick(raw, anchor(samples, reference, State::cycled)));
  set.raw_uncycled = uncycled.mean;
  set.raw_uncoated = uncoated.mean;
  set.anchor_spot_sd = pooled_sd(uncycled, uncoated);

  double one_minus_zero = set.raw_uncoated - set.raw_uncycled;
  if (category && result.options.rescale == DegradationOptions::Rescale::general) {
    const auto& general = result.sets.front();
    one_minus_zero = general.raw_uncoated - general.raw_uncycled;
    set.undefined = set.fragments.empty() ? why_undefined(set, result) : general.undefined;
  } else {
    set.undefined = why_undefined(set, result);
  }
  for (const auto& [sample, rows] : samples)
    set.samples.push_back(
        score_sample(sample, pick(raw, rows), set.raw_uncycled, one_minus_zero, set.undefined.empty()));
  return set;
}

// ---- what a reader should know

void add_notes(const RowsBySample& samples, DegradationResult& result) {
  std::string counts;
  bool equal = true;
  for (const auto& [sample, rows] : samples) {
    equal = equal && rows.size() == samples.begin()->second.size();
    counts += fmt::format("{}{} {} {}", counts.empty() ? "" : ", ", sample.first, to_string(sample.second),
                          rows.size());
    if (rows.size() == 1)
      result.notes.push_back(fmt::format("{} {} has one spot only: nothing is known of its scatter",
                                         sample.first, to_string(sample.second)));
  }
  if (!equal)
    result.notes.push_back(
        "the samples have unequal numbers of spots, and the principal component analysis weighs them "
        "by these: " +
        counts);
  for (const auto& set : result.sets)
    if (set.undefined.empty() && set.raw_uncoated < set.raw_uncycled)
      result.notes.push_back(
          fmt::format("{}: eq. 1 falls from uncycled to uncoated cycled, so a higher score means less "
                      "of these fragments, weighted by their loadings",
                      set.category));
}

template <typename Option>
struct Choice {
  Option option;
  const char *value, *why;
};

template <typename Option>
Setting choice(std::string name, Option chosen, std::initializer_list<Choice<Option>> all) {
  for (const auto& [option, value, why] : all)
    if (option == chosen) return {std::move(name), value, why};
  assert(false);
  return {};
}

}  // namespace

const ScoreSet* DegradationResult::find(const std::string& category) const {
  const auto found = std::ranges::find(sets, category, &ScoreSet::category);
  return found == sets.end() ? nullptr : &*found;
}

DegradationResult degradation_scores(const SpotTable& table, const DegradationOptions& options) {
  const auto samples = rows_by_sample(table);
  anchor(samples, options.reference, State::uncycled);
  anchor(samples, options.reference, State::cycled);

  DegradationResult result;
  result.options = options;
  result.normalisation = table.normalisation;
  run_pca(table, result);
  orient(result);
  result.sets.push_back(score_set(table, samples, result, nullptr));
  for (const auto& category : options.categories)
    result.sets.push_back(score_set(table, samples, result, &category));
  add_notes(samples, result);
  return result;
}

std::vector<Setting> describe(const DegradationOptions& options) {
  using O = DegradationOptions;
  std::string categories;
  for (const auto& category : options.categories) categories += (categories.empty() ? "" : ", ") + category;
  return {
      {"uncoated reference", options.reference, "its uncycled spots score 0, its cycled spots 1"},
      choice("values in eq. 1", options.values,
             {{O::Values::max_scaled, "max-scaled",
               "only so is the general score the PC1 score, as the paper says; otherwise a few strong ions "
               "decide"},
              {O::Values::plain, "plain normalised", "eq. 1 read literally: v is the normalised intensity"}}),
      choice("maximum of a fragment", options.maximum,
             {{O::Maximum::pca_spots, "over the spots of the PCA", "as the paper and its scripts have it"},
              {O::Maximum::all_spots, "over all spots", "also those that do not enter the PCA"}}),
      choice("spots of the PCA", options.rows,
             {{O::Rows::uncycled_and_all_cycled, "uncycled and all cycled",
               "the PCA that the paper derives its scores from (figs. 9 to 11)"},
              {O::Rows::anchors, "uncycled and uncoated cycled", "the paper's first PCA (figs. 6 to 8)"}}),
      choice("columns of the PCA", options.columns,
             {{O::Columns::centred, "centred, not scaled to unit variance", "as the published scripts do"},
              {O::Columns::uncentred, "not centred", "PC1 then also describes the common mean"}}),
      {"sign of PC1", "uncoated cycled above uncycled",
       "the sign of a component is arbitrary; the paper shows both"},
      choice("scale of a category", options.rescale,
             {{O::Rescale::own, "own: uncycled 0, uncoated cycled 1",
               "each axis of the paper's figures is compared with uncoated"},
              {O::Rescale::general, "that of the general score",
               "categories are then its contributions and add up to it"}}),
      choice("negative loadings", options.loadings,
             {{O::Loadings::keep_sign, "kept", "eq. 1 has the plain loading"},
              {O::Loadings::positive_only, "left out", "only fragments that grow with degradation count"}}),
      choice("no score", options.undefined,
             {{O::Undefined::below_spot_sd, "when the anchors are closer than the pooled SD of their spots",
               "noise would be blown up"},
              {O::Undefined::only_zero, "only when the anchors are equal", "the reader judges the scatter"}}),
      {"spread", "each spot through the same scale; SD with n - 1",
       "eq. 1 averages over spots and hides their scatter"},
      {"categories", categories, "those of the paper's figure 12"},
  };
}

}  // namespace cambench::sims
