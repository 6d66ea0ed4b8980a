#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>

#include "daemon/export/export.h"
#include "daemon/store/database.h"
#include "schema/sha256.h"
#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"
#include "tests/daemon/stored_run.h"

using namespace cambench;
using tests::cambench_says, tests::Folder, tests::has;
namespace fs = std::filesystem;

namespace {

struct Bench {
  Folder folder;
  std::string store = (folder.path / "bench.sqlite").string();
  Bench() {
    store::Store opened(store);
    fixture::keep(opened, fixture::two_cycle_rows());
    fixture::keep(opened, {store::ScoreRow{"coatings", "ab", "{}", "cambench 0.1.0", "{}", fixture::started(),
                                           R"({"materials":[{"id":"ncm-linbo3","name":"LiNbO3",)"
                                           R"("scores":{"QS_0":{"value":1.03,"sd":0.02}}}]})"}});
  }
};

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("runs lists what the store remembers") {
  const Bench bench;
  const auto said = cambench_says({"runs", "--store", bench.store});
  CHECK(said.code == cli::done);
  CHECK(has(said.out, "r000001  2026-11-22T13:00  A1       two-cycles  R-017  finished  44 min"));
  const auto json = boost::json::parse(cambench_says({"runs", "--json", "--store", bench.store}).out);
  CHECK(json.at(0).at("material") == "ncm-linbo3");
}

TEST_CASE("export writes the BDF file with its sidecar into a folder, and says what it wrote") {
  const Bench bench;
  const auto said = cambench_says(
      {"export", "r000001", "--store", bench.store, "--out", bench.folder.path.string(), "--json"});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  const auto files = boost::json::parse(said.out).as_array();
  REQUIRE(files.size() == 2);
  const fs::path csv(std::string(files[0].at("file").as_string()));
  CHECK(csv.filename() == "cambench__R-017__20261122_r000001.bdf.csv");
  CHECK(fs::path(std::string(files[1].at("file").as_string())).filename() ==
        "cambench__R-017__20261122_r000001.bdf.metadata.json");
  CHECK(std::string(files[0].at("sha256").as_string()) == sha256_hex(contents(csv)));
  CHECK(said.err.empty());  // no bar in a pipe
}

TEST_CASE("export to - is the bytes and nothing else") {
  const Bench bench;
  const auto said =
      cambench_says({"export", "r000001", "--store", bench.store, "--as", "battery-archive", "--out", "-"});
  CHECK(said.code == cli::done);
  CHECK(said.out.starts_with("Date_Time,Test_Time (s),Cycle_Index,"));
  CHECK(std::ranges::count(said.out, '\n') == 265);
}

TEST_CASE("several formats go into a folder") {
  const Bench bench;
  const auto said = cambench_says({"export", "r000001", "--store", bench.store, "--as", "unicycler,crate",
                                   "--out", bench.folder.path.string()});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(fs::exists(bench.folder.path / "cambench__R-017__20261122_r000001.crate.zip"));
  CHECK(fs::exists(bench.folder.path / "cambench__R-017__20261122_r000001.unicycler.json"));
  CHECK(cambench_says({"export", "r000001", "--store", bench.store, "--as", "unicycler,crate", "--out",
                       (bench.folder.path / "one").string()})
            .code == cli::usage);
  const auto every = bench.folder.path / "every";  // no file takes another's name
  std::string formats;
  for (const auto& format : exports::formats())
    formats += (formats.empty() ? "" : ",") + std::string(format.name);
  CHECK(cambench_says(
            {"export", "r000001", "--store", bench.store, "--as", formats, "--out", every.string() + "/"})
            .code == cli::done);
  CHECK(std::distance(std::filesystem::directory_iterator(every), {}) ==
        std::ssize(exports::formats()) + 1);  // and the sidecar of the file with machine names
  const auto made = bench.folder.path / "made/for/it/";
  CHECK(cambench_says({"export", "r000001", "--store", bench.store, "--out", made.string()}).code ==
        cli::done);
  CHECK(std::distance(std::filesystem::directory_iterator(made), {}) == 2);
}

TEST_CASE("a run, a format or a store that is not there is one sentence") {
  const Bench bench;
  CHECK(has(cambench_says({"export", "r000009", "--store", bench.store}).err, "there is no run r000009"));
  const auto format = cambench_says({"export", "r000001", "--store", bench.store, "--as", "xlsx"});
  CHECK(format.code == cli::usage);
  CHECK(has(format.err, "there is no format \"xlsx\"; there are bdf, bdf-machine,"));
  CHECK(cambench_says({"export", "r000001", "--store", "/nonexistent/x"}).code == cli::refused);
  CHECK(cambench_says({"export", "--store", bench.store}).code == cli::usage);
}

TEST_CASE("a bar is drawn on a screen and taken away at the end") {
  const Bench bench;
  const auto said = cambench_says({"export", "r000001", "--store", bench.store, "--out", "-"},
                                  [](cli::World& world) { world.progress = true; });
  CHECK(has(said.err, "r000001 bdf  [####"));
  CHECK(said.err.ends_with("\r\x1b[K"));
}

TEST_CASE("the notebook copy has plain views that agree with the run's numbers") {
  const Bench bench;
  const std::string copy = (bench.folder.path / "notebook.sqlite").string();
  const auto said = cambench_says({"export", "--sql", copy, "--store", bench.store});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  store::Database database(copy, store::Database::Mode::read_only);
  CHECK(database.number("SELECT count(*) FROM samples") == 264);
  CHECK(database.text("SELECT printf('%.6f', charge_mAh) FROM cycles WHERE cycle = 2") == "0.268000");
  // 0.268 mAh over 8.04 mg
  CHECK(database.text("SELECT printf('%.4f', discharge_mAh_g) FROM cycles WHERE cycle = 1") == "33.3333");
  CHECK(database.text("SELECT started FROM runs") == "2026-11-22T13:00:00.250Z");
  CHECK(database.text("SELECT printf('%.3f', ce_vs_re_V) FROM samples LIMIT 1") == "0.600");
  CHECK(database.text("SELECT ended_by FROM steps WHERE step = 8") == "planned");
  CHECK(database.text("SELECT printf('%s %s %.2f', material, axis, value) FROM scores") ==
        "ncm-linbo3 QS_0 1.03");
  for (const char* view : {"pressures", "events", "alarms"})
    CHECK(database.number(fmt::format("SELECT count(*) >= 0 FROM {}", view)) == 1);
}

// What the README shows, as it stands there.
TEST_CASE("the README's notebook lines run under pandas") {
  if (std::system("/usr/bin/python3 -c 'import pandas' 2>/dev/null") != 0) {
    std::cout << "skipped: python3-pandas is not installed\n";
    return;
  }
  const Bench bench;
  const std::string readme = contents(std::string(CAMBENCH_SOURCE) + "/README.md");
  const auto begin = readme.find("    import pandas, sqlite3\n");
  REQUIRE(begin != std::string::npos);
  std::string script;
  std::istringstream lines(readme.substr(begin));
  for (std::string line; std::getline(lines, line) && line.starts_with("    ");)
    script += line.substr(4) + '\n';
  cambench_says(
      {"export", "--sql", (bench.folder.path / "notebook.sqlite").string(), "--store", bench.store});
  (void)bench.folder.write("readme.py",
                           script + "\nassert len(cycles) == 2, cycles\nassert len(curve) == 60\n");
  const auto status = std::system(
      fmt::format("cd {} && /usr/bin/python3 readme.py > said 2>&1", bench.folder.path.string()).c_str());
  CHECK_MESSAGE(WEXITSTATUS(status) == 0, contents(bench.folder.path / "said"));
}
