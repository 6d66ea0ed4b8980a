// What people will read the next morning: one line per thing that happened, with the station and the run it
// happened to, and alarms that stay until somebody has seen them.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "schema/command.h"

namespace spdlog {
class logger;
}

namespace cambench {

class Journal {
 public:
  explicit Journal(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  /// "A1 r000003: charge 0.1 C began". `run` may be empty.
  void info(std::string_view station, std::string_view run, std::string_view text);
  void warning(std::string_view station, std::string_view run, std::string_view text);
  void alarm(std::string_view station, std::string_view run, std::string_view text);
  void raise(std::string_view station, std::string_view run, const command::Raise& raised);

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace cambench
