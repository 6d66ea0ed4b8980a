#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"
#include "tests/data.h"

using namespace cambench;
using tests::cambench_says, tests::Folder, tests::has;

namespace {

// One hour at 1 mA, rest, half an hour back.
const std::string one_cycle =
    "Test Time / s,Step Time / s,Current / A,Voltage / V,Cycle Count / 1,Step Count / 1\n"
    "0,0,0.001,3.0,1,1\n3600,3600,0.001,4.0,1,1\n3700,100,0,3.9,1,2\n3700,0,-0.001,3.8,1,3\n5500,1800,-0.001,"
    "3.0,1,3\n";

}  // namespace

TEST_CASE("capacity agrees with cellpy's counters and the published trapezoid of a real rate test") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  const auto said = cambench_says({"capacity", file->string(), "--half-cell", "--json"});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  const auto lines = boost::json::parse(said.out);
  const auto& second = lines.at(1);  // 0.1 C: cellpy's summary 5.41059 / 5.45937 mAh
  CHECK(second.at("charge_counter_mAh").to_number<double>() == doctest::Approx(5.41059).epsilon(2e-6));
  CHECK(second.at("discharge_counter_mAh").to_number<double>() == doctest::Approx(5.45937).epsilon(2e-6));
  CHECK(second.at("charge_mAh").to_number<double>() == doctest::Approx(5.41059).epsilon(5e-4));
  const auto& sixteenth = lines.at(15);  // 2 C: 4.68401 / 4.69083 mAh; 30 s records cost 0.4 %
  CHECK(sixteenth.at("charge_counter_mAh").to_number<double>() == doctest::Approx(4.68401).epsilon(2e-6));
  CHECK(sixteenth.at("charge_mAh").to_number<double>() == doctest::Approx(4.68401).epsilon(4.5e-3));
}

TEST_CASE("capacity of a small file, by hand") {
  const Folder folder;
  const std::string file = folder.write("rate.csv", one_cycle);
  const auto said = cambench_says({"capacity", file});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "1.00000"));
  CHECK(has(said.out, "0.50000"));
  CHECK(has(said.out, "50.00 %"));
  CHECK(has(said.out, "(the file has none)"));
  CHECK(has(cambench_says({"capacity", file, "--cam-mg", "5"}).out, "200.00000"));
  const auto cycles = boost::json::parse(cambench_says({"capacity", file, "--json"}).out);
  CHECK(cycles.at(0).at("charge_mAh").to_number<double>() == doctest::Approx(1));
  CHECK(cycles.at(0).at("discharge_mAh").to_number<double>() == doctest::Approx(0.5));
}

TEST_CASE("a file that is no rate test is one sentence") {
  CHECK(cambench_says({"capacity", "/nonexistent.csv"}).code == cli::refused);
  const Folder folder;
  const std::string file = folder.write("rate.csv", "a,b\n1,2\n");
  const auto said = cambench_says({"capacity", file});
  CHECK(said.code == cli::refused);
  CHECK(has(said.err, file));
}
