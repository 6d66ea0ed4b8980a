// The paper prints no table of scores or loadings, so these tests rest on identities of eq. 1 and on constructed
// samples whose score is known.
#include "analysis/degradation.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

using Options = DegradationOptions;

const std::vector<Fragment> fragments = {{"O-", 15.995, "other"},         {"SO2-", 63.96, "SOy"},
                                         {"PO3-", 78.96, "POy"},          {"SO3-", 79.96, "SOy"},
                                         {"S3-", 95.92, "polysulfide"},   {"PO4-", 94.95, "POy"},
                                         {"PS5-", 190.83, "polysulfide"}, {"CoO2-", 90.92, "CAM"}};

// What degradation does to each fragment, relative to its uncycled intensity: SO2- and the CAM's own ion fall.
constexpr double uncycled_intensity[] = {0.1, 0.02, 0.03, 0.01, 0.004, 0.005, 0.0001, 0.06};
constexpr double growth[] = {0.05, -0.3, 0.8, 1.2, 2.0, 0.9, 1.5, -0.2};

struct Made {
  SpotTable table;
  explicit Made(double noise = 0.0) : noise_(noise) { table.fragments = fragments; }

  /// Spots that are `degree` of the way from uncycled (0) to uncoated cycled (1).
  Made& sample(const std::string& material, State state, double degree, int spots = 5) {
    for (int i = 0; i < spots; ++i) {
      table.spots.push_back({material, state, "region " + std::to_string(i)});
      for (std::size_t f = 0; f < fragments.size(); ++f)
        rows_.push_back(uncycled_intensity[f] * (1 + degree * growth[f]) * (1 + noise_ * normal_(random_)));
    }
    table.values = Matrix(table.spots.size(), fragments.size());
    for (std::size_t i = 0; i < rows_.size(); ++i)
      table.values(i / fragments.size(), i % fragments.size()) = rows_[i];
    return *this;
  }

 private:
  double noise_;
  std::vector<double> rows_;
  std::mt19937 random_{1};
  std::normal_distribution<> normal_;
};

Made study(double noise = 0.0) {
  Made made(noise);
  made.sample("bare", State::uncycled, 0).sample("bare", State::cycled, 1);
  made.sample("good", State::cycled, 0.4).sample("poor", State::cycled, 1.3);
  return made;
}

const SampleScore& of(const ScoreSet& set, const std::string& material, State state = State::cycled) {
  for (const auto& sample : set.samples)
    if (sample.material == material && sample.state == state) return sample;
  throw std::logic_error("no such sample");
}

double score(const DegradationResult& result, const std::string& category, const std::string& material,
             State state = State::cycled) {
  return of(*result.find(category), material, state).score.value();
}

bool close(double a, double b) { return std::abs(a - b) < 1e-10; }

}  // namespace

TEST_CASE("the uncycled sample has 0 and the uncoated cycled sample 1, in every category") {
  const auto result = degradation_scores(study(0.05).table, {.reference = "bare"});
  REQUIRE(result.sets.size() == 4);
  CHECK(result.sets.front().category == "general");
  for (const auto& set : result.sets) {
    INFO(set.category);
    CHECK(close(*of(set, "bare", State::uncycled).score, 0));
    CHECK(close(*of(set, "bare").score, 1));
  }
  CHECK(result.find("POy")->fragments == std::vector<std::string>{"PO3-", "PO4-"});
}

TEST_CASE(
    "a sample that is so far on the way from uncycled to uncoated has just that score, in every category") {
  const auto result = degradation_scores(study().table, {.reference = "bare"});
  for (const auto* category : {"general", "polysulfide", "SOy", "POy"}) {
    CHECK(close(score(result, category, "good"), 0.4));
    CHECK(close(score(result, category, "poor"), 1.3));
  }
  CHECK(close(result.pca.explained[0], 1));
}

TEST_CASE("the general score is the rescaled mean PC1 score") {
  const auto made = study(0.1);
  const auto result = degradation_scores(made.table, {.reference = "bare"});
  const auto mean = [&](const std::string& material, State state) {
    double sum = 0, n = 0;
    for (std::size_t row = 0; row < result.pca_spots.size(); ++row)
      if (result.pca_spots[row].material == material && result.pca_spots[row].state == state) {
        sum += result.pca.scores(row, 0);
        ++n;
      }
    return sum / n;
  };
  const double zero = mean("bare", State::uncycled), one = mean("bare", State::cycled);
  CHECK(one > zero);
  for (const auto* material : {"good", "poor"})
    CHECK(close(score(result, "general", material), (mean(material, State::cycled) - zero) / (one - zero)));
}

TEST_CASE("no score depends on the sign that the decomposition happens to give") {
  // Every fragment mirrored: what grew now falls by as much, so PC1 comes out turned round unless it is oriented.
  auto made = study(0.02);
  const auto before = degradation_scores(made.table, {.reference = "bare"});
  auto mirrored = made.table;
  for (std::size_t f = 0; f < fragments.size(); ++f) {
    double largest = 0, smallest = 1;
    for (std::size_t row = 0; row < mirrored.spots.size(); ++row) {
      largest = std::max(largest, made.table.values(row, f));
      smallest = std::min(smallest, made.table.values(row, f));
    }
    for (std::size_t row = 0; row < mirrored.spots.size(); ++row)
      mirrored.values(row, f) = largest + smallest - made.table.values(row, f);
  }
  const auto after = degradation_scores(mirrored, {.reference = "bare"});
  CHECK(before.flipped != after.flipped);
  for (const auto* category : {"general", "polysulfide", "SOy", "POy"})
    for (const auto* material : {"good", "poor"})
      CHECK(close(score(before, category, material), score(after, category, material)));
}

TEST_CASE("a fragment measured in another unit, and rows in another order, change no score") {
  const auto made = study(0.05);
  auto table = made.table;
  const auto rows = table.spots.size();
  for (std::size_t row = 0; row < rows; ++row) {
    table.spots[row] = made.table.spots[rows - 1 - row];
    for (std::size_t f = 0; f < fragments.size(); ++f)
      table.values(row, f) = made.table.values(rows - 1 - row, f) * (f == 4 ? 1e-3 : 1.0);
  }
  const auto before = degradation_scores(made.table, {.reference = "bare"});
  const auto after = degradation_scores(table, {.reference = "bare"});
  for (const auto* category : {"general", "polysulfide", "SOy", "POy"})
    for (const auto* material : {"good", "poor"})
      CHECK(close(score(before, category, material), score(after, category, material)));
}

TEST_CASE("with plain intensities a strong ion decides, and this differs from the PC1 score") {
  const auto made = study(0.1);
  const auto scaled = degradation_scores(made.table, {.reference = "bare"});
  const auto plain = degradation_scores(made.table, {.reference = "bare", .values = Options::Values::plain});
  CHECK(close(score(plain, "general", "bare"), 1));
  CHECK_FALSE(close(score(plain, "general", "good"), score(scaled, "general", "good")));
  // Eq. 1 read literally, by hand for one spot.
  double raw = 0;
  for (std::size_t i = 0; i < plain.fragments.size(); ++i)
    raw += plain.pca.loadings(0, i) * made.table.values(0, plain.pca.used[i]);
  const auto& general = *plain.find("general");
  CHECK(close(of(general, "bare", State::uncycled).spot_scores[0],
              (raw - general.raw_uncycled) / (general.raw_uncoated - general.raw_uncycled)));
}

TEST_CASE(
    "rescaled by the general anchors, the categories are contributions that add up to the general score") {
  const auto result =
      degradation_scores(study(0.05).table, {.reference = "bare",
                                             .rescale = Options::Rescale::general,
                                             .categories = {"polysulfide", "SOy", "POy", "CAM", "other"}});
  for (const auto* material : {"bare", "good", "poor"}) {
    double sum = 0;
    for (const auto* category : {"polysulfide", "SOy", "POy", "CAM", "other"})
      sum += score(result, category, material);
    CHECK(close(sum, score(result, "general", material)));
  }
}

TEST_CASE("negative loadings count inversely, unless they are left out") {
  const auto made = study(0.01);
  const auto kept = degradation_scores(made.table, {.reference = "bare"});
  CHECK(kept.find("SOy")->fragments.size() == 2);  // SO2- falls and SO3- grows
  const auto left_out =
      degradation_scores(made.table, {.reference = "bare", .loadings = Options::Loadings::positive_only});
  CHECK(left_out.find("SOy")->fragments == std::vector<std::string>{"SO3-"});
}

TEST_CASE("the PCA of the two anchors gives nearly the loadings of that of all samples") {
  const auto made = study(0.05);
  const auto all = degradation_scores(made.table, {.reference = "bare"});
  const auto two = degradation_scores(made.table, {.reference = "bare", .rows = Options::Rows::anchors});
  CHECK(all.pca_spots.size() == 20);
  CHECK(two.pca_spots.size() == 10);
  double cosine = 0;
  for (std::size_t i = 0; i < fragments.size(); ++i)
    cosine += all.pca.loadings(0, i) * two.pca.loadings(0, i);
  CHECK(cosine > 0.99);
  // "poor" has larger intensities than either anchor: over all spots the maximum is its own.
  const auto wide = degradation_scores(
      made.table,
      {.reference = "bare", .maximum = Options::Maximum::all_spots, .rows = Options::Rows::anchors});
  CHECK(wide.pca.maximum[4] > two.pca.maximum[4]);
  CHECK(wide.pca.maximum == all.pca.maximum);
}

TEST_CASE("other materials' uncycled spots are scored but do not enter the PCA") {
  auto made = study();
  made.sample("good", State::uncycled, 0.1, 3);
  const auto result = degradation_scores(made.table, {.reference = "bare"});
  CHECK(result.pca_spots.size() == 20);
  CHECK(close(score(result, "general", "good", State::uncycled), 0.1));
}

TEST_CASE("the spread is that of the spots, through the same scale") {
  const auto result = degradation_scores(study(0.1).table, {.reference = "bare"});
  const auto& good = of(*result.find("POy"), "good");
  REQUIRE(good.spot_scores.size() == 5);
  double mean = 0, squares = 0;
  for (const double s : good.spot_scores) mean += s / 5;
  for (const double s : good.spot_scores) squares += (s - mean) * (s - mean);
  CHECK(close(mean, *good.score));
  CHECK(close(std::sqrt(squares / 4), *good.sd));
  CHECK(*good.min <= *good.score);
  CHECK(*good.max >= *good.score);
}

TEST_CASE("anchors closer than the scatter of their spots give no score, and the result says why") {
  Made made(0.2);
  made.sample("bare", State::uncycled, 0)
      .sample("bare", State::cycled, 0.01)
      .sample("good", State::cycled, 0.4);
  const auto result = degradation_scores(made.table, {.reference = "bare"});
  bool undefined = false;
  for (const auto& set : result.sets)
    if (!set.undefined.empty()) {
      undefined = true;
      CHECK(set.undefined.find("noise blown up") != std::string::npos);
      CHECK(std::abs(set.raw_uncoated - set.raw_uncycled) < set.anchor_spot_sd);
      for (const auto& sample : set.samples) CHECK_FALSE(sample.score);
    }
  CHECK(undefined);
  const auto forced =
      degradation_scores(made.table, {.reference = "bare", .undefined = Options::Undefined::only_zero});
  for (const auto& set : forced.sets) CHECK(set.undefined.empty());
}

TEST_CASE("equal anchors never give a score, and spots that are all equal no component") {
  Made made;
  made.sample("bare", State::uncycled, 0).sample("bare", State::cycled, 0).sample("good", State::cycled, 1);
  const auto equal =
      degradation_scores(made.table, {.reference = "bare", .undefined = Options::Undefined::only_zero});
  CHECK(equal.find("general")->undefined == "the two anchors, uncycled and uncoated cycled, are equal");

  Made flat;
  flat.sample("bare", State::uncycled, 0).sample("bare", State::cycled, 0);
  const auto nothing = degradation_scores(flat.table, {.reference = "bare"});
  CHECK(nothing.find("POy")->undefined == "all spots are equal, so there is no principal component");
  CHECK_FALSE(of(*nothing.find("POy"), "bare").score);
}

TEST_CASE("a category without fragments has no score, and the others keep theirs") {
  const auto result = degradation_scores(study().table, {.reference = "bare", .categories = {"POy", "NOx"}});
  CHECK(result.find("NOx")->undefined == "no fragment of category NOx enters");
  CHECK(result.find("POy")->undefined.empty());
  CHECK(result.find("SOy") == nullptr);
}

TEST_CASE("fragments that are zero everywhere are left out and listed") {
  auto made = study();
  for (std::size_t row = 0; row < made.table.spots.size(); ++row) made.table.values(row, 2) = 0;
  const auto result = degradation_scores(made.table, {.reference = "bare"});
  CHECK(result.excluded == std::vector<std::string>{"PO3-"});
  CHECK(result.find("POy")->fragments == std::vector<std::string>{"PO4-"});
  CHECK(close(score(result, "POy", "good"), 0.4));
}

TEST_CASE("a category that falls upon cycling is still 0 uncycled and 1 uncoated, and the reader is told") {
  // O- falls from uncycled to uncoated, but rises far with the sample that lies furthest along PC1.
  auto made = study();
  for (std::size_t row = 0; row < made.table.spots.size(); ++row) {
    const auto& spot = made.table.spots[row];
    made.table.values(row, 0) = spot.material == "poor" ? 1.0 : spot.state == State::uncycled ? 0.3 : 0.2;
  }
  const auto result = degradation_scores(made.table, {.reference = "bare", .categories = {"other"}});
  const auto& other = *result.find("other");
  CHECK(other.raw_uncoated < other.raw_uncycled);
  CHECK(close(score(result, "other", "bare", State::uncycled), 0));
  CHECK(close(score(result, "other", "bare"), 1));
  CHECK(score(result, "other", "poor") == doctest::Approx(-7));
  REQUIRE(result.notes.size() == 1);
  CHECK(result.notes[0].starts_with("other: eq. 1 falls from uncycled to uncoated cycled"));
}

TEST_CASE("unequal numbers of spots and single spots are told") {
  Made made;
  made.sample("bare", State::uncycled, 0, 1)
      .sample("bare", State::cycled, 1, 14)
      .sample("good", State::cycled, 0.4, 8);
  const auto result = degradation_scores(made.table, {.reference = "bare"});
  REQUIRE(result.notes.size() >= 2);
  CHECK(result.notes[0] == "bare uncycled has one spot only: nothing is known of its scatter");
  CHECK(result.notes[1].ends_with("bare uncycled 1, bare cycled 14, good cycled 8"));
  CHECK_FALSE(of(*result.find("general"), "bare", State::uncycled).sd);
}

TEST_CASE("a study without one of its anchors is refused") {
  Made made;
  made.sample("bare", State::cycled, 1).sample("good", State::cycled, 0.4);
  CHECK_THROWS_WITH_AS(
      (void)degradation_scores(made.table, {.reference = "bare"}),
      "bare uncycled: no spot of this anchor sample, which the scores are scaled by; add its "
      "measurements",
      BadInput);
  CHECK_THROWS_AS((void)degradation_scores(SpotTable{}, {.reference = "bare"}), BadInput);
}

TEST_CASE("every decision is printed with the value that was used and the reason for it") {
  const auto defaults = describe(Options{.reference = "bare"});
  auto other = Options{.reference = "bare",
                       .values = Options::Values::plain,
                       .maximum = Options::Maximum::all_spots,
                       .rows = Options::Rows::anchors,
                       .columns = Options::Columns::uncentred,
                       .rescale = Options::Rescale::general,
                       .loadings = Options::Loadings::positive_only,
                       .undefined = Options::Undefined::only_zero};
  const auto changed = describe(other);
  REQUIRE(defaults.size() == changed.size());
  int different = 0;
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    CHECK(defaults[i].name == changed[i].name);
    CHECK_FALSE(defaults[i].value.empty());
    CHECK_FALSE(defaults[i].why.empty());
    different += defaults[i].value != changed[i].value;
  }
  CHECK(different == 7);
}
