// Scores and intensities as horizontal bars and boxes, one panel a score.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/chart.h"

namespace cambench::plots {

namespace {

using svg::Anchor;
using svg::Drawing;
using svg::Look;
using svg::Point;
namespace colour = svg::colour;

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
    if (bar.interval) extent.add(bar.interval->first), extent.add(bar.interval->second);
    if (bar.box) extent.add(bar.box->min), extent.add(bar.box->max);
  }
  return extent.widened(0.04);
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
  if (bar.interval)
    drawing.line({x(bar.interval->first), middle}, {x(bar.interval->second), middle},
                 {.stroke = colour::ink, .width = 5});
  if (bar.sd && !box) draw_whiskers(drawing, x(*bar.value - *bar.sd), x(*bar.value + *bar.sd), middle, 1.6);
  drawing.text({right, middle + 4}, score_text(*bar.value, bar.sd), {.size = 12, .anchor = Anchor::end});
}

/// "(a)", after "(z)" comes "(aa)".
std::string letter_of(std::size_t i) {
  const auto letter = [](std::size_t n) { return static_cast<char>('a' + n % 26); };
  return i < 26 ? fmt::format("({})", letter(i)) : fmt::format("({}{})", letter(i / 26 - 1), letter(i));
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

}  // namespace

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
    draw_panel(drawing, panels[i], panels.size() > 1 ? letter_of(i) : std::string());
    drawing.close();
  }
  return std::move(drawing).take();
}

}  // namespace cambench::plots
