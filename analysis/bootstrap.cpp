#include "analysis/bootstrap.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/random.h"
#include "analysis/statistics.h"

namespace cambench::sims {
namespace {

using Options = DegradationOptions;
using Table = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Eigen::Index;
using Eigen::VectorXd;

constexpr double rounding = 1e-12;  // anchors this close, relative to their size, are equal

Index at(std::size_t i) { return static_cast<Index>(i); }

// The eigenvector of the largest eigenvalue of a symmetric matrix of which the lower half is read, from a start near it:
// power iteration, or the whole decomposition where two eigenvalues are so close that it does not settle.
VectorXd first_eigenvector(const Eigen::MatrixXd& symmetric, VectorXd v) {
  constexpr int most_rounds = 400;
  constexpr double settled = 1e-14;
  v.normalize();
  VectorXd next(v.size());
  double before = 0;
  for (int round = 0; round < most_rounds; ++round) {
    next.noalias() = symmetric.selfadjointView<Eigen::Lower>() * v;
    const double length = next.norm();
    if (!(length > 0)) break;
    next /= length;
    const double change = (next - v).norm();
    v.swap(next);
    // What is left to come is a geometric series of such changes.
    const double ratio = before > 0 ? change / before : 1;
    if (round > 1 && ratio < 1 && change * ratio / (1 - ratio) < settled) return v;
    if (change < std::numeric_limits<double>::epsilon()) return v;
    before = change;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(symmetric);
  return solver.eigenvectors().col(symmetric.cols() - 1);
}

// The table as one resample after another sees it. Everything that does not change between them is prepared once.
class Resampler {
 public:
  Resampler(const SpotTable& table, const DegradationResult& result, BootstrapOptions::Loadings loadings)
      : options_(result.options),
        result_(result),
        kept_(loadings == BootstrapOptions::Loadings::kept),
        values_(at(table.spots.size()), at(result.pca.used.size())) {
    for (std::size_t row = 0; row < table.spots.size(); ++row)
      for (std::size_t f = 0; f < result.pca.used.size(); ++f)
        values_(at(row), at(f)) = table.values(row, result.pca.used[f]);
    for (const auto& [sample, rows] : rows_by_sample(table)) samples_.push_back({sample, rows});
    for (const Spot& spot : table.spots)
      in_pca_.push_back(
          spot.material == options_.reference ||
          (options_.rows == Options::Rows::uncycled_and_all_cycled && spot.state == State::cycled));
    zero_ = place_of({options_.reference, State::uncycled});
    one_ = place_of({options_.reference, State::cycled});
    for (const ScoreSet& set : result.sets) {
      std::vector<bool> members;
      for (const Fragment& fragment : result.fragments)
        members.push_back(set.category == result.sets.front().category || fragment.category == set.category);
      members_.push_back(std::move(members));
    }
  }

  struct Rows {
    Sample sample;
    std::vector<std::size_t> rows;
  };
  [[nodiscard]] const std::vector<Rows>& samples() const { return samples_; }
  [[nodiscard]] std::size_t sets() const { return members_.size(); }

  // One score per set and sample; a set without scores stays empty.
  std::vector<std::vector<double>> scores(std::span<const std::uint32_t> copies) {
    std::vector<std::vector<double>> all(sets());
    if (result_.pca.explained.empty()) return all;
    average(copies);
    if (kept_) {
      take_measured();
    } else if (!decompose(copies)) {
      return all;
    }
    for (std::size_t set = 0; set < sets(); ++set) all[set] = scaled(set);
    return all;
  }

 private:
  [[nodiscard]] std::size_t place_of(const Sample& sample) const {
    return static_cast<std::size_t>(std::ranges::find(samples_, sample, &Rows::sample) - samples_.begin());
  }

  // Eq. 1 is linear, so the mean of a sample's spots is enough.
  void average(std::span<const std::uint32_t> copies) {
    means_.setZero(at(samples_.size()), values_.cols());
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      double n = 0;
      for (const std::size_t row : samples_[s].rows) {
        if (copies[row] == 0) continue;
        means_.row(at(s)) += copies[row] * values_.row(at(row));
        n += copies[row];
      }
      assert(n > 0);
      means_.row(at(s)) /= n;
    }
  }

  void take_measured() {
    loading_.resize(values_.cols());
    inverse_maximum_.resize(values_.cols());
    for (std::size_t f = 0; f < result_.pca.used.size(); ++f) {
      loading_(at(f)) = result_.pca.loadings(0, f);
      inverse_maximum_(at(f)) = 1 / result_.pca.maximum[f];
    }
  }

  // Maxima, means and PC1 of the drawn spots. False when they are all equal.
  bool decompose(std::span<const std::uint32_t> copies) {
    find_maxima(copies);
    const double magnitude = fill_drawn(copies);
    const bool few_rows = drawn_.rows() <= drawn_.cols();
    const Index size = std::min(drawn_.rows(), drawn_.cols());
    Eigen::MatrixXd square = Eigen::MatrixXd::Zero(size, size);
    if (few_rows)
      square.selfadjointView<Eigen::Lower>().rankUpdate(drawn_);
    else
      square.selfadjointView<Eigen::Lower>().rankUpdate(drawn_.transpose());
    VectorXd start(values_.cols());
    for (Index f = 0; f < start.size(); ++f) start(f) = result_.pca.loadings(0, static_cast<std::size_t>(f));
    if (few_rows) {
      start = drawn_ * start;
      if (!(start.norm() > 0)) start.setOnes();
    }
    const VectorXd first = first_eigenvector(square, start);
    if (few_rows)
      loading_.noalias() = drawn_.transpose() * first;
    else
      loading_ = first;
    const double singular = few_rows ? loading_.norm() : (drawn_ * first).norm();
    if (singular <= magnitude * static_cast<double>(size) * std::numeric_limits<double>::epsilon())
      return false;
    loading_.normalize();
    orient();
    return true;
  }

  void find_maxima(std::span<const std::uint32_t> copies) {
    const bool all = options_.maximum == Options::Maximum::all_spots;
    inverse_maximum_.setZero(values_.cols());
    for (std::size_t row = 0; row < in_pca_.size(); ++row)
      if (copies[row] > 0 && (all || in_pca_[row]))
        inverse_maximum_ = inverse_maximum_.cwiseMax(values_.row(at(row)).transpose());
    for (double& value : inverse_maximum_) value = value > 0 ? 1 / value : 0;
  }

  // The drawn spots of the PCA, scaled, centred, and weighted by the root of how often each was drawn. Gives their norm
  // before centring.
  double fill_drawn(std::span<const std::uint32_t> copies) {
    Index n = 0;
    for (std::size_t row = 0; row < in_pca_.size(); ++row) n += in_pca_[row] && copies[row] > 0;
    drawn_.resize(n, values_.cols());
    VectorXd weights(n);
    Index to = 0;
    for (std::size_t row = 0; row < in_pca_.size(); ++row) {
      if (!in_pca_[row] || copies[row] == 0) continue;
      drawn_.row(to) = values_.row(at(row)).cwiseProduct(inverse_maximum_.transpose());
      weights(to++) = copies[row];
    }
    const double magnitude = std::sqrt(weights.dot(drawn_.rowwise().squaredNorm()));
    if (options_.columns == Options::Columns::centred) {
      const Eigen::RowVectorXd mean = weights.transpose() * drawn_ / weights.sum();
      drawn_.rowwise() -= mean;
    }
    drawn_.array().colwise() *= weights.array().sqrt();
    return magnitude;
  }

  // As degradation_scores(): from uncycled to uncoated cycled, a tie with the largest loading positive.
  void orient() {
    const double towards = (means_.row(at(one_)) - means_.row(at(zero_)))
                               .cwiseProduct(inverse_maximum_.transpose())
                               .dot(loading_);
    Index largest = 0;
    loading_.cwiseAbs().maxCoeff(&largest);
    if (towards < 0 || (towards == 0 && loading_(largest) < 0)) loading_ = -loading_;
  }

  // Eq. 1 of every sample over the fragments of a set.
  [[nodiscard]] VectorXd raw(std::size_t set) const {
    const bool plain = options_.values == Options::Values::plain;
    const bool positive_only = options_.loadings == Options::Loadings::positive_only;
    VectorXd weight = VectorXd::Zero(values_.cols());
    for (Index f = 0; f < weight.size(); ++f)
      if (members_[set][static_cast<std::size_t>(f)] && (!positive_only || loading_(f) > 0))
        weight(f) = loading_(f) * (plain ? 1 : inverse_maximum_(f));
    return means_ * weight;
  }

  [[nodiscard]] std::vector<double> scaled(std::size_t set) const {
    const VectorXd values = raw(set);
    const VectorXd scale = options_.rescale == Options::Rescale::general && set > 0 ? raw(0) : values;
    const double a = scale(at(zero_)), b = scale(at(one_));
    if (std::abs(b - a) <= rounding * std::max(std::abs(a), std::abs(b))) return {};
    std::vector<double> scores;
    for (const double value : values) scores.push_back((value - values(at(zero_))) / (b - a));
    return scores;
  }

  const Options& options_;
  const DegradationResult& result_;
  bool kept_;
  Table values_;  // spots x fragments of the PCA
  std::vector<Rows> samples_;
  std::vector<bool> in_pca_;
  std::size_t zero_ = 0, one_ = 0;  // the anchors among the samples
  std::vector<std::vector<bool>> members_;

  Table means_, drawn_;  // of one resample
  VectorXd inverse_maximum_, loading_;
};

// As many spots of every sample as it has.
void draw(const std::vector<Resampler::Rows>& samples, SplitMix64& random,
          std::vector<std::uint32_t>& copies) {
  std::ranges::fill(copies, 0u);
  for (const auto& [sample, rows] : samples)
    for (std::size_t i = 0; i < rows.size(); ++i)
      ++copies[rows[random.below(static_cast<std::uint32_t>(rows.size()))]];
}

bool anchors_scatter(const ScoreSet& set, const Options& options) {
  return std::ranges::none_of(set.samples, [&](const SampleScore& sample) {
    return sample.material == options.reference && sample.spots < 2;
  });
}

std::string why_no_interval(const ScoreSet& set, const SampleScore& sample, const Options& options,
                            std::size_t resamples) {
  if (!sample.score) return set.undefined;
  if (resamples == 0) return "the spots were not resampled";
  if (sample.material == options.reference)
    return fmt::format("{} by definition", sample.state == State::cycled ? 1 : 0);
  if (sample.spots < 2) return "one spot only: nothing is known of its scatter";
  if (!anchors_scatter(set, options)) return "an anchor has one spot only: nothing is known of its scatter";
  return {};
}

Interval percentiles(std::vector<double> scores, double confidence) {
  std::ranges::sort(scores);
  return {quantile(scores, (1 - confidence) / 2), quantile(scores, (1 + confidence) / 2)};
}

// `drawn` has the scores of each sample, one a resample.
Ranking ranking_of(const ScoreSet& set, const std::vector<std::vector<double>>& drawn,
                   const Options& options) {
  std::vector<std::size_t> order;
  for (std::size_t s = 0; s < set.samples.size(); ++s)
    if (set.samples[s].state == State::cycled && set.samples[s].score) order.push_back(s);
  std::ranges::stable_sort(order, {}, [&](std::size_t s) { return *set.samples[s].score; });

  Ranking ranking;
  ranking.below = Matrix(order.size(), order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    ranking.materials.push_back(set.samples[order[i]].material);
    ranking.scores.push_back(*set.samples[order[i]].score);
    ranking.scatters.push_back(set.samples[order[i]].spots > 1 && anchors_scatter(set, options));
    for (std::size_t j = 0; j < order.size(); ++j) {
      const auto &a = drawn[order[i]], &b = drawn[order[j]];
      double below = 0;
      for (std::size_t r = 0; r < a.size(); ++r) below += a[r] < b[r] ? 1 : a[r] == b[r] ? 0.5 : 0;
      ranking.below(i, j) = below / static_cast<double>(a.size());
    }
  }
  return ranking;
}

}  // namespace

const BootstrapSet* BootstrapResult::find(std::string_view category) const {
  const auto found = std::ranges::find(sets, category, &BootstrapSet::category);
  return found == sets.end() ? nullptr : &*found;
}

BootstrapResult bootstrap(const SpotTable& table, const DegradationResult& result,
                          const BootstrapOptions& options) {
  Resampler resampler(table, result, options.loadings);
  SplitMix64 random(options.seed);
  std::vector<std::uint32_t> copies(table.spots.size());
  // [set][sample][resample]
  std::vector drawn(resampler.sets(), std::vector<std::vector<double>>(resampler.samples().size()));
  for (std::size_t r = 0; r < options.resamples; ++r) {
    draw(resampler.samples(), random, copies);
    const auto scores = resampler.scores(copies);
    for (std::size_t set = 0; set < scores.size(); ++set)
      for (std::size_t s = 0; s < scores[set].size(); ++s) drawn[set][s].push_back(scores[set][s]);
  }

  BootstrapResult out{.options = options, .sets = {}};
  for (std::size_t i = 0; i < result.sets.size(); ++i) {
    const ScoreSet& set = result.sets[i];
    const std::size_t scored = drawn[i].front().size();
    BootstrapSet& to = out.sets.emplace_back();
    to.category = set.category;
    to.without_score = options.resamples - scored;
    for (std::size_t s = 0; s < set.samples.size(); ++s) {
      SampleInterval sample{set.samples[s].material, set.samples[s].state, {}, {}};
      sample.why_not = why_no_interval(set, set.samples[s], result.options, scored);
      if (sample.why_not.empty()) sample.interval = percentiles(drawn[i][s], options.confidence);
      to.samples.push_back(std::move(sample));
    }
    if (set.undefined.empty() && scored > 0) to.ranking = ranking_of(set, drawn[i], result.options);
  }
  return out;
}

std::vector<std::vector<std::optional<double>>> scores_of_copies(const SpotTable& table,
                                                                 const DegradationResult& result,
                                                                 std::span<const std::uint32_t> copies,
                                                                 BootstrapOptions::Loadings loadings) {
  Resampler resampler(table, result, loadings);
  std::vector<std::vector<std::optional<double>>> all;
  for (const auto& scores : resampler.scores(copies)) {
    auto& of_set = all.emplace_back(scores.begin(), scores.end());
    of_set.resize(resampler.samples().size());
  }
  return all;
}

std::vector<Setting> describe(const BootstrapOptions& options) {
  if (options.resamples == 0) return {{"confidence intervals", "none", "the spots were not resampled"}};
  const bool redone = options.loadings == BootstrapOptions::Loadings::redone;
  return {{"confidence intervals",
           fmt::format("percentiles {:g} and {:g} of {} resamplings, seed {}", 50 * (1 - options.confidence),
                       50 * (1 + options.confidence), options.resamples, options.seed),
           "bootstrap over the spots of every sample, anchors included; it speaks of these spots, not of "
           "other cells"},
          {"loadings in a resampling", redone ? "from a new PCA" : "those of the measured spots",
           redone ? "maxima and loadings come from the same spots and are as uncertain"
                  : "eq. 1 alone is resampled"}};
}

}  // namespace cambench::sims
