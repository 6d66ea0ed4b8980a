// The ways out of the daemon: a program, a web server. Each call blocks its thread until it is done or `patience` is over.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace cambench::notify {

/// Runs a program with `input` on its standard input. A Fault when it cannot be started, fails, or does not end in time;
/// then it is killed with everything it started.
Result<void> run_program(const std::vector<std::string>& words, std::string_view input,
                         std::chrono::milliseconds patience);

/// POSTs JSON, or GETs when `json` is empty. A Fault unless the answer is a 2xx.
Result<void> call(const std::string& url, std::string_view json, std::chrono::milliseconds patience);

}  // namespace cambench::notify
