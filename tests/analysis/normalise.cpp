#include "analysis/normalise.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>

using namespace cambench::sims;

namespace {

// Counts as a real export has them: the total in the tens, with a few empty pixels; the reference ion sparse.
struct Counts {
  Image total, reference, peak;
};

Counts random_counts(std::uint32_t side, unsigned seed) {
  std::mt19937 random(seed);
  Counts counts;
  for (auto* image : {&counts.total, &counts.reference, &counts.peak}) {
    image->shape = {side, side};
    image->counts.resize(std::size_t{side} * side);
  }
  for (std::size_t i = 0; i < counts.total.counts.size(); ++i) {
    if (random() % 14 == 0) continue;  // 7 % empty pixels, as in one real image
    counts.reference.counts[i] = std::poisson_distribution<>(1.2)(random);
    counts.peak.counts[i] = std::poisson_distribution<>(3.0)(random);
    counts.total.counts[i] = counts.reference.counts[i] + counts.peak.counts[i] + 1 + random() % 50;
  }
  return counts;
}

std::vector<PixelCounts> not_zero(const Image& image) {
  std::vector<PixelCounts> pixels;
  for (std::uint32_t i = 0; i < image.counts.size(); ++i)
    if (image.counts[i] != 0) pixels.push_back({i, image.counts[i]});
  return pixels;
}

Peak normalise(const Counts& counts, const NormaliseOptions& options) {
  const auto weights = weigh(counts.total, &counts.reference, options);
  PeakSums sums(weights);
  sums.add(not_zero(counts.peak));
  return sums.peak("PO3-");
}

Counts two_pixels(double total0, double total1, double reference0, double reference1, double peak0,
                  double peak1) {
  const ImageShape shape{2, 1};
  return {{shape, {total0, total1}}, {shape, {reference0, reference1}}, {shape, {peak0, peak1}}};
}

}  // namespace

TEST_CASE("the sums are those of the published pixel-by-pixel scripts, as far as these give a number") {
  const auto counts = random_counts(64, 1);
  // The scripts' steps, pixel by pixel: total without empty pixels (they give NaN there), reference zeros as 0.5.
  double by_total = 0, by_reference = 0, valid = 0;
  for (std::size_t i = 0; i < counts.total.counts.size(); ++i) {
    if (counts.total.counts[i] == 0) continue;
    const double reference = counts.reference.counts[i] == 0 ? 0.5 : counts.reference.counts[i];
    by_total += counts.peak.counts[i] / counts.total.counts[i];
    by_reference += counts.peak.counts[i] / reference;
    ++valid;
  }
  const auto peak = normalise(counts, {});
  CHECK(std::abs(peak.by_total_sum / by_total - 1) < 1e-12);
  CHECK(std::abs(peak.by_reference_sum / by_reference - 1) < 1e-12);
  CHECK(std::abs(peak.by_total / (by_total / valid) - 1) < 1e-12);
}

TEST_CASE("an empty pixel changes nothing but the number of pixels left out") {
  // One pixel of 10 ions, 4 of them ours; the other without any ion: the published scripts give NaN here.
  const auto with_empty = two_pixels(10, 0, 2, 0, 4, 0);
  const auto weights = weigh(with_empty.total, &with_empty.reference, {});
  CHECK(weights.pixels_with_ions == 1);
  const auto peak = normalise(with_empty, {});
  CHECK(peak.by_total == 0.4);
  CHECK(peak.by_reference == 2.0);
  CHECK(peak.ratio_to_total == 0.4);
  CHECK(peak.share_from_empty_reference == 0.0);
}

TEST_CASE("a pixel without a reference ion follows the rule that was chosen") {
  const auto counts = two_pixels(10, 10, 2, 0, 4, 3);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::half}).by_reference_sum == 4.0 / 2 + 3.0 / 0.5);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::half}).by_reference == 4.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::half}).share_from_empty_reference == 6.0 / 8.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::skip}).by_reference_sum == 2.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::skip}).by_reference == 2.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::skip}).share_from_empty_reference == 0.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::min_counts, .min_counts = 3}).by_reference ==
        0.0);
  CHECK(normalise(counts, {.empty_reference = EmptyReference::min_counts, .min_counts = 2}).by_reference ==
        2.0);
  CHECK(normalise(counts, {}).ratio_to_reference == 7.0 / 2.0);  // whatever the rule: the ratio of the sums

  for (const auto rule : {EmptyReference::half, EmptyReference::skip})
    CHECK(weigh(counts.total, &counts.reference, {.empty_reference = rule}).pixels_without_reference == 1);
}

TEST_CASE("at a reference image that is full everywhere all rules agree") {
  auto counts = random_counts(32, 2);
  for (std::size_t i = 0; i < counts.total.counts.size(); ++i)
    if (counts.total.counts[i] > 0) counts.reference.counts[i] += 1;
  const auto half = normalise(counts, {.empty_reference = EmptyReference::half});
  const auto skip = normalise(counts, {.empty_reference = EmptyReference::skip});
  const auto least = normalise(counts, {.empty_reference = EmptyReference::min_counts, .min_counts = 1});
  CHECK(half.by_reference == skip.by_reference);
  CHECK(half.by_reference == least.by_reference);
  CHECK(half.share_from_empty_reference == 0);
}

TEST_CASE(
    "sum and mean scale alike between regions with equally many pixels that have ions, and only there") {
  const auto full = normalise(two_pixels(10, 10, 1, 1, 5, 5), {}),
             other = normalise(two_pixels(20, 10, 1, 1, 5, 5), {}),
             half_empty = normalise(two_pixels(10, 0, 1, 0, 5, 0), {});
  CHECK(other.by_total / full.by_total == doctest::Approx(0.75));
  CHECK(other.by_total_sum / full.by_total_sum == doctest::Approx(0.75));
  CHECK(half_empty.by_total / full.by_total == doctest::Approx(1));
  CHECK(half_empty.by_total_sum / full.by_total_sum == doctest::Approx(0.5));
}

TEST_CASE("twice the dose gives twice the counts and the same normalised values") {
  auto counts = random_counts(32, 3);
  const auto once = normalise(counts, {.empty_reference = EmptyReference::skip});
  for (auto* image : {&counts.total, &counts.reference, &counts.peak})
    for (auto& n : image->counts) n *= 2;
  const auto twice = normalise(counts, {.empty_reference = EmptyReference::skip});
  CHECK(twice.counts == 2 * once.counts);
  CHECK(twice.by_total == doctest::Approx(once.by_total).epsilon(1e-14));
  CHECK(twice.by_reference == doctest::Approx(once.by_reference).epsilon(1e-14));
}

TEST_CASE("how the pixels are cut into runs does not matter") {
  const auto counts = random_counts(32, 4);
  const auto weights = weigh(counts.total, &counts.reference, {});
  const auto pixels = not_zero(counts.peak);
  PeakSums whole(weights), single(weights);
  whole.add(pixels);
  for (const auto& pixel : pixels) single.add({&pixel, 1});
  CHECK(whole.peak("x").by_total == doctest::Approx(single.peak("x").by_total).epsilon(1e-13));
  CHECK(whole.peak("x").by_reference == doctest::Approx(single.peak("x").by_reference).epsilon(1e-13));
}

TEST_CASE("a peak as an image, as pixels that are not zero and as a part of spectra gives the same values") {
  auto counts = random_counts(37, 5);  // odd, and no whole number of runs
  counts.peak.counts[0] = 3, counts.reference.counts[0] = counts.total.counts[0] = 0;
  for (const auto rule : {EmptyReference::half, EmptyReference::skip, EmptyReference::min_counts}) {
    const NormaliseOptions options{.empty_reference = rule, .min_counts = 2};
    const auto weights = weigh(counts.total, &counts.reference, options);
    PeakSums sparse(weights), dense(weights);
    sparse.add(not_zero(counts.peak));
    const std::vector<std::uint32_t> whole(counts.peak.counts.begin(), counts.peak.counts.end());
    dense.add(0, std::span(whole).first(1001));  // no whole number of fours
    dense.add(1001, std::span(whole).subspan(1001));
    SpectrumSums spectra(2, 1, options);
    for (std::size_t i = 0; i < counts.total.counts.size(); ++i)
      spectra.add(counts.total.counts[i],
                  std::span<const double>(std::array{counts.peak.counts[i], counts.reference.counts[i]}));
    spectra.end();
    CHECK(spectra.totals().pixels_with_ions == weights.pixels_with_ions);
    CHECK(spectra.totals().pixels_without_reference == weights.pixels_without_reference);
    const auto expected = sparse.peak("x");
    for (const auto& peak : {dense.peak("x"), spectra.peak(0, "x")}) {
      CHECK(peak.counts == expected.counts);
      CHECK(peak.by_total == doctest::Approx(expected.by_total).epsilon(1e-13));
      CHECK(peak.by_reference == doctest::Approx(expected.by_reference).epsilon(1e-13));
      CHECK(peak.share_from_empty_reference ==
            doctest::Approx(expected.share_from_empty_reference).epsilon(1e-13));
    }
    CHECK(sparse.counts_without_total() == 3);
    CHECK(dense.counts_without_total() == 3);
    CHECK(spectra.counts_without_total() == 3);
  }
}

TEST_CASE("counts where the total has none are told and kept out of the normalised sums") {
  const auto counts = two_pixels(10, 0, 2, 0, 4, 5);
  const auto weights = weigh(counts.total, &counts.reference, {});
  PeakSums sums(weights);
  sums.add(not_zero(counts.peak));
  CHECK(sums.counts_without_total() == 5);
  CHECK(sums.peak("x").by_total == 0.4);
}

TEST_CASE("the settings say the rule that was used") {
  const auto said = [](const NormaliseOptions& options) {
    std::string text;
    for (const auto& setting : describe(options)) text += setting.name + "=" + setting.value + "; ";
    return text;
  };
  CHECK(said({}).find("pixels without reference ion=half;") != std::string::npos);
  CHECK(said({.empty_reference = EmptyReference::min_counts, .min_counts = 3}).find("=min_counts 3;") !=
        std::string::npos);
  CHECK(said({.reference = ""}).find("reference ion") == std::string::npos);
}
