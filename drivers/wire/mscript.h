// The MethodSCRIPT dialect of PalmSens instruments (EmStat4, MultiEmStat4, Nexus): bytes <-> values, no I/O.
// What this program lets an instrument do is in mscript_program.h.
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

#include "schema/reading.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::wire::mscript {

// ---- lines ------------------------------------------------------------------------------------------------

/// An instrument's lines have at most 256 characters (manual); one that is longer than this is noise and dropped.
inline constexpr std::size_t longest_line = 1024;

/// Collects bytes, in whatever pieces they come, into lines.
class Lines {
 public:
  void feed(std::string_view bytes);
  std::optional<std::string> next();
  void clear();

 private:
  std::string partial_;
  bool too_long_ = false;
  std::deque<std::string> lines_;
};

/// What a line of a running script is, by its first character.
enum class LineKind {
  end_of_script,       ///< the empty line
  loop_began,          ///< M (measurement), L (ordinary), C (scan)
  loop_ended,          ///< *, +, -
  packet,              ///< P
  text,                ///< T, from send_string
  error,               ///< !XXXX
  abort_acknowledged,  ///< Z
  other                ///< answers to commands, noise
};
LineKind classify(std::string_view line);

/// Whether `line` is the last of the answer to `command`. Most answers have one line; `t` ends at a line ending in
/// '*', `r`, `e`, `e_fs` and `fs_dir` at an empty line, `fs_get` at 0x1C, `fs_info` at "kB"; an error ends any.
bool ends_reply(std::string_view command, std::string_view line);

// ---- packets ----------------------------------------------------------------------------------------------

struct Variable {
  std::array<char, 2> type{};          ///< e.g. {'a','b'}
  std::optional<double> value;         ///< empty for NaN; in the unit of the type, integers unscaled
  std::uint16_t status = 0;            ///< bits of schema/reading.h
  std::optional<std::uint16_t> range;  ///< current or potential range id
  [[nodiscard]] bool is(std::string_view letters) const {
    return std::string_view(type.data(), type.size()) == letters;
  }
};

/// "Peb8000000a;ab8387520u,10,204": one Variable a field, in the order of the script's pck_add.
Result<std::vector<Variable>> parse_packet(std::string_view line);

/// A number as it stands in a packet; no value is NaN (five blanks and "nan").
struct Number {
  std::optional<double> value;
};
/// "8387520u": seven hex digits and a prefix; nothing for any other text.
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
/// Whether it is the storage that refused, and not what is measured.
bool is_of_storage(const ErrorCode& error);
namespace error {
inline constexpr std::uint16_t not_in_this_mode = 0x0006, cell_is_on = 0x0014, file_unusable = 0x0026,
                               file_exists = 0x0027, no_file_system = 0x0083, unknown_option = 0x4008;
}

/// The first line after `t`: "tes4_hr1100#Jan 28 2022 11:04:43".
struct Firmware {
  std::string device;   ///< six characters: es4_hr, es4_lr, mes4hr, mes4lr, nexus1, espico, ...
  std::string version;  ///< "1100 Jan 28 2022 11:04:43"
};
std::optional<Firmware> parse_firmware(std::string_view line);
/// "iES4LR20B0008": the serial number.
std::optional<std::string> parse_serial(std::string_view line);
/// "v01.09.00": the version of the language.
std::optional<std::string> parse_version(std::string_view line);

/// What a model can do (reference 1.6). Nothing for a device we do not know.
struct Model {
  std::string_view device, name;
  Volt max_potential;
  Ampere max_current;
  bool galvanostat;
};
std::optional<Model> model_of(std::string_view device);

/// The answer to CC or CM: 'C' (or the whole command, in the maker's document) and 64 hex digits; bit `n` counts
/// from the least significant.
class Capabilities {
 public:
  [[nodiscard]] bool has(unsigned bit) const;
  std::array<std::uint8_t, 32> bytes{};
};
std::optional<Capabilities> parse_capabilities(std::string_view line);
inline constexpr unsigned can_meas_loop_cp = 67, can_set_i = 68;  ///< without both there is no galvanostat
inline constexpr unsigned can_reject_mains = 91;                  ///< set_acquisition_frac_autoadjust

// ---- scripts ----------------------------------------------------------------------------------------------

/// An integer with an SI prefix, as the language wants it: no decimal point, the largest prefix that keeps an
/// integer ("4200m", "400u", "2"). `finest` is the smallest prefix to resolve, as a power of ten (-9 = nano).
std::string literal(double value, int finest);

}  // namespace cambench::wire::mscript
