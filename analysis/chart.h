// What the figures of plots.h are drawn with: scales, ticks, frames and labels; the command line draws a
// recipe with the same.
#pragma once
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/plots.h"
#include "analysis/svg.h"

namespace cambench::plots {

/// A stretch of values drawn between two places of the page.
struct Axis {
  double from = 0, to = 1;    // values
  double begin = 0, end = 1;  // of the page
  bool logarithmic = false;
  [[nodiscard]] double operator()(double value) const {
    const auto scale = [&](double v) { return logarithmic ? std::log10(v) : v; };
    return begin + (scale(value) - scale(from)) / (scale(to) - scale(from)) * (end - begin);
  }
};

/// 1, 2 or 5 times a power of ten, about `count` times in `stretch`.
[[nodiscard]] double tick_step(double stretch, double count);

/// Whole steps around low..high: from <= low, high <= to.
struct Ticks {
  double from = 0, to = 1, step = 1;
  int decimals = 0;
  Ticks(double low, double high, double count);
  [[nodiscard]] std::vector<double> values() const;
  [[nodiscard]] std::string text(double value) const;
};

/// The range of everything that must be seen.
struct Extent {
  double low = INFINITY, high = -INFINITY;
  void add(double value);
  /// With a margin on both sides, and never empty.
  [[nodiscard]] Extent widened(double share) const;
  [[nodiscard]] bool holds(double value) const { return low <= value && value <= high; }
  [[nodiscard]] Ticks ticks(double count) const;
};

/// Where on the page values are drawn.
struct Frame {
  double left = 0, right = 0, top = 0, bottom = 0;
};

void draw_title(svg::Drawing& drawing, std::string_view title);
/// Rules, numbers and name, as far as the ticks lie on the axis.
void draw_y_axis(svg::Drawing& drawing, const Frame& frame, const Axis& y, const Ticks& ticks,
                 std::string_view name);
/// The same upright; without the name.
void draw_x_rules(svg::Drawing& drawing, const Frame& frame, const Axis& x, const Ticks& ticks);
void draw_x_name(svg::Drawing& drawing, const Frame& frame, std::string_view name);

[[nodiscard]] svg::Look marker_look(const SeriesLook& look, bool hollow);
/// Cut to what fits, with a sign that something is missing.
[[nodiscard]] std::string fitted(std::string_view text, double size, double width);

}  // namespace cambench::plots
