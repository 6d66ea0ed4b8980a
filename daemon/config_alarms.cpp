#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/config_parts.h"

namespace cambench::config {

namespace {

using document::Fields;

std::string url_of(Fields& fields) {
  const std::string url = fields.text("url").value_or("");
  const bool good = url.starts_with("http://") || url.starts_with("https://");
  if (fields.has("url") && (!good || url.find_first_of(" \r\n\t") != std::string::npos))
    fields.wrong("url", fmt::format("expected http:// or https:// and where to, found \"{}\"", url));
  return url;
}

std::vector<std::string> program_of(Fields& fields) {
  const auto run = fields.texts("run");
  if (!run.empty() && !run.front().starts_with("/"))
    fields.wrong("run", fmt::format("expected the absolute path of a program and its arguments, found \"{}\"",
                                    run.front()));
  return run;
}

std::string address(Fields& fields, std::string_view key, const std::string& text) {
  if (text.empty() || text.find_first_of(" \r\n\t,;<>") != std::string::npos)
    fields.wrong(key,
                 fmt::format("expected a mail address such as \"anna@lab.example\", found \"{}\"", text));
  return text;
}

Notify read_way(Fields& fields) {
  using By = Notify::By;
  Notify way;
  fields.require("by", "\"command\", \"webhook\" or \"mail\"");
  const auto by =
      fields.choice<By>("by", {{"command", By::command}, {"webhook", By::webhook}, {"mail", By::mail}});
  way.by = by.value_or(By::command);
  way.least = fields
                  .choice<command::Severity>(
                      "least", {{"warning", command::Severity::warning}, {"alarm", command::Severity::alarm}})
                  .value_or(way.least);
  if (by == By::command && fields.require("run", "a program and its arguments")) way.run = program_of(fields);
  if (by == By::webhook && fields.require("url", "where to POST to")) way.url = url_of(fields);
  if (by == By::mail) {
    if (fields.require("to", "a list of mail addresses"))
      for (const std::string& text : fields.texts("to")) way.to.push_back(address(fields, "to", text));
    way.from = fields.text("from").value_or("cambench@localhost");
    (void)address(fields, "from", way.from);
    way.sendmail = fields.text("sendmail").value_or(way.sendmail.string());
    if (!way.sendmail.is_absolute())
      fields.wrong("sendmail", fmt::format("expected an absolute path, found \"{}\"", way.sendmail.string()));
  }
  fields.finish();
  return way;
}

void read_pace(Fields& fields, Alarms& alarms) {
  const auto minutes = [&](const char* key, double least, double most, Seconds standard) {
    const auto number = fields.number(key, {least, most}, "min");
    return number ? Seconds(60 * *number) : standard;
  };
  alarms.longest_shelf = minutes("longest_shelf_min", 1, 7 * 24 * 60, alarms.longest_shelf);
  alarms.repeat = minutes("repeat_min", 1, 7 * 24 * 60, alarms.repeat);
  alarms.group = Seconds(fields.number("group_s", {0, 600}, "s").value_or(alarms.group.count()));
  alarms.at_most_per_hour = static_cast<unsigned>(fields.whole("at_most_per_hour", 1, 3600).value_or(30));
  fields.finish();
}

/// [[alarm]]: a row of the shipped delays that is changed. Any other cause is told at once, and stays.
void read_delay(Fields& fields, AlarmDelays& delays) {
  fields.require("cause", "what comes and goes, such as \"potentiostat_link\"");
  const auto cause = fields.text("cause");
  const auto row = std::ranges::find(delays, cause.value_or(""), &AlarmDelay::cause);
  if (cause && row == delays.end()) {
    std::vector<std::string_view> known;
    for (const AlarmDelay& each : delays) known.push_back(each.cause);
    fields.wrong("cause",
                 fmt::format("no alarm \"{}\" can wait: expected one of {}", *cause, fmt::join(known, ", ")));
  }
  const auto on = fields.number("on_s", {0, 600}, "s"), off = fields.number("off_s", {0, 3600}, "s");
  if (row != delays.end())
    *row = {row->cause, Seconds(on.value_or(row->on.count())), Seconds(off.value_or(row->off.count()))};
  fields.finish();
}

Heartbeat read_heartbeat(Fields& fields) {
  Heartbeat heartbeat;
  heartbeat.url = url_of(fields);
  heartbeat.run = program_of(fields);
  heartbeat.every = Seconds(fields.number("every_s", {1, 86'400}, "s").value_or(60));
  if (heartbeat.url.empty() == heartbeat.run.empty())
    fields.wrong("expected either url or run: what is to hear that the daemon lives");
  fields.finish();
  return heartbeat;
}

}  // namespace

void read_alarms(Fields& top, Bench& bench) {
  if (auto fields = top.table("alarms")) read_pace(*fields, bench.alarms);
  for (Fields& fields : top.tables("alarm")) read_delay(fields, bench.alarms.delays);
  for (Fields& fields : top.tables("notify")) bench.alarms.ways.push_back(read_way(fields));
  if (auto fields = top.table("heartbeat")) bench.heartbeat = read_heartbeat(*fields);
}

}  // namespace cambench::config
