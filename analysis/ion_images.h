// Measurements in one file: the same pixel-by-pixel normalisation as for exported images, in the order in which the
// file has them, so that it is read once.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/mass_scale.h"
#include "analysis/region.h"

namespace cambench::sims {

// All give a Region without its `files`, which are the caller's to fill in, and throw BadInput: no ions at all, a
// required reference ion that no interval or too few ions have.

/// Spectra: `pass` hands on the total and the area of each interval of one pixel after the other, each pixel once and in
/// any order. Nothing but sums is kept.
using SpectrumSink = std::function<void(double total, std::span<const double> areas)>;
using SpectrumPass = std::function<void(const SpectrumSink&)>;
[[nodiscard]] Region normalise_spectra(const SpectrumPass& pass, ImageShape shape,
                                       std::span<const MassInterval> intervals, std::string_view name,
                                       const NormaliseOptions& options = {});

/// Raw events, which come in any order: they are counted by pixel and interval first, where these counts take no more
/// than 32 MiB (256 x 256 pixels and 120 intervals do). Larger images are gone through twice instead, with 48 bytes a
/// pixel in memory.
using RawIonSink = std::function<void(std::span<const RawIon>)>;
using RawIonPass = std::function<void(const RawIonSink&)>;
[[nodiscard]] Region normalise_ions(const RawIonPass& pass, ImageShape shape,
                                    const ChannelIntervals& by_channel,
                                    std::span<const MassInterval> intervals, std::string_view name,
                                    const NormaliseOptions& options = {});

/// Images: `read` hands on one of them, or that of the total (all_ions), each at most twice. The total and the reference
/// ion's image are in memory (48 bytes a pixel).
inline constexpr std::uint32_t all_ions = UINT32_MAX;
using ImagePass = std::function<void(std::uint32_t interval, const ImageSink&)>;
[[nodiscard]] Region normalise_images(const ImagePass& read, ImageShape shape,
                                      std::span<const MassInterval> intervals, std::string_view name,
                                      const NormaliseOptions& options = {});

}  // namespace cambench::sims
