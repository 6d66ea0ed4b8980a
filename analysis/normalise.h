// Pixel-by-pixel normalisation (Hertle et al., section "ToF-SIMS"): each pixel's counts of a peak are divided by the
// same pixel's total ion count and by its count of a reference ion, then taken together over the region.
//
// Both in one pass: the total and the reference image become weights once, then every peak is a stream of pixels and a
// few sums, so that only these two images are in memory whatever the number of peaks.
//
// Where the divisor is 0: a pixel without any ion (total 0) has no spectrum and is left out everywhere. A pixel without
// a reference ion follows NormaliseOptions::empty_reference; how much of a sum comes from such pixels is reported.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/region.h"

namespace cambench::sims {

struct PixelWeight {
  double by_total = 0;      ///< 1 / total; 0 for a pixel without ions
  double by_reference = 0;  ///< 1 / reference, or by the rule for empty ones; 0 for a pixel that is left out
  double from_empty = 0;  ///< by_reference where the pixel has no reference ion but is kept (`half`), else 0
};

struct RegionWeights {
  ImageShape shape;
  std::vector<PixelWeight> pixels;
  double total_counts = 0, reference_counts = 0;
  std::size_t pixels_with_ions = 0;          ///< mean of by_total over these
  std::size_t pixels_for_reference = 0;      ///< mean of by_reference over these
  std::size_t pixels_without_reference = 0;  ///< with ions, but halved or left out for want of reference ions
};

/// `reference` may be null: then only by total. Both images must have the same shape (asserted: the reader checks).
[[nodiscard]] RegionWeights weigh(const Image& total, const Image* reference,
                                  const NormaliseOptions& options);

/// The sums of one peak. Short runs are summed on their own before they are added up, which keeps rounding small.
class PeakSums {
 public:
  explicit PeakSums(const RegionWeights& weights) : weights_(weights) {}
  /// `run` must lie inside the weights' image.
  void add(std::span<const PixelCounts> run);
  [[nodiscard]] Peak peak(std::string label) const;
  /// Counts in pixels whose total is 0: a contradiction between two files. They are in no normalised sum.
  [[nodiscard]] double counts_without_total() const { return counts_without_total_; }

 private:
  void add_short(std::span<const PixelCounts> run);
  const RegionWeights& weights_;
  double counts_ = 0, by_total_ = 0, by_reference_ = 0, from_empty_ = 0, counts_without_total_ = 0;
};

}  // namespace cambench::sims
