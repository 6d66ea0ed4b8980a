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
