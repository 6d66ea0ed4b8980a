// How sure a degradation score is, by bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13):
// the spots of every sample are drawn anew, as many as it has, with replacement; maxima, principal component and anchors
// follow from them as they did from the measured ones; the spread of the scores that come out is the interval. The same
// draws tell how often one coating scores below another.
//
// It speaks of the spots, not of the cells: how far another cell of the same kind would lie off, no spot can tell.
// Percentile intervals are too narrow for few spots: of made studies whose truth is known, those called 95 % hold it in
// 70 of 100 with 2 spots a sample, 83 with 3, 86 with 4, 87 with 5, 90 with 8, 94 with 14. One spot tells nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/degradation.h"
#include "analysis/matrix.h"
#include "analysis/setting.h"
#include "analysis/spot_table.h"

namespace cambench::sims {

struct BootstrapOptions {
  std::size_t resamples = 2000;  ///< 0: no intervals
  std::uint64_t seed = 1;
  double confidence = 0.95;  ///< percentiles 2.5 and 97.5
  enum class Loadings {
    redone,  ///< the principal component analysis is part of what is uncertain
    kept     ///< loadings and maxima of the measured spots: eq. 1 alone
  } loadings = Loadings::redone;
};
[[nodiscard]] std::vector<Setting> describe(const BootstrapOptions& options);

struct Interval {
  double low = 0, high = 0;
};

/// Of SampleScore with the same place in its ScoreSet.
struct SampleInterval {
  std::string material;
  State state = State::cycled;
  std::optional<Interval> interval;
  std::string why_not;  ///< no interval: the reason, as a sentence
};

/// The cycled materials from the lowest score to the highest.
struct Ranking {
  std::vector<std::string> materials;
  std::vector<double> scores;
  Matrix
      below;  ///< (i, j): share of the resamples in which material i scores below j; equal scores count half
  std::vector<bool> scatters;  ///< by material: it and both anchors have two spots at least

  /// `below`, where anything is known of the scatter of both.
  [[nodiscard]] std::optional<double> probability(std::size_t i, std::size_t j) const {
    return scatters[i] && scatters[j] ? std::optional(below(i, j)) : std::nullopt;
  }
};

struct BootstrapSet {
  std::string category;
  std::vector<SampleInterval> samples;
  Ranking ranking;                ///< empty when the category has no score
  std::size_t without_score = 0;  ///< resamples whose anchors were equal; they enter nothing
};

struct BootstrapResult {
  BootstrapOptions options;
  std::vector<BootstrapSet> sets;  ///< as in the DegradationResult
  [[nodiscard]] const BootstrapSet* find(std::string_view category) const;
};

/// `result` must be that of `table`. The same arguments give the same result, to the last bit of one machine's build.
[[nodiscard]] BootstrapResult bootstrap(const SpotTable& table, const DegradationResult& result,
                                        const BootstrapOptions& options = {});

/// One resample: the scores that degradation_scores() gives for a table that holds spot i `copies[i]` times, by set and
/// sample as in `result`; none where the anchors are equal. Every sample must be drawn at least once (asserted).
[[nodiscard]] std::vector<std::vector<std::optional<double>>> scores_of_copies(
    const SpotTable& table, const DegradationResult& result, std::span<const std::uint32_t> copies,
    BootstrapOptions::Loadings loadings = BootstrapOptions::Loadings::redone);

}  // namespace cambench::sims
