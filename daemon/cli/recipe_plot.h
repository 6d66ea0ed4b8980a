// How a recipe will look over time: for a terminal, and as a drawing. A sketch, not a simulation: each half cycle moves the
// nominal capacity, and a potential goes straight from limit to limit.
#pragma once
#include <string>
#include <vector>

#include "schema/plan.h"

namespace cambench::cli {

/// How long a step takes when the cell gives its nominal capacity; what it may take at most is run_time.
double nominal_seconds(const Plan& plan, const PlannedStep& step);

/// One quantity over time.
struct Curve {
  struct Corner {
    double hours = 0, value = 0;
  };
  std::string name, unit;       ///< "E(WE vs RE)", "V"
  std::vector<Corner> corners;  ///< joined by straight lines, in the order of time
};

/// Potential, current and charge of a plan with current steps, the pressure of one that only presses.
std::vector<Curve> sketch(const Plan& plan);

/// Lines of at most `columns` characters, drawn with Braille's dots, each curve in a strip of its own.
std::string text_plot(const std::vector<Curve>& curves, int columns);

std::string svg_plot(const Plan& plan, const std::vector<Curve>& curves);

}  // namespace cambench::cli
