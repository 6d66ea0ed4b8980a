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
                       doctest::Contains("no column of the test time in the header \"time,volt\""), BadInput);
  CHECK_THROWS_WITH_AS(
      read_rate_csv("Test Time / s,Current / mA,Voltage / V,Cycle Count / 1,Step Count / 1\n", "a.csv"),
      doctest::Contains("no column of the current"), BadInput);
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

TEST_CASE("counters that run through the whole test begin anew with every cycle") {
  const auto test = read_rate_csv(
      "test_time_second,voltage_volt,current_ampere,cycle_count,step_count,charging_capacity_ah,"
      "discharging_capacity_ah\n"
      "0,3,0.001,1,1,0.5,0\n10,3,-0.001,1,2,0.5,0.25\n20,3,0.001,2,3,0.75,0.25\n30,3,-0.001,2,4,0.75,0.375\n",
      "a.bdf.csv");
  REQUIRE(test.has_counters);
  CHECK(*test.rows[1].discharged_Ah == 0.25);
  CHECK(*test.rows[2].charged_Ah == 0.25);
  CHECK(*test.rows[3].discharged_Ah == 0.125);
  const auto found = cycles(test.rows);
  CHECK(*found[1].charge->counter_Ah == 0.25);
}

TEST_CASE("semicolons, decimal commas, quotes, a byte order mark and any case are read") {
  const auto test = read_rate_csv(
      "\xEF\xBB\xBFtest_time(s);STEP_TIME(S);cycle_index;Step_Index;\"Current(A)\";Voltage(V);Note\r\n"
      "1,5;1,5;1;1;0,001;\"3,25\";a\r\n",
      "a.csv");
  REQUIRE(test.rows.size() == 1);
  CHECK(test.rows[0].test_time_s == 1.5);
  CHECK(test.rows[0].current_A == 0.001);
  CHECK(test.rows[0].potential_V == 3.25);
  CHECK(test.ignored == std::vector<std::string>{"Note"});
}

TEST_CASE("a half cycle of several steps has its half charge where half of all of it has moved") {
  const auto with_second_step = [](double current_A) {
    auto rows = one_cycle(10);
    for (auto& row : rows)
      if (row.step == 2) row.current_A = current_A, row.potential_V = 4.1;
    return *cycles(rows)[0].charge;
  };
  const auto smaller = with_second_step(3e-3);  // half as much again: 1.5 mAh, half of it in the first step
  CHECK(smaller.capacity_Ah == doctest::Approx(1.5e-3));
  CHECK(smaller.at_half_charge_V == doctest::Approx(3.75));
  CHECK(smaller.mean_potential_V == doctest::Approx((1.0 * 3.5 + 0.5 * 4.1) / 1.5).epsilon(2e-3));
  const auto larger = with_second_step(12e-3);  // twice as much again: 3 mAh, half of it in the second step
  CHECK(larger.at_half_charge_V == doctest::Approx(4.1));
  CHECK(larger.end_A == 12e-3);
}

TEST_CASE("a step that was interrupted and taken up again loses nothing and counts no gap") {
  auto rows = one_cycle(10);
  const double whole = cycles(rows)[0].charge->capacity_Ah;
  for (auto& row : rows)
    if (row.test_time_s > 1800) row.test_time_s += 7200;  // two hours off; the step's clock stood still
  CHECK(cycles(rows)[0].charge->capacity_Ah == doctest::Approx(whole).epsilon(1e-12));
  for (auto& row : rows)  // or it was begun again as a step of its own
    if (row.step == 1 && row.step_time_s > 1800) row.step_time_s -= 1800, row.step = 9;
  CHECK(cycles(rows)[0].charge->capacity_Ah == doctest::Approx(whole).epsilon(1e-12));
}

TEST_CASE("the rest after a charge says when its first potential was taken") {
  const auto fine = cycles(one_cycle(0.5))[0].relaxation;
  REQUIRE(fine);
  CHECK(fine->first_s == 1.0);
  CHECK(fine->last_s == 600);
  CHECK(cycles(one_cycle(30))[0].relaxation->first_s == 30);
  CHECK(cycles(one_cycle(0.5), 10)[0].relaxation->first_s == 10);
}

TEST_CASE("the two conventions of the Coulombic efficiency are each other's reciprocal") {
  const auto cycle = cycles(one_cycle(10))[0];
  CHECK(*cycle.efficiency() == doctest::Approx(0.5));
  CHECK(*cycle.efficiency(Efficiency::charge_by_discharge) == doctest::Approx(2.0));
  CHECK(to_string(Efficiency::discharge_by_charge) == "discharge / charge");
  auto open = cycle;
  open.discharge.reset();
  CHECK_FALSE(open.efficiency());
}

TEST_CASE("the published efficiency of the graphite half cell is charge by discharge") {
  const auto file = tests::real_data("rate/cellpy_20231115_rate_cc.raw.csv");
  if (!file) return;
  const auto all = cycles(read_rate_csv(*file).rows);
  // cycle 2 of the summary: 99.1065268 %, and the counters that it was made from
  const double counted = *all[1].charge->counter_Ah / *all[1].discharge->counter_Ah * 100;
  CHECK(counted == doctest::Approx(99.1065268).epsilon(1e-9));
  CHECK(*all[1].efficiency(Efficiency::charge_by_discharge) * 100 == doctest::Approx(counted).epsilon(2e-4));
}

TEST_CASE("a damaged file is refused in a sentence with its name, or read as numbers") {
  std::string whole =
      "test_time,step_time,cycle_index,step_index,current,voltage,charge_capacity,discharge_capacity\n";
  for (const Row& row : one_cycle(300))
    whole += std::to_string(row.test_time_s) + ',' + std::to_string(row.step_time_s) + ",1," +
             std::to_string(row.step) + ',' + std::to_string(row.current_A) + ',' +
             std::to_string(row.potential_V) + ",0,0\n";
  std::uint32_t random = 7;
  const auto next = [&](std::size_t below) {
    return (random = random * 1664525 + 1013904223) / 65536 % below;
  };
  int read = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string damaged = whole.substr(0, next(8) ? whole.size() : next(whole.size()));
    for (std::size_t blows = next(4); blows > 0 && !damaged.empty(); --blows)
      damaged[next(damaged.size())] = static_cast<char>(next(3) ? ",;.-e0189\n\""[next(11)] : next(256));
    try {
      for (const Cycle& cycle : cycles(read_rate_csv(damaged, "a.csv").rows))
        if (cycle.charge) CHECK(cycle.charge->capacity_Ah >= 0);
      ++read;
    } catch (const BadInput& refusal) {
      CHECK(std::string(refusal.what()).starts_with("a.csv"));
      ++refused;
    }
  }
  CHECK(read > 100);
  CHECK(refused > 100);
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
