#include "daemon/log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <exception>

namespace cambench {

namespace {

std::shared_ptr<spdlog::sinks::sink> file_of(const std::filesystem::path& file) {
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  return std::make_shared<spdlog::sinks::rotating_file_sink_mt>(file.string(), 20 << 20, 5);
}

}  // namespace

std::shared_ptr<spdlog::logger> open_log(const config::Log& log) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  std::string trouble;
  try {
    if (!log.file.empty()) sink = file_of(log.file);
  } catch (const std::exception& error) {
    trouble = error.what();
  }
  if (!sink) sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  auto logger = std::make_shared<spdlog::logger>("cambench", std::move(sink));
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e%z %-7l %v");
  logger->set_level(spdlog::level::from_str(log.level));
  logger->flush_on(spdlog::level::info);
  if (!trouble.empty())
    logger->error("the log {} cannot be written, and goes to standard error: {}", log.file.string(), trouble);
  return logger;
}

}  // namespace cambench
