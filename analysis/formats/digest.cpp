#include "analysis/formats/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace cambench {
namespace {

using State = std::array<std::uint32_t, 5>;
constexpr std::size_t block_size = 64;

// RFC 1321, 3.4: the i-th constant is the whole part of 2^32 |sin(i + 1)|.
const std::array<std::uint32_t, 64> md5_sines = [] {
  std::array<std::uint32_t, 64> sines{};
  for (std::size_t i = 0; i < sines.size(); ++i)
    sines[i] = static_cast<std::uint32_t>(std::floor(std::ldexp(std::abs(std::sin(double(i + 1))), 32)));
  return sines;
}();
constexpr int md5_shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

std::uint32_t little(const unsigned char* at) {
  return at[0] | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[3]} << 24;
}

std::uint32_t big(const unsigned char* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

void compress_md5(State& state, const unsigned char* block) {
  auto [a, b, c, d, unused] = state;
  for (std::uint32_t i = 0; i < 64; ++i) {
    std::uint32_t f = 0, word = 0;
    switch (i / 16) {
      case 0: f = (b & c) | (~b & d), word = i; break;
      case 1: f = (d & b) | (~d & c), word = (5 * i + 1) % 16; break;
      case 2: f = b ^ c ^ d, word = (3 * i + 5) % 16; break;
      case 3: f = c ^ (b | ~d), word = 7 * i % 16; break;
    }
    f += a + md5_sines[i] + little(block + 4 * word);
    a = d;
    d = c;
    c = b;
    b += std::rotl(f, md5_shifts[i / 16][i % 4]);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

void compress_sha1(State& state, const unsigned char* block) {
  std::array<std::uint32_t, 80> w;
  for (std::size_t i = 0; i < 16; ++i) w[i] = big(block + 4 * i);
  for (std::size_t i = 16; i < 80; ++i) w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  auto [a, b, c, d, e] = state;
  for (std::size_t i = 0; i < 80; ++i) {
    std::uint32_t f = 0;
    switch (i / 20) {
      case 0: f = ((b & c) | (~b & d)) + 0x5a827999; break;
      case 1: f = (b ^ c ^ d) + 0x6ed9eba1; break;
      case 2: f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc; break;
      case 3: f = (b ^ c ^ d) + 0xca62c1d6; break;
    }
    const std::uint32_t next = std::rotl(a, 5) + f + e + w[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

}  // namespace

void Digest::update(std::string_view bytes) {
  total_ += bytes.size();
  while (!bytes.empty()) {
    if (pending_size_ == 0 && bytes.size() >= block_size) {
      compress(reinterpret_cast<const unsigned char*>(bytes.data()));
      bytes.remove_prefix(block_size);
      continue;
    }
    const auto part = std::min(bytes.size(), block_size - pending_size_);
    std::memcpy(pending_.data() + pending_size_, bytes.data(), part);
    bytes.remove_prefix(part);
    pending_size_ = (pending_size_ + part) % block_size;
    if (pending_size_ == 0) compress(pending_.data());
  }
}

std::string Digest::hex() {
  const std::uint64_t bits = total_ * 8;
  const auto padding = (2 * block_size - 9 - total_ % block_size) % block_size;
  update("\x80" + std::string(padding, '\0'));
  std::string length;
  for (int i = 0; i < 8; ++i)
    length += static_cast<char>(bits >> 8 * (kind_ == Kind::md5 ? i : 7 - i) & 0xff);
  update(length);

  std::string digits;
  for (std::size_t i = 0; i < (kind_ == Kind::md5 ? 4 : 5); ++i)
    digits += fmt::format("{:08x}", kind_ == Kind::md5 ? std::byteswap(state_[i]) : state_[i]);
  return digits;
}

void Digest::compress(const unsigned char* block) {
  kind_ == Kind::md5 ? compress_md5(state_, block) : compress_sha1(state_, block);
}

std::string digest_hex(Digest::Kind kind, std::string_view bytes) {
  Digest digest(kind);
  digest.update(bytes);
  return digest.hex();
}

}  // namespace cambench
