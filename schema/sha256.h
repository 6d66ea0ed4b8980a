// SHA-256 (FIPS 180-4): what a recipe, an input file or a result is named by. It tells equal from different and
// makes a result retraceable; it is no seal against somebody who wants to deceive.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cambench {

/// For bytes that come in pieces. Uses the processor's SHA instructions where it has them.
class Sha256 {
 public:
  enum class By { fastest, plain_code };  ///< plain_code: also on machines with SHA instructions, for tests
  explicit Sha256(By by = By::fastest) : by_(by) {}

  void update(std::string_view bytes);
  /// The same as updating each of them, in little more than the time of one where the processor has the instructions.
  static void update_both(Sha256& a, std::string_view bytes_a, Sha256& b, std::string_view bytes_b);
  /// The digest as 64 lower-case hexadecimal digits. Ends the message: make a new object for the next one.
  [[nodiscard]] std::string hex();

 private:
  void compress(const unsigned char* bytes, std::size_t blocks);

  By by_;
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};  // the start of a block that is not full yet
  std::size_t pending_size_ = 0;
  std::uint64_t total_ = 0;
};

[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace cambench
