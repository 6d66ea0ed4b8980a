// Any bytes as .itm. What is refused names the file; what is accepted gives ions inside the raster, each in the
// intervals of its mass.
#include "analysis/formats/itm.h"

#include <cmath>
#include <optional>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto intervals = nominal_intervals(1, 3);
  try {
    ItmReader reader(BinaryFile("fuzz.itm", std::string_view(reinterpret_cast<const char*>(data), size)));
    for (const auto& interval : reader.intervals()) must(interval.lower < interval.upper);
    std::optional<ChannelIntervals> by_channel;
    reader.each_ion([&](std::span<const RawIon> ions) {
      // Most inputs have no ion to look up, and a long table takes long and tells nothing more.
      if (!by_channel && reader.scale().sf <= 40'000)
        by_channel.emplace(reader.scale(), intervals, "fuzz.itm");
      for (const auto& [pixel, channel] : ions) {
        must(pixel < reader.shape().pixels());
        if (!by_channel) continue;
        const double mz = reader.scale().mz(channel);
        for (const auto i : by_channel->at(channel))
          must(mz >= intervals[i].lower && mz < intervals[i].upper);
      }
    });
    if (const auto width = reader.field_of_view()) must(*width > 0 && std::isfinite(*width));
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.itm"));
  }
  return 0;
}
