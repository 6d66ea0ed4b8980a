// Any text as imzML; what stands behind </mzML> is its binary file. What is refused says which file; what is accepted
// gives pixels inside its shape, with spectra in order.
#include "analysis/formats/imzml.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view end = "</mzML>\n";
  const auto at = std::min(input.find(end), size - std::min(size, end.size())) + std::min(size, end.size());
  try {
    ImzmlReader reader(BinaryFile("fuzz.imzML", input.substr(0, at)),
                       BinaryFile("fuzz.ibd", input.substr(at)));
    static_cast<void>(reader.shared_axis());
    reader.each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
      must(pixel < reader.shape().pixels());
      must(total >= 0);
      must(spectrum.mz.size() == spectrum.intensity.size());
      must(std::ranges::is_sorted(spectrum.mz));
      must(std::ranges::all_of(spectrum.intensity, [](double i) { return i >= 0 && std::isfinite(i); }));
    });
    static_cast<void>(reader.verify());
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).starts_with("fuzz.i"));
  }
  return 0;
}
