// SurfaceLab's ASCII spectrum (recipe "ExportSpectraToASCII"): lines that begin with '#', a title line, then one line
// a channel, tab-separated, CRLF. Real files: three header lines, `Channel<TAB>m/z<TAB>Intensity`.
#pragma once
#include <string_view>
#include <vector>

namespace cambench::sims {

struct Spectrum {
  std::vector<double> mz;         ///< u, ascending: the centre of each channel
  std::vector<double> intensity;  ///< counts, not negative
};

/// Columns are found by their title, so files without `Channel` are read too. Throws BadInput, also for a last line
/// without its end: the file was cut short.
[[nodiscard]] Spectrum parse_spectrum_ascii(std::string_view text, std::string_view name);

/// Whether the first bytes of a file look like this format.
[[nodiscard]] bool looks_like_spectrum_ascii(std::string_view start);

}  // namespace cambench::sims
