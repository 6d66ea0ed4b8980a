// Any bytes as answers of a source-measure unit: every line to every reader of one.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "drivers/wire/scpi.h"
#include "drivers/wire/scpi_program.h"
#include "tests/fuzz/must.h"

using namespace cambench::wire::scpi;

namespace {

void every_question(const std::string& line) {
  if (const auto value = parse_number(line)) must(std::isfinite(*value));
  if (const auto who = parse_identity(line)) must(!who->model.empty() && !who->serial.empty());
  if (const auto error = parse_error(line)) must(!error->text.empty());
  if (const auto status = parse_event_status(line)) must(*status < 256);
  if (const auto state = parse_trigger_state(line); !state) must(!state.error().what.empty());
  for (const std::size_t count : {1u, 2u, 500u})
    if (const auto rows = parse_rows(line, count)) {
      must(rows->size() == count);
      for (const Row& row : *rows)
        must(row.since_first.count() >= 0 && std::isfinite(row.since_first.count()));
    }
  if (const auto marker = marker_in(line)) {
    must(marker_in(buffer_name(*marker, cambench::Seconds(60))) == marker);
    must(marker_in(buffer_in(line)) == marker);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Lines lines;
  for (std::size_t i = 0; i < size; i += 7) {  // in pieces, as they come
    const std::string piece(data + i, data + std::min(size, i + 7));
    must(lines.feed(piece) || size > longest_line);
    while (const auto line = lines.next()) every_question(*line);
  }
  every_question(std::string(data, data + size));
  return 0;
}
