// Any bytes as the picture of a mask. What is refused names the file; what is accepted has the image's shape and comes
// back from the picture that is drawn of it. libpng turns away what fails a checksum, as nearly every mutation does:
// the same bytes are read a second time with checksums that are right and pixels that are compressed.
#include <zlib.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/regions_compare.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

constexpr std::size_t signature = 8, head = 8, checksum = 4;  // bytes before the chunks, and of each chunk

const Bytef* bytes(std::string_view text) { return reinterpret_cast<const Bytef*>(text.data()); }

std::string big_endian(uLong value) {
  std::string four;
  for (int shift = 24; shift >= 0; shift -= 8) four += static_cast<char>(value >> shift & 0xFF);
  return four;
}

/// One stored block of a zlib stream (RFC 1950 and 1951): pixels stay where mutations find them.
std::string stored(std::string_view rows) {
  const auto low = static_cast<char>(rows.size() & 0xFF), high = static_cast<char>(rows.size() >> 8 & 0xFF);
  std::string stream{0x78, 0x01, 0x01, low, high, static_cast<char>(~low), static_cast<char>(~high)};
  return stream.append(rows) + big_endian(adler32(1, bytes(rows), static_cast<uInt>(rows.size())));
}

/// Its chunks as far as they go, the pixels of an IDAT taken for rows that are not compressed yet.
std::string repaired(std::string_view png) {
  std::string whole = "\x89PNG\r\n\x1a\n";
  std::size_t at = signature;
  while (at + head <= png.size()) {
    std::size_t length = 0;
    for (const char c : png.substr(at, 4)) length = length << 8 | static_cast<unsigned char>(c);
    const std::string_view type = png.substr(at + 4, 4);
    const std::string_view content = png.substr(at + head, std::min(length, png.size()));
    const std::string chunk = std::string(type) + (type == "IDAT" ? stored(content) : std::string(content));
    whole += big_endian(chunk.size() - type.size()) + chunk;
    whole += big_endian(crc32(0, bytes(chunk), static_cast<uInt>(chunk.size())));
    at += head + content.size() + checksum;
  }
  return whole;
}

void read(std::string_view png) {
  const ImageShape shape{5, 4};
  try {
    const auto mask = png_mask(png, "fuzz.png", shape);
    must(mask.width == shape.width && mask.height == shape.height && mask.inside.size() == shape.pixels());
    must(png_mask(png_of(mask), "again.png", shape).inside == mask.inside);
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.png"));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view png(reinterpret_cast<const char*>(data), size);
  read(png);
  read(repaired(png));
  return 0;
}
