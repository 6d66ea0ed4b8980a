// Rate tests made elsewhere: they become runs that are scored like ours and are never taken for ours.
#include "daemon/export/import.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>

#include "analysis/bad_input.h"
#include "daemon/export/csv.h"
#include "daemon/export/documents.h"
#include "daemon/jobs/rate_tests.h"
#include "daemon/store/verify.h"
#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"
#include "tests/daemon/least_bench.h"
#include "tests/daemon/stored_run.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::exports;

namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string all_of(Pieces pieces) {
  std::string text;
  for (auto piece = pieces(); !piece.empty(); piece = pieces()) text += piece;
  return text;
}

ImportOrder order(const CellSpec& cell) {
  ImportOrder order{.file = "rate.csv", .cell = cell};
  order.who = "anna";
  order.at = order.file_changed = fixture::started();
  return order;
}

struct Bench {
  tests::Folder folder;
  std::filesystem::path file = folder.path / "bench.sqlite";
  store::Store store{file};
  Bench() { fixture::keep(store, fixture::two_cycle_rows()); }
};

CellSpec half_cell() {
  CellSpec cell = fixture::cell();
  cell.id = "H-1";
  cell.electrodes = 2;
  cell.reference.reset();
  return cell;
}

}  // namespace

TEST_CASE("an exported run comes back with the same samples, in every form") {
  Bench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  const auto own = reader.samples("r000001");
  const auto own_cycles = reader.capacities("r000001");
  for (const Dialect dialect :
       {Dialect::bdf, Dialect::bdf_machine, Dialect::arbin, Dialect::battery_archive}) {
    CAPTURE(static_cast<int>(dialect));
    const bool has_we = dialect == Dialect::bdf || dialect == Dialect::bdf_machine;
    auto import =
        import_csv(all_of(csv(reader, facts, dialect)), order(has_we ? fixture::cell() : half_cell()));
    const std::string run = import.run;
    fixture::keep(bench.store, std::move(import.rows));
    const auto samples = reader.samples(run);
    REQUIRE(samples.size() == own.size());
    for (std::size_t i = 0; i < own.size(); ++i) {
      CHECK(samples[i].test_time == own[i].test_time);
      CHECK(samples[i].cycle == own[i].cycle);
      CHECK(samples[i].sample.current == own[i].sample.current);
      CHECK(samples[i].sample.cell == own[i].sample.cell);
      if (has_we) CHECK(samples[i].sample.we_vs_re == own[i].sample.we_vs_re);
      CHECK(std::abs(Seconds(samples[i].sample.at.wall - own[i].sample.at.wall).count()) < 2e-6);
      CHECK(samples[i].sample.step == own[i].sample.step);
    }
    const auto cycles = reader.capacities(run);
    REQUIRE(cycles.size() == 2);
    CHECK(cycles[1].discharge.charge_Ah == doctest::Approx(own_cycles[1].discharge.charge_Ah).epsilon(1e-9));
  }
}

TEST_CASE("a real rate test of another laboratory is imported, and its capacities are cellpy's") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  Bench bench;
  auto import = import_csv(contents(*file), order(half_cell()));
  CHECK(import.samples == 27450);
  const std::string run = import.run;
  fixture::keep(bench.store, std::move(import.rows));
  store::Reader reader(bench.file);
  const auto cycles = reader.capacities(run);
  REQUIRE(cycles.size() >= 20);
  // cellpy's summary of cycle 2 (0.1 C): 5.41059 and 5.45937 mAh by the instrument's counters
  CHECK(cycles[1].charge.charge_Ah == doctest::Approx(5.41059347e-3).epsilon(5e-4));
  CHECK(cycles[1].discharge.charge_Ah == doctest::Approx(5.45937149e-3).epsilon(5e-4));
  CHECK(reader.run(run)->started == std::chrono::sys_days(std::chrono::year{2023} / 11 / 15) +
                                        std::chrono::hours(14) + std::chrono::minutes(30) +
                                        std::chrono::microseconds(35'996'500));
  jobs::RateTests tests;
  const auto test = tests.last_of(reader, "H-1");
  REQUIRE(test.has_value());
  CHECK(test->run == run);
  CHECK(rate::rate_points(test->test).size() >= 4);  // 0.1, 0.33, 0.5, 1, 2 C of that cell
}

TEST_CASE("an import says that it is one, and can be verified like any run") {
  Bench bench;
  const std::string text =
      "test_time,step_time,cycle_index,step_index,current,voltage\n"
      "30,30,1,1,0.001,3.1\n60,60,1,1,0.001,3.2\n90,30,1,2,-0.001,3.1\n120,60,1,2,-0.001,3.0\n";
  auto import = import_csv(text, order(half_cell()));
  CHECK(import.run.starts_with("i"));
  CHECK(import.run.size() == 11);
  CHECK(import_csv(text, order(half_cell())).run == import.run);  // the same file has the same name
  const std::string run = import.run;
  fixture::keep(bench.store, std::move(import.rows));
  store::Reader reader(bench.file);
  const auto stored = reader.run(run);
  CHECK(stored->station == "import");
  CHECK(stored->phase == "finished");
  CHECK(reader.last_run_number() == 1);  // our own next run is r000002 still
  const auto events = reader.events_of(run);
  REQUIRE(events.size() == 3);
  CHECK(events[0].row.kind == "imported");
  CHECK(events[0].row.text->find("rate.csv (") == 0);
  CHECK(reader.audit(1).at(0).row.act == "import");
  for (const auto& breach : store::verify(bench.file).breaches) {
    CAPTURE(breach.what);
    CHECK(breach.where.find(run) == std::string::npos);
  }
}

TEST_CASE("only who says with which recipe it was measured has it compared with others") {
  const std::string text =
      "test_time,step_time,cycle_index,step_index,current,voltage\n30,30,1,1,0.001,3.1\n";
  auto with = order(fixture::cell()), without = order(half_cell()), other = without;
  with.voltage_is_we_vs_re = true;
  with.recipe = read_recipe(fixture::two_cycles, "two.toml").value();
  const auto hash = [](const Import& import) { return std::get<store::RunRow>(import.rows[0]).recipe_hash; };
  CHECK(hash(import_csv(text, with)) == recipe_hash(*with.recipe));
  CHECK(hash(import_csv(text, without)) != hash(import_csv(text + "60,60,1,1,0.001,3.2\n", other)));
}

TEST_CASE("a cell with a reference electrode needs a file that has its potential, or the word that it does") {
  const std::string text =
      "test_time,step_time,cycle_index,step_index,current,voltage\n30,30,1,1,0.001,3.1\n";
  CHECK_THROWS_WITH_AS(import_csv(text, order(fixture::cell())), doctest::Contains("--voltage-is we_vs_re"),
                       BadInput);
  auto said = order(fixture::cell());
  said.voltage_is_we_vs_re = true;
  const auto import = import_csv(text, said);
  const auto& sample = std::get<store::SampleRow>(import.rows[3]).sample;
  CHECK(sample.we_vs_re == Volt(3.1));
  CHECK_FALSE(sample.cell);
}

TEST_CASE("the verb keeps the file once, and refuses it the second time") {
  const tests::Folder folder;
  std::filesystem::create_directories(folder.path / "state");
  const auto config = folder.write("bench.toml", tests::least_bench + R"([[cell]]
id = "H-1"
material = "ncm-uncoated"
electrodes = 2
composite_mg = 16.5
cam_fraction = 1.0
area_cm2 = 0.7854
)");
  const auto file = folder.write(
      "rate.csv", "test_time,step_time,cycle_index,step_index,current,voltage\n30,30,1,1,0.001,3.1\n");
  const std::vector<std::string> words{"import",   file.string(),   "--cell", "H-1",
                                       "--config", config.string(), "--who",  "anna"};
  const auto said = tests::cambench_says(words);
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(tests::has(said.out, ": 1 cycles for cell H-1"));
  const auto again = tests::cambench_says(words);
  CHECK(again.code == cli::refused);
  CHECK(tests::has(again.err, "this file is in the store already: run i"));
  CHECK(tests::has(tests::cambench_says({"runs", "--config", config.string()}).out, "import"));
  // While somebody writes the store, nobody else does.
  store::Store owner(folder.path / "state/cambench.sqlite");
  CHECK(tests::has(tests::cambench_says(words).err, "owns this database"));
}
