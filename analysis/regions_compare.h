// Two parts of one measured region against each other, such as the inner and the outer part under a current collector
// that covers only the middle (Hertle et al., modified current collector): where current flowed, what grew?
//
// Every pixel's counts are divided by its own total ion count first, as everywhere, so that topography cancels. The
// uncertainty is taken between tiles of the image, not between pixels: neighbouring pixels see the same grains and the
// same beam, and counting them as independent would make every difference look certain.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/bootstrap.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/region_images.h"

namespace cambench::sims {

// ---- parts of an image

/// Which pixels belong to a part; row by row as Image, Y = 0 first. A pixel belongs where its centre does, which for
/// pixel (X, Y) is the place (X, Y).
struct Mask {
  std::uint32_t width = 0, height = 0;
  std::vector<bool> inside;
  [[nodiscard]] std::size_t pixels() const;
  [[nodiscard]] Mask outside() const;
};

struct Place {
  double x = 0, y = 0;  ///< in pixels
};
[[nodiscard]] Mask circle_mask(const ImageShape& shape, Place centre, double radius);
/// Crossings count by the even-odd rule; the last corner joins the first. Throws BadInput for fewer than three.
[[nodiscard]] Mask polygon_mask(const ImageShape& shape, std::span<const Place> corners);
/// Pixels above the threshold: an ion image, for example of a coating's own ion.
[[nodiscard]] Mask image_mask(const Image& image, double threshold = 0);
/// White in a PNG, drawn over the picture of the region: the uppermost row is the largest Y, as SurfaceLab shows it.
/// Throws BadInput for no PNG, and for one of another size.
[[nodiscard]] Mask png_mask(std::string_view png, std::string_view name, const ImageShape& shape);

// ---- pictures

/// Counts over the same pixel's total; 0 where there are no ions. Images of one shape (asserted).
[[nodiscard]] Image normalised(const Image& peak, const Image& total);
/// Grey, black at 0 and white at `white` (0: the largest value); the uppermost row is the largest Y.
[[nodiscard]] std::string png_of(const Image& image, double white = 0);
[[nodiscard]] std::string png_of(const Mask& mask);

// ---- the comparison

struct CompareOptions {
  std::uint32_t tile =
      16;  ///< side in pixels; at least four times what neighbouring pixels share (beam, grains)
  double deviations = 1.96;  ///< half-width of the interval, as for many tiles; few widen it (Student)
};

struct Part {
  std::size_t pixels = 0;  ///< with ions
  double tiles = 0;        ///< as many whole ones as its cut ones are worth
  double counts = 0;
  double mean = 0;           ///< of counts / total over the pixels
  std::optional<double> se;  ///< of the mean, between tiles; none for fewer than two
};

/// Inner over outer for one fragment.
struct Contrast {
  std::string label;
  Part inner, outer;
  std::optional<double> ratio;
  std::optional<Interval> interval;  ///< of the ratio, symmetric in its logarithm
  std::optional<double>
      deviations;       ///< ln(ratio) in standard errors. Of 100 fragments 5 exceed 1.96 by chance
  std::string why_not;  ///< what is missing above, and why
};

/// Throws BadInput when a mask is empty, of another shape, or shares pixels with the other.
class PartComparison {
 public:
  PartComparison(const Image& total, Mask inner, Mask outer, const CompareOptions& options = {});
  /// `peak` must have the total's shape (asserted).
  [[nodiscard]] Contrast of(std::string_view label, const Image& peak) const;

 private:
  [[nodiscard]] Part part(const Mask& mask, const Image& peak) const;
  ImageShape shape_;
  std::vector<double> by_total_;
  Mask inner_, outer_;
  CompareOptions options_;
};

/// Every peak of a region, in the order of its images. Throws BadInput.
[[nodiscard]] std::vector<Contrast> compare_parts(const RegionImages& images, const Image& total,
                                                  const Mask& inner, const Mask& outer,
                                                  const CompareOptions& options = {});
/// One row a fragment.
[[nodiscard]] std::string contrasts_csv(std::span<const Contrast> contrasts);

}  // namespace cambench::sims
