#include "analysis/radar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

#include "analysis/plots.h"
#include "analysis/svg.h"

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
using svg::Point;
namespace colour = svg::colour;

/// Sizes of one chart on its page.
struct Layout {
  Point centre;
  double radius = 0;
  double letters = 12;     // of the axis labels
  bool scale_ends = true;  // write what rim and centre stand for at each axis
};

Point at(const Layout& layout, std::size_t axis, std::size_t axes, double r) {
  const double angle =
      2 * std::numbers::pi * static_cast<double>(axis) / static_cast<double>(axes) - std::numbers::pi / 2;
  return {layout.centre.x + r * layout.radius * std::cos(angle),
          layout.centre.y + r * layout.radius * std::sin(angle)};
}

std::vector<Point> ring(const Layout& layout, std::size_t axes, double r) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < axes; ++i) points.push_back(at(layout, i, axes, r));
  return points;
}

bool beyond_scale(double place) { return place < 0 || place > 1; }

/// The value that stands at r.
double value_at(const RadarAxis& axis, double r) {
  const double d = (r - 0.5) / 0.5 * axis.span;
  return axis.higher_is_better ? 1 + d : 1 - d;
}

std::string value_text(const RadarValue& value) {
  return value.value ? score_text(*value.value, value.sd) : std::string("no value");
}

/// An axis that points straight down needs room for its label below the rim.
double radius_for(std::size_t axes, double radius, double size) {
  return axes % 2 == 0 ? radius - 1.6 * size : radius;
}

void draw_grid(Drawing& drawing, const Layout& layout, const Radar& chart) {
  const std::size_t n = chart.axes.size();
  for (const double r : {0.25, 0.75, 1.0})
    drawing.polygon(ring(layout, n, r), {.stroke = r == 1.0 ? colour::axis : colour::rule});
  for (std::size_t i = 0; i < n; ++i)
    drawing.line(layout.centre, at(layout, i, n, 1),
                 {.stroke = colour::rule, .dash = chart.values[i].value ? "" : "2 3"});
  drawing.polygon(ring(layout, n, 0.5), {.stroke = colour::series[0], .width = 1.6, .dash = "6 4"});
}

/// Lines between neighbours that both have a value; filled when the polygon is whole.
void draw_outline(Drawing& drawing, const std::vector<std::optional<Point>>& points, std::string_view ink) {
  const std::size_t n = points.size();
  const bool whole = std::ranges::all_of(points, [](const auto& p) { return p.has_value(); });
  if (whole) {
    std::vector<Point> corners;
    for (const auto& p : points) corners.push_back(*p);
    drawing.polygon(corners, {.fill = ink, .stroke = ink, .width = 2.4, .opacity = 0.16});
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const auto &a = points[i], &b = points[(i + 1) % n];
    if (a && b) drawing.line(*a, *b, {.stroke = ink, .width = 2.4});
  }
}

void draw_spread(Drawing& drawing, const Layout& layout, const Radar& chart, std::string_view ink) {
  const std::size_t n = chart.axes.size();
  for (std::size_t i = 0; i < n; ++i) {
    const RadarValue& value = chart.values[i];
    if (!value.value || !value.sd) continue;
    const auto clipped = [&](double v) { return std::clamp(chart.axes[i].place(v), 0.0, 1.0); };
    drawing.line(at(layout, i, n, clipped(*value.value - *value.sd)),
                 at(layout, i, n, clipped(*value.value + *value.sd)), {.stroke = ink, .width = 1.2});
  }
}

void draw_markers(Drawing& drawing, const Radar& chart, const std::vector<std::optional<Point>>& points,
                  const SeriesLook& look, double size) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i]) continue;
    const bool hollow = beyond_scale(chart.axes[i].place(*chart.values[i].value));
    drawing.marker(
        *points[i], look.marker, hollow ? size + 1 : size,
        {.fill = hollow ? colour::paper : look.colour, .stroke = look.colour, .width = hollow ? 2.0 : 1.0});
  }
}

void draw_label(Drawing& drawing, const Layout& layout, const Radar& chart, std::size_t i) {
  const std::size_t n = chart.axes.size();
  const RadarAxis& axis = chart.axes[i];
  const double size = layout.letters, step = 1.25 * size;
  const Point rim = at(layout, i, n, 1 + 12 / layout.radius);
  const double side = (rim.x - layout.centre.x) / layout.radius,
               height = (rim.y - layout.centre.y) / layout.radius;
  const Anchor anchor = side > 0.1 ? Anchor::start : side < -0.1 ? Anchor::end : Anchor::middle;
  const double lines = layout.scale_ends ? 3 : 2;
  // Above the rim the last line rests on it, below it the first one hangs from it.
  const double first = rim.y - (lines - 1) * step * (0.5 - 0.5 * height) + (height > 0 ? 0.7 : 0.3) * size;
  drawing.text({rim.x, first}, axis.label, {.size = size, .anchor = anchor});
  drawing.text({rim.x, first + step}, value_text(chart.values[i]),
               {.size = size,
                .anchor = anchor,
                .colour = chart.values[i].value ? colour::ink : colour::soft,
                .bold = chart.values[i].value.has_value()});
  if (layout.scale_ends)
    drawing.text(
        {rim.x, first + 2 * step},
        fmt::format("rim {}, centre {}", svg::number(value_at(axis, 1)), svg::number(value_at(axis, 0))),
        {.size = 0.82 * size, .anchor = anchor, .colour = colour::soft});
}

void draw_chart(Drawing& drawing, const Layout& layout, const Radar& chart) {
  assert(chart.axes.size() == chart.values.size());
  const SeriesLook look = series_look(chart.look);
  std::vector<std::optional<Point>> points;
  for (std::size_t i = 0; i < chart.axes.size(); ++i) {
    points.emplace_back();
    if (const auto value = chart.values[i].value)
      points.back() = at(layout, i, chart.axes.size(), std::clamp(chart.axes[i].place(*value), 0.0, 1.0));
  }
  draw_grid(drawing, layout, chart);
  draw_outline(drawing, points, look.colour);
  draw_spread(drawing, layout, chart, look.colour);
  draw_markers(drawing, chart, points, look, layout.radius / 32);
  for (std::size_t i = 0; i < chart.axes.size(); ++i) draw_label(drawing, layout, chart, i);
}

bool anything_beyond(const Radar& chart) {
  for (std::size_t i = 0; i < chart.axes.size(); ++i)
    if (chart.values[i].value && beyond_scale(chart.axes[i].place(*chart.values[i].value))) return true;
  return false;
}

/// What the dashes and the hollow markers mean, in one line from `from` on.
void draw_key(Drawing& drawing, Point from, bool hollow) {
  const auto entry = [&](std::string_view text) {
    drawing.text({from.x + 34, from.y + 4}, text, {.size = 12});
    from.x += 34 + svg::text_width(text, 12) + 26;
  };
  drawing.line({from.x, from.y}, {from.x + 28, from.y},
               {.stroke = colour::series[0], .width = 1.6, .dash = "6 4"});
  entry("uncoated, cycled = 1");
  if (!hollow) return;
  drawing.circle({from.x + 20, from.y}, 5, {.fill = colour::paper, .stroke = colour::ink, .width = 2});
  entry("beyond the scale, drawn at its end");
}

void draw_mapping(Drawing& drawing, Point from, std::span<const RadarAxis> axes) {
  for (const std::string& line : radar_mapping(axes)) {
    drawing.text(from, line, {.size = 11, .colour = colour::soft});
    from.y += 15;
  }
}

std::string in_words(std::span<const Radar> charts) {
  std::string words = "Outside is better; the dashed polygon is the uncoated sample.";
  for (const Radar& chart : charts) {
    words += fmt::format(" {}:", chart.title);
    for (std::size_t i = 0; i < chart.axes.size(); ++i)
      words += fmt::format("{} {} {}", i ? "," : "", chart.axes[i].label, value_text(chart.values[i]));
    words += ".";
  }
  if (charts.empty()) return words;
  for (const std::string& line : radar_mapping(charts.front().axes)) words += ' ' + line;
  return words;
}

}  // namespace

double RadarAxis::place(double value) const {
  return 0.5 + 0.5 * (higher_is_better ? value - 1 : 1 - value) / span;
}

std::vector<std::string> radar_mapping(std::span<const RadarAxis> axes) {
  const auto list = [&](bool higher) {
    std::string text;
    for (const RadarAxis& axis : axes)
      if (axis.higher_is_better == higher)
        text += fmt::format("{}{} (span {})", text.empty() ? "" : ", ", axis.label, svg::number(axis.span));
    return text;
  };
  std::vector<std::string> lines{
      "Outside is better: r = 0.5 + 0.5 d / span, from 0 at the centre to 1 at the rim, clipped."};
  if (const auto higher = list(true); !higher.empty()) lines.push_back("d = value − 1: " + higher + ".");
  if (const auto lower = list(false); !lower.empty()) lines.push_back("d = 1 − value: " + lower + ".");
  return lines;
}

std::string radar(const Radar& chart) {
  constexpr double width = 600, height = 580;
  Drawing drawing(width, height, "Radar chart of " + chart.title, in_words({&chart, 1}));
  drawing.text({28, 38}, chart.title, {.size = 20, .bold = true});
  drawing.text({28, 60}, chart.subtitle, {.size = 13, .colour = colour::soft});
  drawing.open({0, 0}, chart.title);
  draw_chart(drawing,
             {.centre = {width / 2, 300}, .radius = radius_for(chart.axes.size(), 160, 13), .letters = 13},
             chart);
  drawing.close();
  draw_key(drawing, {28, 510}, anything_beyond(chart));
  draw_mapping(drawing, {28, 535}, chart.axes);
  return std::move(drawing).take();
}

std::string radar_panel(std::span<const Radar> charts, std::string_view title) {
  constexpr double cell_width = 400, cell_height = 345, top = 62, bottom = 92;
  const std::size_t columns = charts.size() <= 1 ? 1 : charts.size() == 2 || charts.size() == 4 ? 2 : 3;
  const std::size_t rows = (charts.size() + columns - 1) / columns;
  const double width = cell_width * static_cast<double>(std::max<std::size_t>(columns, 2)),
               height = top + cell_height * static_cast<double>(rows) + bottom;
  Drawing drawing(width, height, title, in_words(charts));
  drawing.text({28, 38}, title, {.size = 20, .bold = true});
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const Radar& chart = charts[i];
    drawing.open(
        {cell_width * static_cast<double>(i % columns), top + cell_height * static_cast<double>(i / columns)},
        chart.title);
    const std::string letter =
        i < 26 ? fmt::format("({})", static_cast<char>('a' + i)) : fmt::format("({})", i + 1);
    drawing.text({28, 22}, letter, {.size = 14, .bold = true});
    drawing.text({56, 22}, chart.title, {.size = 14, .bold = true});
    drawing.text({56, 39}, chart.subtitle, {.size = 11, .colour = colour::soft});
    draw_chart(drawing,
               {.centre = {cell_width / 2, 208},
                .radius = radius_for(chart.axes.size(), 112, 11.5),
                .letters = 11.5,
                .scale_ends = false},
               chart);
    drawing.close();
  }
  draw_key(drawing, {28, height - bottom + 22}, std::ranges::any_of(charts, anything_beyond));
  if (!charts.empty()) draw_mapping(drawing, {28, height - bottom + 47}, charts.front().axes);
  return std::move(drawing).take();
}

}  // namespace cambench::plots
