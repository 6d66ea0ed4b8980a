// The command line as a function: what it says to its words, in a world without daemon, clock or screen unless a test
// puts them in.
#pragma once
#include <doctest/doctest.h>

#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/cli/cli.h"

namespace cambench::tests {

struct Said {
  int code;
  std::string out, err;
};

inline Said cambench_says(std::vector<std::string> arguments,
                          const std::function<void(cli::World&)>& put_in = {}) {
  std::ostringstream out, err;
  cli::World world{.out = out, .err = err, .ask = {}, .wait = {}};
  if (put_in) put_in(world);
  const int code = cli::run(std::move(arguments), world);
  return {code, out.str(), err.str()};
}

inline bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace cambench::tests
