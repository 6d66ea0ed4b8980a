// Radar charts (Hertle et al., Fig. 15): one a material, and all of a study on one page.
//
// The paper calls the scaling of its charts arbitrary. Here, for each axis, r = 0.5 + 0.5 d / span from centre 0 to rim 1,
// clipped, where d = value - 1 if more is better, else 1 - value. So the uncoated sample is the regular polygon at 0.5
// and outside is always better. The mapping is printed in every chart; a clipped value has a hollow marker; a missing
// one is left out, and the line is not drawn through the centre in its place. There is no area: it would depend on the
// order of the axes.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::plots {

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
};
[[nodiscard]] std::string radar(const Radar& chart);
/// All of them on one page, lettered (a), (b), ... in the order given.
[[nodiscard]] std::string radar_panel(std::span<const Radar> charts, std::string_view title);
/// The mapping in words, as printed below the charts: one line for axes that share it.
[[nodiscard]] std::vector<std::string> radar_mapping(std::span<const RadarAxis> axes);

}  // namespace cambench::plots
