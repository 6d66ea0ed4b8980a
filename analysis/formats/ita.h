// .ita, a measurement as SurfaceLab keeps it: images summed over the scans, with their names and bounds. Version 6 has
// them by number (ImageStackScansAdded), newer ones by serial number (Images/<SN>/SumImage); where only the scans'
// images are kept, they are summed here. No file is public; source: the reverse-engineered reader pySPM.
//
// In memory: one image, and its packed form (32 MB at most).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/itstr.h"
#include "analysis/formats/itstr_parts.h"

namespace cambench::sims {

class ItaReader {
 public:
  struct Image {
    std::string description;           ///< `total`, `sum of rest`, or what the operator wrote
    MassInterval interval;             ///< its label: the assignment, or the mass
    std::vector<ItStr::Block> counts;  ///< one, or one a scan
  };

  /// Reads the list of peaks. Throws BadInput: no list, no images, a peak without an image.
  explicit ItaReader(BinaryFile file);

  [[nodiscard]] ImageShape shape() const { return shape_; }
  /// The width of the image in m, where the file gives it.
  [[nodiscard]] std::optional<double> field_of_view() { return it_field_of_view(blocks_); }
  [[nodiscard]] const std::vector<Image>& images() const { return images_; }
  /// Hands on all pixels of an image; the lowest row is Y = 0, as it is kept.
  void read(const Image& image, const ImageSink& sink);

  [[nodiscard]] BinaryFile& file() { return blocks_.file(); }

 private:
  [[nodiscard]] std::vector<ItStr::Block> counts_of(const ItPeak& peak);

  ItStr blocks_;
  ImageShape shape_;
  std::vector<Image> images_;
  std::vector<ItStr::Block> summed_, scans_;  // version 6: folders `Image` by number
  std::optional<ItStr::Block> by_serial_;     // newer: folders by serial number
};

}  // namespace cambench::sims
