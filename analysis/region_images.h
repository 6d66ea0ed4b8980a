// The ion images of one region, for what looks at where ions lie: read one at a time, so that only those that are asked
// for are in memory.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/region.h"

namespace cambench::sims {

struct RegionImages {
  std::vector<std::string> labels;  ///< of the peaks, as the files say them
  std::function<Image()> total;     ///< reads; throws BadInput
  /// That of labels[i]; one of another shape than the total's is refused.
  std::function<Image(std::size_t i, const ImageShape& of_total)> peak;

  /// The peak of this ion in any spelling; labels.size() when there is none.
  [[nodiscard]] std::size_t find(std::string_view ion) const;
};

/// Of exported images, BIF6 and .ita. Throws BadInput for the formats that hold no images.
[[nodiscard]] RegionImages images_of(const RegionFiles& found);

}  // namespace cambench::sims
