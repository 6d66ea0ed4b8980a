#include "drivers/wire/scpi.h"

#include <fast_float/fast_float.h>
#include <fmt/core.h>

#include <charconv>
#include <cmath>

namespace cambench::wire::scpi {

namespace {

constexpr double no_value = 9.9e37;
constexpr std::size_t quoted_at_most = 60;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The text up to `separator`, which is taken off `rest` with it.
std::string_view take_field(std::string_view& rest, char separator = ',') {
  const auto end = rest.find(separator);
  const auto field = trim(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return field;
}

std::optional<int> whole(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Fault> no_answer(std::string_view reply, std::string_view question) {
  return fail(Fault::Kind::protocol,
              fmt::format("\"{}\" is no answer to {}", reply.substr(0, quoted_at_most), question));
}

}  // namespace

bool Lines::feed(std::string_view bytes) {
  pending_ += bytes;
  return pending_.size() <= longest_line || pending_.find('\n') != std::string::npos;
}

std::optional<std::string> Lines::next() {
  const auto end = pending_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line(trim(std::string_view(pending_).substr(0, end)));
  pending_.erase(0, end + 1);
  return line;
}

void Lines::clear() { pending_.clear(); }

std::optional<double> parse_number(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = fast_float::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!(std::abs(value) < no_value)) return std::nullopt;  // NaN, too
  return value;
}

std::optional<bool> parse_flag(std::string_view text) {
  text = trim(text);
  if (text == "1") return true;
  if (text == "0") return false;
  return std::nullopt;
}

Result<Named> parse_identity(std::string_view reply) {
  std::string_view rest = reply;
  Named who;
  who.maker = take_field(rest);
  std::string_view model = take_field(rest);
  if (model.starts_with("MODEL ")) model.remove_prefix(6);
  who.model = trim(model);
  who.serial = take_field(rest);
  who.firmware = take_field(rest);
  if (who.model.empty() || who.serial.empty() || who.firmware.empty() || !rest.empty())
    return no_answer(reply, "*IDN?");
  return who;
}

Result<ErrorEntry> parse_error(std::string_view reply) {
  std::string_view rest = reply;
  const auto number = whole(take_field(rest));
  if (!number) return no_answer(reply, ":SYST:ERR?");
  return ErrorEntry{*number, std::string(trim(reply))};
}

Result<unsigned> parse_event_status(std::string_view reply) {
  const auto value = whole(reply);
  if (!value || *value < 0 || *value > 255) return no_answer(reply, "*ESR?");
  return static_cast<unsigned>(*value);
}

Result<TriggerState> parse_trigger_state(std::string_view reply) {
  std::string_view rest = reply;
  const auto state = take_field(rest, ';');
  if (state == "IDLE" || state == "ABORTED") return TriggerState::idle;
  if (state == "RUNNING" || state == "WAITING" || state == "BUILDING" || state == "ABORTING")
    return TriggerState::running;
  if (state == "EMPTY") return TriggerState::empty;
  if (state == "FAILED") return TriggerState::failed;
  return no_answer(reply, ":TRIG:STAT?");
}

Result<std::vector<Row>> parse_rows(std::string_view reply, std::size_t expected) {
  std::vector<Row> rows;
  rows.reserve(std::min(expected, most_rows_a_question));
  for (std::string_view rest = reply; !rest.empty();) {
    if (rows.size() == expected)
      return fail(Fault::Kind::protocol, fmt::format("more than the {} rows asked for", expected));
    Row row;
    row.source = parse_number(take_field(rest));
    if (rest.empty()) return no_answer(reply, ":TRAC:DATA?");
    row.reading = parse_number(take_field(rest));
    const auto since = parse_number(take_field(rest));
    if (!since || *since < 0) return no_answer(reply, ":TRAC:DATA?");
    row.since_first = Seconds(*since);
    rows.push_back(row);
  }
  if (rows.size() != expected)
    return fail(Fault::Kind::protocol, fmt::format("{} rows instead of {}", rows.size(), expected));
  return rows;
}

}  // namespace cambench::wire::scpi
