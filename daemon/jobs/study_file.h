// <drop>/<study>/study.toml, which a study may have: how it is scored, which files belong to which sample where they do
// not lie in folders of that name, and how much is expected. A change of it scores the study again.
//
//   [scoring]                        # as in scoring_options.h; has the last word over the bench's configuration
//   [expected]
//   regions = 14                     # of every sample; what lacks some is named
//   wait = false                     # true: nothing is scored before they are all there
//   [[part]]                         # inner against outer part of regions, in every format but single spectra; each region
//                                    # by the first that it fits. All regions of a sample are also taken together
//   material = "ncm-uncoated"
//   state = "cycled"                 # or "uncycled"
//   regions = ["spot 1*"]            # without: every region of the sample
//   circle = [128, 128, 60]          # X, Y and radius in pixels; or one of these:
//   # polygon = [20, 20, 200, 20, 110, 220]
//   # mask = "inner.png"             # beside study.toml, of the image's size, white inside
//   # ion = "Ni-"                    # pixels with more than `above` counts of it
//   # above = 2
//   overlay = ["PO3-", "S4-", "NiO2-"]  # red, green, blue
//   field_of_view_um = 300           # width of the image, for scale bars, where its files do not give it or give it wrong
//   tile = 16                        # pixels, a side of the tiles that errors are taken between
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
#include "analysis/study_parts.h"
#include "daemon/jobs/scoring_options.h"

namespace cambench::jobs {

inline constexpr std::string_view study_file_name = "study.toml";

/// Files that belong to one sample.
struct SampleFiles {
  std::string material;
  sims::State state = sims::State::cycled;
  std::vector<std::string> patterns;
};

/// Regions of one sample whose inner part is compared with the outer one.
struct PartsWanted {
  std::string material;
  sims::State state = sims::State::cycled;
  std::vector<std::string> patterns;  ///< of region names; empty: all
  sims::PartOptions options;
};

struct StudyFile {
  ScoringOptions scoring;
  std::vector<SampleFiles> samples;
  std::vector<PartsWanted> parts;
  std::vector<sims::FileUsed> masks;   ///< files that the parts rest on
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
