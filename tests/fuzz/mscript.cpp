// Any bytes from an instrument: framing, packets, answers, and the rows and words of our own programs.
#include <cmath>
#include <cstdint>

#include "drivers/wire/mscript_files.h"
#include "drivers/wire/mscript_program.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::wire::mscript;

namespace {

void packet(std::string_view line) {
  const auto variables = parse_packet(line);
  if (!variables) return must(!variables.error().what.empty());
  must(classify(line) == LineKind::packet && !variables->empty());
  for (const Variable& v : *variables) {
    must(!v.value || std::abs(*v.value) <= 134217728e18);
    must(v.value || (v.status & reading_status::bad));
  }
}

void row(std::string_view line) {
  const auto sample = read_row(line);
  if (!sample) return must(!sample.error().what.empty());
  must(parse_packet(line).has_value());
  must(sample->step_time >= Seconds{0} && (sample->current || (sample->status & reading_status::bad)));
}

void answer(std::string_view line) {
  if (const auto error = parse_error(line)) {
    must(describe(*error).size() > 6);
    must(!parse_serial(line) && !parse_version(line) && !parse_firmware(line) && ends_reply("t", line));
  }
  if (const auto firmware = parse_firmware(line)) must(firmware->device.size() == 6);
  if (const auto announced = parse_announcement(line)) {
    must(!announced->marker.run.empty() && announced->marker.run.size() <= 16 && !parse_ending(line));
    must(!announced->longest_pause || *announced->longest_pause >= Seconds{0});
  }
  if (const auto ending = parse_ending(line)) must(!ending->text.empty());
  static_cast<void>(parse_capabilities(line));
  if (const auto file = parse_file_entry(line)) must(!file->empty() && file->size() <= line.size());
  if (const auto room = parse_free_bytes(line)) must(*room <= 1024ULL << 40 && !parse_error(line));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Lines whole, in_pieces;
  whole.feed(bytes);
  const std::size_t piece = 1 + bytes.size() % 13;
  for (std::size_t at = 0; at < size; at += piece) in_pieces.feed(bytes.substr(at, piece));
  while (const auto line = whole.next()) {
    must(in_pieces.next() == line);
    must(line->size() <= longest_line && line->find_first_of("\r\n\x11\x13") == std::string::npos);
    packet(*line);
    row(*line);
    answer(*line);
  }
  must(!in_pieces.next());
  return 0;
}
