#include "daemon/notify/message.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "schema/json.h"

namespace cambench::notify {

namespace {

bool over(const status::Alarm& alarm) { return alarm.cleared.has_value(); }

std::string_view word(const status::Alarm& alarm) {
  if (over(alarm)) return "over";
  if (alarm.acknowledged) return "seen";
  return alarm.severity == command::Severity::alarm ? "ALARM" : "warning";
}

std::string place(const status::Alarm& alarm) {
  return alarm.station.empty() ? std::string() : " on " + alarm.station;
}

std::string sentence(const status::Alarm& alarm) {
  return fmt::format("{}{}: {}{}", word(alarm), place(alarm), alarm.text,
                     alarm.run.empty() ? "" : fmt::format(" ({})", alarm.run));
}

/// Whatever a device or a person wrote stays on its line.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

/// "Wed, 25 Nov 2026 18:00:00 +0000"
std::string mail_date(WallTime at) {
  static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(whole);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(whole - day);
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", days[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
                     time.seconds().count());
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned block = 0;
    for (std::size_t j = 0; j < 3; ++j)
      block = block << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0);
    for (int j = 3; j >= 0; --j) {
      const bool filler = static_cast<std::size_t>(3 - j) > bytes.size() - i;
      out += filler ? '=' : letters[block >> (6 * j) & 0x3f];
    }
  }
  return out;
}

/// RFC 2047 for what is not ASCII: encoded words of at most 75 characters, cut between letters.
std::string header_text(const std::string& text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return text;
  constexpr std::size_t most = 45;
  std::string out;
  for (std::size_t from = 0; from < text.size();) {
    std::size_t to = std::min(text.size(), from + most);
    while (to < text.size() && to > from + 1 && (static_cast<unsigned char>(text[to]) & 0xC0) == 0x80) --to;
    out += fmt::format("{}=?UTF-8?B?{}?=", out.empty() ? "" : "\n ", base64(text.substr(from, to - from)));
    from = to;
  }
  return out;
}

void write(JsonWriter& json, const Sender& sender, const status::Alarm& alarm) {
  json.object();
  json.field("status", over(alarm) ? "resolved" : "firing");
  json.key("labels").object();
  json.field("alertname", alarm.cause)
      .field("severity", alarm.severity == command::Severity::alarm ? "critical" : "warning");
  json.field("bench", sender.bench).field("station", alarm.station).field("run", alarm.run);
  json.end_object();
  json.key("annotations").object();
  json.field("summary", one_line(sentence(alarm))).field("description", alarm.text);
  json.field("acknowledged_by", alarm.acknowledged_by);
  json.end_object();
  json.field("startsAt", rfc3339(alarm.since));
  json.field("endsAt", alarm.cleared ? rfc3339(*alarm.cleared) : "0001-01-01T00:00:00Z");
  json.field("generatorURL", sender.page).field("fingerprint", fmt::format("{:016x}", alarm.id));
  json.end_object();
}

}  // namespace

std::string summary(const Sender& sender, const std::vector<status::Alarm>& alarms) {
  if (alarms.size() == 1) return one_line(fmt::format("[{}] {}", sender.bench, sentence(alarms.front())));
  const auto standing =
      std::ranges::count_if(alarms, [](const auto& a) { return !over(a) && !a.acknowledged; });
  return one_line(
      fmt::format("[{}] {} alarms and warnings, {} of them new", sender.bench, alarms.size(), standing));
}

std::string alertmanager_json(const Sender& sender, const std::vector<status::Alarm>& alarms,
                              std::string_view receiver) {
  const bool resolved = std::ranges::all_of(alarms, over);
  JsonWriter json;
  json.object();
  json.field("version", "4").field("groupKey", fmt::format("{{}}:{{bench=\"{}\"}}", sender.bench));
  json.field("truncatedAlerts", 0)
      .field("status", resolved ? "resolved" : "firing")
      .field("receiver", receiver);
  json.key("groupLabels").object().field("bench", sender.bench).end_object();
  json.key("commonLabels").object().field("bench", sender.bench).end_object();
  json.key("commonAnnotations").object().field("summary", summary(sender, alarms)).end_object();
  json.field("externalURL", sender.page);
  json.key("alerts").array();
  for (const auto& alarm : alarms) write(json, sender, alarm);
  json.end_array().end_object();
  return json.take();
}

std::string mail(const Sender& sender, const std::vector<status::Alarm>& alarms, const config::Notify& way,
                 WallTime now) {
  std::string text;
  text += fmt::format("From: {}\nTo: {}\n", way.from, fmt::join(way.to, ", "));
  text += fmt::format("Subject: {}\nDate: {}\n", header_text(summary(sender, alarms)), mail_date(now));
  text += "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
  text += "Auto-Submitted: auto-generated\n\n";
  for (const auto& alarm : alarms) {
    text += fmt::format("{}\n  since {}, number {}, {}\n", one_line(sentence(alarm)), rfc3339(alarm.since),
                        alarm.id, alarm.cause);
    if (alarm.acknowledged) text += fmt::format("  seen by {}\n", one_line(alarm.acknowledged_by));
    if (alarm.cleared) text += fmt::format("  its cause is gone since {}\n", rfc3339(*alarm.cleared));
  }
  text += fmt::format("\n{}\nAcknowledge: cambench ack NUMBER --who YOU\n", sender.page);
  return text;
}

}  // namespace cambench::notify
