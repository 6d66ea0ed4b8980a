#include "drivers/sim/mscript_script.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace cambench::sim::script {
namespace {

// Errors by the numbers of the manual's appendix.
enum Refusal : std::uint16_t {
  no_memory = 0x000B,
  already_measured = 0x005B,
  unknown_command = 0x4001,
  unexpected_character = 0x4004,
  bad_option = 0x4008,
  nested_measurement = 0x400B,
  wrong_place = 0x400C,
  too_deep = 0x400D,
  wrong_scope = 0x400E,
  index_out_of_bounds = 0x400F,
  ended_early = 0x4018,
  path_too_long = 0x401D,
  exists_already = 0x4026,
  bad_name = 0x402B,
  long_name = 0x402C,
  set_e_in_loop = 0x4032,
  set_i_in_loop = 0x4033,
  bad_element = 0x4038,
  bad_literal = 0x4039,
  bad_type = 0x4209,
  surplus_argument = 0x420A,
  undeclared = 0x420B,
  variable_refused = 0x420C,
  literal_refused = 0x420D,
  array_refused = 0x420E,
  open_brace = 0x4210
};

constexpr std::size_t most_variables = 250, most_elements = 50'000, deepest = 16, longest_name = 32;

struct Prefix {
  char letter;
  int exponent;
};
constexpr std::array prefixes{Prefix{'a', -18}, Prefix{'f', -15}, Prefix{'p', -12}, Prefix{'n', -9},
                              Prefix{'u', -6},  Prefix{'m', -3},  Prefix{' ', 0},   Prefix{'k', 3},
                              Prefix{'M', 6},   Prefix{'G', 9},   Prefix{'T', 12},  Prefix{'P', 15},
                              Prefix{'E', 18}};

double ten_to(int exponent) {
  static constexpr std::array powers{1e0, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18};
  return powers[static_cast<std::size_t>(exponent / 3)];
}
double times_ten_to(double x, int exponent) {  // dividing keeps 4200m the nearest double to 4.2
  return exponent < 0 ? x / ten_to(-exponent) : x * ten_to(exponent);
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// `4200m`, `-400u`, `10i`, `0x1Fi`, `0b101i`: an integer and an SI prefix, no decimal point.
std::optional<Value> literal(std::string_view word) {
  Value value;
  if (word.ends_with('i')) {
    value.integer = true;
    word.remove_suffix(1);
  }
  int base = 10, exponent = 0;
  if (word.starts_with("0x") || word.starts_with("0b")) {
    base = word[1] == 'x' ? 16 : 2;
    word.remove_prefix(2);
  } else if (!value.integer && !word.empty()) {
    const auto* prefix = std::ranges::find(prefixes, word.back(), &Prefix::letter);
    if (prefix != prefixes.end()) {
      exponent = prefix->exponent;
      word.remove_suffix(1);
    }
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  if (error != std::errc() || end != word.data() + word.size() || std::abs(number) > 0xFFFFFFFF)
    return std::nullopt;
  value.number = times_ten_to(static_cast<double>(number), exponent);
  return value;
}

class Compiler {
 public:
  explicit Compiler(const Dialect& dialect) : dialect_(dialect) {}

  std::expected<Script, Refused> run(std::string_view text) {
    while (!text.empty() && !refused_) {
      const std::size_t end = text.find('\n');
      read_line(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (!refused_ && !blocks_.empty()) {
      ++line_number_;
      at_ = 0;
      refuse(ended_early);
    }
    if (refused_) return std::unexpected(*refused_);
    if (!has_finish_) script_.finish = here();
    add(Op::end);
    return std::move(script_);
  }

  /// One command: how it is written, its bit in the reply to `CM`, what it compiles to, what it needs.
  struct Command {
    std::string_view name;
    int bit;
    void (Compiler::*read)();
    enum Needs { nothing, a_galvanostat, storage } needs = nothing;
  };
  static std::span<const Command> commands();
  static bool knows(const Dialect& dialect, const Command& command) {
    return (command.needs != Command::a_galvanostat || dialect.galvanostat) &&
           (command.needs != Command::storage || dialect.storage);
  }

 private:
  struct Block {
    enum Kind { branch, loop, measurement } kind;
    int begin = 0;       ///< where a loop goes back to
    int otherwise = -1;  ///< the jump of the last if or elseif, until it knows where to
    bool has_else = false;
    std::vector<int> to_end;  ///< jumps to the block's end
  };
  struct Name {
    int slot = 0;
    bool array = false;
    std::size_t length = 0;
  };

  void read_line(std::string_view line) {
    ++line_number_;
    line_ = line;
    at_ = 0;
    skip_blanks();
    if (at_end()) return;
    const std::string_view name = word();
    if (name == "on_finished:") return read_on_finished();
    for (const Command& command : commands())
      if (command.name == name && knows(dialect_, command)) {
        (this->*command.read)();
        skip_blanks();
        if (!refused_ && !at_end()) {
          word();
          refuse(surplus_argument);
        }
        return;
      }
    refuse(unknown_command);
  }

  // --- the line and its words ---------------------------------------------------------------------------------
  [[nodiscard]] bool at_end() const { return at_ >= line_.size() || line_[at_] == '#'; }
  void skip_blanks() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t')) ++at_;
  }
  std::string_view word() {
    skip_blanks();
    const std::size_t begin = at_;
    while (at_ < line_.size() && !std::string_view(" \t#()\"").contains(line_[at_])) ++at_;
    return line_.substr(begin, at_ - begin);
  }
  bool take(char c) {
    skip_blanks();
    if (at_ >= line_.size() || line_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// Remembers the first refusal, at the column after what was read last.
  void refuse(Refusal refusal) {
    if (!refused_) refused_ = Refused{refusal, line_number_, static_cast<int>(at_) + 1};
  }

  // --- arguments ----------------------------------------------------------------------------------------------
  Operand operand() { return operand_of(word()); }

  Operand operand_of(std::string_view text) {
    Operand result;
    if (text.empty()) {
      refuse(unexpected_character);
    } else if (is_digit(text[0]) || text[0] == '-') {
      const auto value = literal(text);
      if (!value) refuse(bad_literal);
      result.kind = Operand::Kind::literal;
      result.literal = value.value_or(Value{});
    } else if (const std::size_t bracket = text.find('['); bracket != std::string_view::npos) {
      result = element(text, bracket);
    } else if (const auto name = names_.find(text); name != names_.end()) {
      result.kind = name->second.array ? Operand::Kind::array : Operand::Kind::variable;
      result.slot = name->second.slot;
    } else {
      refuse(undeclared);
    }
    return result;
  }

  Operand element(std::string_view text, std::size_t bracket) {
    Operand result;
    result.kind = Operand::Kind::element;
    const auto name = names_.find(text.substr(0, bracket));
    if (name == names_.end()) return refuse(undeclared), result;
    if (!name->second.array || !text.ends_with(']')) return refuse(bad_element), result;
    result.slot = name->second.slot;
    const Operand index = operand_of(text.substr(bracket + 1, text.size() - bracket - 2));
    if (index.kind == Operand::Kind::variable) {
      result.index_slot = index.slot;
    } else if (index.kind == Operand::Kind::literal && index.literal.integer) {
      result.index = static_cast<std::int64_t>(index.literal.number);
      if (result.index < 0 || static_cast<std::size_t>(result.index) >= name->second.length)
        refuse(index_out_of_bounds);
    } else {
      refuse(bad_element);
    }
    return result;
  }

  /// A value to compute with: anything but a whole array.
  Operand value() {
    const Operand result = operand();
    if (result.kind == Operand::Kind::array) refuse(array_refused);
    return result;
  }
  /// Somewhere to put a value.
  Operand variable() {
    const Operand result = value();
    if (result.kind == Operand::Kind::literal) refuse(literal_refused);
    return result;
  }
  Operand whole_array() {
    const Operand result = operand();
    if (result.kind != Operand::Kind::array) refuse(variable_refused);
    return result;
  }

  Type type_word() {
    const std::string_view text = word();
    if (text.size() == 2 && is_lower(text[0]) && is_lower(text[1])) return script::type(text);
    refuse(bad_type);
    return 0;
  }
  Type measurable_type() {
    const Type result = type_word();
    if (std::ranges::find(dialect_.measurable, result) == dialect_.measurable.end()) refuse(bad_type);
    return result;
  }

  Compare comparison() {
    static constexpr std::array<std::pair<std::string_view, Compare>, 6> signs{
        {{"==", Compare::equal},
         {"!=", Compare::unequal},
         {"<", Compare::less},
         {"<=", Compare::less_equal},
         {">", Compare::greater},
         {">=", Compare::greater_equal}}};
    const std::string_view text = word();
    for (const auto& [sign, compare] : signs)
      if (text == sign) return compare;
    refuse(unexpected_character);
    return Compare::equal;
  }

  /// "text" or f"text {variable} text", in pieces.
  std::vector<Piece> string() {
    std::vector<Piece> pieces;
    skip_blanks();
    const bool formatted = at_ < line_.size() && line_[at_] == 'f';
    if (formatted) ++at_;
    const std::size_t close = at_ < line_.size() ? line_.find('"', at_ + 1) : std::string_view::npos;
    if (at_ >= line_.size() || line_[at_] != '"' || close == std::string_view::npos) {
      at_ = line_.size();
      return refuse(unexpected_character), pieces;
    }
    std::string_view text = line_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    while (formatted) {
      const std::size_t open = text.find('{'), end = text.find('}', open == text.npos ? 0 : open);
      if (open == std::string_view::npos) break;
      if (end == std::string_view::npos) return refuse(open_brace), pieces;
      pieces.push_back(
          {std::string(text.substr(0, open)), operand_of(text.substr(open + 1, end - open - 1))});
      if (pieces.back().value.kind == Operand::Kind::array) refuse(array_refused);
      text.remove_prefix(end + 1);
    }
    if (!text.empty() || pieces.empty()) pieces.push_back({std::string(text), {}});
    return pieces;
  }

  // --- code ---------------------------------------------------------------------------------------------------
  [[nodiscard]] int here() const { return static_cast<int>(script_.code.size()); }
  Instruction& add(Op op) {
    Instruction instruction;
    instruction.op = op;
    instruction.line = line_number_;
    script_.code.push_back(std::move(instruction));
    return script_.code.back();
  }
  Instruction& at(int index) { return script_.code[static_cast<std::size_t>(index)]; }
  [[nodiscard]] bool measuring() const {
    return std::ranges::any_of(blocks_, [](const Block& b) { return b.kind == Block::measurement; });
  }
  Block* innermost(Block::Kind kind) {
    if (!blocks_.empty() && blocks_.back().kind == kind) return &blocks_.back();
    refuse(wrong_scope);
    return nullptr;
  }
  void open(Block block) {
    if (blocks_.size() >= deepest) refuse(too_deep);
    blocks_.push_back(std::move(block));
  }

  // --- commands: variables ------------------------------------------------------------------------------------
  void declare(bool array) {
    const std::string_view name = word();
    if (name.empty() || !is_lower(name[0]) ||
        !std::ranges::all_of(name, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; }))
      return refuse(bad_name);
    if (name.size() > longest_name) return refuse(long_name);
    if (names_.contains(name)) return refuse(exists_already);
    if (names_.size() >= most_variables) return refuse(no_memory);
    if (!array) {
      names_.emplace(name, Name{script_.variables++});
      return;
    }
    const Operand length = operand();
    if (length.kind != Operand::Kind::literal || !length.literal.integer || length.literal.number < 1)
      return refuse(bad_literal);
    if (elements_ + length.literal.number > static_cast<double>(most_elements)) return refuse(no_memory);
    const auto count = static_cast<std::size_t>(length.literal.number);
    elements_ += static_cast<double>(count);
    names_.emplace(name, Name{static_cast<int>(script_.arrays.size()), true, count});
    script_.arrays.push_back(count);
  }
  void read_var() { declare(false); }
  void read_array() { declare(true); }
  void read_store() {
    const Operand into = variable(), what = value();
    const Type as = type_word();
    Instruction& i = add(Op::store);
    i.a = into, i.b = what, i.type = as;
  }
  void read_copy() {
    const Operand from = value(), into = variable();
    Instruction& i = add(Op::copy);
    i.a = from, i.b = into;
  }
  void arithmetic(Op op) {
    const Operand into = variable(), by = value();
    Instruction& i = add(op);
    i.a = into, i.b = by;
  }
  void read_add() { arithmetic(Op::add); }
  void read_subtract() { arithmetic(Op::subtract); }
  void read_multiply() { arithmetic(Op::multiply); }
  void read_divide() { arithmetic(Op::divide); }
  void read_alter() {
    const Operand what = variable();
    const Type as = type_word();
    Instruction& i = add(Op::alter_type);
    i.a = what, i.type = as;
  }
  void single_variable(Op op) {
    const Operand what = variable();
    add(op).a = what;
  }
  void read_to_float() { single_variable(Op::to_float); }
  void read_to_integer() { single_variable(Op::to_integer); }
  void read_timer_get() { single_variable(Op::timer_get); }
  void read_mean() {
    const Operand of = whole_array(), into = variable();
    Instruction& i = add(Op::mean);
    i.a = of, i.b = into;
  }

  // --- commands: flow -----------------------------------------------------------------------------------------
  void condition(int& jump) {
    const Operand left = value();
    const Compare compare = comparison();
    const Operand right = value();
    jump = here();
    Instruction& i = add(Op::jump_unless);
    i.a = left, i.b = right, i.compare = compare;
  }
  void read_if() {
    Block block{Block::branch};
    condition(block.otherwise);
    open(std::move(block));
  }
  void leave_branch(Block& block) {  // the end of one arm
    if (block.has_else) refuse(wrong_scope);
    block.to_end.push_back(here());
    add(Op::jump);
    at(block.otherwise).target = here();
    block.otherwise = -1;
  }
  void read_elseif() {
    Block* block = innermost(Block::branch);
    if (!block) return;
    leave_branch(*block);
    if (!refused_) condition(block->otherwise);
  }
  void read_else() {
    Block* block = innermost(Block::branch);
    if (!block) return;
    leave_branch(*block);
    block->has_else = true;
  }
  void read_endif() {
    Block* block = innermost(Block::branch);
    if (!block) return;
    if (block->otherwise >= 0) at(block->otherwise).target = here();
    for (const int jump : block->to_end) at(jump).target = here();
    blocks_.pop_back();
  }
  void read_loop() {
    add(Op::loop_begin);
    Block block{Block::loop, here()};
    int leave = -1;
    condition(leave);
    block.to_end.push_back(leave);
    open(std::move(block));
  }
  void read_endloop() {
    if (blocks_.empty() || blocks_.back().kind == Block::branch) return refuse(wrong_scope);
    const Block& block = blocks_.back();
    add(Op::jump).target = block.begin;
    for (const int jump : block.to_end) at(jump).target = here();
    add(block.kind == Block::loop ? Op::loop_end : Op::meas_end);
    blocks_.pop_back();
  }
  void read_breakloop() {
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block)
      if (block->kind != Block::branch) {
        block->to_end.push_back(here());
        add(Op::jump);
        return;
      }
    refuse(wrong_scope);
  }
  void read_on_finished() {
    if (!blocks_.empty() || has_finish_) return refuse(wrong_scope);
    has_finish_ = true;
    script_.finish = here();
  }
  void plain(Op op) { add(op); }
  void read_abort() { plain(Op::abort); }
  void read_timer_start() { plain(Op::timer_start); }
  void read_await_interval() { plain(Op::await_interval); }
  void single_value(Op op) {
    const Operand what = value();
    add(op).a = what;
  }
  void read_wait() { single_value(Op::wait); }
  void read_set_interval() { single_value(Op::set_interval); }

  // --- commands: output ---------------------------------------------------------------------------------------
  void read_send_string() {
    auto pieces = string();
    add(Op::send_string).pieces = std::move(pieces);
  }
  void read_script_output() { single_value(Op::script_output); }
  void read_file_open() {
    auto pieces = string();
    const Operand mode = value();
    Instruction& i = add(Op::file_open);
    i.pieces = std::move(pieces), i.a = mode;
  }
  void read_file_close() { plain(Op::file_close); }
  void read_pck_start() {  // meta_msk(0x..): which metadata fields are sent
    Instruction& i = add(Op::pck_start);
    i.a.kind = Operand::Kind::literal;
    i.a.literal.number = 0xFF;
    skip_blanks();
    if (at_end()) return;
    if (word() != "meta_msk" || !take('(')) return refuse(bad_option);
    const Operand mask = operand();
    if (!take(')')) return refuse(unexpected_character);
    at(here() - 1).a = mask;
  }
  void read_pck_add() { single_value(Op::pck_add); }
  void read_pck_end() { plain(Op::pck_end); }

  // --- commands: the cell -------------------------------------------------------------------------------------
  void read_channel() { single_value(Op::channel); }
  void read_mode() { single_value(Op::mode); }
  void read_bandwidth() { single_value(Op::bandwidth); }
  void read_settings() { single_value(Op::settings); }
  void read_range() {
    const Type of = type_word();
    const Operand to = value();
    Instruction& i = add(Op::range);
    i.type = of, i.a = to;
  }
  void bounds(Op op) {
    const Type of = type_word();
    const Operand low = value(), high = value();
    Instruction& i = add(op);
    i.type = of, i.a = low, i.b = high;
  }
  void read_range_minmax() { bounds(Op::range_minmax); }
  void read_autoranging() { bounds(Op::autoranging); }
  void read_set_i() {
    if (measuring()) return refuse(set_i_in_loop);
    single_value(Op::set_i);
  }
  void read_set_e() {
    if (measuring()) return refuse(set_e_in_loop);
    single_value(Op::set_e);
  }
  void read_cell_on() {  // ocp(potential): switch on at this potential
    Operand at_ocp;
    skip_blanks();
    if (!at_end()) {
      if (word() != "ocp" || !dialect_.cell_on_at_ocp || !take('(')) return refuse(bad_option);
      at_ocp = value();
      if (!take(')')) return refuse(unexpected_character);
    }
    add(Op::cell_on).a = at_ocp;
  }
  void read_cell_off() { plain(Op::cell_off); }
  void read_meas() {
    const Operand duration = value(), into = variable();
    const Type what = measurable_type();
    Instruction& i = add(Op::measure);
    i.a = duration, i.b = into, i.type = what;
  }

  void measurement_loop(Technique technique) {
    if (measuring()) return refuse(nested_measurement);
    Instruction loop;
    loop.technique = technique;
    loop.a = variable();
    if (technique != Technique::ocp) {
      loop.b = variable();
      loop.c = value();
    }
    loop.d = value();
    loop.e = value();
    std::vector<Type> measured{script::type("ab")};
    if (technique == Technique::ca) measured = {script::type("ba")};
    for (skip_blanks(); !refused_ && !at_end(); skip_blanks()) option(loop, measured);
    Instruction& begin = add(Op::meas_begin);
    begin.technique = technique, begin.a = loop.a, begin.b = loop.b;
    begin.c = loop.c, begin.d = loop.d, begin.e = loop.e;
    Block block{Block::measurement, here()};
    block.to_end.push_back(here());
    Instruction& next = add(Op::meas_next);
    next.technique = technique, next.a = loop.a, next.b = loop.b;
    next.extras = std::move(loop.extras), next.time_into = loop.time_into;
    open(std::move(block));
  }
  void option(Instruction& loop, std::vector<Type>& measured) {
    const std::string_view name = word();
    if (name == "add_meas" && dialect_.add_meas && take('(')) {
      const Operand channel_number = value();
      if (channel_number.kind != Operand::Kind::literal || channel_number.literal.number != 0.0)
        return refuse(bad_option);
      Extra extra;
      extra.what = measurable_type();
      extra.into = variable();
      if (std::ranges::find(measured, extra.what) != measured.end()) return refuse(already_measured);
      measured.push_back(extra.what);
      loop.extras.push_back(extra);
    } else if (name == "time" && take('(')) {
      loop.time_into = variable();
    } else {
      return refuse(bad_option);
    }
    if (!take(')')) refuse(unexpected_character);
  }
  void read_cp() { measurement_loop(Technique::cp); }
  void read_ca() { measurement_loop(Technique::ca); }
  void read_ocp() { measurement_loop(Technique::ocp); }

  const Dialect& dialect_;
  Script script_;
  std::map<std::string, Name, std::less<>> names_;
  double elements_ = 0.0;
  std::vector<Block> blocks_;
  bool has_finish_ = false;
  std::string_view line_;
  std::size_t at_ = 0;
  int line_number_ = 0;
  std::optional<Refused> refused_;
};

std::span<const Compiler::Command> Compiler::commands() {
  using C = Compiler;
  static constexpr std::array all{Command{"var", 1, &C::read_var},
                                  Command{"array", 2, &C::read_array},
                                  Command{"store_var", 3, &C::read_store},
                                  Command{"copy_var", 4, &C::read_copy},
                                  Command{"add_var", 5, &C::read_add},
                                  Command{"sub_var", 6, &C::read_subtract},
                                  Command{"mul_var", 7, &C::read_multiply},
                                  Command{"div_var", 8, &C::read_divide},
                                  Command{"set_e", 9, &C::read_set_e},
                                  Command{"set_int", 10, &C::read_set_interval},
                                  Command{"await_int", 11, &C::read_await_interval},
                                  Command{"wait", 12, &C::read_wait},
                                  Command{"loop", 13, &C::read_loop},
                                  Command{"endloop", 14, &C::read_endloop},
                                  Command{"breakloop", 15, &C::read_breakloop},
                                  Command{"if", 16, &C::read_if},
                                  Command{"else", 17, &C::read_else},
                                  Command{"elseif", 18, &C::read_elseif},
                                  Command{"endif", 19, &C::read_endif},
                                  Command{"meas", 21, &C::read_meas},
                                  Command{"meas_loop_ca", 28, &C::read_ca},
                                  Command{"meas_loop_ocp", 30, &C::read_ocp},
                                  Command{"set_autoranging", 32, &C::read_autoranging},
                                  Command{"pck_start", 33, &C::read_pck_start},
                                  Command{"pck_add", 34, &C::read_pck_add},
                                  Command{"pck_end", 35, &C::read_pck_end},
                                  Command{"set_max_bandwidth", 36, &C::read_bandwidth},
                                  Command{"cell_on", 38, &C::read_cell_on},
                                  Command{"cell_off", 39, &C::read_cell_off},
                                  Command{"set_pgstat_mode", 40, &C::read_mode},
                                  Command{"send_string", 41, &C::read_send_string},
                                  Command{"set_pgstat_chan", 42, &C::read_channel},
                                  Command{"file_open", 50, &C::read_file_open, Command::storage},
                                  Command{"file_close", 51, &C::read_file_close, Command::storage},
                                  Command{"set_script_output", 52, &C::read_script_output},
                                  Command{"abort", 62, &C::read_abort},
                                  Command{"timer_start", 63, &C::read_timer_start},
                                  Command{"timer_get", 64, &C::read_timer_get},
                                  Command{"set_range", 65, &C::read_range},
                                  Command{"set_range_minmax", 66, &C::read_range_minmax},
                                  Command{"meas_loop_cp", 67, &C::read_cp, Command::a_galvanostat},
                                  Command{"set_i", 68, &C::read_set_i, Command::a_galvanostat},
                                  Command{"int_to_float", 71, &C::read_to_float},
                                  Command{"float_to_int", 72, &C::read_to_integer},
                                  Command{"set_channel_sync", 79, &C::read_settings},
                                  Command{"set_acquisition_frac", 80, &C::read_settings},
                                  Command{"set_acquisition_frac_autoadjust", 91, &C::read_settings},
                                  Command{"alter_vartype", 92, &C::read_alter},
                                  Command{"mean", 116, &C::read_mean}};
  return all;
}

void append_hex(std::string& to, std::uint32_t number, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) to += "0123456789ABCDEF"[number >> shift & 0xF];
}

}  // namespace

void append_value(std::string& packet, const Value& value, bool blank_zero) {
  constexpr std::int64_t middle = 0x8000000;
  packet += static_cast<char>(value.type >> 8);
  packet += static_cast<char>(value.type & 0xFF);
  if (std::isnan(value.number)) {
    packet += "     nan";
  } else if (value.integer) {
    const auto whole = static_cast<std::int64_t>(std::clamp(value.number, -134217728.0, 134217727.0));
    append_hex(packet, static_cast<std::uint32_t>(whole + middle), 7);
    packet += 'i';
  } else {
    const Prefix* prefix = prefixes.begin();
    double scaled = times_ten_to(value.number, -prefix->exponent);
    while (std::abs(scaled) > 134217727.0 && prefix + 1 != prefixes.end())
      scaled = times_ten_to(value.number, -(++prefix)->exponent);
    const auto whole = static_cast<std::int64_t>(std::round(std::clamp(scaled, -134217728.0, 134217727.0)));
    append_hex(packet, static_cast<std::uint32_t>(whole + middle), 7);
    packet += whole == 0 && blank_zero ? ' ' : prefix->letter;
  }
  if (value.range < 0) return;
  packet += ",1";
  append_hex(packet, value.status & 0xFU, 1);
  packet += ",2";
  append_hex(packet, static_cast<std::uint32_t>(value.range) & 0xFFU, 2);
}

std::expected<Script, Refused> compile(std::string_view text, const Dialect& dialect) {
  return Compiler(dialect).run(text);
}

std::vector<int> capability_bits(const Dialect& dialect) {
  std::vector<int> bits;
  for (const auto& command : Compiler::commands())
    if (Compiler::knows(dialect, command)) bits.push_back(command.bit);
  return bits;
}

}  // namespace cambench::sim::script
