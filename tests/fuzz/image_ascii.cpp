// Any text as an ASCII image, any line as an image's file name. What is refused names the file and the mend; what is
// accepted is an image of counts, the same whether it is kept or handed on pixel by pixel through a narrow window.
#include "analysis/formats/image_ascii.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static_cast<void>(looks_like_image_ascii(input));
  if (const auto name = parse_image_file_name(input.substr(0, input.find('\n'))))
    must(name->id >= 0 && !name->label.empty());
  try {
    const auto image = parse_image_ascii(input, "fuzz.txt");
    must(image.shape.pixels() == image.counts.size() && image.shape.scans > 0);
    must(std::ranges::all_of(image.counts, [](double n) { return n >= 0 && !std::isnan(n); }));
    double handed_on = 0, kept = 0;
    BinaryFile file("fuzz.txt", input);
    read_image_ascii(
        file,
        [&](std::span<const PixelCounts> run) {
          for (const auto& [pixel, counts] : run) {
            must(pixel < image.counts.size() && counts > 0 && std::isfinite(counts));
            handed_on += counts;
          }
        },
        &image.shape, 7);
    for (const double counts : image.counts) kept += counts;
    must(std::isinf(kept) || std::abs(handed_on - kept) <= 1e-9 * kept);
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.txt"));
  }
  return 0;
}
