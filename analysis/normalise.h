// Pixel-by-pixel normalisation (Hertle et al., section "ToF-SIMS"): each pixel's counts of a peak are divided by the
// same pixel's total ion count and by its count of a reference ion, then taken together over the region.
//
// Both in one pass. Images come peak by peak: the total and the reference image become weights once, then every peak is
// a stream of pixels and a few sums, so that only these two images are in memory whatever the number of peaks. Spectra
// come pixel by pixel, and each brings its own total and reference: then only the sums are.
//
// Where the divisor is 0: a pixel without any ion (total 0) has no spectrum and is left out everywhere. A pixel without
// a reference ion follows NormaliseOptions::empty_reference; how much of a sum comes from such pixels is reported.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/region.h"

namespace cambench::sims {

/// Four numbers that lie side by side, so that the processor may take them at once.
struct PixelWeight {
  double by_total = 0;      ///< 1 / total; 0 for a pixel without ions
  double by_reference = 0;  ///< 1 / reference, or by the rule for empty ones; 0 for a pixel that is left out
  double from_empty = 0;  ///< by_reference where the pixel has no reference ion but is kept (`half`), else 0
  double without_total = 1;  ///< 1 for a pixel without ions, else 0
};

/// What the pixels of a region are worth together.
struct RegionTotals {
  double total_counts = 0, reference_counts = 0;
  std::size_t pixels_with_ions = 0;          ///< mean of by_total over these
  std::size_t pixels_for_reference = 0;      ///< mean of by_reference over these
  std::size_t pixels_without_reference = 0;  ///< with ions, but halved or left out for want of reference ions

  /// One pixel more. `reference` may be null: then only by total.
  PixelWeight add(double total, const double* reference, const NormaliseOptions& options);
};

/// Says that the region is normalised to that ion; where no pixel has enough of it, a note says so instead. Throws
/// BadInput where it is required.
void refer(Region& region, const std::string& reference, const RegionTotals& totals,
           const NormaliseOptions& options);

struct RegionWeights : RegionTotals {
  ImageShape shape;
  std::vector<PixelWeight> pixels;
};

/// `reference` may be null: then only by total. Both images must have the same shape (asserted: the reader checks).
[[nodiscard]] RegionWeights weigh(const Image& total, const Image* reference,
                                  const NormaliseOptions& options);

/// One peak's counts, plain and times each of the pixel's weights.
struct Sums {
  double counts = 0;
  double by_total = 0, by_reference = 0, from_empty = 0;  ///< as of PixelWeight
  double without_total = 0;                               ///< counts in pixels whose total is 0
  void add(double n, const PixelWeight& weight) {
    counts += n;
    by_total += n * weight.by_total;
    by_reference += n * weight.by_reference;
    from_empty += n * weight.from_empty;
    without_total += n * weight.without_total;
  }
  void add(const Sums& other);
};
[[nodiscard]] Peak peak_of(std::string label, const Sums& sums, const RegionTotals& totals);

/// The sums of one peak that comes image by image. Short runs are summed on their own before they are added up, which
/// keeps rounding small.
class PeakSums {
 public:
  explicit PeakSums(const RegionWeights& weights) : weights_(weights) {}
  /// `run` must lie inside the weights' image.
  void add(std::span<const PixelCounts> run);
  /// Neighbours in the order of Image, zeros too; inside the weights' image.
  void add(std::uint32_t first_pixel, std::span<const std::uint32_t> counts);
  [[nodiscard]] Peak peak(std::string label) const;
  /// Counts in pixels whose total is 0: a contradiction between two files. They are in no normalised sum.
  [[nodiscard]] double counts_without_total() const { return sums_.without_total; }

 private:
  void add_short(std::span<const PixelCounts> run);
  const RegionWeights& weights_;
  Sums sums_;
};

/// The sums of all peaks where a pixel's spectrum comes as a whole: then no image is kept.
class SpectrumSums {
 public:
  SpectrumSums(std::size_t peaks, std::optional<std::size_t> reference, const NormaliseOptions& options);
  /// One pixel: all its ions, and those of each peak. Each pixel once.
  template <typename Count>  // double or std::uint32_t
  void add(double total, std::span<const Count> counts);
  void end();  ///< after the last pixel
  [[nodiscard]] Peak peak(std::size_t index, std::string label) const;
  [[nodiscard]] const RegionTotals& totals() const { return totals_; }
  [[nodiscard]] double counts_without_total() const;  ///< as of PeakSums, of all peaks

 private:
  std::optional<std::size_t> reference_;
  NormaliseOptions options_;
  RegionTotals totals_;
  std::vector<Sums> sums_, run_;  // of all pixels, and of those since the last full run
  std::size_t pixels_of_run_ = 0;
};

}  // namespace cambench::sims
