// A MethodSCRIPT program as a simulated instrument compiles it (MethodSCRIPT manual v1.8): one instruction per
// command, variables resolved to slots, loops and branches to jumps. Pure: no time, no cell, no output.
#pragma once
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sim::script {

/// A variable type as its two letters, e.g. type("ab").
using Type = std::uint16_t;
constexpr Type type(std::string_view letters) {
  return static_cast<Type>(static_cast<unsigned char>(letters[0]) << 8 |
                           static_cast<unsigned char>(letters[1]));
}

/// A value that a script computes with. `status` and `range` are sent as metadata when range is not negative.
struct Value {
  double number = 0.0;
  Type type = script::type("aa");
  bool integer = false;
  std::uint8_t status = 0;
  std::int16_t range = -1;
};

/// Appends `value` as it stands in a packet: type, seven hex digits, prefix, metadata. The finest prefix is taken
/// in which the number fits 28 bits, as the firmware does. Zero is "8000000a", or with a blank when asked.
void append_value(std::string& packet, const Value& value, bool blank_zero = false);

enum class Op : std::uint8_t {
  store,
  copy,
  add,
  subtract,
  multiply,
  divide,
  alter_type,
  to_float,
  to_integer,
  mean,
  jump,
  jump_unless,
  loop_begin,
  loop_end,
  end,
  abort,
  wait,
  set_interval,
  await_interval,
  timer_start,
  timer_get,
  send_string,
  script_output,
  file_open,
  file_close,
  pck_start,
  pck_add,
  pck_end,
  channel,
  mode,
  bandwidth,
  range,
  range_minmax,
  autoranging,
  set_i,
  set_e,
  settings,
  cell_on,
  cell_off,
  measure,
  meas_begin,
  meas_next,
  meas_end
};

struct Operand {
  enum class Kind : std::uint8_t { none, literal, variable, element, array } kind = Kind::none;
  Value literal;           ///< literal
  int slot = -1;           ///< variable; array of an element
  int index_slot = -1;     ///< element: variable that holds the index, or -1
  std::int64_t index = 0;  ///< element: literal index
};

enum class Compare : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal };
enum class Technique : std::uint16_t { ca = 0x0007, cp = 0x000A, ocp = 0x000B };

/// A value measured besides in every iteration: add_meas(channel type variable).
struct Extra {
  Type what = 0;
  Operand into;
};

/// A piece of an f-string: text, then a value (when there is one).
struct Piece {
  std::string text;
  Operand value;
};

struct Instruction {
  Op op = Op::end;
  int line = 0;
  int target = -1;  ///< jumps, loops and measurement loops
  Type type = 0;
  Compare compare = Compare::equal;
  Technique technique = Technique::cp;
  Operand a, b, c, d, e;
  std::vector<Extra> extras;
  Operand time_into;          ///< time(t) of a measurement loop
  std::vector<Piece> pieces;  ///< send_string, file_open
};

struct Script {
  std::vector<Instruction> code;
  int finish = 0;  ///< where on_finished: begins; the instruction `end` when there is none
  int variables = 0;
  std::vector<std::size_t> arrays;  ///< their lengths
};

/// A refused script: the code and where, as `e!4001: Line 1, Col 16` (the column after the offending word).
struct Refused {
  std::uint16_t code = 0;
  int line = 0, column = 0;
};

/// What the instrument that compiles knows.
struct Dialect {
  bool galvanostat = true;
  bool storage = true;
  bool add_meas = true;
  bool cell_on_at_ocp = false;
  std::span<const Type> measurable;  ///< types that add_meas and meas accept
};

std::expected<Script, Refused> compile(std::string_view text, const Dialect& dialect);

/// The capability bits (reply to `CM`) of the commands that compile() understands in this dialect.
std::vector<int> capability_bits(const Dialect& dialect);

}  // namespace cambench::sim::script
