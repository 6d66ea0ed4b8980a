// The picture of three ions: its colours are those of its images, its bar is as long as it says.
#include "analysis/ion_overlay.h"

#include <doctest/doctest.h>
#include <png.h>

#include <algorithm>

using namespace cambench::sims;

namespace {

struct Picture {
  std::uint32_t width = 0, height = 0;
  std::vector<png_byte> bytes;
  [[nodiscard]] std::array<int, 3> at(std::size_t x, std::size_t y) const {
    const auto* pixel = &bytes[3 * (y * width + x)];
    return {pixel[0], pixel[1], pixel[2]};
  }
  /// The longest run of white in the rows below the image.
  [[nodiscard]] std::size_t bar_below(std::size_t first) const {
    std::size_t longest = 0;
    for (std::size_t y = first; y < height; ++y)
      for (std::size_t x = 0, run = 0; x < width; ++x) {
        run = at(x, y) == std::array{255, 255, 255} ? run + 1 : 0;
        longest = std::max(longest, run);
      }
    return longest;
  }
};

Picture read(const std::string& png) {
  png_image head{};
  head.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&head, png.data(), png.size()));
  head.format = PNG_FORMAT_RGB;
  Picture picture{head.width, head.height, std::vector<png_byte>(PNG_IMAGE_SIZE(head))};
  REQUIRE(png_image_finish_read(&head, nullptr, picture.bytes.data(), 0, nullptr));
  return picture;
}

// 64 x 32 pixels, counts only where `inside`.
template <typename Inside>
Image image(Inside inside) {
  Image made{{64, 32}, {}};
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 64; ++x) made.counts.push_back(inside(x, y) ? 4 : 0);
  return made;
}

}  // namespace

TEST_CASE("each ion has its own colour where it lies, and Y runs upwards") {
  const std::vector images{image([](int x, int) { return x < 32; }), image([](int, int y) { return y < 16; }),
                           image([](int x, int y) { return x >= 32 && y >= 16; })};
  const auto picture = read(overlay_png(images, {.least_side = 64}));
  CHECK(picture.width == 64);
  CHECK(picture.at(0, 0) == std::array{255, 0, 0});     // X 0, Y 31
  CHECK(picture.at(0, 31) == std::array{255, 255, 0});  // X 0, Y 0
  CHECK(picture.at(63, 31) == std::array{0, 255, 0});
  CHECK(picture.at(63, 0) == std::array{0, 0, 255});
}

TEST_CASE("the bar is a round length of at most a quarter of the field of view, to scale") {
  const std::vector images{image([](int, int) { return false; })};
  const auto picture = read(overlay_png(images, {.field_of_view_um = 150}));
  CHECK(picture.width == 512);
  CHECK(picture.bar_below(256) == 68);                    // 20 of 150 um
  CHECK(read(overlay_png(images)).bar_below(256) == 80);  // 10 of 64 pixels
  CHECK(round_length(37.5) == 20);
  CHECK(round_length(5) == 5);
  CHECK(round_length(0.19) == doctest::Approx(0.1));
}

TEST_CASE("a hot pixel does not darken the rest, and an empty image is black") {
  auto hot = image([](int, int) { return true; });
  hot.counts[5] = 1e6;
  const auto picture = read(overlay_png(std::vector{hot, image([](int, int) { return false; })}));
  CHECK(picture.at(0, 0) == std::array{255, 0, 0});
}
