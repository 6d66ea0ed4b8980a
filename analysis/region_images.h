// The ion images of one region, for what looks at where ions lie: read one at a time, so that only those that are asked
// for are in memory.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
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
  std::optional<double> field_of_view_um;  ///< the width of the image, where the files give it

  /// The peak of this ion in any spelling; labels.size() when there is none.
  [[nodiscard]] std::size_t find(std::string_view ion) const;
};

/// Read where the files hold images, else counted: from raw events and from spectra of every pixel, as many at a time as
/// fit into `most_bytes`, best asked for in their order. Counted as `options` say, so that they add up to the region's values.
/// Throws BadInput, also for a spectrum of a whole region.
[[nodiscard]] RegionImages images_of(const RegionFiles& found, const NormaliseOptions& options = {},
                                     std::size_t most_bytes = 32 << 20);

}  // namespace cambench::sims
