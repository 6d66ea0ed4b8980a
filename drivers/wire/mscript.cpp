#include "drivers/wire/mscript.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace cambench::wire::mscript {

namespace {

constexpr char xon = 0x11, xoff = 0x13;
constexpr std::string_view prefixes = "afpnum kMGTPE";  // from 10^-18 in steps of 10^3
constexpr std::int64_t zero_offset = 0x8000000;
constexpr std::size_t longest_loop_line = 5;  // "M000A", "C0002"; the answer to CM begins with C too

template <typename Integer>
std::optional<Integer> hexadecimal(std::string_view digits) {
  Integer value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// Calls `each` for the parts of a text between separators; false stops.
template <typename Each>
bool split(std::string_view text, char separator, Each each) {
  for (;;) {
    const auto end = text.find(separator);
    if (!each(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

/// ",10,204": status bits "1X", range "2XX", noise "4X"; kinds we do not know are passed over.
bool read_metadata(std::string_view fields, Variable& variable) {
  if (fields.empty()) return true;
  if (fields.front() != ',') return false;
  return split(fields.substr(1), ',', [&](std::string_view field) {
    const auto value = hexadecimal<std::uint16_t>(field.substr(std::min<std::size_t>(1, field.size())));
    if (field.empty() || !value) return false;
    if (field.front() == '1') variable.status = *value & 0xF;
    if (field.front() == '2') variable.range = *value;
    return true;
  });
}

std::optional<Variable> read_variable(std::string_view field) {
  if (field.size() < 10) return std::nullopt;
  const auto number = parse_number(field.substr(2, 8));
  if (!number) return std::nullopt;
  Variable variable{{field[0], field[1]}, number->value, 0, {}};
  if (!read_metadata(field.substr(10), variable)) return std::nullopt;
  if (!variable.value) variable.status |= reading_status::bad;
  return variable;
}

struct NamedError {
  std::uint16_t code;
  std::string_view text;
};
// Names of comm_registry.py, in our words.
constexpr std::array named_errors{
    NamedError{0x0001, "an unspecified error"},
    NamedError{0x0003, "the command is unknown"},
    NamedError{0x0004, "the register is unknown"},
    NamedError{0x0006, "not possible in this mode (nothing runs)"},
    NamedError{0x0007, "an argument is not valid"},
    NamedError{0x0008, "the line or command is too long"},
    NamedError{0x0009, "the instrument timed out"},
    NamedError{0x000B, "out of memory"},
    NamedError{0x000C, "no script is loaded"},
    NamedError{0x000F, "the potential is not valid"},
    NamedError{0x0010, "a value is NaN or infinite"},
    NamedError{0x0014, "open-circuit measurement with the cell on"},
    NamedError{0x001B, "not supported"},
    NamedError{0x001F, "not licensed"},
    NamedError{0x0021, "the potentiostat mode is not supported"},
    NamedError{0x0023, "not valid in this mode"},
    NamedError{0x0026, "the file cannot be used"},
    NamedError{0x0027, "the file exists already"},
    NamedError{0x002F, "the channel is not available"},
    NamedError{0x0032, "critical overload of the cell; the measurement was aborted"},
    NamedError{0x0052, "the instrument's input overran"},
    NamedError{0x0058, "the timing cannot be met"},
    NamedError{0x005A, "the timing cannot be met"},
    NamedError{0x0074, "the IP address is not available"},
    NamedError{0x0080, "the counter electrode oscillates"},
    NamedError{0x0082, "warnings must be cleared first"},
    NamedError{0x0083, "there is no file system"},
    NamedError{0x009F, "there is no such file"},
    NamedError{0x4001, "the script command is unknown"},
    NamedError{0x4004, "an unexpected character"},
    NamedError{0x4005, "the script is too large"},
    NamedError{0x4008, "the optional argument is not known"},
    NamedError{0x400B, "measurement loops may not be nested"},
    NamedError{0x400C, "the command is not supported here"},
    NamedError{0x400F, "the array index is out of range"},
    NamedError{0x4018, "the script ended early"},
    NamedError{0x401B, "packet commands out of sequence"},
    NamedError{0x401C, "too many variables"},
    NamedError{0x4026, "the variable exists already"},
    NamedError{0x4027, "the cell must be on"},
    NamedError{0x4028, "the cell must be off"},
    NamedError{0x4029, "at least one step is needed"},
    NamedError{0x4032, "the potential cannot be set in this loop"},
    NamedError{0x4033, "the current cannot be set in this loop"},
    NamedError{0x4039, "the literal is not valid"},
    NamedError{0x420A, "one optional argument too many"},
    NamedError{0x420B, "the variable is not declared"},
    NamedError{0x7FFF, "fatal; the instrument must be reset"},
};

std::string_view name_of(std::uint16_t code) {
  if (code >= 0x4200 && code <= 0x4209) return "an argument has a wrong value or type";
  const auto* const known = std::ranges::find(named_errors, code, &NamedError::code);
  return known == named_errors.end() ? "an error we have no name for" : known->text;
}

constexpr std::array models{
    Model{"es4_hr", "EmStat4 HR", Volt(6), Ampere(0.2), true},
    Model{"es4_lr", "EmStat4 LR", Volt(3), Ampere(0.03), true},
    Model{"mes4hr", "MultiEmStat4 HR", Volt(6), Ampere(0.2), true},
    Model{"mes4lr", "MultiEmStat4 LR", Volt(3), Ampere(0.03), true},
    Model{"nexus1", "Nexus", Volt(10), Ampere(1), true},
    Model{"espico", "EmStat Pico", Volt(2), Ampere(0.003), false},
    Model{"senswb", "Sensit", Volt(2), Ampere(0.003), false},
};

}  // namespace

// ---- lines ------------------------------------------------------------------------------------------------

void Lines::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      if (!too_long_) lines_.push_back(std::move(partial_));
      partial_.clear();
      too_long_ = false;
    } else if (partial_.size() == longest_line) {
      too_long_ = true;
    } else if (c != '\r' && c != xon && c != xoff) {
      partial_.push_back(c);
    }
  }
}

std::optional<std::string> Lines::next() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

void Lines::clear() { *this = {}; }

LineKind classify(std::string_view line) {
  if (line.empty()) return LineKind::end_of_script;
  switch (line.front()) {
    case 'M':
    case 'L':
    case 'C': return line.size() > longest_loop_line ? LineKind::other : LineKind::loop_began;
    case '*':
    case '+':
    case '-': return LineKind::loop_ended;
    case 'P': return LineKind::packet;
    case 'T': return LineKind::text;
    case '!': return LineKind::error;
    case 'Z': return LineKind::abort_acknowledged;
    default: return LineKind::other;
  }
}

bool ends_reply(std::string_view command, std::string_view line) {
  command = command.substr(0, command.find_first_of(" \n"));
  if (parse_error(line)) return true;
  if (command == "t") return line.ends_with('*');
  if (command == "r" || command == "e" || command == "e_fs" || command == "fs_dir") return line.empty();
  if (command == "fs_get") return line.ends_with('\x1c');
  if (command == "fs_info") return line.ends_with("kB");
  return true;
}

// ---- packets ----------------------------------------------------------------------------------------------

std::optional<Number> parse_number(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  if (text == "     nan") return Number{};
  const auto digits = hexadecimal<std::uint32_t>(text.substr(0, 7));
  if (!digits) return std::nullopt;
  const double counts = static_cast<double>(static_cast<std::int64_t>(*digits) - zero_offset);
  if (text[7] == 'i') return Number{counts};
  const auto place = prefixes.find(text[7]);
  if (place == std::string_view::npos) return std::nullopt;
  const int exponent = 3 * static_cast<int>(place) - 18;
  // Dividing by a power of ten is exact where multiplying by a negative one is not.
  return Number{exponent < 0 ? counts / std::pow(10.0, -exponent) : counts * std::pow(10.0, exponent)};
}

Result<std::vector<Variable>> parse_packet(std::string_view line) {
  const auto refuse = [&] { return fail(Fault::Kind::protocol, fmt::format("damaged packet \"{}\"", line)); };
  if (line.empty() || line.front() != 'P') return refuse();
  std::vector<Variable> variables;
  const bool whole = split(line.substr(1), ';', [&](std::string_view field) {
    const auto variable = read_variable(field);
    if (variable) variables.push_back(*variable);
    return variable.has_value();
  });
  if (!whole) return refuse();
  return variables;
}

// ---- replies ----------------------------------------------------------------------------------------------

std::optional<ErrorCode> parse_error(std::string_view line) {
  const auto mark = line.find('!');
  if (mark > 1 || line.size() < mark + 5) return std::nullopt;  // at most the echoed character before it
  const auto code = hexadecimal<std::uint16_t>(line.substr(mark + 1, 4));
  if (!code) return std::nullopt;
  std::string_view where = line.substr(mark + 5);
  if (where.starts_with(": ")) where.remove_prefix(2);
  return ErrorCode{*code, std::string(where)};
}

std::string describe(const ErrorCode& error) {
  return fmt::format("{:04X}: {}{}", error.code, name_of(error.code),
                     error.where.empty() ? "" : " (" + error.where + ")");
}

bool is_of_storage(const ErrorCode& refused) {
  return refused.code == error::file_unusable || refused.code == error::file_exists ||
         refused.code == error::no_file_system;
}

std::optional<Firmware> parse_firmware(std::string_view line) {
  if (line.size() < 7 || line.front() != 't' || parse_error(line)) return std::nullopt;
  std::string version(line.substr(7));
  std::ranges::replace(version, '#', ' ');
  return Firmware{std::string(line.substr(1, 6)), std::move(version)};
}

std::optional<std::string> parse_serial(std::string_view line) {
  if (line.size() < 2 || line.front() != 'i' || parse_error(line)) return std::nullopt;
  return std::string(line.substr(1));
}

std::optional<std::string> parse_version(std::string_view line) {
  if (line.size() < 2 || line.front() != 'v' || parse_error(line)) return std::nullopt;
  return std::string(line.substr(1));
}

std::optional<Model> model_of(std::string_view device) {
  const auto known = std::ranges::find(models, device, &Model::device);
  if (known == models.end()) return std::nullopt;
  return *known;
}

std::optional<Capabilities> parse_capabilities(std::string_view line) {
  Capabilities capabilities;
  const std::size_t digits = 2 * capabilities.bytes.size();
  if (!line.starts_with('C') || (line.size() != digits + 1 && line.size() != digits + 2)) return std::nullopt;
  line.remove_prefix(line.size() - digits);
  for (std::size_t i = 0; i < capabilities.bytes.size(); ++i) {
    const auto byte = hexadecimal<std::uint8_t>(line.substr(2 * i, 2));
    if (!byte) return std::nullopt;
    capabilities.bytes[capabilities.bytes.size() - 1 - i] = *byte;
  }
  return capabilities;
}

bool Capabilities::has(unsigned bit) const { return bit < 256 && (bytes[bit / 8] >> (bit % 8) & 1) != 0; }

// ---- scripts ----------------------------------------------------------------------------------------------

std::string literal(double value, int finest) {
  constexpr double most = std::numeric_limits<std::int32_t>::max();
  int exponent = finest;
  while (exponent < 18 && std::abs(value * std::pow(10.0, -exponent)) > most) exponent += 3;
  auto counts = std::llround(value * std::pow(10.0, -exponent));
  while (counts != 0 && counts % 1000 == 0 && exponent < 18) {
    counts /= 1000;
    exponent += 3;
  }
  const char prefix = counts == 0 ? ' ' : prefixes[static_cast<std::size_t>((exponent + 18) / 3)];
  return prefix == ' ' ? fmt::format("{}", counts) : fmt::format("{}{}", counts, prefix);
}

}  // namespace cambench::wire::mscript
