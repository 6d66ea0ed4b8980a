// Raw events (.itm.grd, written by SurfaceLab's ITRawExport): 20 bytes an ion, five 32-bit numbers: scan, shot, x, y and
// flight-time channel. Or split into files of one kind of number each: .itm.scans, .itm.coords (x, y), .itm.tofs, and
// .itm.shots, which is not needed. Beside them <name>.properties.txt, tab-separated with the value in the third column, has the raster
// and the mass scale. No file is public; sources: the independent readers tofsims (R) and TOFSIMS-GRD, which agree.
//
// Scans are summed. Every record is an ion, the first ones too (tofsims drops five), and masses follow from SF and K0.
// In memory: one piece of the file (256 KiB).
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "analysis/formats/binary_file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/mass_scale.h"

namespace cambench::sims {

struct GrdProperties {
  std::uint32_t resolution = 0;         ///< pixels in X and in Y: Registration.Raster.Resolution
  MassScale scale;                      ///< Context.MassScale.SF and .K0
  std::optional<double> upper_mass;     ///< u: Measurement.UpperMass
  std::optional<double> field_of_view;  ///< m: Registration.Raster.FieldOfView
};
/// Throws BadInput where the resolution or the mass scale is missing. NUL bytes are passed over.
[[nodiscard]] GrdProperties parse_grd_properties(std::string_view text, std::string_view name);

class GrdReader {
 public:
  /// Throws BadInput for a file that does not end with a whole record, or with one that is all zeros: not written yet.
  GrdReader(BinaryFile file, const GrdProperties& properties);

  [[nodiscard]] ImageShape shape() const { return {resolution_, resolution_}; }
  /// All ions in the order of the file. Throws BadInput for one outside the raster. Returns the number of scans.
  std::uint32_t each_ion(const std::function<void(std::span<const RawIon>)>& sink);

  [[nodiscard]] BinaryFile& file() { return file_; }

 private:
  BinaryFile file_;
  std::uint32_t resolution_;
};

/// The same ions, split into three files.
class SplitGrdReader {
 public:
  /// Throws BadInput for files that do not hold equally many ions, or end in zeros that were not written yet. Scans may:
  /// of them only the number is told.
  SplitGrdReader(BinaryFile scans, BinaryFile coords, BinaryFile tofs, const GrdProperties& properties);

  [[nodiscard]] ImageShape shape() const { return {resolution_, resolution_}; }
  std::uint32_t each_ion(const std::function<void(std::span<const RawIon>)>& sink);

 private:
  BinaryFile scans_, coords_, tofs_;
  std::uint32_t resolution_;
};

}  // namespace cambench::sims
