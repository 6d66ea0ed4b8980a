// Which figures a study has, and which of its numbers each one shows.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "analysis/radar.h"
#include "analysis/study.h"

namespace cambench::study {

struct Figure {
  std::string file;     ///< "radar.svg"
  std::string caption;  ///< what is seen, and by which rule
  std::string svg;
};

/// Those of the report, in its order. What has no data has no figure.
[[nodiscard]] std::vector<Figure> figures(const StudyResult& result);
/// One radar chart a material: radar_<material>.svg.
[[nodiscard]] std::vector<Figure> radar_figures(const StudyResult& result);

/// Box plots of every fragment that any spot has, over its mean in the uncoated, cycled sample or, where that has none,
/// over the normalised intensity itself: fragments_<category>.svg. Needs spots.
[[nodiscard]] std::vector<Figure> box_figures(const StudyResult& result);
/// Of one region whose inner part is compared with the outer one; `number` counts from 1.
[[nodiscard]] Figure contrast_figure(const StudyResult& result, const sims::RegionParts& parts,
                                     std::size_t number);
/// Of all regions of one sample.
[[nodiscard]] Figure pooled_figure(const StudyResult& result, const sims::PooledParts& parts);
/// "NCM uncoated, cycled, all 5 regions".
[[nodiscard]] std::string sample_name(const StudyResult& result, const sims::PooledParts& parts);
/// "NCM uncoated, cycled, region 3".
[[nodiscard]] std::string spot_name(const StudyResult& result, const sims::Spot& spot);

/// The axes of the radar charts as drawn, labels with lowered letters.
[[nodiscard]] std::vector<plots::RadarAxis> radar_axes(const StudyResult& result);
/// "LiNbO3, 1 wt%", as far as it is known; "uncoated reference".
[[nodiscard]] std::string coating_of(const status::ScoredMaterial& material);
/// Of a material, by its id; the id itself where the study has none of it.
[[nodiscard]] std::string name_of(const StudyResult& result, std::string_view material);
/// A name as part of a file's: what may not stand there becomes `_`, and a few letters of its hash tell
/// it from others that look alike then.
[[nodiscard]] std::string file_part(std::string_view text);
/// "SO_{3}⁻" of "SO3-".
[[nodiscard]] std::string formula(std::string_view label);
/// "QS_{0}", "SO_{x}": a score's name with lowered letters.
[[nodiscard]] std::string symbol(std::string_view key);

}  // namespace cambench::study
