// The log file that people read the next morning: local time, level, one line per thing that happened; rotated at
// 20 MB, five files kept. Without a file, or with one that cannot be written, it goes to standard error.
#pragma once
#include <memory>
#include <string>

#include "daemon/config.h"

namespace spdlog {
class logger;
}

namespace cambench {

/// Its first line is an error when the file cannot be written: a bench whose log is in the way starts all the same.
std::shared_ptr<spdlog::logger> open_log(const config::Log& log);

}  // namespace cambench
