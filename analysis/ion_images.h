// Measurements that hold a whole spectrum for each pixel (imzML, raw events): the same pixel-by-pixel normalisation as
// for exported images, without building an image for each peak.
//
// The measurement is gone through twice: first for the total and the reference ion's image, then for the sums of all
// peaks. So only these two images are in memory (40 bytes a pixel), whatever the number of peaks or the file's size.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/region.h"

namespace cambench::sims {

/// Ions of one pixel: those of one interval, or all.
struct Ions {
  static constexpr std::uint32_t all = UINT32_MAX;
  std::uint32_t pixel = 0;     ///< Y width + X
  std::uint32_t interval = 0;  ///< its index, or `all`: then they count for the pixel's total
  double counts = 0;
};

/// Hands on the ions of a measurement in the order of its file, in short runs. Called twice; what is not wanted may be
/// left out.
using IonSink = std::function<void(std::span<const Ions>)>;
using IsWanted = std::function<bool(std::uint32_t interval)>;
using IonPass = std::function<void(const IsWanted&, const IonSink&)>;

/// A Region without its `files`, which are the caller's to fill in. Throws BadInput: no ions at all, a required
/// reference ion that no interval has.
[[nodiscard]] Region normalise_ions(const IonPass& pass, ImageShape shape,
                                    std::span<const MassInterval> intervals, std::string_view name,
                                    const NormaliseOptions& options = {});

/// The same for measurements that hold an image for each peak: hands on the pixels of one image that are not zero, or of
/// the total (Ions::all), each image at most twice.
using ImagePass = std::function<void(std::uint32_t interval, const PixelSink&)>;
[[nodiscard]] Region normalise_images(const ImagePass& read, ImageShape shape,
                                      std::span<const MassInterval> intervals, std::string_view name,
                                      const NormaliseOptions& options = {});

}  // namespace cambench::sims
