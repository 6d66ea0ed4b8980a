#include "drivers/sim/scpi_events.h"

#include <fmt/core.h>

#include <utility>

namespace cambench::sim::scpi {

namespace {

constexpr std::string_view when = "2015/05/06 12:57:04.484";
constexpr int of_error = 1, of_information = 4;
constexpr int log_block = 5556;  // ours: the manual's number of a log block's event is not at hand

std::string entry(int code, std::string_view text, int type) {
  return fmt::format("{},\"{};{};{}\"", code, text, type, when);
}

void keep(std::deque<std::string>& queue, std::string what) {
  if (queue.size() + 1 < Events::depth)
    queue.push_back(std::move(what));
  else if (queue.size() < Events::depth)
    queue.push_back(entry(-350, "Queue overflow", of_error));
}

}  // namespace

void Events::error(int code, std::string_view text) {
  ++so_far_;
  keep(errors_, entry(code, text, of_error));
  keep(log_, entry(code, text, of_error));
}

void Events::info(std::string_view text) { keep(log_, entry(log_block, text, of_information)); }

std::string Events::next(std::deque<std::string>& queue) {
  if (queue.empty()) return "0,\"No error;0;0 0\"";
  std::string first = std::move(queue.front());
  queue.pop_front();
  return first;
}

}  // namespace cambench::sim::scpi
