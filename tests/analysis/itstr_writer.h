// Writes IONTOF's container and the parts of an .ita that are read, as pySPM describes them: no real file is public.
#pragma once
#include <zlib.h>

#include <algorithm>
#include <string>
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
};

inline std::string write_ita(std::uint32_t width, std::uint32_t height, const std::vector<ItaImage>& images) {
  ItNode list{.name = "MassIntervalList"}, summed{.name = "ImageStackScansAdded"};
  for (const auto& image : images) {
    std::string counts;
    for (const auto n : image.counts) counts += bytes_of(n);
    list.children.push_back({.name = "mi",
                             .id = image.id,
                             .children = {{.name = "id", .value = bytes_of(image.id)},
                                          {.name = "desc", .value = it_text(image.description)},
                                          {.name = "assign", .value = it_text(image.assignment)},
                                          {.name = "lmass", .value = bytes_of(image.lower)},
                                          {.name = "cmass", .value = bytes_of(image.centre)},
                                          {.name = "umass", .value = bytes_of(image.upper)}}});
    summed.children.push_back({.name = "Image",
                               .id = image.id,
                               .children = {{.name = "ImageArray.Long", .value = counts, .packed = true}}});
  }
  const auto below = [](const char* name, ItNode node) {
    return ItNode{.name = name, .children = {std::move(node)}};
  };
  ItNode picture{.name = "SI Image",
                 .children = {{.name = "res_x", .value = bytes_of(width)},
                              {.name = "res_y", .value = bytes_of(height)}}};
  return ItWriter::write(
      {.name = "root",
       .children = {
           below("Meta", picture), list,
           below("filterdata", below("TofCorrection", below("ImageStack", below("Reduced Data", summed))))}});
}

}  // namespace cambench::tests
