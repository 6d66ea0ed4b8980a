#include "analysis/formats/bif6.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::string_view magic("\0\0BIF6", 6), export_again = "export the images again as BIF6";
constexpr std::uint64_t header_size = 12, image_header_size = 16;
constexpr std::size_t most_pixels = 1 << 22;

}  // namespace

Bif6Reader::Bif6Reader(BinaryFile file) : file_(std::move(file)) {
  std::array<char, header_size> header;
  file_.read(0, header, "the header");
  const auto refuse = [&](std::string_view problem) {
    throw BadInput(file_.name(), 0, problem, export_again);
  };
  if (!looks_like_bif6({header.data(), header.size()})) refuse("does not begin as BIF6 does");
  const auto count = load<std::uint16_t>(&header[6]);
  shape_ = {load<std::uint16_t>(&header[8]), load<std::uint16_t>(&header[10])};
  if (count == 0 || shape_.pixels() == 0 || shape_.pixels() > most_pixels)
    refuse(fmt::format("{} images of {} x {} pixels cannot be", count, shape_.width, shape_.height));
  const auto image_size = image_header_size + 4 * shape_.pixels();
  if (file_.size() != header_size + count * image_size)
    throw BadInput(file_.name(), 0,
                   fmt::format("{} images of {} x {} pixels take {} bytes, but it has {}", count,
                               shape_.width, shape_.height, header_size + count * image_size, file_.size()),
                   "the file is cut short or damaged: copy or export it again");

  std::set<std::uint32_t> ids;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto offset = header_size + i * image_size;
    std::array<char, image_header_size> of_image;
    file_.read(offset, of_image, "an image");
    // The total ion image comes once. What has its place but no number is zeros that were not written yet.
    if (ids.contains(0) && std::ranges::all_of(of_image, [](char byte) { return byte == 0; }))
      throw unwritten(file_.name(), fmt::format("image {} of {} is empty", i + 1, count));
    // Readers disagree on the order of the three masses, so they are put in order.
    std::array masses{load<float>(&of_image[4]), load<float>(&of_image[8]), load<float>(&of_image[12])};
    if (!std::ranges::all_of(masses, [](float m) { return std::isfinite(m) && m >= 0; }))
      refuse(fmt::format("image {} has a mass that is negative or no number", i + 1));
    std::ranges::sort(masses);
    images_.push_back(
        {load<std::uint32_t>(&of_image[0]), masses[0], masses[1], masses[2], offset + image_header_size});
    if (!ids.insert(images_.back().id).second)
      refuse(fmt::format("image {} has the number {}, which another has too", i + 1, images_.back().id));
  }
}

void Bif6Reader::read(const Image& image, const ImageSink& sink) {
  constexpr std::size_t pixels_of_piece = 32 * 1024;
  for (std::size_t first = 0; first < shape_.pixels(); first += pixels_of_piece) {
    piece_.resize(std::min(pixels_of_piece, shape_.pixels() - first));
    file_.read(image.offset + 4 * first, as_bytes_of(piece_), "an image");
    sink(static_cast<std::uint32_t>(first), piece_);
  }
}

bool looks_like_bif6(std::string_view start) { return start.starts_with(magic); }

}  // namespace cambench::sims
