#include "daemon/alarms.h"

#include <fmt/core.h>

#include <algorithm>

namespace cambench {

void Alarms::load(std::vector<status::Alarm> standing, std::int64_t last_id) {
  standing_ = std::move(standing);
  last_id_ = last_id;
}

std::optional<store::AlarmRow> Alarms::raise(const std::string& station, const std::string& run,
                                             const command::Raise& raised, WallTime at) {
  if (raised.severity == command::Severity::info) return std::nullopt;
  const bool stands = std::ranges::any_of(standing_, [&](const status::Alarm& a) {
    return a.station == station && a.run == run && a.cause == raised.cause;
  });
  if (stands) return std::nullopt;
  status::Alarm alarm;
  alarm.id = ++last_id_;
  alarm.since = at;
  alarm.severity = raised.severity;
  alarm.cause = raised.cause;
  alarm.text = raised.text;
  alarm.station = station;
  alarm.run = run;
  standing_.push_back(alarm);
  store::AlarmRow row{
      alarm.id,    station, std::nullopt, std::string(status::name(raised.severity)), raised.cause,
      raised.text, at};
  if (!run.empty()) row.run = run;
  return row;
}

Result<store::AcknowledgeRow> Alarms::acknowledge(std::int64_t id, const std::string& who, WallTime at) {
  const auto found = std::ranges::find(standing_, id, &status::Alarm::id);
  if (found == standing_.end())
    return fail(Fault::Kind::refused, fmt::format("no unacknowledged alarm has the number {}", id));
  standing_.erase(found);
  return store::AcknowledgeRow{id, who, at};
}

}  // namespace cambench
