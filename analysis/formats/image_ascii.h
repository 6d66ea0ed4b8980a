// SurfaceLab's image export "Ascii (X, Y, I)": lines that are empty or begin with '#', then one line a pixel, `X Y I`,
// blanks between, X and Y integers from 0, X fastest. Scan-resolved exports have `X Y Scan I`; their scans are summed.
// Every pixel is there, zeros too; the last line holds the largest index of each axis.
//
// No real file is public: the layout is what independent readers of it agree on, so everything that can be checked is.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/formats/binary_file.h"

namespace cambench::sims {

struct ImageShape {
  std::uint32_t width = 0, height = 0;
  std::uint32_t scans = 1;  ///< summed; 1 for a summed export
  [[nodiscard]] std::size_t pixels() const { return std::size_t{width} * height; }
};

/// A pixel that is not zero. `pixel` = Y width + X.
struct PixelCounts {
  std::uint32_t pixel = 0;
  double counts = 0;
};

/// Gets the pixels that are not zero in the order of the file, in short runs. A pixel comes once a scan.
using PixelSink = std::function<void(std::span<const PixelCounts>)>;

/// Reads an image and hands on its pixels as it goes: no image is kept, and of the file `window` bytes, or its longest
/// line. Throws BadInput for a pixel that is missing, there twice, negative or no number; the sink has then had a part of
/// it. An image of another width or height than `expected` is refused before the sink gets anything.
ImageShape read_image_ascii(BinaryFile& file, const PixelSink& sink, const ImageShape* expected = nullptr,
                            std::size_t window = 1 << 20);
/// The same of a text in memory.
ImageShape read_image_ascii(std::string_view text, std::string_view name, const PixelSink& sink,
                            const ImageShape* expected = nullptr);

/// Gets neighbouring pixels in the order of Image, zeros too.
using ImageSink = std::function<void(std::uint32_t first_pixel, std::span<const std::uint32_t> counts)>;

struct Image {
  ImageShape shape;
  std::vector<double> counts;  ///< row by row, Y = 0 first
};
[[nodiscard]] Image parse_image_ascii(BinaryFile& file, const ImageShape* expected = nullptr);
[[nodiscard]] Image parse_image_ascii(std::string_view text, std::string_view name,
                                      const ImageShape* expected = nullptr);

[[nodiscard]] bool looks_like_image_ascii(std::string_view start);

/// `<Filename Base> (<ID>) - <peaklabel>.txt`, read from the right, since a base may hold anything.
struct ImageFileName {
  std::string base, label;
  int id = 0;
};
[[nodiscard]] std::optional<ImageFileName> parse_image_file_name(std::string_view name);

}  // namespace cambench::sims
