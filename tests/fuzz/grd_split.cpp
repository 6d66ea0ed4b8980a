// Any text as the properties of raw events; what stands behind its first empty line are the events, split: a quarter of
// it the scans, a half the places, the rest the channels. What is refused names a file; what is accepted gives as many
// ions as there are channels, each inside the raster.
#include <algorithm>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/formats/grd.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view between = "\n\n";
  const auto end = std::min(input.find(between), size);
  const auto events = input.substr(std::min(end + between.size(), size));
  const auto quarter = events.size() / 4;
  const auto tofs = events.substr(3 * quarter);
  try {
    SplitGrdReader reader(BinaryFile("fuzz.scans", events.substr(0, quarter)),
                          BinaryFile("fuzz.coords", events.substr(quarter, 2 * quarter)),
                          BinaryFile("fuzz.tofs", tofs),
                          parse_grd_properties(input.substr(0, end), "fuzz.properties.txt"));
    std::size_t ions = 0;
    reader.each_ion([&](std::span<const RawIon> run) {
      for (const auto& ion : run) must(ion.pixel < reader.shape().pixels());
      ions += run.size();
    });
    must(ions == tofs.size() / 4);
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz."));
  }
  return 0;
}
