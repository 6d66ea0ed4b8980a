#include "daemon/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <stdexcept>

namespace cambench {

std::shared_ptr<spdlog::logger> open_log(const config::Log& log) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  try {
    if (log.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    } else {
      if (log.file.has_parent_path()) std::filesystem::create_directories(log.file.parent_path());
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(log.file.string(), 20 << 20, 5);
    }
  } catch (const std::exception& error) {
    throw std::runtime_error("the log " + log.file.string() + " cannot be written: " + error.what());
  }
  auto logger = std::make_shared<spdlog::logger>("cambench", std::move(sink));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e%z %-7l %v");
  logger->set_level(spdlog::level::from_str(log.level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace cambench
