// From the spots of a study and the rate tests of its cells to its scores: what is computed, from what, and how it was
// decided, as one document that can be retraced. Pure: the same inputs and settings give the same bytes.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/study.h"
#include "daemon/jobs/scoring_options.h"
#include "daemon/jobs/study_data.h"
#include "schema/cell.h"
#include "schema/status.h"

namespace cambench::jobs {

struct StudySpec {
  std::string id, title;
  std::vector<Material> materials;    ///< in the order to show them; exactly one is the reference
  std::vector<std::string> caveats;   ///< what a reader must know: "all instruments were simulated"
  std::optional<int> regions;         ///< expected of every sample
  bool wait_for_regions = false;      ///< before anything is scored
  std::vector<sims::FileUsed> files;  ///< study.toml, table of fragments
};
/// What study.toml says of it.
void add_study_file(const StudyFile& file, StudySpec& study);

/// A finished rate test as it comes out of the store.
struct RateTest {
  rate::CellTest test;
  std::string run;          ///< its id
  std::string sha256;       ///< over its samples
  std::uint64_t bytes = 0;  ///< that were hashed
};

struct StudyScores {
  status::Study summary;    ///< what the status shows; without version and time
  std::string inputs_hash;  ///< SHA-256 over all inputs, settings and the program: equal hash, equal scores
  std::string program, settings_json, result_json;
  std::map<std::string, std::string> files;  ///< of the results folder: name and bytes
};

/// What a study still needs before it can be scored, as a sentence; empty when it has its two anchors and a sample.
std::string waits_for(const StudySpec& study, const StudyData& data);

/// Throws BadInput when the spots cannot be compared.
StudyScores score_study(const StudySpec& study, const StudyData& data, std::span<const RateTest> tests,
                        const ScoringOptions& options = {});

/// Back from to_json(status::Study), as the store keeps it. Throws BadInput.
status::Study summary_from_json(std::string_view json);

// ---- without a daemon

struct FolderOptions {
  std::optional<std::string> reference;  ///< material; none: the only one that has an `uncycled` folder
  std::vector<Material> materials;  ///< names and coatings of known ids; others are called by their folder
  std::vector<RateTest> tests;
  std::optional<std::filesystem::path> results;  ///< the files are put here
  ScoringOptions scoring;                        ///< what the folder's study.toml does not decide
  unsigned threads = 2;
  ReadProgress progress;
};

/// Scores <path>/<material>/<uncycled|cycled>/... as the daemon does when it lies in its drop folder; the study is
/// called like the folder. Throws BadInput with what is missing when it cannot be scored.
StudyScores score_folder(const std::filesystem::path& path, const FolderOptions& options = {});

}  // namespace cambench::jobs
