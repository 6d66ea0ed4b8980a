// A whole file in memory. Read, not mapped: a mapped file that shrinks meanwhile, as on a network share, kills the
// process; a read one is a sentence. The buffer is kept for the next file.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace cambench {

class FileReader {
 public:
  /// Larger files are refused before any memory is taken for them. SurfaceLab's largest export is far below.
  static constexpr std::uint64_t largest = 1'000'000'000;

  /// Throws BadInput. The text lives until the next call.
  [[nodiscard]] std::string_view read(const std::filesystem::path& file);

  /// At most the first `size` bytes, for a look at what a file is.
  [[nodiscard]] std::string_view peek(const std::filesystem::path& file, std::size_t size = 4096);

 private:
  std::string buffer_;
};

}  // namespace cambench
