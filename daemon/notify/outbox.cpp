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
    queue({alarm}, now);
}

void Outbox::queue(const Waiting& news, Instant now) {
  for (std::size_t i = 0; i < ways_.size(); ++i)
    if (news.alarm.severity >= settings_.ways[i].least) queue(ways_[i], news, now);
}

void Outbox::queue(Way& way, const Waiting& news, Instant now) {
  if (way.waiting.empty() && way.failures == 0)
    way.not_before = std::max(way.not_before.value_or(now), after(now, settings_.group));
  if (news.again)
    way.waiting.try_emplace(news.alarm.id, news);  // what still waits is news
  else
    way.waiting.insert_or_assign(news.alarm.id, news);
}

void Outbox::silence(const status::Alarm& alarm, Instant now) {
  for (Way& way : ways_) {
    way.waiting.erase(alarm.id);
    if (alarm.cleared && way.standing.contains(alarm.id)) queue(way, {alarm}, now);
  }
}

void Outbox::repeat(Instant now) {
  for (auto& [id, standing] : unseen_) {
    if (now < standing.repeat_at) continue;
    standing.repeat_at = after(now, settings_.repeat);
    queue({standing.alarm, true}, now);
  }
}

Instant Outbox::due_at(const Way& way) {
  const Instant due = way.not_before.value_or(Instant{});
  const bool urgent = std::ranges::any_of(way.waiting, [](const auto& waits) {
    return waits.second.alarm.severity == command::Severity::alarm && !waits.second.again;
  });
  return urgent ? due : std::max(due, way.enough_until.value_or(due));
}

std::vector<Message> Outbox::due(Instant now) {
  repeat(now);
  std::vector<Message> messages;
  for (std::size_t i = 0; i < ways_.size(); ++i) {
    Way& way = ways_[i];
    if (way.waiting.empty() || now < due_at(way)) continue;
    Message message{i, {}};
    for (const auto& [id, news] : way.waiting) message.alarms.push_back(news.alarm);
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
    const status::Alarm& latest = waits->second.alarm;
    const bool newer = latest.cleared != told.cleared || latest.acknowledged != told.acknowledged;
    if (!newer) way.waiting.erase(waits);
  }
  way.failures = 0;
  way.sent.push_back(now);
  while (now - way.sent.front() >= an_hour) way.sent.pop_front();
  way.not_before = after(now, settings_.group);
  if (const auto sent = way.sent.size(), most = std::size_t{settings_.at_most_per_hour}; sent >= most)
    way.enough_until = after(way.sent[sent - most], an_hour);
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
    if (!way.waiting.empty()) consider(due_at(way));
  for (const auto& [id, standing] : unseen_)
    if (!ways_.empty()) consider(standing.repeat_at);
  return first;
}

}  // namespace cambench::notify
