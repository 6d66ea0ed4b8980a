// A store with one run in it whose numbers are known by heart: 12 mg x 0.67 x 200 mAh/g = 1.608 mA is 1 C; two cycles of
// ten minutes charge, one minute rest, ten minutes discharge, one minute rest at 1 C and 50 MPa, a sample every ten
// seconds. E(WE vs RE) goes from 3 V to 4 V and back, the cell shows 0.6 V less.
#pragma once
#include <doctest/doctest.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "daemon/records.h"
#include "daemon/store/store.h"
#include "schema/recipe.h"

namespace cambench::fixture {

inline constexpr const char* two_cycles = R"(name = "two-cycles"
limit_on = "we_vs_re"
record = { time_s = 10 }
guard = { cell_max_V = 4.0, cell_min_V = 1.0 }
pressure = { set_MPa = 50, band_MPa = 2 }
[[method]]
step = "tag"
tag = "cycle"
[[method]]
step = "constant_current"
rate_C = 1
until_voltage_V = 4.1
until_time_s = 600
[[method]]
step = "open_circuit_voltage"
until_time_s = 60
[[method]]
step = "constant_current"
rate_C = -1
until_voltage_V = 2.9
until_time_s = 600
[[method]]
step = "open_circuit_voltage"
until_time_s = 60
[[method]]
step = "loop"
loop_to = "cycle"
cycle_count = 2
)";

inline CellSpec cell() {
  return {.id = "R-017",
          .material = "ncm-linbo3",
          .electrodes = 3,
          .composite = Gram(0.012),
          .cam_fraction = 0.67,
          .area_cm2 = 0.7854,
          .reference = ReferenceElectrode{Volt(0.31), "lithiated gold, assumed"}};
}

inline WallTime started() {
  return std::chrono::sys_days(std::chrono::year{2026} / 11 / 22) + std::chrono::hours(13) +
         std::chrono::microseconds(250'001);
}

inline store::RunRow run_row(const std::string& id, const Recipe& recipe, const Plan& planned,
                             const CellSpec& on) {
  return {.id = id,
          .station = "A1",
          .recipe = recipe.name,
          .recipe_hash = planned.recipe_hash,
          .recipe_text = to_json(recipe),
          .cell = on.id,
          .cell_json = records::to_json(on),
          .material = on.material,
          .who = "anna",
          .one_C = planned.one_C,
          .phase = "queued",
          .time_scale = 1,
          .started = started()};
}

inline store::EventRow event(const std::string& run, std::string kind, std::uint32_t step, double at_s) {
  store::EventRow row;
  row.run = run;
  row.station = "A1";
  row.kind = std::move(kind);
  row.step = step;
  row.test_time = Seconds(at_s);
  row.at.wall = started() + std::chrono::duration_cast<WallTime::duration>(Seconds(at_s));
  return row;
}

/// All rows of the run, in order.
inline std::vector<store::Row> two_cycle_rows(const std::string& run = "r000001") {
  const Recipe recipe = read_recipe(two_cycles, "two-cycles.toml").value();
  const Plan planned = plan(recipe, cell()).value();
  std::vector<store::Row> rows{run_row(run, recipe, planned, cell())};
  double now_s = 0;
  std::int64_t seq = 0;
  for (const PlannedStep& step : planned.steps) {
    rows.push_back(event(run, "step_began", step.index, now_s));
    const double length_s = step.run_time.count();
    const double direction = step.current.value() > 0 ? 1 : step.current.value() < 0 ? -1 : 0;
    for (double t = 10; t <= length_s; t += 10) {
      store::SampleRow row{
          .run = run, .seq = ++seq, .test_time = Seconds(now_s + t), .cycle = step.cycle, .sample = {}};
      const double share = t / length_s;
      const double volt = direction > 0   ? 3 + share
                          : direction < 0 ? 4 - share
                                          : (step.index % 4 == 1 ? 4.0 : 3.0);
      row.sample.step = step.index;
      row.sample.step_time = Seconds(t);
      row.sample.we_vs_re = Volt(volt);
      row.sample.cell = Volt(volt - 0.6);
      row.sample.current = Ampere(direction * 1.608e-3);
      row.sample.at.wall = started() + std::chrono::duration_cast<WallTime::duration>(Seconds(now_s + t));
      store::PressureRow pressure{"A1", run, row.test_time, {MegaPascal(50), MegaPascal(50), "", {}}};
      pressure.sample.at.wall = row.sample.at.wall - std::chrono::seconds(1);
      pressure.test_time = *pressure.test_time - Seconds(1);
      rows.push_back(pressure);
      rows.push_back(row);
    }
    now_s += length_s;
    auto ended = event(run, "step_ended", step.index, now_s);
    ended.reason = "planned";
    rows.push_back(ended);
  }
  rows.push_back(event(run, "finished", 0, now_s));
  rows.push_back(store::PhaseRow{run, "finished",
                                 started() + std::chrono::duration_cast<WallTime::duration>(Seconds(now_s))});
  return rows;
}

inline void keep(store::Store& store, std::vector<store::Row> rows) {
  std::promise<Result<void>> kept;
  store.commit(std::move(rows), [&](Result<void> result) { kept.set_value(std::move(result)); });
  const auto result = kept.get_future().get();
  REQUIRE_MESSAGE(result.has_value(), result.error().what);
}

}  // namespace cambench::fixture
