// No real .itm is public. These are written by itstr_writer.h from what pySPM's reader expects, with the mass scale of a
// real spectrum, and records so short that they cut pixels.
#include "analysis/formats/itm.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "analysis/bad_input.h"
#include "analysis/region.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/itstr_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

constexpr double po3 = 78.959055, nio2 = 89.925719;  // u, AME2020 with one electron mass

// 2 x 2 pixels in two scans: 0 0 has two ions, 1 0 one, 0 1 an unassigned one, 1 1 none.
ItmWriter stream() {
  ItmWriter file;
  for (const std::uint32_t scan : {0U, 1U}) {
    file.scan(scan);
    file.pixel(0, 0);
    file.ion(po3);
    file.ion(nio2);
    file.pixel(1, 0);
    file.ion(po3);
    file.pixel(0, 1);
    file.ion(250);
    file.pixel(1, 1);
  }
  return file;
}

const std::vector<ItaImage> own_peaks{{0, "total", "", 0, 0, 0, {}},
                                      {1, "sum of rest", "", 0, 0, 0, {}},
                                      {2, "", "PO_3-", 78.93, 78.96, 78.99, {}},
                                      {3, "", "NiO_2-", 89.90, 89.93, 89.95, {}}};
constexpr const char* peak_list =
    "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n78.93\t78.99\tPO_3-\r\n89.90\t89.95\tNiO_2-\r\n";

std::string refused(const std::string& bytes) {
  return refusal([&] {
    ItmReader reader(BinaryFile("s.itm", bytes));
    return reader.each_ion([](auto) {});
  });
}

constexpr std::string_view mend = "export the raw data as .itm.grd, or the images as BIF6 or as ASCII";

}  // namespace

TEST_CASE("the raw stream becomes a region: by a peak list, or by the file's own, in either version") {
  for (const int version : {6, 7})
    for (const bool own : {false, true}) {
      CAPTURE(version);
      CAPTURE(own);
      Folder folder;
      auto file = stream();
      file.version = version;
      if (own)
        file.peaks = own_peaks;
      else
        folder.write("peaks.txt", peak_list);
      folder.write("spot 1.itm", file.write());
      const auto found = find_regions(folder.files());
      CHECK(found.refused.empty());
      REQUIRE(found.regions.size() == 1);
      const auto region = read_region(found.regions[0]);
      CHECK(region.name == "spot 1");
      CHECK(region.width == 2);
      CHECK(region.height == 2);
      CHECK(region.pixels_without_ions == 1);
      CHECK(region.pixels_without_reference == 2);
      REQUIRE(region.peaks.size() == 2);
      CHECK(region.peaks[0].label == "PO_3-");
      CHECK(region.peaks[0].counts == 4);
      // Totals of the three pixels: 4, 2, 2.
      CHECK(region.peaks[0].by_total_sum == 2.0 / 4 + 2.0 / 2);
      CHECK(region.peaks[1].by_total_sum == 2.0 / 4);
      CHECK(region.intervals == (own ? "peak list that the file holds" : "peak list peaks.txt"));
      CHECK(region.notes.front() == (own ? "spot 1: its peaks are those of the list that the file holds"
                                         : "spot 1: 2 scans were summed"));
    }
}

TEST_CASE("without any peak list the ions are counted by nominal mass") {
  Folder folder;
  folder.write("s.itm", stream().write());
  const auto region = read_region(find_regions(folder.files()).regions.at(0), {.reference = ""});
  CHECK(region.intervals == "nominal masses, each a whole unit wide");
  CHECK(region.peaks.size() == 300);
  CHECK(region.peaks[78].label == "m/z 79");
  CHECK(region.peaks[78].counts == 4);
  CHECK(region.peaks[249].counts == 2);
}

TEST_CASE("a stream of more than one piece of memory is read whole") {
  ItmWriter file;
  file.side = 64;
  file.words_of_record = 100'000;  // 400 kB packed into one record
  file.scan(0);
  for (std::uint32_t i = 0; i < 64 * 64; ++i) {
    file.pixel(i % 64, i / 64);
    for (std::uint32_t n = 0; n < 20 + i % 7; ++n) file.ion(po3);
  }
  const auto bytes = file.write();
  ItmReader reader(BinaryFile("s.itm", bytes));
  std::vector<int> counts(64 * 64);
  CHECK(reader.each_ion([&](std::span<const RawIon> ions) {
    for (const auto& ion : ions) ++counts[ion.pixel];
  }) == 1);
  for (int i = 0; i < 64 * 64; ++i) REQUIRE(counts[std::size_t(i)] == 20 + i % 7);
}

TEST_CASE("a stream that is cut anywhere is refused, and never read beyond its end") {
  const auto good = stream().write();
  CHECK(refused(good) == "accepted");
  int accepted = 0;
  for (std::size_t size = 0; size < good.size(); ++size)
    accepted += refused(good.substr(0, size)) == "accepted";
  CHECK(accepted == 0);
}

TEST_CASE("a stream that has its size but is not written to its end is refused") {
  const auto good = stream().write();
  const auto last_block = good.size() - 17;  // half of it is still a K0
  for (std::size_t written = 0; written < last_block; ++written)
    CHECK(refused(good.substr(0, written) + std::string(good.size() - written, '\0')) != "accepted");
}

TEST_CASE("words that are no pixels are refused with file, place and mend") {
  const auto with = [](std::initializer_list<std::uint32_t> words) {
    ItmWriter file;
    for (const auto word : words) file.word(word);
    return refused(file.write());
  };
  CHECK(with({0xc0000000, 0xd0000001, 0x40000000, 7}) == "accepted");
  CHECK(with({7}) == fmt::format("s.itm: word 0x00000007 stands where a pixel or an ion should; {}", mend));
  CHECK(with({0xc0000000, 7}) == fmt::format("s.itm: a pixel has no Y; {}", mend));
  CHECK(with({0xc0000000, 0xd0000000, 7}) == fmt::format("s.itm: a pixel has no number; {}", mend));
  CHECK(with({0xc0000002, 0xd0000000}) ==
        fmt::format("s.itm: a pixel lies at X 2 Y 0, outside the raster of 2 x 2; {}", mend));
  CHECK(with({0xc0000000, 0xd0000001, 0x40000000, 0x80000000}) ==
        fmt::format("s.itm: word 0x80000000 stands where a pixel or an ion should; {}", mend));
  CHECK(with({0xc0000000}) == fmt::format("s.itm: the raw data end in the middle of a pixel; {}", mend));
}

TEST_CASE("an .itm without raw data, raster or mass scale is refused") {
  ItNode root{.name = "root", .children = {it_raster(2, 2)}};
  CHECK(refused(ItWriter::write(root)) == fmt::format("s.itm: holds no raw data; {}", mend));
  root.children.push_back({.name = "rawdata", .children = {{.name = "   2", .value = "x"}}});
  CHECK(refused(ItWriter::write(root)) == "s.itm: has no mass scale; calibrate it in SurfaceLab and save it");
  root.children.erase(root.children.begin());
  CHECK(refused(ItWriter::write(root)).starts_with("s.itm: does not say how many pixels its images have; "));
}
