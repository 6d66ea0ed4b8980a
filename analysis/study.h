// A coating study as one result: degradation scores from ToF-SIMS and capacity scores from rate tests, joined material
// by material (Hertle et al., section "Radar Charts"), with everything a reviewer needs to retrace them. Pure: the same
// input and options give the same result and the same bytes in every file.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/bootstrap.h"
#include "analysis/cell_scores.h"
#include "analysis/degradation.h"
#include "analysis/setting.h"
#include "analysis/study_parts.h"
#include "schema/cell.h"
#include "schema/status.h"

namespace cambench::study {

/// A file or a run that the result rests on.
struct InputUsed {
  std::string what;  ///< whose: "ncm-linbo3 cycled, region 3", "rate test of cell R-uncoated"
  std::string name;  ///< file name or run id
  std::string sha256;
  std::uint64_t bytes = 0;
};

struct StudyInput {
  std::string id, title;
  std::vector<Material> materials;  ///< in the order to show them; exactly one is the reference
  std::optional<sims::DegradationResult> degradation;
  std::optional<sims::SpotTable>
      spots;  ///< what it was made from; with it, statistics of every fragment are written
  std::vector<sims::RegionParts> parts;  ///< inner against outer part of regions, where that was asked for
  std::string no_degradation;            ///< when there is none: why, as a sentence
  std::vector<rate::CellTest> cells;
  std::vector<Setting> settings;      ///< decisions made before: normalisation, mass intervals
  std::vector<InputUsed> inputs;      ///< everything that was read
  std::vector<std::string> problems;  ///< files that could not be used, one sentence each
  std::vector<std::string> caveats;   ///< what a reader must know: "all instruments were simulated"
};

/// One axis of the radar chart. Keys: QS_0, QS_ret, DS_general, DS_<category>.
struct AxisOption {
  std::string key;
  double span = 1.0;  ///< distance from 1 that reaches the rim
};

struct StudyOptions {
  rate::ScoreOptions cells;          ///< `reference` is filled in from the materials
  sims::BootstrapOptions bootstrap;  ///< of the degradation scores, where the input has their spots
  /// The paper draws five axes and does not name them. A capacity that is 10 % better would be invisible with span 1.
  std::vector<AxisOption> radar = {
      {"QS_0", 0.25}, {"QS_ret", 1.0}, {"DS_polysulfide", 1.0}, {"DS_SOy", 1.0}, {"DS_POy", 1.0}};
};
[[nodiscard]] std::vector<Setting> describe(const StudyOptions& options);

struct StudyResult {
  StudyInput input;
  StudyOptions options;
  rate::CellScores cells;
  std::optional<sims::BootstrapResult> bootstrap;  ///< none without spots, or without resamples
  std::vector<sims::PooledParts> pooled_parts;     ///< inner against outer part, all regions of a sample
  std::vector<status::Axis> axes;                  ///< QS_0, QS_ret, DS_general, then the categories
  std::vector<status::ScoredMaterial> materials;
  std::vector<Setting> settings;     ///< every decision, in the order they were taken
  std::vector<std::string> caveats;  ///< of the input, of the scores, and of this combination
  std::string inputs_hash;           ///< SHA-256 over all inputs and settings: equal hash, equal scores
};

/// Between which values a cycled material's score lies; none for capacity scores, and where `why_not` of the result's
/// SampleInterval says so.
[[nodiscard]] std::optional<sims::Interval> interval_of(const StudyResult& result, std::string_view material,
                                                        std::string_view axis);

/// Throws BadInput unless exactly one material is the reference, and for an unknown axis.
[[nodiscard]] StudyResult score(StudyInput input, StudyOptions options = {});

/// Where the paper contradicts itself or is silent, and how this program reads it.
struct Reading {
  std::string about, paper, reading;
};
[[nodiscard]] const std::vector<Reading>& readings_of_the_paper();

// ---- what a study leaves behind

/// One row a material, one column a score.
[[nodiscard]] std::string scores_csv(const StudyResult& result);
/// One row a cycle of a cell.
[[nodiscard]] std::string capacities_csv(const StudyResult& result);
/// One row a sample and fragment: the statistics that the paper lists, the uncycled reference compared with. Needs spots.
[[nodiscard]] std::string fragments_csv(const StudyResult& result);
/// The same rows: an array of objects, whose keys are the columns.
[[nodiscard]] std::string fragments_json(const StudyResult& result);
/// One row a region and fragment: counts, both normalisations as mean and as sum, the plain ratios of the region beside
/// them, and how much of the one to the reference ion comes from pixels without it.
[[nodiscard]] std::string regions_csv(std::span<const sims::SpotRegion> regions);
[[nodiscard]] std::string regions_json(std::span<const sims::SpotRegion> regions);
/// One row a region and fragment: inner over outer part. Needs parts.
[[nodiscard]] std::string parts_csv(const StudyResult& result);
/// One row a sample and fragment: the same over all its regions. Needs pooled parts.
[[nodiscard]] std::string pooled_parts_csv(const StudyResult& result);
/// One row a fragment of the principal component analysis. Needs degradation.
[[nodiscard]] std::string loadings_csv(const StudyResult& result);
/// All of it: scores with their spread, spots, cells, cycles, settings, inputs and caveats. One line, no dates.
[[nodiscard]] std::string scores_json(const StudyResult& result, std::string_view program);
/// One page with everything in it: pictures and styles included, nothing that runs, nothing that is fetched.
[[nodiscard]] std::string report_html(const StudyResult& result, std::string_view program);

struct OutputFile {
  std::string name;  ///< report.html, scores.json, scores.csv, ..., radar.svg, radar_<material>.svg, ...
  std::string bytes;
};
/// Every file of the study's results folder. `program` names the program and its version: "cambench 0.1.0".
[[nodiscard]] std::vector<OutputFile> outputs(const StudyResult& result, std::string_view program);

}  // namespace cambench::study
