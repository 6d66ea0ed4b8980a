#include "analysis/regions_compare.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>

#include "analysis/bad_input.h"
#include "analysis/region_images.h"
#include "analysis/statistics.h"

namespace cambench::sims {
namespace {

template <typename Inside>
Mask mask_where(const ImageShape& shape, Inside inside) {
  Mask mask{shape.width, shape.height, std::vector<bool>(shape.pixels())};
  for (std::uint32_t y = 0; y < shape.height; ++y)
    for (std::uint32_t x = 0; x < shape.width; ++x)
      mask.inside[std::size_t{y} * shape.width + x] = inside(static_cast<double>(x), static_cast<double>(y));
  return mask;
}

std::string png_from(std::uint32_t width, std::uint32_t height, const std::vector<png_byte>& grey) {
  png_image head{};
  head.version = PNG_IMAGE_VERSION;
  head.width = width;
  head.height = height;
  head.format = PNG_FORMAT_GRAY;
  png_alloc_size_t size = 0;
  std::string bytes;
  // Once for the size, once for the bytes; a negative stride turns the picture over.
  const auto stride = -static_cast<png_int_32>(width);
  if (!png_image_write_to_memory(&head, nullptr, &size, 0, grey.data(), stride, nullptr)) return {};
  bytes.resize(size);
  if (!png_image_write_to_memory(&head, bytes.data(), &size, 0, grey.data(), stride, nullptr)) return {};
  bytes.resize(size);
  return bytes;
}

void check(const Mask& mask, const ImageShape& shape, std::string_view which) {
  if (mask.width != shape.width || mask.height != shape.height)
    throw BadInput(which, 0,
                   fmt::format("the mask has {} x {} pixels, the image {} x {}", mask.width, mask.height,
                               shape.width, shape.height),
                   "draw it on this image");
  if (mask.pixels() == 0) throw BadInput(which, 0, "the mask has no pixel", "move or widen it");
}

struct Tile {
  double pixels = 0, sum = 0;
};

// How many tiles of equal size would be worth as much as these, which the border cuts.
double worth(const std::map<std::size_t, Tile>& tiles) {
  double sum = 0, squares = 0;
  for (const auto& [at, tile] : tiles) sum += tile.pixels, squares += tile.pixels * tile.pixels;
  return sum * sum / squares;
}

// Standard error of the mean over all pixels, from how the tiles' means scatter around it.
std::optional<double> standard_error(const std::map<std::size_t, Tile>& tiles, double mean, double pixels) {
  const double n = worth(tiles);
  if (n < 2) return std::nullopt;
  double squares = 0;
  for (const auto& [at, tile] : tiles) squares += std::pow(tile.sum - tile.pixels * mean, 2);
  return std::sqrt(squares * n / (n - 1)) / pixels;
}

// Degrees of freedom of a sum of two squared errors (Welch and Satterthwaite).
double joint_freedom(double a, double of_a, double b, double of_b) {
  const double sum = a * a + b * b;
  return sum > 0 ? sum * sum / (a * a * a * a / of_a + b * b * b * b / of_b) : of_a + of_b;
}

std::string cell(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : std::string();
}

std::string quoted_cell(std::string_view text) {
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + '"';
}

}  // namespace

std::size_t Mask::pixels() const { return static_cast<std::size_t>(std::ranges::count(inside, true)); }

Mask Mask::outside() const {
  Mask other = *this;
  other.inside.flip();
  return other;
}

Mask circle_mask(const ImageShape& shape, Place centre, double radius) {
  return mask_where(shape,
                    [&](double x, double y) { return std::hypot(x - centre.x, y - centre.y) <= radius; });
}

Mask polygon_mask(const ImageShape& shape, std::span<const Place> corners) {
  if (corners.size() < 3) throw BadInput("polygon", 0, "it has fewer than three corners", "give more");
  return mask_where(shape, [&](double x, double y) {
    bool inside = false;
    for (std::size_t i = 0, j = corners.size() - 1; i < corners.size(); j = i++) {
      const Place &a = corners[i], &b = corners[j];
      if ((a.y > y) != (b.y > y) && x < (b.x - a.x) * (y - a.y) / (b.y - a.y) + a.x) inside = !inside;
    }
    return inside;
  });
}

Mask image_mask(const Image& image, double threshold) {
  Mask mask{image.shape.width, image.shape.height, {}};
  for (const double counts : image.counts) mask.inside.push_back(counts > threshold);
  return mask;
}

Mask png_mask(std::string_view png, std::string_view name, const ImageShape& shape) {
  png_image head{};
  head.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&head, png.data(), png.size()))
    throw BadInput(name, 0, fmt::format("no PNG that can be read ({})", head.message),
                   "save it as PNG again");
  if (head.width != shape.width || head.height != shape.height) {
    png_image_free(&head);
    throw BadInput(name, 0,
                   fmt::format("it has {} x {} pixels, the ion images {} x {}", head.width, head.height,
                               shape.width, shape.height),
                   "draw one pixel a pixel");
  }
  head.format = PNG_FORMAT_GRAY;
  std::vector<png_byte> grey(shape.pixels());
  const png_color black{0, 0, 0};  // behind what is transparent
  if (!png_image_finish_read(&head, &black, grey.data(), -static_cast<png_int_32>(shape.width), nullptr))
    throw BadInput(name, 0, fmt::format("the PNG is damaged ({})", head.message), "save it again");
  Mask mask{shape.width, shape.height, {}};
  for (const png_byte value : grey) mask.inside.push_back(value >= 128);
  return mask;
}

Image normalised(const Image& peak, const Image& total) {
  assert(peak.counts.size() == total.counts.size());
  Image image = peak;
  for (std::size_t i = 0; i < image.counts.size(); ++i)
    image.counts[i] = total.counts[i] > 0 ? peak.counts[i] / total.counts[i] : 0;
  return image;
}

std::string png_of(const Image& image, double white) {
  if (!(white > 0)) white = image.counts.empty() ? 0 : *std::ranges::max_element(image.counts);
  std::vector<png_byte> grey;
  for (const double value : image.counts)
    grey.push_back(
        static_cast<png_byte>(white > 0 ? std::clamp(std::round(value / white * 255), 0.0, 255.0) : 0));
  return png_from(image.shape.width, image.shape.height, grey);
}

std::string png_of(const Mask& mask) {
  std::vector<png_byte> grey;
  for (const bool inside : mask.inside) grey.push_back(inside ? 255 : 0);
  return png_from(mask.width, mask.height, grey);
}

PartComparison::PartComparison(const Image& total, Mask inner, Mask outer, const CompareOptions& options)
    : shape_(total.shape), inner_(std::move(inner)), outer_(std::move(outer)), options_(options) {
  check(inner_, shape_, "inner part");
  check(outer_, shape_, "outer part");
  for (std::size_t i = 0; i < shape_.pixels(); ++i)
    if (inner_.inside[i] && outer_.inside[i])
      throw BadInput("inner and outer part", 0, "they share pixels", "leave those out of one of them");
  if (options_.tile == 0)
    throw BadInput("tiles", 0, "they have no size", "give a side of at least one pixel");
  for (const double counts : total.counts) by_total_.push_back(counts > 0 ? 1 / counts : 0);
}

Part PartComparison::part(const Mask& mask, const Image& peak) const {
  Part part;
  std::map<std::size_t, Tile> tiles;
  double sum = 0;
  for (std::size_t i = 0; i < by_total_.size(); ++i) {
    if (!mask.inside[i] || by_total_[i] == 0) continue;
    const std::size_t row = i / shape_.width / options_.tile, column = i % shape_.width / options_.tile;
    Tile& tile = tiles[row * shape_.width + column];
    const double value = peak.counts[i] * by_total_[i];
    ++tile.pixels;
    tile.sum += value;
    ++part.pixels;
    part.counts += peak.counts[i];
    sum += value;
  }
  if (part.pixels == 0) return part;
  part.tiles = worth(tiles);
  const auto pixels = static_cast<double>(part.pixels);
  part.mean = sum / pixels;
  part.se = standard_error(tiles, part.mean, pixels);
  return part;
}

Contrast PartComparison::of(std::string_view label, const Image& peak) const {
  assert(peak.counts.size() == by_total_.size());
  Contrast contrast{.label = std::string(label), .inner = part(inner_, peak), .outer = part(outer_, peak)};
  for (const auto& [part, name] : {std::pair{&contrast.inner, "inner"}, {&contrast.outer, "outer"}})
    if (!(part->mean > 0)) {
      contrast.why_not = fmt::format("no ion of it in the {} part", name);
      return contrast;
    }
  contrast.ratio = contrast.inner.mean / contrast.outer.mean;
  if (!contrast.inner.se || !contrast.outer.se) {
    contrast.why_not = "a part is worth fewer than two tiles, so nothing is known of its scatter";
    return contrast;
  }
  const double of_inner = *contrast.inner.se / contrast.inner.mean;
  const double of_outer = *contrast.outer.se / contrast.outer.mean;
  const double error = std::hypot(of_inner, of_outer);
  const double freedom =
      joint_freedom(of_inner, contrast.inner.tiles - 1, of_outer, contrast.outer.tiles - 1);
  const double reach = std::exp(student(options_.deviations, freedom) * error);
  contrast.interval = {*contrast.ratio / reach, *contrast.ratio * reach};
  if (error > 0) contrast.deviations = std::log(*contrast.ratio) / error;
  return contrast;
}

std::vector<Contrast> compare_parts(const RegionImages& images, const Image& total, const Mask& inner,
                                    const Mask& outer, const CompareOptions& options) {
  const PartComparison comparison(total, inner, outer, options);
  std::vector<Contrast> contrasts;
  for (std::size_t i = 0; i < images.labels.size(); ++i)
    contrasts.push_back(comparison.of(images.labels[i], images.peak(i, total.shape)));
  return contrasts;
}

std::string contrasts_csv(std::span<const Contrast> contrasts) {
  std::string csv =
      "fragment,inner_mean,inner_se,inner_counts,outer_mean,outer_se,outer_counts,ratio,ratio_low,ratio_high,"
      "deviations,why_not\n";
  for (const Contrast& c : contrasts) {
    csv += quoted_cell(c.label);
    for (const Part* part : {&c.inner, &c.outer})
      csv += fmt::format(",{},{},{}", part->mean, cell(part->se), part->counts);
    const auto low = c.interval ? std::optional(c.interval->low) : std::nullopt;
    const auto high = c.interval ? std::optional(c.interval->high) : std::nullopt;
    csv += fmt::format(",{},{},{},{},{}\n", cell(c.ratio), cell(low), cell(high), cell(c.deviations),
                       c.why_not.empty() ? "" : quoted_cell(c.why_not));
  }
  return csv;
}

}  // namespace cambench::sims
