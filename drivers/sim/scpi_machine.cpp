#include "drivers/sim/scpi_machine.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "drivers/sim/scpi_trigger.h"

namespace cambench::sim {

using namespace scpi;

namespace {

constexpr std::size_t longest_line = 4096, most_readings = 2'500'000;
constexpr unsigned power_on = 0x80;

}  // namespace

struct ScpiMachine::State {
  ScpiMachine& machine;
  std::string model, serial;
  Seconds now{0};

  bool in_session = false, hung = false;
  std::string input, output;
  bool opc_waits = false;

  Settings settings;
  Events events;
  Buffers buffers;
  Output source;
  TriggerModel trigger;
  unsigned event_status = power_on;

  State(ScpiMachine& m, std::string model_name, std::string serial_number, std::uint64_t seed)
      : machine(m),
        model(std::move(model_name)),
        serial(std::move(serial_number)),
        source(seed, settings, machine.faults),
        trigger(settings, machine.faults, source, buffers, events) {
    reset();
  }

  /// As *RST does.
  void reset() {
    settings.reset();
    buffers.clear();
    buffers["defbuffer1"].overwrites = true;
    trigger.load_empty();
    opc_waits = false;
    source.power_up();
  }

  void power_cycle() {
    reset();
    events.clear();
    event_status = power_on;
    in_session = hung = false;
    input.clear();
    output.clear();
  }

  void error(int code, std::string_view text) { events.error(code, text); }

  // ---- time -----------------------------------------------------------------------------------------------

  void advance(Seconds to) {
    trigger.run(now, to);
    answer_opc();
    if (now >= to) return;
    const Seconds time = to - now;
    now = to;
    if (!source.age(time)) stop_trigger();
  }

  void stop_trigger() {
    trigger.stop();
    answer_opc();
  }

  void answer_opc() {
    if (opc_waits && !trigger.running()) opc_waits = false, reply("1");
  }

  Reading measure() {
    const Seconds time = settings.measuring_time();
    now += time;
    source.age(time);
    return source.read(now);
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

  void query(const std::string& header, const Words& arguments) {
    if (!output.empty()) {
      output.clear();
      error(-410, "Query interrupted");
    }
    const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
    if (header.starts_with('*')) return common_query(header);
    if (named("SYSTem:ERRor")) return reply(events.next_error());
    if (named("SYSTem:EVENtlog:NEXT")) return reply(events.next_event());
    if (named("SYSTem:ERRor:COUNt")) return reply(std::to_string(events.errors()));
    if (named("OUTPut") || named("OUTPut:STATe")) return reply(source.on() ? "1" : "0");
    if (named("SOURce:VOLTage:PROTection:TRIP")) return reply(source.tripped() ? "1" : "0");
    if (named("SOURce:VOLTage:ILIMit:TRIP") || named("SOURce:CURRent:VLIMit:TRIP"))
      return reply(source.limited() ? "1" : "0");
    if (named("TRIGger:STATe")) return reply(trigger.state());
    if (named("TRIGger:BLOCk:LIST")) {
      for (const std::string& line : trigger.list()) reply(line);
      return;
    }
    if (named("READ")) return read_once(arguments);
    if (named("TRACe:DATA")) return answer_rows(arguments);
    if (header.starts_with("TRAC")) return buffer_query(header, arguments);
    if (const auto name = Settings::named(header); !name.empty()) return reply(settings.shown(name));
    error(-113, "Undefined header");
  }

  void common_query(const std::string& header) {
    if (header == "*IDN")
      return reply(fmt::format("KEITHLEY INSTRUMENTS,MODEL {},{},1.7.12b", model, serial));
    if (header == "*LANG") return reply(machine.faults.language);
    if (header == "*ESR") return reply(std::to_string(std::exchange(event_status, 0)));
    if (header != "*OPC") return error(-113, "Undefined header");
    opc_waits = true;  // blocks until the trigger model has ended
    answer_opc();
  }

  void buffer_query(const std::string& header, const Words& arguments) {
    const bool start = matches("TRACe:ACTual:STARt", header), end = matches("TRACe:ACTual:END", header);
    if (!start && !end && !matches("TRACe:ACTual", header)) return error(-113, "Undefined header");
    const auto buffer = buffers.find(unquoted(arguments[0]));
    if (buffer == buffers.end()) return error(-224, "Illegal parameter value");
    const std::size_t count = buffer->second.readings.size(), first = buffer->second.first;
    if (start) return reply(std::to_string(count > 0 ? first : 0));
    if (end) return reply(std::to_string(count > 0 ? first + count - 1 : 0));
    reply(std::to_string(count));
  }

  void answer_rows(const Words& arguments) {
    const auto found = buffers.find(arguments.size() > 2 ? unquoted(arguments[2]) : "");
    const auto first = arguments.size() > 2 ? number(arguments[0]) : std::nullopt;
    const auto last = arguments.size() > 2 ? number(arguments[1]) : std::nullopt;
    if (found == buffers.end() || !first || !last) return error(-109, "Missing parameter");
    const Buffer& buffer = found->second;
    const double end = static_cast<double>(buffer.first + buffer.readings.size()) - 1;
    if (*first < static_cast<double>(buffer.first) || *last > end || *first > *last)
      return error(-222, "Parameter data out of range");
    Words fields;
    for (auto i = static_cast<std::size_t>(*first); i <= static_cast<std::size_t>(*last); ++i)
      for (std::size_t column = 3; column < arguments.size(); ++column) {
        const Reading& row = buffer.readings[i - buffer.first];
        const std::string what = upper(arguments[column]);
        const bool known = what == "SOUR" || what == "READ" || what == "REL";
        if (!known) return error(-224, "Illegal parameter value");
        fields.push_back(printed(what == "SOUR"   ? row.source
                                 : what == "READ" ? row.reading
                                                  : (row.at - buffer.readings.front().at).count()));
      }
    const std::string all = fmt::format("{}", fmt::join(fields, ","));
    if (machine.faults.dropped_data == 0) return reply(all);
    --machine.faults.dropped_data;
    output += all.substr(0, all.size() / 2);
    in_session = false;
  }

  void read_once(const Words& arguments) {
    const auto found = buffers.find(arguments[0].empty() ? "defbuffer1" : unquoted(arguments[0]));
    if (trigger.running()) return error(-221, "Settings conflict");
    if (found == buffers.end()) return error(-224, "Illegal parameter value");
    const Reading made = measure();
    found->second.keep(made);
    reply(printed(made.reading));
  }

  // ---- commands -------------------------------------------------------------------------------------------

  void command(const std::string& header, const Words& arguments) {
    const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
    if (named("*CLS")) return events.clear(), void(event_status = 0);
    if (named("*RST")) return reset();
    if (named("*TRG")) return trigger.triggered();
    if (named("SYSTem:CLEar")) return events.clear();
    if (named("ABORt")) return trigger.abort(), answer_opc();
    if (named("INITiate")) return trigger.initiate(now);
    if (named("OUTPut") || named("OUTPut:STATe")) return switch_output(upper(arguments[0]));
    if (trigger.running()) return error(-221, "Settings conflict");
    if (named("TRIGger:LOAD")) return trigger.load_empty();
    if (header.starts_with("TRIG") && header.find(":BLOC") != std::string::npos)
      return trigger.define(header, arguments);
    if (header.starts_with("TRAC")) return buffer_command(header, arguments);
    if (const auto name = Settings::named(header); !name.empty()) return set(name, arguments);
    error(-113, "Undefined header");
  }

  void switch_output(const std::string& word) {
    if (word != "ON" && word != "OFF" && word != "1" && word != "0")
      return error(-224, "Illegal parameter value");
    source.switch_to(word == "ON" || word == "1");
  }

  void set(std::string_view name, const Words& arguments) {
    const bool by_voltage = settings.sources_voltage();
    if (!settings.set(name, arguments, events) || by_voltage == settings.sources_voltage()) return;
    source.switch_to(false);  // another source function
  }

  void buffer_command(const std::string& header, const Words& arguments) {
    if (matches("TRACe:MAKE", header)) return make_buffer(arguments);
    const bool mode = matches("TRACe:FILL:MODE", header);
    const auto buffer = buffers.find(unquoted(mode && arguments.size() == 2 ? arguments[1] : arguments[0]));
    if (buffer == buffers.end()) return error(-224, "Illegal parameter value");
    if (mode)
      buffer->second.overwrites = upper(arguments[0]).starts_with("CONT");
    else if (matches("TRACe:CLEar", header))
      buffer->second.clear();
    else if (matches("TRACe:DELete", header) && buffer->first != "defbuffer1")
      buffers.erase(buffer);
    else
      error(-113, "Undefined header");
  }

  void make_buffer(const Words& arguments) {
    const auto size = arguments.size() == 2 ? number(arguments[1]) : std::nullopt;
    if (!size) return error(-109, "Missing parameter");
    if (*size < 10 || *size > static_cast<double>(most_readings))
      return error(-222, "Parameter data out of range");
    if (buffers.contains(unquoted(arguments[0]))) return error(1115, "Parameter error: buffer exists");
    buffers[unquoted(arguments[0])].capacity = static_cast<std::size_t>(*size);
  }

  /// In a line of several commands those before a bad one are carried out, those after it are not.
  void hear(const std::string& line) {
    for (const std::string& part : cut(line, ';')) {
      if (part.empty()) continue;
      const auto blank = std::min(part.find(' '), part.size());
      std::string header = upper(part.substr(0, blank));
      if (header.starts_with(':')) header.erase(0, 1);
      const Words arguments = cut(std::string_view(part).substr(blank), ',');
      const std::size_t before = events.errors_so_far();
      if (header.ends_with('?')) {
        header.pop_back();
        query(header, arguments);
      } else {
        command(header, arguments);
      }
      if (events.errors_so_far() > before) return;
    }
  }
};

ScpiMachine::ScpiMachine(std::string model, std::string serial, std::uint64_t seed)
    : state_(std::make_unique<State>(*this, std::move(model), std::move(serial), seed)) {}
ScpiMachine::~ScpiMachine() = default;

void ScpiMachine::connect(Cell* cell) { state_->source.connect(cell); }

// ---- the session ------------------------------------------------------------------------------------------

bool ScpiMachine::open_session() {
  if (state_->in_session || state_->hung) return false;
  state_->input.clear();
  state_->output.clear();
  return state_->in_session = true;
}

void ScpiMachine::close_session(bool cleanly) {
  state_->hung = state_->hung || (state_->in_session && !cleanly);
  state_->in_session = false;
}

bool ScpiMachine::session() const { return state_->in_session; }
void ScpiMachine::knock_at_dead_socket() { state_->hung = state_->in_session = false; }

void ScpiMachine::host(bool connected) {
  if (connected)
    open_session();
  else
    close_session(!faults.hangs);
}

void ScpiMachine::receive(std::string_view bytes) {
  if (!state_->in_session) return;
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
std::size_t ScpiMachine::waiting_output() const { return state_->output.size(); }

std::string ScpiMachine::read_message() {
  if (state_->output.empty()) state_->error(-420, "Query UNTERMINATED");
  return take_output();
}

void ScpiMachine::advance(Seconds to) { state_->advance(to); }
Seconds ScpiMachine::now() const { return state_->now; }

// ---- the truth --------------------------------------------------------------------------------------------

std::string_view ScpiMachine::model_name() const { return state_->model; }
const std::string& ScpiMachine::serial() const { return state_->serial; }
bool ScpiMachine::output_on() const { return state_->source.on(); }
bool ScpiMachine::running() const { return state_->trigger.running(); }
Ampere ScpiMachine::current() const { return state_->source.current(); }
std::optional<Leads> ScpiMachine::leads() const { return state_->source.leads(); }
std::uint64_t ScpiMachine::switches() const { return state_->source.switches(); }
std::optional<Extremes> ScpiMachine::take_extremes() { return state_->source.take_extremes(); }
std::size_t ScpiMachine::errors() const { return state_->events.errors(); }
std::uint64_t ScpiMachine::switched_on() const { return state_->source.switched_on(); }

// ---- faults -----------------------------------------------------------------------------------------------

void ScpiMachine::power_cycle() { state_->power_cycle(); }

void ScpiMachine::interlock() {
  state_->events.info("Output interlock or over-temperature: the output was turned off");
  state_->source.switch_to(false);
  state_->stop_trigger();
}

void ScpiMachine::fill_errors() {
  for (std::size_t i = 0; i < Events::depth + 10; ++i) state_->error(-113, "Undefined header");
}

void ScpiMachine::set_ideal(bool ideal) { state_->source.set_ideal(ideal); }

std::string_view ScpiMachine::fault_names() {
  return "half_reply [count=n]       half of an answer comes, then nothing\n"
         "drop_data [count=n]        the connection ends within an answer to :TRAC:DATA?\n"
         "no_value [count=n]         a reading is 9.9E37\n"
         "deaf [value=0]             no answers at all\n"
         "hangs [value=0]            the session of a host that goes stays, until the dead-socket port is "
         "opened\n"
         "second_client              another host has the only session\n"
         "sense_open [rails=1]       a sense lead is off: the potential reads 0, or the rail\n"
         "swapped [value=0]          WE is on the low leads\n"
         "protection                 the output protection trips\n"
         "interlock                  the output goes off by itself\n"
         "errors                     the error queue is full\n"
         "buffer_full                no buffer takes another reading\n"
         "slow_meter [share=1]       measurements take longer, by a share of themselves\n"
         "language value=TSP         another command language\n"
         "serial value=TEXT          answers with this serial number\n";
}

namespace {

std::string text_of(const std::vector<std::string>& words, std::string_view key, std::string otherwise) {
  for (const std::string& word : words)
    if (word.starts_with(key) && word.substr(key.size()).starts_with('=')) return word.substr(key.size() + 1);
  return otherwise;
}

}  // namespace

Result<void> ScpiMachine::fault(std::string_view name, const std::vector<std::string>& words) {
  State& s = *state_;
  const auto of = [&](std::string_view key, double otherwise) {
    return number(text_of(words, key, "")).value_or(otherwise);
  };
  const int count = static_cast<int>(std::clamp(of("count", 1), 0.0, 1e9));
  const bool on = of("value", 1) != 0;
  if (name == "half_reply") {
    faults.half_replies = count;
  } else if (name == "drop_data") {
    faults.dropped_data = count;
  } else if (name == "no_value") {
    faults.no_values = count;
  } else if (name == "deaf") {
    faults.deaf = on;
  } else if (name == "hangs") {
    faults.hangs = on;
  } else if (name == "second_client") {
    s.in_session = false;
    s.hung = true;
  } else if (name == "sense_open") {
    faults.sense_open = on;
    faults.open_sense_rails = of("rails", 0) != 0;
  } else if (name == "swapped") {
    faults.swapped = on;
  } else if (name == "protection") {
    s.source.trip();
    s.stop_trigger();
  } else if (name == "interlock") {
    interlock();
  } else if (name == "errors") {
    fill_errors();
  } else if (name == "buffer_full") {
    for (auto& [each, buffer] : s.buffers) buffer.capacity = buffer.readings.size();
  } else if (name == "slow_meter") {
    faults.slow_meter = of("share", 1);
  } else if (name == "language") {
    faults.language = text_of(words, "value", "TSP");
  } else if (name == "serial") {
    s.serial = text_of(words, "value", "00000000");
  } else {
    return fail(Fault::Kind::refused,
                fmt::format("no fault is called \"{}\"; there are\n{}", name, fault_names()));
  }
  return {};
}

Result<void> ScpiMachine::settle(std::string_view name, double value) {
  if (name == "limits_swapped")
    faults.limits_not_swapped = value == 0;
  else if (name == "readback")
    faults.readback = std::max(0.0, value);
  else
    return fail(Fault::Kind::refused,
                fmt::format("nothing unsettled is called \"{}\"; there are limits_swapped (0, 1) and "
                            "readback (what it costs, in measurements)",
                            name));
  return {};
}

}  // namespace cambench::sim
