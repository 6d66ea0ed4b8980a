// Principal component analysis: explained variance, scores of spots, loadings of fragments.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <tuple>

#include "analysis/chart.h"

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
using svg::Point;
namespace colour = svg::colour;

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

// ---- scores of spots

constexpr double cloud_label_room = 230;

/// The corners of the convex hull, by Andrew's monotone chain; points on a side are no corners.
std::vector<Point> hull(std::vector<Point> points) {
  std::ranges::sort(points,
                    [](const Point& a, const Point& b) { return std::tie(a.x, a.y) < std::tie(b.x, b.y); });
  std::vector<Point> corners;
  const auto turns_left = [&](const Point& next) {
    const Point &a = corners[corners.size() - 2], &b = corners.back();
    return (b.x - a.x) * (next.y - a.y) - (b.y - a.y) * (next.x - a.x) > 0;
  };
  const auto along = [&](auto&& side) {  // one side; its last point begins the other
    const auto first = corners.size();
    for (const Point& point : side) {
      while (corners.size() >= first + 2 && !turns_left(point)) corners.pop_back();
      corners.push_back(point);
    }
    if (!corners.empty()) corners.pop_back();
  };
  along(points);
  along(std::views::reverse(points));
  return corners;
}

/// The clouds' hulls, which show the clusters; then their markers, and their names beside the frame.
void draw_clouds(Drawing& drawing, std::span<const Cloud> clouds, const Frame& frame, const Axis& x,
                 const Axis& y) {
  double below = frame.top + 8;
  for (const Cloud& cloud : clouds) {
    std::vector<Point> points;
    for (const Point& p : cloud.points) points.push_back({x(p.x), y(p.y)});
    const auto around = hull(std::move(points));
    const auto ink = series_look(cloud.look).colour;
    if (around.size() > 2)
      drawing.polygon(around, {.fill = ink, .stroke = ink, .width = 0.8, .opacity = 0.12});
  }
  for (const Cloud& cloud : clouds) {
    const SeriesLook look = series_look(cloud.look);
    const svg::Look marker = marker_look(look, cloud.hollow);
    drawing.open({0, 0}, cloud.label);
    for (const Point& p : cloud.points) drawing.marker({x(p.x), y(p.y)}, look.marker, 5, marker);
    drawing.close();
    drawing.marker({frame.right + 26, below}, look.marker, 5, marker);
    drawing.text({frame.right + 40, below + 4}, fitted(cloud.label, 12.5, cloud_label_room), {.size = 12.5});
    below += 22;
  }
}

void draw_zero_lines(Drawing& drawing, const Frame& frame, const Axis& x, const Axis& y) {
  if (x.from < 0 && x.to > 0) drawing.line({x(0), frame.top}, {x(0), frame.bottom}, {.stroke = colour::axis});
  if (y.from < 0 && y.to > 0) drawing.line({frame.left, y(0)}, {frame.right, y(0)}, {.stroke = colour::axis});
}

// ---- explained variance

constexpr svg::Look share_look{.fill = colour::series[1], .opacity = 0.8},
    sum_look{.fill = colour::series[2]};

void draw_share(Drawing& drawing, double middle, double top, double bottom, double percent,
                std::size_t component) {
  drawing.rectangle({middle - 22, top}, 44, bottom - top, share_look);
  const bool inside = percent > 12;  // else the line of the sum would run through it
  drawing.text({middle, inside ? top + 20 : top - 6}, fmt::format("{:.1f}", percent),
               {.size = 11.5, .anchor = Anchor::middle, .colour = inside ? colour::paper : colour::ink});
  drawing.text({middle, bottom + 20}, fmt::format("PC{}", component), {.size = 12, .anchor = Anchor::middle});
}

void draw_variance_key(Drawing& drawing, double left) {
  drawing.rectangle({left, 52}, 12, 12, share_look);
  drawing.text({left + 18, 62}, "each", {.size = 12});
  drawing.marker({left + 72, 58}, svg::Marker::square, 4, sum_look);
  drawing.text({left + 82, 62}, "sum so far", {.size = 12});
}

// ---- loadings

void draw_category_key(Drawing& drawing, std::span<const Loading> values) {
  std::map<std::string, std::string_view> categories;
  for (const Loading& loading : values)
    categories.emplace(loading.category, category_colour(loading.category));
  double along = 24;
  for (const auto& [name, ink] : categories) {
    drawing.rectangle({along, 52}, 12, 12, {.fill = ink});
    const std::string shown = name == "SOy" ? "SO_{x}" : name == "POy" ? "PO_{x}" : name;  // as elsewhere
    drawing.text({along + 18, 62}, shown, {.size = 12});
    along += 18 + svg::text_width(shown, 12) + 22;
  }
}

void draw_loading(Drawing& drawing, const Loading& loading, const Axis& x, double middle) {
  const double begin = std::min(x(0), x(loading.value)), end = std::max(x(0), x(loading.value));
  drawing.rectangle({begin, middle - 6}, end - begin, 12, {.fill = category_colour(loading.category)});
  drawing.text({x.begin - 8, middle + 4}, fitted(loading.fragment, 12, 160),
               {.size = 12, .anchor = Anchor::end});
}

}  // namespace

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
      .left = 78, .right = width - 70 - std::min(gutter, cloud_label_room), .top = 62, .bottom = height - 62};
  xs = xs.widened(0.06);
  ys = ys.widened(0.06);
  const Axis x{.from = xs.low, .to = xs.high, .begin = frame.left, .end = frame.right},
      y{.from = ys.low, .to = ys.high, .begin = frame.bottom, .end = frame.top};
  Drawing drawing(
      width, height, title,
      fmt::format("Each marker is one measurement spot. Horizontal: {}; vertical: {}.", x_axis, y_axis));
  draw_title(drawing, title);
  draw_y_axis(drawing, frame, y, ys.ticks(6), y_axis);
  draw_x_rules(drawing, frame, x, xs.ticks(6));
  draw_x_name(drawing, frame, x_axis);
  draw_zero_lines(drawing, frame, x, y);
  draw_clouds(drawing, clouds, frame, x, y);
  return std::move(drawing).take();
}

std::string explained_variance(std::span<const double> shares, std::string_view title) {
  constexpr double height = 400, slot = 74;
  const double width = std::max(420.0, 102 + slot * static_cast<double>(shares.size()) + 24);
  const Frame frame{.left = 78, .right = width - 24, .top = 84, .bottom = height - 62};
  const Axis y{.from = 0, .to = 100, .begin = frame.bottom, .end = frame.top};
  std::string words = "Share of the variance that each principal component explains, and their sum.";
  for (std::size_t i = 0; i < shares.size(); ++i)
    words += fmt::format(" PC{}: {:.1f} %.", i + 1, 100 * shares[i]);
  Drawing drawing(width, height, title, words);
  draw_title(drawing, title);
  draw_y_axis(drawing, frame, y, Ticks(0, 100, 5), "Explained variance / %");
  std::vector<Point> sums;
  double sum = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double middle = frame.left + slot * (static_cast<double>(i) + 0.5) + 8, percent = 100 * shares[i];
    sums.push_back({middle, y(sum += percent)});
    draw_share(drawing, middle, y(percent), frame.bottom, percent, i + 1);
  }
  drawing.polyline(sums, {.stroke = sum_look.fill, .width = 1.8});
  for (const Point& p : sums) drawing.marker(p, svg::Marker::square, 4, sum_look);
  drawing.line({frame.left, frame.bottom}, {frame.right, frame.bottom},
               {.stroke = colour::axis, .width = 1.4});
  draw_variance_key(drawing, frame.left);
  draw_x_name(drawing, frame, "Principal component");
  return std::move(drawing).take();
}

std::string loadings(std::span<const Loading> values, std::string_view title) {
  constexpr double width = 760, row = 19, first_row = 84;
  Extent extent;
  extent.add(0);
  double gutter = 40;
  for (const Loading& loading : values) {
    extent.add(loading.value);
    gutter = std::max(gutter, svg::text_width(loading.fragment, 12));
  }
  const Ticks ticks = extent.ticks(6);
  const double last_row = first_row + row * static_cast<double>(values.size());
  const Frame frame{.left = 34 + std::min(gutter, 160.0),
                    .right = width - 24,
                    .top = first_row - 6,
                    .bottom = last_row + 4};
  const Axis x{.from = ticks.from, .to = ticks.to, .begin = frame.left, .end = frame.right};
  Drawing drawing(width, frame.bottom + 62, title,
                  "Loadings of fragments on a principal component, coloured by category.");
  draw_title(drawing, title);
  draw_category_key(drawing, values);
  draw_x_rules(drawing, frame, x, ticks);
  for (std::size_t i = 0; i < values.size(); ++i)
    draw_loading(drawing, values[i], x, first_row + row * (static_cast<double>(i) + 0.5));
  drawing.line({x(0), frame.top}, {x(0), frame.bottom}, {.stroke = colour::axis, .width = 1.4});
  draw_x_name(drawing, frame, "Loading");
  return std::move(drawing).take();
}

}  // namespace cambench::plots
