// Up to three ion images of one region over each other, in red, green and blue, with a scale bar: which ions lie where
// (Hertle et al., figures of the modified current collector).
#pragma once
#include <optional>
#include <span>
#include <string>

#include "analysis/formats/image_ascii.h"

namespace cambench::sims {

struct OverlayOptions {
  std::optional<double> field_of_view_um;  ///< of the image's width; none: the bar counts pixels
  /// Each image is white (red, green, blue) at this quantile of its pixels: a few hot ones must not darken the rest.
  double white = 0.995;
  std::uint32_t least_side = 512;  ///< small images are enlarged by a whole number, each pixel a square
};

/// A PNG: the uppermost row is the largest Y, and below the image lies a black strip with the scale bar, a round length of
/// about a quarter of the width. The images must have one shape (asserted); one to three of them.
[[nodiscard]] std::string overlay_png(std::span<const Image> images, const OverlayOptions& options = {});

/// 1, 2 or 5 times a power of ten, at most `longest`.
[[nodiscard]] double round_length(double longest);

}  // namespace cambench::sims
