// Capacities: identities on made data, and a peer's published answer on a real rate test.
#include "analysis/capacity.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "analysis/bad_input.h"
#include "analysis/formats/rate_csv.h"
#include "analysis/formats/text.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::rate;

namespace {

/// A charge of 1 mA for an hour from 3 to 4 V, a rest, and a discharge of 2 mA for a quarter of an hour.
std::vector<Row> one_cycle(double every_s) {
  std::vector<Row> rows;
  const auto step = [&](std::uint32_t number, double current, double duration, double from, double to,
                        double start) {
    for (double t = every_s; t < duration + every_s; t += every_s) {
      const double at = std::min(t, duration);
      rows.push_back({.test_time_s = start + at,
                      .step_time_s = at,
                      .current_A = current,
                      .potential_V = from + (to - from) * at / duration,
                      .cycle = 1,
                      .step = number,
                      .charged_Ah = {},
                      .discharged_Ah = {}});
    }
  };
  step(1, 1e-3, 3600, 3.0, 4.0, 0);
  step(2, 0, 600, 3.9, 3.8, 3600);
  step(3, -2e-3, 900, 3.7, 2.7, 4200);
  return rows;
}

std::map<int, std::pair<double, double>> published() {
  std::map<int, std::pair<double, double>> answer;  // cycle -> charge, discharge in Ah
  std::ifstream file(*tests::real_data("rate/cellpy_20231115_rate_cc.summary.csv"));
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto fields = text::split(line, ',');
    answer[static_cast<int>(*text::number(fields[0]))] = {*text::number(fields[3]), *text::number(fields[4])};
  }
  return answer;
}

}  // namespace

TEST_CASE("a constant current over a known time moves a known charge, whatever the sampling") {
  for (const double every : {1.0, 7.0, 30.0, 60.0}) {
    const auto found = cycles(one_cycle(every));
    REQUIRE(found.size() == 1);
    CHECK(found[0].charge->capacity_Ah == doctest::Approx(1e-3).epsilon(1e-12));
    CHECK(found[0].discharge->capacity_Ah == doctest::Approx(0.5e-3).epsilon(1e-12));
    CHECK(*found[0].efficiency() == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(found[0].charge->mean_current_A == doctest::Approx(1e-3).epsilon(1e-12));
    CHECK(found[0].charge->mean_potential_V == doctest::Approx(3.5).epsilon(5e-3));
    CHECK(found[0].charge->at_half_charge_V == doctest::Approx(3.5).epsilon(1e-9));
    CHECK(found[0].relaxation.value().last_V == doctest::Approx(3.8));
  }
}

TEST_CASE("nothing is integrated across a step boundary") {
  auto rows = one_cycle(30);
  for (auto& row : rows)
    if (row.step > 1) row.test_time_s += 1e6;  // a week between charge and rest
  CHECK(cycles(rows)[0].charge->capacity_Ah == doctest::Approx(1e-3).epsilon(1e-12));
  CHECK(cycles(rows)[0].discharge->capacity_Ah == doctest::Approx(0.5e-3).epsilon(1e-12));
}

TEST_CASE("constant current and the constant voltage after it are one charge") {
  auto rows = one_cycle(10);
  for (auto& row : rows)
    if (row.step == 2) row.current_A = 0.5e-3;
  CHECK(cycles(rows)[0].charge->capacity_Ah == doctest::Approx(1e-3 + 0.5e-3 * 600 / 3600).epsilon(1e-9));
}

TEST_CASE("the real rate test: the instrument's counters are the published capacities, digit by digit") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  const RateTest test = read_rate_csv(*file);
  CHECK(test.rows.size() == 27450);
  REQUIRE(test.has_counters);
  const auto answer = published();
  int compared = 0;
  for (const Cycle& cycle : cycles(test.rows)) {
    const auto [charge, discharge] = answer.at(static_cast<int>(cycle.cycle));
    if (cycle.charge) CHECK(*cycle.charge->counter_Ah == charge);
    if (cycle.discharge) CHECK(*cycle.discharge->counter_Ah == discharge);
    if (cycle.charge && cycle.discharge) ++compared;
  }
  CHECK(compared == 20);
}

TEST_CASE(
    "the real rate test: the trapezoid agrees with the published capacities, 0.05 % slow and 0.45 % at 2 C") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  const auto answer = published();
  double low = 0, high = 0, peer_low = 0, peer_high = 0;
  for (const Cycle& cycle : cycles(read_rate_csv(*file).rows)) {
    if (!cycle.charge || !cycle.discharge) continue;
    const auto [charge, discharge] = answer.at(static_cast<int>(cycle.cycle));
    const bool slow = cycle.cycle <= 3 || cycle.cycle >= 18, fast = cycle.cycle >= 15 && cycle.cycle <= 17;
    const double allowed = slow ? 0.0005 : fast ? 0.0045 : 0.0015;  // 30 s records: the faster, the coarser
    CHECK(std::abs(cycle.charge->capacity_Ah / charge - 1) < allowed);
    CHECK(std::abs(cycle.discharge->capacity_Ah / discharge - 1) < allowed);
    // The delithiation of this graphite cell is its charge: 2 C (cycles 15 to 17) over 0.1 C (1 to 3).
    if (cycle.cycle <= 3) low += cycle.charge->capacity_Ah, peer_low += charge;
    if (cycle.cycle >= 15 && cycle.cycle <= 17) high += cycle.charge->capacity_Ah, peer_high += charge;
  }
  CHECK(peer_high / peer_low == doctest::Approx(0.86216).epsilon(5e-6));
  CHECK(high / low == doctest::Approx(0.85822).epsilon(5e-6));
}

TEST_CASE("the six cycles that the reference prints come out to the printed digit") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  const std::map<std::uint32_t, std::pair<double, double>> printed{
      {2, {5.41318, 5.46178}},  {5, {5.41183, 5.42963}},  {10, {5.41852, 5.43410}},
      {13, {5.29203, 5.30815}}, {16, {4.66449, 4.68215}}, {19, {5.39067, 5.40993}}};
  for (const Cycle& cycle : cycles(read_rate_csv(*file).rows)) {
    const auto found = printed.find(cycle.cycle);
    if (found == printed.end()) continue;
    CHECK(std::abs(cycle.charge->capacity_Ah * 1e3 - found->second.first) < 5.1e-6);
    CHECK(std::abs(cycle.discharge->capacity_Ah * 1e3 - found->second.second) < 5.1e-6);
  }
}

TEST_CASE("a file that cannot be used is refused with its place and its mend") {
  const std::string header = "test_time,step_time,cycle_index,step_index,current,voltage\n";
  CHECK_THROWS_WITH_AS(read_rate_csv("", "a.csv"), doctest::Contains("a.csv, line 1: the file is empty"),
                       BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv("time,volt\n1,2\n", "a.csv"),
                       doctest::Contains("no column of the test time"), BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv(header, "a.csv"), doctest::Contains("no rows"), BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv(header + "1,1,1,1,0.1\n", "a.csv"),
                       doctest::Contains("line 2: the line has 5"), BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv(header + "1,1,1,1,x,3\n", "a.csv"),
                       doctest::Contains("\"x\" is not a number"), BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv(header + "2,1,1,1,0,3\n1,1,1,1,0,3\n", "a.csv"),
                       doctest::Contains("line 3: the test time runs backwards"), BadInput);
  CHECK_THROWS_WITH_AS(read_rate_csv(header + "1,1,1.5,1,0,3\n", "a.csv"), doctest::Contains("whole number"),
                       BadInput);
}

TEST_CASE("battery data format is read with labels and with machine names") {
  const auto labels = read_rate_csv(
      "Test Time / s,Voltage / V,Current / A,Cycle Count / 1,Step Count / 1,Working Electrode Potential / V\n"
      "0,3.0,0.001,1,1,3.3\n10,3.1,0.001,1,1,3.4\n",
      "a.bdf.csv");
  CHECK(labels.potential == "Working Electrode Potential / V");
  CHECK(labels.rows[1].step_time_s == 10);
  const auto machine = read_rate_csv(
      "test_time_second,voltage_volt,current_ampere,cycle_count,step_count\n0,3.0,0.001,1,1\n", "a.bdf.csv");
  CHECK(machine.rows[0].potential_V == 3.0);
}
