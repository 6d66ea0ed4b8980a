#include "analysis/region.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <random>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/region_json.h"
#include "analysis/spot_table.h"
#include "schema/sha256.h"
#include "tests/peak_memory.h"

using namespace cambench;
using namespace cambench::sims;

namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    auto name = (fs::temp_directory_path() / "cambench-region-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, const std::string& text) {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(path)) all.push_back(entry.path());
    return all;
  }

  fs::path path;
};

std::string image(int width, int height, const std::vector<int>& counts) {
  std::string text = "# header\r\n\r\n";
  for (int i = 0; i < width * height; ++i)
    text += fmt::format("{} {} {:e}\r\n", i % width, i / width,
                        static_cast<double>(counts[static_cast<std::size_t>(i)]));
  return text;
}

// Two regions in one folder, as SurfaceLab names them; the reference ion's elements in the operator's order.
void write_two_regions(Folder& folder) {
  for (const auto* base : {"NCM (a) - 1", "NCM (a) - 2"}) {
    folder.write(fmt::format("{} (0) - total.txt", base), image(2, 2, {10, 20, 0, 40}));
    folder.write(fmt::format("{} (1) - sum of rest.txt", base), image(2, 2, {1, 1, 0, 1}));
    folder.write(fmt::format("{} (2) - PO_3-.txt", base), image(2, 2, {5, 5, 0, 5}));
    folder.write(fmt::format("{} (3) - O_2Ni-.txt", base), image(2, 2, {1, 2, 0, 0}));
  }
}

template <typename Call>
std::string refusal(Call call) {
  try {
    (void)call();
  } catch (const BadInput& problem) {
    return problem.what();
  }
  return "accepted";
}

const char* spectrum =
    "# Binning: 1\r\n# Deadtime Correction: "
    "on\r\nChannel\tm/z\tIntensity\r\n1\t1.0\t5\r\n2\t2.0\t15\r\n3\t3.6\t1\r\n";
const char* peak_list = "No.\tLower Mass (u)\tUpper Mass (u)\tAssignment\r\n1\t0,9\t1,1\tH-\r\n";

}  // namespace

TEST_CASE("the images of one folder are sorted into regions by their base, in any order of the files") {
  Folder folder;
  write_two_regions(folder);
  auto files = folder.files();
  for (unsigned seed = 0; seed < 5; ++seed) {
    std::shuffle(files.begin(), files.end(), std::mt19937(seed));
    const auto found = find_regions(files);
    CHECK(found.refused.empty());
    REQUIRE(found.regions.size() == 2);
    CHECK(found.regions[0].name == "NCM (a) - 1");
    CHECK(found.regions[0].files.size() == 4);
    CHECK(std::ranges::is_sorted(found.regions[0].files));
  }
}

TEST_CASE("a region of images becomes one row, with the files it rests on") {
  Folder folder;
  write_two_regions(folder);
  const auto region = read_region(find_regions(folder.files()).regions[0]);
  CHECK(region.name == "NCM (a) - 1");
  CHECK(region.reference == "O_2Ni-");
  CHECK(region.width == 2);
  CHECK(region.pixels_without_ions == 1);
  CHECK(region.pixels_without_reference == 1);
  CHECK(region.notes.empty());

  REQUIRE(region.peaks.size() == 2);  // neither total nor sum of rest
  const auto& po3 = region.peaks[0];
  CHECK(po3.label == "PO_3-");
  CHECK(po3.counts == 15);
  CHECK(po3.by_total == doctest::Approx((5.0 / 10 + 5.0 / 20 + 5.0 / 40) / 3));
  CHECK(po3.by_reference_sum == 5.0 / 1 + 5.0 / 2 + 5.0 / 0.5);
  CHECK(po3.share_from_empty_reference == doctest::Approx(10.0 / 17.5));
  CHECK(region.peaks[1].counts == 3);
  CHECK(region.peaks[1].by_reference_sum == 2);  // itself over itself, where it is

  REQUIRE(region.files.size() == 3);  // sum of rest is not used
  CHECK(region.files[0].name == "NCM (a) - 1 (0) - total.txt");
  CHECK(region.files[0].sha256 == sha256_hex(image(2, 2, {10, 20, 0, 40})));
  CHECK(region.files[0].bytes == image(2, 2, {10, 20, 0, 40}).size());
}

TEST_CASE("a region that was kept as text comes back to the last bit") {
  Folder folder;
  write_two_regions(folder);
  auto region = read_region(find_regions(folder.files()).regions[0]);
  region.notes = {"a note"};
  region.doubts = {"a doubt"};
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    Peak peak{.label = std::to_string(i),
              .counts = 1e6,
              .by_total = std::ldexp(static_cast<double>(random()), -80)};
    region.peaks.push_back(peak);
  }
  CHECK(region_from_json(to_json(region), "kept") == region);
  const auto text = to_json(region);
  for (const auto& broken :
       {std::string(), std::string("{}"), std::string("[]"), text.substr(0, text.size() / 2)})
    CHECK(refusal([&] {
            return region_from_json(broken, "kept");
          }).starts_with("kept: is not a region as it was kept"));
}

TEST_CASE("images that are as large as scan-resolved ones pass through memory in pieces") {
  constexpr int side = 128, scans = 120;
  std::string image;
  for (int scan = 0; scan < scans; ++scan)
    for (int i = 0; i < side * side; ++i)
      image += fmt::format("{} {} {} {:e}\r\n", i % side, i / side, scan, 1.0 + i % 2);
  Folder folder;
  folder.write("spot (0) - total.txt", image);
  folder.write("spot (1) - PO2-.txt", image);
  const auto sha256 = sha256_hex(image), megabytes = fmt::format("{}", image.size() / 1'000'000);
  image = {};
  const auto found = find_regions(folder.files()).regions.at(0);
  (void)tests::peak_memory();
  const double before = tests::peak_memory();
  const auto region = read_region(found);
  const double most = tests::peak_memory() - before;
  MESSAGE("two files of " << megabytes << " MB took " << most << " MB");
  CHECK(std::stoi(megabytes) > 40);
  CHECK(most < 10);
  CHECK(region.peaks.at(0).by_total == doctest::Approx(1));
  CHECK(region.peaks.at(0).counts == 1.5 * side * side * scans);
  CHECK(region.files.at(0).sha256 == sha256);
  CHECK(region.notes == std::vector<std::string>{"spot: 120 scans were summed"});
}

TEST_CASE("the reference ion is optional unless it is required") {
  Folder folder;
  folder.write("a (0) - total.txt", image(1, 1, {10}));
  folder.write("a (2) - O-.txt", image(1, 1, {4}));
  const auto found = find_regions(folder.files()).regions.at(0);
  CHECK(read_region(found).reference.empty());
  CHECK(read_region(found).peaks[0].by_reference == 0);
  CHECK(refusal([&] { return read_region(found, {.reference_required = true}); }) ==
        "a: the image of the reference ion NiO2- is missing; export it as well, or choose another reference "
        "ion");
}

TEST_CASE("files that belong to no region are refused by name and with the mend") {
  Folder folder;
  folder.write("a (2) - O-.txt", image(1, 1, {4}));
  folder.write("b (0) - total.txt", image(1, 1, {4}));
  folder.write("b (2) - LiCO_3-.txt", image(1, 1, {4}));
  folder.write("b (3) - CO_3Li-.txt", image(1, 1, {4}));
  folder.write("empty (0) - total.txt", "");
  folder.write("foreign.txt", "hello\n");
  folder.write("image.txt", image(1, 1, {4}));
  const auto found = find_regions(folder.files());
  CHECK(found.regions.empty());
  std::map<std::string, std::string> why;
  for (const auto& refused : found.refused) why[refused.file.filename().string()] = refused.why;
  CHECK(why.size() == 5);
  CHECK(why["a (2) - O-.txt"] ==
        "a: the total ion image \"a (0) - total.txt\" is missing; export it as well");
  CHECK(why["b (0) - total.txt"] == "b: LiCO_3- and CO_3Li- are the same ion; keep one file for each ion");
  CHECK(why["empty (0) - total.txt"] == "empty (0) - total.txt: is empty; copy or export it again");
  CHECK(why["foreign.txt"].starts_with("foreign.txt: neither an ASCII image"));
  CHECK(why["image.txt"].starts_with("image.txt: an image, but not named"));
}

TEST_CASE("a file that is cut short, of another size or gone makes its region a refusal that names it") {
  Folder folder;
  write_two_regions(folder);
  const auto found = find_regions(folder.files()).regions[0];
  const auto whole = image(2, 2, {5, 5, 0, 5});
  folder.write("NCM (a) - 1 (2) - PO_3-.txt", whole.substr(0, whole.size() - 5));
  CHECK(refusal([&] { return read_region(found); }) ==
        "NCM (a) - 1 (2) - PO_3-.txt, line 6: the last line is not ended: the file is cut short; copy or "
        "export it again");
  folder.write("NCM (a) - 1 (2) - PO_3-.txt", image(2, 1, {5, 5}));
  CHECK(refusal([&] {
          return read_region(found);
        }).starts_with("NCM (a) - 1 (2) - PO_3-.txt: is 2 x 1 pixels, its region's total ion image 2 x 2"));
  fs::remove(folder.path / "NCM (a) - 1 (2) - PO_3-.txt");
  CHECK(refusal([&] {
          return read_region(found);
        }).starts_with("NCM (a) - 1 (2) - PO_3-.txt: cannot be opened"));
  folder.write("NCM (a) - 1 (0) - total.txt", image(2, 2, {0, 0, 0, 0}));
  CHECK(refusal([&] {
          return read_region(found);
        }).starts_with("NCM (a) - 1 (0) - total.txt: the image holds no ion"));
}

TEST_CASE("spectra are regions of their own, by the folder's peak list, the study's, or nominal mass") {
  Folder folder;
  folder.write("spot 1.txt", spectrum);
  folder.write("spot 2.txt", spectrum);
  auto nominal = read_region(find_regions(folder.files()).regions.at(0));
  CHECK(nominal.name == "spot 1");
  CHECK(nominal.intervals == "nominal masses, each a whole unit wide");
  REQUIRE(nominal.peaks.size() == 3);  // the spectrum ends at 3.6
  CHECK(nominal.peaks[0].label == "m/z 1");
  CHECK(nominal.peaks[1].by_total == 15.0 / 21);

  Folder study;
  study.write("peaks.txt", peak_list);
  const auto by_study = read_region(find_regions(folder.files(), {study.path / "peaks.txt"}).regions.at(0));
  CHECK(by_study.intervals == "peak list peaks.txt");
  REQUIRE(by_study.peaks.size() == 1);
  CHECK(by_study.peaks[0].label == "H-");
  CHECK(by_study.peaks[0].by_total == 5.0 / 21);
  REQUIRE(by_study.files.size() == 2);
  CHECK(by_study.files[0].name == "peaks.txt");

  folder.write("own peaks.txt", peak_list);
  CHECK(find_regions(folder.files()).regions.at(0).interval_list == folder.path / "own peaks.txt");
}

TEST_CASE("of two peak lists neither is taken: what needs one is refused by name, what needs none is read") {
  Folder folder, study;
  folder.write("spot 1.txt", spectrum);
  folder.write("spot 2.txt", spectrum);
  folder.write("images.ita", "ITStrF01");
  const auto why = [](const FoundRegions& found) {
    std::vector<std::string> sentences;
    for (const auto& refused : found.refused) sentences.push_back(refused.why);
    return sentences;
  };
  SUBCASE("beside the spectra") {
    folder.write("own peaks.txt", peak_list);
    folder.write("more peaks.txt", peak_list);
  }
  SUBCASE("for the whole study") {
    study.write("own peaks.txt", peak_list);
    study.write("more peaks.txt", peak_list);
  }
  const auto found = find_regions(folder.files(), study.files());
  REQUIRE(found.regions.size() == 1);
  CHECK(found.regions[0].name == "images");
  CHECK_FALSE(found.regions[0].interval_list);
  CHECK(why(found) ==
        std::vector<std::string>{
            "spot 1.txt: left out, since it can be evaluated by any of 2 peak lists: more peaks.txt, own "
            "peaks.txt; leave one list",
            "spot 2.txt: left out, since it can be evaluated by any of 2 peak lists: more peaks.txt, own "
            "peaks.txt; leave one list"});
  folder.write("the right one.txt", peak_list);
  fs::remove(folder.path / "own peaks.txt");
  fs::remove(folder.path / "more peaks.txt");
  const auto with_own = find_regions(folder.files(), study.files());  // a list of its own comes first
  REQUIRE(with_own.regions.size() == 3);
  CHECK(with_own.regions[1].interval_list == folder.path / "the right one.txt");
}

TEST_CASE("a file reader gives the file as it is, and says what it cannot read") {
  Folder folder;
  folder.write("long", std::string(100000, 'x'));
  folder.write("short", "y");
  FileReader files;
  CHECK(files.read(folder.path / "long").size() == 100000);
  CHECK(files.read(folder.path / "short") == "y");
  CHECK(files.peek(folder.path / "long", 10) == "xxxxxxxxxx");
  CHECK(refusal([&] {
          return std::string(files.read(folder.path / "none"));
        }).starts_with("none: cannot be opened"));
  CHECK(refusal([&] { return std::string(files.read(folder.path)); }).find("cannot be opened") !=
        std::string::npos);
}

TEST_CASE("regions become one table, sorted, with labels as people write them") {
  Region a, b;
  a.name = "2";
  b.name = "1";
  a.peaks = {{.label = "O_2Ni-", .by_total = 0.1, .by_reference = 1},
             {.label = "PO_3-", .by_total = 0.2, .by_reference = 2}};
  b.peaks = {{.label = "PO_3-", .by_total = 0.4, .by_reference = 4},
             {.label = "NiO_2-", .by_total = 0.3, .by_reference = 3}};
  b.notes = {"1: something to know"};
  const std::vector<SpotRegion> spots = {{"m", State::cycled, &a}, {"m", State::cycled, &b}};
  const auto table = tabulate(spots, FragmentTable::built_in());
  REQUIRE(table.spots.size() == 2);
  CHECK(table.spots[0].region == "1");
  CHECK(table.fragments[0].label == "PO3-");  // 78.96 before 89.93
  CHECK(table.fragments[1].label == "NiO2-");
  CHECK(table.fragments[1].category == "CAM");
  CHECK(table.values(0, 0) == 0.4);
  CHECK(table.values(1, 1) == 0.1);
  CHECK(table.notes == std::vector<std::string>{"m cycled: 1: something to know"});

  const TableOptions by_reference{.normalisation = Normalisation::reference_ion};
  CHECK(refusal([&] {
          return tabulate(spots, FragmentTable::built_in(), by_reference);
        }).starts_with("m cycled \"1\": is not normalised to a reference ion"));
  a.reference = "NiO_2-";
  b.reference = "O_2Ni-";
  CHECK(tabulate(spots, FragmentTable::built_in(), by_reference).values(0, 1) == 3);
}

TEST_CASE("what several regions say alike is said once, with where") {
  Region regions[4];
  std::vector<SpotRegion> spots;
  for (int i = 0; i < 4; ++i) {
    regions[i].name = std::to_string(i);
    regions[i].peaks = {{.label = "PO_3-", .by_total = 0.1}};
    regions[i].notes = {fmt::format("{}: 8 scans were summed", i)};
    if (i != 1) regions[i].notes.push_back(fmt::format("{}: odd", i));
    spots.push_back({i < 2 ? "a" : "b", State::cycled, &regions[i]});
  }
  regions[2].notes.push_back("of another wording");
  CHECK(tabulate(spots, FragmentTable::built_in()).notes ==
        std::vector<std::string>{"each of the 4 spots: 8 scans were summed",
                                 "a cycled (1 spot), b cycled (2 spots): odd",
                                 "b cycled: 2: of another wording"});
  for (auto& region : regions) region.notes.clear(), region.total = "number of all ions";
  CHECK(tabulate(spots, FragmentTable::built_in()).notes.empty());
  regions[3].total = "sum of each pixel's spectrum";
  CHECK(tabulate(spots, FragmentTable::built_in()).notes ==
        std::vector<std::string>{
            "a cycled (2 spots), b cycled (1 spot): divided by the number of all ions, other "
            "spots by another kind of total: they may not compare",
            "b cycled: 3: divided by the sum of each pixel's spectrum, other spots by another "
            "kind of total: they may not compare"});
}

TEST_CASE("what was left out is told once for all regions") {
  Folder folder;
  write_two_regions(folder);
  folder.write("NCM (a) - 2 (0) - total.txt", image(2, 2, {10, 20, 0, 0}));
  folder.write("NCM (a) - 2 (2) - PO_3-.txt", image(2, 2, {5, 5, 0, 0}));
  const auto found = find_regions(folder.files()).regions;
  const auto a = read_region(found[0]), b = read_region(found[1]);
  const std::vector<SpotRegion> spots = {{"m", State::cycled, &a}, {"m", State::cycled, &b}};
  CHECK(tabulate(spots, FragmentTable::built_in()).notes ==
        std::vector<std::string>{"25.0 to 50.0 % of a region's pixels have no ion and were left out"});
  const auto notes =
      tabulate(spots, FragmentTable::built_in(), {.normalisation = Normalisation::reference_ion}).notes;
  REQUIRE(notes.size() == 3);
  CHECK(notes[1] == "0.0 to 25.0 % of a region's pixels have too few reference ions");
  CHECK(notes[2] == "0.0 to 57.1 % of a fragment's normalised sum comes from pixels without a reference ion");
}

TEST_CASE("regions that cannot be compared are refused with both their names") {
  Region a, b;
  a.name = "1";
  b.name = "2";
  a.peaks = {{.label = "PO_3-"}, {.label = "O-"}};
  b.peaks = {{.label = "O-"}};
  const std::vector<SpotRegion> spots = {{"m", State::cycled, &a}, {"m", State::uncycled, &b}};
  const auto& fragments = FragmentTable::built_in();
  CHECK(refusal([&] { return tabulate(spots, fragments); }) ==
        "m uncycled \"2\": has no PO3-, which other regions have; export the same peaks for all regions");
  const auto table = tabulate(spots, fragments, {.missing_peaks = TableOptions::MissingPeaks::leave_out});
  CHECK(table.fragments.size() == 1);
  CHECK(table.notes == std::vector<std::string>{"left out, because some regions lack them: PO3-"});

  a.width = a.height = 256;
  b.width = b.height = 128;
  CHECK(refusal([&] {
          return tabulate(spots, fragments);
        }).starts_with("m cycled \"1\": the image is 256 x 256 pixels, that of m uncycled \"2\" 128 x 128"));
  const std::vector<SpotRegion> twice = {{"m", State::cycled, &a}, {"m", State::cycled, &a}};
  CHECK(refusal([&] {
          return tabulate(twice, fragments);
        }).starts_with("m cycled \"1\": there are two regions of this name"));
  CHECK(tabulate({}, fragments).spots.empty());
}
