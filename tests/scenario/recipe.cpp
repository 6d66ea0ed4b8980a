// A recipe from start to end, on a bench where nothing fails.
#include "tests/scenario/bench.h"

#include <algorithm>
#include <cmath>

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE(
    "a recipe runs from start to finished with its first and last points and the charge that really flowed") {
  Bench bench({.time_scale = 1000});
  bench.recipe("short", short_recipe(1800, 300));
  bench.start();
  const std::string run = bench.run("short");
  bench.until_state("finished");

  const auto rows = bench.samples(run);
  REQUIRE(!rows.empty());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i].seq == static_cast<std::int64_t>(i + 1));
    if (i > 0) CHECK(rows[i].test_time >= rows[i - 1].test_time);
  }
  const auto steps = bench.reader().steps(run);
  REQUIRE(steps.size() == 3);
  const double planned_s[] = {1800, 300, 600};
  for (std::uint32_t step = 0; step < 3; ++step) {
    const auto of_step = [&](const store::SampleRow& row) { return row.sample.step == step; };
    const auto first = std::ranges::find_if(rows, of_step);
    const auto last = std::find_if(rows.rbegin(), rows.rend(), of_step);
    REQUIRE(first != rows.end());
    CHECK(first->sample.step_time.count() <= 1.5);  // one sampling interval and a little
    CHECK(std::abs(last->sample.step_time.count() - planned_s[step]) <= 1.5);
    CHECK(steps[step].end_reason == "planned");
  }

  const auto truth = bench.truth_with_cell_off();
  double highest = -1e9, lowest = 1e9, charged_Ah = 0, before = truth.front().charge_Ah;
  for (const Truth& t : truth) {
    charged_Ah = std::max(charged_Ah, t.charge_Ah);
    highest = std::max(highest, t.highest_V.value_or(highest));
    lowest = std::min(lowest, t.lowest_V.value_or(lowest));
  }
  const double discharged_Ah = charged_Ah - truth.back().charge_Ah;
  charged_Ah -= before;
  MESSAGE("charged ", steps[0].summary.charge.charge_Ah * 1e3, " mAh, truly ", charged_Ah * 1e3,
          "; discharged ", steps[2].summary.discharge.charge_Ah * 1e3, " mAh, truly ", discharged_Ah * 1e3);
  CHECK(std::abs(steps[0].summary.charge.charge_Ah / charged_Ah - 1) < 1e-3);
  CHECK(std::abs(steps[2].summary.discharge.charge_Ah / discharged_Ah - 1) < 1e-3);
  CHECK(highest < 4.32 - 0.31 + 0.1);  // the guards, against this reference electrode
  CHECK(lowest > 2.62 - 0.31 - 0.1);
  CHECK(std::abs(truth.back().pressure_MPa - 50) < 2.5);
}
