// Real files: the standard's two examples (pyimzML, commit d84f61e) and a hand-written one in the dialect of IONTOF's
// exporter (thyra, commit 011d2af). What these do not have is written by imzml_writer.h.
#include "analysis/formats/imzml.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "analysis/bad_input.h"
#include "analysis/formats/digest.h"
#include "analysis/region.h"
#include "analysis/spot_table.h"
#include "tests/analysis/folder.h"
#include "tests/analysis/imzml_unlike.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::sims;
using namespace cambench::tests;

namespace {

namespace fs = std::filesystem;

ImzmlReader open(const fs::path& folder, const std::string& stem) {
  return {BinaryFile(folder / (stem + ".imzML")), BinaryFile(folder / (stem + ".ibd"))};
}

ImzmlReader open(const ImzmlWriter& file) {
  return {BinaryFile("m.imzML", file.xml), BinaryFile("m.ibd", file.binary)};
}

struct Read {
  std::vector<std::uint32_t> pixels;
  std::vector<double> totals;
  std::vector<Spectrum> spectra;
};
Read read(ImzmlReader& reader) {
  Read all;
  reader.each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
    all.pixels.push_back(pixel);
    all.totals.push_back(total);
    all.spectra.push_back(spectrum);
  });
  return all;
}

std::string refusal_of(const ImzmlWriter& file) {
  return refusal([&] {
    auto reader = open(file);
    (void)reader.verify();
    return read(reader);
  });
}

ImzmlWriter two_by_two() {
  ImzmlWriter file;
  for (int i = 0; i < 4; ++i)
    file.pixels.push_back({1 + i % 2, 1 + i / 2, {16, 79, 90}, {5.0 + i, 2.0 * i, 1}});
  file.width = file.height = 2;
  file.write();
  return file;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

bool operator==(const Read& a, const Read& b) {
  return a.pixels == b.pixels && a.totals == b.totals &&
         std::ranges::equal(a.spectra, b.spectra, [](const Spectrum& one, const Spectrum& other) {
           return one.mz == other.mz && one.intensity == other.intensity;
         });
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace

TEST_CASE("the standard's examples are read: 3 x 3 pixels of 8,399 points, SHA-1 and UUID match") {
  const auto folder = real_data("imzml");
  if (!folder) return;
  auto continuous = open(*folder, "Example_Continuous"), processed = open(*folder, "Example_Processed");
  for (auto* reader : {&continuous, &processed}) {
    CHECK(reader->shape().width == 3);
    CHECK(reader->shape().height == 3);
    CHECK(reader->notes().empty());
    CHECK(reader->field_of_view_um() == 300.0);  // pixels of 100 um
    CHECK_NOTHROW((void)reader->verify());       // its SHA-1
    const auto all = read(*reader);
    REQUIRE(all.pixels == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
    CHECK(all.totals[0] == doctest::Approx(121.8504).epsilon(1e-6));
    CHECK(all.spectra[0].mz.size() == 8399);
    for (std::size_t i = 0; i < 9; ++i)  // as the file says it and as its spectrum sums up
      CHECK(all.totals[i] == doctest::Approx(sum(all.spectra[i].intensity)).epsilon(1e-5));
  }
  CHECK(continuous.shared_axis().size() == 8399);
  CHECK(processed.shared_axis().empty());
  const auto a = read(continuous), b = read(processed);
  for (std::size_t i = 0; i < 9; ++i) CHECK(a.spectra[i].intensity == b.spectra[i].intensity);
}

TEST_CASE("IONTOF's dialect is read: six pixels of a 4 x 4 grid") {
  const auto folder = real_data("imzml");
  if (!folder) return;
  auto reader = open(*folder, "iontof_sparse");
  CHECK(reader.shape().width == 4);
  CHECK(reader.shape().height == 4);
  CHECK(reader.field_of_view_um() == 4 * 4.40625);  // without a unit
  const auto all = read(reader);
  CHECK(all.pixels == std::vector<std::uint32_t>{0, 1, 7, 8, 10, 15});
  CHECK(all.spectra[0].mz == std::vector<double>{100, 200, 300, 400, 500});
  CHECK(all.totals[0] == 10 + 20 + 30 + 40 + 50);

  const auto found = find_regions({*folder / "iontof_sparse.imzML", *folder / "iontof_sparse.ibd"});
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0]);
  CHECK(region.name == "iontof_sparse");
  CHECK(region.width == 4);
  CHECK(region.pixels_without_ions == 10);
  REQUIRE(region.peaks.size() == 300);
  CHECK(region.peaks[99].label == "m/z 100");
  double shares = 0;  // of m/z 100, where a pixel has it
  for (std::size_t i = 0; i < 6; ++i)
    if (all.spectra[i].mz[0] < 100.5) shares += all.spectra[i].intensity[0] / all.totals[i];
  CHECK(region.peaks[99].by_total == doctest::Approx(shares / 6));
  CHECK(region.files.size() == 2);
}

TEST_CASE("both modes of one measurement end in the same region") {
  const auto folder = real_data("imzml");
  if (!folder) return;
  std::vector<Region> regions;
  for (const std::string stem : {"Example_Continuous", "Example_Processed"}) {
    const auto found = find_regions({*folder / (stem + ".ibd"), *folder / (stem + ".imzML")});
    REQUIRE(found.regions.size() == 1);
    regions.push_back(read_region(found.regions[0]));
  }
  // The continuous file's axis says that nothing below m/z 100 was measured; a processed file cannot say that.
  CHECK(regions[0].peaks.size() == 200);
  CHECK(regions[1].peaks.size() == 300);
  for (std::size_t i = 0; i < 200; ++i) CHECK(regions[0].peaks[i] == regions[1].peaks[i + 100]);
  CHECK(regions[0].peaks[0].counts >= 0);
  double shares = 0;
  for (const auto& peak : regions[0].peaks) shares += peak.by_total;
  CHECK(shares > 0.1);
  CHECK(shares < 1);  // the spectra go on to m/z 800
}

TEST_CASE("every number type, plain and zlib, gives the same pixels") {
  for (const char number : {'f', 'd', 'i', 'l'})
    for (const bool zlib : {false, true})
      for (const bool continuous : {false, true}) {
        auto file = two_by_two();
        file.number = number;
        file.zlib = zlib;
        file.continuous = continuous;
        file.write();
        auto reader = open(file);
        const auto all = read(reader);
        REQUIRE(all.pixels.size() == 4);
        CHECK(all.spectra[3].mz == std::vector<double>{16, 79, 90});
        CHECK(all.spectra[3].intensity == std::vector<double>{8, 6, 1});
        CHECK(all.totals[3] == 15);
        CHECK(reader.shared_axis().size() == (continuous ? 3 : 0));
      }
}

TEST_CASE("a region by peak list is normalised pixel by pixel, empty pixels left out") {
  Folder folder;
  auto file = two_by_two();
  file.pixels.pop_back();  // pixel 2 2 is missing
  file.pixels[2].intensity = {4, 2, 0};
  file.write();
  folder.write("s.IMZML", file.xml);
  folder.write("s.IBD", file.binary);
  folder.write("peaks.txt",
               "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n78.5\t79.5\tPO_3-\r\n89.5\t90.5\tNiO_2-\r\n");
  const auto found = find_regions(folder.files());
  CHECK(found.refused.empty());
  REQUIRE(found.regions.size() == 1);
  const auto region = read_region(found.regions[0], {.masses = {.what = MassCheck::What::nothing}});
  CHECK(region.pixels_without_ions == 1);
  CHECK(region.reference == "NiO_2-");
  CHECK(region.pixels_without_reference == 1);
  REQUIRE(region.peaks.size() == 2);
  CHECK(region.peaks[0].counts == 0 + 2 + 2);
  CHECK(region.peaks[0].by_total == doctest::Approx((0.0 / 6 + 2.0 / 9 + 2.0 / 6) / 3));
  CHECK(region.peaks[0].by_reference_sum == doctest::Approx(0.0 / 1 + 2.0 / 1 + 2.0 / 0.5));
  CHECK(region.files.size() == 3);
  CHECK(region.notes.empty());
}

TEST_CASE("positions that count from 0 or from a corner of the stage are made to count from 1, with a note") {
  for (const int first : {0, 501}) {
    auto file = two_by_two();
    for (auto& pixel : file.pixels) pixel.x += first - 1;
    file.write();
    auto reader = open(file);
    CHECK(reader.shape().width == 2);
    CHECK(read(reader).pixels == std::vector<std::uint32_t>{0, 1, 2, 3});
    CHECK(reader.notes() ==
          std::vector<std::string>{fmt::format("X counts from {}; it was made to count from 1", first)});
  }
  auto file = two_by_two();
  file.width = file.height = 0;  // no grid given: as far as the pixels go
  file.write();
  CHECK(open(file).shape().height == 2);
}

TEST_CASE("the total ion current of the file is used when every pixel has one") {
  auto file = two_by_two();
  for (auto& pixel : file.pixels) pixel.total = "1.5e+02";
  file.write();
  auto given = open(file);
  CHECK(read(given).totals == std::vector<double>{150, 150, 150, 150});
  file.pixels[1].total.clear();
  file.write();
  auto partly = open(file);
  CHECK(read(partly).totals[0] == 6);
  CHECK(partly.notes().size() == 1);

  const auto region_of = [](ImzmlWriter& writer) {
    writer.write();
    const Folder folder;
    folder.write("spot.imzML", writer.xml);
    folder.write("spot.ibd", writer.binary);
    return read_region(find_regions(folder.files()).regions.at(0));
  };
  const auto by_sum = region_of(file);
  file.pixels[1].total = "1.5e+02";
  const auto by_given = region_of(file);
  CHECK(by_sum.total == "sum of each pixel's spectrum");
  CHECK(by_given.total == "total ion current that the file gives");
  CHECK(by_given.peaks.at(15).by_total != by_sum.peaks.at(15).by_total);
  const std::vector<SpotRegion> spots = {{"m", State::uncycled, &by_sum}, {"m", State::cycled, &by_given}};
  const auto notes = tabulate(spots, FragmentTable::built_in()).notes;
  for (const auto& region : {by_sum, by_given})
    CHECK(std::ranges::any_of(notes, [&](const std::string& note) {
      return note.find("divided by the " + region.total + ", other spots by another kind of total") !=
             std::string::npos;
    }));
}

TEST_CASE("spectra that are written alike are read as those that are not") {
  ImzmlWriter file;
  for (int i = 0; i < 400; ++i) {  // more than one piece of the file
    tests::ImzmlPixel pixel{1 + i % 20, 1 + i / 20, {}, {}, fmt::format("{}.5", i)};
    for (int k = 0; k < i % 7; ++k) pixel.mz.push_back(10 + k), pixel.intensity.push_back(i + k);
    file.pixels.push_back(pixel);
  }
  for (const bool zlib : {false, true}) {
    file.zlib = zlib;
    file.write();
    auto alike = open(file);
    const auto expected = read(alike);
    CHECK(expected.pixels.size() == 400);
    CHECK(expected.totals[399] == 399.5);
    CHECK(expected.spectra[399].intensity.size() == 399 % 7);
    for (const std::size_t nth : {1, 2, 3, 50}) {
      auto other = file;
      other.xml = written_unlike(file.xml, nth);
      auto unlike = open(other);
      CHECK(read(unlike) == expected);
    }
  }
}

TEST_CASE("a group of terms that changes between two spectra holds for those behind it") {
  auto file = two_by_two();  // of float32
  const auto last = file.xml.rfind("<spectrum ");
  file.xml.insert(last, "<referenceableParamGroup id=\"intensity\">" + ImzmlWriter::term("MS:1000515", "") +
                            ImzmlWriter::term("MS:1000519", "") + "</referenceableParamGroup>");
  auto reader = open(file);
  const auto spectra = read(reader).spectra;
  CHECK(spectra[2].intensity[0] == 7);
  CHECK(spectra[3].intensity[0] == std::bit_cast<std::int32_t>(8.0F));
}

TEST_CASE(
    "what is wrong with a spectrum is refused by its number, also where it is written like those before it") {
  auto file = two_by_two();
  const auto with = [&](std::string_view what, std::string_view by) {
    auto wrong = file;
    wrong.xml.replace(wrong.xml.rfind(what), what.size(), by);
    return refusal_of(wrong);
  };
  CHECK(with("value=\"3\" accession=\"IMS:1000103\"", "value=\"4\" accession=\"IMS:1000103\"") ==
        "m.imzML: spectrum 4: 12 bytes cannot hold an array of 4 values; export the measurement again as "
        "imzML");
  CHECK(with("value=\"2\" accession=\"IMS:1000051\"", "value=\"two\" accession=\"IMS:1000051\"")
            .starts_with("m.imzML: spectrum 4: its position Y is missing"));
}

TEST_CASE("a wrong number of spectra takes no memory and does no harm") {
  for (const auto* count : {"0", "-1", "999999999999999", "many", ""}) {
    auto file = two_by_two();
    file.xml = replaced(file.xml, "count=\"4\"", fmt::format("count=\"{}\"", count));
    auto reader = open(file);
    CHECK(read(reader).pixels.size() == 4);
  }
}

TEST_CASE("offsets that overflowed at 2 GB are continued") {
  // -2147483648 follows 2147483647, and after 2^32 come small positive numbers again.
  const std::int64_t gigabyte = std::int64_t{1} << 30;
  WrappedOffsets offsets;
  CHECK(offsets.next(16) == 16);
  CHECK(offsets.next(2 * gigabyte - 100) == 2 * gigabyte - 100);
  CHECK_FALSE(offsets.wrapped());
  CHECK(offsets.next(-2 * gigabyte + 7) == 2 * gigabyte + 7);
  CHECK(offsets.next(-8) == 4 * gigabyte - 8);
  CHECK(offsets.next(100) == 4 * gigabyte + 100);
  CHECK(offsets.next(-2 * gigabyte) == 6 * gigabyte);
  CHECK(offsets.wrapped());

  Folder folder;  // a file with a hole of 2 GB, which takes no disk
  auto file = two_by_two();
  const auto offset = file.binary.size() - 12;
  file.xml.replace(file.xml.rfind(fmt::format("value=\"{}\" accession=\"IMS:1000102\"", offset)),
                   fmt::format("value=\"{}\"", offset).size(),
                   fmt::format("value=\"{}\"", -2 * gigabyte + 50));
  folder.write("m.imzML", file.xml);
  folder.write("m.ibd", file.binary);
  {
    std::fstream out(folder.path / "m.ibd", std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(2 * gigabyte + 50);
    out << bytes_of(70.0f) + bytes_of(80.0f) + bytes_of(90.0f);
  }
  auto reader = open(folder.path, "m");
  CHECK(read(reader).spectra[3].intensity == std::vector<double>{70, 80, 90});
  CHECK(reader.notes() == std::vector<std::string>{"offsets beyond 2 GB had overflowed and were continued"});
}

TEST_CASE("spectra whose m/z are in no order are sorted") {
  auto file = two_by_two();
  file.pixels[0].mz = {90, 16, 79};
  file.pixels[0].intensity = {3, 1, 2};
  file.write();
  auto reader = open(file);
  const auto all = read(reader);
  CHECK(all.spectra[0].mz == std::vector<double>{16, 79, 90});
  CHECK(all.spectra[0].intensity == std::vector<double>{1, 2, 3});
  CHECK(all.spectra[1].intensity == std::vector<double>{6, 2, 1});
}

TEST_CASE("a binary file that is damaged or of another measurement is refused") {
  auto file = two_by_two();
  file.checksum = ImzmlWriter::term("IMS:1000090", digest_hex(Digest::Kind::md5, file.binary));
  file.write();
  CHECK(refusal_of(file) == "accepted");
  file.checksum = ImzmlWriter::term("IMS:1000091", "0xDA39A3EE5E6B4B0D3255BFEF95601890AFD80709");
  file.write();
  CHECK(refusal_of(file).find("m.ibd: its SHA-1 is ") == 0);
  file = two_by_two();
  file.binary[3] = 'x';
  CHECK(refusal_of(file) ==
        "m.ibd: its UUID is 30313278343536373839616263646566, that of m.imzML is "
        "30313233343536373839616263646566: they do not belong together; copy or export both files again");
}

TEST_CASE("a measurement that cannot be used is refused with file, place and mend") {
  const auto good = two_by_two();
  const auto with = [&](const std::string& what, const std::string& by) {
    auto file = good;
    file.xml = replaced(file.xml, what, by);
    return refusal_of(file);
  };
  CHECK(refusal_of(good) == "accepted");
  const std::string again = "; export the measurement again as imzML";
  CHECK(with("value=\"16\" accession=\"IMS:1000102\"", "value=\"-5\" accession=\"IMS:1000102\"")
            .find("lies outside m.ibd") != std::string::npos);
  CHECK(with("value=\"16\" accession=\"IMS:1000102\"", "value=\"1.6e+01\" accession=\"IMS:1000102\"") ==
        "accepted");
  CHECK(with("value=\"3\" accession=\"IMS:1000103\"", "value=\"4\" accession=\"IMS:1000103\"") ==
        "m.imzML: spectrum 1: 12 bytes cannot hold an array of 4 values" + again);
  CHECK(with("value=\"3\" accession=\"IMS:1000103\"", "value=\"4000000000\" accession=\"IMS:1000103\"")
            .find("cannot be (4194304 at most)") != std::string::npos);
  CHECK(with("value=\"2\" accession=\"IMS:1000050\"", "value=\"1\" accession=\"IMS:1000050\"") ==
        "m.imzML: pixel X 1 Y 1 is there twice; export each pixel once, and one layer only");
  CHECK(with("value=\"2\" accession=\"IMS:1000050\"", "value=\"9\" accession=\"IMS:1000050\"") ==
        "m.imzML: X goes from 1 to 9, but the file says 2 pixels" + again);
  CHECK(with("value=\"2\" accession=\"IMS:1000050\"", "value=\"-2\" accession=\"IMS:1000050\"") ==
        "m.imzML: spectrum 2: its position X is missing or no number from 0" + again);
  CHECK(with("ref=\"intensity\"", "ref=\"mz\"") == "m.imzML: spectrum 1: has two m/z arrays" + again);
  CHECK(with("ref=\"intensity\"", "ref=\"none\"") ==
        "m.imzML: spectrum 1: lacks its m/z or its intensity array" + again);
  CHECK(with("<scanList>", "<scanLst>").find(": </scanList> stands where </scanLst> should") !=
        std::string::npos);
  CHECK(with("accession=\"IMS:1000042\"", "accession=\"IMS:1000043\"").find("the file says") ==
        std::string::npos);
  CHECK(with("value=\"2\" accession=\"IMS:1000042\"", "value=\"4000000\" accession=\"IMS:1000042\"")
            .find("an image of 4000000 x 2 pixels is too large") != std::string::npos);
  auto negative = good;
  negative.pixels[2].intensity[1] = -1;
  negative.write();
  CHECK(refusal_of(negative) ==
        "m.ibd: the spectrum of pixel X 1 Y 2 has an intensity that is negative or no number; copy or export "
        "both files again");
  auto packed = good;
  packed.zlib = true;
  packed.write();
  packed.binary[20] = static_cast<char>(packed.binary[20] ^ 0x55);
  CHECK(refusal_of(packed).find("cannot be inflated to its length") != std::string::npos);
}

TEST_CASE("a measurement cut anywhere, in either file, is refused") {
  const auto good = two_by_two();
  const auto end = good.xml.find("</mzML>") + 7;
  for (std::size_t size = 0; size < end; ++size) {
    auto cut = good;
    cut.xml.resize(size);
    CHECK(refusal_of(cut) != "accepted");
  }
  for (std::size_t size = 0; size < good.binary.size(); ++size) {
    auto cut = good;
    cut.binary.resize(size);
    CHECK(refusal_of(cut) != "accepted");
  }
}

TEST_CASE("a measurement whose files have their size but are not written to their end is refused") {
  auto good = two_by_two();  // with the checksum that the standard demands: zeros may be intensities
  good.checksum = ImzmlWriter::term("IMS:1000090", digest_hex(Digest::Kind::md5, good.binary));
  good.write();
  const auto refused = [&](std::string ImzmlWriter::*file, std::size_t written) {
    auto early = good;
    std::fill((early.*file).begin() + static_cast<std::ptrdiff_t>(written), (early.*file).end(), '\0');
    return early.*file == good.*file || refusal_of(early) != "accepted";
  };
  for (std::size_t written = 0; written < good.xml.find("</mzML>"); ++written)
    CHECK(refused(&ImzmlWriter::xml, written));
  for (std::size_t written = 0; written < good.binary.size(); ++written)
    CHECK(refused(&ImzmlWriter::binary, written));
}

TEST_CASE("one file of the two alone is refused by name") {
  Folder folder;
  const auto file = two_by_two();
  folder.write("a.imzML", file.xml);
  folder.write("b.ibd", file.binary);
  const auto found = find_regions(folder.files());
  CHECK(found.regions.empty());
  REQUIRE(found.refused.size() == 2);
  CHECK(found.refused[0].why == "a.imzML: its binary file a.ibd is missing; copy it as well");
  CHECK(found.refused[1].why == "b.ibd: the file that it belongs to is missing; copy both of them");
}
