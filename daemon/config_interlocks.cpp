#include <fmt/format.h>

#include <algorithm>

#include "daemon/config_parts.h"

namespace cambench::config {

namespace {

using document::Fields;
using sequencer::Interlock;
using sequencer::InterlockTable;
using sequencer::Mechanical;
using sequencer::Watches;

std::string causes(const InterlockTable& table) {
  std::string all;
  for (const Interlock& row : table) all += (all.empty() ? "" : ", ") + std::string(row.cause);
  return all;
}

/// The row that a table of the file changes; says what is wrong with its name when it is none.
Interlock* row_of(Fields& fields, InterlockTable& table) {
  fields.require("cause", "the name of an interlock, such as \"pressure_low\"");
  const auto cause = fields.text("cause");
  if (!cause) return nullptr;
  const auto row = std::ranges::find(table, *cause, &Interlock::cause);
  if (row != table.end()) return &*row;
  std::vector<std::string> known;
  for (const Interlock& each : table) known.emplace_back(each.cause);
  const auto meant = document::nearest(*cause, known);
  fields.wrong("cause",
               meant.empty()
                   ? fmt::format("there is no interlock \"{}\"; there are {}", *cause, causes(table))
                   : fmt::format("there is no interlock \"{}\"; did you mean \"{}\"?", *cause, meant));
  return nullptr;
}

void read_limit(Fields& fields, Interlock& row) {
  if (row.limit_key.empty()) return;
  row.limit = fields.number(row.limit_key, {row.least, row.most}).value_or(row.limit);
}

/// What happened is believed at once, and an age is its own debounce: only readings are counted.
void read_debounce(Fields& fields, Interlock& row) {
  const bool counts = row.watches == Watches::pressure || row.watches == Watches::cell;
  for (const char* key : {"votes", "of", "for_s"})
    if (!counts && fields.has(key)) {
      fields.wrong(
          key, fmt::format("{} is {}: it takes no {}, leave it out", row.cause,
                           row.watches == Watches::age ? "an age, which is waited for"
                                                       : "something that happened, which is believed at once",
                           key));
      return;
    }
  const auto votes = fields.whole("votes", 1, sequencer::most_votes);
  const auto of = fields.whole("of", 1, sequencer::most_votes);
  if (votes) row.votes = static_cast<unsigned>(*votes);
  if (of) row.of = static_cast<unsigned>(*of);
  row.longest = Seconds(fields.number("for_s", {0, 600}, "s").value_or(row.longest.count()));
  if (row.warns_first && row.longest < Seconds{1})
    fields.wrong(
        "for_s",
        fmt::format("{} trips by the time it lasts, and no trip can be switched off: expected at least 1 s",
                    row.cause));
  if (row.votes > row.of)
    fields.wrong(votes ? "votes" : "of",
                 fmt::format("{} bad ones of the last {} can never come: votes must not be above of",
                             row.votes, row.of));
  const Seconds counted = (row.votes - 1) * sequencer::press_poll;
  if (row.watches == Watches::pressure && row.longest > Seconds{0} && row.longest < counted)
    fields.wrong("for_s",
                 fmt::format("{:g} s are over before {} readings, {:g} s apart, can be counted: expected at "
                             "least {:g}, or 0 to count only",
                             row.longest.count(), row.votes, sequencer::press_poll.count(), counted.count()));
}

void read_reaction(Fields& fields, Interlock& row) {
  const auto press =
      fields.choice<Mechanical>("press", {{"hold", Mechanical::hold}, {"vent", Mechanical::vent}});
  if (!press) return;
  if (row.cause == "over_pressure" && *press == Mechanical::hold)
    return fields.wrong(
        "press", "a press that is above its limit is not made safe by keeping its pressure: leave \"vent\"");
  row.press = *press;
}

const Fields* fields_of(const std::vector<std::pair<std::string, Fields>>& given, std::string_view cause) {
  const auto found = std::ranges::find_if(given, [&](const auto& one) { return one.first == cause; });
  return found == given.end() ? nullptr : &found->second;
}

/// Rows that are judged on the same readings must not get in each other's way.
void check_together(const InterlockTable& table, std::vector<std::pair<std::string, Fields>>& given) {
  const auto row = [&](std::string_view cause) -> const Interlock& { return *find_row(table, cause); };
  const auto say = [&](std::string_view one, std::string_view other, const std::string& what) {
    const Fields* at = fields_of(given, one);
    if (!at) at = fields_of(given, other);
    if (at) Fields(*at).wrong(what);
  };
  if (row("pressure_lost").votes > row("pressure_low").votes)
    say("pressure_lost", "pressure_low",
        fmt::format(
            "pressure_lost needs {} readings and pressure_low {}: what is worse must not be believed later",
            row("pressure_lost").votes, row("pressure_low").votes));
  const Seconds stale = row("press_stale").limit * Seconds{1};
  const Seconds debounce = worst_reaction(row("pressure_bad"), sequencer::press_poll);
  if (stale < debounce)
    say("press_stale", "pressure_bad",
        fmt::format(
            "readings are stale after {:g} s, before {} bad ones could be counted in {:g} s: raise age_s or "
            "lower votes",
            stale.count(), row("pressure_bad").votes, debounce.count()));
}

}  // namespace

void read_interlocks(Fields& top, Bench& bench) {
  InterlockTable table = sequencer::shipped_interlocks();
  std::vector<std::pair<std::string, Fields>> given;
  for (Fields& fields : top.tables("interlock")) {
    Interlock* row = row_of(fields, table);
    if (!row) continue;
    if (fields_of(given, row->cause)) fields.wrong("cause", fmt::format("\"{}\" is given twice", row->cause));
    read_limit(fields, *row);
    read_debounce(fields, *row);
    read_reaction(fields, *row);
    fields.finish();
    given.emplace_back(row->cause, fields);
  }
  check_together(table, given);
  bench.interlocks = std::make_shared<const InterlockTable>(std::move(table));
}

}  // namespace cambench::config
