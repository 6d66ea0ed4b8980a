// What the repository ships as configuration must be good.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "daemon/config.h"

using namespace cambench;

namespace {

std::string source(const std::string& file) {
  std::ifstream in(CAMBENCH_SOURCE "/" + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The keys that a reader's source asks its Fields for.
std::set<std::string> keys_taken_by(const std::string& text) {
  const std::regex asks(
      R"re((?:(?:->|\.)(?:number|texts?|flag|whole|tables?|require|choice<[^(]*>)\(|(?:path|id)\(\*?\w+, )\s*"(\w+)")re");
  std::set<std::string> keys;
  for (std::sregex_iterator at(text.begin(), text.end(), asks), end; at != end; ++at) keys.insert((*at)[1]);
  return keys;
}

}  // namespace

TEST_CASE("the example configuration of a real bench is accepted as it stands") {
  const auto bench = config::read(CAMBENCH_SOURCE "/systemd/cambench.toml");
  CHECK(bench.stations.size() == 2);
  CHECK(bench.time_scale == 1);
  REQUIRE(bench.cell("R-017"));
  CHECK(one_C(*bench.cell("R-017")).value() * 1e3 == doctest::Approx(1.608));  // the paper's rate composite
}

TEST_CASE("every key that the reader of the configuration takes stands in the example") {
  const std::string example = source("systemd/cambench.toml");
  for (const char* reader :
       {"daemon/config.cpp", "daemon/config_alarms.cpp", "daemon/config_interlocks.cpp"}) {
    const auto keys = keys_taken_by(source(reader));
    CHECK(keys.size() > 5);
    for (const std::string& key : keys) {
      CAPTURE(key);
      CHECK(std::regex_search(example, std::regex("\\b" + key + "(\\]| = )")));
    }
  }
}
