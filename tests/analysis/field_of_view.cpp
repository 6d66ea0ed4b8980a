// How wide an image is, in micrometres: for the scale bar of what is drawn of it.
#include <doctest/doctest.h>

#include "analysis/region_images.h"
#include "analysis/study_parts.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/analysis/itstr_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

constexpr double po3 = 78.9591;

RegionFiles only_region(const Folder& folder) { return find_regions(folder.files()).regions.at(0); }

RegionFiles raw_events(const Folder& folder) {
  GrdWriter file;
  for (std::uint32_t i = 0; i < 16; ++i)
    for (std::uint32_t n = 0; n <= i; ++n) file.ion(0, i % 4, i / 4, po3);
  folder.write("spot.itm.grd", file.events);
  folder.write("spot.properties.txt", file.properties(4));
  folder.write("peaks.txt", "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n78.93\t78.99\tPO_3-\r\n");
  return only_region(folder);
}

RegionFiles raw_stream(const Folder& folder, int version) {
  ItmWriter file;
  file.version = version;
  file.scan(0);
  file.pixel(0, 0);
  file.ion(po3);
  folder.write("spot.itm", file.write());
  return only_region(folder);
}

RegionFiles spectra(const Folder& folder, const std::string& pixel_size) {
  ImzmlWriter file;
  for (int i = 0; i < 4; ++i) file.pixels.push_back({1 + i % 2, 1 + i / 2, {po3}, {1}});
  file.pixel_size = pixel_size;
  file.write();
  folder.write("spot.imzML", file.xml);
  folder.write("spot.ibd", file.binary);
  return only_region(folder);
}

std::string pixel_size(const char* value, const char* more) {
  return fmt::format("<cvParam accession=\"IMS:1000046\" value=\"{}\"{}/>", value, more);
}

}  // namespace

TEST_CASE("raw events say it in their properties, an .ita beside its picture, an .itm in either place") {
  Folder grd, version_6, version_7, ita;
  CHECK(images_of(raw_events(grd)).field_of_view_um == doctest::Approx(500));
  CHECK(images_of(raw_stream(version_6, 6)).field_of_view_um == doctest::Approx(300));
  CHECK(images_of(raw_stream(version_7, 7)).field_of_view_um == doctest::Approx(250));
  ita.write("spot.ita", write_ita(2, 2, {{0, "total", "", 0, 0, 0, {1, 2, 3, 4}}}));
  CHECK(images_of(only_region(ita)).field_of_view_um == doctest::Approx(300));
}

TEST_CASE("an imzML says how wide a pixel is, in any unit of length or none") {
  const auto width = [](const std::string& term) {
    Folder folder;
    return images_of(spectra(folder, term)).field_of_view_um;
  };
  CHECK(width(pixel_size("4.5", "")) == 9.0);
  CHECK(width(pixel_size("4.5", " unitAccession=\"UO:0000017\"")) == 9.0);
  CHECK(width(pixel_size("0.25", " unitAccession=\"UO:0000016\"")) == 500.0);
  CHECK(width(pixel_size("500", " unitAccession=\"UO:0000018\"")) == doctest::Approx(1));
  for (const auto& term :
       {pixel_size("4.5", " unitAccession=\"UO:0000015\""), pixel_size("0", ""), pixel_size("-1", ""),
        pixel_size("nan", ""), pixel_size("wide", ""), std::string()})
    CHECK_FALSE(width(term).has_value());
}

TEST_CASE("a region's parts are drawn to the scale of its files, or to the one that was asked for") {
  const Folder folder;
  const auto found = raw_events(folder);
  const Spot spot{"bare", State::cycled, "spot"};
  const auto parts = [&](std::optional<double> asked) {
    return compare_region(spot, found,
                          {.inner = Circle{{1.5, 1.5}, 1}, .overlay = {"PO3-"}, .field_of_view_um = asked});
  };
  CHECK(parts({}).field_of_view_um == doctest::Approx(500));
  CHECK(parts(80).field_of_view_um == 80);
  CHECK(parts({}).overlay_png == parts(500).overlay_png);
  CHECK(parts({}).overlay_png != parts(80).overlay_png);
}
