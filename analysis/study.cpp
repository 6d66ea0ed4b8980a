#include "analysis/study.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/bad_input.h"
#include "analysis/statistics.h"
#include "analysis/study_figures.h"
#include "analysis/svg.h"
#include "schema/sha256.h"

namespace cambench::study {

namespace {

constexpr std::string_view degradation_prefix = "DS_";

std::string category_of(std::string_view key) { return std::string(key.substr(degradation_prefix.size())); }

const Material& reference_of(const StudyInput& input) {
  const auto found = std::ranges::find_if(input.materials, &Material::reference);
  const auto count = std::ranges::count_if(input.materials, &Material::reference);
  if (count != 1)
    throw BadInput("study " + input.id, 0,
                   fmt::format("{} materials are marked as the uncoated reference", count),
                   "mark exactly one with reference = true");
  return *found;
}

// ---- the axes

std::string axis_label(std::string_view category) {
  if (category == "general") return "degradation";
  if (category == "SOy") return "SOₓ";
  if (category == "POy") return "POₓ";
  return std::string(category);
}

std::vector<status::Axis> axes_of(const StudyInput& input, const StudyOptions& options) {
  std::vector<status::Axis> axes{{"QS_0", fmt::format("capacity at {} C", options.cells.low_C), true},
                                 {"QS_ret", fmt::format("retention at {} C", options.cells.high_C), true}};
  std::vector<std::string> categories{"general"};
  const auto& chosen =
      input.degradation ? input.degradation->options.categories : sims::DegradationOptions().categories;
  categories.insert(categories.end(), chosen.begin(), chosen.end());
  for (const std::string& category : categories)
    axes.push_back({std::string(degradation_prefix) + category, axis_label(category), false});
  return axes;
}

void check_radar(const StudyResult& result) {
  std::string known;
  for (const status::Axis& axis : result.axes) known += (known.empty() ? "" : ", ") + axis.key;
  for (const AxisOption& axis : result.options.radar) {
    if (std::ranges::find(result.axes, axis.key, &status::Axis::key) == result.axes.end())
      throw BadInput("study " + result.input.id, 0,
                     "the radar chart has an axis " + axis.key + " that is no score",
                     "choose among " + known);
    if (!(axis.span > 0))
      throw BadInput("study " + result.input.id, 0, "the radar axis " + axis.key + " has no span",
                     "give the distance from 1 that reaches the rim, above 0");
  }
}

// ---- the scores

status::Score degradation_score(const StudyInput& input, const std::string& material,
                                const std::string& key) {
  status::Score score{.axis = key};
  const std::string none = input.no_degradation.empty() ? "no ToF-SIMS data" : input.no_degradation;
  if (!input.degradation) return score.why_not = none, score;
  const sims::ScoreSet* set = input.degradation->find(category_of(key));
  if (!set) return score.why_not = "the category was not evaluated", score;
  const auto sample = std::ranges::find_if(set->samples, [&](const sims::SampleScore& s) {
    return s.material == material && s.state == sims::State::cycled;
  });
  if (sample == set->samples.end()) return score.why_not = "no spots of the cycled sample", score;
  score.value = sample->score;
  if (score.value) score.sd = sample->sd;
  if (!score.value) score.why_not = set->undefined;
  return score;
}

status::Score score_of(const StudyResult& result, const std::string& material, const std::string& key) {
  if (key.starts_with(degradation_prefix)) {
    auto score = degradation_score(result.input, material, key);
    if (const auto interval = interval_of(result, material, key))
      score.ci_low = interval->low, score.ci_high = interval->high;
    return score;
  }
  const rate::MaterialScores* scores = result.cells.find(material);
  const rate::QualityScore& quality = key == "QS_0" ? scores->initial : scores->retention;
  return {.axis = key, .value = quality.value, .sd = quality.sd, .why_not = quality.why_not};
}

status::ScoredMaterial scored(const StudyResult& result, const Material& material) {
  status::ScoredMaterial out{.id = material.id,
                             .name = material.name,
                             .coating = material.coating,
                             .amount_wt_percent = material.amount_wt_percent,
                             .reference = material.reference,
                             .scores = {},
                             .radar = fmt::format("radar_{}.svg", material.id)};
  for (const status::Axis& axis : result.axes) out.scores.push_back(score_of(result, material.id, axis.key));
  return out;
}

// ---- what goes with them

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

std::vector<Setting> settings_of(const StudyInput& input, const StudyOptions& options) {
  std::vector<Setting> settings = input.settings;
  if (input.degradation) {
    settings.push_back({"normalisation of the scores",
                        std::string(to_string(input.degradation->normalisation)),
                        "the paper's principal component analysis starts from it"});
    append(settings, sims::describe(input.degradation->options));
    if (input.degradation->flipped)
      settings.push_back(
          {"sign of PC1", "turned round",
           "so that it points from the uncycled to the uncoated cycled sample; the paper has both signs"});
    if (input.spots) append(settings, sims::describe(options.bootstrap));
  }
  if (input.spots) append(settings, sims::describe_statistics(options.cells.reference));
  append(settings, describe(options));
  return settings;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool is_zero_everywhere(const sims::SpotTable& table, const std::string& label) {
  const auto column = static_cast<std::size_t>(
      std::ranges::find(table.fragments, label, &sims::Fragment::label) - table.fragments.begin());
  for (std::size_t row = 0; row < table.spots.size(); ++row)
    if (table.values(row, column) != 0) return false;
  return true;
}

/// The spots of the analysis need not be all: a coating's own ions may lie in the others only.
std::vector<std::string> caveats_of_excluded(const StudyInput& input) {
  std::vector<std::string> everywhere, of_analysis;
  for (const std::string& label : input.degradation->excluded)
    (input.spots && is_zero_everywhere(*input.spots, label) ? everywhere : of_analysis).push_back(label);
  std::vector<std::string> caveats;
  if (!everywhere.empty())
    caveats.push_back("fragments that are zero in every spot, and so entered no score: " +
                      listed(everywhere));
  if (of_analysis.empty()) return caveats;
  caveats.push_back(
      (input.spots ? "fragments that entered no score, since they are zero in every spot of the principal "
                     "component analysis, though other spots have them: "
                   : "fragments that are zero in every spot of the principal component analysis, and so "
                     "entered no score: ") +
      listed(of_analysis));
  return caveats;
}

/// Percentile intervals of few spots (bootstrap.h).
std::vector<std::string> caveats_of_few_spots(const StudyResult& result) {
  constexpr std::size_t enough = 8;
  std::vector<std::string> few;
  if (!result.bootstrap || result.input.degradation->sets.empty()) return {};
  for (const sims::SampleScore& sample : result.input.degradation->sets.front().samples)
    if (sample.spots > 1 && sample.spots < enough)
      few.push_back(
          fmt::format("{} {} ({} spots)", sample.material, sims::to_string(sample.state), sample.spots));
  if (few.empty()) return {};
  return {
      "confidence intervals of few spots are too narrow: of those called 95 %, about 70 in 100 hold the "
      "truth with 2 spots a sample, 83 with 3, 87 with 5, 90 with 8 and 94 with 14; here " +
      listed(few)};
}

std::vector<std::string> caveats_of(const StudyResult& result) {
  std::vector<std::string> caveats = result.input.caveats;
  std::vector<std::string> simulated, single;
  for (const rate::CellValues& cell : result.cells.cells)
    if (cell.test.simulated) simulated.push_back(cell.test.cell);
  for (const rate::MaterialScores& material : result.cells.materials)
    if (material.cells == 1) single.push_back(material.material);
  if (!simulated.empty())
    caveats.push_back("rate tests of simulated instruments, tuned to the paper's prose and not measured: " +
                      listed(simulated));
  if (!single.empty())
    caveats.push_back("one rate-test cell only, so nothing is known of the scatter of QS_0 and QS_ret: " +
                      listed(single));
  if (result.input.degradation) {
    append(caveats, result.input.degradation->notes);
    append(caveats, caveats_of_few_spots(result));
    append(caveats, caveats_of_excluded(result.input));
  }
  append(caveats, result.cells.notes);
  return caveats;
}

std::string input_text(const StudyResult& result) {
  std::string text = fmt::format("study {}\n{}\n", result.input.id, result.input.title);
  for (const Material& m : result.input.materials)
    text += fmt::format("material {}\t{}\t{}\t{}\t{}\n", m.id, m.name, m.coating, m.amount_wt_percent,
                        m.reference);
  for (const InputUsed& used : result.input.inputs)
    text += fmt::format("input {}\t{}\t{}\t{}\n", used.what, used.name, used.sha256, used.bytes);
  for (const rate::CellValues& cell : result.cells.cells) {
    const rate::CellTest& t = cell.test;
    text += fmt::format("cell {}\t{}\t{}\t{}\t{}\t{}\t{}\n", t.cell, t.material, t.protocol_hash, t.cam_g,
                        t.one_C_A, t.area_cm2, t.run);
    for (const rate::Cycle& c : t.cycles)
      text += fmt::format("cycle {}\t{}\t{}\n", c.cycle, c.charge ? c.charge->capacity_Ah : 0,
                          c.discharge ? c.discharge->capacity_Ah : 0);
  }
  for (const sims::RegionParts& parts : result.input.parts)
    text += fmt::format("part {}\t{}\t{}\t{}\n", parts.spot.material, to_string(parts.spot.state),
                        parts.spot.region, parts.inner);
  for (const Setting& setting : result.settings)
    text += fmt::format("setting {}\t{}\n", setting.name, setting.value);
  for (const std::string& problem : result.input.problems) text += fmt::format("problem {}\n", problem);
  for (const std::string& caveat : result.caveats) text += fmt::format("caveat {}\n", caveat);
  return text;
}

}  // namespace

StudyResult score(StudyInput input, StudyOptions options) {
  options.cells.reference = reference_of(input).id;
  StudyResult result;
  result.cells = rate::score_cells(input.cells, input.materials, options.cells);
  if (input.degradation && input.spots && options.bootstrap.resamples > 0)
    result.bootstrap = sims::bootstrap(*input.spots, *input.degradation, options.bootstrap);
  result.pooled_parts = sims::pooled(input.parts);
  result.axes = axes_of(input, options);
  result.settings = settings_of(input, options);
  result.input = std::move(input);
  result.options = std::move(options);
  check_radar(result);
  for (const Material& material : result.input.materials)
    result.materials.push_back(scored(result, material));
  result.caveats = caveats_of(result);
  result.inputs_hash = sha256_hex(input_text(result));
  return result;
}

std::optional<sims::Interval> interval_of(const StudyResult& result, std::string_view material,
                                          std::string_view axis) {
  if (!result.bootstrap || !axis.starts_with(degradation_prefix)) return {};
  const sims::BootstrapSet* set = result.bootstrap->find(category_of(axis));
  if (!set) return {};
  const auto sample = std::ranges::find_if(set->samples, [&](const sims::SampleInterval& s) {
    return s.material == material && s.state == sims::State::cycled;
  });
  return sample == set->samples.end() ? std::nullopt : sample->interval;
}

std::vector<Setting> describe(const StudyOptions& options) {
  std::vector<Setting> settings = rate::describe(options.cells);
  std::string axes;
  for (const AxisOption& axis : options.radar)
    axes += fmt::format("{}{} (span {})", axes.empty() ? "" : ", ", axis.key, svg::number(axis.span, 6));
  settings.push_back(
      {"radar axes", axes,
       "the paper draws five and does not name them; it calls its scaling arbitrary. The uncoated sample is "
       "at half of the radius, a span away from 1 is the rim"});
  return settings;
}

const std::vector<Reading>& readings_of_the_paper() {
  static const std::vector<Reading> readings{
      {"QS_0",
       "Eq. 2 as printed equates Q(0.1 C)/Q(2 C) of two samples, which defines nothing. The prose: initial "
       "capacity relative to the uncoated material.",
       "The prose: QS_0 = Q(0.1 C) / Q(0.1 C) of the uncoated sample. It does not depend on any 2 C value."},
      {"Retention", "\"Retention at high currents (1.0 and 2.0 C)\" in one place, \"at 2.0 C\" in another.",
       "2 C is scored; the retention at every rate is listed."},
      {"Cycle of a rate", "Two cycles are run at each rate; which one counts is not said.",
       "The first (\"initial capacity\"); all choices are listed beside it."},
      {"General score of LiNbO3",
       "Fig. 11 text: best together with thick X, and only the ZrO2 coatings worse than uncoated. Section on "
       "details and "
       "caption of Fig. 12a: stronger degradation than uncoated for LiNbO3 too.",
       "Nothing is assumed: the value is reported."},
      {"Polysulfide score of ZrO2 and thin X",
       "Caption of Fig. 12b: suppressed in every coating except thin X. Text: higher than uncoated for ZrO2, "
       "lower for "
       "LiNbO3 and X.",
       "Nothing is assumed. The text agrees with Fig. 11 and the conclusions, the caption does not."},
      {"SOx score of thin X", "Caption of Fig. 12c: not suppressed. Text: suppressed in every coating.",
       "Nothing is assumed; the text agrees with the conclusions."},
      {"Sign of PC1", "Fig. 7: cycled samples are positive. Fig. 10: a high score means less degradation.",
       "PC1 points from uncycled to uncoated cycled, so a higher score means more degradation."},
      {"Values in eq. 1", "\"Normalised intensity\"; and the general score is \"simply the PC1 score\".",
       "Max-scaled intensities: only then is the general score the rescaled PC1 score."},
      {"Specific scores", "The uncycled sample is 0 and the uncoated one 1 in each figure.",
       "Each category has its own two anchors."},
      {"Number of spots", "14 regions; n >= 10; eight measurements.",
       "As many as there are; the counts are reported."},
      {"Five radar axes", "\"A total of five axes/scores\", not named.",
       "QS_0, QS_ret, polysulfide, SOx and POx; the general score is in the table."},
      {"Overpotential", "\"Measured against a reference electrode\", no formula.",
       "Half of the difference of the charge-weighted mean potentials, second cycle; iR and relaxation are "
       "options."},
      {"1 C of the rate-test composite",
       "1 C = 1.92 mA is given for the 80:20 composite; the rate test uses 67 wt%.",
       "1 C follows from what was weighed: q_1C x composite x CAM fraction (200 mAh/g agrees with the 1.92 "
       "mA)."},
      {"Additives", "\"No further additives\"; the rate-test composite holds 3 wt% carbon.",
       "Compositions are kept cell by cell."},
  };
  return readings;
}

namespace {

void add_part_files(std::vector<OutputFile>& files, const StudyResult& result) {
  if (!result.input.parts.empty()) files.push_back({"parts.csv", parts_csv(result)});
  if (!result.pooled_parts.empty()) files.push_back({"parts_pooled.csv", pooled_parts_csv(result)});
  for (const auto& pooled : result.pooled_parts)
    if (auto figure = pooled_figure(result, pooled); !figure.svg.empty())
      files.push_back({figure.file, std::move(figure.svg)});
  for (std::size_t i = 0; i < result.input.parts.size(); ++i) {
    const sims::RegionParts& parts = result.input.parts[i];
    const auto name = fmt::format("parts_{}", i + 1);
    if (auto figure = contrast_figure(result, parts, i + 1); !figure.svg.empty())
      files.push_back({figure.file, std::move(figure.svg)});
    files.push_back({name + "_mask.png", parts.mask_png});
    if (!parts.overlay_png.empty()) files.push_back({name + "_overlay.png", parts.overlay_png});
    for (const auto& image : parts.images)
      files.push_back({name + "_" + file_part(image.ion) + ".png", image.png});
  }
}

}  // namespace

std::vector<OutputFile> outputs(const StudyResult& result, std::string_view program) {
  std::vector<OutputFile> files{{"report.html", report_html(result, program)},
                                {"scores.json", scores_json(result, program)},
                                {"scores.csv", scores_csv(result)}};
  if (!result.cells.cells.empty()) files.push_back({"capacities.csv", capacities_csv(result)});
  if (result.input.degradation) files.push_back({"loadings.csv", loadings_csv(result)});
  if (result.input.spots) {
    files.push_back({"fragments.csv", fragments_csv(result)});
    files.push_back({"fragments.json", fragments_json(result)});
  }
  add_part_files(files, result);
  for (auto& list : {figures(result), box_figures(result), radar_figures(result)})
    for (const Figure& figure : list) files.push_back({figure.file, figure.svg});
  return files;
}

}  // namespace cambench::study
