// .ita, a measurement as SurfaceLab 6 keeps it: images summed over the scans, with their names and bounds. No file is
// public; source: the reverse-engineered reader pySPM. What newer versions keep elsewhere (Images/<SN>) is not read.
//
// In memory: one image, and its packed form (32 MB at most).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/itstr.h"

namespace cambench::sims {

class ItaReader {
 public:
  struct Image {
    std::string description;  ///< `total`, `sum of rest`, or what the operator wrote
    MassInterval interval;    ///< its label: the assignment, or the mass
    ItStr::Block counts;
  };

  /// Reads the list of peaks. Throws BadInput: no list, no images, a peak without an image.
  explicit ItaReader(BinaryFile file);

  [[nodiscard]] ImageShape shape() const { return shape_; }
  [[nodiscard]] const std::vector<Image>& images() const { return images_; }
  /// Hands on the pixels of an image that are not zero; the lowest row is Y = 0, as it is kept.
  void read(const Image& image, const PixelSink& sink);

  [[nodiscard]] BinaryFile& file() { return blocks_.file(); }

 private:
  ItStr::Block needed(const ItStr::Block& parent, std::string_view name);
  Image image_of(const ItStr::Block& peak, const std::vector<ItStr::Block>& summed);

  ItStr blocks_;
  ImageShape shape_;
  std::vector<Image> images_;
};

}  // namespace cambench::sims
