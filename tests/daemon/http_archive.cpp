// The archive over a real store file and a real results folder.
#include "daemon/http/store_archive.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "daemon/store/store.h"

using namespace cambench;
namespace fs = std::filesystem;

namespace {

struct Bench {
  fs::path folder;
  config::Bench bench;
  Bench() {
    std::string pattern = (fs::temp_directory_path() / "cambench_archive_XXXXXX").string();
    folder = mkdtemp(pattern.data());
    bench.store = folder / "cambench.sqlite";
    bench.drop = config::Drop{folder / "drop", folder / "results", {}, {}};
    bench.studies.push_back({.id = "coatings", .title = "Coatings", .materials = {}, .cells = {}});
    fs::create_directories(folder / "results/coatings");
    fs::create_directories(folder / "results/other");
    std::ofstream(folder / "secret") << "not for the network";
  }
  ~Bench() { fs::remove_all(folder); }
  void result(const std::string& name, std::string_view text) const {
    std::ofstream(folder / "results" / name) << text;
  }
};

}  // namespace

TEST_CASE("what the store has committed is what the archive tells") {
  Bench bench;
  store::Store store(bench.bench.store);
  REQUIRE(store
              .append(store::RunRow{.id = "r000001",
                                    .station = "A1",
                                    .recipe = "rate-test-3e",
                                    .recipe_hash = "5f2a",
                                    .recipe_text = "{}",
                                    .who = "anna",
                                    .phase = "queued",
                                    .started = WallTime(std::chrono::seconds(1795352400))})
              .has_value());
  REQUIRE(store.flush().has_value());
  const auto archive = http::open_archive(bench.bench);
  REQUIRE(archive->run("r000001").has_value());
  CHECK(archive->run("r000001")->who == "anna");
  CHECK(archive->runs(10, "").size() == 1);
  CHECK_FALSE(archive->run("r000002").has_value());
  CHECK(archive->series("r000001", 0, 1e9, 100).empty());
}

TEST_CASE("results are plain files, and links lead nowhere") {
  Bench bench;
  const store::Store store(bench.bench.store);
  bench.result("coatings/report.html", "<title>report</title>");
  fs::create_symlink(bench.folder / "secret", bench.folder / "results/coatings/link.html");
  fs::create_directory(bench.folder / "results/coatings/folder");
  const auto archive = http::open_archive(bench.bench);
  CHECK(archive->result_file("coatings", "report.html") == "<title>report</title>");
  for (const auto* name : {"link.html", "folder", "nothing.html"}) {
    CAPTURE(name);
    CHECK_FALSE(archive->result_file("coatings", name).has_value());
  }
}
