// Rate tests: capacity by cycle, overpotential by rate.
#include <algorithm>

#include "analysis/chart.h"

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
using svg::Point;
namespace colour = svg::colour;

constexpr double width = 940, height = 480, label_size = 12.5, label_room = 220;

/// Where everything of one plot stands.
struct CurveFrame {
  Frame frame;
  Extent xs;
  Ticks y_ticks{0, 1, 1};
  Axis x, y;
};

Axis x_axis(const CurvePlot& plot, const Extent& xs, const Frame& frame) {
  const double inset = plot.logarithmic_x ? 20 : 0;  // no margin can be taken in values there
  Axis x{.begin = frame.left + inset, .end = frame.right - inset, .logarithmic = plot.logarithmic_x};
  if (xs.low > xs.high) return x;
  const double margin = plot.bands.empty() && !plot.logarithmic_x ? 0.04 * (xs.high - xs.low) : 0;
  x.from = xs.low - margin;
  x.to = xs.high + margin;
  if (!(x.to > x.from)) x.to = x.logarithmic ? 10 * x.from : x.from + 1;
  return x;
}

CurveFrame frame_of(const CurvePlot& plot) {
  double gutter = 40;
  CurveFrame out;
  Extent ys;
  ys.add(0);
  for (const Curve& curve : plot.curves) {
    gutter = std::max(gutter, svg::text_width(curve.label, label_size));
    for (const Point& p : curve.points) out.xs.add(p.x), ys.add(p.y);
  }
  for (const Band& band : plot.bands) out.xs.add(band.from), out.xs.add(band.to);
  out.frame = {
      .left = 78, .right = width - 60 - std::min(gutter, label_room), .top = 86, .bottom = height - 62};
  out.y_ticks = ys.ticks(6);
  out.x = x_axis(plot, out.xs, out.frame);
  out.y = {.from = out.y_ticks.from, .to = out.y_ticks.to, .begin = out.frame.bottom, .end = out.frame.top};
  return out;
}

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

void draw_curve(Drawing& drawing, const Curve& curve, const std::vector<Point>& points) {
  const SeriesLook look = series_look(curve.look);
  drawing.open({0, 0}, curve.label);
  drawing.polyline(points, {.stroke = look.colour, .width = 1.8, .dash = look.dash});
  for (const Point& p : points) drawing.marker(p, look.marker, 4.5, marker_look(look, false));
  drawing.close();
}

void draw_end_labels(Drawing& drawing, std::vector<EndLabel> labels, const Frame& frame) {
  spread(labels, 18, frame.top, frame.bottom);
  for (const EndLabel& label : labels) {
    const SeriesLook look = series_look(label.look);
    drawing.marker({frame.right + 22, label.y}, look.marker, 4.5, marker_look(look, false));
    drawing.text({frame.right + 34, label.y + 4}, fitted(label.text, label_size, label_room),
                 {.size = label_size});
  }
}

}  // namespace

std::string curves(const CurvePlot& plot) {
  const auto [frame, xs, y_ticks, x, y] = frame_of(plot);
  Drawing drawing(width, height, plot.title, plot.description);
  draw_title(drawing, plot.title);
  draw_y_axis(drawing, frame, y, y_ticks, plot.y_axis);
  draw_bands(drawing, plot, frame, x);
  draw_x_ticks(drawing, plot, frame, x, xs);
  drawing.line({frame.left, frame.bottom}, {frame.right, frame.bottom},
               {.stroke = colour::axis, .width = 1.4});
  draw_x_name(drawing, frame, plot.x_axis);
  std::vector<EndLabel> labels;
  for (const Curve& curve : plot.curves) {
    if (curve.points.empty()) continue;
    std::vector<Point> points;
    for (const Point& p : curve.points) points.push_back({x(p.x), y(p.y)});
    draw_curve(drawing, curve, points);
    if (!curve.label.empty()) labels.push_back({points.back().y, curve.label, curve.look});
  }
  draw_end_labels(drawing, std::move(labels), frame);
  return std::move(drawing).take();
}

}  // namespace cambench::plots
