// The SCPI dialect of Keithley's 2450, 2460 and 2461: replies <-> values, no I/O. What this program lets an instrument
// do is in scpi_program.h.
//
// Sources: 2461 Reference Manual 2461-901-01 and 2450 Reference Manual 2450-901-01. Lines end in LF both ways; a query
// must be read before the next is sent (-410). Booleans are 0 and 1; 9.9E37 stands for "no value".
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "schema/units.h"

namespace cambench::wire::scpi {

/// A row has about 45 characters, and no question of ours asks for more than this many of them.
inline constexpr std::size_t most_rows_a_question = 500;
/// A line that is longer than this is no answer to any question of ours.
inline constexpr std::size_t longest_line = 256 * 1024;

/// Collects bytes, in whatever pieces they come, into lines without their CR and LF.
class Lines {
 public:
  /// False when a line grew beyond longest_line: the stream cannot be trusted any more.
  [[nodiscard]] bool feed(std::string_view bytes);
  std::optional<std::string> next();
  void clear();

 private:
  std::string pending_;
};

/// A number as the instrument prints it. Empty for no value: 9.9E37 and beyond, NaN, anything that is no number.
std::optional<double> parse_number(std::string_view text);
/// "0" or "1".
std::optional<bool> parse_flag(std::string_view text);

/// The answer to *IDN?: "KEITHLEY INSTRUMENTS,MODEL 2461,01234567,1.0.0i".
struct Named {
  std::string maker, model, serial, firmware;
};
Result<Named> parse_identity(std::string_view reply);

/// An entry of the error queue. Texts and times differ between models, only the number is to be trusted; 0 is none.
struct ErrorEntry {
  int number = 0;
  std::string text;  ///< the whole entry, for people
};
Result<ErrorEntry> parse_error(std::string_view reply);

/// The event status register: bit 7 says that the power was switched on since it was last read.
inline constexpr unsigned power_on_bit = 0x80;
Result<unsigned> parse_event_status(std::string_view reply);

/// The answer to :TRIG:STAT?: "RUNNING;RUNNING;4".
enum class TriggerState { idle, running, empty, failed };
Result<TriggerState> parse_trigger_state(std::string_view reply);

/// One row of :TRAC:DATA? i,j,"name",SOUR,READ,REL.
struct Row {
  std::optional<double> source, reading;  ///< volt or ampere, as the step's program says
  Seconds since_first{0};                 ///< instrument clock, since the buffer's first row
};
/// All rows of a reply; refused when their number is not `expected` or a time is missing.
Result<std::vector<Row>> parse_rows(std::string_view reply, std::size_t expected);

}  // namespace cambench::wire::scpi
