// Degradation scores: eq. 1 of Hertle et al. on the loadings of the first principal component, scaled so that the
// uncycled sample has 0 and the uncoated cycled sample 1, over all fragments (general) and per category.
//
//   DS_raw(s) = 1/n sum over spots m, sum over fragments f, of l_f v_mf         DS = (DS_raw - a) / (b - a)
//
// With v max-scaled over the fragments of the PCA the general score is the rescaled mean PC1 score: centring, sign and
// any common factor of l cancel. What the paper leaves open is an option here, its default first and its reason in
// describe(); the result carries the options it was made with.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "analysis/pca.h"
#include "analysis/setting.h"
#include "analysis/spot_table.h"

namespace cambench::sims {

struct DegradationOptions {
  std::string
      reference;  ///< material id of the uncoated sample; its uncycled and cycled spots are the two anchors

  enum class Values { max_scaled, plain } values = Values::max_scaled;       ///< v in eq. 1
  enum class Maximum { pca_spots, all_spots } maximum = Maximum::pca_spots;  ///< over which M_f is taken
  enum class Rows { uncycled_and_all_cycled, anchors } rows = Rows::uncycled_and_all_cycled;  ///< of the PCA
  enum class Columns { centred, uncentred } columns = Columns::centred;                       ///< of the PCA
  enum class Rescale { own, general } rescale = Rescale::own;  ///< anchors of a category
  enum class Loadings { keep_sign, positive_only } loadings = Loadings::keep_sign;
  enum class Undefined {
    below_spot_sd,
    only_zero
  } undefined = Undefined::below_spot_sd;  ///< anchors too close

  std::vector<std::string> categories = {"polysulfide", "SOy", "POy"};
};
[[nodiscard]] std::vector<Setting> describe(const DegradationOptions& options);

/// The score of one material in one state.
struct SampleScore {
  std::string material;
  State state = State::cycled;
  std::size_t spots = 0;
  double raw = 0;                  ///< eq. 1
  std::optional<double> score;     ///< none when the category's score is undefined
  std::optional<double> sd;        ///< sample SD of the spots' scores; none for one spot
  std::optional<double> min, max;  ///< of the spots' scores
  std::vector<double>
      spot_scores;  ///< each spot through the same scale, in the table's order; empty when undefined
};

/// The scores of all samples for one set of fragments.
struct ScoreSet {
  std::string category;                       ///< "general" for all fragments
  std::vector<std::string> fragments;         ///< that entered
  double raw_uncycled = 0, raw_uncoated = 0;  ///< the anchors used
  double anchor_spot_sd = 0;                  ///< pooled SD of the anchors' spots
  std::string undefined;                      ///< why there is no score, as a sentence; empty: there is one
  std::vector<SampleScore> samples;           ///< sorted by material, state
};

struct DegradationResult {
  DegradationOptions options;
  Normalisation normalisation = Normalisation::total_ion;
  Pca pca;                            ///< PC1 points from uncycled to uncoated cycled
  bool flipped = false;               ///< PC1 was turned round for that
  std::vector<Spot> pca_spots;        ///< rows of the PCA
  std::vector<Fragment> fragments;    ///< columns of the PCA, as `pca.used`
  std::vector<std::string> excluded;  ///< fragments that are zero in every row of the PCA
  std::vector<ScoreSet> sets;         ///< general first, then the categories as in the options
  std::vector<std::string> notes;     ///< unequal spot counts, a single spot, ...: sentences for the report

  [[nodiscard]] const ScoreSet* find(const std::string& category) const;
};

/// Throws BadInput when an anchor is missing.
[[nodiscard]] DegradationResult degradation_scores(const SpotTable& table, const DegradationOptions& options);

}  // namespace cambench::sims
