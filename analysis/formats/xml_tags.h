// The tags of an XML file one after the other, without a tree: an imzML of a large image has hundreds of megabytes of
// them. Text between tags, comments, CDATA and declarations are passed over. Entities are left as they stand: neither
// accessions nor numbers have any.
//
// In memory: one piece of the file (64 KiB), or the longest tag (1 MiB at most).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analysis/formats/binary_file.h"

namespace cambench {

class XmlTags {
 public:
  struct Tag {
    std::uint64_t at = 0;  ///< the byte of the file that its < is
    std::string_view name;
    bool opens = false, closes = false;  ///< <a> opens, </a> closes, <a/> does both
    std::vector<std::pair<std::string_view, std::string_view>> attributes;    ///< name and value
    [[nodiscard]] std::string_view attribute(std::string_view wanted) const;  ///< empty where it is missing
  };

  /// `file` must outlive the object.
  explicit XmlTags(BinaryFile& file) : file_(file) {}

  /// Lives until the next call; null behind the last one. Throws BadInput, which names the byte, for what is no
  /// well-formed XML: an element that is closed by another's name or not at all, a tag that does not end.
  [[nodiscard]] const Tag* next();

  /// The text behind the last tag: `bytes` of it (1 MiB at most) or more, or all that there is. Lives until the next call.
  [[nodiscard]] std::string_view rest(std::size_t bytes);
  /// Passes over the first `bytes` of rest(). They must hold whole elements only: what lies in them is not looked at.
  void pass(std::size_t bytes) { at_ += bytes; }

 private:
  bool take_tag();
  bool take_attributes(const char*& at, const char* end);
  void pass_through(std::string_view mark);
  bool read_on();
  void open(std::string_view name);
  void close(std::string_view name);
  [[noreturn]] void refuse(std::string_view problem) const;

  BinaryFile& file_;
  std::string text_;             // a part of the file,
  std::size_t at_ = 0;           // how far it is taken,
  std::uint64_t text_ends_ = 0;  // and where it ends in the file
  Tag tag_;
  std::string open_names_;  // of elements that are not closed yet, the outermost first
  std::vector<std::size_t> open_at_;
};

}  // namespace cambench
