// Parts of a region, from image files to the report. Invented counts: PO3- is half as strong again in the inner part.
#include "analysis/study_parts.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <random>

#include "analysis/bad_input.h"
#include "analysis/region_images.h"
#include "analysis/study.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

constexpr std::uint32_t side = 64;
constexpr ImageShape shape{side, side};
const Circle middle{{31.5, 31.5}, 20};
const Spot spot{"bare", State::cycled, "spot 1"};

/// Total, S- (equal everywhere), PO3- (more inside), Ni- (inside only), by name.
struct Counts {
  std::vector<std::string> labels{"total", "S-", "PO_3-", "Ni-"};
  std::vector<Image> images;
};

Counts invented() {
  const Mask inside = circle_mask(shape, middle.centre, middle.radius);
  std::mt19937 random(3);
  Counts counts;
  for (const auto& [outer, inner] : {std::pair{200.0, 200.0}, {8.0, 8.0}, {4.0, 6.0}, {0.0, 3.0}}) {
    Image image{shape, {}};
    for (const bool in : inside.inside) {
      const double mean = in ? inner : outer;
      image.counts.push_back(mean > 0 ? std::poisson_distribution<>(mean)(random) : 0);
    }
    counts.images.push_back(std::move(image));
  }
  return counts;
}

RegionFiles exported(const Folder& folder, const Counts& counts) {
  for (std::size_t k = 0; k < counts.labels.size(); ++k) {
    std::string text = "#\r\n";
    for (std::size_t i = 0; i < shape.pixels(); ++i)
      text += fmt::format("{} {} {:e}\r\n", i % side, i / side, counts.images[k].counts[i]);
    folder.write(fmt::format("spot 1 ({}) - {}.txt", k == 0 ? 0 : k + 1, counts.labels[k]), text);
  }
  return find_regions(folder.files()).regions.at(0);
}

constexpr double mz[] = {150, 31.9726, 78.9591, 57.9359};  // that of the total: the middle of its interval

void write_peak_list(const Folder& folder) {
  folder.write(
      "peaks.txt",
      "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n31.9626\t31.9826\tS-\r\n78.9491\t78.9691\tPO_3-\r\n"
      "57.9259\t57.9459\tNi-\r\n");
}

/// Calls ion(pixel, m/z, how many): the peaks, and what is left of the total beside them.
void each_ion(const Counts& counts, const std::function<void(std::uint32_t, double, std::uint32_t)>& ion) {
  for (std::uint32_t i = 0; i < shape.pixels(); ++i) {
    double rest = counts.images[0].counts[i];
    for (const std::size_t k : {1UL, 3UL, 2UL}) {  // by m/z
      ion(i, mz[k], static_cast<std::uint32_t>(counts.images[k].counts[i]));
      rest -= counts.images[k].counts[i];
    }
    ion(i, mz[0], static_cast<std::uint32_t>(rest));
  }
}

RegionFiles as_events(const Folder& folder, const Counts& counts) {
  GrdWriter events;
  each_ion(counts, [&](std::uint32_t pixel, double at, std::uint32_t n) {
    for (; n > 0; --n) events.ion(0, pixel % side, pixel / side, at);
  });
  folder.write("spot 1.itm.grd", events.events);
  folder.write("spot 1.properties.txt", events.properties(side));
  write_peak_list(folder);
  return find_regions(folder.files()).regions.at(0);
}

RegionFiles as_spectra(const Folder& folder, const Counts& counts) {
  ImzmlWriter file;
  file.number = 'd';
  for (std::uint32_t i = 0; i < shape.pixels(); ++i)
    file.pixels.push_back({static_cast<int>(1 + i % side), static_cast<int>(1 + i / side), {}, {}});
  each_ion(counts, [&](std::uint32_t pixel, double at, std::uint32_t n) {
    if (n == 0) return;
    file.pixels[pixel].mz.push_back(at);
    file.pixels[pixel].intensity.push_back(n);
  });
  file.write();
  folder.write("spot 1.imzML", file.xml);
  folder.write("spot 1.ibd", file.binary);
  write_peak_list(folder);
  return find_regions(folder.files()).regions.at(0);
}

RegionFiles stacked(const Folder& folder, const Counts& counts) {
  std::vector<Bif6Image> stack;
  for (std::uint32_t k = 0; k < counts.labels.size(); ++k) {
    const auto at = static_cast<float>(mz[k]);
    const float reach = k == 0 ? 150 : 0.01F;
    stack.push_back({k == 0 ? 0 : k + 1, at - reach, at, at + reach, {}});
    for (const double n : counts.images[k].counts)
      stack.back().counts.push_back(static_cast<std::uint32_t>(n));
  }
  folder.write("spot 1.bif6", write_bif6(side, side, stack));
  write_peak_list(folder);
  return find_regions(folder.files()).regions.at(0);
}

const Contrast& of(const RegionParts& parts, const std::string& ion) {
  return *std::ranges::find(parts.contrasts, ion, &Contrast::label);
}

}  // namespace

TEST_CASE(
    "the contrast of each fragment is found, with its interval, from images, a stack, events and spectra") {
  const auto counts = invented();
  std::optional<RegionParts> first;
  for (const auto write : {exported, stacked, as_events, as_spectra}) {
    const Folder folder;
    const auto parts =
        compare_region(spot, write(folder, counts), {.inner = middle, .field_of_view_um = 100});
    if (!first) first = parts;
    for (std::size_t i = 0; i < parts.contrasts.size(); ++i)
      CHECK(parts.contrasts[i].ratio == first->contrasts.at(i).ratio);
    REQUIRE(parts.images.size() == first->images.size());
    for (std::size_t i = 0; i < parts.images.size(); ++i) CHECK(parts.images[i].png == first->images[i].png);
    CHECK(parts.inner == "circle around X 31.5 Y 31.5, radius 20 pixels");
    CHECK(parts.inner_pixels + parts.outer_pixels == shape.pixels());
    REQUIRE(parts.contrasts.size() == 3);
    CHECK(parts.contrasts[0].label == "S-");  // by m/z
    CHECK(parts.contrasts[2].label == "PO3-");
    CHECK(*of(parts, "S-").ratio == doctest::Approx(1).epsilon(0.03));
    CHECK(*of(parts, "PO3-").ratio == doctest::Approx(1.5).epsilon(0.05));
    CHECK(of(parts, "PO3-").interval->low > 1.3);
    CHECK(of(parts, "S-").interval->low < 1.02);
    CHECK(of(parts, "Ni-").why_not == "no ion of it in the outer part");
    CHECK(parts.overlay_png.empty());
    CHECK(parts.images.at(0).ion == "PO3-");  // the clearest
    CHECK(parts.mask_png.starts_with("\x89PNG"));
  }
}

TEST_CASE("images that do not fit into memory together are counted in several passes, in any order") {
  const auto counts = invented();
  const std::size_t two_images = 2 * sizeof(double) * shape.pixels();
  for (const auto write : {as_events, as_spectra}) {
    const Folder folder;
    const auto images = images_of(write(folder, counts), {}, two_images);
    REQUIRE(images.labels.size() == 3);
    for (const std::size_t k : {1UL, 2UL, 3UL, 1UL, 0UL, 2UL}) {
      const auto image =
          k == 0 ? images.total() : images.peak(images.find(counts.labels[k]), images.total().shape);
      CHECK(image.counts == counts.images[k].counts);
    }
  }
}

TEST_CASE(
    "circle, polygon, drawn mask and an ion's image give the same part where they cover the same pixels") {
  const Folder folder;
  const auto counts = invented();
  const auto found = exported(folder, counts);
  const Polygon square{{{9.5, 9.5}, {49.5, 9.5}, {49.5, 49.5}, {9.5, 49.5}}};
  const auto by_polygon = compare_region(spot, found, {.inner = square});
  CHECK(by_polygon.inner_pixels == 1600);
  const auto by_drawing = compare_region(
      spot, found, {.inner = DrawnMask{"inner.png", png_of(polygon_mask(shape, square.corners))}});
  CHECK(by_drawing.inner == "white of inner.png");
  CHECK(by_drawing.mask_png == by_polygon.mask_png);
  CHECK(of(by_drawing, "PO3-").ratio == of(by_polygon, "PO3-").ratio);
  const auto by_ion = compare_region(spot, found, {.inner = IonMask{"Ni-", 1}});
  const Mask ni = image_mask(counts.images[3], 1);
  CHECK(by_ion.inner == "pixels with more than 1 counts of Ni-");
  CHECK(by_ion.inner_pixels == ni.pixels());
}

TEST_CASE("an overlay shows the ions that were asked for, and they come first among the images") {
  const Folder folder;
  const auto parts = compare_region(spot, exported(folder, invented()),
                                    {.inner = middle, .overlay = {"S-", "PO_3-"}, .field_of_view_um = 300});
  CHECK(parts.overlay_ions == std::vector<std::string>{"S-", "PO3-"});
  CHECK(parts.overlay_png.starts_with("\x89PNG"));
  REQUIRE(parts.images.size() == 2);
  CHECK(parts.images[0].ion == "S-");
}

TEST_CASE("parts that cannot be compared are refused with the mend") {
  const Folder folder;
  const auto found = exported(folder, invented());
  CHECK(refusal([&] { return compare_region(spot, found, {.inner = middle, .overlay = {"Nb-"}}); }) ==
        "spot 1: has no image of Nb-; export it as well, or name another ion");
  CHECK(refusal([&] {
          return compare_region(spot, found, {.inner = Circle{{900, 900}, 3}});
        }).find("the mask has no pixel") != std::string::npos);
  const RegionFiles spectrum{"a", RegionFiles::Format::spectrum_ascii, {"a.txt"}, {}};
  CHECK(refusal([&] {
          return compare_region(spot, spectrum, {.inner = middle});
        }).find("a: is one spectrum of all its pixels; export its images") == 0);
}

TEST_CASE("a study shows the parts of its regions in the report, in a table and in pictures of their own") {
  const Folder folder;
  study::StudyInput input;
  input.id = input.title = "collector";
  input.materials = {{"bare", "NCM bare", "none", 0, true}};
  input.parts.push_back(
      compare_region(spot, exported(folder, invented()),
                     {.inner = middle, .overlay = {"PO3-", "S-"}, .field_of_view_um = 300}));
  const auto result = study::score(input);
  std::vector<std::string> names;
  for (const auto& file : study::outputs(result, "test")) names.push_back(file.name);
  for (const char* name : {"parts.csv", "parts_1.svg", "parts_1_mask.png", "parts_1_overlay.png",
                           "parts_1_PO3-.png", "parts_1_S-.png"})
    CHECK(std::ranges::count(names, name) == 1);
  const auto csv = study::parts_csv(result);
  CHECK(std::ranges::count(csv, '\n') == 4);
  CHECK(csv.find("\nbare,cycled,spot 1,\"circle around X 31.5 Y 31.5, radius 20 pixels\",") !=
        std::string::npos);
  const auto html = study::report_html(result, "test");
  CHECK(html.find("<h3>NCM bare, cycled, spot 1</h3>") != std::string::npos);
  CHECK(html.find("src=\"data:image/png;base64,iVBORw0KGgo") != std::string::npos);  // a PNG's first bytes
  CHECK(study::scores_json(result, "test").find("\"parts\":[{\"material\":\"bare\"") != std::string::npos);
  CHECK(html.find("the image is 300 µm wide") != std::string::npos);
  auto other = input;
  other.parts[0].field_of_view_um = std::nullopt;
  CHECK(study::report_html(study::score(other), "test")
            .find("no scale, since neither its files nor study.toml") != std::string::npos);
  other.parts[0].inner = "elsewhere";
  CHECK(study::score(other).inputs_hash != result.inputs_hash);
}

TEST_CASE(
    "regions of one sample are pooled: each counts once, and the interval comes from how they scatter") {
  std::vector<RegionParts> all;
  const auto add = [&](const char* material, const char* region, std::optional<double> po3,
                       std::optional<double> s) {
    RegionParts parts{.spot = {material, State::cycled, region}, .inner = "a circle"};
    parts.contrasts.push_back({.label = "S-", .ratio = s});
    parts.contrasts.push_back({.label = "PO3-", .ratio = po3});
    all.push_back(std::move(parts));
  };
  add("bare", "1", 1.0, 1.5);
  add("bare", "2", 4.0, std::nullopt);
  add("bare", "3", 2.0, std::nullopt);
  add("coated", "1", 1.0, 1.0);  // alone
  const auto samples = pooled(all);
  REQUIRE(samples.size() == 1);
  CHECK(samples[0].material == "bare");
  CHECK(samples[0].regions == 3);
  REQUIRE(samples[0].contrasts.size() == 2);
  const auto& s = samples[0].contrasts[0];
  CHECK(s.label == "S-");
  CHECK(s.regions == 1);
  CHECK(*s.ratio == doctest::Approx(1.5));
  CHECK_FALSE(s.interval);
  CHECK(s.why_not == "one region only has a ratio of it, so nothing is known of its scatter");
  const auto& po3 = samples[0].contrasts[1];
  CHECK(*po3.ratio == doctest::Approx(2));
  // ln 1, ln 4, ln 2: standard deviation ln 2, two degrees of freedom.
  CHECK(std::log(po3.interval->high / 2) ==
        doctest::Approx(4.303 * std::log(2) / std::sqrt(3)).epsilon(0.001));
  CHECK(po3.interval->low * po3.interval->high == doctest::Approx(4));
}

TEST_CASE("the report shows first what a sample's regions say together") {
  const Folder folder;
  study::StudyInput input;
  input.id = input.title = "collector";
  input.materials = {{"bare", "NCM bare", "none", 0, true}};
  const auto found = exported(folder, invented());
  for (const char* region : {"spot 1", "spot 2"})
    input.parts.push_back(compare_region({"bare", State::cycled, region}, found, {.inner = middle}));
  const auto result = study::score(input);
  std::vector<std::string> names;
  for (const auto& file : study::outputs(result, "test")) names.push_back(file.name);
  for (const char* name : {"parts_pooled.csv", "parts_bare_cycled.svg", "parts_1.svg", "parts_2.svg"})
    CHECK(std::ranges::count(names, name) == 1);
  CHECK(study::pooled_parts_csv(result).find("\nbare,cycled,PO3-,2,1.5") != std::string::npos);
  const auto html = study::report_html(result, "test");
  const auto together = html.find("<h3>NCM bare, cycled, all 2 regions</h3>"),
             first = html.find("<h3>NCM bare, cycled, spot 1</h3>"),
             second = html.find("<summary>NCM bare, cycled, spot 2</summary>");
  REQUIRE(second != std::string::npos);
  CHECK((together < first && first < second));
  CHECK(study::scores_json(result, "test").find("\"pooled_parts\":[{\"material\":\"bare\"") !=
        std::string::npos);
}
