#include "drivers/sim/scpi_machine.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace cambench::sim {

namespace {

using Words = std::vector<std::string>;

constexpr double no_value = 9.9e37;
constexpr std::size_t queue_depth = 1000, longest_line = 4096, most_blocks = 255, most_readings = 2'500'000;
constexpr int most_blocks_at_once = 10'000;  // a model that loops without waiting is ended
constexpr double lead_ohm = 0.5;             // seen by a two-wire measurement
constexpr double mains_Hz = 50.0, integrations = 3.0;
constexpr Volt below_protection{0.1};
constexpr double normal_off_share = 0.1;  // NORMAL lets up to 10 % of the range flow

std::string upper(std::string_view text) {
  std::string all(text);
  std::ranges::transform(all, all.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

/// Cut at every `separator` outside quotes.
Words cut(std::string_view text, char separator) {
  Words parts(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == separator && !quoted)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  for (std::string& part : parts) part = trimmed(part);
  return parts;
}

std::string unquoted(std::string text) {
  std::erase(text, '"');
  return text;
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string printed(double value) { return fmt::format("{:.6E}", value); }

/// "SOURce:VOLTage" takes SOUR:VOLT, SOURCE:VOLTAGE and any mixture.
bool matches(std::string_view pattern, const std::string& header) {
  const Words wanted = cut(pattern, ':'), given = cut(header, ':');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::string brief = wanted[i];
    std::erase_if(brief, [](unsigned char c) { return std::islower(c); });
    if (given[i] != brief && given[i] != upper(wanted[i])) return false;
  }
  return true;
}

/// A setting with a number within limits, or one of the words.
struct Setting {
  std::string_view header, start;
  double least = 0, most = 0;
  std::string_view words;  ///< with blanks between; empty for a number
};
constexpr std::array settings{
    Setting{"SOURce:FUNCtion", "VOLT", 0, 0, "VOLT CURR"},
    Setting{"SOURce:VOLTage", "0", -210, 210, ""},
    Setting{"SOURce:VOLTage:RANGe", "0.02", -210, 210, ""},
    Setting{"SOURce:VOLTage:ILIMit", "1.05E-4", 1e-9, 7.35, ""},
    Setting{"SOURce:VOLTage:PROTection", "NONE", 0, 0, "PROT2 PROT5 PROT10 PROT20 PROT40 PROT60 PROT80 NONE"},
    Setting{"SOURce:VOLTage:READ:BACK", "1", 0, 0, "0 1"},
    Setting{"SOURce:CURRent", "0", -7.35, 7.35, ""},
    Setting{"SOURce:CURRent:RANGe", "1E-4", -7.35, 7.35, ""},
    Setting{"SOURce:CURRent:VLIMit", "7.35", 0.2, 210, ""},
    Setting{"SOURce:CURRent:READ:BACK", "1", 0, 0, "0 1"},
    Setting{"SENSe:FUNCtion", "CURR", 0, 0, "VOLT CURR"},
    Setting{"SENSe:VOLTage:RSENse", "0", 0, 0, "0 1"},
    Setting{"SENSe:CURRent:RSENse", "0", 0, 0, "0 1"},
    Setting{"SENSe:VOLTage:RANGe", "20", 0, 210, ""},
    Setting{"SENSe:CURRent:RANGe", "1E-4", 0, 7.35, ""},
    Setting{"SENSe:VOLTage:NPLCycles", "1", 0.01, 10, ""},
    Setting{"SENSe:CURRent:NPLCycles", "1", 0.01, 10, ""},
    Setting{"OUTPut:VOLTage:SMODe", "NORM", 0, 0, "NORM HIMP ZERO GUAR"},
    Setting{"OUTPut:CURRent:SMODe", "NORM", 0, 0, "NORM HIMP ZERO GUAR"},
};

struct Reading {
  double source = 0, reading = 0;
  Seconds at{0};
};

struct Buffer {
  std::size_t capacity = 100'000;
  bool overwrites = false;  ///< CONT; ONCE throws new readings away when full
  std::deque<Reading> readings;
  std::size_t first = 1;  ///< index of the oldest one
};

struct Block {
  enum class Kind { none, clear, source, delay, measure, limit, counter, always, log } kind = Kind::none;
  std::string text;  ///< buffer, message or comparison
  bool on = false;
  double a = 0, b = 0;
  std::size_t count = 0, passed = 0, to = 0, of = 0;
  std::optional<double> last;  ///< of a measure block
};

}  // namespace

struct ScpiMachine::State {
  ScpiMachine& machine;
  std::string model, serial;
  Meter meter;
  Cell* cell = nullptr;
  Seconds now{0};

  bool in_session = false, hung = false;
  std::string input, output;
  bool opc_waits = false;

  std::map<std::string_view, std::string> values;
  std::map<std::string, Buffer> buffers;
  std::deque<std::string> errors;
  unsigned event_status = 0x80;
  bool output_is_on = false, tripped = false;
  Ampere flowing{0};
  std::uint64_t switched_on = 0;

  std::vector<Block> blocks;
  bool running = false, aborted = false;
  std::size_t at = 0, last_block = 0;
  Seconds wake{0};
  bool measuring = false;

  State(ScpiMachine& m, std::string model_name, std::string serial_number, std::uint64_t seed)
      : machine(m), model(std::move(model_name)), serial(std::move(serial_number)), meter(seed) {
    reset();
  }

  void reset() {
    for (const Setting& s : settings) values[s.header] = s.start;
    buffers.clear();
    buffers["defbuffer1"].overwrites = true;
    blocks.clear();
    running = tripped = opc_waits = measuring = false;
    output_is_on = false;
    last_block = 0;
  }

  // ---- settings -------------------------------------------------------------------------------------------

  [[nodiscard]] double value(std::string_view header) const { return number(values.at(header)).value_or(0); }
  [[nodiscard]] bool is(std::string_view header, std::string_view word) const {
    return values.at(header) == word;
  }
  [[nodiscard]] bool sources_voltage() const { return is("SOURce:FUNCtion", "VOLT"); }
  [[nodiscard]] bool senses_current() const { return is("SENSe:FUNCtion", "CURR"); }

  void error(int code, std::string_view text) {
    if (errors.size() + 1 < queue_depth)
      errors.push_back(fmt::format("{},\"{};1;2015/05/06 12:57:04.484\"", code, text));
    else if (errors.size() < queue_depth)
      errors.emplace_back("-350,\"Queue overflow;1;2015/05/06 12:57:04.484\"");
  }

  void set(const Setting& setting, const Words& arguments) {
    if (arguments.size() != 1 || arguments[0].empty()) return error(-109, "Missing parameter");
    if (running) return error(-221, "Settings conflict");
    std::string word = upper(unquoted(arguments[0]));
    if (setting.words.empty()) {
      const auto given = number(word);
      if (!given) return error(-104, "Data type error");
      if (*given < setting.least || *given > setting.most) return error(-222, "Parameter data out of range");
    } else {
      if (setting.words == "0 1" && (word == "ON" || word == "OFF")) word = word == "ON" ? "1" : "0";
      if (word == "HIMPEDANCE") word = "HIMP";
      if (word == "NORMAL") word = "NORM";
      if (word == "VOLTAGE" || word == "CURRENT") word.resize(4);
      const Words allowed = cut(setting.words, ' ');
      if (std::ranges::find(allowed, word) == allowed.end()) return error(-224, "Illegal parameter value");
    }
    if (setting.header == "SOURce:FUNCtion" && values[setting.header] != word) switch_output(false);
    if (setting.header == "SOURce:VOLTage" && !sources_within_protection(*number(word)))
      return error(-222, "Parameter data out of range");
    values[setting.header] = word;
  }

  [[nodiscard]] std::optional<Volt> protection() const {
    const std::string& word = values.at("SOURce:VOLTage:PROTection");
    if (word == "NONE") return std::nullopt;
    return Volt(*number(word.substr(4)));
  }
  [[nodiscard]] bool sources_within_protection(double volt) const {
    const auto most = protection();
    return !most || std::abs(volt) <= most->value();
  }

  // ---- the leads ------------------------------------------------------------------------------------------

  [[nodiscard]] double sign() const { return machine.swapped ? -1.0 : 1.0; }

  void switch_output(bool on) {
    if (on && !output_is_on) ++switched_on;
    if (on) tripped = false;
    output_is_on = on;
    settle();
  }

  /// The current that flows at once, without letting time pass.
  void settle() { age(Seconds(0)); }

  void age(Seconds time) {
    if (!cell) {
      flowing = Ampere(0);
      return;
    }
    if (!output_is_on)
      rest(time);
    else if (machine.faults.sense_open)
      run_away(time);
    else if (sources_voltage())
      hold(Volt(value("SOURce:VOLTage")), Ampere(value("SOURce:VOLTage:ILIMit")), time);
    else
      source_current(time);
  }

  void hold(Volt wire, Ampere limit, Seconds time) {
    flowing = cell->hold_potential(sign() * wire, limit, std::max(time, Seconds(1e-3)));
  }

  void let_flow(Ampere wire, Seconds time) {
    flowing = sign() * wire;
    cell->hold_current(flowing, time);
  }

  /// NORMAL holds 0 V with up to a tenth of the range: it discharges the cell. HIMP opens the relay.
  void rest(Seconds time) {
    const std::string& mode = values.at(sources_voltage() ? "OUTPut:VOLTage:SMODe" : "OUTPut:CURRent:SMODe");
    if (mode == "HIMP" || mode == "GUAR") return let_flow(Ampere(0), time);
    const double range = sources_voltage() ? value("SENSe:CURRent:RANGe") : value("SOURce:CURRent:RANGe");
    hold(Volt(0), Ampere(normal_off_share * range), time);
  }

  void source_current(Seconds time) {
    const Ampere level(value("SOURce:CURRent"));
    const Volt clamp(value("SOURce:CURRent:VLIMit"));
    const Volt seen = cell->leads(sign() * level).we_vs_re;
    if (abs(seen) <= clamp) return let_flow(level, time);
    const Ampere most = std::max(abs(level), Ampere(normal_off_share * value("SOURce:CURRent:RANGe")));
    flowing = cell->hold_potential(seen > Volt(0) ? clamp : -clamp, most, std::max(time, Seconds(1e-3)));
  }

  /// Without feedback the output goes to its limit; only the protection on the force leads ends that.
  void run_away(Seconds time) {
    const Volt most = protection().value_or(Volt(21)) - below_protection;
    const Ampere limit(sources_voltage() ? value("SOURce:VOLTage:ILIMit")
                                         : std::abs(value("SOURce:CURRent")));
    const double way = sources_voltage() ? value("SOURce:VOLTage") : value("SOURce:CURRent");
    hold(way < 0 ? -most : most, limit, time);
    if (!protection() || abs(flowing) > 0.99 * limit) return;
    tripped = true;
    output_is_on = false;
    flowing = Ampere(0);
    stop_model();
  }

  Reading measure() {
    Seconds time(integrations / mains_Hz);
    time *= value(senses_current() ? "SENSe:CURRent:NPLCycles" : "SENSe:VOLTage:NPLCycles");
    now += time;
    age(time);
    return reading_now();
  }

  Reading reading_now() {
    const bool four_wire = is(senses_current() ? "SENSe:CURRent:RSENse" : "SENSe:VOLTage:RSENse", "1");
    Volt volt = cell ? cell->leads(flowing).we_vs_re : Volt(0);
    if (!four_wire) volt = volt + Volt(lead_ohm * flowing.value());
    if (machine.faults.sense_open || !output_is_on)
      volt = Volt(0);  // an open relay shows nothing of the cell
    const double wire_V = sign() * meter.potential(volt, Volt(20)).value();
    const double wire_A = sign() * meter.current(flowing, Ampere(value("SENSe:CURRent:RANGe"))).value();
    Reading made{senses_current() ? wire_V : wire_A, senses_current() ? wire_A : wire_V, now};
    if (machine.faults.no_values > 0) --machine.faults.no_values, made.reading = no_value;
    return made;
  }

  static void keep(Buffer& buffer, const Reading& made) {
    if (buffer.readings.size() == buffer.capacity) {
      if (!buffer.overwrites) return;
      buffer.readings.pop_front();
      ++buffer.first;
    }
    buffer.readings.push_back(made);
  }

  // ---- the trigger model ----------------------------------------------------------------------------------

  void stop_model() {
    running = measuring = false;
    if (std::exchange(opc_waits, false)) reply("1");
  }

  void go_to(std::size_t block) { at = block; }

  void advance(Seconds to) {
    for (int done = 0; running && now < to;) {
      const Seconds until = std::min(to, wake);
      if (until > now) {
        const Seconds time = until - now;
        now = until;
        age(time);
        done = 0;
        if (!running || now < wake) continue;
      }
      if (measuring) end_measurement();
      if (running) run_block();
      if (++done > most_blocks_at_once) stop_model();
    }
    if (now < to) {
      const Seconds time = to - now;
      now = to;
      age(time);
    }
  }

  void end_measurement() {
    measuring = false;
    Block& block = blocks[at - 1];
    const Reading made = reading_now();
    block.last = made.reading;
    if (const auto buffer = buffers.find(block.text); buffer != buffers.end()) keep(buffer->second, made);
    ++at;
  }

  void run_block() {
    if (at == 0 || at > blocks.size()) return stop_model();
    Block& block = blocks[at - 1];
    last_block = at;
    switch (block.kind) {
      case Block::Kind::none: break;
      case Block::Kind::log: break;
      case Block::Kind::clear:
        if (const auto buffer = buffers.find(block.text); buffer != buffers.end()) {
          buffer->second.readings.clear();
          buffer->second.first = 1;
        }
        break;
      case Block::Kind::source: switch_output(block.on); break;
      case Block::Kind::delay: wake = now + Seconds(block.a); break;
      case Block::Kind::measure:
        measuring = true;
        wake = now + Seconds(integrations / mains_Hz *
                             value(senses_current() ? "SENSe:CURRent:NPLCycles" : "SENSe:VOLTage:NPLCycles"));
        return;
      case Block::Kind::limit:
        if (holds(block)) return go_to(block.to);
        break;
      case Block::Kind::counter:
        if (++block.passed < block.count) return go_to(block.to);
        block.passed = 0;
        break;
      case Block::Kind::always:
        if (block.to == 0) return stop_model();
        return go_to(block.to);
    }
    ++at;
  }

  [[nodiscard]] bool holds(const Block& block) const {
    if (block.of == 0 || block.of > blocks.size() || !blocks[block.of - 1].last) return false;
    const double x = *blocks[block.of - 1].last;
    double a = block.a, b = block.b;
    if (a > b && !machine.faults.limits_not_swapped) std::swap(a, b);
    if (block.text.starts_with("BEL")) return x < a;
    if (block.text.starts_with("ABOV")) return x > b;
    const bool inside = x >= std::min(a, b) && x <= std::max(a, b);
    return block.text.starts_with("INS") ? inside : !inside;
  }

  Block* block_at(const Words& arguments, std::size_t count) {
    const auto n = arguments.size() == count ? number(arguments[0]) : std::nullopt;
    if (!n) return error(-109, "Missing parameter"), nullptr;
    if (running) return error(-221, "Settings conflict"), nullptr;
    if (*n < 1 || *n > static_cast<double>(std::min(blocks.size() + 1, most_blocks)))
      return error(-222, "Parameter data out of range"), nullptr;
    const auto index = static_cast<std::size_t>(*n);
    if (index > blocks.size()) blocks.emplace_back();
    blocks[index - 1] = {};
    return &blocks[index - 1];
  }

  std::size_t block_number(const std::string& text) {
    const auto n = number(text);
    if (n && *n >= 0 && *n <= most_blocks) return static_cast<std::size_t>(*n);
    error(-222, "Parameter data out of range");
    return 0;
  }

  void define_block(const std::string& header, const Words& arguments) {
    const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
    using Kind = Block::Kind;
    if (named("TRIGger:BLOCk:BUFFer:CLEar") || named("TRIGger:BLOCk:MEASure")) {
      const Kind kind = named("TRIGger:BLOCk:MEASure") ? Kind::measure : Kind::clear;
      if (Block* block = block_at(arguments, 2)) block->kind = kind, block->text = buffer_named(arguments[1]);
    } else if (named("TRIGger:BLOCk:SOURce:STATe")) {
      if (Block* block = block_at(arguments, 2))
        block->kind = Kind::source, block->on = upper(arguments[1]) == "ON" || arguments[1] == "1";
    } else if (named("TRIGger:BLOCk:DELay:CONStant")) {
      if (Block* block = block_at(arguments, 2))
        block->kind = Kind::delay, block->a = bounded(arguments[1], 167e-9, 1e4);
    } else if (named("TRIGger:BLOCk:LOG:EVENt")) {
      if (Block* block = block_at(arguments, 3)) block->kind = Kind::log, block->text = arguments[2];
    } else if (named("TRIGger:BLOCk:BRANch:ALWays")) {
      if (Block* block = block_at(arguments, 2))
        block->kind = Kind::always, block->to = block_number(arguments[1]);
    } else if (named("TRIGger:BLOCk:BRANch:COUNter")) {
      if (Block* block = block_at(arguments, 3)) {
        block->kind = Kind::counter;
        block->count = static_cast<std::size_t>(bounded(arguments[1], 1, 268'435'455));
        block->to = block_number(arguments[2]);
      }
    } else if (named("TRIGger:BLOCk:BRANch:LIMit:CONStant")) {
      if (Block* block = block_at(arguments, 6)) {
        block->kind = Kind::limit;
        block->text = upper(arguments[1]);
        block->a = bounded(arguments[2], -1e6, 1e6);
        block->b = bounded(arguments[3], -1e6, 1e6);
        block->to = block_number(arguments[4]);
        block->of = block_number(arguments[5]);
      }
    } else {
      error(-113, "Undefined header");
    }
  }

  double bounded(const std::string& text, double least, double most) {
    const auto given = number(text);
    if (given && *given >= least && *given <= most) return *given;
    error(-222, "Parameter data out of range");
    return least;
  }

  std::string buffer_named(const std::string& quoted) {
    std::string name = unquoted(quoted);
    if (!buffers.contains(name)) error(-224, "Illegal parameter value");
    return name;
  }

  void initiate() {
    if (running) return error(-213, "Init ignored");
    if (blocks.empty()) return error(-221, "Settings conflict");
    for (Block& block : blocks) block.passed = 0, block.last.reset();
    running = true;
    aborted = false;
    at = 1;
    wake = now;
    for (int done = 0; running && now >= wake && !measuring && done < most_blocks_at_once; ++done)
      run_block();
  }

  [[nodiscard]] std::string trigger_state() const {
    const std::string word = running ? "RUNNING" : blocks.empty() ? "EMPTY" : aborted ? "ABORTED" : "IDLE";
    return fmt::format("{};{};{}", word, word, running ? at : last_block);
  }

  // ---- questions ------------------------------------------------------------------------------------------

  void reply(std::string_view text) {
    if (machine.faults.deaf) return;
    if (machine.faults.half_replies > 0) {
      --machine.faults.half_replies;
      output += text.substr(0, text.size() / 2);
      return;
    }
    output += text;
    output += '\n';
  }

  void answer_rows(const Words& arguments) {
    const std::string name = arguments.size() > 2 ? unquoted(arguments[2]) : "";
    const auto found = buffers.find(name);
    const auto first = arguments.size() > 2 ? number(arguments[0]) : std::nullopt;
    const auto last = arguments.size() > 2 ? number(arguments[1]) : std::nullopt;
    if (found == buffers.end() || !first || !last) return error(-109, "Missing parameter");
    const Buffer& buffer = found->second;
    const double end = static_cast<double>(buffer.first + buffer.readings.size()) - 1;
    if (*first < static_cast<double>(buffer.first) || *last > end || *first > *last)
      return error(-222, "Parameter data out of range");
    Words fields;
    for (auto i = static_cast<std::size_t>(*first); i <= static_cast<std::size_t>(*last); ++i) {
      const Reading& row = buffer.readings[i - buffer.first];
      for (std::size_t column = 3; column < arguments.size(); ++column) {
        const std::string what = upper(arguments[column]);
        if (what == "SOUR") fields.push_back(printed(row.source));
        if (what == "READ") fields.push_back(printed(row.reading));
        if (what == "REL") fields.push_back(printed((row.at - buffer.readings.front().at).count()));
      }
    }
    const std::string all = fmt::format("{}", fmt::join(fields, ","));
    if (machine.faults.dropped_data > 0) {
      --machine.faults.dropped_data;
      output += all.substr(0, all.size() / 2);
      in_session = false;
      return;
    }
    reply(all);
  }

  void answer_list() {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Block& b = blocks[i];
      if (b.kind == Block::Kind::measure)
        reply(fmt::format("{}) MEASURE  BUFFER: {}  COUNT: 1", i + 1, b.text));
      else
        reply(fmt::format("{}) BLOCK", i + 1));
    }
  }

  void read_once(const Words& arguments) {
    const auto found = buffers.find(arguments[0].empty() ? "defbuffer1" : unquoted(arguments[0]));
    if (running) return error(-221, "Settings conflict");
    if (found == buffers.end()) return error(-224, "Illegal parameter value");
    const Reading made = measure();
    keep(found->second, made);
    reply(printed(made.reading));
  }

  void query(const std::string& header, const Words& arguments) {
    if (!output.empty()) {
      output.clear();
      error(-410, "Query interrupted");
    }
    const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
    if (named("*IDN")) return reply(fmt::format("KEITHLEY INSTRUMENTS,MODEL {},{},1.7.12b", model, serial));
    if (named("*LANG")) return reply(machine.faults.language);
    if (named("*ESR")) return reply(std::to_string(std::exchange(event_status, 0)));
    if (named("*OPC")) return running ? void(opc_waits = true) : reply("1");
    if (named("SYSTem:ERRor")) {
      if (errors.empty()) return reply("0,\"No error;0;0 0\"");
      reply(errors.front());
      return errors.pop_front();
    }
    if (named("SYSTem:ERRor:COUNt")) return reply(std::to_string(errors.size()));
    if (named("OUTPut") || named("OUTPut:STATe")) return reply(output_is_on ? "1" : "0");
    if (named("SOURce:VOLTage:PROTection:TRIP")) return reply(tripped ? "1" : "0");
    if (named("TRIGger:STATe")) return reply(trigger_state());
    if (named("TRIGger:BLOCk:LIST")) return answer_list();
    if (named("READ")) return read_once(arguments);
    if (named("TRACe:DATA")) return answer_rows(arguments);
    const bool start = named("TRACe:ACTual:STARt"), end = named("TRACe:ACTual:END"),
               all = named("TRACe:ACTual");
    if (start || end || all) {
      const auto buffer = buffers.find(unquoted(arguments[0]));
      if (buffer == buffers.end()) return error(-224, "Illegal parameter value");
      const std::size_t count = buffer->second.readings.size(), first = buffer->second.first;
      return reply(std::to_string(all ? count : start ? (count ? first : 0) : count ? first + count - 1 : 0));
    }
    for (const Setting& setting : settings)
      if (matches(setting.header, header))
        return reply(setting.words.empty() ? printed(value(setting.header)) : values[setting.header]);
    error(-113, "Undefined header");
  }

  // ---- commands -------------------------------------------------------------------------------------------

  void command(const std::string& header, const Words& arguments) {
    const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
    if (named("*CLS")) return errors.clear(), void(event_status = 0);
    if (named("*RST")) return reset();
    if (named("*TRG")) return;
    if (named("SYSTem:CLEar")) return errors.clear();
    if (named("ABORt")) {
      aborted = aborted || running;
      return stop_model();
    }
    if (named("INITiate")) return initiate();
    if (named("OUTPut") || named("OUTPut:STATe")) {
      const std::string word = upper(arguments[0]);
      if (word != "ON" && word != "OFF" && word != "1" && word != "0")
        return error(-224, "Illegal parameter value");
      return switch_output(word == "ON" || word == "1");
    }
    if (named("TRIGger:LOAD")) {
      if (running) return error(-221, "Settings conflict");
      return blocks.clear();
    }
    if (header.starts_with("TRIG") && header.find(":BLOC") != std::string::npos)
      return define_block(header, arguments);
    if (header.starts_with("TRAC")) return buffer_command(header, arguments);
    for (const Setting& setting : settings)
      if (matches(setting.header, header)) return set(setting, arguments);
    error(-113, "Undefined header");
  }

  void buffer_command(const std::string& header, const Words& arguments) {
    if (running) return error(-221, "Settings conflict");
    if (matches("TRACe:MAKE", header)) {
      const auto size = arguments.size() == 2 ? number(arguments[1]) : std::nullopt;
      if (!size) return error(-109, "Missing parameter");
      if (*size < 10 || *size > static_cast<double>(most_readings))
        return error(-222, "Parameter data out of range");
      if (buffers.contains(unquoted(arguments[0]))) return error(1115, "Parameter error: buffer exists");
      buffers[unquoted(arguments[0])].capacity = static_cast<std::size_t>(*size);
      return;
    }
    const bool mode = matches("TRACe:FILL:MODE", header);
    const auto buffer = buffers.find(unquoted(mode && arguments.size() == 2 ? arguments[1] : arguments[0]));
    if (buffer == buffers.end()) return error(-224, "Illegal parameter value");
    if (mode)
      buffer->second.overwrites = upper(arguments[0]).starts_with("CONT");
    else if (matches("TRACe:CLEar", header))
      buffer->second.readings.clear();
    else if (matches("TRACe:DELete", header) && buffer->first != "defbuffer1")
      buffers.erase(buffer);
    else
      error(-113, "Undefined header");
  }

  /// In a line of several commands those before a bad one are carried out, those after it are not.
  void hear(const std::string& line) {
    for (const std::string& part : cut(line, ';')) {
      if (part.empty()) continue;
      const auto blank = std::min(part.find(' '), part.size());
      std::string header = upper(part.substr(0, blank));
      if (header.starts_with(':')) header.erase(0, 1);
      const Words arguments = cut(std::string_view(part).substr(blank), ',');
      const std::size_t before = errors.size();
      if (header.ends_with('?')) {
        header.pop_back();
        query(header, arguments);
      } else {
        command(header, arguments);
      }
      if (errors.size() > before) return;
    }
  }
};

ScpiMachine::ScpiMachine(std::string model, std::string serial, std::uint64_t seed)
    : state_(std::make_unique<State>(*this, std::move(model), std::move(serial), seed)) {}
ScpiMachine::~ScpiMachine() = default;

void ScpiMachine::connect(Cell* cell) {
  state_->cell = cell;
  state_->settle();
}

bool ScpiMachine::open_session() {
  if (state_->in_session || state_->hung) return false;
  state_->input.clear();
  state_->output.clear();
  return state_->in_session = true;
}

void ScpiMachine::close_session(bool cleanly) {
  state_->hung = state_->in_session && !cleanly;
  state_->in_session = false;
}

bool ScpiMachine::session() const { return state_->in_session; }
void ScpiMachine::knock_at_dead_socket() { state_->hung = state_->in_session = false; }

void ScpiMachine::receive(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\r') continue;
    if (c != '\n') {
      if (state_->input.size() < longest_line) state_->input += c;
      continue;
    }
    const std::string line = std::exchange(state_->input, {});
    state_->hear(line);
  }
}

std::string ScpiMachine::take_output() { return std::exchange(state_->output, {}); }
void ScpiMachine::advance(Seconds to) { state_->advance(to); }
Seconds ScpiMachine::now() const { return state_->now; }
bool ScpiMachine::output_on() const { return state_->output_is_on; }
bool ScpiMachine::running() const { return state_->running; }
Ampere ScpiMachine::current() const { return state_->flowing; }
std::size_t ScpiMachine::errors() const { return state_->errors.size(); }
std::uint64_t ScpiMachine::switched_on() const { return state_->switched_on; }

void ScpiMachine::power_cycle() {
  state_->reset();
  state_->errors.clear();
  state_->event_status = 0x80;
  state_->in_session = state_->hung = false;
  state_->input.clear();
  state_->output.clear();
  // The relay is open until the first setting: what NORMAL does to the cell begins when the unit is up again.
  state_->flowing = Ampere(0);
}

void ScpiMachine::interlock() {
  state_->stop_model();
  state_->switch_output(false);
}

void ScpiMachine::fill_errors() {
  for (std::size_t i = 0; i < queue_depth + 10; ++i) state_->error(-113, "Undefined header");
}

void ScpiMachine::set_ideal(bool ideal) { state_->meter.set_ideal(ideal); }

}  // namespace cambench::sim
