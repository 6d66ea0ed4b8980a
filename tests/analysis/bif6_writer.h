// Writes BIF6 as independent readers describe it (pybif6, tofsims): no real file is public.
#pragma once
#include <string>
#include <vector>

#include "tests/analysis/folder.h"

namespace cambench::tests {

struct Bif6Image {
  std::uint32_t id = 0;
  float lower = 0, centre = 0, upper = 0;
  std::vector<std::uint32_t> counts;  ///< X fastest
};

inline std::string write_bif6(std::uint16_t width, std::uint16_t height,
                              const std::vector<Bif6Image>& images) {
  std::string bytes("\0\0BIF6", 6);
  bytes += bytes_of(static_cast<std::uint16_t>(images.size())) + bytes_of(width) + bytes_of(height);
  for (const auto& image : images) {
    bytes += bytes_of(image.id) + bytes_of(image.lower) + bytes_of(image.centre) + bytes_of(image.upper);
    for (const auto counts : image.counts) bytes += bytes_of(counts);
  }
  return bytes;
}

}  // namespace cambench::tests
