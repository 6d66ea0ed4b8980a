// Any bytes as BIF6. What is refused names the file; what is accepted gives pixels inside its shape.
#include "analysis/formats/bif6.h"

#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    Bif6Reader reader(BinaryFile("fuzz.bif6", input));
    must(!reader.images().empty() && looks_like_bif6(input));
    for (const auto& image : reader.images()) {
      must(image.lower >= 0 && image.lower <= image.centre && image.centre <= image.upper);
      reader.read(image, [&](std::uint32_t first, std::span<const std::uint32_t> counts) {
        must(first + counts.size() <= reader.shape().pixels());
        for (const double n : counts) must(n >= 0);
      });
    }
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.bif6"));
  }
  return 0;
}
