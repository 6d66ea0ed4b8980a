// No real .ita file is public. These are written by itstr_writer.h from what pySPM's reader expects.
#include "analysis/formats/ita.h"

#include <doctest/doctest.h>

#include "analysis/bad_input.h"
#include "analysis/region.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/itstr_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

std::vector<ItaImage> images() {
  return {{0, "total", "", 0, 0, 0, {10, 20, 30, 40, 50, 0}},
          {1, "sum of rest", "", 0, 0, 0, {1, 1, 1, 1, 1, 0}},
          {2, "", "PO_3-", 78.93, 78.96, 78.99, {5, 5, 5, 5, 5, 0}},
          {3, "", "NiO_2-", 89.90, 89.93, 89.95, {1, 2, 0, 1, 70000, 0}},
          {7, "", "", 100.5, 101, 101.5, {0, 0, 3, 0, 0, 0}}};
}

std::string refused(const std::string& bytes) {
  return refusal([&] {
    ItaReader reader(BinaryFile("s.ita", bytes));
    for (const auto& image : reader.images()) reader.read(image, [](auto, auto) {});
  });
}

}  // namespace

TEST_CASE("the summed images of an .ita end in a region, named as the file names them") {
  Folder folder;
  folder.write("s.ita", write_ita(3, 2, images()));
  const auto found = find_regions(folder.files());
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0]);
  CHECK(region.width == 3);
  CHECK(region.height == 2);
  CHECK(region.pixels_without_ions == 1);
  CHECK(region.reference == "NiO_2-");
  CHECK(region.intervals == "images of the file, under their names there");
  REQUIRE(region.peaks.size() == 3);  // in a folder that is continued, without total and sum of rest
  CHECK(region.peaks[0].label == "PO_3-");
  CHECK(region.peaks[0].by_total ==
        doctest::Approx((5.0 / 10 + 5.0 / 20 + 5.0 / 30 + 5.0 / 40 + 5.0 / 50) / 5));
  CHECK(region.peaks[1].counts == 70004);
  CHECK(region.peaks[2].label == "m/z 101.0000");
  CHECK(region.peaks[2].by_total_sum == 3.0 / 30);
}

TEST_CASE("the images of version 7, and images by scan, end in the same region as summed ones") {
  Folder folder;
  folder.write("a.ita", write_ita(3, 2, images()));
  folder.write("b.ita", write_ita(3, 2, images(), 7));
  folder.write("c.ita", write_ita(3, 2, images(), 6, 4));
  folder.write("d.ita", write_ita(3, 2, images(), 7, 3));
  const auto found = find_regions(folder.files());
  REQUIRE(found.regions.size() == 4);
  const auto summed = read_region(found.regions[0]);
  for (const auto& files : found.regions) CHECK(read_region(files).peaks == summed.peaks);
}

TEST_CASE("an .ita that is cut anywhere, or damaged, is refused with file, place and mend") {
  const auto good = write_ita(3, 2, images());
  CHECK(refused(good) == "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refused(good.substr(0, size)) != "accepted");
  CHECK(refused(write_ita(3, 3, images())).find("cannot be inflated to 36 bytes; copy or export it again") !=
        std::string::npos);
  CHECK(refused(write_ita(4000, 2, images())) ==
        "s.ita: images of 4000 x 2 pixels cannot be; export the images as BIF6 or as ASCII instead");
  CHECK(refused(ItWriter::write({.name = "root", .children = {{.name = "Meta", .value = "x"}}}))
            .starts_with("s.ita: holds no list of peaks or no images"));
  auto circle = good;  // the root goes on with itself
  circle.replace(8 + 25 + 4 + 33, 8, bytes_of(std::uint64_t{8}));
  CHECK(refused(circle) == "s.ita: the folder at byte 8 is its own continuation; copy or export it again");
}

TEST_CASE("an .ita that has its size but is not written to its end is refused") {
  const auto good = write_ita(3, 2, images());
  for (std::size_t written = 0; written < good.size(); ++written)
    if (const auto early = good.substr(0, written) + std::string(good.size() - written, '\0'); early != good)
      CHECK(refused(early) != "accepted");
}

TEST_CASE("scans whose sum is more than a pixel can count are refused") {
  auto all = images();
  all[3].counts[4] = UINT32_MAX / 2;
  all[3].in_each_scan = true;
  CHECK(refused(write_ita(3, 2, all, 6, 2)) == "accepted");
  all[3].counts[4] = UINT32_MAX / 2 + 1;
  CHECK(
      refused(write_ita(3, 2, all, 6, 2)) ==
      "s.ita: pixel 5 of NiO_2- has more counts than can be; export the images as BIF6 or as ASCII instead");
}

TEST_CASE("a peak whose image is nowhere is named") {
  auto all = images();
  const auto bytes = write_ita(3, 2, all, 7);
  auto other = bytes;
  const auto at = other.find(it_text("{SN-7}"));
  REQUIRE(at != std::string::npos);
  other.replace(at, 12, it_text("{SN-8}"));
  CHECK(refused(other) ==
        "s.ita: peak 7 (m/z 101.0000) has no image; export the images as BIF6 or as ASCII instead");
}

TEST_CASE("other files of the same container are refused with what to export instead") {
  Folder folder;
  folder.write("s.its", write_ita(3, 2, images()));
  const auto found = find_regions(folder.files());
  CHECK(found.regions.empty());
  REQUIRE(found.refused.size() == 1);
  CHECK(found.refused[0].why.find("raw data as .itm.grd") != std::string::npos);
}
