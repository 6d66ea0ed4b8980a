#include "analysis/formats/spectrum_ascii.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

struct Columns {
  std::size_t mz = 0, intensity = 0, count = 0;
};

std::optional<Columns> columns_of(std::string_view title) {
  const auto titles = text::split(title, '\t');
  const auto position = [&](std::string_view wanted) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < titles.size(); ++i)
      if (text::trimmed(titles[i]) == wanted) return i;
    return std::nullopt;
  };
  const auto mz = position("m/z"), intensity = position("Intensity");
  if (!mz || !intensity) return std::nullopt;
  return Columns{*mz, *intensity, titles.size()};
}

// The title line: the first that is neither empty nor a '#' line.
std::optional<std::string_view> title_line(text::Lines& lines) {
  while (const auto line = lines.next())
    if (!text::trimmed(*line).empty() && !line->starts_with('#')) return line;
  return std::nullopt;
}

// One line of data: as many numbers as there are titles, a tab between them.
bool take_row(const char*& at, const char* end, const Columns& columns, double& mz, double& intensity) {
  for (std::size_t i = 0; i < columns.count; ++i) {
    double value = 0;
    if (i > 0 && (at == end || *at++ != '\t')) return false;
    if (!text::take_number(at, end, value)) return false;
    if (i == columns.mz) mz = value;
    if (i == columns.intensity) intensity = value;
  }
  while (at != end && (*at == '\r' || *at == ' ' || *at == '\t')) ++at;
  return at != end && *at++ == '\n';
}

void check_row(const Spectrum& so_far, double mz, double intensity, std::string_view name, std::size_t line) {
  if (!std::isfinite(mz) || !std::isfinite(intensity))
    throw BadInput(name, line, "m/z or intensity is not a number", "export the spectrum again");
  if (intensity < 0)
    throw BadInput(name, line, "the intensity is negative", "export counts, not a difference");
  if (!so_far.mz.empty() && mz < so_far.mz.back())
    throw BadInput(name, line, "m/z is smaller than in the line before",
                   "export the spectrum again, in the order of its channels");
}

}  // namespace

Spectrum parse_spectrum_ascii(std::string_view text, std::string_view name) {
  text::refuse_unwritten(text, name);
  text::Lines lines(text);
  const auto title = title_line(lines);
  const auto columns = title ? columns_of(*title) : std::nullopt;
  if (!columns)
    throw BadInput(name, lines.number(), "no title line with m/z and Intensity after the # lines",
                   "export the spectrum as ASCII from SurfaceLab");

  Spectrum spectrum;
  const auto rows = static_cast<std::size_t>(std::ranges::count(lines.rest(), '\n'));
  spectrum.mz.reserve(rows);
  spectrum.intensity.reserve(rows);

  const char* at = lines.rest().data();
  const char* end = at + lines.rest().size();
  while (end != at && end[-1] == '\0') --end;
  while (at != end) {
    const char* start = at;
    double mz = 0, intensity = 0;
    if (!take_row(at, end, *columns, mz, intensity)) {
      const std::string_view rest(start, static_cast<std::size_t>(end - start));
      if (text::trimmed(rest).empty()) break;
      if (rest.find('\n') == std::string_view::npos)
        throw BadInput(name, text::line_number(text, start),
                       "the last line is not ended: the file is cut short", "copy or export it again");
      throw BadInput(name, text::line_number(text, start), "the line does not hold one number for each title",
                     "export the spectrum as ASCII from SurfaceLab");
    }
    if (!(intensity >= 0) || !std::isfinite(intensity) || !std::isfinite(mz) ||
        (!spectrum.mz.empty() && mz < spectrum.mz.back()))
      check_row(spectrum, mz, intensity, name, text::line_number(text, start));
    spectrum.mz.push_back(mz);
    spectrum.intensity.push_back(intensity);
  }
  if (spectrum.mz.empty()) throw BadInput(name, 0, "holds no channel", "export the spectrum again");
  return spectrum;
}

bool looks_like_spectrum_ascii(std::string_view start) {
  text::Lines lines(start);
  const auto title = title_line(lines);
  return title && columns_of(*title).has_value();
}

}  // namespace cambench::sims
