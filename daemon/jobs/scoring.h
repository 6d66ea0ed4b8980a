// From the spots of a study and the rate tests of its cells to its scores: what is computed, from what, and how it was
// decided, as one document that can be retraced. Pure: the same inputs and settings give the same bytes.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/cell_scores.h"
#include "analysis/degradation.h"
#include "daemon/jobs/study_data.h"
#include "schema/cell.h"
#include "schema/status.h"

namespace cambench::jobs {

struct StudySpec {
  std::string id, title;
  std::vector<Material> materials;  ///< exactly one is the reference
};

struct ScoringOptions {
  sims::NormaliseOptions normalise;
  sims::DegradationOptions degradation;  ///< its reference is set from the study
  rate::ScoreOptions rate;               ///< the same
};

struct StudyScores {
  status::Study study;  ///< for the status: axes, materials with their scores, problems; no version yet
  std::string
      inputs_hash;  ///< SHA-256 over all inputs, settings and the program's version: equal hash, equal scores
  std::string settings_json, result_json;
  std::map<std::string, std::string> files;  ///< of the results folder: name and bytes
};

/// What a study still needs before it can be scored, as a sentence; empty when it has its two anchors and a sample.
std::string waits_for(const StudySpec& study, const StudyData& data);

/// Throws BadInput when the spots cannot be compared.
StudyScores score_study(const StudySpec& study, const StudyData& data, std::span<const rate::CellTest> tests,
                        const ScoringOptions& options);

/// The same that the status shows of a scored study, from the document that was stored.
status::Study study_from_json(std::string_view result_json);

/// Puts the files into `folder` so that whoever looks finds either all of the old ones or all of the new ones.
/// Throws std::runtime_error.
void replace_folder(const std::filesystem::path& folder, const std::map<std::string, std::string>& files);

// ---- without a daemon

struct FolderOptions {
  std::optional<std::string> reference;  ///< material; none: the only one that has an `uncycled` folder
  std::vector<Material> materials;  ///< names and coatings of known ids; others are called by their folder
  std::vector<rate::CellTest> tests;
  std::optional<std::filesystem::path> results;  ///< the files are put here
  ScoringOptions scoring;
  unsigned threads = 2;
  ReadProgress progress;
};

/// Scores <path>/<material>/<uncycled|cycled>/... as the daemon does when it lies in its drop folder; the study is
/// called like the folder. Throws BadInput with what is missing when it cannot be scored.
StudyScores score_folder(const std::filesystem::path& path, const FolderOptions& options = {});

}  // namespace cambench::jobs
