// scores.json: the whole result of a study, for programs.
#include <fmt/format.h>

#include <span>

#include "analysis/study.h"
#include "analysis/study_figures.h"
#include "analysis/svg.h"
#include "schema/json.h"

namespace cambench::study {

namespace {

void write_materials(JsonWriter& json, const StudyResult& result) {
  json.key("materials").array();
  for (std::size_t i = 0; i < result.materials.size(); ++i) {
    const status::ScoredMaterial& material = result.materials[i];
    json.object().field("id", material.id).field("name", material.name).field("coating", material.coating);
    json.field("amount_wt_percent", material.amount_wt_percent).field("reference", material.reference);
    json.field("radar", material.radar).key("scores").object();
    for (const status::Score& score : material.scores) {
      json.key(score.axis).object().field("value", score.value).field("sd", score.sd);
      if (score.ci_low && score.ci_high) json.field("ci_low", score.ci_low).field("ci_high", score.ci_high);
      if (!score.value) json.field("why_not", score.why_not);
      json.end_object();
    }
    json.end_object();
    const rate::MaterialScores& by_cells = result.cells.materials[i];
    json.field("cells", by_cells.cells).key("by_cycle").object();
    for (const rate::CycleChoice choice : rate::cycle_choices) {
      const auto k = static_cast<std::size_t>(choice);
      json.key(to_string(choice)).object().field("QS_0", by_cells.initial_by_choice[k]);
      json.field("QS_ret", by_cells.retention_by_choice[k]).end_object();
    }
    json.end_object().end_object();
  }
  json.end_array();
}

void write_strings(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key).array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

void write_numbers(JsonWriter& json, std::string_view key, std::span<const double> numbers) {
  json.key(key).array();
  for (const double number : numbers) json.value(number);
  json.end_array();
}

void write_pca(JsonWriter& json, const sims::DegradationResult& degradation) {
  const sims::Pca& pca = degradation.pca;
  json.key("pca").object();
  write_numbers(json, "explained", pca.explained);
  json.field("pc1_turned_round", degradation.flipped);
  write_strings(json, "excluded", degradation.excluded);
  json.key("fragments").array();
  for (std::size_t f = 0; f < degradation.fragments.size(); ++f) {
    const sims::Fragment& fragment = degradation.fragments[f];
    json.object()
        .field("label", fragment.label)
        .field("mz", fragment.mz)
        .field("category", fragment.category);
    json.field("maximum", pca.maximum[f]).field("mean", pca.mean[f]).key("loadings").array();
    for (std::size_t k = 0; k < pca.loadings.rows(); ++k) json.value(pca.loadings(k, f));
    json.end_array().end_object();
  }
  json.end_array().key("spots").array();
  for (std::size_t row = 0; row < degradation.pca_spots.size(); ++row) {
    const sims::Spot& spot = degradation.pca_spots[row];
    json.object()
        .field("material", spot.material)
        .field("state", to_string(spot.state))
        .field("region", spot.region);
    write_numbers(json, "scores", pca.scores.row(row));
    json.end_object();
  }
  json.end_array().end_object();
}

void write_degradation(JsonWriter& json, const StudyInput& input) {
  json.key("degradation");
  if (!input.degradation) {
    json.null();
    return;
  }
  json.object().field("normalisation", to_string(input.degradation->normalisation)).key("sets").array();
  for (const sims::ScoreSet& set : input.degradation->sets) {
    json.object().field("category", set.category);
    write_strings(json, "fragments", set.fragments);
    json.field("raw_uncycled", set.raw_uncycled).field("raw_uncoated", set.raw_uncoated);
    json.field("anchor_spot_sd", set.anchor_spot_sd);
    if (!set.undefined.empty()) json.field("undefined", set.undefined);
    json.key("samples").array();
    for (const sims::SampleScore& sample : set.samples) {
      json.object().field("material", sample.material).field("state", to_string(sample.state));
      json.field("spots", sample.spots)
          .field("raw", sample.raw)
          .field("score", sample.score)
          .field("sd", sample.sd);
      json.field("min", sample.min).field("max", sample.max);
      write_numbers(json, "spot_scores", sample.spot_scores);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  write_pca(json, *input.degradation);
  json.end_object();
}

void write_ranking(JsonWriter& json, const sims::BootstrapSet& set) {
  json.object().field("category", set.category).field("resamples_without_score", set.without_score);
  write_strings(json, "materials", set.ranking.materials);
  write_numbers(json, "scores", set.ranking.scores);
  json.key("probability_below").array();
  for (std::size_t i = 0; i < set.ranking.below.rows(); ++i) {
    json.array();
    for (std::size_t j = 0; j < set.ranking.below.columns(); ++j) json.value(set.ranking.probability(i, j));
    json.end_array();
  }
  json.end_array().end_object();
}

void write_bootstrap(JsonWriter& json, const StudyResult& result) {
  json.key("bootstrap");
  if (!result.bootstrap) {
    json.null();
    return;
  }
  const sims::BootstrapOptions& options = result.bootstrap->options;
  json.object().field("resamples", options.resamples).field("seed", options.seed);
  json.field("confidence", options.confidence);
  json.field("loadings", options.loadings == sims::BootstrapOptions::Loadings::redone ? "redone" : "kept");
  json.key("rankings").array();
  for (const sims::BootstrapSet& set : result.bootstrap->sets) write_ranking(json, set);
  json.end_array().end_object();
}

void write_parts(JsonWriter& json, const std::vector<sims::RegionParts>& all) {
  json.key("parts").array();
  for (const sims::RegionParts& parts : all) {
    json.object().field("material", parts.spot.material).field("state", to_string(parts.spot.state));
    json.field("region", parts.spot.region).field("inner_part", parts.inner);
    json.field("inner_pixels", parts.inner_pixels).field("outer_pixels", parts.outer_pixels);
    json.field("field_of_view_um", parts.field_of_view_um);
    json.field("tile", parts.options.tile).field("deviations", parts.options.deviations);
    json.key("contrasts").array();
    for (const sims::Contrast& contrast : parts.contrasts) {
      json.object().field("fragment", contrast.label).field("ratio", contrast.ratio);
      if (contrast.interval) json.field("low", contrast.interval->low).field("high", contrast.interval->high);
      json.field("deviations", contrast.deviations);
      for (const auto& [name, part] : {std::pair{"inner", &contrast.inner}, {"outer", &contrast.outer}})
        json.key(name)
            .object()
            .field("mean", part->mean)
            .field("se", part->se)
            .field("counts", part->counts)
            .end_object();
      if (!contrast.why_not.empty()) json.field("why_not", contrast.why_not);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void write_pooled_parts(JsonWriter& json, const std::vector<sims::PooledParts>& all) {
  json.key("pooled_parts").array();
  for (const sims::PooledParts& parts : all) {
    json.object().field("material", parts.material).field("state", to_string(parts.state));
    json.field("regions", parts.regions).field("deviations", parts.deviations).key("contrasts").array();
    for (const sims::PooledContrast& contrast : parts.contrasts) {
      json.object().field("fragment", contrast.label).field("regions", contrast.regions);
      json.field("ratio", contrast.ratio);
      if (contrast.interval) json.field("low", contrast.interval->low).field("high", contrast.interval->high);
      if (!contrast.why_not.empty()) json.field("why_not", contrast.why_not);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void write_settings(JsonWriter& json, std::string_view key, const std::vector<Setting>& settings) {
  json.key(key).array();
  for (const Setting& setting : settings)
    json.object()
        .field("name", setting.name)
        .field("value", setting.value)
        .field("why", setting.why)
        .end_object();
  json.end_array();
}

void write_rates(JsonWriter& json, const rate::CellValues& cell) {
  json.key("rates").array();
  for (const rate::RatePoint& rate : cell.rates) {
    json.object().field("rate_C", rate.rate_C).field("retention", rate.retention);
    json.field("overpotential_V", rate.overpotential_V).key("cycles").array();
    for (const rate::CycleValues& cycle : rate.cycles) {
      json.object().field("cycle", cycle.cycle).field("measured_rate_C", cycle.rate_C);
      json.field("charge_mAh_g", cycle.charge_mAh_g).field("discharge_mAh_g", cycle.discharge_mAh_g);
      json.field("efficiency", cycle.efficiency).field("counter_deviation", cycle.counter_deviation);
      json.field("mean_charge_V", cycle.mean_charge_V).field("mean_discharge_V", cycle.mean_discharge_V);
      json.field("overpotential_V", cycle.overpotential_V)
          .field("resistance_ohm_cm2", cycle.resistance_ohm_cm2);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
}

void write_cells(JsonWriter& json, const rate::CellScores& cells) {
  json.key("cells").array();
  for (const rate::CellValues& cell : cells.cells) {
    const rate::CellTest& test = cell.test;
    json.object().field("cell", test.cell).field("material", test.material).field("run", test.run);
    json.field("protocol_hash", test.protocol_hash).field("cam_g", test.cam_g).field("one_C_A", test.one_C_A);
    json.field("area_cm2", test.area_cm2).field("electrodes", test.electrodes);
    json.field("reference_vs_li_V", test.reference_vs_li_V).field("simulated", test.simulated);
    if (!cell.undefined.empty()) json.field("undefined", cell.undefined);
    write_settings(json, "facts", test.facts);
    json.key("by_cycle").object();
    for (const rate::CycleChoice choice : rate::cycle_choices) {
      const rate::Capacities& c = cell.capacities(choice);
      json.key(to_string(choice)).object().field("low_mAh_g", c.low_mAh_g).field("high_mAh_g", c.high_mAh_g);
      json.field("retention", c.retention).end_object();
    }
    json.end_object();
    write_rates(json, cell);
    json.end_object();
  }
  json.end_array();
}

void write_inputs(JsonWriter& json, const StudyInput& input) {
  json.key("inputs").array();
  for (const InputUsed& used : input.inputs)
    json.object()
        .field("what", used.what)
        .field("name", used.name)
        .field("sha256", used.sha256)
        .field("bytes", used.bytes)
        .end_object();
  json.end_array();
}

void write_radar(JsonWriter& json, const StudyResult& result) {
  json.key("radar").object().key("axes").array();
  for (const AxisOption& axis : result.options.radar)
    json.object().field("key", axis.key).field("span", axis.span).end_object();
  json.end_array();
  std::vector<std::string> mapping;
  for (const std::string& line : plots::radar_mapping(radar_axes(result)))
    mapping.push_back(svg::plain(line));
  write_strings(json, "mapping", mapping);
  json.end_object();
}

}  // namespace

std::string scores_json(const StudyResult& result, std::string_view program) {
  JsonWriter json;
  json.object().field("study", result.input.id).field("title", result.input.title).field("program", program);
  json.field("inputs_hash", result.inputs_hash).key("axes").array();
  for (const status::Axis& axis : result.axes)
    json.object()
        .field("key", axis.key)
        .field("label", axis.label)
        .field("higher_is_better", axis.higher_is_better)
        .end_object();
  json.end_array();
  write_materials(json, result);
  write_radar(json, result);
  write_cells(json, result.cells);
  write_degradation(json, result.input);
  write_bootstrap(json, result);
  if (!result.input.parts.empty()) write_parts(json, result.input.parts);
  if (!result.pooled_parts.empty()) write_pooled_parts(json, result.pooled_parts);
  write_settings(json, "settings", result.settings);
  write_inputs(json, result.input);
  write_strings(json, "problems", result.input.problems);
  write_strings(json, "caveats", result.caveats);
  json.key("readings").array();
  for (const Reading& reading : readings_of_the_paper())
    json.object()
        .field("about", reading.about)
        .field("paper", reading.paper)
        .field("reading", reading.reading)
        .end_object();
  return json.end_array().end_object().take() + "\n";
}

}  // namespace cambench::study
