// <drop>/<study>/study.toml, which a study may have: how it is scored, which files belong to which sample where they do
// not lie in folders of that name, and how much is expected. A change of it scores the study again.
//
//   [scoring]                        # as in scoring_options.h; has the last word over the bench's configuration
//   [expected]
//   regions = 14                     # of every sample; what lacks some is named
//   wait = false                     # true: nothing is scored before they are all there
//   [[sample]]                       # the first that matches a file counts; others lie as <material>/<uncycled|cycled>/...
//   material = "ncm-linbo3"
//   state = "cycled"                 # or "uncycled"
//   files = ["2026-11-03/LNO*"]      # below the study's folder; * stands for any text, / too, and ? for one letter
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/spot_table.h"
#include "daemon/jobs/scoring_options.h"

namespace cambench::jobs {

inline constexpr std::string_view study_file_name = "study.toml";

/// Files that belong to one sample.
struct SampleFiles {
  std::string material;
  sims::State state = sims::State::cycled;
  std::vector<std::string> patterns;
};

struct StudyFile {
  ScoringOptions scoring;
  std::vector<SampleFiles> samples;
  std::optional<int> regions;          ///< expected of every sample
  bool wait = false;                   ///< for them, before anything is scored
  std::optional<sims::FileUsed> file;  ///< none: the study has no such file
};

/// `scoring` is what the bench's configuration says. Throws BadInput, which names every mistake with its line.
[[nodiscard]] StudyFile parse_study_file(std::string_view text, const std::filesystem::path& file,
                                         ScoringOptions scoring);
/// The same of a study's folder, which may have none.
[[nodiscard]] StudyFile read_study_file(const std::filesystem::path& folder, const ScoringOptions& scoring);

/// Whether a path matches a pattern of `*` and `?`.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view path);

}  // namespace cambench::jobs
