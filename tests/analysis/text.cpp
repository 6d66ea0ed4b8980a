#include "analysis/formats/text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

using namespace cambench;

TEST_CASE("numbers come in every form that exports have") {
  CHECK(text::number("5.000000e+00") == 5.0);
  CHECK(text::number("1,25") == 1.25);
  CHECK(text::number("1,25E+02") == 125.0);
  CHECK(text::number(" -3.5\r") == -3.5);
  CHECK(text::number("+7") == 7.0);
  CHECK(text::number("1.5e+002") == 150.0);  // three digits of exponent, as older Windows libraries print
  CHECK(text::number("1e3") == 1000.0);
  CHECK(text::number("123456789012345678901234567890") == 123456789012345678901234567890.0);
  CHECK(std::isnan(text::number("nan").value()));
  CHECK(std::isnan(text::number("-NAN(IND)").value()));
  CHECK(std::isinf(text::number("inf").value()));
  for (const auto* not_one : {"", " ", "e5", ".", ",", "--1", "1.2.3", "1 2", "0x10", "five", "1e"}) {
    INFO(not_one);
    CHECK_FALSE(text::number(not_one));
  }
}

TEST_CASE("a quotation from a file is short and printable") {
  using namespace std::string_view_literals;
  CHECK(text::quoted("PO_3-") == "\"PO_3-\"");
  CHECK(text::quoted("a\0\t\xff"sv) == "\"a???\"");
  CHECK(text::quoted(std::string(1000, 'x')) == '"' + std::string(60, 'x') + "...\"");
}

TEST_CASE("a number read is the one nearest to its digits, as strtod gives it") {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 120) - 80);
    char printed[64];
    for (const auto* form : {"%e", "%.10g", "%.17g", "%.3f"}) {
      std::snprintf(printed, sizeof printed, form, value);
      REQUIRE(text::number(printed) == std::strtod(printed, nullptr));
    }
  }
}

TEST_CASE("lines end with LF or CRLF, and a NUL byte after the last one is no line") {
  using namespace std::string_view_literals;
  text::Lines lines("a\r\n\nb\n\0"sv);
  CHECK(lines.next() == "a");
  CHECK(lines.next() == "");
  CHECK(lines.next() == "b");
  CHECK(lines.number() == 3);
  CHECK_FALSE(lines.next());
  CHECK(text::split("a\t\tb", '\t').size() == 3);
  CHECK(text::split("", '\t').size() == 1);
  CHECK(text::trimmed("\0 a \r\n\0"sv) == "a");
}
