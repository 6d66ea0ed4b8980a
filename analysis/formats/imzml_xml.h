// The XML of an imzML: where each pixel's spectrum stands in the binary file. Terms are found by their accession alone:
// IONTOF SurfaceLab 7.5 misspells their names.
//
// The XML is taken one tag at a time, and once a spectrum's text is known, one spectrum at a time as long as only its
// numbers change. In memory: 72 bytes a pixel, and a piece of the XML.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "analysis/formats/binary_file.h"

namespace cambench::sims {

constexpr std::uint32_t most_imzml_pixels = 1 << 22;

enum class ImzmlNumber : std::uint8_t { none, float32, float64, int32, int64 };
[[nodiscard]] constexpr std::size_t size_of(ImzmlNumber number) {
  return number == ImzmlNumber::float32 || number == ImzmlNumber::int32 ? 4 : 8;
}

/// A place that lies inside the binary file.
struct ImzmlArray {
  std::uint64_t offset = 0;
  std::uint32_t values = 0, bytes = 0;
  ImzmlNumber number = ImzmlNumber::none;
  bool zlib = false;
  friend bool operator==(const ImzmlArray&, const ImzmlArray&) = default;
};

struct ImzmlPixel {
  std::int32_t x = 0, y = 0;
  ImzmlArray mz, intensity;                                 ///< equally long
  double total = std::numeric_limits<double>::quiet_NaN();  ///< the total ion current; NaN: not given
};

struct ImzmlContent {
  std::vector<ImzmlPixel> pixels;  ///< one at least, in the order of the file
  std::optional<std::uint32_t> width,
      height;                      ///< of the image, in pixels, as the settings of the scan give them
  std::optional<double> pixel_um;  ///< its width
  std::string uuid;                ///< as written; empty: not given
  std::string sha1, md5;           ///< of the binary file, lower-case hexadecimal digits; empty: not given
  bool offsets_wrapped = false;    ///< they had overflowed and were continued
};

/// Throws BadInput: no imzML, a spectrum that lacks something, an array that lies outside `binary`.
[[nodiscard]] ImzmlContent read_imzml_xml(BinaryFile& xml, const BinaryFile& binary);

/// The hexadecimal digits of a UUID or digest, without braces and dashes, in lower case.
[[nodiscard]] std::string hex_digits(std::string_view text);

/// Some writers count offsets in 32 bits with a sign: after 2^31 - 1 they go on with -2^31. Gets the offsets in the
/// order of the file, each kind of array on its own, and gives what was meant.
class WrappedOffsets {
 public:
  [[nodiscard]] std::int64_t next(std::int64_t written) {
    if (written < 0 && previous_ >= 0) added_ += std::int64_t{1} << 32;
    previous_ = written;
    return written + added_;
  }
  [[nodiscard]] bool wrapped() const { return added_ != 0; }

 private:
  std::int64_t previous_ = 0, added_ = 0;
};

}  // namespace cambench::sims
