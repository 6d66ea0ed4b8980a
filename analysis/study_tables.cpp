// The tables of a study as CSV (RFC 4180, with line feeds): for spreadsheets and for one-line scripts. Those that are
// not in scores.json are there as JSON too.
#include <fmt/format.h>

#include <variant>

#include "analysis/statistics.h"
#include "analysis/study.h"
#include "schema/json.h"
#include "schema/overloaded.h"

namespace cambench::study {

namespace {

std::string field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string field(double value) { return fmt::format("{}", value); }

std::string field(const std::optional<double>& value) { return value ? field(*value) : std::string(); }

template <typename... Cells>
void add_row(std::string& csv, const Cells&... cells) {
  const char* comma = "";
  ((csv += comma, csv += cells, comma = ","), ...);
  csv += '\n';
}

// ---- tables that are written in two ways

using Cell = std::variant<std::string, std::uint64_t, std::optional<double>>;
struct Rows {
  std::vector<std::string_view> columns;
  std::vector<std::vector<Cell>> rows;  ///< a cell for each column
};

std::string csv_of(const Rows& table) {
  std::string csv = fmt::format("{}\n", fmt::join(table.columns, ","));
  for (const auto& row : table.rows) {
    const char* comma = "";
    for (const Cell& cell : row) {
      csv += comma;
      comma = ",";
      csv += std::visit(Overloaded{[](std::uint64_t count) { return fmt::format("{}", count); },
                                   [](const auto& other) { return field(other); }},
                        cell);
    }
    csv += '\n';
  }
  return csv;
}

/// An array of objects, whose keys are the columns; null where a number is missing.
std::string json_of(const Rows& table) {
  JsonWriter json;
  json.array();
  for (const auto& row : table.rows) {
    json.object();
    for (std::size_t i = 0; i < row.size(); ++i)
      std::visit([&](const auto& cell) { json.field(table.columns[i], cell); }, row[i]);
    json.end_object();
  }
  return json.end_array().take() + '\n';
}

Rows fragment_rows(const StudyResult& result) {
  Rows table{{"material", "state", "fragment", "n", "mean", "sd", "sd_population", "min", "q1", "median",
              "q3", "max", "relative_to", "relative_difference_percent", "relative_difference_se_percent"},
             {}};
  const auto relative_to = result.options.cells.reference + " uncycled";
  for (const auto& row : sims::fragment_statistics(*result.input.spots, result.options.cells.reference)) {
    const sims::Statistics& s = row.of;
    table.rows.push_back({row.material, std::string(to_string(row.state)), row.fragment, s.n, s.mean, s.sd,
                          s.sd_population, s.min, s.q1, s.median, s.q3, s.max, relative_to,
                          row.relative_difference_percent, row.relative_difference_se_percent});
  }
  return table;
}

Rows region_rows(std::span<const sims::SpotRegion> regions) {
  Rows table{{"material", "state", "region", "fragment", "counts", "by_total", "by_total_sum",
              "ratio_to_total", "reference_ion", "by_reference", "by_reference_sum", "ratio_to_reference",
              "share_from_empty_reference", "pixels", "pixels_without_ions", "pixels_without_reference"},
             {}};
  for (const auto& [material, state, region] : regions) {
    const auto if_referred = [&](double value) {
      return region->reference.empty() ? std::nullopt : std::optional(value);
    };
    for (const sims::Peak& peak : region->peaks)
      table.rows.push_back(
          {material, std::string(to_string(state)), region->name, peak.label, peak.counts, peak.by_total,
           peak.by_total_sum, peak.ratio_to_total, region->reference, if_referred(peak.by_reference),
           if_referred(peak.by_reference_sum), if_referred(peak.ratio_to_reference),
           if_referred(peak.share_from_empty_reference), std::uint64_t{region->width} * region->height,
           region->pixels_without_ions, if_referred(static_cast<double>(region->pixels_without_reference))});
  }
  return table;
}

bool has_interval_columns(std::string_view axis) { return axis.starts_with("DS_"); }

}  // namespace

std::string scores_csv(const StudyResult& result) {
  std::string csv = "material,name,coating,amount_wt_percent,reference";
  for (const status::Axis& axis : result.axes) {
    csv += fmt::format(",{0},{0}_sd", field(axis.key));
    if (has_interval_columns(axis.key)) csv += fmt::format(",{0}_ci_low,{0}_ci_high", field(axis.key));
  }
  csv += ",why_not\n";
  for (const status::ScoredMaterial& material : result.materials) {
    csv += fmt::format("{},{},{},{},{}", field(material.id), field(material.name), field(material.coating),
                       material.amount_wt_percent, material.reference);
    std::string why_not;
    for (const status::Score& score : material.scores) {
      csv += fmt::format(",{},{}", field(score.value), field(score.sd));
      if (has_interval_columns(score.axis)) {
        const auto interval = interval_of(result, material.id, score.axis);
        csv += interval ? fmt::format(",{},{}", interval->low, interval->high) : ",,";
      }
      if (!score.value)
        why_not += fmt::format("{}{}: {}", why_not.empty() ? "" : "; ", score.axis, score.why_not);
    }
    csv += ',' + field(why_not) + '\n';
  }
  return csv;
}

std::string capacities_csv(const StudyResult& result) {
  std::string csv =
      "cell,material,cycle,rate_C,measured_rate_C,charge_mAh_g,discharge_mAh_g,discharge_by_charge,counter_"
      "deviation,"
      "mean_charge_V,mean_discharge_V,overpotential_V,resistance_ohm_cm2\n";
  for (const rate::CellValues& cell : result.cells.cells)
    for (const rate::RatePoint& rate : cell.rates)
      for (const rate::CycleValues& cycle : rate.cycles)
        add_row(csv, field(cell.test.cell), field(cell.test.material), std::to_string(cycle.cycle),
                field(rate.rate_C), field(cycle.rate_C), field(cycle.charge_mAh_g),
                field(cycle.discharge_mAh_g), field(cycle.efficiency), field(cycle.counter_deviation),
                field(cycle.mean_charge_V), field(cycle.mean_discharge_V), field(cycle.overpotential_V),
                field(cycle.resistance_ohm_cm2));
  return csv;
}

std::string fragments_csv(const StudyResult& result) { return csv_of(fragment_rows(result)); }
std::string fragments_json(const StudyResult& result) { return json_of(fragment_rows(result)); }

std::string regions_csv(std::span<const sims::SpotRegion> regions) { return csv_of(region_rows(regions)); }
std::string regions_json(std::span<const sims::SpotRegion> regions) { return json_of(region_rows(regions)); }

std::string parts_csv(const StudyResult& result) {
  std::string csv =
      "material,state,region,inner_part,inner_pixels,outer_pixels,fragment,inner_mean,inner_se,inner_counts,"
      "outer_mean,outer_se,outer_counts,ratio,ratio_low,ratio_high,deviations,why_not\n";
  for (const sims::RegionParts& parts : result.input.parts)
    for (const sims::Contrast& c : parts.contrasts) {
      const auto low = c.interval ? std::optional(c.interval->low) : std::nullopt;
      const auto high = c.interval ? std::optional(c.interval->high) : std::nullopt;
      add_row(csv, field(parts.spot.material), to_string(parts.spot.state), field(parts.spot.region),
              field(parts.inner), fmt::format("{}", parts.inner_pixels),
              fmt::format("{}", parts.outer_pixels), field(c.label), field(c.inner.mean), field(c.inner.se),
              field(c.inner.counts), field(c.outer.mean), field(c.outer.se), field(c.outer.counts),
              field(c.ratio), field(low), field(high), field(c.deviations), field(c.why_not));
    }
  return csv;
}

std::string pooled_parts_csv(const StudyResult& result) {
  std::string csv = "material,state,fragment,regions,ratio,ratio_low,ratio_high,why_not\n";
  for (const sims::PooledParts& parts : result.pooled_parts)
    for (const sims::PooledContrast& c : parts.contrasts) {
      const auto low = c.interval ? std::optional(c.interval->low) : std::nullopt;
      const auto high = c.interval ? std::optional(c.interval->high) : std::nullopt;
      add_row(csv, field(parts.material), to_string(parts.state), field(c.label), std::to_string(c.regions),
              field(c.ratio), field(low), field(high), field(c.why_not));
    }
  return csv;
}

std::string loadings_csv(const StudyResult& result) {
  const sims::DegradationResult& degradation = *result.input.degradation;
  std::string csv = "fragment,mz,category,maximum,mean";
  for (std::size_t k = 0; k < degradation.pca.loadings.rows(); ++k) csv += fmt::format(",PC{}", k + 1);
  csv += '\n';
  for (std::size_t f = 0; f < degradation.fragments.size(); ++f) {
    const sims::Fragment& fragment = degradation.fragments[f];
    csv += fmt::format("{},{},{},{},{}", field(fragment.label), fragment.mz, field(fragment.category),
                       degradation.pca.maximum[f], degradation.pca.mean[f]);
    for (std::size_t k = 0; k < degradation.pca.loadings.rows(); ++k)
      csv += fmt::format(",{}", degradation.pca.loadings(k, f));
    csv += '\n';
  }
  return csv;
}

}  // namespace cambench::study
