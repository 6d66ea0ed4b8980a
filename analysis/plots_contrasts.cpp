// Contrasts between two parts of an image: one line a fragment, with its interval, on a logarithmic scale.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/chart.h"

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
namespace colour = svg::colour;

constexpr double width = 760, top = 84, row_height = 19, foot = 52, numbers = 130;

/// 1, 2 and 5 times powers of ten that lie within.
std::vector<double> round_ratios(const Extent& extent) {
  std::vector<double> values;
  for (double decade = std::pow(10, std::floor(std::log10(extent.low))); decade <= extent.high; decade *= 10)
    for (const double step : {1.0, 2.0, 5.0})
      if (extent.holds(step * decade)) values.push_back(step * decade);
  return values;
}

Extent ratio_extent(std::span<const Ratio> ratios) {
  Extent logarithms;
  for (const double always : {0.5, 2.0}) logarithms.add(std::log10(always));
  for (const Ratio& ratio : ratios)
    for (const double value : {ratio.value, ratio.low, ratio.high}) logarithms.add(std::log10(value));
  const Extent widened = logarithms.widened(0.04);
  return {std::pow(10, widened.low), std::pow(10, widened.high)};
}

void draw_row(Drawing& drawing, const Ratio& ratio, const Axis& x, double middle) {
  const bool clear = ratio.low > 1 || ratio.high < 1;
  const auto look = ratio.value > 1 ? colour::series[2] : colour::series[1];
  const auto ink = clear ? look : colour::axis;
  drawing.text({x.begin - 10, middle + 4}, fitted(ratio.label, 12, x.begin - 24),
               {.size = 12, .anchor = Anchor::end});
  drawing.line({x(ratio.low), middle}, {x(ratio.high), middle}, {.stroke = ink, .width = 2});
  drawing.circle({x(ratio.value), middle}, 4,
                 {.fill = clear ? ink : colour::paper, .stroke = ink, .width = 1.5});
  drawing.text({width - 24, middle + 4},
               fmt::format("{:.2f}  [{:.2f}, {:.2f}]", ratio.value, ratio.low, ratio.high),
               {.size = 11, .anchor = Anchor::end, .colour = clear ? colour::ink : colour::soft});
}

}  // namespace

std::string ratios(std::span<const Ratio> ratios, std::string_view title, std::string_view description,
                   std::string_view axis) {
  double gutter = 50;
  for (const Ratio& ratio : ratios) gutter = std::max(gutter, svg::text_width(ratio.label, 12));
  const double bottom = top + row_height * static_cast<double>(ratios.size());
  const Extent extent = ratio_extent(ratios);
  const Axis x{.from = extent.low,
               .to = extent.high,
               .begin = 24 + std::min(gutter, 160.0) + 10,
               .end = width - 24 - numbers,
               .logarithmic = true};

  Drawing drawing(width, bottom + foot, title, description);
  draw_title(drawing, title);
  for (const double value : round_ratios(extent)) {
    const bool equal = std::abs(value - 1) < 1e-9;
    drawing.line({x(value), top - 8}, {x(value), bottom},
                 {.stroke = equal ? colour::series[0] : colour::rule,
                  .width = equal ? 1.6 : 1.0,
                  .dash = equal ? "6 4" : ""});
    drawing.text({x(value), bottom + 17}, svg::number(value, 4), {.size = 12, .anchor = Anchor::middle});
  }
  drawing.text({x(1) - 8, top - 16}, "◀ less inside",
               {.size = 11, .anchor = Anchor::end, .colour = colour::soft});
  drawing.text({x(1) + 8, top - 16}, "more inside ▶", {.size = 11, .colour = colour::soft});
  for (std::size_t i = 0; i < ratios.size(); ++i)
    draw_row(drawing, ratios[i], x, top + row_height * (static_cast<double>(i) + 0.5));
  drawing.text({(x.begin + x.end) / 2, bottom + 40}, axis,
               {.size = 12, .anchor = Anchor::middle, .colour = colour::soft});
  return std::move(drawing).take();
}

}  // namespace cambench::plots
