// The same ions in every format must end in the same values, whatever way they were read. Invented counts.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "analysis/region.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/analysis/itstr_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

constexpr int side = 17, pixels = side * side;
constexpr float half_width = 0.03F;
struct Ion {
  const char* label;
  double mz, mean;  ///< mean: counts of a pixel
};
constexpr Ion ions[] = {{"O-", 15.995463, 6}, {"PO_3-", 78.959055, 2}, {"NiO_2-", 89.925719, 1.2}};

using Counts = std::vector<std::vector<std::uint32_t>>;  // by ion, then by pixel

Counts invented() {
  std::mt19937 random(7);
  Counts counts;
  for (const auto& ion : ions) {
    counts.emplace_back();
    for (int i = 0; i < pixels; ++i)  // one pixel in ten is empty
      counts.back().push_back(i % 10 == 3 ? 0 : std::poisson_distribution<std::uint32_t>(ion.mean)(random));
  }
  return counts;
}

std::uint32_t total_of(const Counts& counts, int pixel) {
  std::uint32_t total = 0;
  for (const auto& image : counts) total += image[static_cast<std::size_t>(pixel)];
  return total;
}

void write_images(const Folder& folder, const Counts& counts) {
  const auto write = [&](int id, const std::string& label, auto counts_of) {
    std::string text = "#\r\n";
    for (int i = 0; i < pixels; ++i)
      text += fmt::format("{} {} {:e}\r\n", i % side, i / side, double(counts_of(i)));
    folder.write(fmt::format("images ({}) - {}.txt", id, label), text);
  };
  write(0, "total", [&](int i) { return total_of(counts, i); });
  for (int k = 0; k < 3; ++k)
    write(k + 2, ions[k].label, [&](int i) { return counts[std::size_t(k)][std::size_t(i)]; });
}

void write_stack(const Folder& folder, const Counts& counts) {
  std::vector<Bif6Image> images = {{0, 0, 150, 300, {}}};
  for (int i = 0; i < pixels; ++i) images[0].counts.push_back(total_of(counts, i));
  for (std::uint32_t k = 0; k < 3; ++k) {
    const auto mz = static_cast<float>(ions[k].mz);
    images.push_back({k + 2, mz - half_width, mz, mz + half_width, counts[k]});
  }
  folder.write("stack.bif6", write_bif6(side, side, images));
}

void write_events(const Folder& folder, const Counts& counts) {
  GrdWriter events;
  for (std::size_t k = 0; k < 3; ++k)
    for (std::uint32_t i = 0; i < pixels; ++i)
      for (std::uint32_t n = 0; n < counts[k][i]; ++n) events.ion(0, i % side, i / side, ions[k].mz);
  folder.write("events.itm.grd", events.events);
  folder.write("events.properties.txt", events.properties(side));
  events.write_split(folder, "split.itm");
  folder.write("split.properties.txt", events.properties(side));
}

void write_containers(const Folder& folder, const Counts& counts) {
  std::vector<ItaImage> images{{0, "total", "", 0, 0, 0, {}}};
  for (int i = 0; i < pixels; ++i) images[0].counts.push_back(total_of(counts, i));
  for (std::uint32_t k = 0; k < 3; ++k)
    images.push_back(
        {k + 2, "", ions[k].label, ions[k].mz - half_width, ions[k].mz, ions[k].mz + half_width, counts[k]});
  folder.write("summed.ita", write_ita(side, side, images));
  folder.write("summed7.ita", write_ita(side, side, images, 7));
  ItmWriter stream;
  stream.side = side;
  stream.words_of_record = 100;
  stream.scan(0);
  for (std::uint32_t i = 0; i < pixels; ++i) {
    stream.pixel(i % side, i / side);
    for (std::size_t k = 0; k < 3; ++k)
      for (std::uint32_t n = 0; n < counts[k][i]; ++n) stream.ion(ions[k].mz);
  }
  folder.write("stream.itm", stream.write());
}

void write_spectra(const Folder& folder, const Counts& counts) {
  ImzmlWriter file;
  file.width = file.height = side;
  file.number = 'd';
  for (int i = 0; i < pixels; ++i) {
    ImzmlPixel pixel{1 + i % side, 1 + i / side, {}, {}};
    for (std::size_t k = 0; k < 3; ++k) {  // sparse, as processed files are
      const auto n = counts[k][static_cast<std::size_t>(i)];
      if (n == 0) continue;
      pixel.mz.push_back(ions[k].mz);
      pixel.intensity.push_back(n);
    }
    file.pixels.push_back(pixel);
  }
  file.write();
  folder.write("spectra.imzML", file.xml);
  folder.write("spectra.ibd", file.binary);
}

void write_peak_list(const Folder& folder) {
  std::string list = "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
  for (const auto& ion : ions)
    list += fmt::format("{:.6f}\t{:.6f}\t{}\r\n", ion.mz - half_width, ion.mz + half_width, ion.label);
  folder.write("peaks.txt", list);
}

}  // namespace

TEST_CASE("the same ions as images, stack, events, container and spectra end in the same values") {
  Folder folder;
  const auto counts = invented();
  write_images(folder, counts);
  write_stack(folder, counts);
  write_events(folder, counts);
  write_containers(folder, counts);
  write_spectra(folder, counts);
  write_peak_list(folder);
  const auto found = find_regions(folder.files());
  CHECK(found.refused.empty());
  REQUIRE(found.regions.size() == 8);
  for (const auto rule : {EmptyReference::half, EmptyReference::skip, EmptyReference::min_counts}) {
    const NormaliseOptions options{.reference = "NiO2-",
                                   .empty_reference = rule,
                                   .min_counts = 2,
                                   .masses = {.what = MassCheck::What::nothing}};
    std::vector<Region> regions;
    for (const auto& files : found.regions) regions.push_back(read_region(files, options));
    const auto& images = regions[1];
    REQUIRE(images.name == "images");
    CHECK(images.pixels_without_ions >= pixels / 10);
    for (const auto& region : regions) {
      CAPTURE(region.name);
      CHECK(region.width == side);
      CHECK(region.height == side);
      CHECK(region.reference == images.reference);
      CHECK(region.pixels_without_ions == images.pixels_without_ions);
      CHECK(region.pixels_without_reference == images.pixels_without_reference);
      CHECK(region.notes.empty());
      REQUIRE(region.peaks.size() == 3);
      for (std::size_t k = 0; k < 3; ++k) {
        const auto& peak = region.peaks[k];
        const auto& expected = images.peaks[k];
        CHECK(peak.label == expected.label);
        CHECK(peak.counts == expected.counts);
        CHECK(peak.by_total == doctest::Approx(expected.by_total).epsilon(1e-13));
        CHECK(peak.by_reference == doctest::Approx(expected.by_reference).epsilon(1e-13));
        CHECK(peak.ratio_to_total == expected.ratio_to_total);
        CHECK(peak.ratio_to_reference == expected.ratio_to_reference);
        CHECK(peak.share_from_empty_reference ==
              doctest::Approx(expected.share_from_empty_reference).epsilon(1e-13));
      }
    }
  }
}
