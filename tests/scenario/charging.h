// A bench with a charge that runs under 50 MPa, watched by its press: where most things go wrong.
#pragma once
#include "tests/scenario/bench.h"

namespace cambench::scenario {

constexpr double scale = 100;

/// A bench with a charge that runs, watched by its press.
struct Charging : Bench {
  std::string run_id;
  explicit Charging(double band_MPa = 1.0, const std::string& extra = {})
      : Bench({.time_scale = scale, .extra = extra}) {
    recipe("long", short_recipe(1800, 300, band_MPa));
    start();
    run_id = run("long");
    until_step(0);
  }
  /// The cell is truly open, its current zero, and nobody switched it on again.
  Truth open_for_good() {
    const auto rows = truth_with_cell_off();
    CHECK_FALSE(cell_is_on());
    CHECK(rows.back().current_A == 0);
    return rows.back();
  }
  /// Injects a fault and waits for the trip; the cell is truly open then, and stays so. Its cause, whichever layer was first;
  /// prints the wall time from the order to the end of the program in the instrument.
  std::string trip_of(const std::string& fault) {
    sim(fault);
    until_state("tripped");
    open_for_good();
    CHECK(truth().back().switches == 2);
    const std::string text = where().why, cause = text.substr(0, text.find(':'));
    MESSAGE("| ", cause, " | ", fault, " | ", wall_between(fault, "script ended") * 1e3, " ms | ", text);
    return cause;
  }
  void expect_trip(const std::string& fault, const std::string& cause) {
    trip_of(fault);
    CHECK_MESSAGE(happened(run_id, "tripped " + cause), where().why);
  }
  [[nodiscard]] bool press_says(const std::string& word) {
    return this->sim("state").find(word) != std::string::npos;
  }
};

}  // namespace cambench::scenario
