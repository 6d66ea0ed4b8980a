// Recorded SCPI conversations (recordings.h), read by the dialect.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sstream>

#include "drivers/wire/scpi_program.h"
#include "tests/replay/recordings.h"

using namespace cambench;
using namespace cambench::wire::scpi;

namespace {

std::string shown(const std::optional<double>& value) {
  return value ? fmt::format("{:.9g}", *value) : "none";
}

std::string read_rows(std::string_view question, std::string_view answer) {
  const auto first = parse_number(question.substr(12, question.find(',') - 12));
  const std::string_view rest = question.substr(question.find(',') + 1);
  const auto last = parse_number(rest.substr(0, rest.find(',')));
  if (!first || !last) return "no question for rows";
  const auto rows = parse_rows(answer, static_cast<std::size_t>(*last - *first) + 1);
  if (!rows) return rows.error().what;
  std::string text = "rows:";
  for (const Row& row : *rows)
    text += fmt::format(" {:.9g} s {} {};", row.since_first.count(), shown(row.source), shown(row.reading));
  return text;
}

std::string read_state(std::string_view answer) {
  const auto state = parse_trigger_state(answer);
  if (!state) return state.error().what;
  switch (*state) {
    case TriggerState::idle: return "the trigger model is idle";
    case TriggerState::running: return "the trigger model runs";
    case TriggerState::empty: return "there is no trigger model";
    case TriggerState::failed: return "the trigger model failed";
  }
  return "?";
}

/// What a line of the instrument says, as the answer to `question`.
std::string read_line(std::string_view question, std::string_view answer) {
  if (question == "*IDN?") {
    const auto who = parse_identity(answer);
    return who ? fmt::format("{}, model {}, serial {}, firmware {}", who->maker, who->model, who->serial,
                             who->firmware)
               : who.error().what;
  }
  if (question == "*ESR?") {
    const auto status = parse_event_status(answer);
    if (!status) return status.error().what;
    return (*status & power_on_bit) != 0 ? "the power was switched on" : "the power stayed on";
  }
  if (question == ":SYST:ERR?" || question == ":SYST:EVEN:NEXT?") {
    const auto entry = parse_error(answer);
    if (!entry) return entry.error().what;
    const bool ours = entry->text.find(time_limit_text) != std::string::npos;
    return entry->number == 0 ? "no entry"
                              : fmt::format("entry {}{}", entry->number, ours ? ", our time limit" : "");
  }
  if (question == ":TRIG:STAT?") return read_state(answer);
  if (question == ":TRIG:BLOC:LIST?") {
    const auto marker = marker_in(answer);
    return marker ? fmt::format("buffer {}: run {}, step {}", buffer_in(answer), marker->run, marker->step)
                  : "a block";
  }
  if (question.starts_with(":TRAC:DATA? ")) return read_rows(question, answer);
  if (question.starts_with(":TRAC:ACT")) return "row " + shown(parse_number(answer));
  if (const auto flag = parse_flag(answer)) return *flag ? "yes" : "no";
  return "number " + shown(parse_number(answer));
}

/// Everything the instrument said, read in pieces of `piece` bytes, one sentence a line.
std::string replayed(const std::string& log, std::size_t piece) {
  std::istringstream in(log);
  std::string question, result;
  Lines lines;
  for (std::string recorded; std::getline(in, recorded);) {
    if (recorded.starts_with("> ")) question = recorded.substr(2);
    if (!recorded.starts_with("< ")) continue;
    const std::string bytes = recorded.substr(2) + '\n';
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      REQUIRE(lines.feed(std::string_view(bytes).substr(at, piece)));
    while (const auto line = lines.next()) result += read_line(question, *line) + '\n';
  }
  return result;
}

}  // namespace

TEST_CASE("every recorded conversation is read as it was checked") {
  tests::check_recordings("scpi", 2, replayed);
}
