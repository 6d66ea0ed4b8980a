// BIF6, SurfaceLab's stack of images in one binary file: the total ion image and one for each peak, with the peak's
// bounds but without its name. No file is public; sources: the independent readers pybif6 and tofsims (R).
//
// They disagree on the two sizes. Here the first is X (width) and X runs fastest, as tofsims and a third script have it;
// pybif6 says Y first. For square images, and for every sum over a region, both are the same.
//
// In memory: 40 bytes an image, and one piece of an image (128 KiB).
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "analysis/formats/binary_file.h"
#include "analysis/formats/image_ascii.h"

namespace cambench::sims {

class Bif6Reader {
 public:
  struct Image {
    std::uint32_t id = 0;                     ///< 0: total ion image; 1: sum of rest; peaks from 2
    double lower = 0, centre = 0, upper = 0;  ///< u
    std::uint64_t offset = 0;                 ///< of its counts
  };

  /// Checks the size of the file and all headers. Throws BadInput, also for a header that was not written yet; an image
  /// whose last pixels were not cannot be told from one with no ions there.
  explicit Bif6Reader(BinaryFile file);

  [[nodiscard]] ImageShape shape() const { return shape_; }
  [[nodiscard]] const std::vector<Image>& images() const { return images_; }  ///< in the order of the file
  /// Hands on all pixels of an image.
  void read(const Image& image, const ImageSink& sink);

  [[nodiscard]] BinaryFile& file() { return file_; }

 private:
  BinaryFile file_;
  ImageShape shape_;
  std::vector<Image> images_;
  std::vector<std::uint32_t> piece_;  // of an image, kept so that it is not made again for each
};

[[nodiscard]] bool looks_like_bif6(std::string_view start);

}  // namespace cambench::sims
