// Writes IONTOF's container and the parts of .ita and .itm that are read, as pySPM and probes of version 7 describe them:
// no real file is public.
#pragma once
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tests/analysis/folder.h"

namespace cambench::tests {

struct ItNode {
  std::string name;
  std::uint32_t id = 0;
  std::string value = {};
  bool packed = false;
  std::vector<ItNode> children = {};  ///< none: a leaf
};

inline std::string packed(const std::string& bytes) {
  std::string out(compressBound(bytes.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
           bytes.size());
  return out.substr(0, size);
}

inline std::string it_text(const std::string& text) {
  std::string wide;
  for (const char c : text) wide += {c, '\0'};
  return wide;
}

class ItWriter {
 public:
  static std::string write(const ItNode& root) {
    ItWriter writer;
    writer.add(root);
    return writer.out_;
  }

 private:
  void header(int type, const ItNode& node, std::size_t children, std::size_t bytes) {
    out_ += static_cast<char>(type);
    for (const std::size_t number :
         {std::size_t{25}, node.name.size(), std::size_t{node.id}, children, bytes, bytes})
      out_ += bytes_of(static_cast<std::uint32_t>(number));
    out_ += node.name;
  }
  void patch(std::size_t at) {
    const auto here = bytes_of(std::uint64_t{out_.size()});
    out_.replace(at, here.size(), here);
  }
  void add(const ItNode& node) {
    if (!node.children.empty()) return add_part(node, 0);
    const auto value = node.packed ? packed(node.value) : node.value;
    header(node.packed ? 0x80 : 0x00, node, 0, value.size());
    out_ += value;
  }
  // At most three children a part, so that folders are continued.
  void add_part(const ItNode& node, std::size_t first) {
    const auto count = std::min<std::size_t>(3, node.children.size() - first);
    std::string names;
    for (std::size_t i = first; i < first + count; ++i) names += node.children[i].name;
    const auto names_at = 41 + 33 * count;
    header(first ? 0x03 : 0x01, node, count, names_at + names.size());
    out_ += bytes_of(static_cast<std::uint32_t>(names_at)) + bytes_of(static_cast<std::uint32_t>(count)) +
            std::string(25, '\0');
    const auto next = out_.size();
    out_ += std::string(8, '\0');
    const auto entries = out_.size();
    std::size_t name_at = names_at;
    for (std::size_t i = first; i < first + count; ++i) {
      const auto& child = node.children[i];
      out_ += '\0' + bytes_of(static_cast<std::uint32_t>(name_at)) +
              bytes_of(static_cast<std::uint32_t>(child.name.size())) + bytes_of(child.id) +
              bytes_of(std::uint32_t{0}) + bytes_of(std::uint64_t{0}) + bytes_of(std::uint64_t{0});
      name_at += child.name.size();
    }
    out_ += names;
    for (std::size_t i = 0; i < count; ++i) {
      patch(entries + 33 * i + 25);
      add(node.children[first + i]);
    }
    if (first + count == node.children.size()) return;
    patch(next);
    add_part(node, first + count);
  }

  std::string out_ = "ITStrF01";
};

struct ItaImage {
  std::uint32_t id = 0;
  std::string description, assignment;
  double lower = 0, centre = 0, upper = 0;
  std::vector<std::uint32_t> counts;
  bool in_each_scan = false;  ///< of several scans, every one has all of them
};

inline ItNode below(const char* name, ItNode node) { return {.name = name, .children = {std::move(node)}}; }

inline std::string serial_of(const ItaImage& image) { return "{SN-" + std::to_string(image.id) + "}"; }

inline ItNode it_peak(const ItaImage& image) {
  return {.name = "mi",
          .id = image.id,
          .children = {{.name = "id", .value = bytes_of(image.id)},
                       {.name = "desc", .value = it_text(image.description)},
                       {.name = "assign", .value = it_text(image.assignment)},
                       {.name = "lmass", .value = bytes_of(image.lower)},
                       {.name = "cmass", .value = bytes_of(image.centre)},
                       {.name = "umass", .value = bytes_of(image.upper)},
                       {.name = "SN", .value = it_text(serial_of(image))}}};
}

/// Where a peak list lies: version 7 nests its peaks in a group.
inline ItNode it_peak_list(const std::vector<ItaImage>& images, int version) {
  ItNode list{.name = version < 7 ? "MassIntervalList" : "mig"};
  for (const auto& image : images) list.children.push_back(it_peak(image));
  return version < 7 ? list : below("Options", below("massintervals", std::move(list)));
}

inline ItNode it_raster(std::uint32_t width, std::uint32_t height) {
  return below("Meta", {.name = "SI Image",
                        .children = {{.name = "res_x", .value = bytes_of(width)},
                                     {.name = "res_y", .value = bytes_of(height)},
                                     {.name = "fieldofview", .value = bytes_of(3e-4)}}});
}

inline std::string it_counts(const std::vector<std::uint32_t>& counts) {
  std::string bytes;
  for (const auto n : counts) bytes += bytes_of(n);
  return bytes;
}

/// `scans` above 1: only the scans' own images, the counts dealt out to them.
inline std::string write_ita(std::uint32_t width, std::uint32_t height, const std::vector<ItaImage>& images,
                             int version = 6, std::uint32_t scans = 1) {
  ItNode stack{.name = version >= 7 ? "Images" : scans > 1 ? "ImageStackScans" : "ImageStackScansAdded"};
  for (const auto& image : images) {
    std::vector<ItNode> parts;
    for (std::uint32_t scan = 0; scan < scans; ++scan) {
      auto counts = image.counts;
      for (auto& n : counts)
        if (!image.in_each_scan) n = n / scans + (scan < n % scans ? 1 : 0);
      const std::string name = version < 7 ? "ImageArray.Long" : scans > 1 ? std::to_string(scan) : "EDROff";
      parts.push_back({.name = name, .id = scan, .value = it_counts(counts), .packed = true});
    }
    if (version < 7)
      stack.children.push_back({.name = "Image", .id = image.id, .children = std::move(parts)});
    else if (scans == 1)
      stack.children.push_back(
          {.name = serial_of(image), .children = {below("SumImage", std::move(parts.front()))}});
    else
      stack.children.push_back(
          {.name = serial_of(image),
           .children = {below("ScanData", {.name = "EDROff", .children = std::move(parts)})}});
  }
  return ItWriter::write(
      {.name = "root",
       .children = {
           it_raster(width, height), it_peak_list(images, version),
           below("filterdata", below("TofCorrection", below("ImageStack", below("Reduced Data", stack))))}});
}

inline ItNode it_property(const std::string& key, std::int64_t whole, double number) {
  const auto wide = it_text(key);
  return {.name = "prop",
          .value = std::string(16, '\x07') + bytes_of(static_cast<std::uint32_t>(wide.size())) + wide +
                   std::string(2, '\0') + bytes_of(whole) + bytes_of(number) + bytes_of(std::uint32_t{0})};
}

/// The raw stream of an .itm, pixel by pixel.
class ItmWriter {
 public:
  std::uint32_t side = 2;
  double sf = 33256.96, k0 = -450.73;  ///< of a real spectrum: N_Ru-Pt_Bi3_1
  int version = 6;
  std::size_t words_of_record = 5;  ///< so few that pixels are cut
  std::vector<ItaImage> peaks = {};

  void scan(std::uint32_t number) {
    flush();
    records_.push_back({.name = "   6", .id = number, .value = bytes_of(number)});
    scan_ = number;
  }
  void pixel(std::uint32_t x, std::uint32_t y) {
    word(0xc0000000 | x);
    word(0xd0000000 | y);
    word(0x40000000 | (scan_ * side * side + y * side + x));
  }
  void ion(double mz) { word(static_cast<std::uint32_t>(std::lround(k0 + sf * std::sqrt(mz)))); }
  void word(std::uint32_t word) {
    words_ += bytes_of(word);
    if (words_.size() >= 4 * words_of_record) flush();
  }

  /// Version 6 says the raster in Meta, version 7 only in its properties.
  std::string write() {
    flush();
    records_.insert(records_.begin(), {.name = "   2", .value = bytes_of(std::uint32_t{0})});
    ItNode root{.name = "root", .children = {{.name = "rawdata", .children = records_}}};
    if (version < 7) root.children.push_back(it_raster(side, side));
    root.children.push_back({.name = "propend",
                             .children = {it_property("Measurement.CycleTime", 0, 1e-4),
                                          it_property("Registration.Raster.FieldOfView", 0, 2.5e-4),
                                          it_property("Registration.Raster.Resolution", side, side)}});
    root.children.push_back(
        {.name = "MassScale",
         .children = {{.name = "sf", .value = bytes_of(sf)}, {.name = "k0", .value = bytes_of(k0)}}});
    if (!peaks.empty()) root.children.push_back(it_peak_list(peaks, version));
    return ItWriter::write(root);
  }

 private:
  void flush() {
    if (words_.empty()) return;
    records_.push_back({.name = "   7", .value = bytes_of(std::uint64_t{0})});
    records_.push_back({.name = "  14", .value = std::exchange(words_, {}), .packed = true});
  }
  std::uint32_t scan_ = 0;
  std::string words_;
  std::vector<ItNode> records_;
};

}  // namespace cambench::tests
