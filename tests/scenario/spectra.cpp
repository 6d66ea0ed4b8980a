// Spectra land in the drop folder of a running daemon as people and instruments put them there: as imzML, slowly, half,
// broken, under another name first, and while the daemon is killed.
#include <doctest/doctest.h>

#include "tests/analysis/imzml_writer.h"
#include "tests/scenario/bench.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

Bench::Settings with_drop_folder() {
  Bench::Settings settings;
  settings.extra =
      "[drop]\npath = \"drop\"\nresults = \"results\"\nsettle_s = 0.2\npoll_s = 0.2\n"
      "[[material]]\nid = \"ncm-linbo3\"\nname = \"NCM LiNbO3\"\ncoating = \"LiNbO3\"\namount_wt_percent = "
      "1.0\n"
      "[[study]]\nid = \"coatings\"\ntitle = \"Coatings\"\nmaterials = [\"ncm-uncoated\", \"ncm-linbo3\"]\n";
  return settings;
}

/// 6 x 6 pixels of five ions; those of degradation grow with `degraded`.
tests::ImzmlWriter measurement(double degraded, int region) {
  const std::vector<double> mz{15.995463, 62.964139, 78.959054, 89.925719, 127.888836};
  tests::ImzmlWriter file;
  file.width = file.height = 6;
  file.number = 'd';
  for (int i = 0; i < 36; ++i) {
    const double shade = 1 + 0.1 * ((i + region) % 5), more = 1 + degraded;
    file.pixels.push_back(
        {1 + i % 6,
         1 + i / 6,
         mz,
         {40 * shade, 9 * shade * more, 5 * shade * more, 3.0 + region % 2, 2 * more + i % 3}});
  }
  file.write();
  return file;
}

class Drop {
 public:
  explicit Drop(const Bench& bench) : study_(bench.folder() / "drop" / "coatings") {
    fs::create_directories(study_);
    std::string list = "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
    for (const auto& [label, mz] : {std::pair("O-", 15.995463),
                                    {"PO_2-", 62.964139},
                                    {"PO_3-", 78.959054},
                                    {"NiO_2-", 89.925719},
                                    {"S_4-", 127.888836}})
      list += fmt::format("{:.4f}\t{:.4f}\t{}\r\n", mz - 0.02, mz + 0.02, label);
    std::ofstream(study_ / "peaks.txt", std::ios::binary) << list;
  }

  /// A whole sample of three regions, each file complete under its name at once.
  void sample(const std::string& below, double degraded) const {
    for (int region = 1; region <= 3; ++region) {
      const auto file = measurement(degraded, region);
      put(below, fmt::format("r{}.ibd", region), file.binary);
      put(below, fmt::format("r{}.imzML", region), file.xml);
    }
  }
  void put(const std::string& below, const std::string& name, const std::string& bytes) const {
    fs::create_directories(study_ / below);
    std::ofstream(study_ / below / (name + ".part"), std::ios::binary) << bytes;
    fs::rename(study_ / below / (name + ".part"), study_ / below / name);
  }
  [[nodiscard]] fs::path path(const std::string& below) const { return study_ / below; }

 private:
  fs::path study_;
};

boost::json::object study(const Bench& bench) { return bench.status().at("studies").at(0).as_object(); }
std::string text(const Bench& bench) { return std::string(study(bench).at("text").as_string()); }
std::int64_t version(const Bench& bench) { return study(bench).at("version").to_number<std::int64_t>(); }

void until_says(const Bench& bench, const std::string& words) {
  until(
      "the study says \"" + words + '"', [&] { return text(bench).find(words) != std::string::npos; },
      [&] { return boost::json::serialize(study(bench)); });
}
void until_version(const Bench& bench, std::int64_t wanted) {
  until(
      fmt::format("version {} of the scores", wanted), [&] { return version(bench) >= wanted; },
      [&] { return boost::json::serialize(study(bench)); });
}

double general_score(const Bench& bench, std::size_t material) {
  return study(bench)
      .at("materials")
      .at(material)
      .at("scores")
      .at("DS_general")
      .at("value")
      .to_number<double>();
}

}  // namespace

TEST_CASE(
    "imzML that a slow writer keeps open is waited for, then scored, and the page has table and charts") {
  Bench bench(with_drop_folder());
  bench.start();
  const Drop drop(bench);
  until_says(bench, "waits for spectra in");
  drop.sample("ncm-uncoated/uncycled", 0);
  drop.sample("ncm-uncoated/cycled", 1);
  const auto file = measurement(0.5, 1);
  drop.put("ncm-linbo3/cycled", "r1.imzML", file.xml);
  {
    std::ofstream slow(drop.path("ncm-linbo3/cycled/r1.ibd"), std::ios::binary);  // open all the while
    for (std::size_t at = 0; at < file.binary.size(); at += 1 + file.binary.size() / 8) {
      slow << file.binary.substr(at, 1 + file.binary.size() / 8) << std::flush;
      until_says(bench, "arriving");
      CHECK(version(bench) == 0);
      std::this_thread::sleep_for(50ms);  // the pace of the writer, below the settling time
    }
  }
  until_version(bench, 1);
  CHECK(study(bench).at("problems").as_array().empty());
  CHECK(general_score(bench, 0) == doctest::Approx(1));
  CHECK(general_score(bench, 1) > 0.3);
  CHECK(general_score(bench, 1) < 0.8);
  const auto scores = bench.get("/api/v1/studies/coatings/scores");
  CHECK(scores.status == 200);
  CHECK(scores.body.find("r1.imzML") != std::string::npos);  // named as an input
  for (const auto* name : {"radar.svg", "radar_ncm-linbo3.svg", "report.html", "scores.csv"})
    CHECK_MESSAGE(bench.get(fmt::format("/api/v1/studies/coatings/{}", name)).status == 200, name);
}

TEST_CASE(
    "half a measurement is waited for, a broken one costs only itself, and replacing it mends the scores") {
  Bench bench(with_drop_folder());
  bench.start();
  const Drop drop(bench);
  drop.sample("ncm-uncoated/uncycled", 0);
  drop.sample("ncm-uncoated/cycled", 1);
  drop.sample("ncm-linbo3/cycled", 0.5);
  const auto late = measurement(0.6, 4), broken = measurement(0.4, 5);
  drop.put("ncm-linbo3/cycled", "r4.imzML", late.xml);  // its .ibd comes later
  until_says(bench, "waits a moment for the rest");
  drop.put("ncm-linbo3/cycled", "r4.ibd", late.binary);
  until_version(bench, 1);
  CHECK(text(bench) == "scored from 10 spots and 0 rate tests");

  drop.put("ncm-linbo3/cycled", "r5.ibd", broken.binary.substr(0, broken.binary.size() / 2));
  drop.put("ncm-linbo3/cycled", "r5.imzML", broken.xml);
  until("the broken one is named", [&] { return !study(bench).at("problems").as_array().empty(); });
  const auto problem = std::string(study(bench).at("problems").at(0).as_string());
  CHECK_MESSAGE(problem.find("ncm-linbo3/cycled/r5: left out: r5.i") == 0, problem);
  drop.put("ncm-linbo3/cycled", "r5.ibd", broken.binary);
  until_says(bench, "scored from 11 spots");
  CHECK(study(bench).at("problems").as_array().empty());
}

TEST_CASE(
    "a daemon that is killed while spectra land scores them once it is back, with nothing lost or doubled") {
  Bench bench(with_drop_folder());
  bench.start();
  const Drop drop(bench);
  drop.sample("ncm-uncoated/uncycled", 0);
  drop.sample("ncm-uncoated/cycled", 1);
  until_says(bench, "waits for spectra of a coated");
  drop.sample("ncm-linbo3/cycled", 0.5);
  until_says(bench, "arriving");
  bench.kill();
  bench.start();
  until_version(bench, 1);
  CHECK(text(bench) == "scored from 9 spots and 0 rate tests");
  const auto first = general_score(bench, 1);
  bench.kill();
  bench.start();
  until_says(bench, "nothing new: scored from 9 spots");
  CHECK(general_score(bench, 1) == first);
  CHECK(bench.reader().scores("coatings").size() == 1);
}
