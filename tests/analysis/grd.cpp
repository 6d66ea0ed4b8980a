// No real raw-event file is public. These are written by grd_writer.h from what independent readers agree on, with the
// mass scale of a real spectrum.
#include "analysis/formats/grd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "analysis/bad_input.h"
#include "analysis/ion_images.h"
#include "analysis/region.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/grd_writer.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

constexpr double po3 = 78.959055, nio2 = 89.925719;  // u, AME2020 with one electron mass

// 2 x 2 pixels in two scans; pixel 1 1 stays empty.
GrdWriter events() {
  GrdWriter file;
  for (const std::uint32_t scan : {0U, 1U}) {
    file.ion(scan, 0, 0, po3);
    file.ion(scan, 0, 0, nio2);
    file.ion(scan, 1, 0, po3);
    file.ion(scan, 0, 1, 250.0);
  }
  return file;
}

constexpr const char* peak_list =
    "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n78.93\t78.99\tPO_3-\r\n89.90\t89.95\tNiO_2-\r\n";

std::string refused(const std::string& bytes, int resolution) {
  return refusal([&] {
    GrdReader reader(BinaryFile("e.grd", bytes), {static_cast<std::uint32_t>(resolution), {30000, 0}, {}});
    return reader.each_ion([](auto) {});
  });
}

}  // namespace

TEST_CASE("the events of a region become masses by SF and K0 and are summed over the scans") {
  Folder folder;
  const auto file = events();
  folder.write("spot 1.itm.grd", file.events);
  folder.write("spot 1.properties.txt", file.properties(2));
  folder.write("peaks.txt", peak_list);
  const auto found = find_regions(folder.files());
  CHECK(found.refused.empty());
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0], {.masses = {.what = MassCheck::What::nothing}});
  CHECK(region.name == "spot 1");
  CHECK(region.width == 2);
  CHECK(region.height == 2);
  CHECK(region.reference == "NiO_2-");
  CHECK(region.pixels_without_ions == 1);
  CHECK(region.pixels_without_reference == 2);
  REQUIRE(region.peaks.size() == 2);
  CHECK(region.peaks[0].counts == 4);
  CHECK(region.peaks[0].by_total == doctest::Approx((2.0 / 4 + 2.0 / 2 + 0.0 / 2) / 3));
  CHECK(region.peaks[0].by_reference_sum == doctest::Approx(2.0 / 2 + 2.0 / 0.5));
  CHECK(region.notes == std::vector<std::string>{"spot 1: 2 scans were summed"});
  CHECK(region.files.size() == 3);
}

TEST_CASE("without a peak list the intervals are nominal masses, up to the measured one") {
  Folder folder;
  const auto file = events();
  folder.write("s.grd", file.events);
  folder.write("s.properties.txt", file.properties(2, "260"));
  const auto region = read_region(find_regions(folder.files()).regions.at(0));
  REQUIRE(region.peaks.size() == 259);
  CHECK(region.peaks[78].label == "m/z 79");
  CHECK(region.peaks[78].counts == 4);
  CHECK(region.peaks[249].counts == 2);
  double all = 0;
  for (const auto& peak : region.peaks) all += peak.counts;
  CHECK(all == 8);

  folder.write("peaks.txt", "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n300\t301\tO-\r\n");
  CHECK(refusal([&] {
          return read_region(find_regions(folder.files()).regions.at(0));
        }).find("m/z 0.000 to 260.000") != std::string::npos);
}

TEST_CASE("each channel lies in the intervals that its mass lies in") {
  std::mt19937 random(5);
  const auto mass = [&] { return 0.001 * (random() % 3000); };
  for (const MassScale scale : {MassScale{500, -45}, MassScale{700, 80.5}, MassScale{1, 0}}) {
    std::vector<MassInterval> intervals;
    for (int i = 0; i < 40; ++i) {  // overlapping, touching, and too narrow for any channel
      const double lower = mass();
      intervals.push_back({"", lower,
                           i % 3               ? lower + 0.1 * mass() + 1e-9
                           : intervals.empty() ? 3
                                               : intervals.back().upper + lower});
    }
    const ChannelIntervals by_channel(scale, intervals, "s");
    for (std::uint32_t channel = 0; channel < 3000; ++channel) {
      std::vector<std::uint32_t> expected;
      for (std::uint32_t i = 0; i < intervals.size(); ++i)
        if (channel >= scale.k0 && scale.mz(channel) >= intervals[i].lower &&
            scale.mz(channel) < intervals[i].upper)
          expected.push_back(i);
      auto found = std::vector(by_channel.at(channel).begin(), by_channel.at(channel).end());
      std::ranges::sort(found);
      CHECK(found == expected);
    }
    CHECK(by_channel.at(UINT32_MAX).empty());
  }
}

TEST_CASE("a file of many pieces is read to its last ion") {
  GrdWriter file;
  for (std::uint32_t i = 0; i < 40'000; ++i) file.ion(i / 1000, i % 64, i / 64 % 64, 16);
  GrdReader reader(BinaryFile("e.grd", file.events), {64, {file.sf, file.k0}, {}});
  std::uint64_t ions = 0, places = 0;
  CHECK(reader.each_ion([&](std::span<const RawIon> run) {
    for (const auto& ion : run) places += ion.pixel;
    ions += run.size();
  }) == 40);
  CHECK(ions == 40'000);
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0; i < 40'000; ++i) expected += i % 4096;
  CHECK(places == expected);
}

TEST_CASE("an image that is too large to be counted in one go gives the same values") {
  GrdWriter file;
  std::mt19937 random(3);
  const std::vector<MassInterval> intervals = {{"O-", 15, 17}, {"NiO2-", 89, 91}, {"heavy", 89, 200}};
  for (int i = 0; i < 5'000; ++i)
    file.ion(0, random() % 64, random() % 64, std::array{16.0, 90.0, 150.0, 250.0}[random() % 4]);
  std::vector<Region> regions;
  for (const std::uint32_t side : {64, 2048}) {
    GrdReader reader(BinaryFile("e.grd", file.events), {side, {file.sf, file.k0}, {}});
    const ChannelIntervals by_channel({file.sf, file.k0}, intervals, "e");
    const auto pass = [&](const RawIonSink& sink) { (void)reader.each_ion(sink); };
    regions.push_back(normalise_ions(pass, reader.shape(), by_channel, intervals, "e"));
  }
  CHECK(regions[1].width == 2048);
  CHECK(regions[0].pixels_without_reference == regions[1].pixels_without_reference);
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    CHECK(regions[0].peaks[i].counts == regions[1].peaks[i].counts);
    CHECK(regions[0].peaks[i].by_total == doctest::Approx(regions[1].peaks[i].by_total).epsilon(1e-13));
    CHECK(regions[0].peaks[i].by_reference ==
          doctest::Approx(regions[1].peaks[i].by_reference).epsilon(1e-13));
  }
}

TEST_CASE("events that cannot be used are refused with file, place and mend") {
  const auto file = events();
  CHECK(refused(file.events, 2) == "accepted");
  for (std::size_t size = 0; size < file.events.size(); ++size)
    CHECK((refused(file.events.substr(0, size), 2) == "accepted") == (size > 0 && size % 20 == 0));
  CHECK(refused(file.events.substr(0, 50), 2) ==
        "e.grd: its 50 bytes are no whole number of 20-byte records; the file is cut short: copy or export "
        "it again");
  CHECK(refused(file.events, 1) ==
        "e.grd: ion 3 lies at X 1 Y 0, outside the raster of 1 x 1; export the raw data again with their "
        "properties");
}

TEST_CASE("properties are found in the third column, NUL bytes or not, and refused where they are missing") {
  const auto text = GrdWriter().properties(256);
  const auto read = parse_grd_properties(text, "p.txt");
  CHECK(read.resolution == 256);
  CHECK(read.scale.sf == 33256.96);
  CHECK(read.scale.k0 == -450.73);
  CHECK(read.upper_mass == 300);
  std::string wide;  // as 16-bit characters
  for (const char c : text) wide += {c, '\0'};
  CHECK(parse_grd_properties(wide, "p.txt").scale.sf == 33256.96);

  const auto refused_with = [&](const std::string& other) {
    return refusal([&] { return parse_grd_properties(other, "p.txt"); });
  };
  const std::string again = "; export the raw data again with their properties";
  CHECK(refused_with("") == "p.txt: Registration.Raster.Resolution is missing" + again);
  CHECK(refused_with(text.substr(0, text.find("Context.MassScale.K0"))) ==
        "p.txt: Context.MassScale.K0 is missing" + again);
  CHECK(refused_with(text.substr(0, text.find("450.73"))) ==
        "p.txt, line 5: Context.MassScale.K0 has no number in the third column" + again);
  CHECK(refused_with(GrdWriter().properties(2049)) ==
        "p.txt: a raster of 2049 pixels cannot be (1 to 2048)" + again);
  CHECK(refused_with(GrdWriter().properties(0)).find("cannot be") != std::string::npos);

  const std::vector<MassInterval> intervals = {{"O-", 15, 17}};
  for (const MassScale bad :
       {MassScale{0, 0}, MassScale{NAN, 0}, MassScale{1e9, 0}, MassScale{3e4, 1e12}, MassScale{-3e4, 0}})
    CHECK(refusal([&] { return ChannelIntervals(bad, intervals, "p.txt"); }).starts_with("p.txt: "));
}

TEST_CASE("events and properties alone are refused by name, and one spot counts once") {
  Folder folder;
  const auto file = events();
  folder.write("a.itm.grd", file.events);
  folder.write("b.properties.txt", file.properties(2));
  const auto alone = find_regions(folder.files());
  CHECK(alone.regions.empty());
  REQUIRE(alone.refused.size() == 2);
  CHECK(alone.refused[0].why == "a.itm.grd: a.properties.txt is missing; export and copy it as well");
  CHECK(alone.refused[1].why.starts_with("b.properties.txt: the file that it belongs to is missing"));

  folder.write("a.properties.txt", file.properties(2));
  folder.write("a.txt", "Channel\tm/z\tIntensity\r\n1\t1.0\t5\r\n");
  const auto twice = find_regions(folder.files());
  REQUIRE(twice.regions.size() == 1);
  CHECK(twice.regions[0].format == RegionFiles::Format::grd);
  CHECK(twice.refused.back().why ==
        "a.txt: has the name of a.itm.grd; keep one of them, or give each spot a name of its own");
}

TEST_CASE("events that are split into files of one kind of number end in the same region") {
  Folder whole, split;
  const auto file = events();
  whole.write("spot 1.itm.grd", file.events);
  file.write_split(split, "spot 1.itm");
  for (const auto* folder : {&whole, &split}) {
    folder->write("spot 1.properties.txt", file.properties(2));
    folder->write("peaks.txt", peak_list);
  }
  const auto found = find_regions(split.files());
  CHECK(found.refused.empty());
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0]),
             expected = read_region(find_regions(whole.files()).regions.at(0));
  CHECK(region.name == "spot 1");
  CHECK(region.peaks == expected.peaks);
  CHECK(region.notes == expected.notes);
  CHECK(region.files.size() == 6);  // with shots, properties and peak list
}

TEST_CASE("split events that lack a file, or of which one is cut, are refused by name") {
  Folder folder;
  const auto file = events();
  file.write_split(folder, "s.itm");
  const auto sentences = [&] {
    std::string text;
    const auto found = find_regions(folder.files());
    for (const auto& refused : found.refused) text += refused.why + "\n";
    for (const auto& files : found.regions) text += refusal([&] { return read_region(files); }) + "\n";
    return text;
  };
  CHECK(sentences().starts_with("s.itm.coords: s.properties.txt is missing; export and copy it as well\n"));
  folder.write("s.properties.txt", file.properties(2));
  CHECK(sentences() == "accepted\n");
  folder.write("s.itm.coords", std::string(8, '\0'));
  CHECK(
      sentences() ==
      "s.itm.coords: has 8 bytes, and s.itm.tofs has 32: they do not hold equally many ions; one of them is "
      "cut short: copy or export them again\n");
  std::filesystem::remove(folder.path / "s.itm.tofs");
  CHECK(sentences().find("s.itm.tofs is missing; export and copy it as well") != std::string::npos);
}

TEST_CASE(
    "events that have their size but are not written to their end are refused, wherever the writer pauses") {
  GrdWriter file;
  for (std::uint32_t i = 0; i < 600; ++i) file.ion(0, i % 8, i / 8 % 8, po3);
  for (std::size_t written = 0; written < 600; ++written) {
    auto bytes = file.events;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(20 * written), bytes.end(), '\0');
    CHECK(refused(bytes, 8) ==
          "e.grd: has its size, but is not written to its end: the last ion has no flight time; wait for its "
          "writer, or copy or export it again");
  }
  CHECK(refused(file.events, 8) == "accepted");
}

TEST_CASE("split events of which one file is not written to its end are refused, and a dark raster is not") {
  GrdWriter file;
  for (std::uint32_t i = 0; i < 1200; ++i) file.ion(0, i < 600 ? 1 : 0, 0, po3);
  Folder folder;
  file.write_split(folder, "s.itm");
  const auto answer = [&](std::uint32_t resolution) {
    const auto open = [&](const char* name) { return BinaryFile(folder.path / name); };
    return refusal([&] {
      SplitGrdReader reader(open("s.itm.scans"), open("s.itm.coords"), open("s.itm.tofs"),
                            {resolution, {file.sf, file.k0}, {}});
      return reader.each_ion([](auto) {});
    });
  };
  CHECK(answer(8).starts_with(
      "s.itm.coords: has its size, but is not written to its end: the last 512 ions lie"));
  GrdWriter ends_elsewhere = file;
  ends_elsewhere.ion(0, 3, 0, po3);
  ends_elsewhere.write_split(folder, "s.itm");
  CHECK(answer(8) == "accepted");
  const auto tofs = folder.path / "s.itm.tofs";
  const auto size = std::filesystem::file_size(tofs);
  std::filesystem::resize_file(tofs, size - 4);
  std::filesystem::resize_file(tofs, size);  // the last number is zero now
  CHECK(answer(8).starts_with("s.itm.tofs: has its size, but is not written to its end: the last ion has"));

  GrdWriter one_pixel;
  for (std::uint32_t i = 0; i < 1200; ++i) one_pixel.ion(0, 0, 0, po3);
  one_pixel.write_split(folder, "s.itm");
  CHECK(answer(1) == "accepted");
}
