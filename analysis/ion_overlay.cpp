#include "analysis/ion_overlay.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <vector>

#include "analysis/statistics.h"

namespace cambench::sims {
namespace {

// Letters of the scale bar, five pixels wide and seven high; a bit a pixel, the highest of five on the left.
struct Letter {
  char name;
  std::array<std::uint8_t, 7> rows;
};
constexpr int letter_width = 5, letter_height = 7;
constexpr std::array letters{
    Letter{'0', {0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110}},
    Letter{'1', {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110}},
    Letter{'2', {0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111}},
    Letter{'5', {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110}},
    Letter{'.', {0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100}},
    Letter{'u', {0b00000, 0b00000, 0b10001, 0b10001, 0b10011, 0b11101, 0b10000}},  // micro: its tail is below
    Letter{'m', {0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10101, 0b10101}},
    Letter{'p', {0b00000, 0b00000, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000}},
    Letter{'x', {0b00000, 0b00000, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001}},
};

class Canvas {
 public:
  Canvas(std::size_t width, std::size_t height)
      : width_(width), height_(height), bytes_(3 * width * height) {}

  png_byte& at(std::size_t x, std::size_t y, std::size_t colour) {
    return bytes_[3 * (y * width_ + x) + colour];
  }
  void white(std::size_t x, std::size_t y, std::size_t width, std::size_t height) {
    for (std::size_t row = y; row < std::min(y + height, height_); ++row)
      for (std::size_t column = x; column < std::min(x + width, width_); ++column)
        for (std::size_t colour = 0; colour < 3; ++colour) at(column, row, colour) = 255;
  }
  void write(std::string_view text, std::size_t x, std::size_t y, std::size_t dot) {
    for (const char name : text) {
      const auto letter = std::ranges::find(letters, name, &Letter::name);
      for (int row = 0; letter != letters.end() && row < letter_height; ++row)
        for (int column = 0; column < letter_width; ++column)
          if (letter->rows[static_cast<std::size_t>(row)] >> (letter_width - 1 - column) & 1)
            white(x + static_cast<std::size_t>(column) * dot, y + static_cast<std::size_t>(row) * dot, dot,
                  dot);
      x += (letter_width + 1) * dot;
    }
  }
  [[nodiscard]] std::string png() const {
    png_image head{};
    head.version = PNG_IMAGE_VERSION;
    head.width = static_cast<png_uint_32>(width_);
    head.height = static_cast<png_uint_32>(height_);
    head.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = 0;
    std::string file;  // written twice: for the size, then for the bytes
    if (!png_image_write_to_memory(&head, nullptr, &size, 0, bytes_.data(), 0, nullptr)) return {};
    file.resize(size);
    if (!png_image_write_to_memory(&head, file.data(), &size, 0, bytes_.data(), 0, nullptr)) return {};
    file.resize(size);
    return file;
  }

 private:
  std::size_t width_, height_;
  std::vector<png_byte> bytes_;
};

double white_of(const Image& image, double share) {
  auto counts = image.counts;
  std::ranges::sort(counts);
  const double at = quantile(counts, share);
  return at > 0 ? at : counts.back();
}

}  // namespace

double round_length(double longest) {
  const double decade = std::pow(10, std::floor(std::log10(longest)));
  for (const double step : {5.0, 2.0})
    if (step * decade <= longest) return step * decade;
  return decade;
}

std::string overlay_png(std::span<const Image> images, const OverlayOptions& options) {
  assert(!images.empty() && images.size() <= 3);
  const auto shape = images.front().shape;
  const std::size_t zoom = std::max<std::size_t>(1, (options.least_side + shape.width - 1) / shape.width);
  const std::size_t width = shape.width * zoom, height = shape.height * zoom;
  const std::size_t dot = std::max<std::size_t>(1, width / 256);  // a pixel of a letter
  const std::size_t margin = 4 * dot, bar = 3 * dot;
  Canvas canvas(width, height + letter_height * dot + 2 * margin);

  for (std::size_t colour = 0; colour < images.size(); ++colour) {
    const Image& image = images[colour];
    assert(image.counts.size() == shape.pixels());
    const double white = white_of(image, options.white);
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < width; ++x) {
        const double counts = image.counts[(shape.height - 1 - y / zoom) * shape.width + x / zoom];
        canvas.at(x, y, colour) =
            static_cast<png_byte>(white > 0 ? std::clamp(std::round(counts / white * 255), 0.0, 255.0) : 0);
      }
  }

  const double across = options.field_of_view_um.value_or(shape.width);
  const double length = round_length(across / 4);
  const auto pixels = static_cast<std::size_t>(std::lround(length / across * static_cast<double>(width)));
  const auto text = fmt::format("{:g} {}", length, options.field_of_view_um ? "um" : "px");
  canvas.white(margin, height + margin + (letter_height * dot - bar) / 2, pixels, bar);
  canvas.write(text, 2 * margin + pixels, height + margin, dot);
  return canvas.png();
}

}  // namespace cambench::sims
