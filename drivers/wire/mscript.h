// The MethodSCRIPT dialect of PalmSens instruments (EmStat4, MultiEmStat4, Nexus): bytes <-> values, no I/O.
//
// Sources: "MethodSCRIPT v1.8", "EmStat4 communication protocol V1.3", comm_protocol.md and comm_registry.py of the
// maker's SDK. ASCII lines end in LF; CR, XON and XOFF are dropped. A number on the wire is
// (7 hex digits - 0x8000000) x 10^prefix.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/event.h"
#include "schema/plan.h"
#include "schema/reading.h"
#include "schema/result.h"

namespace cambench::wire::mscript {

// ---- lines ------------------------------------------------------------------------------------------------

/// Longest line an instrument sends (manual: 255). A longer one is cut and the rest of it dropped.
inline constexpr std::size_t longest_line = 1024;

/// Collects bytes in any pieces into lines.
class Lines {
 public:
  void feed(std::string_view bytes);
  std::optional<std::string> next();
  void clear();

 private:
  std::string partial_;
  std::deque<std::string> lines_;
};

/// What a line of a running script is, by its first character (reference 1.3).
enum class LineKind {
  end_of_script,       ///< the empty line
  loop_began,          ///< M, L, C
  loop_ended,          ///< *, +, -
  packet,              ///< P
  text,                ///< T, from send_string
  error,               ///< !
  abort_acknowledged,  ///< Z
  other                ///< answers to commands, noise
};
LineKind classify(std::string_view line);

// ---- packets ----------------------------------------------------------------------------------------------

struct Variable {
  std::array<char, 2> type{};   ///< e.g. {'a','b'}
  std::optional<double> value;  ///< empty for NaN; in the unit of the type, integers unscaled
  std::uint16_t status = 0;     ///< bits of schema/reading.h
  std::optional<std::uint16_t> range;
};

/// "Peb8000000a;ab8387520u,10,204": one Variable a field, in the order of the script's pck_add.
Result<std::vector<Variable>> parse_packet(std::string_view line);

/// "8387520u": the value of 7 hex digits and a prefix; nothing when it is none. NaN is five blanks and "nan".
struct Number {
  std::optional<double> value;
};
std::optional<Number> parse_number(std::string_view eight_characters);

// ---- replies ----------------------------------------------------------------------------------------------

struct ErrorCode {
  std::uint16_t code = 0;
  std::string where;  ///< "Line 1, Col 16" when the instrument says it
};
/// "!0032", "!4001: Line 3", "e!4001: Line 1, Col 27", "Z!0006": nothing for any other line.
std::optional<ErrorCode> parse_error(std::string_view line);
/// "4001: the script command is unknown (Line 1, Col 27)".
std::string describe(const ErrorCode& error);

/// The two lines after `t`: "tes4_hr1100#Jan 28 2022 11:04:43" and "R*".
struct Firmware {
  std::string device;   ///< first six characters: es4_hr, es4_lr, mes4hr, mes4lr, nexus1, espico, ...
  std::string version;  ///< "1100", with the build date
};
std::optional<Firmware> parse_firmware(std::string_view first_line);

/// What a model can do (reference 1.6). Nothing for a device we do not know.
struct Model {
  std::string_view device, name;
  Volt max_potential;
  Ampere max_current;
  bool galvanostat;
};
std::optional<Model> model_of(std::string_view device);

/// "C" and 64 hex digits: bit `n` counts from the least significant.
class Capabilities {
 public:
  [[nodiscard]] bool has(unsigned bit) const;
  std::array<std::uint8_t, 32> bytes{};
};
std::optional<Capabilities> parse_capabilities(std::string_view line);
inline constexpr unsigned can_meas_loop_cp = 67, can_set_i = 68, can_open_files = 50;

// ---- scripts ----------------------------------------------------------------------------------------------

/// An integer with an SI prefix, as the language wants it: no decimal point, the largest prefix that keeps an
/// integer ("4200m", "400u", "2"). `finest` is the smallest prefix to resolve, as a power of ten (-9 = nano).
std::string literal(double value, int finest);

/// The program of one step. Cutoff, guards, run time and the opening of the cell are inside it; it begins with and
/// repeats its marker; both potentials and the measured current stand in every packet. See mscript_program.cpp.
std::string program(const PlannedStep& step, const Marker& marker, const Model& model);

/// Opens the cell and measures the potentials at rest: what makes safe, and the proof that it did. (OCP with the
/// cell still on is error 0014.)
std::string open_and_look();

/// A packet of our programs, by position: the script owns the mapping, types are only checked against it.
struct ProgramRow {
  std::uint32_t step = 0;
  Sample sample;  ///< without its stamp
};
Result<ProgramRow> read_row(std::string_view packet_line);

/// "RUN r000001 12" of a text line "TRUN r000001 12".
std::optional<Marker> parse_marker(std::string_view text_line);

/// "TEND upper", "TGUARD cell_max", "TTIMEOUT": how the program says it ended.
std::optional<EndReason> parse_end(std::string_view text_line);

}  // namespace cambench::wire::mscript
