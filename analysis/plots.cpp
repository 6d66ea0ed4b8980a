#include "analysis/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
using svg::Look;
using svg::Point;
namespace colour = svg::colour;

// ---- axes

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
double tick_step(double stretch, double count) {
  const double rough = stretch / count, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power * 1.0001) return factor * power;
  return 10 * power;
}

/// Widens from..to to whole ticks and lists them.
struct Ticks {
  double from = 0, to = 1, step = 1;
  int decimals = 0;
  Ticks(double low, double high, double count) {
    if (!(high > low)) low -= 0.5, high += 0.5;
    step = tick_step(high - low, count);
    from = std::floor(low / step + 1e-9) * step;
    to = std::ceil(high / step - 1e-9) * step;
    decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  }
  [[nodiscard]] std::vector<double> values() const {
    std::vector<double> all;
    for (double i = std::round(from / step); i <= std::round(to / step); ++i) all.push_back(i * step);
    return all;
  }
  [[nodiscard]] std::string text(double value) const {
    if (std::abs(value) < 1e-9 * step) value = 0;
    return fmt::format("{}{:.{}f}", value < 0 ? "−" : "", std::abs(value), decimals);
  }
};

/// The range of everything that must be seen.
struct Extent {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// With a margin on both sides, and never empty.
  [[nodiscard]] Extent widened(double share) const {
    if (low > high) return {0, 1};
    const double margin = high > low ? share * (high - low) : 0.5;
    return {low - margin, high + margin};
  }
  [[nodiscard]] bool holds(double value) const { return low <= value && value <= high; }
  [[nodiscard]] Ticks ticks(double count) const {
    return low > high ? Ticks(0, 1, count) : Ticks(low, high, count);
  }
};

struct Frame {
  double left = 0, right = 0, top = 0, bottom = 0;
};

void draw_y_axis(Drawing& drawing, const Frame& frame, const Axis& y, const Ticks& ticks,
                 std::string_view name) {
  for (const double value : ticks.values()) {
    if (value < y.from - 1e-9 * ticks.step || value > y.to + 1e-9 * ticks.step) continue;
    drawing.line({frame.left, y(value)}, {frame.right, y(value)}, {.stroke = colour::rule});
    drawing.text({frame.left - 8, y(value) + 4}, ticks.text(value), {.size = 12, .anchor = Anchor::end});
  }
  drawing.text_upwards({frame.left - 46, (frame.top + frame.bottom) / 2}, name,
                       {.size = 13, .anchor = Anchor::middle});
}

void draw_x_name(Drawing& drawing, const Frame& frame, std::string_view name) {
  drawing.text({(frame.left + frame.right) / 2, frame.bottom + 40}, name,
               {.size = 13, .anchor = Anchor::middle});
}

void draw_title(Drawing& drawing, std::string_view title) {
  drawing.text({24, 34}, title, {.size = 18, .bold = true});
}

Look marker_look(const SeriesLook& look, bool hollow) {
  return {.fill = hollow ? colour::paper : look.colour, .stroke = look.colour, .width = hollow ? 1.8 : 1};
}

// ---- bars

constexpr double row_height = 30, panel_width = 620, panel_head = 62, panel_foot = 44;

double panel_height(const BarPanel& panel) {
  return panel_head + row_height * static_cast<double>(panel.bars.size()) + panel_foot;
}

Extent bar_extent(const BarPanel& panel) {
  Extent extent;
  if (std::ranges::none_of(panel.bars, [](const Bar& bar) { return bar.box.has_value(); }))
    extent.add(panel.from);
  for (const auto& [value, name] : panel.marks) extent.add(value);
  for (const Bar& bar : panel.bars) {
    if (!bar.value) continue;
    extent.add(*bar.value + bar.sd.value_or(0));
    extent.add(*bar.value - bar.sd.value_or(0));
    for (const double point : bar.points) extent.add(point);
    if (bar.box) extent.add(bar.box->min), extent.add(bar.box->max);
  }
  return extent.widened(0.04);
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

void draw_whiskers(Drawing& drawing, double low, double high, double middle, double width) {
  drawing.line({low, middle}, {high, middle}, {.stroke = colour::ink, .width = width});
  for (const double tip : {low, high})
    drawing.line({tip, middle - 5}, {tip, middle + 5}, {.stroke = colour::ink, .width = width});
}

Look filling(const Bar& bar) {
  const SeriesLook look = series_look(bar.look);
  return {.fill = bar.hollow ? colour::paper : look.colour,
          .stroke = look.colour,
          .width = 1.2,
          .opacity = bar.hollow ? 1 : 0.75};
}

void draw_plain_bar(Drawing& drawing, const Bar& bar, const Axis& x, double from, double middle) {
  const double begin = std::min(x(from), x(*bar.value)), end = std::max(x(from), x(*bar.value));
  drawing.rectangle({begin, middle - 8}, std::max(end - begin, 2.0), 16, filling(bar));
}

void draw_box(Drawing& drawing, const Bar& bar, const Axis& x, double middle) {
  draw_whiskers(drawing, x(bar.box->min), x(bar.box->max), middle, 1.1);
  drawing.rectangle({x(bar.box->q1), middle - 8}, std::max(x(bar.box->q3) - x(bar.box->q1), 2.0), 16,
                    filling(bar));
  drawing.line({x(*bar.value), middle - 8}, {x(*bar.value), middle + 8},
               {.stroke = colour::ink, .width = 2.2});
}

void draw_bar(Drawing& drawing, const Bar& bar, const Axis& x, double from, double middle, double right) {
  drawing.text({x.begin - 10, middle + 4}, fitted(bar.label, 12.5, x.begin - 24),
               {.size = 12.5, .anchor = Anchor::end});
  if (!bar.value) {
    drawing.text({x.begin + 8, middle + 4}, fitted("no value: " + bar.why_not, 11, right - x.begin - 8),
                 {.size = 11, .colour = colour::soft});
    return;
  }
  const bool box = bar.box.has_value();
  if (box)
    draw_box(drawing, bar, x, middle);
  else
    draw_plain_bar(drawing, bar, x, from, middle);
  for (std::size_t i = 0; bar.points.size() > 1 && i < bar.points.size(); ++i) {
    const double aside =
        2.4 * (static_cast<double>(i * 2 % 5) - 2);  // so that equal points do not hide each other
    drawing.circle({x(bar.points[i]), middle + aside}, 2.3,
                   {.fill = colour::paper, .stroke = colour::ink, .width = 0.9});
  }
  if (bar.sd && !box) draw_whiskers(drawing, x(*bar.value - *bar.sd), x(*bar.value + *bar.sd), middle, 1.6);
  drawing.text({right, middle + 4}, score_text(*bar.value, bar.sd), {.size = 12, .anchor = Anchor::end});
}

void draw_panel(Drawing& drawing, const BarPanel& panel, std::string_view letter) {
  double gutter = 60;
  for (const Bar& bar : panel.bars) gutter = std::max(gutter, svg::text_width(bar.label, 12.5));
  const double left = 24 + std::min(gutter, 200.0) + 10, right = panel_width - 24, numbers = 92;
  const double bottom = panel_head + row_height * static_cast<double>(panel.bars.size());
  const Extent extent = bar_extent(panel);
  const Ticks ticks = extent.ticks(6);
  const Axis x{.from = extent.low, .to = extent.high, .begin = left, .end = right - numbers};

  drawing.text({24, 24}, letter.empty() ? panel.title : fmt::format("{} {}", letter, panel.title),
               {.size = 15, .bold = true});
  for (const double value : ticks.values()) {
    if (!extent.holds(value)) continue;
    drawing.line({x(value), panel_head - 6}, {x(value), bottom}, {.stroke = colour::rule});
    drawing.text({x(value), bottom + 17}, ticks.text(value), {.size = 12, .anchor = Anchor::middle});
  }
  for (const auto& [value, name] : panel.marks) {
    drawing.line({x(value), panel_head - 8}, {x(value), bottom},
                 {.stroke = colour::series[0], .width = 1.6, .dash = "6 4"});
    drawing.text({x(value), panel_head - 13}, name,
                 {.size = 11, .anchor = Anchor::middle, .colour = colour::soft});
  }
  for (std::size_t i = 0; i < panel.bars.size(); ++i)
    draw_bar(drawing, panel.bars[i], x, panel.from, panel_head + row_height * (static_cast<double>(i) + 0.5),
             right);
  drawing.text({(x.begin + x.end) / 2, bottom + 36}, panel.axis,
               {.size = 12, .anchor = Anchor::middle, .colour = colour::soft});
}

// ---- labels at the ends of curves

struct EndLabel {
  double y = 0;
  std::string text;
  std::size_t look = 0;
};

/// Moves labels apart, keeping their order, inside top..bottom as far as they fit.
void spread(std::vector<EndLabel>& labels, double apart, double top, double bottom) {
  std::ranges::stable_sort(labels, {}, &EndLabel::y);
  double lowest = top;
  for (EndLabel& label : labels) lowest = (label.y = std::max(label.y, lowest)) + apart;
  double highest = bottom;
  for (std::size_t i = labels.size(); i-- > 0;) {
    labels[i].y = std::min(labels[i].y, highest);
    highest = labels[i].y - apart;
  }
}

void draw_bands(Drawing& drawing, const CurvePlot& plot, const Frame& frame, const Axis& x) {
  for (std::size_t i = 0; i < plot.bands.size(); ++i) {
    const Band& band = plot.bands[i];
    if (i > 0)
      drawing.line({x(band.from), frame.top - 20}, {x(band.from), frame.bottom}, {.stroke = colour::axis});
    drawing.text({(x(band.from) + x(band.to)) / 2, frame.top - 8}, band.label,
                 {.size = 13, .anchor = Anchor::middle, .bold = true});
  }
}

void draw_x_ticks(Drawing& drawing, const CurvePlot& plot, const Frame& frame, const Axis& x,
                  const Extent& extent) {
  const auto tick = [&](double value, std::string_view text) {
    drawing.line({x(value), frame.bottom}, {x(value), frame.bottom + 5}, {.stroke = colour::axis});
    drawing.text({x(value), frame.bottom + 20}, text, {.size = 12, .anchor = Anchor::middle});
  };
  for (const auto& [value, text] : plot.x_ticks) tick(value, text);
  if (!plot.x_ticks.empty() || extent.low > extent.high) return;
  const double step = std::max(1.0, tick_step(extent.high - extent.low + 1, 12));
  for (double value = std::ceil(extent.low); value <= extent.high; value += step)
    tick(value, svg::number(value));
}

// ---- principal components

std::string_view category_colour(std::string_view category) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> known{{
      {"polysulfide", colour::series[5]},
      {"SOy", colour::series[2]},
      {"POy", colour::series[1]},
      {"SE", colour::series[3]},
      {"CAM", colour::series[0]},
      {"coating", colour::series[4]},
  }};
  for (const auto& [name, ink] : known)
    if (name == category) return ink;
  return colour::axis;
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
  return sd ? fmt::format("{:.{}f} ± {:.{}f}", value, decimals, *sd, decimals)
            : fmt::format("{:.{}f}", value, decimals);
}

std::string bars(std::span<const BarPanel> panels, std::string_view title, std::string_view description) {
  const std::size_t columns = panels.size() > 1 ? 2 : 1, rows = (panels.size() + columns - 1) / columns;
  constexpr double top = 52;
  std::vector<double> row_tops{top};
  for (std::size_t row = 0; row < rows; ++row) {
    double tallest = 0;
    for (std::size_t i = row * columns; i < std::min(panels.size(), (row + 1) * columns); ++i)
      tallest = std::max(tallest, panel_height(panels[i]));
    row_tops.push_back(row_tops.back() + tallest);
  }
  Drawing drawing(panel_width * static_cast<double>(columns), row_tops.back() + 10, title, description);
  draw_title(drawing, title);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    drawing.open({panel_width * static_cast<double>(i % columns), row_tops[i / columns]},
                 svg::plain(panels[i].title));
    draw_panel(drawing, panels[i],
               panels.size() > 1 ? fmt::format("({})", static_cast<char>('a' + i % 26)) : std::string());
    drawing.close();
  }
  return std::move(drawing).take();
}

std::string curves(const CurvePlot& plot) {
  constexpr double width = 940, height = 480;
  double gutter = 40;
  Extent xs, ys;
  ys.add(0);
  for (const Curve& curve : plot.curves) {
    gutter = std::max(gutter, svg::text_width(curve.label, 12.5));
    for (const Point& p : curve.points) xs.add(p.x), ys.add(p.y);
  }
  for (const Band& band : plot.bands) xs.add(band.from), xs.add(band.to);
  const Frame frame{
      .left = 78, .right = width - 60 - std::min(gutter, 220.0), .top = 86, .bottom = height - 62};
  const Ticks ticks = ys.ticks(6);
  const bool any = xs.low <= xs.high;
  const double aside = plot.bands.empty() && !plot.logarithmic_x ? 0.04 * (xs.high - xs.low) : 0;
  Axis x{.from = any ? xs.low - aside : 0,
         .to = any ? xs.high + aside : 1,
         .begin = frame.left + (plot.logarithmic_x ? 20 : 0),
         .end = frame.right - (plot.logarithmic_x ? 20 : 0),
         .logarithmic = plot.logarithmic_x};
  if (!(x.to > x.from)) x.to = x.logarithmic ? 10 * x.from : x.from + 1;
  const Axis y{.from = ticks.from, .to = ticks.to, .begin = frame.bottom, .end = frame.top};

  Drawing drawing(width, height, plot.title, plot.description);
  draw_title(drawing, plot.title);
  draw_y_axis(drawing, frame, y, ticks, plot.y_axis);
  draw_bands(drawing, plot, frame, x);
  draw_x_ticks(drawing, plot, frame, x, xs);
  drawing.line({frame.left, frame.bottom}, {frame.right, frame.bottom},
               {.stroke = colour::axis, .width = 1.4});
  draw_x_name(drawing, frame, plot.x_axis);
  std::vector<EndLabel> labels;
  for (const Curve& curve : plot.curves) {
    if (curve.points.empty()) continue;
    const SeriesLook look = series_look(curve.look);
    std::vector<Point> points;
    for (const Point& p : curve.points) points.push_back({x(p.x), y(p.y)});
    drawing.open({0, 0}, curve.label);
    drawing.polyline(points, {.stroke = look.colour, .width = 1.8, .dash = look.dash});
    for (const Point& p : points) drawing.marker(p, look.marker, 4.5, marker_look(look, false));
    drawing.close();
    if (!curve.label.empty()) labels.push_back({points.back().y, curve.label, curve.look});
  }
  spread(labels, 18, frame.top, frame.bottom);
  for (const EndLabel& label : labels) {
    const SeriesLook look = series_look(label.look);
    drawing.marker({frame.right + 22, label.y}, look.marker, 4.5, marker_look(look, false));
    drawing.text({frame.right + 34, label.y + 4}, fitted(label.text, 12.5, 220), {.size = 12.5});
  }
  return std::move(drawing).take();
}

std::string score_plot(std::span<const Cloud> clouds, std::string_view x_axis, std::string_view y_axis,
                       std::string_view title) {
  constexpr double width = 900, height = 540;
  Extent xs, ys;
  double gutter = 40;
  for (const Cloud& cloud : clouds) {
    gutter = std::max(gutter, svg::text_width(cloud.label, 12.5));
    for (const Point& p : cloud.points) xs.add(p.x), ys.add(p.y);
  }
  const Frame frame{
      .left = 78, .right = width - 70 - std::min(gutter, 230.0), .top = 62, .bottom = height - 62};
  xs = xs.widened(0.06);
  ys = ys.widened(0.06);
  const Ticks x_ticks = xs.ticks(6), y_ticks = ys.ticks(6);
  const Axis x{.from = xs.low, .to = xs.high, .begin = frame.left, .end = frame.right},
      y{.from = ys.low, .to = ys.high, .begin = frame.bottom, .end = frame.top};
  Drawing drawing(
      width, height, title,
      fmt::format("Each marker is one measurement spot. Horizontal: {}; vertical: {}.", x_axis, y_axis));
  draw_title(drawing, title);
  draw_y_axis(drawing, frame, y, y_ticks, y_axis);
  for (const double value : x_ticks.values()) {
    if (!xs.holds(value)) continue;
    drawing.line({x(value), frame.top}, {x(value), frame.bottom}, {.stroke = colour::rule});
    drawing.text({x(value), frame.bottom + 20}, x_ticks.text(value), {.size = 12, .anchor = Anchor::middle});
  }
  draw_x_name(drawing, frame, x_axis);
  if (x.from < 0 && x.to > 0) drawing.line({x(0), frame.top}, {x(0), frame.bottom}, {.stroke = colour::axis});
  if (y.from < 0 && y.to > 0) drawing.line({frame.left, y(0)}, {frame.right, y(0)}, {.stroke = colour::axis});
  double below = frame.top + 8;
  for (const Cloud& cloud : clouds) {
    const SeriesLook look = series_look(cloud.look);
    drawing.open({0, 0}, cloud.label);
    for (const Point& p : cloud.points)
      drawing.marker({x(p.x), y(p.y)}, look.marker, 5, marker_look(look, cloud.hollow));
    drawing.close();
    drawing.marker({frame.right + 26, below}, look.marker, 5, marker_look(look, cloud.hollow));
    drawing.text({frame.right + 40, below + 4}, fitted(cloud.label, 12.5, 230), {.size = 12.5});
    below += 22;
  }
  return std::move(drawing).take();
}

std::string explained_variance(std::span<const double> shares, std::string_view title) {
  constexpr double height = 400, slot = 74;
  const double width = std::max(420.0, 102 + slot * static_cast<double>(shares.size()) + 24);
  const Frame frame{.left = 78, .right = width - 24, .top = 84, .bottom = height - 62};
  const Ticks ticks(0, 100, 5);
  const Axis y{.from = 0, .to = 100, .begin = frame.bottom, .end = frame.top};
  std::string words = "Share of the variance that each principal component explains, and their sum.";
  for (std::size_t i = 0; i < shares.size(); ++i)
    words += fmt::format(" PC{}: {:.1f} %.", i + 1, 100 * shares[i]);
  Drawing drawing(width, height, title, words);
  draw_title(drawing, title);
  draw_y_axis(drawing, frame, y, ticks, "Explained variance / %");
  std::vector<Point> sums;
  double sum = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double middle = frame.left + slot * (static_cast<double>(i) + 0.5) + 8, percent = 100 * shares[i];
    sum += percent;
    sums.push_back({middle, y(sum)});
    drawing.rectangle({middle - 22, y(percent)}, 44, frame.bottom - y(percent),
                      {.fill = colour::series[1], .opacity = 0.8});
    const bool inside = percent > 12;  // else the line of the sum would run through it
    drawing.text({middle, inside ? y(percent) + 20 : y(percent) - 6}, fmt::format("{:.1f}", percent),
                 {.size = 11.5, .anchor = Anchor::middle, .colour = inside ? colour::paper : colour::ink});
    drawing.text({middle, frame.bottom + 20}, fmt::format("PC{}", i + 1),
                 {.size = 12, .anchor = Anchor::middle});
  }
  drawing.polyline(sums, {.stroke = colour::series[2], .width = 1.8});
  for (const Point& p : sums) drawing.marker(p, svg::Marker::square, 4, {.fill = colour::series[2]});
  drawing.line({frame.left, frame.bottom}, {frame.right, frame.bottom},
               {.stroke = colour::axis, .width = 1.4});
  drawing.rectangle({frame.left, 52}, 12, 12, {.fill = colour::series[1], .opacity = 0.8});
  drawing.text({frame.left + 18, 62}, "each", {.size = 12});
  drawing.marker({frame.left + 72, 58}, svg::Marker::square, 4, {.fill = colour::series[2]});
  drawing.text({frame.left + 82, 62}, "sum so far", {.size = 12});
  draw_x_name(drawing, frame, "Principal component");
  return std::move(drawing).take();
}

std::string loadings(std::span<const Loading> values, std::string_view title) {
  constexpr double width = 760, row = 19, top = 84;
  const double bottom = top + row * static_cast<double>(values.size());
  Extent extent;
  extent.add(0);
  double gutter = 40;
  std::map<std::string, std::string_view> categories;
  for (const Loading& loading : values) {
    extent.add(loading.value);
    gutter = std::max(gutter, svg::text_width(loading.fragment, 12));
    categories.emplace(loading.category, category_colour(loading.category));
  }
  const Ticks ticks = extent.ticks(6);
  const Axis x{.from = ticks.from, .to = ticks.to, .begin = 34 + std::min(gutter, 160.0), .end = width - 24};
  Drawing drawing(width, bottom + 66, title,
                  "Loadings of fragments on a principal component, coloured by category.");
  draw_title(drawing, title);
  double along = 24;
  for (const auto& [name, ink] : categories) {
    drawing.rectangle({along, 52}, 12, 12, {.fill = ink});
    drawing.text({along + 18, 62}, name, {.size = 12});
    along += 18 + svg::text_width(name, 12) + 22;
  }
  for (const double value : ticks.values()) {
    drawing.line({x(value), top - 6}, {x(value), bottom + 4}, {.stroke = colour::rule});
    drawing.text({x(value), bottom + 22}, ticks.text(value), {.size = 12, .anchor = Anchor::middle});
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double middle = top + row * (static_cast<double>(i) + 0.5);
    const double begin = std::min(x(0), x(values[i].value)), end = std::max(x(0), x(values[i].value));
    drawing.rectangle({begin, middle - 6}, end - begin, 12, {.fill = category_colour(values[i].category)});
    drawing.text({x.begin - 8, middle + 4}, fitted(values[i].fragment, 12, 160),
                 {.size = 12, .anchor = Anchor::end});
  }
  drawing.line({x(0), top - 6}, {x(0), bottom + 4}, {.stroke = colour::axis, .width = 1.4});
  drawing.text({(x.begin + x.end) / 2, bottom + 46}, "Loading", {.size = 13, .anchor = Anchor::middle});
  return std::move(drawing).take();
}

}  // namespace cambench::plots
