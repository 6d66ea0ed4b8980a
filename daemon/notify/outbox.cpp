#include "daemon/notify/outbox.h"

#include <algorithm>

namespace cambench::notify {

namespace {

constexpr Seconds first_retry{5}, last_retry{300}, an_hour{3600};

Instant after(Instant now, Seconds time) { return now + std::chrono::duration_cast<Instant::duration>(time); }

}  // namespace

void Outbox::changed(const status::Alarm& alarm, Instant now) {
  const bool shelved = !alarm.shelved_by.empty();
  if (alarm.cleared || alarm.acknowledged || shelved)
    unseen_.erase(alarm.id);
  else
    unseen_.insert_or_assign(alarm.id, Standing{alarm, after(now, settings_.repeat)});
  if (shelved)
    silence(alarm, now);
  else
    queue(alarm, now);
}

void Outbox::queue(const status::Alarm& alarm, Instant now) {
  for (std::size_t i = 0; i < ways_.size(); ++i)
    if (alarm.severity >= settings_.ways[i].least) queue(ways_[i], alarm, now);
}

void Outbox::queue(Way& way, const status::Alarm& alarm, Instant now) {
  if (way.waiting.empty() && way.failures == 0)
    way.not_before = std::max(way.not_before.value_or(now), after(now, settings_.group));
  way.waiting.insert_or_assign(alarm.id, alarm);
}

void Outbox::silence(const status::Alarm& alarm, Instant now) {
  for (Way& way : ways_) {
    way.waiting.erase(alarm.id);
    if (alarm.cleared && way.standing.contains(alarm.id)) queue(way, alarm, now);
  }
}

void Outbox::repeat(Instant now) {
  for (auto& [id, standing] : unseen_) {
    if (now < standing.repeat_at) continue;
    standing.repeat_at = after(now, settings_.repeat);
    queue(standing.alarm, now);
  }
}

std::vector<Message> Outbox::due(Instant now) {
  repeat(now);
  std::vector<Message> messages;
  for (std::size_t i = 0; i < ways_.size(); ++i) {
    Way& way = ways_[i];
    if (way.waiting.empty() || (way.not_before && now < *way.not_before)) continue;
    Message message{i, {}};
    for (const auto& [id, alarm] : way.waiting) message.alarms.push_back(alarm);
    messages.push_back(std::move(message));
  }
  return messages;
}

void Outbox::sent(const Message& message, Instant now) {
  Way& way = ways_[message.way];
  for (const auto& told : message.alarms) {
    if (told.cleared)
      way.standing.erase(told.id);
    else
      way.standing.insert(told.id);
    const auto waits = way.waiting.find(told.id);
    if (waits == way.waiting.end()) continue;
    const bool newer =
        waits->second.cleared != told.cleared || waits->second.acknowledged != told.acknowledged;
    if (!newer) way.waiting.erase(waits);
  }
  way.failures = 0;
  way.sent.push_back(now);
  while (now - way.sent.front() >= an_hour) way.sent.pop_front();
  way.not_before = after(now, settings_.group);
  if (way.sent.size() >= settings_.at_most_per_hour) way.not_before = after(way.sent.front(), an_hour);
}

void Outbox::failed(const Message& message, Instant now) {
  Way& way = ways_[message.way];
  const Seconds pause = std::min(last_retry, first_retry * (1u << std::min(way.failures, 10u)));
  ++way.failures;
  way.not_before = after(now, pause);
}

std::optional<Instant> Outbox::next() const {
  std::optional<Instant> first;
  const auto consider = [&](Instant at) { first = first ? std::min(*first, at) : at; };
  for (const Way& way : ways_)
    if (!way.waiting.empty()) consider(way.not_before.value_or(Instant{}));
  for (const auto& [id, standing] : unseen_)
    if (!ways_.empty()) consider(standing.repeat_at);
  return first;
}

}  // namespace cambench::notify
