// From a folder of spectra to scores: what is used, what is left out and named, and that it is the same every time.
#include "daemon/jobs/scoring.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "analysis/bad_input.h"
#include "analysis/regions_compare.h"
#include "daemon/jobs/results_folder.h"
#include "drivers/sim/tof_sims.h"
#include "schema/sha256.h"

using namespace cambench;
using namespace cambench::jobs;
namespace fs = std::filesystem;

namespace {

/// A drop folder with a simulated study of three materials, two spots a sample, 16 x 16 pixels.
struct Drop {
  fs::path path;
  Drop() {
    std::string name = (fs::temp_directory_path() / "cambench-drop-XXXXXX").string();
    path = ::mkdtemp(name.data());
    sim::SimsStudy study;
    study.regions = 2;
    study.pixels = 16;
    study.materials = {"ncm-uncoated", "ncm-linbo3", "ncm-zro2-thick"};
    sim::write_sims_study(path, study);
  }
  ~Drop() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  [[nodiscard]] fs::path study() const { return path / "coatings"; }
  /// The files of one sample whose names end so, sorted.
  [[nodiscard]] std::vector<fs::path> files(const std::string& sample, const std::string& ending = "") const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(study() / sample))
      if (entry.path().string().ends_with(ending)) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }
};

StudySpec a_study() {
  const auto material = [](const char* id, bool reference) {
    return Material{.id = id, .name = id, .coating = "", .amount_wt_percent = 0, .reference = reference};
  };
  return {.id = "coatings",
          .title = "Coatings",
          .materials = {material("ncm-uncoated", true), material("ncm-linbo3", false),
                        material("ncm-zro2-thick", false)},
          .caveats = {}};
}

/// What lies there now, as it looked in `looks`.
StudyData read(const Drop& drop, const std::vector<SeenFile>& looks, RegionCache& cache) {
  const auto study = a_study();
  std::vector<std::string> materials;
  for (const auto& material : study.materials) materials.push_back(material.id);
  return read_spots("coatings", sort_files(drop.path, looks, materials), {}, cache, 2, WallTime{});
}

StudyData read(const Drop& drop, RegionCache& cache) {
  return read(drop, scan(drop.path, "coatings"), cache);
}

StudyData read(const Drop& drop) {
  RegionCache nothing_known;
  return read(drop, nothing_known);
}

std::string problems_of(const StudyData& data) {
  std::string text;
  for (const auto& problem : data.problems) text += problem.text + "\n";
  return text;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

/// Three samples of spectra with O- and PO3-, two spots each; nothing tells their peaks.
void replace_by_spectra(const Drop& drop) {
  fs::remove_all(drop.study());
  int counts = 100;
  for (const char* sample : {"ncm-uncoated/uncycled", "ncm-uncoated/cycled", "ncm-linbo3/cycled"}) {
    fs::create_directories(drop.study() / sample);
    for (const char* spot : {"1.txt", "2.txt"})
      write(drop.study() / sample / spot,
            fmt::format("# Binning: 1\r\n# Deadtime Correction: on\r\nChannel\tm/z\tIntensity\r\n"
                        "1\t15.995463\t1000\r\n2\t78.959053\t{}\r\n3\t80.5\t1\r\n",
                        counts += 100));
  }
}

constexpr const char* peak_list =
    "No.\tLower Mass (u)\tUpper Mass (u)\tAssignment\r\n1\t15,9\t16,1\tO-\r\n2\t78,9\t79,0\tPO_3-\r\n";

std::optional<double> general_score(const StudyScores& scores, const std::string& material) {
  for (const auto& scored : scores.summary.materials)
    if (scored.id == material)
      for (const auto& score : scored.scores)
        if (score.axis == "DS_general") return score.value;
  return std::nullopt;
}

}  // namespace

TEST_CASE("a whole study is read without a problem, and its uncoated sample has the score 1") {
  const Drop drop;
  const auto data = read(drop);
  CHECK(problems_of(data) == "");
  CHECK(data.spots.size() == 8);
  CHECK(waits_for(a_study(), data) == "");
  const auto scores = score_study(a_study(), data, {});
  CHECK(general_score(scores, "ncm-uncoated").value() == doctest::Approx(1.0));
  // The paper: LiNbO3 degrades less than the uncoated material.
  CHECK(general_score(scores, "ncm-linbo3").value() < 1.0);
}

TEST_CASE("the same inputs and settings give the same bytes, other inputs another hash") {
  const Drop drop;
  const auto first = score_study(a_study(), read(drop), {});
  const auto again = score_study(a_study(), read(drop), {});
  CHECK(first.inputs_hash == again.inputs_hash);
  CHECK(first.files == again.files);
  CHECK(first.result_json == again.result_json);
  for (const auto& file : drop.files("ncm-linbo3/cycled")) fs::remove(file);
  CHECK(score_study(a_study(), read(drop), {}).inputs_hash != first.inputs_hash);
}

TEST_CASE("a score from a folder without a daemon is that of the daemon") {
  const Drop drop;
  const auto results = drop.path / "results";
  FolderOptions options;
  options.materials = a_study().materials;
  options.results = results;
  const auto alone = score_folder(drop.study(), options);
  CHECK(alone.summary.id == "coatings");
  CHECK(general_score(alone, "ncm-linbo3") ==
        general_score(score_study(a_study(), read(drop), {}), "ncm-linbo3"));
  for (const auto& [name, bytes] : alone.files) CHECK(bytes_of(results / name) == bytes);
}

TEST_CASE("a corrupt file costs its own spot, by name, and nobody else's") {
  const Drop drop;
  const auto victim = drop.files("ncm-linbo3/cycled", "total.txt").front();
  const auto bytes = bytes_of(victim);
  SUBCASE("cut off in the middle of the image") { write(victim, bytes.substr(0, bytes.size() / 2)); }
  SUBCASE("of its whole size, but not written to its end") {
    write(victim, bytes.substr(0, bytes.size() / 2) + std::string(bytes.size() - bytes.size() / 2, '\0'));
  }
  SUBCASE("with a number that is none") { write(victim, bytes + "1 2 abc\n"); }
  const auto data = read(drop);
  CHECK(data.spots.size() == 7);
  CHECK(problems_of(data).find("ncm-linbo3/cycled") != std::string::npos);
  CHECK(problems_of(data).find(victim.filename().string()) != std::string::npos);
  CHECK(std::ranges::all_of(data.problems, &Problem::may_pass));
  CHECK(general_score(score_study(a_study(), data, {}), "ncm-linbo3"));
}

TEST_CASE("a spot that lacks a peak which the others have is left out, and may still be completed") {
  const Drop drop;
  fs::remove(drop.files("ncm-linbo3/cycled", "PO_3-.txt").front());
  const auto data = read(drop);
  CHECK(data.spots.size() == 7);
  CHECK(problems_of(data).find("lacks PO3-") != std::string::npos);
  CHECK(data.problems.at(0).may_pass);
}

/// The same image without an ion.
void empty_image(const fs::path& file) {
  write(file, std::regex_replace(bytes_of(file), std::regex(R"((\n\d+ \d+ )\S+)"), "$010"));
}

TEST_CASE(
    "a spot none of whose pixels has enough reference ions is left out by name; the others keep their "
    "scores") {
  const Drop drop;
  FolderOptions options;
  options.scoring.normalise.reference_required = true;
  options.scoring.table.normalisation = sims::Normalisation::reference_ion;
  empty_image(drop.files("ncm-linbo3/cycled", " NiO_2-.txt").at(0));
  SUBCASE("each pixel is left out") {
    options.scoring.normalise.empty_reference = sims::EmptyReference::skip;
  }
  SUBCASE("each pixel counts half an ion") {}
  const auto scores = score_folder(drop.study(), options);
  REQUIRE(scores.summary.problems.size() == 1);
  CHECK(scores.summary.problems[0].ends_with(
      ": no pixel has enough of the reference ion NiO_2-; measure it for longer, or normalise by the total "
      "ion count"));
  CHECK(general_score(scores, "ncm-uncoated").value() == doctest::Approx(1.0));
  CHECK(general_score(scores, "ncm-linbo3").value() > 0);

  options.scoring.normalise.reference_required = false;
  options.scoring.table.normalisation = sims::Normalisation::total_ion;
  const auto by_total = score_folder(drop.study(), options);
  CHECK(by_total.summary.problems.empty());
  CHECK(by_total.result_json.find(
            "no pixel has enough of the reference ion NiO_2-, so nothing is normalised") !=
        std::string::npos);
}

/// Every image of one more spot, with this many pixels a side.
void add_spot(const Drop& drop, const std::string& sample, int side) {
  static int counts = 0;  // no two spots alike
  ++counts;
  std::string pixels;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) pixels += fmt::format("{} {} {}\n", x, y, counts + x);
  for (const auto& file : drop.files(sample, ".txt")) {
    const auto name = file.filename().string();
    const auto peak = name.substr(name.find(" ("));
    write(drop.study() / sample / fmt::format("of {} pixels{}", side, peak), "#\n#\n" + pixels);
  }
}

TEST_CASE("a spot of another image size costs nobody else's score; of two sizes as frequent none is right") {
  const Drop drop;
  const auto scores = score_study(a_study(), read(drop), {});
  add_spot(drop, "ncm-linbo3/cycled", 8);
  const auto data = read(drop);
  CHECK(data.spots.size() == 8);
  CHECK(problems_of(data) ==
        "ncm-linbo3/cycled/of 8 pixels: left out, it has images of 8 x 8 pixels, most spots have images of "
        "16 x 16 pixels; measure and export all alike\n");
  CHECK(general_score(score_study(a_study(), data, {}), "ncm-linbo3") == general_score(scores, "ncm-linbo3"));
  for (const char* sample : {"ncm-uncoated/uncycled", "ncm-uncoated/cycled", "ncm-zro2-thick/cycled"})
    add_spot(drop, sample, 8);
  CHECK(read(drop).spots.size() == 8);
  for (const char* sample :
       {"ncm-uncoated/uncycled", "ncm-uncoated/cycled", "ncm-linbo3/cycled", "ncm-zro2-thick/cycled"})
    add_spot(drop, sample, 32);
  const auto split = read(drop);
  CHECK(split.spots.size() == 16);
  CHECK_THROWS_WITH_AS(score_study(a_study(), split, {}), doctest::Contains("the image is"), BadInput);
}

TEST_CASE("half a study waits, and says for what") {
  const Drop drop;
  SUBCASE("without the uncycled anchor") {
    fs::remove_all(drop.study() / "ncm-uncoated" / "uncycled");
    CHECK(waits_for(a_study(), read(drop)) == "waits for spectra of ncm-uncoated, uncycled");
  }
  SUBCASE("without the uncoated anchor") {
    fs::remove_all(drop.study() / "ncm-uncoated" / "cycled");
    CHECK(waits_for(a_study(), read(drop)) == "waits for spectra of ncm-uncoated, cycled");
  }
  SUBCASE("without any coated sample") {
    fs::remove_all(drop.study() / "ncm-linbo3");
    fs::remove_all(drop.study() / "ncm-zro2-thick");
    CHECK(waits_for(a_study(), read(drop)) == "waits for spectra of a coated, cycled sample");
    CHECK_THROWS_WITH_AS(score_folder(drop.study()), doctest::Contains("a coated, cycled sample"), BadInput);
  }
  SUBCASE("one coated sample is enough") {
    fs::remove_all(drop.study() / "ncm-linbo3");
    const auto data = read(drop);
    CHECK(waits_for(a_study(), data) == "");
    CHECK(general_score(score_study(a_study(), data, {}), "ncm-zro2-thick"));
  }
}

TEST_CASE("files that belong nowhere are named and left where they are") {
  const Drop drop;
  write(drop.study() / "ncm-linbo3" / "cycled" / "photo.jpg", "\xff\xd8\xff");
  write(drop.study() / "ncm-linbo3" / "notes.txt", "after 100 cycles");
  fs::create_directories(drop.study() / "ncm-al2o3" / "cycled");
  write(drop.study() / "ncm-al2o3" / "cycled" / "x.txt", "1 2 3");
  const auto data = read(drop);
  CHECK(data.spots.size() == 8);
  const auto text = problems_of(data);
  CHECK(text.find("photo.jpg") != std::string::npos);
  CHECK(text.find("coatings/ncm-linbo3/notes.txt: it is not clear whether it was cycled") !=
        std::string::npos);
  CHECK(text.find("ncm-al2o3 is no material of this study") != std::string::npos);
  CHECK(fs::exists(drop.study() / "ncm-linbo3" / "cycled" / "photo.jpg"));
}

TEST_CASE(
    "spectra are scored by the study's one peak list or by nominal masses, and the result says by which") {
  const Drop drop;
  replace_by_spectra(drop);
  const auto scored = [&] { return score_study(a_study(), read(drop), {}); };
  const auto settings = [&] { return scored().settings_json; };
  const char* caveat = "each of the 6 spots: no peak list tells its peaks, so nominal masses are counted";
  CHECK(scored().result_json.find(caveat) != std::string::npos);
  CHECK(settings().find("\"mass intervals\":\"nominal masses, each a whole unit wide\"") !=
        std::string::npos);
  write(drop.study() / "peaks.txt", peak_list);
  CHECK(settings().find("\"mass intervals\":\"peak list peaks.txt\"") != std::string::npos);
  CHECK(scored().result_json.find("nominal masses are counted") == std::string::npos);
  write(drop.study() / "ncm-linbo3" / "cycled" / "own.txt", peak_list);
  CHECK(
      settings().find("\"mass intervals\":\"peak list own.txt (2 spots); peak list peaks.txt (4 spots)\"") !=
      std::string::npos);
}

TEST_CASE("spots counted by lists of one name and other bounds draw a caveat") {
  const Drop drop;
  replace_by_spectra(drop);
  write(drop.study() / "peaks.txt", peak_list);
  const auto own = drop.study() / "ncm-linbo3" / "cycled" / "peaks.txt";
  const auto scored = [&] { return score_study(a_study(), read(drop), {}).result_json; };
  const std::string caveat = "counted by peak lists that are not the same";
  write(own, peak_list);
  CHECK(scored().find(caveat) == std::string::npos);
  const auto wider = std::regex_replace(std::string(peak_list), std::regex("79,0"), "79,1");
  write(own, wider);
  const auto shown = [](const std::string& text, const char* spots) {
    return fmt::format("peaks.txt of SHA-256 {}... ({} spots)", sha256_hex(text).substr(0, 8), spots);
  };
  for (const auto& text : {caveat, shown(peak_list, "4"), shown(wider, "2")})
    CHECK(scored().find(text) != std::string::npos);
}

TEST_CASE("a file that is still being copied is in no score of a folder") {
  const Drop drop;
  const auto scores = score_folder(drop.study());
  write(drop.files("ncm-linbo3/cycled", "total.txt").at(0).string() + ".part", "half");
  const auto again = score_folder(drop.study());
  CHECK(again.inputs_hash == scores.inputs_hash);
  CHECK(again.summary.problems.empty());
}

TEST_CASE(
    "of two peak lists beside the samples neither is taken, and every spectrum that needs one is named") {
  const Drop drop;
  replace_by_spectra(drop);
  write(drop.study() / "peaks.txt", peak_list);
  write(drop.study() / "peaks of May.txt", peak_list);
  const auto data = read(drop);
  CHECK(data.spots.empty());
  REQUIRE(data.problems.size() == 6);
  CHECK(
      data.problems[0].text ==
      "coatings/ncm-linbo3/cycled: 1.txt: left out, since it can be evaluated by any of 2 peak lists: peaks "
      "of May.txt, peaks.txt; leave one list");
  CHECK_THROWS_WITH_AS(score_folder(drop.study()), doctest::Contains("leave one list"), BadInput);
  write(drop.study() / "ncm-linbo3" / "cycled" / "own.txt", peak_list);
  CHECK(read(drop).spots.size() == 2);  // its own comes first
}

TEST_CASE("the same measurement in a sample twice counts once; in two samples it counts for neither") {
  const Drop drop;
  const auto sample = drop.study() / "ncm-linbo3" / "cycled";
  SUBCASE("twice in a sample") {
    fs::create_directories(sample / "again");
    for (const auto& file : drop.files("ncm-linbo3/cycled", ".txt")) fs::copy(file, sample / "again");
    const auto data = read(drop);
    CHECK(data.spots.size() == 8);
    CHECK(problems_of(data).find("counts once") != std::string::npos);
  }
  SUBCASE("in two samples") {
    for (const auto& file : drop.files("ncm-zro2-thick/cycled")) fs::remove(file);
    for (const auto& file : drop.files("ncm-linbo3/cycled", ".txt"))
      fs::copy(file, drop.study() / "ncm-zro2-thick" / "cycled");
    const auto data = read(drop);
    CHECK(data.spots.size() == 4);
    CHECK(problems_of(data).find("different samples") != std::string::npos);
  }
}

TEST_CASE("a region that the store remembers is not read again, and gives the same scores") {
  const Drop drop;
  std::vector<store::RegionRow> rows;
  RegionCache first([&](store::RegionRow row) { rows.push_back(std::move(row)); });
  const auto looks = scan(drop.path, "coatings");
  const auto scores = score_study(a_study(), read(drop, looks, first), {});
  CHECK(rows.size() == 8);

  // Images that cannot be read, under the looks from before: only who remembers does not notice.
  for (const auto& file : drop.files("ncm-linbo3/cycled")) {
    auto bytes = bytes_of(file);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2), bytes.end(), 'x');
    write(file, bytes);
  }
  RegionCache second;
  second.load(rows);
  const auto again = score_study(a_study(), read(drop, looks, second), {});
  CHECK(again.inputs_hash == scores.inputs_hash);
  const bool same_result = again.result_json == scores.result_json;
  CHECK(same_result);
}

TEST_CASE(
    "a file that is replaced under its old name, size and time is read again, and named by its content") {
  const Drop drop;
  std::vector<store::RegionRow> rows;
  RegionCache cache([&](store::RegionRow row) { rows.push_back(std::move(row)); });
  const auto before = read(drop, cache);
  const auto total = drop.files("ncm-linbo3/cycled", "total.txt").front();
  auto bytes = bytes_of(total);
  const auto digit = bytes.find_last_of("0123456789");
  bytes[digit] = bytes[digit] == '7' ? '8' : '7';
  const auto time = fs::last_write_time(total);
  const auto put = [&] {
    SUBCASE("written over, as cp -p does") { write(total, bytes); }
    SUBCASE("moved over, as rsync does") {
      write(drop.path / "new", bytes);
      fs::rename(drop.path / "new", total);
    }
    fs::last_write_time(total, time);
  };
  put();
  CHECK(fs::last_write_time(total) == time);
  const auto after = read(drop, cache);
  CHECK(problems_of(after) == "");
  CHECK(rows.size() == 9);  // one region is new
  const auto scores = score_study(a_study(), after, {});
  CHECK(scores.inputs_hash != score_study(a_study(), before, {}).inputs_hash);
  CHECK(scores.result_json.find(sha256_hex(bytes)) != std::string::npos);

  RegionCache restarted;  // the newer row of the two that the store has of this region
  restarted.load(rows);
  CHECK(score_study(a_study(), read(drop, restarted), {}).inputs_hash == scores.inputs_hash);
}

TEST_CASE("a region whose folder is renamed is read again, and is the same measurement by its content") {
  const Drop drop;
  std::vector<store::RegionRow> rows;
  RegionCache cache([&](store::RegionRow row) { rows.push_back(std::move(row)); });
  const auto before = read(drop, cache);
  fs::create_directories(drop.study() / "ncm-linbo3/cycled/3 November");
  for (const auto& file : drop.files("ncm-linbo3/cycled", ".txt"))
    fs::rename(file, file.parent_path() / "3 November" / file.filename());
  const auto after = read(drop, cache);
  CHECK(rows.size() == 10);
  REQUIRE(after.spots.size() == before.spots.size());
  for (std::size_t i = 0; i < after.spots.size(); ++i) {
    CHECK(after.spots[i].hash == before.spots[i].hash);
    CHECK(after.spots[i].region->peaks == before.spots[i].region->peaks);
  }
}

TEST_CASE(
    "a spectrum copied under a name on the other side of its peak list's is still the same measurement") {
  const Drop drop;
  replace_by_spectra(drop);
  const auto sample = drop.study() / "ncm-linbo3" / "cycled";
  write(drop.study() / "peaks.txt", peak_list);
  fs::copy(sample / "1.txt", sample / "spot 1.txt");
  const auto data = read(drop);
  CHECK(data.spots.size() == 6);
  CHECK(problems_of(data).find("the same measurement; it counts once") != std::string::npos);
}

TEST_CASE(
    "a study.toml that puts scored files into another sample gives the bytes of a folder never seen before") {
  const Drop drop;
  std::vector<store::RegionRow> rows;
  RegionCache cache([&](store::RegionRow row) { rows.push_back(std::move(row)); });
  for (const char* sample : {"ncm-linbo3/cycled", "ncm-zro2-thick/cycled"})  // alike but for their folders
    for (const auto& file : drop.files(sample))
      fs::rename(file, file.parent_path() / std::regex_replace(file.filename().string(),
                                                               std::regex("^.*_(\\d+ \\()"), "spot_$1"));
  CHECK(read(drop, cache).spots.size() == 8);
  write(drop.study() / "study.toml",
        "[[sample]]\nmaterial = \"ncm-linbo3\"\nstate = \"cycled\"\n"
        "files = [\"ncm-linbo3/cycled/*\", \"ncm-zro2-thick/cycled/*\"]\n");
  const auto scores = [&](RegionCache& known) {
    const auto sorted =
        sort_files(drop.path, scan(drop.path, "coatings"), {}, read_study_file(drop.study(), {}));
    return score_study(a_study(), read_spots("coatings", sorted, {}, known, 2, WallTime{}), {}).files;
  };
  RegionCache nothing_known, restarted;
  restarted.load(rows);
  const auto files = scores(nothing_known);
  const bool same = scores(cache) == files, same_after_restart = scores(restarted) == files;
  CHECK(same);
  CHECK(same_after_restart);
}

TEST_CASE("normalisation changed after a first scoring gives what a fresh folder gives") {
  const Drop drop;
  empty_image(drop.files("ncm-linbo3/cycled", " NiO_2-.txt").at(0));
  ScoringOptions options;
  options.normalise.reference_required = true;
  options.table.normalisation = sims::Normalisation::reference_ion;
  const auto scores = [&](RegionCache& known) {
    const auto data = read_spots("coatings", sort_files(drop.path, scan(drop.path, "coatings"), {}),
                                 options.normalise, known, 2, WallTime{});
    return score_study(a_study(), data, {}, options).files;
  };
  RegionCache cache, nothing_known;
  CHECK(read(drop, cache).spots.size() == 8);
  const bool same = scores(cache) == scores(nothing_known);
  CHECK(same);
}

TEST_CASE("a stored region that does not say when its files were changed is read again") {
  const Drop drop;
  std::vector<store::RegionRow> rows;
  RegionCache first([&](store::RegionRow row) { rows.push_back(std::move(row)); });
  (void)read(drop, first);
  for (auto& row : rows)  // as an earlier program wrote it
    row.files_json = std::regex_replace(row.files_json, std::regex(R"("written_ns":\d+,)"), "");
  std::size_t new_rows = 0;
  RegionCache second([&](const store::RegionRow&) { ++new_rows; });
  second.load(rows);
  CHECK(problems_of(read(drop, second)) == "");
  CHECK(new_rows == 8);
}

TEST_CASE("what the status shows of a score comes back from the store") {
  const Drop drop;
  const auto scores = score_study(a_study(), read(drop), {});
  const auto back = summary_from_json(to_json(scores.summary));
  REQUIRE(back.materials.size() == 3);
  REQUIRE(back.axes.size() == scores.summary.axes.size());
  for (std::size_t m = 0; m < 3; ++m) {
    const auto &was = scores.summary.materials[m], &is = back.materials[m];
    CHECK(is.id == was.id);
    REQUIRE(is.scores.size() == was.scores.size());
    for (std::size_t i = 0; i < is.scores.size(); ++i) {
      CHECK(is.scores[i].axis == was.scores[i].axis);
      CHECK(is.scores[i].why_not == was.scores[i].why_not);
      REQUIRE(is.scores[i].value.has_value() == was.scores[i].value.has_value());
      if (is.scores[i].value)
        CHECK(*is.scores[i].value == doctest::Approx(*was.scores[i].value).epsilon(1e-12));
    }
  }
  CHECK_THROWS_AS(summary_from_json("{"), BadInput);
}

TEST_CASE("a results folder holds all of the old files or all of the new ones, and nothing else") {
  const Drop drop;
  const auto folder = drop.path / "results" / "coatings";
  replace_folder(folder, {{"a.txt", "1"}, {"b.txt", "2"}});
  const auto written = fs::last_write_time(folder / "a.txt");
  replace_folder(folder, {{"a.txt", "1"}, {"b.txt", "2"}});
  CHECK(fs::last_write_time(folder / "a.txt") == written);
  replace_folder(folder, {{"a.txt", "3"}});
  CHECK(bytes_of(folder / "a.txt") == "3");
  CHECK_FALSE(fs::exists(folder / "b.txt"));
  CHECK(std::distance(fs::directory_iterator(folder.parent_path()), fs::directory_iterator()) == 1);
}

TEST_CASE("study.toml says which files are which, how they are scored, and what is still missing") {
  const Drop drop;
  fs::rename(drop.study() / "ncm-linbo3" / "cycled", drop.study() / "3 November");
  fs::remove(drop.study() / "ncm-linbo3");
  write(drop.study() / "study.toml",
        "[scoring.degradation]\nspots = \"anchors\"\n[scoring]\nfragments = \"own.csv\"\n[expected]\nregions "
        "= 3\n"
        "[[sample]]\nmaterial = \"ncm-linbo3\"\nstate = \"cycled\"\nfiles = [\"3 Nov*\"]\n");
  write(drop.study() / "own.csv", "formula,mz,category\nPO3-,,coating\n");
  FolderOptions options;
  options.materials = a_study().materials;
  const auto scores = score_folder(drop.study(), options);
  CHECK(scores.summary.problems.empty());
  CHECK(general_score(scores, "ncm-linbo3"));
  CHECK(scores.settings_json.find("\"spots of the PCA\":\"uncycled and uncoated cycled\"") !=
        std::string::npos);
  CHECK(scores.settings_json.find("\"categories of fragments\":\"by own.csv\"") != std::string::npos);
  CHECK(scores.result_json.find("{\"label\":\"PO3-\",\"mz\":78.959054") != std::string::npos);
  CHECK(scores.result_json.find("2 of the 3 regions expected of ncm-linbo3, cycled") != std::string::npos);
  for (const char* file : {"study.toml", "own.csv"})  // inputs as any other
    CHECK(scores.result_json.find(fmt::format("\"what\":\"settings\",\"name\":\"{}\"", file)) !=
          std::string::npos);

  write(drop.study() / "study.toml", "[expected]\nregions = 3\nwait = true\n");
  try {
    (void)score_folder(drop.study(), options);
    FAIL("scored without the rest");
  } catch (const BadInput& bad) {
    CHECK(std::string(bad.what()).find("waits for") != std::string::npos);
  }
}

TEST_CASE(
    "the spread of a degradation score is in the summary as an interval, and comes back from the store") {
  const Drop drop;
  const auto summary = score_study(a_study(), read(drop), {}).summary;
  const auto again = summary_from_json(to_json(summary));
  bool there = false;
  for (std::size_t m = 0; m < summary.materials.size(); ++m)
    for (std::size_t i = 0; i < summary.axes.size(); ++i) {
      const auto& score = summary.materials[m].scores[i];
      CHECK(again.materials[m].scores[i].ci_low == score.ci_low);
      CHECK(again.materials[m].scores[i].ci_high == score.ci_high);
      if (score.ci_low) there = there || (*score.ci_low <= *score.value && *score.value <= *score.ci_high);
    }
  CHECK(there);
}

TEST_CASE("one thread or five read the same study to the same bytes, in whatever order its files lie") {
  const Drop drop;
  const auto with = [&](unsigned threads, bool backwards) {
    RegionCache nothing_known;
    auto files = scan(drop.path, "coatings");
    if (backwards) std::ranges::reverse(files);
    const auto data =
        read_spots("coatings", sort_files(drop.path, files, {}), {}, nothing_known, threads, WallTime{});
    return score_study(a_study(), data, {}).files;
  };
  const auto files = with(1, false);
  CHECK(files.size() > 10);
  CHECK(with(2, false) == files);
  CHECK(with(5, true) == files);
}

TEST_CASE("parts of regions that study.toml names are compared once, and what cannot be is named") {
  const Drop drop;
  write(drop.study() / "study.toml", R"(
[[part]]
material = "ncm-uncoated"
state = "cycled"
circle = [8, 8, 5]
tile = 4
overlay = ["PO3-"]
[[part]]
material = "ncm-linbo3"
state = "cycled"
mask = "inner.png"
[[part]]
material = "ncm-linbo3"
state = "uncycled"
circle = [8, 8, 5]
)");
  sims::Mask too_small{4, 4, std::vector<bool>(16, true)};
  write(drop.study() / "inner.png", sims::png_of(too_small));
  const auto study_file = read_study_file(drop.study(), {});
  REQUIRE(study_file.masks.size() == 1);
  RegionCache cache;
  const auto materials = std::vector<std::string>{"ncm-uncoated", "ncm-linbo3", "ncm-zro2-thick"};
  auto data =
      read_spots("coatings", sort_files(drop.path, scan(drop.path, "coatings"), materials, study_file), {},
                 cache, 2, WallTime{});
  CHECK(problems_of(data) == "");
  read_parts(data, study_file, cache, 2);
  REQUIRE(data.parts.size() == 2);
  CHECK(data.parts[0]->spot.material == "ncm-uncoated");
  CHECK(data.parts[0]->contrasts.size() > 20);
  const auto problems = problems_of(data);
  CAPTURE(problems);
  CHECK(problems.find("ncm-linbo3/cycled/") == 0);
  CHECK(problems.find("its parts are not compared: inner.png: it has 4 x 4 pixels, the ion images 16 x 16") !=
        std::string::npos);
  CHECK(problems.find("study.toml: no region of ncm-linbo3/uncycled is one of [[part]] regions") !=
        std::string::npos);

  auto again =
      read_spots("coatings", sort_files(drop.path, scan(drop.path, "coatings"), materials, study_file), {},
                 cache, 2, WallTime{});
  read_parts(again, study_file, cache, 2);
  CHECK(again.parts[0] == data.parts[0]);  // kept, not computed again
  auto spec = a_study();
  add_study_file(study_file, spec);
  const auto scores = score_study(spec, data, {});
  CHECK(scores.files.contains("parts_1_overlay.png"));
  CHECK(scores.files.at("report.html").find("Inner against outer part") != std::string::npos);
  CHECK(scores.result_json.find("\"name\":\"inner.png\"") != std::string::npos);  // an input with its hash
  CHECK(scores.files == score_study(spec, again, {}).files);
}

TEST_CASE(
    "both normalisations of every region and fragment are left in a table, with the plain ratios beside "
    "them") {
  const Drop drop;
  const auto data = read(drop);
  const auto files = score_study(a_study(), data, {}).files;
  const auto csv = files.at("regions.csv");
  const auto json = files.at("regions.json");
  CHECK(std::ranges::count(json, '{') ==
        static_cast<std::ptrdiff_t>(data.spots.size() * data.spots[0].region->peaks.size()));
  const auto& region = *data.spots.front().region;
  const auto& peak = region.peaks.front();
  CHECK(region.reference == "NiO_2-");
  const auto row =
      fmt::format("\n{},{},{},{},{},{},{},{},NiO_2-,{},{},{},{},256,{},{}\n", data.spots[0].material,
                  sims::to_string(data.spots[0].state), region.name, peak.label, peak.counts, peak.by_total,
                  peak.by_total_sum, peak.ratio_to_total, peak.by_reference, peak.by_reference_sum,
                  peak.ratio_to_reference, peak.share_from_empty_reference, region.pixels_without_ions,
                  region.pixels_without_reference);
  CAPTURE(csv.substr(0, 500));
  CHECK(csv.find(row) != std::string::npos);
  CHECK(static_cast<std::size_t>(std::ranges::count(csv, '\n')) ==
        1 + data.spots.size() * region.peaks.size());
}
