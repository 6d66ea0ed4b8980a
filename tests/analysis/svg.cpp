// Drawings: what every chart relies on.
#include "analysis/svg.h"

#include <doctest/doctest.h>

#include <cmath>
#include <pugixml.hpp>
#include <string>

using namespace cambench;
using namespace cambench::svg;

namespace {

std::string a_drawing() {
  Drawing drawing(100, 50, "QS_{0} & <others>", "two lines");
  drawing.open({10, 5}, "a \"name\"");
  drawing.line({0, 0}, {1.0 / 3, 2}, {.stroke = colour::ink, .dash = "2 3"});
  drawing.marker({3, 4}, Marker::diamond, 2, {.fill = colour::series[1]});
  drawing.close();
  drawing.text({1, 2}, "QS_{ret} of A&B", {.size = 10, .anchor = Anchor::end, .bold = true});
  return std::move(drawing).take();
}

}  // namespace

TEST_CASE("numbers are short, and never minus zero or not a number") {
  CHECK(number(1.0 / 3) == "0.33");
  CHECK(number(2.5) == "2.5");
  CHECK(number(100) == "100");
  CHECK(number(-0.001) == "0");
  CHECK(number(-12.345, 1) == "-12.3");
  CHECK(number(NAN) == "0");
  CHECK(number(0.000125, 6) == "0.000125");
}

TEST_CASE("text that XML cannot hold is replaced, the rest is kept") {
  CHECK(escaped("a<b> & \"c\" 'd'") == "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  CHECK(escaped("LiNbO₃ µ ±") == "LiNbO₃ µ ±");
  CHECK(escaped(std::string_view("a\0b\x1f", 4)) == "a\uFFFDb\uFFFD");
  CHECK(escaped("\xB5m") == "\uFFFDm");                    // Latin-1, as an instrument may write it
  CHECK(escaped("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");  // half of a surrogate pair
  CHECK(escaped("\xC0\xAF") == "\uFFFD\uFFFD");            // a slash in two bytes
  CHECK(escaped("x\xE2\x82") == "x\uFFFD\uFFFD");          // cut in the middle
}

TEST_CASE("a drawing is well-formed, says what it is, and has no size of its own") {
  pugi::xml_document document;
  const std::string text = a_drawing();
  REQUIRE(document.load_string(text.c_str()));
  const auto root = document.child("svg");
  CHECK(std::string(root.attribute("viewBox").value()) == "0 0 100 50");
  CHECK(std::string(root.attribute("role").value()) == "img");
  CHECK_FALSE(root.attribute("width"));
  CHECK(std::string(root.child("title").text().get()) == "QS_0 & <others>");
  CHECK(std::string(root.child("desc").text().get()) == "two lines");
  CHECK(std::string(root.child("g").attribute("data-name").value()) == "a \"name\"");
  CHECK(std::string(root.child("g").child("line").attribute("x2").value()) == "0.33");
}

TEST_CASE("the same calls give the same bytes") { CHECK(a_drawing() == a_drawing()); }

TEST_CASE("lowered letters come back up for what follows") {
  pugi::xml_document document;
  REQUIRE(document.load_string(a_drawing().c_str()));
  const auto text = document.child("svg").child("text");
  double offset = 0;
  std::string words;
  for (const auto& piece : text.children()) {
    offset += piece.attribute("dy").as_double();
    words += piece.text().get();
  }
  CHECK(words == "QSret of A&B");
  CHECK(offset == doctest::Approx(0));
  CHECK(plain("QS_{ret} of A&B") == "QS_ret of A&B");
  CHECK(plain("an open _{ stays") == "an open _{ stays");
}

TEST_CASE("a line is as wide as its letters, whatever their bytes") {
  CHECK(text_width("mm", 10) > text_width("ll", 10));
  CHECK(text_width("±", 10) == text_width("x", 10));
  CHECK(text_width("QS_{0}", 10) < text_width("QS0", 10));
  CHECK(text_width("", 10) == 0);
}

TEST_CASE("every colour has another one for the dark") {
  const std::string css = dark_css();
  CHECK(css.find(colour::paper) != std::string::npos);
  for (const auto colour : {colour::ink, colour::soft, colour::rule, colour::axis})
    CHECK(css.find("[stroke=\"" + std::string(colour) + "\"]") != std::string::npos);
  for (const auto colour : colour::series)
    CHECK(css.find("[fill=\"" + std::string(colour) + "\"]") != std::string::npos);
}
