// The figures of Hertle et al. as SVG: radar charts (Fig. 15), scores as bars (Figs. 11, 12, 14), rate tests (Fig. 13),
// explained variance, PCA scores and loadings (Figs. 6 to 10). They know nothing of studies: values and labels in,
// SVG text out, the same bytes for the same values.
//
// Radar: the paper calls its scaling arbitrary. Here, per axis, r = 0.5 + 0.5 d / span, clipped to 0..1, where
// d = value - 1 if more is better, else 1 - value. So the uncoated sample is the regular polygon at 0.5 and outside is
// always better. The mapping is printed in every radar chart.
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

// ---- radar charts

struct RadarAxis {
  std::string label;
  bool higher_is_better = true;
  double span = 1;  ///< d that leads from 0.5 to the rim
  /// Where a value stands between centre 0 and rim 1; outside of that before clipping.
  [[nodiscard]] double place(double value) const;
};

struct RadarValue {
  std::optional<double> value, sd;
};

struct Radar {
  std::string title, subtitle;     ///< "NCM LiNbO3", "1 wt% LiNbO3"
  std::vector<RadarAxis> axes;     ///< first at 12 o'clock, then clockwise
  std::vector<RadarValue> values;  ///< one an axis; one without value is left out
  std::size_t look = 0;
  bool reference = false;  ///< this is the uncoated sample itself
};
[[nodiscard]] std::string radar(const Radar& chart);
/// All of them on one page, lettered (a), (b), ... in the order given.
[[nodiscard]] std::string radar_panel(std::span<const Radar> charts, std::string_view title);
/// The mapping in words, as printed below the charts: one line for axes that share it.
[[nodiscard]] std::vector<std::string> radar_mapping(std::span<const RadarAxis> axes);

// ---- scores as bars

struct Bar {
  std::string label;
  std::optional<double> value, sd;
  std::vector<double> points;  ///< spots or cells behind the value
  std::string why_not;         ///< printed in place of a bar without value
  std::size_t look = 0;
};
struct BarPanel {
  std::string title, axis;
  std::vector<std::pair<double, std::string>> marks;  ///< lines to compare with: {1, "uncoated"}
  std::vector<Bar> bars;
};
[[nodiscard]] std::string bars(std::span<const BarPanel> panels, std::string_view title,
                               std::string_view description);

// ---- curves over cycle number or rate

struct Curve {
  std::string label;
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
