#include "analysis/study_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "analysis/plots.h"
#include "analysis/statistics.h"
#include "analysis/svg.h"
#include "schema/sha256.h"

namespace cambench::study {

namespace {

/// The uncoated material is series 0, the others count from 1 in their order.
std::size_t look_of(const StudyResult& result, std::string_view material) {
  std::size_t next = 1;
  for (const Material& m : result.input.materials) {
    const std::size_t look = m.reference ? 0 : next++;
    if (m.id == material) return look;
  }
  return next;
}

const status::Score& score_at(const status::ScoredMaterial& material, std::string_view key) {
  return *std::ranges::find(material.scores, key, &status::Score::axis);
}

// ---- radar

plots::Radar radar_of(const StudyResult& result, const status::ScoredMaterial& material) {
  plots::Radar radar{.title = material.name,
                     .subtitle = coating_of(material),
                     .axes = radar_axes(result),
                     .values = {},
                     .look = look_of(result, material.id)};
  for (const AxisOption& axis : result.options.radar) {
    const status::Score& score = score_at(material, axis.key);
    radar.values.push_back({score.value, score.sd});
  }
  return radar;
}

Figure radar_panel_figure(const StudyResult& result) {
  std::vector<plots::Radar> charts;
  for (const auto& material : result.materials) charts.push_back(radar_of(result, material));
  return {"radar.svg",
          "Radar charts. Outside is better; the dashed polygon is the uncoated, cycled sample. A hollow "
          "marker is a value "
          "beyond the scale, drawn at its end. Short lines along the axes are standard deviations.",
          plots::radar_panel(charts, result.input.title)};
}

// ---- bars

plots::BarPanel degradation_panel(const StudyResult& result, const sims::ScoreSet& set) {
  const std::string key = "DS_" + set.category;
  plots::BarPanel panel{.title = set.category == "general" ? std::string("General degradation") : symbol(key),
                        .axis = "Degradation score, lower is better",
                        .marks = {{0, "uncycled"}, {1, "uncoated, cycled"}},
                        .bars = {}};
  const auto bar = [&](const std::string& material, sims::State state) {
    const bool uncycled = state == sims::State::uncycled;
    plots::Bar out{.label = name_of(result, material) + (uncycled ? ", uncycled" : ""),
                   .look = look_of(result, material),
                   .hollow = uncycled};
    const auto sample = std::ranges::find_if(
        set.samples, [&](const sims::SampleScore& s) { return s.material == material && s.state == state; });
    if (sample == set.samples.end()) {
      out.why_not = "not measured";
    } else {
      out.value = sample->score;
      out.sd = sample->sd;
      if (const auto interval = uncycled ? std::nullopt : interval_of(result, material, key))
        out.interval = {interval->low, interval->high};
      out.points = sample->spot_scores;
      out.why_not = set.undefined;
    }
    return out;
  };
  for (const Material& material : result.input.materials) {
    if (material.reference) panel.bars.push_back(bar(material.id, sims::State::uncycled));
    panel.bars.push_back(bar(material.id, sims::State::cycled));
  }
  return panel;
}

Figure degradation_figure(const StudyResult& result) {
  std::vector<plots::BarPanel> panels;
  for (const sims::ScoreSet& set : result.input.degradation->sets)
    panels.push_back(degradation_panel(result, set));
  const std::string caption =
      "Degradation scores by eq. 1: 0 is the uncycled, 1 the uncoated cycled sample. Small circles are "
      "single spots, "
      "whiskers their standard deviation (n - 1)" +
      std::string(result.bootstrap ? fmt::format(", thick lines the {:g} % confidence interval of the score.",
                                                 100 * result.bootstrap->options.confidence)
                                   : ".");
  return {"degradation.svg", caption, plots::bars(panels, "Degradation scores", caption)};
}

Figure performance_figure(const StudyResult& result) {
  std::vector<plots::BarPanel> panels;
  for (const std::string key : {"QS_0", "QS_ret"}) {
    const auto axis = std::ranges::find(result.axes, key, &status::Axis::key);
    plots::BarPanel panel{.title = fmt::format("{}: {}", symbol(key), axis->label),
                          .axis = "Relative to uncoated, higher is better",
                          .from = 1,
                          .marks = {{1, "uncoated"}},
                          .bars = {}};
    for (std::size_t i = 0; i < result.materials.size(); ++i) {
      const status::ScoredMaterial& material = result.materials[i];
      const status::Score& score = score_at(material, key);
      const auto& cells = result.cells.materials[i];
      panel.bars.push_back({.label = material.name,
                            .value = score.value,
                            .sd = score.sd,
                            .points = (key == "QS_0" ? cells.initial : cells.retention).cells,
                            .why_not = score.why_not,
                            .look = look_of(result, material.id)});
    }
    panels.push_back(std::move(panel));
  }
  const std::string caption =
      "Scores of the rate tests, as bars from 1, the uncoated sample. Small circles are single cells.";
  return {"performance.svg", caption,
          plots::bars(panels, "Initial capacity and capacity retention", caption)};
}

// ---- curves

/// The bands of a protocol, from the first cell that was scored.
std::vector<plots::Band> bands_of(const StudyResult& result) {
  std::vector<plots::Band> bands;
  const auto cell =
      std::ranges::find_if(result.cells.cells, [](const auto& c) { return c.undefined.empty(); });
  if (cell == result.cells.cells.end()) return bands;
  for (const rate::RatePoint& rate : cell->rates)
    bands.push_back({static_cast<double>(rate.cycles.front().cycle) - 0.5,
                     static_cast<double>(rate.cycles.back().cycle) + 0.5, fmt::format("{} C", rate.rate_C)});
  return bands;
}

/// One curve a cell; the first of a material carries its name.
template <typename Add>
std::vector<plots::Curve> curves_of(const StudyResult& result, Add add) {
  std::vector<plots::Curve> curves;
  for (const Material& material : result.input.materials) {
    bool named = false;
    for (const rate::CellValues& cell : result.cells.cells) {
      if (cell.test.material != material.id || !cell.undefined.empty()) continue;
      plots::Curve curve{
          .label = named ? "" : material.name, .points = {}, .look = look_of(result, material.id)};
      for (const rate::RatePoint& rate : cell.rates) add(curve.points, rate);
      named = named || !curve.points.empty();
      if (!curve.points.empty()) curves.push_back(std::move(curve));
    }
  }
  return curves;
}

Figure capacity_figure(const StudyResult& result) {
  const std::string caption =
      "Discharge capacities of the rate tests, per gram of active material. One line a cell.";
  plots::CurvePlot plot{.title = "Rate tests",
                        .description = caption,
                        .x_axis = "Cycle",
                        .y_axis = "Discharge capacity / mAh g⁻¹"};
  plot.bands = bands_of(result);
  plot.curves = curves_of(result, [](std::vector<svg::Point>& points, const rate::RatePoint& rate) {
    for (const rate::CycleValues& cycle : rate.cycles)
      if (cycle.discharge_mAh_g) points.push_back({static_cast<double>(cycle.cycle), *cycle.discharge_mAh_g});
  });
  return {"capacity.svg", caption, plots::curves(plot)};
}

Figure overpotential_figure(const StudyResult& result) {
  const auto settings = rate::describe(result.options.cells);
  const auto rule = std::ranges::find(settings, "overpotential", &Setting::name);
  const std::string caption = fmt::format("Overpotential by rate: {}, {} cycle of each rate.", rule->value,
                                          to_string(result.options.cells.overpotential_cycle));
  plots::CurvePlot plot{.title = "Overpotential of the cathode",
                        .description = caption,
                        .x_axis = "Rate",
                        .y_axis = "Overpotential / mV"};
  plot.logarithmic_x = true;
  std::vector<double> rates;
  plot.curves = curves_of(result, [&](std::vector<svg::Point>& points, const rate::RatePoint& rate) {
    const bool again =
        !points.empty() && rate.rate_C <= points.back().x;  // back at a slow rate: not on this curve
    if (!rate.overpotential_V || again) return;
    points.push_back({rate.rate_C, *rate.overpotential_V * 1e3});
    if (std::ranges::find(rates, rate.rate_C) == rates.end()) rates.push_back(rate.rate_C);
  });
  for (const double rate : rates) plot.x_ticks.emplace_back(rate, fmt::format("{} C", rate));
  if (plot.curves.empty()) return {};
  return {"overpotential.svg", caption, plots::curves(plot)};
}

// ---- principal components

std::string percent_axis(const sims::Pca& pca, std::size_t component) {
  return fmt::format("PC{} ({:.1f} % of the variance)", component + 1, 100 * pca.explained[component]);
}

Figure score_figure(const StudyResult& result, const sims::DegradationResult& degradation) {
  std::vector<plots::Cloud> clouds;
  for (const Material& material : result.input.materials)
    for (const sims::State state : {sims::State::uncycled, sims::State::cycled}) {
      const bool uncycled = state == sims::State::uncycled;
      plots::Cloud cloud{.label = material.name + (uncycled ? ", uncycled" : ""),
                         .points = {},
                         .look = look_of(result, material.id),
                         .hollow = uncycled};
      for (std::size_t row = 0; row < degradation.pca_spots.size(); ++row)
        if (degradation.pca_spots[row].material == material.id && degradation.pca_spots[row].state == state)
          cloud.points.push_back({degradation.pca.scores(row, 0), degradation.pca.scores(row, 1)});
      if (!cloud.points.empty()) clouds.push_back(std::move(cloud));
    }
  return {
      "pca_scores.svg",
      "Scores on the first two principal components. Each marker is a spot, each shade the hull of a sample.",
      plots::score_plot(clouds, percent_axis(degradation.pca, 0), percent_axis(degradation.pca, 1),
                        "Principal component scores")};
}

Figure loading_figure(const sims::DegradationResult& degradation) {
  constexpr std::size_t most = 28;
  std::vector<plots::Loading> all;
  for (std::size_t f = 0; f < degradation.fragments.size(); ++f)
    all.push_back({formula(degradation.fragments[f].label), degradation.fragments[f].category,
                   degradation.pca.loadings(0, f)});
  std::ranges::stable_sort(
      all, [](const auto& a, const auto& b) { return std::abs(a.value) > std::abs(b.value); });
  const std::size_t shown = std::min(most, all.size());
  const std::string caption =
      shown < all.size()
          ? fmt::format("The {} largest of {} loadings on PC1, by size and sign.", shown, all.size())
          : std::string("All loadings on PC1.");
  all.resize(shown);
  std::ranges::stable_sort(all, std::ranges::greater{}, &plots::Loading::value);
  return {"pca_loadings.svg", caption, plots::loadings(all, "Loadings on PC1")};
}

// ---- intensities

/// The two fragments of each category that tell most of degradation, by their loading on PC1.
std::vector<std::size_t> telling_fragments(const sims::DegradationResult& degradation) {
  std::vector<std::size_t> chosen;
  if (degradation.pca.explained.empty()) return chosen;
  for (const std::string& category : degradation.options.categories) {
    std::vector<std::size_t> of_category;
    for (std::size_t f = 0; f < degradation.fragments.size(); ++f)
      if (degradation.fragments[f].category == category) of_category.push_back(f);
    std::ranges::stable_sort(of_category, std::ranges::greater{},
                             [&](std::size_t f) { return std::abs(degradation.pca.loadings(0, f)); });
    of_category.resize(std::min<std::size_t>(of_category.size(), 2));
    chosen.insert(chosen.end(), of_category.begin(), of_category.end());
  }
  return chosen;
}

/// What the boxes of one fragment are drawn over: its mean in the uncoated, cycled sample, or where that has none, a
/// thousandth, millionth, ... of the normalised intensity.
struct IntensityScale {
  double unit = 1;
  std::string axis;
  double uncoated = 1;  ///< where the uncoated, cycled sample lies on it
};

IntensityScale intensity_scale(double uncoated, double most) {
  if (uncoated > 0) return {uncoated, "Normalised intensity over the mean of uncoated, cycled", 1};
  int thousands = 0;
  for (double reach = most; reach < 1; reach *= 1000) ++thousands;
  constexpr std::array<std::string_view, 5> units{"", " / 10⁻³", " / 10⁻⁶", " / 10⁻⁹", " / 10⁻¹²"};
  const auto unit = std::min<std::size_t>(static_cast<std::size_t>(thousands), units.size() - 1);
  return {std::pow(1e-3, static_cast<double>(unit)), fmt::format("Normalised intensity{}", units[unit]), 0};
}

/// One fragment in every sample; without bars where every spot is zero.
plots::BarPanel intensity_panel(const StudyResult& result, const std::string& fragment,
                                std::string_view category) {
  const sims::SpotTable& table = *result.input.spots;
  const auto column = static_cast<std::size_t>(
      std::ranges::find(table.fragments, fragment, &sims::Fragment::label) - table.fragments.begin());
  const auto samples = sims::rows_by_sample(table);
  double most = 0;
  for (std::size_t row = 0; row < table.spots.size(); ++row) most = std::max(most, table.values(row, column));
  const auto values_of = [&](const sims::Sample& sample) {
    std::vector<double> values;
    if (const auto rows = samples.find(sample); rows != samples.end())
      for (const std::size_t row : rows->second) values.push_back(table.values(row, column));
    return values;
  };
  const auto uncoated =
      sims::statistics_of(values_of({result.options.cells.reference, sims::State::cycled})).mean;
  plots::BarPanel panel{
      .title = fmt::format("{} ({})", formula(fragment), symbol(fmt::format("DS_{}", category))),
      .axis = {},
      .marks = {},
      .bars = {}};
  if (most <= 0) return panel;
  const auto scale = intensity_scale(uncoated, most);
  panel.axis = scale.axis;
  panel.marks = {{scale.uncoated, "uncoated, cycled"}};
  for (const Material& material : result.input.materials)
    for (const sims::State state : {sims::State::uncycled, sims::State::cycled}) {
      std::vector<double> values = values_of({material.id, state});
      if (values.empty()) continue;
      for (double& value : values) value /= scale.unit;
      const auto s = sims::statistics_of(values);
      panel.bars.push_back({.label = material.name + (state == sims::State::uncycled ? ", uncycled" : ""),
                            .value = s.median,
                            .points = values,
                            .look = look_of(result, material.id),
                            .hollow = state == sims::State::uncycled,
                            .box = plots::Box{s.min, s.q1, s.q3, s.max}});
    }
  return panel;
}

/// How to read boxes; of which some may be drawn over the intensity itself.
std::string boxes_caption(const std::vector<plots::BarPanel>& panels) {
  const bool plain = std::ranges::any_of(
      panels, [](const plots::BarPanel& panel) { return panel.marks.front().first == 0; });
  return fmt::format(
      "Boxes: quartiles (type 7) with the median; whiskers: smallest and largest spot; small circles: spots. "
      "The number is the median.{}",
      plain ? " The axis is the normalised intensity itself where uncoated, cycled has none of a fragment."
            : "");
}

Figure intensity_figure(const StudyResult& result) {
  const sims::DegradationResult& degradation = *result.input.degradation;
  std::vector<plots::BarPanel> panels;
  for (const std::size_t f : telling_fragments(degradation))
    panels.push_back(
        intensity_panel(result, degradation.fragments[f].label, degradation.fragments[f].category));
  if (panels.empty()) return {};
  const auto caption = fmt::format("The two fragments of each category with the largest loadings on PC1. {}",
                                   boxes_caption(panels));
  return {"fragments.svg", caption, plots::bars(panels, "Intensities of telling fragments", caption)};
}

}  // namespace

std::string name_of(const StudyResult& result, std::string_view material) {
  const auto found = std::ranges::find(result.input.materials, material, &Material::id);
  return found == result.input.materials.end() ? std::string(material) : found->name;
}

std::string file_part(std::string_view text) {
  std::string part(text);
  bool lost = false;
  for (char& c : part) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '_') continue;
    c = '_';
    lost = true;
  }
  return lost ? part + '_' + sha256_hex(text).substr(0, 6) : part;
}

std::string formula(std::string_view label) {
  std::string out;
  for (std::size_t i = 0; i < label.size();) {
    std::size_t digits = i;
    while (digits < label.size() && label[digits] >= '0' && label[digits] <= '9') ++digits;
    if (digits > i && i > 0) {
      out += fmt::format("_{{{}}}", label.substr(i, digits - i));
      i = digits;
      continue;
    }
    const bool charge = i + 1 == label.size() && i > 0;
    out += charge && label[i] == '-' ? "⁻" : charge && label[i] == '+' ? "⁺" : std::string(1, label[i]);
    ++i;
  }
  return out;
}

std::string coating_of(const status::ScoredMaterial& material) {
  if (material.reference) return "uncoated reference";
  if (material.coating.empty() || material.amount_wt_percent <= 0) return material.coating;
  return fmt::format("{}, {} wt%", material.coating, material.amount_wt_percent);
}

std::string symbol(std::string_view key) {
  if (key == "QS_0") return "QS_{0}";
  if (key == "QS_ret") return "QS_{ret}";
  if (key == "DS_general") return "Degradation";
  if (key == "DS_polysulfide") return "Polysulfide";
  if (key == "DS_SOy") return "SO_{x}";
  if (key == "DS_POy") return "PO_{x}";
  std::string category(key.substr(key.find('_') + 1));
  if (!category.empty() && category[0] >= 'a' && category[0] <= 'z') category[0] -= 'a' - 'A';
  return category;
}

std::vector<plots::RadarAxis> radar_axes(const StudyResult& result) {
  std::vector<plots::RadarAxis> axes;
  for (const AxisOption& option : result.options.radar) {
    const auto axis = std::ranges::find(result.axes, option.key, &status::Axis::key);
    axes.push_back({symbol(option.key), axis->higher_is_better, option.span});
  }
  return axes;
}

std::vector<Figure> radar_figures(const StudyResult& result) {
  std::vector<Figure> all;
  for (const auto& material : result.materials)
    all.push_back(
        {material.radar, "Radar chart of " + material.name, plots::radar(radar_of(result, material))});
  return all;
}

std::vector<Figure> box_figures(const StudyResult& result) {
  if (!result.input.spots) return {};
  struct Boxes {
    std::vector<plots::BarPanel> panels;
    std::string zero;  // fragments that there is nothing to draw of
  };
  std::map<std::string, Boxes> by_category;
  for (const sims::Fragment& fragment : result.input.spots->fragments) {
    auto& boxes = by_category[fragment.category];
    auto panel = intensity_panel(result, fragment.label, fragment.category);
    if (panel.bars.empty())
      boxes.zero += (boxes.zero.empty() ? "" : ", ") + fragment.label;
    else
      boxes.panels.push_back(std::move(panel));
  }
  std::vector<Figure> figures;
  for (const auto& [category, boxes] : by_category) {
    if (boxes.panels.empty()) continue;
    const auto name = symbol(fmt::format("DS_{}", category));
    const auto caption =
        fmt::format("Every fragment of {}{}. {}", svg::plain(name),
                    boxes.zero.empty() ? "" : " but those that are zero in every spot: " + boxes.zero,
                    boxes_caption(boxes.panels));
    figures.push_back({fmt::format("fragments_{}.svg", file_part(category)), caption,
                       plots::bars(boxes.panels, "Intensities: " + name, caption)});
  }
  return figures;
}

std::vector<Figure> figures(const StudyResult& result) {
  std::vector<Figure> all{radar_panel_figure(result)};
  const bool cells =
      std::ranges::any_of(result.cells.cells, [](const auto& c) { return c.undefined.empty(); });
  if (result.input.degradation) all.push_back(degradation_figure(result));
  if (cells) {
    all.push_back(performance_figure(result));
    all.push_back(capacity_figure(result));
    all.push_back(overpotential_figure(result));
  }
  if (result.input.degradation && !result.input.degradation->pca.explained.empty()) {
    const sims::DegradationResult& degradation = *result.input.degradation;
    all.push_back({"pca_variance.svg",
                   "Share of the variance that each principal component explains, and their sum.",
                   plots::explained_variance(degradation.pca.explained, "Explained variance")});
    if (degradation.pca.explained.size() > 1) all.push_back(score_figure(result, degradation));
    all.push_back(loading_figure(degradation));
    if (result.input.spots) all.push_back(intensity_figure(result));
  }
  std::erase_if(all, [](const Figure& figure) { return figure.svg.empty(); });
  return all;
}

}  // namespace cambench::study
