// A zip archive, written as a stream: no seeking back, memory independent of size, entries of any length (zip64). Its own
// because it is short on top of zlib, and the library that Debian has for it would bring an XML parser and the whole of
// Unicode into a daemon that must stay small. (APPNOTE.TXT 6.3.10, sections named in zip.cpp.)
#pragma once
#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/reading.h"

namespace cambench::exports {

class ZipWriter {
 public:
  ZipWriter() = default;
  ~ZipWriter();
  ZipWriter(const ZipWriter&) = delete;

  /// Name: relative, with '/', UTF-8. Throws std::runtime_error when zlib has no memory left.
  void begin(std::string_view name, WallTime changed);
  void write(std::string_view bytes);
  void end();
  void finish();  ///< after the last entry

  /// What has been made since the last call.
  [[nodiscard]] std::string take() { return std::exchange(out_, {}); }

 private:
  struct Entry {
    std::string name;
    std::uint32_t crc = 0, date_and_time = 0;
    std::uint64_t compressed = 0, size = 0, offset = 0;
  };

  void deflate_all(std::string_view bytes, int flush);
  void put_directory_entry(const Entry& entry);
  void emit(std::string_view bytes);
  template <typename Integer>
  void put(Integer value);

  std::string out_;
  std::uint64_t written_ = 0;
  std::vector<Entry> entries_;
  z_stream deflate_{};
  bool in_entry_ = false;
};

}  // namespace cambench::exports
