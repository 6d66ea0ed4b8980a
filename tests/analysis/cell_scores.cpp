// Scores of cells: what must hold whatever the numbers (the definitions), and errors that must be told.
#include "analysis/cell_scores.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace cambench::rate;

namespace {

Cycle a_cycle(std::uint32_t number, double rate_C, double discharge_mAh, double charge_mean = 3.9,
              double discharge_mean = 3.7) {
  HalfCycle charge{.capacity_Ah = 1.01e-3 * discharge_mAh,
                   .mean_potential_V = charge_mean,
                   .mean_current_A = rate_C * 1.6e-3};
  HalfCycle discharge{.capacity_Ah = 1e-3 * discharge_mAh,
                      .mean_potential_V = discharge_mean,
                      .mean_current_A = rate_C * 1.6e-3};
  return {.cycle = number,
          .charge = charge,
          .discharge = discharge,
          .after_charge_1s_V = {},
          .after_charge_rest_V = {}};
}

/// Two cycles a rate: 0.1 C and 2 C; `second` is what the second cycle keeps of the first.
CellTest test_of(std::string material, double low, double high, double second = 0.99) {
  return {.cell = "R-" + material,
          .material = material,
          .protocol_hash = "p",
          .cam_g = 8e-3,
          .one_C_A = 1.6e-3,
          .cycles = {a_cycle(1, 0.1, low), a_cycle(2, 0.1003, low * second), a_cycle(3, 2.0, high, 4.2, 3.4),
                     a_cycle(4, 1.998, high * second, 4.3, 3.3)}};
}

const MaterialScores& of(const CellScores& scores, const std::string& material) {
  return *std::ranges::find(scores.materials, material, &MaterialScores::material);
}

}  // namespace

TEST_CASE("the uncoated material has exactly 1 in both scores, for every choice of cycle") {
  for (const auto choice : {CycleChoice::first, CycleChoice::second, CycleChoice::mean, CycleChoice::max}) {
    const auto scores =
        score_cells(std::vector{test_of("bare", 1.3, 0.4)}, {.reference = "bare", .choice = choice});
    CHECK(*of(scores, "bare").initial_score.value == 1.0);
    CHECK(*of(scores, "bare").retention_score.value == 1.0);
  }
}

TEST_CASE("QS_0 does not move when every 2 C capacity does") {
  const std::vector a{test_of("bare", 1.3, 0.4), test_of("coated", 1.4, 0.6)};
  const std::vector b{test_of("bare", 1.3, 0.1), test_of("coated", 1.4, 0.9)};
  CHECK(*of(score_cells(a, {.reference = "bare"}), "coated").initial_score.value ==
        *of(score_cells(b, {.reference = "bare"}), "coated").initial_score.value);
}

TEST_CASE("scores are the quotients of the prose") {
  const auto scores =
      score_cells(std::vector{test_of("bare", 1.3, 0.4), test_of("coated", 1.4, 0.6)}, {.reference = "bare"});
  const auto& coated = of(scores, "coated");
  CHECK(*coated.low_mAh_g.value == doctest::Approx(175));
  CHECK(*coated.initial_score.value == doctest::Approx(1.4 / 1.3));
  CHECK(*coated.retention.value == doctest::Approx(0.6 / 1.4));
  CHECK(*coated.retention_score.value == doctest::Approx(0.6 / 1.4 / (0.4 / 1.3)));
  CHECK(*coated.overpotential_V.value == doctest::Approx(0.5));  // (4.3 - 3.3) / 2, the second cycle at 2 C
}

TEST_CASE("rates are told apart by the current, to two digits") {
  const auto points = rate_points(test_of("bare", 1.3, 0.4));
  REQUIRE(points.size() == 2);
  CHECK(points[0].rate_C == doctest::Approx(0.1));
  CHECK(points[1].rate_C == doctest::Approx(2.0));
  CHECK(points[0].discharge_mAh_g.size() == 2);
}

TEST_CASE("replicates give a mean and its spread, and the spread reaches the scores") {
  const std::vector tests{test_of("bare", 1.3, 0.4), test_of("coated", 1.4, 0.6),
                          test_of("coated", 1.2, 0.6)};
  const auto& coated = of(score_cells(tests, {.reference = "bare"}), "coated");
  CHECK(*coated.low_mAh_g.value == doctest::Approx(1.3 * 1e3 / 8));
  CHECK(*coated.initial_score.sd > 0);
}

TEST_CASE("another protocol, a missing rate and a missing uncoated cell are not scored, and say why") {
  auto other = test_of("coated", 1.4, 0.6);
  other.protocol_hash = "q";
  const auto different = score_cells(std::vector{test_of("bare", 1.3, 0.4), other}, {.reference = "bare"});
  CHECK(different.materials.size() == 1);
  CHECK(different.notes[0].find("another protocol") != std::string::npos);

  auto half = test_of("coated", 1.4, 0.6);
  half.cycles.resize(2);
  const auto short_test = score_cells(std::vector{test_of("bare", 1.3, 0.4), half}, {.reference = "bare"});
  CHECK(of(short_test, "coated").initial_score.value);
  CHECK_FALSE(of(short_test, "coated").retention_score.value);
  CHECK(of(short_test, "coated").retention_score.why_not.find("2 C") != std::string::npos);

  const auto alone = score_cells(std::vector{test_of("coated", 1.4, 0.6)}, {.reference = "bare"});
  CHECK_FALSE(of(alone, "coated").initial_score.value);
}
