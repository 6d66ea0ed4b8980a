// Any bytes as .ita. What is refused names the file; what is accepted gives pixels inside its shape.
#include "analysis/formats/ita.h"

#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    ItaReader reader(BinaryFile("fuzz.ita", std::string_view(reinterpret_cast<const char*>(data), size)));
    for (const auto& image : reader.images())
      reader.read(image, [&](std::uint32_t first, std::span<const std::uint32_t> counts) {
        must(first + counts.size() <= reader.shape().pixels());
        for (const double n : counts) must(n >= 0);
      });
    if (const auto width = reader.field_of_view()) must(*width > 0 && std::isfinite(*width));
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.ita"));
  }
  return 0;
}
