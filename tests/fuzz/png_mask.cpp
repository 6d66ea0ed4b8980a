// Any bytes as the picture of a mask. What is refused names the file; what is accepted has the image's shape and comes
// back from the picture that is drawn of it.
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/regions_compare.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ImageShape shape{5, 4};
  try {
    const auto mask =
        png_mask(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.png", shape);
    must(mask.width == shape.width && mask.height == shape.height && mask.inside.size() == shape.pixels());
    must(png_mask(png_of(mask), "again.png", shape).inside == mask.inside);
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.png"));
  }
  return 0;
}
