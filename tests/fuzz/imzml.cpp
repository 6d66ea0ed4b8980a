// Any text as imzML; what stands behind </mzML> is its binary file. What is refused says which file; what is accepted
// gives pixels inside its shape, with spectra in order, and the same ones where no two spectra are written alike.
#include "analysis/formats/imzml.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>

#include "analysis/bad_input.h"
#include "tests/analysis/imzml_unlike.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

// One number for all that was read; empty when it was refused.
std::optional<std::size_t> read(std::string_view xml, std::string_view binary) try {
  ImzmlReader reader(BinaryFile("fuzz.imzML", xml), BinaryFile("fuzz.ibd", binary));
  static_cast<void>(reader.shared_axis());
  if (const auto width = reader.field_of_view_um()) must(*width > 0);
  std::size_t all = reader.shape().pixels();
  const auto add = [&](double value) { all = all * 31 + std::hash<double>()(value); };
  reader.each_pixel([&](std::uint32_t pixel, double total, const Spectrum& spectrum) {
    must(pixel < reader.shape().pixels());
    must(total >= 0);
    must(spectrum.mz.size() == spectrum.intensity.size());
    must(std::ranges::is_sorted(spectrum.mz));
    must(std::ranges::all_of(spectrum.intensity, [](double i) { return i >= 0 && std::isfinite(i); }));
    add(pixel), add(total);
    std::ranges::for_each(spectrum.mz, add);
    std::ranges::for_each(spectrum.intensity, add);
  });
  static_cast<void>(reader.verify());
  return all;
} catch (const BadInput& refused) {
  must(std::string_view(refused.what()).starts_with("fuzz.i"));
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view end = "</mzML>\n";
  const auto at = std::min(input.find(end), size - std::min(size, end.size())) + std::min(size, end.size());
  const auto xml = input.substr(0, at), binary = input.substr(at);
  must(read(xml, binary) == read(tests::written_unlike(xml), binary));
  return 0;
}
