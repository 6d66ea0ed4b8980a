#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/daemon/command_line.h"
#include "tests/data.h"

using namespace cambench;
using tests::cambench_says, tests::has;
namespace fs = std::filesystem;

namespace {

/// A folder of spectra of 40 channels in which one mass grows with `degraded`; gone when the test is over.
struct Spectra {
  fs::path path = fs::temp_directory_path() / "cambench-cli-score-test";
  Spectra() { fs::remove_all(path); }
  ~Spectra() { fs::remove_all(path); }
  void add(const std::string& sample, int spot, int degraded) const {
    fs::create_directories(path / sample);
    std::ofstream out(path / sample / ("spot_" + std::to_string(spot) + ".txt"), std::ios::binary);
    out << "# exported\r\n# by\r\n# hand\r\nChannel\tm/z\tIntensity\r\n";
    for (int mass = 1; mass <= 301; ++mass)
      out << mass << '\t' << mass << ".0\t" << (mass == 64 ? 100 + degraded : 100 + (mass * spot) % 3)
          << "\r\n";
  }
  /// Two materials, of which the coated one degrades less, in a folder of their own.
  [[nodiscard]] fs::path study(int spots) const {
    for (int spot = 1; spot <= spots; ++spot) {
      add("study/bare/uncycled", spot, 0);
      add("study/bare/cycled", spot, 200);
      add("study/coated/cycled", spot, 50);
    }
    return path / "study";
  }
};

}  // namespace

TEST_CASE("score reproduces the principal components of ten real spectra") {
  const auto folder = tests::real_data("spectra");
  if (!folder) return;
  const auto said = cambench_says({"score", folder->string(), "--samples", "Ru-Pt,Ru-Pd", "--json"});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  const auto json = boost::json::parse(said.out);
  // numpy's singular value decomposition of the same table: 0.736136, 0.109025, 0.069852, 0.051282
  CHECK(json.at("explained").at(0).as_double() == doctest::Approx(0.736136).epsilon(1e-6));
  CHECK(json.at("explained").at(3).as_double() == doctest::Approx(0.051282).epsilon(1e-5));
  CHECK(json.at("spots").at(0).at("scores").at(0).as_double() == doctest::Approx(-2.125834).epsilon(1e-6));
  CHECK(json.at("spots").at(9).at("scores").at(0).as_double() == doctest::Approx(3.302381).epsilon(1e-6));
  CHECK(json.at("loadings").at(0).at("pc1").as_double() == doctest::Approx(0.13607).epsilon(1e-4));
}

TEST_CASE("the first sample has score 0, the second 1, and a third lies where it belongs") {
  const Spectra spectra;
  for (int spot = 1; spot <= 3; ++spot) {
    spectra.add("fresh", spot, 0);
    spectra.add("worn", spot, 200);
    spectra.add("half", spot, 100);
  }
  const auto said = cambench_says({"score", spectra.path.string(), "--samples", "fresh,worn,half", "--json"});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  std::map<std::string, double> scores;
  const auto json = boost::json::parse(said.out);
  for (const auto& score : json.at("scores").as_array())
    if (score.at("category") == "general")
      scores[std::string(score.at("sample").as_string())] = score.at("score").to_number<double>();
  CHECK(scores["fresh"] == doctest::Approx(0));
  CHECK(scores["worn"] == doctest::Approx(1));
  CHECK(scores["half"] == doctest::Approx(0.5).epsilon(0.05));
}

TEST_CASE("a study's folder is scored as the daemon scores it, and its report lands in --out") {
  const Spectra spectra;
  const fs::path study = spectra.study(3), out = spectra.path / "out";
  const auto said = cambench_says({"score", study.string(), "--out", out.string()});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  INFO(said.out);
  CHECK(has(said.out, "bare (reference)"));
  CHECK(has(said.out, "coated"));
  CHECK(fs::exists(out / "report.html"));
  const auto json = cambench_says({"score", study.string(), "--json"});
  CHECK(boost::json::parse(json.out).is_object());
  CHECK(cambench_says({"score", study.string(), "--intervals", "nominal:1-80"}).code == cli::usage);

  fs::remove_all(study / "bare/uncycled");
  const auto missing = cambench_says({"score", study.string(), "--reference", "bare"});
  CHECK(missing.code == cli::refused);
  CHECK(has(missing.err, "uncycled"));
}

TEST_CASE(
    "--out onto a folder with somebody's files, or onto the study, is refused and leaves every file; with a "
    "slash at its end it works") {
  const Spectra spectra;
  const fs::path study = spectra.study(2), out = spectra.path / "out";
  const auto files = [&] {
    std::set<std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(spectra.path))
      all.insert(entry.path().lexically_relative(spectra.path).string());
    return all;
  };
  const auto score_to = [&](const fs::path& to) {
    return cambench_says({"score", study.string(), "--out", to.string()});
  };
  fs::create_directories(out / "thesis");
  std::ofstream(spectra.path / "report.txt") << "mine";
  const auto before = files();
  for (const auto& to : {out, study, study / "", study / "bare", study / "report", spectra.path,
                         spectra.path / "report.txt", spectra.path / "." / "study" / ".." / "study"}) {
    CAPTURE(to);
    const auto said = score_to(to);
    CHECK(said.code == cli::refused);
    CHECK(has(said.err, to == out ? "holds thesis, which is no result" : ""));
    CHECK(files() == before);
  }

  fs::remove(out / "thesis");
  REQUIRE(score_to(out / "").code == cli::done);
  CHECK(fs::exists(out / "report.html"));
  CHECK_FALSE(fs::exists(spectra.path / ".out.new"));
  fs::rename(study / "coated", study / "other");
  REQUIRE(score_to(out / "").code == cli::done);
  CHECK_FALSE(fs::exists(out / "radar_coated.svg"));

  fs::rename(study / "other", study / "coated");
  std::ofstream(out / "notes.md") << "mine";
  const auto with_notes = files();
  CHECK(has(score_to(out).err, "holds notes.md, which is no result"));
  CHECK(files() == with_notes);
}

TEST_CASE("fewer masses may be asked for") {
  const Spectra spectra;
  for (int spot = 1; spot <= 2; ++spot) {
    spectra.add("a", spot, 0);
    spectra.add("b", spot, 50);
  }
  CHECK(has(cambench_says({"score", spectra.path.string(), "--intervals", "nominal:51-80"}).out,
            "4 spots, 30 fragments"));
  CHECK(cambench_says({"score", spectra.path.string(), "--intervals", "nominal:80-51"}).code == cli::usage);
}

TEST_CASE("spots that are all equal are refused") {
  const Spectra spectra;
  for (const char* sample : {"a", "b"}) spectra.add(sample, 1, 0);
  for (const bool as_json : {false, true}) {
    std::vector<std::string> words{"score", spectra.path.string()};
    if (as_json) words.push_back("--json");
    const auto said = cambench_says(words);
    CHECK(said.code == cli::refused);
    CHECK(has(said.err, "all spots are equal, so there is no principal component"));
  }
}

TEST_CASE("a mass that only some spectra reach is left out, and listed") {
  const Spectra spectra;
  for (const char* sample : {"a", "b"}) spectra.add(sample, 1, sample[0] == 'a' ? 0 : 50);
  std::string shorter;
  {
    std::ifstream in(spectra.path / "b" / "spot_1.txt", std::ios::binary);
    for (std::string line; std::getline(in, line) && !line.starts_with("300\t");) shorter += line + '\n';
  }
  std::ofstream(spectra.path / "b" / "spot_1.txt", std::ios::binary) << shorter;
  const auto said = cambench_says({"score", spectra.path.string()});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "2 spots, 298 fragments"));
  CHECK(has(said.out, "note: left out, because some regions lack them: m/z 299, m/z 300"));
}

TEST_CASE("a folder that cannot be scored is one sentence") {
  const Spectra spectra;
  spectra.add("a", 1, 0);
  CHECK(has(cambench_says({"score", spectra.path.string()}).err,
            "expected a folder for each sample, at least two; found 1"));
  CHECK(has(cambench_says({"score", "/nonexistent"}).err, "/nonexistent: expected a folder"));
  CHECK(has(cambench_says({"score", spectra.path.string(), "--samples", "a,b"}).err,
            "there is no folder of this sample"));
  fs::create_directories(spectra.path / "b");
  std::ofstream(spectra.path / "b" / "notes.txt") << "hello\n";
  const auto said = cambench_says({"score", spectra.path.string()});
  CHECK(said.code == cli::refused);
  CHECK(has(said.err, "no spectrum and no image can be read here"));
  CHECK(has(said.err, "notes.txt: neither an ASCII image"));
}

TEST_CASE(
    "a mass that only some spectra begin below is left out and listed; a peak list's interval below the "
    "spectrum is refused") {
  const Spectra spectra;
  for (const char* sample : {"a", "b", "c"}) spectra.add(sample, 1, sample[0] == 'a' ? 0 : 50);
  std::string from_30;
  {
    std::ifstream in(spectra.path / "b" / "spot_1.txt", std::ios::binary);
    int lines = 0;
    for (std::string line; std::getline(in, line); ++lines)
      if (lines < 4 || lines > 4 + 28) from_30 += line + '\n';
  }
  std::ofstream(spectra.path / "b" / "spot_1.txt", std::ios::binary) << from_30;
  const auto said = cambench_says({"score", spectra.path.string()});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "3 spots, 271 fragments"));
  CHECK(has(said.out, "note: left out, because some regions lack them: m/z 1, m/z 10, m/z 11,"));
  CHECK(has(
      said.out,
      "divided by the sum of the spectrum from m/z 30 to about 300, other spots by another kind of total"));

  const auto list = spectra.path / "peaks.txt";
  std::ofstream(list, std::ios::binary)
      << "No.\tLower Mass (u)\tUpper Mass (u)\tAssignment\r\n1\t15,9\t16,1\tO-\r\n";
  const auto refused = cambench_says({"score", spectra.path.string(), "--intervals", list.string()});
  CHECK(refused.code == cli::refused);
  CHECK(has(refused.err,
            "spot_1.txt: the spectrum goes from m/z 30.000 to 301.000, the interval of O- from 15.900 to "
            "16.100"));
}
