#include "daemon/http/parameters.h"

#include <fast_float/fast_float.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

namespace cambench::http {

std::optional<std::string> Parameters::text(std::string_view name) {
  known_.insert(name);
  const auto found = request_.asked(name);
  return found ? std::optional(std::string(*found)) : std::nullopt;
}

std::int64_t Parameters::whole(std::string_view name, std::int64_t otherwise, std::int64_t least,
                               std::int64_t most) {
  const auto found = text(name);
  if (!found) return otherwise;
  std::int64_t value = 0;
  const auto* last = found->data() + found->size();
  const auto [end, error] = std::from_chars(found->data(), last, value);
  if (error == std::errc() && end == last && value >= least && value <= most) return value;
  complain(fmt::format("{}={} is not a whole number from {} to {}.", name, *found, least, most));
  return otherwise;
}

std::optional<double> Parameters::number(std::string_view name) {
  const auto found = text(name);
  if (!found) return std::nullopt;
  double value = 0;
  const auto* last = found->data() + found->size();
  const auto [end, error] = fast_float::from_chars(found->data(), last, value);
  if (error == std::errc() && end == last && std::isfinite(value)) return value;
  complain(fmt::format("{}={} is not a number.", name, *found));
  return std::nullopt;
}

void Parameters::complain(std::string what) {
  if (trouble_.empty()) trouble_ = std::move(what);
}

std::optional<Response> Parameters::finish() {
  for (const auto& [key, value] : request_.query)
    if (!known_.contains(key))
      complain(known_.empty()
                   ? fmt::format("{} is not known here; there are no parameters.", key)
                   : fmt::format("{} is not known here; there are {}.", key, fmt::join(known_, ", ")));
  if (trouble_.empty()) return std::nullopt;
  return problem(400, "The question cannot be read", trouble_);
}

std::optional<WallTime> parse_time(std::string_view text) {
  const auto digits = [&](std::size_t at, std::size_t count) {
    int value = -1;
    const auto part = text.substr(at, count);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + count ? value : -1;
  };
  constexpr std::string_view pattern = "0000-00-00T00:00:00";
  if (text.size() < pattern.size()) return std::nullopt;
  for (std::size_t at = 0; at < pattern.size(); ++at)
    if (pattern[at] != '0' && text[at] != pattern[at]) return std::nullopt;
  const int hour = digits(11, 2), minute = digits(14, 2), second = digits(17, 2);
  const std::chrono::year_month_day date{std::chrono::year(digits(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2)))};
  if (date.year() < std::chrono::year(1970) || date.year() >= std::chrono::year(2200)) return std::nullopt;
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  int milliseconds = 0;
  auto rest = text.substr(pattern.size());
  if (rest.starts_with('.')) {
    milliseconds = digits(pattern.size() + 1, 3);
    if (milliseconds < 0) return std::nullopt;
    rest.remove_prefix(4);
  }
  if (rest != "Z" && !rest.empty()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(milliseconds);
}

std::optional<WallTime> Parameters::time(std::string_view name) {
  const auto found = text(name);
  if (!found) return std::nullopt;
  std::int64_t milliseconds = 0;
  const auto* last = found->data() + found->size();
  const auto [end, error] = std::from_chars(found->data(), last, milliseconds);
  if (error == std::errc() && end == last && milliseconds >= 0 && milliseconds < unix_ms(latest))
    return from_unix_ms(milliseconds);
  if (const auto time = parse_time(*found)) return time;
  complain(
      fmt::format("{}={} is neither milliseconds since 1970 nor like 2026-11-22T13:00:00Z.", name, *found));
  return std::nullopt;
}

std::string run_asked(const Asked& asked, Parameters& parameters) {
  const auto run = parameters.text("run");
  const auto name = parameters.text("station");
  if (run) return *run;
  if (!name) parameters.complain("Say which run: run=r000001, or station=A1 for the one that is there now.");
  for (const auto& station : asked.api.board().status().stations)
    if (name && station.name == *name && station.run) return station.run->id;
  if (name) parameters.complain(fmt::format("There is no run on a station called {}.", *name));
  return {};
}

}  // namespace cambench::http
