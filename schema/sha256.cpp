#include "schema/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace cambench {
namespace {

constexpr std::size_t block_size = 64;

// FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
alignas(16) constexpr std::uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t big_endian(const unsigned char* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 |
         bytes[3];
}

// FIPS 180-4, 6.2.2, word for word.
void compress_plainly(std::uint32_t* state, const unsigned char* bytes, std::size_t blocks) {
  for (; blocks > 0; --blocks, bytes += block_size) {
    std::uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = big_endian(bytes + 4 * t);
    for (int t = 16; t < 64; ++t) {
      const auto s0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
      const auto s1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
      w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    auto [a, b, c, d, e, f, g, h] = std::to_array<std::uint32_t, 8>(
        {state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]});
    for (int t = 0; t < 64; ++t) {
      const auto big1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const auto big0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const auto t1 = h + big1 + ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
      const auto t2 = big0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::uint32_t worked[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += worked[i];
  }
}

#if defined(__x86_64__)
bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
  return sha && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) != 0;
}

// The same by sha256rnds2, which keeps the state as the two words ABEF and CDGH and does two rounds at a time. Each of
// these waits for the one before: two messages at once fill each other's waits.
template <std::size_t messages>
__attribute__((target("sha,sse4.1"))) void compress_by_instructions(
    const std::array<std::uint32_t*, messages>& states, std::array<const unsigned char*, messages> bytes,
    std::size_t blocks) {
  const __m128i swap_bytes = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[messages], cdgh[messages];
  for (std::size_t m = 0; m < messages; ++m) {
    const auto* state = reinterpret_cast<const __m128i*>(states[m]);
    const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(state), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(state + 1), 0x1b);
    abef[m] = _mm_alignr_epi8(badc, hgfe, 8);
    cdgh[m] = _mm_blend_epi16(hgfe, badc, 0xf0);
  }

  for (; blocks > 0; --blocks) {
    __m128i abef_before[messages], cdgh_before[messages];
    __m128i w[messages][4];  // the last sixteen words of the message schedule
    for (std::size_t m = 0; m < messages; ++m) {
      abef_before[m] = abef[m];
      cdgh_before[m] = cdgh[m];
      for (int i = 0; i < 4; ++i)
        w[m][i] =
            _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes[m]) + i), swap_bytes);
      bytes[m] += block_size;
    }
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      const __m128i k = _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants) + group);
      __m128i wk[messages];
#pragma GCC unroll 2
      for (std::size_t m = 0; m < messages; ++m) {
        __m128i* words = w[m];
        if (group >= 4) {
          const __m128i w7 = _mm_alignr_epi8(words[(group + 3) & 3], words[(group + 2) & 3], 4);
          const __m128i partly =
              _mm_add_epi32(_mm_sha256msg1_epu32(words[group & 3], words[(group + 1) & 3]), w7);
          words[group & 3] = _mm_sha256msg2_epu32(partly, words[(group + 3) & 3]);
        }
        wk[m] = _mm_add_epi32(words[group & 3], k);
      }
#pragma GCC unroll 2
      for (std::size_t m = 0; m < messages; ++m) cdgh[m] = _mm_sha256rnds2_epu32(cdgh[m], abef[m], wk[m]);
#pragma GCC unroll 2
      for (std::size_t m = 0; m < messages; ++m)
        abef[m] = _mm_sha256rnds2_epu32(abef[m], cdgh[m], _mm_shuffle_epi32(wk[m], 0x0e));
    }
    for (std::size_t m = 0; m < messages; ++m) {
      abef[m] = _mm_add_epi32(abef[m], abef_before[m]);
      cdgh[m] = _mm_add_epi32(cdgh[m], cdgh_before[m]);
    }
  }

  for (std::size_t m = 0; m < messages; ++m) {
    const __m128i feba = _mm_shuffle_epi32(abef[m], 0x1b), dchg = _mm_shuffle_epi32(cdgh[m], 0xb1);
    auto* state = reinterpret_cast<__m128i*>(states[m]);
    _mm_storeu_si128(state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(state + 1, _mm_alignr_epi8(dchg, feba, 8));
  }
}

#else
bool has_sha_instructions() { return false; }
template <std::size_t messages>
void compress_by_instructions(const std::array<std::uint32_t*, messages>&,
                              std::array<const unsigned char*, messages>, std::size_t) {}
#endif

bool by_instructions(Sha256::By by) {
  static const bool there = has_sha_instructions();
  return there && by == Sha256::By::fastest;
}

}  // namespace

void Sha256::compress(const unsigned char* bytes, std::size_t blocks) {
  if (by_instructions(by_))
    compress_by_instructions<1>({state_.data()}, {bytes}, blocks);
  else
    compress_plainly(state_.data(), bytes, blocks);
}

void Sha256::update_both(Sha256& a, std::string_view bytes_a, Sha256& b, std::string_view bytes_b) {
  const bool fresh = a.pending_size_ == 0 && b.pending_size_ == 0;
  if (fresh && by_instructions(a.by_) && by_instructions(b.by_)) {
    const auto blocks = std::min(bytes_a.size(), bytes_b.size()) / block_size;
    compress_by_instructions<2>({a.state_.data(), b.state_.data()},
                                {reinterpret_cast<const unsigned char*>(bytes_a.data()),
                                 reinterpret_cast<const unsigned char*>(bytes_b.data())},
                                blocks);
    for (auto* hash : {&a, &b}) hash->total_ += blocks * block_size;
    bytes_a.remove_prefix(blocks * block_size);
    bytes_b.remove_prefix(blocks * block_size);
  }
  a.update(bytes_a);
  b.update(bytes_b);
}

void Sha256::update(std::string_view bytes) {
  total_ += bytes.size();
  if (pending_size_ > 0) {
    const auto taken = std::min(bytes.size(), block_size - pending_size_);
    std::copy_n(bytes.begin(), taken, pending_.begin() + pending_size_);
    pending_size_ += taken;
    bytes.remove_prefix(taken);
    if (pending_size_ < block_size) return;
    compress(pending_.data(), 1);
  }
  const auto blocks = bytes.size() / block_size;
  compress(reinterpret_cast<const unsigned char*>(bytes.data()), blocks);
  bytes.remove_prefix(blocks * block_size);
  std::copy(bytes.begin(), bytes.end(), pending_.begin());
  pending_size_ = bytes.size();
}

std::string Sha256::hex() {
  // Padding: a one bit, zeros up to 8 bytes before a block's end, the length in bits (big-endian).
  const auto bits = total_ * 8;
  const auto zeros = (2 * block_size - 9 - pending_size_) % block_size;
  std::string padding(1, '\x80');
  padding.append(zeros, '\0');
  for (int shift = 56; shift >= 0; shift -= 8) padding += static_cast<char>(bits >> shift);
  update(padding);

  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const auto word : state_)
    for (int shift = 28; shift >= 0; shift -= 4) text += digits[word >> shift & 15];
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

}  // namespace cambench
