// Exports of a run: what other programs read of it is what was stored. The numbers are those of stored_run.h.
#include "daemon/export/export.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <boost/json.hpp>
#include <clocale>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "analysis/formats/rate_csv.h"
#include "daemon/export/csv.h"
#include "daemon/export/documents.h"
#include "tests/analysis/folder.h"
#include "tests/daemon/stored_run.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::exports;

namespace {

std::string all_of(Pieces pieces) {
  std::string text;
  for (auto piece = pieces(); !piece.empty(); piece = pieces()) text += piece;
  return text;
}

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields{""};
  for (const char c : line)
    if (c == separator)
      fields.emplace_back();
    else
      fields.back() += c;
  return fields;
}

/// A CSV as head and rows.
struct Table {
  explicit Table(const std::string& text, char separator = ',') {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) rows.push_back(split(line, separator));
    head = rows.front();
    rows.erase(rows.begin());
  }
  std::string at(std::size_t row, const std::string& column) const {
    const auto found = std::ranges::find(head, column);
    REQUIRE_MESSAGE(found != head.end(), column);
    return rows.at(row).at(static_cast<std::size_t>(found - head.begin()));
  }
  double number(std::size_t row, const std::string& column) const { return std::stod(at(row, column)); }
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

struct StoredBench {
  tests::Folder folder;
  std::filesystem::path file = folder.path / "bench.sqlite";
  explicit StoredBench(std::vector<store::Row> more = {}) {
    store::Store store(file);
    fixture::keep(store, fixture::two_cycle_rows());
    if (!more.empty()) fixture::keep(store, std::move(more));
  }
};

/// The exit code of a program of the system, and what it said.
std::pair<int, std::string> run_program(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  std::string said;
  std::array<char, 4096> buffer;
  for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    said.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

}  // namespace

TEST_CASE("every label and machine name of the BDF file is one of the ontology's, or declared as ours") {
  const auto list = tests::real_data("../reference/bdf_columns.tsv");
  if (!list) return;
  std::map<std::string, std::string> known;  // machine name -> label
  std::ifstream in(*list);
  for (std::string line; std::getline(in, line);) {
    const auto fields = split(line, '\t');
    if (fields.size() > 3 && fields[3] != "deprecated") known[fields[0]] = fields[1];
  }
  StoredBench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  const Table labels(all_of(csv(reader, facts, Dialect::bdf)));
  const Table machine(all_of(csv(reader, facts, Dialect::bdf_machine)));
  REQUIRE(labels.head.size() == machine.head.size());
  std::vector<std::string> ours;
  for (std::size_t i = 0; i < labels.head.size(); ++i) {
    CAPTURE(machine.head[i]);
    if (known.contains(machine.head[i]))
      CHECK(known[machine.head[i]] == labels.head[i]);
    else
      ours.push_back(machine.head[i]);
  }
  CHECK(ours == std::vector<std::string>{"working_electrode_potential_vs_reference_volt",
                                         "counter_electrode_potential_vs_reference_volt", "sample_status"});
  for (const char* required : {"Test Time / s", "Voltage / V", "Current / A"})
    CHECK(std::ranges::count(labels.head, required) == 1);
}

TEST_CASE("the BDF file says what was stored: cell voltage, electrode potentials, pressure, charge") {
  StoredBench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  const Table table(all_of(csv(reader, facts, Dialect::bdf)));
  REQUIRE(table.rows.size() == 264);                               // 2 x (60 + 6 + 60 + 6)
  CHECK(table.number(59, "Voltage / V") == doctest::Approx(3.4));  // the cell, not E(WE vs RE)
  CHECK(table.number(59, "Working Electrode Potential vs Reference / V") == doctest::Approx(4.0));
  CHECK(table.number(59, "Counter Electrode Potential vs Reference / V") == doctest::Approx(0.6));
  CHECK(table.number(59, "Applied Pressure / Pa") == 50e6);
  CHECK(table.at(59, "Unix Time / s") == "1795353000.250001");  // 2026-11-22 13:10:00.250001 UTC
  CHECK(table.at(59, "Step Type") == "CC_CHG");
  CHECK(table.at(60, "Step Type") == "REST");
  CHECK(table.at(66, "Step Type") == "CC_DCH");
  // Ten minutes at 1.608 mA are 0.268 mAh, held from the step's start to its first sample.
  CHECK(table.number(59, "Charging Capacity / Ah") == doctest::Approx(0.268e-3).epsilon(1e-12));
  CHECK(table.number(131, "Discharging Capacity / Ah") == doctest::Approx(0.268e-3).epsilon(1e-12));
  CHECK(table.number(131, "Net Capacity / Ah") == doctest::Approx(0).epsilon(1e-12));
  CHECK(table.number(263, "Cumulative Capacity / Ah") == doctest::Approx(4 * 0.268e-3).epsilon(1e-12));
  // What begins anew with a cycle, and what never does.
  CHECK(table.at(132, "Cycle Count / 1") == "2");
  CHECK(table.number(132, "Cycle Charging Capacity / Ah") == doctest::Approx(1.608e-3 / 360));
  CHECK(table.number(132, "Charging Capacity / Ah") == doctest::Approx(0.268e-3 + 1.608e-3 / 360));
  CHECK(table.at(132, "Step Count / 1") == "5");
  CHECK(table.at(132, "Step ID") == "2");  // the charge's place in the recipe, as in the first cycle
  CHECK(table.at(0, "Step ID") == "2");
  CHECK(table.at(132, "Step Record Index / 1") == "1");
  CHECK(table.at(132, "Record Index / 1") == "133");
}

TEST_CASE("numbers come back bit for bit, whatever the locale") {
  auto sample = std::get<store::SampleRow>(fixture::two_cycle_rows()[3]);
  sample.run = "r000002";
  sample.sample.cell = Volt(3.612345678901234);
  sample.sample.current = Ampere(1.2345678901e-9);
  auto run = std::get<store::RunRow>(fixture::two_cycle_rows()[0]);
  run.id = "r000002";
  StoredBench bench({run, sample});
  store::Reader reader(bench.file);
  const char* german = std::setlocale(LC_ALL, "de_DE.UTF-8");
  const auto facts = facts_of(reader, "r000002");
  const Table table(all_of(csv(reader, facts, Dialect::bdf)));
  if (german) std::setlocale(LC_ALL, "C");
  CHECK(table.at(0, "Voltage / V") == "3.612345678901234");
  CHECK(table.at(0, "Current / A") == "1.2345678901e-09");
}

TEST_CASE("a sample that the instrument disowned leaves its numbers empty and says why") {
  auto run = std::get<store::RunRow>(fixture::two_cycle_rows()[0]);
  auto sample = std::get<store::SampleRow>(fixture::two_cycle_rows()[3]);
  run.id = sample.run = "r000002";
  sample.sample.status = reading_status::overload | reading_status::late;
  StoredBench bench({run, sample});
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000002");
  const Table table(all_of(csv(reader, facts, Dialect::bdf)));
  CHECK(table.at(0, "Voltage / V").empty());
  CHECK(table.at(0, "Current / A").empty());
  CHECK(table.at(0, "Sample Status") == "overload late");
}

TEST_CASE("a cell without reference electrode has no columns for one") {
  auto run = std::get<store::RunRow>(fixture::two_cycle_rows()[0]);
  run.id = "r000002";
  auto two = fixture::cell();
  two.electrodes = 2;
  two.reference.reset();
  run.cell_json = records::to_json(two);
  StoredBench bench({run});
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000002");
  CHECK(all_of(csv(reader, facts, Dialect::bdf)).find("Electrode Potential") == std::string::npos);
}

TEST_CASE("the Arbin and Battery Archive forms begin their capacities anew with each cycle") {
  StoredBench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  const Table arbin(all_of(csv(reader, facts, Dialect::arbin)), ';');
  CHECK(arbin.number(263, "Charge_Capacity(Ah)") == doctest::Approx(0.268e-3).epsilon(1e-12));
  CHECK(arbin.at(0, "Date_Time") == "2026-11-22 13:00:10.250001");
  CHECK(arbin.number(59, "Aux_Voltage_1(V)") == doctest::Approx(4.0));
  const Table archive(all_of(csv(reader, facts, Dialect::battery_archive)));
  CHECK(archive.number(263, "Discharge_Capacity (Ah)") == doctest::Approx(0.268e-3).epsilon(1e-12));
  CHECK(archive.number(263, "Charge_Energy (Wh)") == doctest::Approx(0.268e-3 * 2.9).epsilon(1e-2));
  CHECK(archive.head.size() == 11);
}

TEST_CASE("our own reader gets the cycles back out of every form that has steps") {
  StoredBench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  for (const Dialect dialect : {Dialect::bdf, Dialect::bdf_machine, Dialect::arbin}) {
    const auto test = rate::read_rate_csv(all_of(csv(reader, facts, dialect)), "export.csv");
    CHECK(test.rows.size() == 264);
    const auto cycles = rate::cycles(test.rows);
    REQUIRE(cycles.size() == 2);
    CHECK(cycles[1].charge->capacity_Ah == doctest::Approx(0.268e-3).epsilon(1e-9));
    CHECK(cycles[1].discharge->counter_Ah.value() == doctest::Approx(0.268e-3).epsilon(1e-9));
    if (dialect != Dialect::arbin)  // the working electrode, as stored
      CHECK(cycles[0].charge->end_V == doctest::Approx(4.0));
  }
}

TEST_CASE("the recipe goes out in the terms of the cell it ran on") {
  StoredBench bench;
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  const auto unicycler = boost::json::parse(protocol(facts, ProtocolForm::unicycler));
  CHECK(unicycler.at("sample").at("name") == "R-017");
  CHECK(unicycler.at("sample").at("capacity_mAh") == 1.608);
  const auto battinfo = boost::json::parse(protocol(facts, ProtocolForm::battinfo));
  CHECK(battinfo.at("hasTask").at("hasInput").at(0).at("hasNumericalPart").at("hasNumberValue") == 1.608);
  CHECK(boost::json::parse(protocol(facts, ProtocolForm::pybamm)).as_array().size() == 8);
}

TEST_CASE("the paper's rate test comes out of a run as aurora-unicycler wrote it, byte for byte") {
  const auto golden = tests::real_data("unicycler/rate.unicycler.json");
  if (!golden) return;
  std::ifstream in(*golden, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const Recipe recipe = read_recipe(text, "rate.json").value();
  // The cell of the file: 1.92 mAh are 12 mg x 80 % x 200 mAh/g.
  const CellSpec cell{.id = "ssb-0001",
                      .material = "ncm",
                      .electrodes = 2,
                      .composite = Gram(0.012),
                      .cam_fraction = 0.8,
                      .area_cm2 = 0.7854};
  StoredBench bench({fixture::run_row("r000002", recipe, plan(recipe, cell).value(), cell)});
  store::Reader reader(bench.file);
  CHECK(protocol(facts_of(reader, "r000002"), ProtocolForm::unicycler) == text);
}

TEST_CASE("holds, trips, gaps and steps that did not end as planned are deviations in BattINFO's words") {
  auto held = fixture::event("r000001", "held", 2, 700);
  held.who = "anna";
  held.text = "lunch";
  auto tripped = fixture::event("r000001", "tripped", 2, 800);
  tripped.cause = "pressure_low";
  tripped.text = "46 MPa";
  auto gap = fixture::event("r000001", "gap", 2, 900);
  StoredBench bench({held, tripped, gap});
  store::Reader reader(bench.file);
  const auto found = deviations_in(reader.events_of("r000001"));
  REQUIRE(found.size() == 3);
  CHECK(found[0].category == "operator_intervention");
  CHECK(found[1].category == "out_of_tolerance");
  CHECK(found[1].description == "pressure_low: 46 MPa");
  CHECK(found[2].category == "communication_loss");
  const auto facts = facts_of(reader, "r000001");
  const auto executed = boost::json::parse(executed_json(reader, facts));
  CHECK(executed.at("conformance") == "non-conformant");
  CHECK(executed.at("steps").as_array().size() == 8);
  CHECK(executed.at("steps").at(4).at("step_id") == 2);
  CHECK(executed.at("steps").at(4).at("charge_Ah").to_number<double>() == doctest::Approx(0.268e-3));
  const auto sidecar = boost::json::parse(bdf_metadata_json(reader, facts));
  CHECK(sidecar.at("battinfo_test").at("test").at("conformance").at("deviations").as_array().size() == 3);
  CHECK(sidecar.at("extras").at("cell").at("cam_mg").to_number<double>() == doctest::Approx(8.04));
}

TEST_CASE("what is sampled after an export began stays out of all of its parts") {
  StoredBench bench;
  store::Store store(bench.file);
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  auto late = std::get<store::SampleRow>(fixture::two_cycle_rows()[3]);
  late.seq = 1000;
  fixture::keep(store, {late});
  CHECK(Table(all_of(csv(reader, facts, Dialect::bdf))).rows.size() == 264);
  CHECK_THROWS_AS(facts_of(reader, "r000009"), NoSuchRun);
}

TEST_CASE("pandas, Python's zipfile and the hashes agree with the crate") {
  const auto [absent, why] = run_program("/usr/bin/python3 -c 'import pandas'");
  if (absent) {
    std::cout << "skipped: python3-pandas is not installed\n";
    return;
  }
  StoredBench bench(
      {store::ScoreRow{"coatings", "ab", "{}", "cambench 0.1.0", R"({"inputs":["r000001"]})", {}, "{}"}});
  store::Reader reader(bench.file);
  const auto facts = facts_of(reader, "r000001");
  for (const auto& format : formats())
    (void)bench.folder.write(fmt::format("run-{}", format.name),
                             all_of(export_run(reader, facts, format.format, "https://example.org/licence")));
  const auto [code, said] = run_program(fmt::format("/usr/bin/python3 {}/tests/daemon/read_exports.py {}",
                                                    CAMBENCH_SOURCE, bench.folder.path.string()));
  CHECK_MESSAGE(code == 0, said);
}

TEST_CASE("the names of files are those of the format, and safe") {
  auto run = std::get<store::RunRow>(fixture::two_cycle_rows()[0]);
  run.id = "r000002";
  run.cell = "../ü";
  StoredBench bench({run});
  store::Reader reader(bench.file);
  CHECK(file_name(facts_of(reader, "r000001"), Format::bdf) == "cambench__R-017__20261122_r000001.bdf.csv");
  CHECK(file_name(facts_of(reader, "r000002"), Format::crate).find('/') == std::string::npos);
  CHECK(find_format("battery-archive")->format == Format::battery_archive);
  CHECK(find_format("xlsx") == nullptr);
}

TEST_CASE(
    "a wall clock set back takes no pressure out of the BDF file, and the last minutes of a chart are the "
    "last "
    "minutes") {
  std::chrono::milliseconds back{};
  SUBCASE("by a day") { back = std::chrono::days(1); }
  SUBCASE("by ten minutes") { back = std::chrono::minutes(10) + std::chrono::milliseconds(3); }
  tests::Folder folder;
  const auto file = folder.path / "bench.sqlite";
  store::Store store(file);
  WallTime now;
  auto rows = fixture::two_cycle_rows();
  rows.resize(rows.size() - 2);  // the run goes on
  for (store::Row& row : rows) {
    if (auto* pressure = std::get_if<store::PressureRow>(&row)) {
      pressure->sample.pressure = MegaPascal(50 + 1e-3 * pressure->test_time->count());
      if (*pressure->test_time > Seconds(1000)) pressure->sample.at.wall -= back;
    }
    if (auto* sample = std::get_if<store::SampleRow>(&row)) {
      if (sample->test_time > Seconds(1000)) sample->sample.at.wall -= back;
      now = sample->sample.at.wall;
    }
  }
  fixture::keep(store, std::move(rows));
  store::Reader reader(file);
  const RunFacts facts = facts_of(reader, "r000001");

  const Table bdf(all_of(csv(reader, facts, Dialect::bdf)));
  REQUIRE(bdf.rows.size() == 264);
  for (std::size_t i = 0; i < 264; ++i)
    CHECK(bdf.number(i, "Applied Pressure / Pa") ==
          doctest::Approx(1e6 * (50 + 1e-3 * (10.0 * static_cast<double>(i + 1) - 1))));
  const Table pressures(all_of(pressure_csv(reader, facts)));
  REQUIRE(pressures.rows.size() == 264);
  for (std::size_t i = 0; i < 264; ++i)
    CHECK(pressures.number(i, "Test Time / s") == 10.0 * static_cast<double>(i + 1) - 1);

  for (const std::size_t wanted : {20, 1000}) {
    const auto points = reader.pressures_of_run("r000001", wanted);
    CHECK(std::ranges::is_sorted(points, {}, [](const auto& point) { return *point.test_time_s; }));
    CHECK(points.back().pressure_max_MPa == doctest::Approx(50 + 1e-3 * 2639));
    std::int64_t readings = 0;
    for (const auto& point : points) readings += point.readings;
    CHECK(readings == 264);
  }
  const WallTime from = now - std::chrono::minutes(15);
  CHECK(reader.runs_of_station("A1", from, now).size() == 1);
  const auto last_minutes = reader.series("r000001", from, now, 1000);
  REQUIRE(last_minutes.size() == 91);
  CHECK(last_minutes.front().test_time_s == 2640 - 900);
  CHECK(last_minutes.back().test_time_s == 2640);
  const WallTime began = fixture::started();
  const auto first_minutes = reader.series("r000001", began, began + std::chrono::seconds(400), 1000);
  REQUIRE(first_minutes.size() == 40);
  CHECK(first_minutes.back().test_time_s == 400);
}
