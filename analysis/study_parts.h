// Inner and outer part of a study's regions (Hertle et al., the modified current collector): where the inner part lies,
// how each fragment differs between the two, and pictures of where the ions lie.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "analysis/regions_compare.h"
#include "analysis/spot_table.h"

namespace cambench::sims {

// ---- where the inner part lies; the outer one is the rest of the image

struct Circle {
  Place centre;
  double radius = 0;
};
struct Polygon {
  std::vector<Place> corners;
};
struct DrawnMask {
  std::string name, png;  ///< white inside
};
struct IonMask {
  std::string ion;
  double above = 0;  ///< counts of a pixel
};
using InnerPart = std::variant<Circle, Polygon, DrawnMask, IonMask>;
/// "circle around X 128 Y 128, radius 60 pixels".
[[nodiscard]] std::string describe(const InnerPart& inner);

struct PartOptions {
  InnerPart inner;
  std::vector<std::string> overlay;        ///< up to three ions, drawn over each other
  std::optional<double> field_of_view_um;  ///< width of the image, for scale bars; none: as the files give it
  CompareOptions compare;
};

// ---- what comes of it

struct IonPicture {
  std::string ion;
  std::string png;  ///< counts over the pixel's total, with scale bar
};

struct RegionParts {
  Spot spot;          ///< which region it is
  std::string inner;  ///< where its inner part lies, in words
  CompareOptions options;
  std::optional<double> field_of_view_um;  ///< of its scale bars; none: neither files nor options give it
  std::size_t inner_pixels = 0, outer_pixels = 0;
  std::vector<Contrast> contrasts;        ///< by m/z
  std::string mask_png;                   ///< white inside
  std::vector<IonPicture> images;         ///< of the overlay's ions, then of those that differ most
  std::vector<std::string> overlay_ions;  ///< red, green, blue; may be empty
  std::string overlay_png;
};

/// Reads every image of the region once, one at a time. Throws BadInput, also for an overlay's ion that is not there.
[[nodiscard]] RegionParts compare_region(const Spot& spot, const RegionFiles& found,
                                         const PartOptions& options, const NormaliseOptions& normalise = {});

// ---- all regions of a sample together

/// The geometric mean of the regions' ratios. Its interval comes from how they scatter (Student's t): every region
/// counts as one, whatever its size, since pixels of one region tell nothing of another spot of the sample.
struct PooledContrast {
  std::string label;
  std::size_t regions = 0;  ///< that have a ratio
  std::optional<double> ratio;
  std::optional<Interval> interval;  ///< symmetric in its logarithm
  std::string why_not;               ///< what is missing above, and why
};
struct PooledParts {
  std::string material;
  State state = State::cycled;
  std::size_t regions = 0;
  double deviations = 0;                  ///< half-width of the intervals, as for many regions
  std::vector<PooledContrast> contrasts;  ///< by m/z
};
/// One for each sample with two regions or more, in the order of `all`.
[[nodiscard]] std::vector<PooledParts> pooled(std::span<const RegionParts> all);

}  // namespace cambench::sims
