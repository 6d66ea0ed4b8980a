// ToF-SIMS measurements made of code: SurfaceLab "Ascii (X, Y, I)" image exports of a coating study in the
// layout <dir>/<study>/<material>/<uncycled|cycled>/, one file per fragment and region, as an instrument
// computer would drop them. Poisson counts per pixel on a rough surface, with scatter from spot to spot.
//
// THE CONTRASTS BETWEEN MATERIALS ARE TUNED TO THE PROSE OF HERTLE ET AL., NOT MEASURED; tof_sims.cpp says
// which sentence each follows, and where the paper contradicts itself it follows the body text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sim {

struct SimsStudy {
  std::string id = "coatings";         ///< folder below the directory
  std::uint64_t seed = 1;              ///< equal seeds give equal bytes
  int regions = 5;                     ///< per sample
  int pixels = 64;                     ///< per side
  std::vector<std::string> materials;  ///< folder names; empty: the six of the paper
  bool uncycled = true;                ///< also ncm-uncoated/uncycled, the anchor
};

struct SimsWritten {
  std::size_t files = 0, bytes = 0;
};

/// Writes the study; every file appears under its final name only when complete. Throws std::runtime_error,
/// naming the file, when something cannot be written, and for a material that is not one of the paper's six.
SimsWritten write_sims_study(const std::filesystem::path& directory, const SimsStudy& study);

/// The fragments that are written besides `total` and `sum of rest`, in file order (SurfaceLab labels).
std::vector<std::string_view> sims_fragments();

}  // namespace cambench::sim
