#include "daemon/alarms.h"

#include <fmt/core.h>

#include <algorithm>

namespace cambench {

namespace {

Instant later(Instant now, Seconds time) { return now + std::chrono::duration_cast<Instant::duration>(time); }

WallTime later(WallTime now, Seconds time) {
  return now + std::chrono::duration_cast<WallTime::duration>(time);
}

}  // namespace

void Alarms::load(std::vector<status::Alarm> standing, std::int64_t last_id,
                  const std::vector<store::ShelfRow>& shelved, const Stamp& now) {
  standing_ = std::move(standing);
  last_id_ = last_id;
  now_ = now.steady;
  shelves_.clear();
  for (const auto& row : shelved) {
    const Seconds left = std::min(Seconds(row.until - now.wall), Seconds(row.until - row.from));
    shelves_.push_back({row, later(now.steady, left)});
  }
  for (const status::Alarm& alarm :
       standing_)  // what was on its way when the daemon stopped may not have arrived
    if (!alarm.cleared && !alarm.acknowledged) tell(alarm);
}

std::optional<store::AlarmRow> Alarms::raise(const std::string& station, const std::string& run,
                                             const command::Raise& raised, WallTime at) {
  if (raised.severity == command::Severity::info) return std::nullopt;
  const auto same = [&](const status::Alarm& a) {
    return a.station == station && a.run == run && a.cause == raised.cause && !a.cleared;
  };
  if (const auto stands = std::ranges::find_if(standing_, same); stands != standing_.end()) {
    std::erase_if(going_, [&](const Going& going) { return going.id == stands->id; });
    return std::nullopt;
  }
  if (std::ranges::any_of(coming_, same, &Coming::alarm)) return std::nullopt;
  status::Alarm alarm;
  alarm.since = at;
  alarm.severity = raised.severity;
  alarm.cause = raised.cause;
  alarm.text = raised.text;
  alarm.station = station;
  alarm.run = run;
  const Seconds first = delay_of(delays, raised.cause).on;
  if (first == Seconds{0}) return stand_up(std::move(alarm));
  coming_.push_back({std::move(alarm), later(now_, first)});
  return std::nullopt;
}

store::AlarmRow Alarms::stand_up(status::Alarm alarm) {
  alarm.id = ++last_id_;
  standing_.push_back(alarm);
  tell(alarm);
  store::AlarmRow row{alarm.id,    alarm.station, std::nullopt, std::string(status::name(alarm.severity)),
                      alarm.cause, alarm.text,    alarm.since};
  if (!alarm.run.empty()) row.run = alarm.run;
  return row;
}

std::vector<store::Row> Alarms::clear(const std::string& station, const std::string& run,
                                      std::string_view cause, WallTime at, std::string_view kept) {
  const auto meant = [&](const status::Alarm& alarm) {
    return alarm.station == station &&
           (cause.empty() ? alarm.run == run && alarm.cause != kept : alarm.cause == cause);
  };
  std::erase_if(coming_, [&](const Coming& coming) { return meant(coming.alarm); });
  const Seconds first = cause.empty() ? Seconds{0} : delay_of(delays, cause).off;
  std::vector<store::Row> rows;
  for (status::Alarm& alarm : standing_) {
    if (!meant(alarm) || alarm.cleared) continue;
    if (first == Seconds{0})
      rows.push_back(end(alarm, at));
    else if (!std::ranges::count(going_, alarm.id, &Going::id))
      going_.push_back({alarm.id, later(now_, first), at});
  }
  forget_what_is_over();
  return rows;
}

store::AlarmClearedRow Alarms::end(status::Alarm& alarm, WallTime gone) {
  alarm.cleared = gone;
  std::erase_if(going_, [&](const Going& going) { return going.id == alarm.id; });
  tell(alarm);
  return {alarm.id, gone};
}

void Alarms::forget_what_is_over() {
  std::erase_if(standing_, [](const status::Alarm& a) { return a.cleared && a.acknowledged; });
}

Result<store::AcknowledgeRow> Alarms::acknowledge(std::int64_t id, const std::string& who, WallTime at) {
  const auto found = find(id);
  if (!found) return fail(found.error());
  status::Alarm& alarm = **found;
  if (alarm.acknowledged)
    return fail(Fault::Kind::refused,
                fmt::format("{} has acknowledged alarm {} already", alarm.acknowledged_by, id));
  alarm.acknowledged_by = who;
  alarm.acknowledged = at;
  tell(alarm);
  if (alarm.cleared) standing_.erase(standing_.begin() + (&alarm - standing_.data()));
  return store::AcknowledgeRow{id, who, at};
}

Result<store::ShelfRow> Alarms::shelve(std::int64_t id, Seconds time, const std::string& who,
                                       const std::string& reason, const Stamp& now) {
  const auto found = find(id);
  if (!found) return fail(found.error());
  if (who.empty() || reason.empty())
    return fail(Fault::Kind::input, "an alarm is shelved by a named person for a reason");
  if (!(time > Seconds{0}) || time > longest_shelf)
    return fail(Fault::Kind::refused,
                fmt::format("an alarm can be shelved for at most {:g} min", longest_shelf.count() / 60));
  const status::Alarm& alarm = **found;
  store::ShelfRow row{alarm.station, alarm.cause, who, reason, now.wall, later(now.wall, time)};
  std::erase_if(shelves_,
                [&](const Shelf& s) { return s.row.station == row.station && s.row.cause == row.cause; });
  shelves_.push_back({row, later(now.steady, time)});
  tell_standing(row.station, row.cause);
  return row;
}

Result<store::ShelfRow> Alarms::unshelve(std::int64_t id, const std::string& who, const std::string& reason,
                                         const Stamp& now) {
  const auto found = find(id);
  if (!found) return fail(found.error());
  const status::Alarm& alarm = **found;
  const Shelf* shelf = shelf_of(alarm.station, alarm.cause, now.steady);
  if (!shelf) return fail(Fault::Kind::refused, fmt::format("alarm {} is not on the shelf", id));
  store::ShelfRow row{alarm.station, alarm.cause, who, reason, shelf->row.from, now.wall};
  shelves_.erase(shelves_.begin() + (shelf - shelves_.data()));
  tell_standing(row.station, row.cause);
  return row;
}

bool Alarms::shelved(const std::string& station, std::string_view cause, Instant now) const {
  return shelf_of(station, cause, now) != nullptr;
}

std::vector<status::Alarm> Alarms::standing(Instant now) const {
  auto all = standing_;
  for (status::Alarm& alarm : all) alarm = shown(alarm, now);
  return all;
}

status::Alarm Alarms::shown(const status::Alarm& alarm, Instant now) const {
  status::Alarm it = alarm;
  if (const Shelf* shelf = shelf_of(alarm.station, alarm.cause, now)) {
    it.shelved_by = shelf->row.who;
    it.shelved_until = shelf->row.until;
  }
  return it;
}

const Alarms::Shelf* Alarms::shelf_of(const std::string& station, std::string_view cause, Instant now) const {
  const auto found = std::ranges::find_if(shelves_, [&](const Shelf& s) {
    return s.row.station == station && s.row.cause == cause && now < s.until;
  });
  return found == shelves_.end() ? nullptr : &*found;
}

Result<status::Alarm*> Alarms::find(std::int64_t id) {
  const auto found = std::ranges::find(standing_, id, &status::Alarm::id);
  if (found == standing_.end())
    return fail(Fault::Kind::refused, fmt::format("no standing alarm has the number {}", id));
  return &*found;
}

std::vector<Alarms::Changed> Alarms::pass(Instant now) {
  now_ = now;
  end_shelves(now);
  std::vector<Changed> changed;
  const auto due = [now](const auto& waits) { return now >= waits.due; };
  for (Coming& coming : coming_) {
    if (!due(coming)) continue;
    store::AlarmRow row = stand_up(std::move(coming.alarm));
    changed.push_back({standing_.back(), std::move(row)});
  }
  std::erase_if(coming_, due);
  const auto going = going_;
  for (const Going& over : going) {
    const auto alarm = find(over.id);
    if (!due(over) || !alarm) continue;
    store::AlarmClearedRow row = end(**alarm, over.gone);
    changed.push_back({**alarm, row});
  }
  forget_what_is_over();
  return changed;
}

void Alarms::end_shelves(Instant now) {
  for (std::size_t i = 0; i < shelves_.size();) {
    if (now < shelves_[i].until) {
      ++i;
      continue;
    }
    const store::ShelfRow over = shelves_[i].row;
    shelves_.erase(shelves_.begin() + static_cast<std::ptrdiff_t>(i));
    tell_standing(over.station, over.cause);
  }
}

void Alarms::tell(const status::Alarm& alarm) const {
  if (on_change) on_change(shown(alarm, now_));
}

void Alarms::tell_standing(const std::string& station, const std::string& cause) const {
  for (const status::Alarm& alarm : standing_)
    if (alarm.station == station && alarm.cause == cause && !alarm.cleared) tell(alarm);
}

}  // namespace cambench
