#include "analysis/formats/interval_list.h"

#include <doctest/doctest.h>

#include <string>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

// The layout of a real list (published with the paper's scripts): nineteen columns, the total first, a NUL byte at the
// end. The values are invented, their spelling is not.
const std::string title =
    "No.\tCenter Mass (u)\tLower Mass (u)\tUpper Mass (u)\tAssignment\tDescription\tMass Deviation "
    "(ppm)\tExplained (%)\t"
    "Resolution\tArea\tUncorrected Area\tNorm. By Reference Peak\tNorm. By Total Ion Intensity\tNorm. By "
    "Total Shots\t"
    "Norm. By Corrected Total Ion Intensity\tNorm. By Primary Ion Dose\tRSF\tCoverage (1/cm^2) \tColor\r\n";
const std::string total =
    "1\t\tnan\tnan\t(null)\ttotal\t0\t0\t0\t100.00\t90.00\tinf\t1.0\t0.1\t1.0\t0.0\t-NAN(IND)\t0.000000E+"
    "00\t0\r\n";
const std::string rest =
    "2\t78.959100\t78.930000\t78.990000\tPO_3-\t\t0.6\t0\t5000\t10.00\t9.00\tinf\t0.1\t0.1\t0.1\t0.0\t1\t0."
    "0\t255\r\n"
    "3\t96.960100\t96.930000\t96.990000\t(null)\t\t0\t0\t5000\t10.00\t9.00\tinf\t0.1\t0.1\t0.1\t0.0\t1\t0."
    "0\t255\r\n";

std::string refusal(const std::string& text) {
  try {
    (void)parse_interval_list(text, "peaks.txt");
  } catch (const BadInput& problem) {
    return problem.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a peak list gives its intervals without the total") {
  for (const auto& text : {title + total + rest + std::string(1, '\0'), title + rest}) {
    const auto intervals = parse_interval_list(text, "peaks.txt");
    REQUIRE(intervals.size() == 2);
    CHECK(intervals[0].label == "PO_3-");
    CHECK(intervals[0].lower == 78.93);
    CHECK(intervals[0].upper == 78.99);
    CHECK(intervals[1].label == "m/z 96.9601");
  }
  CHECK(looks_like_interval_list(title));
  CHECK_FALSE(looks_like_interval_list("Channel\tm/z\tIntensity\r\n"));
}

TEST_CASE("a decimal comma is a decimal point") {
  auto text = title + rest;
  for (auto& c : text)
    if (c == '.' && &c - text.data() > static_cast<std::ptrdiff_t>(title.size())) c = ',';
  CHECK(parse_interval_list(text, "peaks.txt")[0].lower == 78.93);
}

TEST_CASE("a peak list that cannot be used is refused with file, line and mend") {
  CHECK(refusal("") ==
        "peaks.txt, line 1: no title line with Lower Mass (u), Upper Mass (u) and Assignment; export the "
        "peak list as ASCII from SurfaceLab");
  CHECK(refusal(title + total) == "peaks.txt: holds no interval; export the peak list again");
  CHECK(refusal(title + "2\t1\t5\t4\tPO_3-\r\n") ==
        "peaks.txt, line 2: \"5\" to \"4\" is no mass interval; the lower mass must be a number below the "
        "upper mass");
  CHECK(refusal(title + "2\t1\tnan\t4\tPO_3-\r\n")
            .starts_with("peaks.txt, line 2: \"nan\" to \"4\" is no mass"));
  CHECK(refusal(title + "2\t1\r\n").starts_with("peaks.txt, line 2: \"\" to \"\" is no mass"));
  CHECK(refusal(title + "2\t1\t1\t2\t\xb5-\r\n").starts_with("peaks.txt, line 2: \"?-\" is no assignment"));
  CHECK(refusal(title + "2\t1\t1\t2\tLiCO_3-\r\n3\t1\t1\t2\tCO_3Li-\r\n") ==
        "peaks.txt, line 3: \"CO_3Li-\" is in line 2 already; keep one interval for each ion");
}

TEST_CASE("nominal masses reach half a unit to both sides and leave no gap") {
  const auto intervals = nominal_intervals();
  REQUIRE(intervals.size() == 300);
  CHECK(intervals.front().lower == 0.5);
  CHECK(intervals.back().upper == 300.5);
  CHECK(intervals[177].label == "m/z 178");
  for (std::size_t i = 1; i < intervals.size(); ++i) CHECK(intervals[i].lower == intervals[i - 1].upper);
}
