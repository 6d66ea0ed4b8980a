#include "schema/document.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <random>

#include "schema/json.h"

using namespace cambench;

TEST_CASE("a number that was written as JSON is read back to the last bit") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    const double number = std::ldexp(static_cast<double>(random()), -static_cast<int>(random() % 100));
    JsonWriter json;
    json.object().field("a", number).end_object();
    const auto tree = document::parse_json(json.take(), "kept.json");
    REQUIRE(tree);
    document::Mistakes mistakes("kept.json");
    document::Fields fields(*tree, "", mistakes);
    REQUIRE(fields.number("a") == number);
  }
}

TEST_CASE("letters beyond ASCII stand in strings and comments, and are refused with their line elsewhere") {
  const auto good = document::parse_toml(
      "# \u00e9 is fine here\na = \"caf\u00e9\"\nb = '\u00e9'\nc = \"\"\"\n\u00e9 \\\" "
      "\u00e9\n\"\"\"\n\"\u00e9\" = 1\n",
      "a.toml");
  REQUIRE_MESSAGE(good, good.error().what);
  const auto bad = document::parse_toml("a = \"\"\"\nx\n\"\"\"  # \u00e9\nb = 1\n\u00e9 = 2\n", "a.toml");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().what.starts_with("a.toml:5: a letter beyond ASCII"));
  CHECK_FALSE(document::parse_toml("[caf\u00e9]\n", "a.toml"));
  CHECK_FALSE(document::parse_toml("a = \"open\nb\u00e9 = 1", "a.toml"));
}
