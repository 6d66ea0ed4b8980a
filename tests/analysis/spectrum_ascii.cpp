#include "analysis/formats/spectrum_ascii.h"

#include <doctest/doctest.h>

#include <numeric>
#include <string>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

// Layout and first rows of a real export (Oscar-Laurent/ToF-SIMS_Article, N_Ru-Pt_Bi3_1.txt).
const std::string header =
    "# Binning: 200 channels\r\n# Deadtime Correction: on\r\nChannel\tm/z\tIntensity\r\n";
const std::string rows = "100\t0.000274\t0\r\n300\t0.000510\t50\r\n500\t0.000817\t4\r\n";

std::string refusal(const std::string& text) {
  try {
    (void)parse_spectrum_ascii(text, "s.txt");
  } catch (const BadInput& problem) {
    return problem.what();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

}  // namespace

TEST_CASE("a spectrum gives m/z and counts, channel by channel") {
  const auto spectrum = parse_spectrum_ascii(header + rows, "s.txt");
  CHECK(spectrum.mz == std::vector{0.000274, 0.000510, 0.000817});
  CHECK(spectrum.intensity == std::vector{0.0, 50.0, 4.0});
}

TEST_CASE("line ends, decimal commas, NUL bytes and missing columns make no difference") {
  const auto expected = parse_spectrum_ascii(header + rows, "s.txt");
  const auto same = [&](const std::string& text) {
    const auto spectrum = parse_spectrum_ascii(text, "s.txt");
    return spectrum.mz == expected.mz && spectrum.intensity == expected.intensity;
  };
  CHECK(same(replaced(header + rows, "\r\n", "\n")));
  CHECK(same(header + replaced(rows, ".", ",")));
  CHECK(same(header + rows + std::string(1, '\0')));
  CHECK(same(header + rows + "\r\n\r\n"));
  CHECK(same("m/z\tIntensity\n0.000274\t0\n0.00051\t5.0e+01\n0.000817\t4\n"));
  CHECK(looks_like_spectrum_ascii(header));
  CHECK_FALSE(looks_like_spectrum_ascii(rows));
}

TEST_CASE("a spectrum that cannot be used is refused with file, line and mend") {
  CHECK(refusal("") ==
        "s.txt: no title line with m/z and Intensity after the # lines; export the spectrum as ASCII from "
        "SurfaceLab");
  CHECK(refusal(header) == "s.txt: holds no channel; export the spectrum again");
  CHECK(refusal(header + rows + "700\t0.0011") ==
        "s.txt, line 7: the last line is not ended: the file is cut short; copy or export it again");
  CHECK(refusal(header + rows + "700\t0.0011\n")
            .starts_with("s.txt, line 7: the line does not hold one number"));
  CHECK(refusal(header + rows + "700\t0.0011\tabc\r\n").starts_with("s.txt, line 7: the line does not hold"));
  CHECK(refusal(header + rows + "700\t0.0011\tnan\r\n")
            .starts_with("s.txt, line 7: m/z or intensity is not a number"));
  CHECK(
      refusal(header + rows + "700\t0.0011\t-1\r\n").starts_with("s.txt, line 7: the intensity is negative"));
  CHECK(refusal(header + rows + "700\t0.0001\t1\r\n")
            .starts_with("s.txt, line 7: m/z is smaller than in the line before"));
}

TEST_CASE("a spectrum cut anywhere is refused, or cut exactly between two lines") {
  const auto whole = header + rows;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto answer = refusal(whole.substr(0, size));
    if (answer == "accepted") CHECK(whole[size - 1] == '\n');
  }
}

TEST_CASE("a real spectrum is read to its last channel") {
  const auto folder = tests::real_data("spectra/Ru-Pt");
  if (!folder) return;
  FileReader files;
  const auto spectrum = parse_spectrum_ascii(files.read(*folder / "N_Ru-Pt_Bi3_1.txt"), "N_Ru-Pt_Bi3_1.txt");
  CHECK(spectrum.mz.size() == 7053);
  CHECK(spectrum.mz.back() == 1799.844923);
  CHECK(spectrum.intensity.back() == 3);
}
