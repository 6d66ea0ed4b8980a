// Any text as an ASCII spectrum. What is refused names the file and the mend; what is accepted is in the order of its
// masses, and its intervals hold no more than the whole of it.
#include "analysis/formats/spectrum_ascii.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "analysis/bad_input.h"
#include "analysis/mass_calibration.h"
#include "analysis/spectra.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::sims;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto intervals = nominal_intervals(1, 40);
  static const std::vector<std::string> known = {"H-", "C-", "O-", "OH-", "S-"};
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static_cast<void>(looks_like_spectrum_ascii(input));
  try {
    const auto spectrum = parse_spectrum_ascii(input, "fuzz.txt");
    must(!spectrum.mz.empty() && spectrum.mz.size() == spectrum.intensity.size());
    must(std::ranges::is_sorted(spectrum.mz));
    must(std::ranges::all_of(spectrum.intensity, [](double n) { return n >= 0 && std::isfinite(n); }));
    const double total = total_counts(spectrum);
    double inside = 0;
    for (const double area : interval_areas(spectrum, intervals)) inside += area;
    must(!std::isfinite(total) || inside <= total * (1 + 1e-9));
    const auto calibration = calibrate(spectrum, known);
    must(calibration.points.size() >= 3 && std::isfinite(calibration.a));
  } catch (const BadInput& refused) {
    must(std::string_view(refused.what()).find("; ") != std::string_view::npos);
  }
  return 0;
}
