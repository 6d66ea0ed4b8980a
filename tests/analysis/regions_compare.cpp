// Inner against outer: made images whose contrast is known, and masks whose area is.
#include "analysis/regions_compare.h"

#include <doctest/doctest.h>

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <numeric>

#include "analysis/bad_input.h"
#include "analysis/random.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

constexpr ImageShape shape{64, 48, 1};
constexpr ImageShape large{128, 128, 1};

double uniform(SplitMix64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

double poisson(double mean, SplitMix64& random) {
  double product = uniform(random), counts = 0;
  for (; product > std::exp(-mean); ++counts) product *= uniform(random);
  return counts;
}

/// Counts around share(x, y) of 200 ions a pixel.
template <typename Share>
Image made(Share share, SplitMix64& random, const ImageShape& of = shape) {
  Image image{of, {}};
  for (std::uint32_t y = 0; y < of.height; ++y)
    for (std::uint32_t x = 0; x < of.width; ++x) image.counts.push_back(poisson(200 * share(x, y), random));
  return image;
}

Image flat(double counts) { return {shape, std::vector<double>(shape.pixels(), counts)}; }

const Mask inner = circle_mask(shape, {31.5, 23.5}, 15);

}  // namespace

TEST_CASE("a circle, a polygon and their outside have the areas of geometry") {
  CHECK(static_cast<double>(inner.pixels()) == doctest::Approx(std::numbers::pi * 225).epsilon(0.02));
  CHECK(inner.pixels() + inner.outside().pixels() == shape.pixels());
  const std::vector<Place> rectangle{{9.5, 4.5}, {29.5, 4.5}, {29.5, 14.5}, {9.5, 14.5}};
  const Mask mask = polygon_mask(shape, rectangle);
  CHECK(mask.pixels() == 200);
  CHECK(mask.inside[5 * 64 + 10]);
  CHECK_FALSE(mask.inside[4 * 64 + 10]);
  std::vector<Place> round;
  for (int i = 0; i < 720; ++i) {
    const double angle = i * std::numbers::pi / 360;
    round.push_back({31.5 + 15 * std::cos(angle), 23.5 + 15 * std::sin(angle)});
  }
  const Mask polygon = polygon_mask(shape, round);
  std::size_t differ = 0;
  for (std::size_t i = 0; i < shape.pixels(); ++i) differ += polygon.inside[i] != inner.inside[i];
  CHECK(differ < 10);
  CHECK_THROWS_AS((void)polygon_mask(shape, std::vector<Place>{{0, 0}, {1, 1}}), BadInput);
}

TEST_CASE("a mask drawn as PNG reads back pixel by pixel, and another size or no PNG is refused") {
  const std::vector<Place> corner{{-1, -1}, {20, -1}, {-1, 12}};  // at small Y: below in the picture
  const Mask mask = polygon_mask(shape, corner);
  const std::string png = png_of(mask);
  CHECK(png_mask(png, "mask.png", shape).inside == mask.inside);
  CHECK_THROWS_WITH_AS((void)png_mask(png, "mask.png", {48, 64, 1}),
                       doctest::Contains("mask.png: it has 64 x 48 pixels, the ion images 48 x 64"),
                       BadInput);
  CHECK_THROWS_AS((void)png_mask("not a picture", "mask.png", shape), BadInput);
  for (std::size_t size = 0; size + 16 < png.size(); size += 7)
    CHECK_THROWS_AS((void)png_mask(png.substr(0, size), "mask.png", shape), BadInput);
}

TEST_CASE("an ion image is a mask of the pixels above a threshold") {
  Image image = flat(0);
  image.counts[7] = 3;
  image.counts[9] = 1;
  CHECK(image_mask(image).pixels() == 2);
  CHECK(image_mask(image, 1).pixels() == 1);
}

TEST_CASE(
    "an ion that is twice as frequent inside has ratio 2, turned round one half, and the interval holds it") {
  SplitMix64 random(1);
  const Image total = flat(200);
  const Image peak =
      made([](auto x, auto y) { return std::hypot(x - 31.5, y - 23.5) <= 15 ? 0.02 : 0.01; }, random);
  const auto contrast = PartComparison(total, inner, inner.outside()).of("PO_3-", peak);
  CHECK(*contrast.ratio == doctest::Approx(2).epsilon(0.06));
  CHECK(contrast.interval->low < 2);
  CHECK(contrast.interval->high > 2);
  CHECK(*contrast.deviations > 10);
  CHECK(contrast.inner.pixels == inner.pixels());
  CHECK(contrast.inner.counts + contrast.outer.counts ==
        doctest::Approx(std::accumulate(peak.counts.begin(), peak.counts.end(), 0.0)));
  const auto turned = PartComparison(total, inner.outside(), inner).of("PO_3-", peak);
  CHECK(*turned.ratio == doctest::Approx(1 / *contrast.ratio));
  CHECK(*turned.deviations == doctest::Approx(-*contrast.deviations));
}

TEST_CASE("topography cancels: what multiplies peak and total alike changes nothing") {
  SplitMix64 random(2);
  Image total = flat(200), peak = made([](auto, auto) { return 0.05; }, random);
  const auto before = PartComparison(total, inner, inner.outside()).of("S-", peak);
  for (std::size_t i = 0; i < shape.pixels(); ++i) {
    const double height = 0.2 + 2 * uniform(random);
    total.counts[i] *= height;
    peak.counts[i] *= height;
  }
  const auto after = PartComparison(total, inner, inner.outside()).of("S-", peak);
  CHECK(*after.ratio == doctest::Approx(*before.ratio).epsilon(1e-12));
}

TEST_CASE("pixels without ions are in no mean") {
  Image total = flat(200), peak = flat(4);
  for (std::size_t i = 0; i < shape.pixels(); i += 3) total.counts[i] = peak.counts[i] = 0;
  const auto contrast = PartComparison(total, inner, inner.outside()).of("S-", peak);
  CHECK(contrast.inner.mean == doctest::Approx(0.02));
  CHECK(contrast.inner.pixels + contrast.outer.pixels == shape.pixels() * 2 / 3);
  CHECK(*contrast.ratio == doctest::Approx(1));
  CHECK(normalised(peak, total).counts[0] == 0);
  CHECK(normalised(peak, total).counts[1] == doctest::Approx(0.02));
}

// 250 images without contrast: 95 % has a standard error of 1.4 %.
TEST_CASE("without contrast nineteen intervals in twenty hold 1, also where grains make neighbours alike") {
  SplitMix64 random(3);
  const Image total{large, std::vector<double>(large.pixels(), 200)};
  const Mask middle = circle_mask(large, {63.5, 63.5}, 45);
  constexpr int images = 250;
  const PartComparison by_tiles(total, middle, middle.outside());
  const PartComparison by_pixels(total, middle, middle.outside(), {.tile = 1});
  for (const bool grains : {false, true}) {
    int held = 0, held_by_pixels = 0;
    for (int i = 0; i < images; ++i) {
      std::vector<double> grain(33 * 33);
      for (double& g : grain) g = grains ? 0.002 + 0.006 * uniform(random) : 0.004;
      // Grains of 4 x 4 pixels, their borders not those of the tiles.
      const Image peak =
          made([&](auto x, auto y) { return grain[(y + 2) / 4 * 33 + (x + 2) / 4]; }, random, large);
      const auto holds = [&](const PartComparison& comparison) {
        const auto c = comparison.of("S-", peak);
        return c.interval->low <= 1 && 1 <= c.interval->high;
      };
      held += holds(by_tiles);
      held_by_pixels += holds(by_pixels);
    }
    MESSAGE(std::string(grains ? "grains" : "counting alone"), ": by tiles ", held * 1.0 / images,
            ", by pixels ", held_by_pixels * 1.0 / images);
    CHECK(held > 0.90 * images);
    CHECK(held < 0.99 * images);
    if (grains) CHECK(held_by_pixels < 0.85 * images);  // why tiles
  }
}

TEST_CASE("an ion that is missing in a part, and a part in one tile, say so") {
  const Image total = flat(200);
  Image peak = flat(1);
  for (std::size_t i = 0; i < shape.pixels(); ++i)
    if (!inner.inside[i]) peak.counts[i] = 0;
  const auto contrast = PartComparison(total, inner, inner.outside()).of("S-", peak);
  CHECK_FALSE(contrast.ratio);
  CHECK(contrast.why_not == "no ion of it in the outer part");
  const auto tiny = PartComparison(total, circle_mask(shape, {3, 3}, 1), inner).of("S-", flat(1));
  CHECK(*tiny.ratio == doctest::Approx(1));
  CHECK_FALSE(tiny.interval);
  CHECK(tiny.why_not == "a part is worth fewer than two tiles, so nothing is known of its scatter");
}

TEST_CASE("masks that are empty, overlap or belong to another image are refused") {
  const Image total = flat(200);
  CHECK_THROWS_WITH_AS(PartComparison(total, inner, inner),
                       "inner and outer part: they share pixels; leave those out of one of them", BadInput);
  CHECK_THROWS_AS(PartComparison(total, circle_mask(shape, {-99, 0}, 1), inner), BadInput);
  CHECK_THROWS_AS(PartComparison(total, circle_mask({10, 10, 1}, {5, 5}, 2), inner), BadInput);
  CHECK_THROWS_AS(PartComparison(total, inner, inner.outside(), {.tile = 0}), BadInput);
}

TEST_CASE("a region of image files is compared ion by ion, and written as a table") {
  auto pattern = (std::filesystem::temp_directory_path() / "cambench-parts-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  SplitMix64 random(4);
  const auto write = [&](const std::string& label, int id, const Image& image) {
    std::ofstream file(folder / fmt::format("spot (1) ({}) - {}.txt", id, label));
    file << "# Ascii (X, Y, I)\n";
    for (std::size_t i = 0; i < image.counts.size(); ++i)
      file << i % shape.width << ' ' << i / shape.width << ' ' << image.counts[i] << '\n';
    return folder / fmt::format("spot (1) ({}) - {}.txt", id, label);
  };
  RegionFiles found{.name = "spot (1)", .format = RegionFiles::Format::images_ascii, .files = {}};
  found.files = {write("total", 0, flat(200)), write("S-", 2, made([](auto, auto) { return 0.1; }, random)),
                 write("PO_3-", 3, made([](auto x, auto) { return x < 32 ? 0.03 : 0.02; }, random))};
  const std::vector<Place> left{{-1, -1}, {31.5, -1}, {31.5, 48}, {-1, 48}};
  const Mask half = polygon_mask(shape, left);
  const auto images = images_of(found);
  const auto contrasts = compare_parts(images, images.total(), half, half.outside());
  REQUIRE(contrasts.size() == 2);
  CHECK(contrasts[0].label == "S-");
  CHECK(*contrasts[0].ratio == doctest::Approx(1).epsilon(0.02));
  CHECK(*contrasts[1].ratio == doctest::Approx(1.5).epsilon(0.05));
  const std::string csv = contrasts_csv(contrasts);
  CHECK(std::ranges::count(csv, '\n') == 3);
  CHECK(csv.find("\n\"PO_3-\",0.0") != std::string::npos);
  found.files.erase(found.files.begin());
  CHECK_THROWS_WITH_AS((void)images_of(found), doctest::Contains("there is no total ion image"), BadInput);
  std::filesystem::remove_all(folder);
}
