#include "drivers/wire/mscript_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace cambench::wire::mscript {

namespace {

constexpr std::string_view prefix = "cb-", suffix = ".txt";

/// Every run of digits in a text, as a number.
std::vector<std::uint64_t> numbers_in(std::string_view text) {
  std::vector<std::uint64_t> all;
  for (const char* at = text.data(); at != text.data() + text.size();) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(at, text.data() + text.size(), number);
    if (error == std::errc()) all.push_back(number);
    at = error == std::errc() ? end : at + 1;
  }
  return all;
}

}  // namespace

bool can_store(const Capabilities& can) {
  return can.has(can_file_open) && can.has(can_file_close) && can.has(can_script_output);
}

std::string file_name(const PlannedStep& step, const Marker& marker) {
  return fmt::format("{}{}-{}-{:.0f}{}", prefix, marker.run, marker.step, step.run_time.count() * 1e3,
                     suffix);
}

bool is_ours(std::string_view file) {
  if (file.starts_with('/')) file.remove_prefix(1);
  return file.starts_with(prefix) && file.ends_with(suffix);
}

std::uint64_t largest_file(const PlannedStep& step) {
  constexpr double bytes_a_row = 220;  // an announcement and six variables with their metadata
  constexpr double beginning_and_end = 1024;
  const Seconds apart = step.record_delta ? step.sampling : std::max(step.record_every, step.sampling);
  return static_cast<std::uint64_t>(std::ceil(bytes_a_row * (step.run_time / apart + 2) + beginning_and_end));
}

std::optional<std::uint64_t> parse_free_bytes(std::string_view line) {
  if (!line.starts_with('f') || parse_error(line)) return std::nullopt;
  const auto numbers = numbers_in(line);
  if (numbers.size() != 2 || numbers[0] > numbers[1] || numbers[1] > (1ULL << 40)) return std::nullopt;
  return (numbers[1] - numbers[0]) * 1024;
}

std::optional<std::string> parse_file_entry(std::string_view line) {
  const auto kind = line.find(";FIL;");
  if (kind == std::string_view::npos) return std::nullopt;
  const auto name = line.substr(line.rfind(';') + 1);
  if (name.empty()) return std::nullopt;
  return std::string(name);
}

}  // namespace cambench::wire::mscript
