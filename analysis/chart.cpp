#include "analysis/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cambench::plots {

using svg::Anchor;
using svg::Drawing;
namespace colour = svg::colour;

namespace {

constexpr double rounding = 1e-9;  // of a step: a tick this close to the end of an axis is on it

bool on_axis(double value, const Axis& axis, double step) {
  return axis.from - rounding * step <= value && value <= axis.to + rounding * step;
}

}  // namespace

SeriesLook series_look(std::size_t n) {
  constexpr std::array<std::string_view, 4> dashes{"", "7 3", "2 3", "9 3 2 3"};
  constexpr std::size_t colours = std::size(colour::series);
  const std::size_t coloured = n == 0 ? 0 : 1 + (n - 1) % (colours - 1);
  return {colour::series[coloured],
          n == 0 ? std::string_view("6 4") : dashes[(n - 1) / (colours - 1) % dashes.size()],
          static_cast<svg::Marker>(n % svg::marker_kinds)};
}

int score_decimals(const std::optional<double>& sd) { return sd && *sd > 0 && *sd < 0.01 ? 3 : 2; }

std::string score_text(double value, const std::optional<double>& sd) {
  const int decimals = score_decimals(sd);
  if (!sd) return fmt::format("{:.{}f}", value, decimals);
  return fmt::format("{:.{}f} ± {:.{}f}", value, decimals, *sd, decimals);
}

// ---- scales

double tick_step(double stretch, double count) {
  const double rough = stretch / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power * 1.0001) return factor * power;
  return 10 * power;
}

Ticks::Ticks(double low, double high, double count) {
  if (!(high > low)) low -= 0.5, high += 0.5;
  step = tick_step(high - low, count);
  from = std::floor(low / step + rounding) * step;
  to = std::ceil(high / step - rounding) * step;
  decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + rounding)));
}

std::vector<double> Ticks::values() const {
  constexpr double most = 100;
  const double first = std::round(from / step), steps = std::min(std::round((to - from) / step), most);
  std::vector<double> all;
  for (double i = 0; i <= steps; ++i) all.push_back((first + i) * step);
  return all;
}

std::string Ticks::text(double value) const {
  if (std::abs(value) < rounding * step) value = 0;
  return fmt::format("{}{:.{}f}", value < 0 ? "−" : "", std::abs(value), decimals);
}

void Extent::add(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

Extent Extent::widened(double share) const {
  if (low > high) return {0, 1};
  const double margin = high > low ? share * (high - low) : 0.5;
  return {low - margin, high + margin};
}

Ticks Extent::ticks(double count) const { return low > high ? Ticks(0, 1, count) : Ticks(low, high, count); }

// ---- what stands around the values

void draw_title(Drawing& drawing, std::string_view title) {
  drawing.text({24, 34}, title, {.size = 18, .bold = true});
}

void draw_y_axis(Drawing& drawing, const Frame& frame, const Axis& y, const Ticks& ticks,
                 std::string_view name) {
  for (const double value : ticks.values()) {
    if (!on_axis(value, y, ticks.step)) continue;
    drawing.line({frame.left, y(value)}, {frame.right, y(value)}, {.stroke = colour::rule});
    drawing.text({frame.left - 8, y(value) + 4}, ticks.text(value), {.size = 12, .anchor = Anchor::end});
  }
  drawing.text_upwards({frame.left - 46, (frame.top + frame.bottom) / 2}, name,
                       {.size = 13, .anchor = Anchor::middle});
}

void draw_x_rules(Drawing& drawing, const Frame& frame, const Axis& x, const Ticks& ticks) {
  for (const double value : ticks.values()) {
    if (!on_axis(value, x, ticks.step)) continue;
    drawing.line({x(value), frame.top}, {x(value), frame.bottom}, {.stroke = colour::rule});
    drawing.text({x(value), frame.bottom + 18}, ticks.text(value), {.size = 12, .anchor = Anchor::middle});
  }
}

void draw_x_name(Drawing& drawing, const Frame& frame, std::string_view name) {
  drawing.text({(frame.left + frame.right) / 2, frame.bottom + 40}, name,
               {.size = 13, .anchor = Anchor::middle});
}

svg::Look marker_look(const SeriesLook& look, bool hollow) {
  return {.fill = hollow ? colour::paper : look.colour, .stroke = look.colour, .width = hollow ? 1.8 : 1};
}

/// Cut to what fits, with a sign that something is missing.
std::string fitted(std::string_view text, double size, double width) {
  if (svg::text_width(text, size) <= width) return std::string(text);
  std::string cut(text);
  do {
    while (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0xC0) == 0x80) cut.pop_back();
    if (!cut.empty()) cut.pop_back();
  } while (!cut.empty() && svg::text_width(cut, size) > width - size);
  return cut + "…";
}

}  // namespace cambench::plots
