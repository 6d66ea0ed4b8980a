// What a question's parameters say, checked one by one: the first complaint is kept and told (finish()).
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/http/handlers.h"

namespace cambench::http {

/// What may be asked for: the difference of two such times, in nanoseconds, can be held.
inline constexpr WallTime earliest = std::chrono::sys_days(std::chrono::year(1970) / 1 / 1),
                          latest = std::chrono::sys_days(std::chrono::year(2200) / 1 / 1);

/// Reads query parameters and keeps the first complaint; an unknown parameter is one.
class Parameters {
 public:
  explicit Parameters(const Request& request) : request_(request) {}

  std::optional<std::string> text(std::string_view name);
  std::int64_t whole(std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most);
  std::optional<double> number(std::string_view name);
  /// Milliseconds since 1970 or 2026-11-22T13:00:00[.000]Z: the two that Grafana sends.
  std::optional<WallTime> time(std::string_view name);

  void complain(std::string what);

  /// The refusal, when something was wrong.
  std::optional<Response> finish();

 private:
  const Request& request_;
  std::set<std::string_view> known_;
  std::string trouble_;
};

/// 2026-11-22T13:00:00[.000]Z.
std::optional<WallTime> parse_time(std::string_view text);

/// The run that is asked for: by its id (run=), or as the one on a station now (station=).
std::string run_asked(const Asked& asked, Parameters& parameters);

}  // namespace cambench::http
