#include "daemon/cli/recipe_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/chart.h"
#include "daemon/cli/verbs.h"

namespace cambench::cli {

namespace {

using Kind = PlannedStep::Kind;
using Corner = Curve::Corner;

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Range values_of(const Curve& curve) {
  Range range;
  for (const Corner& corner : curve.corners) range.add(corner.value);
  if (range.high - range.low < 1e-9) range = {range.low - 1, range.high + 1};
  return range;
}

double end_of(const std::vector<Curve>& curves) {
  double hours = 0;
  for (const Curve& curve : curves) hours = std::max(hours, curve.corners.back().hours);
  return std::max(hours, 1e-9);
}

/// Where the first half cycle begins, which no recipe says: at the limit that it moves away from.
double first_potential(const Plan& plan) {
  Range limits;
  for (const PlannedStep& step : plan.steps)
    if (step.until_voltage) limits.add(step.until_voltage->value());
  const auto moves =
      std::ranges::find_if(plan.steps, [](const auto& step) { return step.current.value() != 0; });
  if (limits.low > limits.high || moves == plan.steps.end()) return 0;
  return moves->current.value() > 0 ? limits.low : limits.high;
}

std::vector<Curve> cell_sketch(const Plan& plan) {
  const bool of_cell = plan.steps.empty() || plan.steps.front().limit_on == LimitOn::cell;
  Curve potential{of_cell ? "E(cell)" : "E(WE vs RE)", "V", {}}, current{"current", "mA", {}},
      charge{"charge", "mAh", {}};
  double hours = 0, potential_V = first_potential(plan), charge_mAh = 0;
  const auto add = [&](const PlannedStep& step) {
    potential.corners.push_back({hours, potential_V});
    current.corners.push_back({hours, 1e3 * step.current.value()});
    charge.corners.push_back({hours, charge_mAh});
  };
  for (const PlannedStep& step : plan.steps) {
    if (step.voltage) potential_V = step.voltage->value();
    add(step);
    const double took_h = nominal_seconds(plan, step) / 3600;
    hours += took_h;
    charge_mAh += 1e3 * step.current.value() * took_h;
    if (step.until_voltage) potential_V = step.until_voltage->value();
    add(step);
  }
  return {potential, current, charge};
}

std::vector<Curve> press_sketch(const Plan& plan) {
  Curve pressure{"pressure", "MPa", {{0, 0}}};
  double hours = 0;
  for (const PlannedStep& step : plan.steps) {
    const double MPa = step.pressure.value_or(MegaPascal(0)).value();
    pressure.corners.push_back({hours, MPa});
    hours += step.run_time.count() / 3600;
    pressure.corners.push_back({hours, MPa});
  }
  return {pressure};
}

}  // namespace

double nominal_seconds(const Plan& plan, const PlannedStep& step) {
  if (step.kind != Kind::constant_current) return step.run_time.count();
  const double full = 3600 * plan.one_C.value() / std::abs(step.current.value());
  return std::min(full, step.run_time.count());
}

std::vector<Curve> sketch(const Plan& plan) {
  if (plan.steps.empty()) return {};
  return plan.needs_cell ? cell_sketch(plan) : press_sketch(plan);
}

namespace {

// --- for a terminal -----------------------------------------------------------------------------------------

/// What the curve is between two times: every corner in between, and both ends.
Range between(const Curve& curve, double from_h, double to_h) {
  Range range;
  for (std::size_t i = 0; i + 1 < curve.corners.size(); ++i) {
    const Corner &a = curve.corners[i], &b = curve.corners[i + 1];
    const double begin = std::max(from_h, a.hours), end = std::min(to_h, b.hours);
    if (begin > end) continue;
    if (a.hours == b.hours) range.add(a.value);  // a step upright
    for (const double at : {begin, end})
      range.add(a.hours == b.hours ? b.value
                                   : a.value + (b.value - a.value) * (at - a.hours) / (b.hours - a.hours));
  }
  return range;
}

/// A strip of Braille characters: two dots wide, four high each.
class Dots {
 public:
  Dots(std::size_t columns, std::size_t rows) : columns_(columns), cells_(columns * rows) {}
  void set(std::size_t x, std::size_t y) {
    static constexpr unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cells_[y / 4 * columns_ + x / 2] |= bits[y % 4][x % 2];
  }
  [[nodiscard]] std::string row(std::size_t at) const {
    std::string line;
    for (std::size_t x = 0; x < columns_; ++x) {
      const unsigned char dots = cells_[at * columns_ + x];  // U+2800 + dots, as UTF-8
      line += {'\xE2', static_cast<char>(0xA0 + (dots >> 6)), static_cast<char>(0x80 + (dots & 0x3F))};
    }
    return line;
  }

 private:
  std::size_t columns_;
  std::vector<unsigned char> cells_;
};

constexpr std::size_t rows = 5;
constexpr int label_columns = 9;

std::string strip(const Curve& curve, double end_h, std::size_t columns) {
  const Range values = values_of(curve);
  Dots dots(columns, rows);
  const std::size_t last_x = 2 * columns - 1, last_y = 4 * rows - 1;
  const auto y_of = [&](double value) {
    return static_cast<std::size_t>(
        std::lround((values.high - value) / (values.high - values.low) * static_cast<double>(last_y)));
  };
  const double dot_h = end_h / static_cast<double>(last_x);
  for (std::size_t x = 0; x <= last_x; ++x) {
    const double at_h = static_cast<double>(x) * dot_h;
    const Range here = between(curve, at_h, at_h + dot_h);
    if (here.low > here.high) continue;
    for (std::size_t y = y_of(here.high); y <= y_of(here.low); ++y) dots.set(x, y);
  }
  std::string text = fmt::format("{:>{}} {}\n", curve.unit, label_columns, curve.name);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string label = row == 0          ? fmt::format("{:.2f}", values.high)
                              : row + 1 == rows ? fmt::format("{:.2f}", values.low)
                                                : "";
    text += fmt::format("{:>{}} {}{}\n", label, label_columns, label.empty() ? "│" : "┤", dots.row(row));
  }
  return text;
}

/// "0", a half and the whole, below the strips.
std::string time_line(double end_h, std::size_t columns) {
  const bool is_short = end_h < 1;  // its half would be rounded
  const std::string middle = is_short ? "" : duration_words(3600 * end_h / 2);
  const std::string end = duration_words(3600 * end_h);
  const std::size_t half = columns / 2;
  std::string line = "0" + std::string(half - 1 - middle.size() / 2, ' ') + middle;
  line += std::string(columns > line.size() + end.size() ? columns - line.size() - end.size() : 1, ' ') + end;
  return std::string(label_columns + 2, ' ') + line + '\n';
}

}  // namespace

std::string text_plot(const std::vector<Curve>& curves, int columns) {
  if (curves.empty()) return {};
  const auto wide = static_cast<std::size_t>(std::clamp(columns - label_columns - 2, 20, 100));
  const double end_h = end_of(curves);
  std::string text;
  for (const Curve& curve : curves) text += strip(curve, end_h, wide);
  return text + time_line(end_h, wide);
}

std::string svg_plot(const Plan& plan, const std::vector<Curve>& curves) {
  constexpr double width = 900, panel = 170, gap = 26, top = 78, left = 70, right = 880, foot = 46;
  const double height = top + static_cast<double>(curves.size()) * (panel + gap) + foot - gap;
  svg::Drawing drawing(width, height, plan.recipe, "What the recipe asks for over time");
  plots::draw_title(drawing, plan.recipe);
  drawing.text({24, 54},
               "As planned: every half cycle moves the nominal capacity, a potential goes straight from "
               "limit to limit.",
               {.size = 12, .colour = svg::colour::soft});
  const plots::Ticks times(0, curves.empty() ? 1 : end_of(curves), 10);
  const plots::Axis x{times.from, times.to, left, right};
  double at = top;
  for (std::size_t i = 0; i < curves.size(); ++i, at += panel + gap) {
    const plots::Frame frame{left, right, at, at + panel};
    const Range values = values_of(curves[i]);
    const plots::Ticks ticks(values.low, values.high, 5);
    const plots::Axis y{ticks.from, ticks.to, frame.bottom, frame.top};
    plots::draw_y_axis(drawing, frame, y, ticks, fmt::format("{} / {}", curves[i].name, curves[i].unit));
    std::vector<svg::Point> line;
    for (const Corner& corner : curves[i].corners) line.push_back({x(corner.hours), y(corner.value)});
    if (i + 1 == curves.size()) {
      plots::draw_x_rules(drawing, frame, x, times);
      plots::draw_x_name(drawing, frame, "test time / h");
    }
    drawing.polyline(line, {.stroke = svg::colour::series[i + 1], .width = 1.6});
  }
  return std::move(drawing).take();
}

}  // namespace cambench::cli
