// No real BIF6 file is public. These are written by bif6_writer.h from what independent readers agree on; that the first
// size is X is what two of three of them say.
#include "analysis/formats/bif6.h"

#include <doctest/doctest.h>

#include "analysis/bad_input.h"
#include "analysis/region.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/analysis/folder.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

// 3 x 2 pixels: total, sum of rest, PO3- and NiO2-; the last pixel holds no ion.
std::vector<Bif6Image> images() {
  return {{0, 0, 150, 300, {10, 20, 30, 40, 50, 0}},
          {1, 0, 150, 300, {1, 1, 1, 1, 1, 0}},
          {2, 78.93F, 78.9591F, 78.99F, {5, 5, 5, 5, 5, 0}},
          {3, 89.90F, 89.9251F, 89.95F, {1, 2, 0, 1, 70000, 0}}};
}

constexpr const char* peak_list =
    "Center Mass (u)\tLower Mass (u)\tUpper Mass (u)\tAssignment\r\n"
    "78.9591\t78.930000\t78.990000\tPO_3-\r\n89.9251\t89.900000\t89.950000\tNiO_2-\r\n";

Bif6Reader open(const std::string& bytes) { return Bif6Reader(BinaryFile("i.bif6", bytes)); }

}  // namespace

TEST_CASE("an image that is not square is read with X fastest, the first size being X") {
  const auto bytes = write_bif6(3, 2, images());
  auto reader = open(bytes);
  CHECK(reader.shape().width == 3);
  CHECK(reader.shape().height == 2);
  REQUIRE(reader.images().size() == 4);
  CHECK(reader.images()[3].id == 3);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pixels;
  reader.read(reader.images()[3], [&](std::uint32_t first, std::span<const std::uint32_t> counts) {
    for (const auto n : counts) pixels.emplace_back(first++, n);
  });
  CHECK(pixels == std::vector<std::pair<std::uint32_t, std::uint32_t>>{
                      {0, 1}, {1, 2}, {2, 0}, {3, 1}, {4, 70000}, {5, 0}});
}

TEST_CASE("the three masses are put in order, whichever way they are written") {
  auto swapped = images();
  std::swap(swapped[2].lower, swapped[2].centre);
  const auto bytes = write_bif6(3, 2, swapped);
  const auto reader = open(bytes);
  CHECK(reader.images()[2].lower == doctest::Approx(78.93));
  CHECK(reader.images()[2].centre == doctest::Approx(78.9591));
}

TEST_CASE("an image larger than a piece is read whole") {
  std::vector<std::uint32_t> counts(300 * 301);
  for (std::uint32_t i = 0; i < counts.size(); ++i) counts[i] = i % 7;
  const auto bytes = write_bif6(300, 301, {{0, 0, 1, 2, counts}});
  auto reader = open(bytes);
  std::vector<std::uint32_t> seen(counts.size());
  reader.read(reader.images()[0], [&](std::uint32_t first, std::span<const std::uint32_t> run) {
    for (const auto n : run) seen.at(first++) = n;
  });
  CHECK(seen == counts);
}

TEST_CASE("a region of BIF6 is normalised as its images are, and named by the peak list") {
  Folder folder;
  folder.write("spot.bif6", write_bif6(3, 2, images()));
  folder.write("peaks.txt", peak_list);
  const auto found = find_regions(folder.files());
  CHECK(found.refused.empty());
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0]);
  CHECK(region.name == "spot");
  CHECK(region.width == 3);
  CHECK(region.height == 2);
  CHECK(region.reference == "NiO_2-");
  CHECK(region.pixels_without_ions == 1);
  CHECK(region.pixels_without_reference == 1);
  REQUIRE(region.peaks.size() == 2);  // neither total nor sum of rest
  CHECK(region.peaks[0].label == "PO_3-");
  CHECK(region.peaks[0].by_total ==
        doctest::Approx((5.0 / 10 + 5.0 / 20 + 5.0 / 30 + 5.0 / 40 + 5.0 / 50) / 5));
  CHECK(region.peaks[0].by_reference_sum == doctest::Approx(5.0 + 2.5 + 5 / 0.5 + 5.0 + 5.0 / 70000));
  CHECK(region.peaks[1].counts == 70004);  // above 16 bits
  CHECK(region.intervals == "images of the file, named by peak list peaks.txt");
  CHECK(region.files.size() == 2);
  CHECK(region.notes.empty());
}

TEST_CASE("without a peak list the images are told by their mass, with a note") {
  Folder folder;
  folder.write("spot.bif6", write_bif6(3, 2, images()));
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  CHECK(region.peaks[0].label == "m/z 78.9591");
  CHECK(region.intervals == "images of the file, told by their masses");
  CHECK(region.notes == std::vector<std::string>{
                            "spot: no peak list names its images, so they are told by their mass alone"});
}

TEST_CASE("images with other bounds than the list's are named by their centre, and that is said") {
  auto shifted = images();
  for (auto& image : shifted)
    if (image.id > 1) image.lower += 0.001F, image.centre += 0.001F, image.upper += 0.001F;
  shifted[3].lower -= 0.01F, shifted[3].upper += 0.01F;
  Folder folder;
  folder.write("spot.bif6", write_bif6(3, 2, shifted));
  folder.write("peaks.txt", peak_list);
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  CHECK(region.peaks.at(0).label == "PO_3-");
  CHECK(region.peaks.at(1).label == "NiO_2-");
  CHECK(region.reference == "NiO_2-");
  CHECK(region.notes ==
        std::vector<std::string>{
            "spot: 2 of its 2 images were exported with other bounds than peaks.txt gives, and "
            "are named by their centre: PO_3-, NiO_2-"});
  CHECK(region.doubts.empty());
}

TEST_CASE("images that no interval of the list names are a doubt") {
  auto others = images();
  others[2].lower += 0.002F, others[2].upper += 0.002F;                 // as far as NiCl- from Nb-
  others.push_back({4, 89.92F, 89.9257F, 89.93F, {1, 1, 0, 1, 9, 0}});  // NiO2- a second time, and narrower
  Folder folder;
  folder.write("spot.bif6", write_bif6(3, 2, others));
  folder.write("peaks.txt", peak_list);
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  CHECK(region.reference == "NiO_2-");
  CHECK(region.notes.empty());
  CHECK(region.doubts ==
        std::vector<std::string>{
            "spot: 2 of its 3 images have no name in peaks.txt and count for no category: m/z "
            "78.9591, m/z 89.9257; take the peak list that they were exported with"});
}

TEST_CASE("between two intervals in the same place nothing is chosen") {
  Folder folder;
  folder.write("spot.bif6", write_bif6(3, 2, images()));
  folder.write("peaks.txt",
               "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n78.930000\t78.990000\tPO_3-\r\n"
               "89.901000\t89.949500\tNiO_2-\r\n89.900500\t89.949000\tZr-\r\n");
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  CHECK(region.reference.empty());
  REQUIRE(region.doubts.size() == 1);
  CHECK(region.doubts[0].find("1 of its 2 images have no name in peaks.txt") != std::string::npos);
}

TEST_CASE("a stack that cannot be used is refused with file, place and mend") {
  const auto refused = [](const std::string& bytes) { return refusal([&] { return open(bytes); }); };
  const auto good = write_bif6(3, 2, images());
  CHECK(refused(good) == "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) CHECK(refused(good.substr(0, size)) != "accepted");
  CHECK(refused(good.substr(0, 100)) ==
        "i.bif6: 4 images of 3 x 2 pixels take 172 bytes, but it has 100; the file is cut short or damaged: "
        "copy "
        "or export it again");
  CHECK(refused(good + "x").find("but it has 173") != std::string::npos);
  const std::string again = "; export the images again as BIF6";
  CHECK(refused(write_bif6(0, 2, images())) == "i.bif6: 4 images of 0 x 2 pixels cannot be" + again);
  for (const std::size_t image : {2, 3}) {  // its size was set first, and the writer pauses before this image
    auto early = good;
    std::fill(early.begin() + static_cast<std::ptrdiff_t>(12 + image * (16 + 4 * 6)), early.end(), '\0');
    CHECK(refused(early) == "i.bif6: has its size, but is not written to its end: image " +
                                std::to_string(image + 1) +
                                " of 4 is empty; wait for its writer, or copy or export it again");
  }
  CHECK(refused(write_bif6(65535, 65535, images())) ==
        "i.bif6: 4 images of 65535 x 65535 pixels cannot be" + again);
  CHECK(refused("II*\0" + good) == "i.bif6: does not begin as BIF6 does" + again);
  auto bad = images();
  bad[3].id = 2;
  CHECK(refused(write_bif6(3, 2, bad)) == "i.bif6: image 4 has the number 2, which another has too" + again);
  bad = images();
  bad[1].upper = -1;
  CHECK(refused(write_bif6(3, 2, bad)) == "i.bif6: image 2 has a mass that is negative or no number" + again);

  Folder folder;
  bad = images();
  bad[0].id = 9;
  folder.write("no total.bif6", write_bif6(3, 2, bad));
  CHECK(refusal([&] { return read_region(find_regions(folder.files()).regions.at(0)); }) ==
        "no total.bif6: has no total ion image (number 0); export it as well");
}
