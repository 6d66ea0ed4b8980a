// .itm, the raw stream of a measurement as SurfaceLab 6 and 7 keep it: each scan's pixels one after the other, each with
// the flight-time channels of its ions. No file is public; sources: the reverse-engineered reader pySPM, and others'
// probes of files of version 7.
//
//   rawdata: "   6" number of the scan, "  14" packed 32-bit words, and records that are not needed here
//   words:   0xC....... X, 0xD....... Y, 0x4....... to 0x7....... running number: a pixel begins; 0x0....... to
//            0x3.......: channel of one ion of it. A pixel may go on in the next record, and may hold no ion.
//
// Scans are summed. In memory: one piece of the stream (64 KiB), whatever the number of scans.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/itstr.h"
#include "analysis/formats/itstr_parts.h"
#include "analysis/formats/mass_scale.h"

namespace cambench::sims {

class ItmReader {
 public:
  /// Throws BadInput: no raw data, no raster, no mass scale.
  explicit ItmReader(BinaryFile file);

  [[nodiscard]] ImageShape shape() const { return shape_; }
  /// The width of the image in m, where the file gives it.
  [[nodiscard]] std::optional<double> field_of_view() { return it_field_of_view(blocks_); }
  [[nodiscard]] const MassScale& scale() const { return scale_; }
  /// The file's own list of peaks, without total and sum of rest; may be empty.
  [[nodiscard]] const std::vector<MassInterval>& intervals() const { return intervals_; }

  /// All ions in the order of the file, in short runs. Throws BadInput for words that are no stream of pixels, and for a
  /// pixel outside the raster. Returns the number of scans.
  std::uint32_t each_ion(const std::function<void(std::span<const RawIon>)>& sink);

  [[nodiscard]] BinaryFile& file() { return blocks_.file(); }

 private:
  ItStr blocks_;
  ItStr::Block raw_;
  ImageShape shape_;
  MassScale scale_;
  std::vector<MassInterval> intervals_;
};

}  // namespace cambench::sims
