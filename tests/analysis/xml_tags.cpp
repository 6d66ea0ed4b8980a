#include "analysis/formats/xml_tags.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "analysis/bad_input.h"
#include "tests/analysis/folder.h"

using namespace cambench;

namespace {

std::string tags_of(BinaryFile file) {
  XmlTags tags(file);
  std::string all;
  while (const auto* tag = tags.next()) {
    all += tag->opens ? "<" : "</";
    all += tag->name;
    for (const auto& [name, value] : tag->attributes) all += fmt::format(" {}={}", name, value);
    all += tag->opens && tag->closes ? "/>" : ">";
  }
  return all;
}
std::string tags_of(const std::string& text) { return tags_of(BinaryFile("f.xml", text)); }

std::string refusal_of(const std::string& text) {
  return tests::refusal([&] { return tags_of(text); });
}

}  // namespace

TEST_CASE("tags come in the order of the file, with their attributes, whatever the quotes and blanks") {
  CHECK(tags_of("\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<!DOCTYPE a><a x='1' y = \"it's > "
                "1\">text<b/><c\n/></a >") == "<a x=1 y=it's > 1><b/><c/></a>");
  CHECK(tags_of("") == "");
}

TEST_CASE("what looks like a tag in a comment or in CDATA is none") {
  CHECK(tags_of("<a><!-- <b> > --><![CDATA[ <c x=\"]]\"> ]]></a>") == "<a></a>");
}

TEST_CASE("a tag that lies across the pieces of the file is whole") {
  tests::Folder folder;
  for (const std::size_t before : {65'530, 65'533, 65'535, 65'536, 131'070}) {
    const auto file = folder.write(
        "f.xml", std::string(before, ' ') + "<a x=\"12\"><!-- -->" + std::string(70'000, '-') + "</a>");
    CHECK(tags_of(BinaryFile(folder.path / "f.xml")) == "<a x=12></a>");
  }
}

TEST_CASE("what is no XML is refused with the byte") {
  CHECK(
      refusal_of("<a><b></a></b>") ==
      "f.xml: is no XML at byte 10: </a> stands where </b> should; the file is cut short or damaged: copy or "
      "export it again");
  CHECK(refusal_of("<a>").find("at byte 3: <a> is not closed") != std::string::npos);
  CHECK(refusal_of("</a>").find("</a> closes what is not open") != std::string::npos);
  CHECK(refusal_of("<a x=\"1").find("at byte 0: a tag does not end") != std::string::npos);
  CHECK(refusal_of("<a x=1>").find("the value of x is not quoted") != std::string::npos);
  CHECK(refusal_of("<a x>").find("has no name or no value") != std::string::npos);
  CHECK(refusal_of("< a>").find("a tag has no name") != std::string::npos);
  CHECK(refusal_of("<!-- a").find("a comment or declaration does not end") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "<a>";
  CHECK(refusal_of(deep).find("more than 256 elements lie inside each other") != std::string::npos);
  CHECK(refusal_of("<a x=\"" + std::string(2 << 20, 'x') + "\"/>") != "accepted");
}
