// IONTOF's container (.ita, .itm and others): a tree of named blocks in one file, beginning with "ITStrF01". No file is
// public; source: the reverse-engineered reader pySPM.
//
// Every block header, list of children and value is checked against the file before it is read; a value takes memory
// only up to the size that its reader asks for. A tree that runs in circles or is deeper than its path is not followed.
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

class ItStr {
 public:
  struct Block {
    std::string name;
    std::uint32_t id = 0;
    std::uint64_t offset = 0;  ///< of its header
  };

  /// Throws BadInput, as all of these do.
  explicit ItStr(BinaryFile file);

  /// The block at a path from the root: "Meta/SI Image". Of several with one name, the first.
  [[nodiscard]] std::optional<Block> find(std::string_view path);
  [[nodiscard]] std::optional<Block> child(const Block& folder, std::string_view name);
  [[nodiscard]] std::vector<Block> children(const Block& folder);
  /// The same one after the other, for folders that may hold any number: only one part of the list is in memory.
  void each_child(const Block& folder, const std::function<void(const Block&)>& sink);

  /// The value of a leaf, inflated where it is packed; it must fill `into` exactly.
  void read(const Block& leaf, std::span<char> into);
  /// The value of a leaf in pieces of at most 64 KiB, inflated where it is packed.
  void read(const Block& leaf, const std::function<void(std::string_view)>& sink);
  /// The same for a leaf that has `bytes` bytes; takes no memory for what the file cannot hold.
  [[nodiscard]] std::string value(const Block& leaf, std::size_t bytes);
  template <typename T>
  [[nodiscard]] T number(const Block& leaf) {
    char bytes[sizeof(T)];
    read(leaf, bytes);
    return load<T>(bytes);
  }
  /// The value of a leaf as it stands in the file; empty for what is packed, a folder, or longer than 64 KiB.
  [[nodiscard]] std::string small_value(const Block& leaf);
  /// A leaf of 16-bit characters; '?' for what is not printable ASCII.
  [[nodiscard]] std::string text(const Block& leaf);

  [[nodiscard]] BinaryFile& file() { return file_; }

 private:
  struct Header {
    std::uint8_t type = 0;
    std::uint32_t id = 0, children = 0;
    std::uint64_t value = 0;  ///< offset of the value
    std::uint32_t bytes = 0;  ///< of the value
  };
  [[nodiscard]] Header header_at(std::uint64_t offset);

  BinaryFile file_;
};

[[nodiscard]] bool looks_like_itstr(std::string_view start);

}  // namespace cambench::sims
