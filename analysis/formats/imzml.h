// imzML 1.1: an XML file that says where each pixel's spectrum stands in the binary file (.ibd) beside it. Continuous
// (one m/z array for all) and processed (one for each) alike. Sources: the standard's example files, and the dialect of
// IONTOF SurfaceLab 7.5's exporter, whose pixels may be missing.
//
// The binary file is taken one spectrum at a time. In memory: 72 bytes a pixel, a piece of each
// file, one spectrum (4 million channels at most).
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/formats/binary_file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/imzml_xml.h"
#include "analysis/formats/spectrum_ascii.h"

namespace cambench::sims {

class ImzmlReader {
 public:
  /// Reads the XML and checks every place that it names against the binary file, and the UUID. Throws BadInput.
  ImzmlReader(BinaryFile xml, BinaryFile binary);

  /// The width of the image, where the XML gives the size of a pixel.
  [[nodiscard]] std::optional<double> field_of_view_um() const;
  /// Pixels that have no spectrum are inside the shape; they are never handed on.
  [[nodiscard]] ImageShape shape() const { return shape_; }
  /// Sentences that a reader of the result should see, without the file's name.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Reads both files once more, whole. Throws BadInput where the binary file's SHA-1 or MD5 is not the one that the XML
  /// gives.
  struct Sha256OfFiles {
    std::string xml, binary;
  };
  [[nodiscard]] Sha256OfFiles verify();

  /// `total` is the pixel's total ion current as the file gives it (MS:1000285), or the sum of its spectrum where not
  /// every pixel has one. The spectrum lives until the sink returns.
  using Sink = std::function<void(std::uint32_t pixel, double total, const Spectrum&)>;
  void each_pixel(const Sink& sink);
  [[nodiscard]] bool totals_given() const { return totals_given_; }  ///< by every pixel

  /// The m/z axis that all pixels share, if they do; empty in processed files.
  [[nodiscard]] std::vector<double> shared_axis();

  [[nodiscard]] std::uint64_t xml_bytes() const { return xml_.size(); }
  [[nodiscard]] std::uint64_t binary_bytes() const { return binary_.size(); }

 private:
  void place_pixels();
  /// False for an array that cannot be inflated to its length.
  bool read_array(const ImzmlArray& array, std::vector<double>& into);
  void check_uuid();

  BinaryFile xml_, binary_;
  ImzmlContent content_;
  ImageShape shape_;
  std::vector<std::string> notes_;
  bool totals_given_ = false;
  std::vector<char> inflated_;
};

[[nodiscard]] bool looks_like_imzml(std::string_view start);

}  // namespace cambench::sims
