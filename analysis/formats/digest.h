// MD5 (RFC 1321) and SHA-1 (FIPS 180-4), because imzML names its binary file by one of them. They tell a damaged copy
// from a good one, no more; what a result rests on is named by SHA-256.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cambench {

class Digest {
 public:
  enum class Kind { md5, sha1 };
  explicit Digest(Kind kind) : kind_(kind) {}

  void update(std::string_view bytes);
  /// Lower-case hexadecimal digits. Ends the message: make a new object for the next one.
  [[nodiscard]] std::string hex();

 private:
  void compress(const unsigned char* block);

  Kind kind_;
  std::array<std::uint32_t, 5> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::array<unsigned char, 64> pending_{};  // the start of a block that is not full yet
  std::size_t pending_size_ = 0;
  std::uint64_t total_ = 0;
};

[[nodiscard]] std::string digest_hex(Digest::Kind kind, std::string_view bytes);

}  // namespace cambench
