// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a small generator whose numbers are the same with every compiler and
// standard library, which the distributions of <random> do not promise.
#pragma once
#include <cstdint>

namespace cambench {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// 0 to n - 1, n above 0. The upper 32 bits are scaled: for n below a million no number is favoured by more than 0.03 %.
  std::uint32_t below(std::uint32_t n) {
    return static_cast<std::uint32_t>((((*this)() >> 32) * std::uint64_t{n}) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace cambench
