#include "analysis/formats/xml_pattern.h"

#include <doctest/doctest.h>

using namespace cambench;

namespace {

// <p x="1" y='2'/> whose x and y vary.
XmlPattern with_two_values() {
  XmlPattern pattern("<p x=\"1\" y='2'/>");
  CHECK(pattern.vary(6, 1) == 0);
  CHECK(pattern.vary(12, 1) == 1);
  return pattern;
}

}  // namespace

TEST_CASE("a text that is the same but for its values matches, and gives them") {
  auto pattern = with_two_values();
  const std::string_view text = "<p x=\"it's 40\" y=''/> and more";
  CHECK(pattern.match(text) == text.find(" and more"));
  CHECK(pattern.values()[0] == "it's 40");
  CHECK(pattern.values()[1].empty());
}

TEST_CASE("a text that differs anywhere else, or ends before the pattern does, does not match") {
  auto pattern = with_two_values();
  const std::string_view text = "<p x=\"7\" y='8'/>";
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes) CHECK(pattern.match(text.substr(0, bytes)) == 0);
  for (const auto* other :
       {" <p x=\"7\" y='8'/>", "<p x='7' y='8'/>", "<p x=\"7\" z='8'/>", "<p x=\"7\" y='8' />"})
    CHECK(pattern.match(other) == 0);
  CHECK(pattern.match(text) == text.size());
}

TEST_CASE("no pattern matches nothing") {
  XmlPattern none;
  CHECK(none.match("") == 0);
  CHECK(none.match("<a/>") == 0);
}
