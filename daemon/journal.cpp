#include "daemon/journal.h"

#include <spdlog/spdlog.h>

namespace cambench {

namespace {

std::string line(std::string_view station, std::string_view run, std::string_view text) {
  if (station.empty()) return std::string(text);
  if (run.empty()) return fmt::format("{}: {}", station, text);
  return fmt::format("{} {}: {}", station, run, text);
}

}  // namespace

void Journal::info(std::string_view station, std::string_view run, std::string_view text) {
  logger_->info(line(station, run, text));
}

void Journal::warning(std::string_view station, std::string_view run, std::string_view text) {
  logger_->warn(line(station, run, text));
}

void Journal::alarm(std::string_view station, std::string_view run, std::string_view text) {
  logger_->error(line(station, run, text));
}

void Journal::raise(std::string_view station, std::string_view run, const command::Raise& raised) {
  const std::string text = fmt::format("[{}] {}", raised.cause, raised.text);
  switch (raised.severity) {
    case command::Severity::info: return info(station, run, text);
    case command::Severity::warning: return warning(station, run, text);
    case command::Severity::alarm: return alarm(station, run, text);
  }
}

}  // namespace cambench
