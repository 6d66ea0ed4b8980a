// Recorded MethodSCRIPT conversations (recordings.h), read by the dialect.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sstream>

#include "drivers/wire/mscript_program.h"
#include "tests/replay/recordings.h"

using namespace cambench;
using namespace cambench::wire::mscript;

namespace {

template <typename Q>
std::string shown(const std::optional<Q>& quantity) {
  return quantity ? fmt::format("{:.9g}", quantity->value()) : "none";
}

std::string read_packet(std::string_view line) {
  if (const auto row = read_row(line))
    return fmt::format("row: step {}, {:.9g} s, WE vs RE {} V, cell {} V, {} A, set {} A, status {}",
                       row->step, row->step_time.count(), shown(row->we_vs_re), shown(row->cell),
                       shown(row->current), shown(row->current_set), row->status);
  const auto packet = parse_packet(line);
  if (!packet) return packet.error().what;
  std::string text = "packet:";
  for (const Variable& v : *packet) {
    text += fmt::format(" {}{} {}", v.type[0], v.type[1], v.value ? fmt::format("{:.9g}", *v.value) : "none");
    if (v.range) text += fmt::format(" (status {}, range {:02X})", v.status, *v.range);
  }
  return text;
}

std::string read_text(std::string_view line) {
  if (const auto it = parse_announcement(line))
    return fmt::format("program: run {}, step {}, a row every {} s at least, for {}", it->marker.run,
                       it->marker.step, it->longest_pause.value_or(Seconds{0}).count(), it->serial);
  if (const auto it = parse_ending(line)) {
    const bool planned = it->reason == EndReason::planned, guard = it->reason == EndReason::guard;
    return fmt::format("ends {}: {}",
                       planned ? "as planned"
                       : guard ? "by a guard"
                               : "by its time limit",
                       it->text);
  }
  return fmt::format("text: {}", line.substr(1));
}

std::string read_capabilities(std::string_view line) {
  const auto can = parse_capabilities(line);
  if (!can) return "no capabilities";
  std::string text = "can:";
  for (unsigned bit = 0; bit < 256; ++bit)
    if (can->has(bit)) text += fmt::format(" {}", bit);
  return text;
}

/// What a line of the instrument says, as the answer to `command`.
std::string read_line(std::string_view command, std::string_view line) {
  if (const auto error = parse_error(line)) return "error " + describe(*error);
  if (command == "t")
    if (const auto it = parse_firmware(line))
      return fmt::format("device {}, firmware {}", it->device, it->version);
  if (command == "i")
    if (const auto it = parse_serial(line)) return "serial number " + *it;
  if (command == "v")
    if (const auto it = parse_version(line)) return "MethodSCRIPT " + *it;
  if (command == "CM" || command == "CC") return read_capabilities(line);
  switch (classify(line)) {
    case LineKind::end_of_script: return "end of the script";
    case LineKind::loop_began: return fmt::format("loop {} begins", line);
    case LineKind::loop_ended: return "loop ends";
    case LineKind::packet: return read_packet(line);
    case LineKind::text: return read_text(line);
    case LineKind::abort_acknowledged: return "abort acknowledged";
    case LineKind::error:
    case LineKind::other: break;
  }
  return fmt::format("other: {}", line);
}

/// Everything the instrument said, read in pieces of `piece` bytes, one sentence a line.
std::string replayed(const std::string& log, std::size_t piece) {
  std::istringstream in(log);
  std::string command, result;
  Lines lines;
  for (std::string recorded; std::getline(in, recorded);) {
    if (recorded.starts_with('>')) command = recorded.size() > 2 ? recorded.substr(2) : "";
    if (!recorded.starts_with('<')) continue;
    const std::string bytes = (recorded.size() > 2 ? recorded.substr(2) : "") + "\r\n";
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      lines.feed(std::string_view(bytes).substr(at, piece));
      while (const auto line = lines.next())
        result += read_line(command, *line) + (ends_reply(command, *line) ? " |\n" : "\n");
    }
  }
  return result;
}

}  // namespace

TEST_CASE("every recorded conversation is read as it was checked") {
  tests::check_recordings("mscript", 4, replayed);
}

TEST_CASE("every recording says who made it, when, and with which firmware") {
  for (const auto& log : tests::recordings("mscript")) {
    CAPTURE(log.filename().string());
    const std::string recorded = tests::text_of(log);
    for (const auto* head : {"# who: ", "# when: ", "# firmware: "})
      CHECK(recorded.find(head) != std::string::npos);
  }
}
