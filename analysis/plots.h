// The figures of Hertle et al. as SVG: scores as bars (Figs. 11, 12, 14), rate tests (Fig. 13), explained variance, PCA
// scores and loadings (Figs. 6 to 10); radar charts are in radar.h. They know nothing of studies: values and labels in,
// SVG text out, the same bytes for the same values. `title` may hold lowered letters: "QS_{0}".
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/svg.h"

namespace cambench::plots {

/// Colour, dash and marker of the n-th series; 0 is for the uncoated one.
struct SeriesLook {
  std::string_view colour, dash;
  svg::Marker marker = svg::Marker::circle;
};
[[nodiscard]] SeriesLook series_look(std::size_t n);

/// "1.04", "1.04 ± 0.06"; three decimals where two would round the spread away.
[[nodiscard]] std::string score_text(double value, const std::optional<double>& sd);
[[nodiscard]] int score_decimals(const std::optional<double>& sd);

// ---- scores as bars

struct Box {
  double min = 0, q1 = 0, q3 = 0, max = 0;
};
struct Bar {
  std::string label;
  std::optional<double> value, sd;
  std::vector<double> points;  ///< spots or cells behind the value
  std::string why_not;         ///< printed in place of a bar without value
  std::size_t look = 0;
  bool hollow = false;     ///< uncycled
  std::optional<Box> box;  ///< drawn in place of a bar, with a line at the value, which is the median
  std::optional<std::pair<double, double>> interval;  ///< of confidence, a thick line
};
struct BarPanel {
  std::string title, axis;
  double from = 0;                                    ///< where bars begin
  std::vector<std::pair<double, std::string>> marks;  ///< lines to compare with: {1, "uncoated"}
  std::vector<Bar> bars;
};
[[nodiscard]] std::string bars(std::span<const BarPanel> panels, std::string_view title,
                               std::string_view description);

// ---- ratios with their intervals

struct Ratio {
  std::string label;
  double value = 1, low = 1, high = 1;  ///< above 0
};
/// One line each, as given, over a logarithmic axis; those whose interval does not hold 1 are coloured.
[[nodiscard]] std::string ratios(std::span<const Ratio> ratios, std::string_view title,
                                 std::string_view description, std::string_view axis);

// ---- curves over cycle number or rate

struct Curve {
  std::string label;  ///< written at its end; empty for a replicate
  std::vector<svg::Point> points;
  std::size_t look = 0;
};
struct Band {  ///< a stretch of the x axis with a name: the cycles of one rate
  double from = 0, to = 0;
  std::string label;
};
struct CurvePlot {
  std::string title, description, x_axis, y_axis;
  std::vector<Curve> curves;
  std::vector<Band> bands;
  std::vector<std::pair<double, std::string>> x_ticks;  ///< empty: whole numbers
  bool logarithmic_x = false;
};
[[nodiscard]] std::string curves(const CurvePlot& plot);

// ---- principal component analysis

struct Cloud {  ///< the spots of one sample
  std::string label;
  std::vector<svg::Point> points;
  std::size_t look = 0;
  bool hollow = false;  ///< uncycled
};
[[nodiscard]] std::string score_plot(std::span<const Cloud> clouds, std::string_view x_axis,
                                     std::string_view y_axis, std::string_view title);
/// Shares of the variance, with their sum as a line.
[[nodiscard]] std::string explained_variance(std::span<const double> shares, std::string_view title);

struct Loading {
  std::string fragment, category;
  double value = 0;
};
/// Sorted as given; one colour a category.
[[nodiscard]] std::string loadings(std::span<const Loading> values, std::string_view title);

}  // namespace cambench::plots
