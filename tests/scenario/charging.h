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
  /// prints the wall time from the order to the end of the program in the instrument, and to the press's closed valves where
  /// it can be told to close them: after the instrument, but without a wait for it. One that restarted holds by itself.
  std::string trip_of(const std::string& fault) {
    sim(fault);
    until_state("tripped");
    open_for_good();
    CHECK(truth().back().switches == 2);
    const std::string text = where().why, cause = text.substr(0, text.find(':'));
    const double open_s = wall_between(fault, "script ended");
    const auto holds_s = wall_between_if(fault, "press holds");
    MESSAGE("| ", cause, " | ", fault, " | ", open_s * 1e3, " ms",
            holds_s ? fmt::format(", press held after {:.0f}", *holds_s * 1e3) : std::string(), " | ", text);
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

/// A run that is started on a press that does not do what it is told: nothing may be polarised.
struct Starting : Bench {
  std::string run_id, fault;
  std::chrono::steady_clock::time_point began;

  explicit Starting(
      std::string order, const std::string& recipe_text = short_recipe(1800, 300, 1.0),
      const std::function<void(const Bench&)>& prepare = [](const Bench&) {})
      : Bench({.time_scale = scale}), fault(std::move(order)) {
    recipe("long", recipe_text);
    prepare(*this);
    start();
    sim(fault);
    began = std::chrono::steady_clock::now();
    run_id = run("long");
  }
  /// Prints the wall time from the start to the state; where the press had begun to move, also until it held.
  void never_polarised(const std::string& state) {
    until_state(state);
    const Seconds took = std::chrono::steady_clock::now() - began;
    CHECK_FALSE(cell_is_on());
    CHECK(truth_with_cell_off().back().switches == 0);
    until("the press holds", [&] { return sim("state").find(", holds") != std::string::npos; });
    const auto moved_s = wall_between_if("press runs", "press holds");
    const std::string held =
        moved_s ? fmt::format(", press held {:.0f} ms after it was told to move", *moved_s * 1e3) : "";
    MESSAGE("| ", state, " | ", fault, " | ", took.count() * 1e3, " ms after the start", held, " | ",
            where().why);
  }
};

/// The register map of the simulated press, as a file of the bench's own with something in it changed.
inline void change_map(const Bench& bench, std::string_view what, std::string_view by) {
  std::string map = contents(fs::path(CAMBENCH_SOURCE) / "drivers/maps/generic-press.toml");
  for (auto at = map.find(what); at != std::string::npos; at = map.find(what, at + by.size()))
    map.replace(at, what.size(), by);
  std::ofstream(bench.folder() / "changed.toml") << map;
  std::string text = contents(bench.configuration());
  constexpr std::string_view built_in = "map = \"generic-press\"";
  text.replace(text.find(built_in), built_in.size(), "map = \"changed.toml\"");
  std::ofstream(bench.configuration()) << text;
}

}  // namespace cambench::scenario
