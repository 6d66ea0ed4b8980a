// Scores of cells: what must hold whatever the numbers (the definitions), and errors that must be told.
#include "analysis/cell_scores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace cambench;
using namespace cambench::rate;

namespace {

const std::vector<Material> materials{
    {.id = "bare", .name = "NCM uncoated", .coating = "none", .reference = true},
    {.id = "coated", .name = "NCM LiNbO3", .coating = "LiNbO3", .amount_wt_percent = 5}};

Cycle a_cycle(std::uint32_t number, double rate_C, double discharge_mAh, double charge_mean = 3.9,
              double discharge_mean = 3.7) {
  const HalfCycle charge{.capacity_Ah = 1.01e-3 * discharge_mAh,
                         .mean_potential_V = charge_mean,
                         .mean_current_A = rate_C * 1.6e-3,
                         .end_V = 4.01,
                         .end_A = rate_C * 1.6e-3,
                         .at_half_charge_V = charge_mean + 0.02};
  const HalfCycle discharge{.capacity_Ah = 1e-3 * discharge_mAh,
                            .mean_potential_V = discharge_mean,
                            .mean_current_A = rate_C * 1.6e-3,
                            .at_half_charge_V = discharge_mean};
  return {.cycle = number,
          .charge = charge,
          .discharge = discharge,
          .relaxation = Relaxation{.first_s = 1, .first_V = 3.96, .last_s = 7200, .last_V = 3.9}};
}

/// Two cycles a rate: 0.1 C and 2 C; `second` is what the second cycle keeps of the first.
CellTest test_of(std::string material, double low, double high, double second = 0.99) {
  return {.cell = "R-" + material,
          .material = material,
          .protocol_hash = "p",
          .cam_g = 8e-3,
          .one_C_A = 1.6e-3,
          .area_cm2 = 0.7854,
          .reference_vs_li_V = 0.31,
          .cycles = {a_cycle(1, 0.1, low), a_cycle(2, 0.1003, low * second), a_cycle(3, 2.0, high, 4.2, 3.4),
                     a_cycle(4, 1.998, high * second, 4.3, 3.3)}};
}

CellScores scored(const std::vector<CellTest>& tests, ScoreOptions options = {}) {
  options.reference = "bare";
  return score_cells(tests, materials, options);
}

const MaterialScores& of(const CellScores& scores, const std::string& material) {
  REQUIRE(scores.find(material) != nullptr);
  return *scores.find(material);
}

bool tells(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool any_tells(const std::vector<std::string>& notes, const std::string& part) {
  return std::ranges::any_of(notes, [&](const std::string& note) { return tells(note, part); });
}

}  // namespace

TEST_CASE("the uncoated material has exactly 1 in both scores, for every choice of cycle") {
  for (const auto choice : cycle_choices) {
    const auto scores = scored({test_of("bare", 1.3, 0.4), test_of("bare", 1.1, 0.37)}, {.cycle = choice});
    CHECK(*of(scores, "bare").initial.value == 1.0);
    CHECK(*of(scores, "bare").retention.value == 1.0);
    for (const auto other : cycle_choices) {
      CHECK(*of(scores, "bare").initial_by_choice[static_cast<std::size_t>(other)] == 1.0);
      CHECK(*of(scores, "bare").retention_by_choice[static_cast<std::size_t>(other)] == 1.0);
    }
  }
}

TEST_CASE("QS_0 does not move when every 2 C capacity does") {
  const auto a = scored({test_of("bare", 1.3, 0.4), test_of("coated", 1.4, 0.6)});
  const auto b = scored({test_of("bare", 1.3, 0.1), test_of("coated", 1.4, 0.9)});
  CHECK(*of(a, "coated").initial.value == *of(b, "coated").initial.value);
  CHECK(*of(a, "coated").retention.value != *of(b, "coated").retention.value);
}

TEST_CASE("scores are the quotients of the prose") {
  const auto scores = scored({test_of("bare", 1.3, 0.4), test_of("coated", 1.4, 0.6)});
  const auto& coated = of(scores, "coated");
  CHECK(*scores.cells[1].capacities(CycleChoice::first).low_mAh_g == doctest::Approx(175));
  CHECK(*coated.initial.value == doctest::Approx(1.4 / 1.3));
  CHECK(*scores.cells[1].capacities(CycleChoice::first).retention == doctest::Approx(0.6 / 1.4));
  CHECK(*coated.retention.value == doctest::Approx(0.6 / 1.4 / (0.4 / 1.3)));
  CHECK_FALSE(coated.initial.sd);
}

TEST_CASE("each choice of cycle takes its own cycle") {
  auto coated = test_of("coated", 1.4, 0.6);
  coated.cycles[1].discharge->capacity_Ah = 1.5e-3;  // the second 0.1 C cycle is the larger one
  const auto scores = scored({test_of("bare", 1.0, 0.4, 1.0), coated});
  const auto& by_choice = of(scores, "coated").initial_by_choice;
  CHECK(*by_choice[0] == doctest::Approx(1.4));
  CHECK(*by_choice[1] == doctest::Approx(1.5));
  CHECK(*by_choice[2] == doctest::Approx(1.45));
  CHECK(*by_choice[3] == doctest::Approx(1.5));
}

TEST_CASE("the overpotential is half of the difference of the means, second cycle, or what the option says") {
  const auto at_2C = [](ScoreOptions options) {
    return *scored({test_of("bare", 1.3, 0.4)}, options).cells[0].rates[1].overpotential_V;
  };
  using O = ScoreOptions::Overpotential;
  CHECK(at_2C({}) == doctest::Approx(0.5));  // (4.3 - 3.3) / 2
  CHECK(at_2C({.overpotential_cycle = CycleChoice::first}) == doctest::Approx(0.4));
  CHECK(at_2C({.overpotential = O::half_charge}) == doctest::Approx(0.51));
  CHECK(at_2C({.overpotential = O::current_step}) == doctest::Approx(0.05));
  CHECK(at_2C({.overpotential = O::relaxation}) == doctest::Approx(0.11));
  const auto cell = scored({test_of("bare", 1.3, 0.4)}).cells[0];
  CHECK(*cell.rates[1].cycles[0].resistance_ohm_cm2 == doctest::Approx(0.05 / 3.2e-3 * 0.7854));
}

TEST_CASE("a record 30 s into the rest is not the potential after 1 s") {
  auto test = test_of("bare", 1.3, 0.4);
  for (auto& cycle : test.cycles) cycle.relaxation->first_s = 30;
  const auto cell = scored({test}, {.overpotential = ScoreOptions::Overpotential::current_step}).cells[0];
  CHECK_FALSE(cell.rates[1].overpotential_V);
  CHECK_FALSE(cell.rates[1].cycles[0].resistance_ohm_cm2);
}

TEST_CASE("rates are told apart by the current, and a return to 0.1 C is not the initial capacity") {
  auto test = test_of("bare", 1.3, 0.4);
  test.cycles.push_back(a_cycle(5, 0.1, 1.17));
  const auto points = rate_points(test);
  REQUIRE(points.size() == 3);
  CHECK(points[0].rate_C == 0.1);
  CHECK(points[1].rate_C == 2.0);
  CHECK(points[0].cycles.size() == 2);
  const auto scores = scored({test, test_of("coated", 1.3, 0.4)}, {.cycle = CycleChoice::mean});
  CHECK(*of(scores, "coated").initial.value == doctest::Approx(1.0));
  CHECK(any_tells(scores.notes, "back at 0.1 C it has 90.9 %"));
}

TEST_CASE("replicates: the score is of the means, and its spread that of two independent means") {
  const auto scores = scored({test_of("bare", 1.2, 0.4), test_of("bare", 1.3, 0.4),
                              test_of("coated", 1.4, 0.6), test_of("coated", 1.2, 0.6)});
  const auto& coated = of(scores, "coated").initial;
  CHECK(*coated.value == doctest::Approx(1.3 / 1.25));
  // SE of two values a, b is |a - b| / 2: relative 0.1/1.3 and 0.05/1.25
  CHECK(*coated.sd == doctest::Approx(1.3 / 1.25 * std::hypot(0.1 / 1.3, 0.05 / 1.25)));
  CHECK(coated.cells.size() == 2);
  CHECK(coated.cells[0] == doctest::Approx(1.4 / 1.25));
  CHECK_FALSE(of(scores, "bare").initial.sd);
}

TEST_CASE("a gram without its coating counts 5 wt% more") {
  const auto scores = scored({test_of("bare", 1.3, 0.4), test_of("coated", 1.3, 0.4)},
                             {.gram = ScoreOptions::Gram::uncoated});
  CHECK(*of(scores, "coated").initial.value == doctest::Approx(1 / 0.95));
  CHECK(*of(scores, "coated").retention.value == doctest::Approx(1.0));
}

TEST_CASE("the instrument's counter is compared with the trapezoid, and counts when asked to") {
  auto bare = test_of("bare", 1.3, 0.4), coated = test_of("coated", 1.3, 0.4);
  for (auto* test : {&bare, &coated})
    for (auto& cycle : test->cycles) cycle.discharge->counter_Ah = cycle.discharge->capacity_Ah;
  coated.cycles[0].discharge->counter_Ah = 1.1 * 1.3e-3;
  const auto scores = scored({bare, coated}, {.charge = ScoreOptions::Charge::counter});
  CHECK(*of(scores, "coated").initial.value == doctest::Approx(1.1));
  CHECK(any_tells(scores.notes, "cell R-coated: in cycle 1 the trapezoid"));
  CHECK_FALSE(any_tells(scores.notes, "cell R-bare"));
  CHECK(tells(
      of(scored({test_of("bare", 1, 1)}, {.charge = ScoreOptions::Charge::counter}), "bare").initial.why_not,
      "its instrument recorded no counter"));
}

TEST_CASE("another protocol is not scored, and says why") {
  auto other = test_of("coated", 1.4, 0.6);
  other.protocol_hash = "q";
  const auto scores = scored({test_of("bare", 1.3, 0.4), other});
  CHECK_FALSE(of(scores, "coated").initial.value);
  CHECK(tells(of(scores, "coated").initial.why_not, "another protocol than the uncoated cell R-bare"));
  CHECK(any_tells(scores.notes, "cell R-coated enters no score"));
  CHECK(*of(scores, "bare").initial.value == 1.0);
}

TEST_CASE("a missing rate, a missing cycle, a missing cell and a missing baseline each say so") {
  auto half = test_of("coated", 1.4, 0.6);
  half.cycles.resize(2);
  const auto short_test = scored({test_of("bare", 1.3, 0.4), half});
  CHECK(of(short_test, "coated").initial.value);
  CHECK_FALSE(of(short_test, "coated").retention.value);
  CHECK(tells(of(short_test, "coated").retention.why_not, "it has no discharge at both 0.1 C and 2 C"));

  auto once = test_of("coated", 1.4, 0.6);
  once.cycles.erase(once.cycles.begin());
  CHECK(tells(
      of(scored({test_of("bare", 1.3, 0.4), once}, {.cycle = CycleChoice::second}), "coated").initial.why_not,
      "no second discharge at 0.1 C"));

  CHECK(of(scored({test_of("bare", 1.3, 0.4)}), "coated").initial.why_not == "no rate test of coated");
  CHECK(
      tells(of(scored({test_of("coated", 1.4, 0.6)}), "coated").initial.why_not, "nothing to compare with"));

  auto massless = test_of("coated", 1.4, 0.6);
  massless.cam_g = 0;
  CHECK(tells(of(scored({test_of("bare", 1.3, 0.4), massless}), "coated").initial.why_not, "no mass"));
}

TEST_CASE("what shifts a score without changing the protocol is told") {
  auto two = test_of("coated", 1.4, 0.6);
  two.electrodes = 2;
  two.reference_vs_li_V.reset();
  const auto scores = scored({test_of("bare", 1.3, 0.4), two});
  CHECK(any_tells(scores.notes, "cell R-coated has no reference electrode"));
  CHECK(any_tells(scores.notes, "R-bare 0.310 V, R-coated none"));
}
