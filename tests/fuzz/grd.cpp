// Any text as the properties of raw events; what stands behind its first empty line are the events. What is refused
// names one of the two files; what is accepted gives ions inside the raster, each in the intervals of its mass.
#include "analysis/formats/grd.h"

#include <algorithm>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto intervals = nominal_intervals(1, 100);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view between = "\n\n";
  const auto end = std::min(input.find(between), size);
  try {
    const auto properties = parse_grd_properties(input.substr(0, end), "fuzz.properties.txt");
    if (properties.scale.sf > 10'000)
      return 0;  // a long table of channels takes long, and tells nothing more
    const ChannelIntervals by_channel(properties.scale, intervals, "fuzz.properties.txt");
    GrdReader reader(BinaryFile("fuzz.grd", input.substr(std::min(end + between.size(), size))), properties);
    reader.each_ion([&](std::span<const RawIon> ions) {
      for (const auto& [pixel, channel] : ions) {
        must(pixel < reader.shape().pixels());
        const double mz = properties.scale.mz(channel);
        for (const auto i : by_channel.at(channel)) must(mz >= intervals[i].lower && mz < intervals[i].upper);
      }
    });
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz."));
  }
  return 0;
}
