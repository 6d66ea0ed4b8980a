// How a set of measured times is printed.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cambench::bench {

/// "min 0.12, p50 0.30, p99 1.20, max 3.10 ms" of times in milliseconds.
inline std::string figures(std::vector<double> times_ms) {
  if (times_ms.empty()) return "none";
  std::ranges::sort(times_ms);
  const auto part = [&](double p) {
    return times_ms[std::min(times_ms.size() - 1,
                             static_cast<std::size_t>(p * static_cast<double>(times_ms.size())))];
  };
  return fmt::format("min {:.2f}, p50 {:.2f}, p99 {:.2f}, max {:.2f} ms", times_ms.front(), part(0.5),
                     part(0.99), times_ms.back());
}

}  // namespace cambench::bench
