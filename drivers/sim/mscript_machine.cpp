#include "drivers/sim/mscript_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "drivers/sim/mscript_script.h"

namespace cambench::sim {
namespace {

using script::Instruction;
using script::Op;
using script::Operand;
using script::Script;
using script::Technique;
using script::Type;
using script::type;
using script::Value;

constexpr double never = std::numeric_limits<double>::infinity();

// Communication and runtime errors by the numbers of the manual's appendix.
enum Code : std::uint16_t {
  command_unknown = 0x0003,
  register_unknown = 0x0004,
  wrong_comm_mode = 0x0006,
  command_too_long = 0x0008,
  no_script = 0x000C,
  became_nan = 0x0010,
  ocp_with_cell_on = 0x0014,
  mode_unsupported = 0x0021,
  invalid_for_mode = 0x0023,
  file_error = 0x0026,
  file_exists = 0x0027,
  divided_by_zero = 0x0028,
  channel_missing = 0x002F,
  critical_overload = 0x0032,
  not_a_multi_device = 0x0048,
  timing_impossible = 0x005A,
  no_file_system = 0x0083,
  ranging_unsupported = 0x0084,
  file_not_found = 0x009F,
  script_too_large = 0x4005,
  array_index = 0x400F,
  packet_sequence = 0x401B,
  packet_too_long = 0x401C,
  bad_file_mode = 0x402D,
  no_counter_in_mode = 0x402E,
  needs_cell_on = 0x4027,
  needs_cell_off = 0x4028,
  needs_a_step = 0x4029,
  no_open_file = 0x403B,
  bad_output_mode = 0x403C,
  must_be_positive = 0x4204,
  out_of_bounds = 0x4205,
  not_on_this_instrument = 0x4206,
  mixed_number_kinds = 0x4207
};

namespace bits {  // of a packet's status field
constexpr std::uint8_t timing = 1, overload = 2, underload = 4, overload_warning = 8;
}

// Share of the nominal range where the EmStat4 warns.
constexpr double overload_share = 2.92, warning_share = 2.46, underload_share = 0.123, range_reach = 3.0;

constexpr std::size_t longest_line = 255, largest_script = 64 * 1024, storage_bytes = 8 * 1024 * 1024;
constexpr std::size_t unread_bytes = 4096, most_output = 1024 * 1024, most_in_packet = 40;
constexpr double abort_latency_s = 0.005;
constexpr int potential_range_id = 0x04;
constexpr std::string_view methodscript_version = "v01.09.00";

constexpr int off = 0, low_speed = 2, high_speed = 3, max_range = 4, galvanostat = 6;  // set_pgstat_mode

struct CurrentRange {
  int id;
  double nominal_A;
};
constexpr std::array emstat4_ranges{
    CurrentRange{0x03, 1e-9}, CurrentRange{0x06, 1e-8}, CurrentRange{0x09, 1e-7},
    CurrentRange{0x0C, 1e-6}, CurrentRange{0x0F, 1e-5}, CurrentRange{0x12, 1e-4},
    CurrentRange{0x15, 1e-3}, CurrentRange{0x18, 1e-2}, CurrentRange{0x1B, 1e-1}};
// Only 38/40 = 1 mA and 39/41 = 10 mA are documented; the rest continues that row.
constexpr std::array nexus_ranges{CurrentRange{32, 1e-9}, CurrentRange{33, 1e-8}, CurrentRange{34, 1e-7},
                                  CurrentRange{35, 1e-6}, CurrentRange{36, 1e-5}, CurrentRange{37, 1e-4},
                                  CurrentRange{38, 1e-3}, CurrentRange{39, 1e-2}, CurrentRange{42, 1e-1},
                                  CurrentRange{43, 1.0}};
constexpr std::array pico_ranges{
    CurrentRange{0, 1e-7},     CurrentRange{1, 1.95e-6},  CurrentRange{2, 3.91e-6}, CurrentRange{3, 7.81e-6},
    CurrentRange{4, 15.63e-6}, CurrentRange{5, 31.25e-6}, CurrentRange{6, 62.5e-6}, CurrentRange{7, 125e-6},
    CurrentRange{8, 250e-6},   CurrentRange{9, 500e-6},   CurrentRange{10, 1e-3},   CurrentRange{11, 5e-3}};

constexpr std::array emstat4_measures{type("ab"), type("ac"), type("ae"), type("ag"), type("as"), type("ba")};
constexpr std::array nexus_measures{type("ab"), type("ac"), type("ag"), type("as"), type("ah"),
                                    type("ai"), type("ba"), type("bb"), type("ed"), type("ef")};
constexpr std::array pico_measures{type("ab"), type("ac"), type("ae"), type("as"), type("ba")};

struct Inside {  // what the profile of a model does not show
  Profile profile;
  std::span<const CurrentRange> ranges;
  std::span<const Type> measures;
};

const Inside& inside(Model model) {
  static const std::array all{
      Inside{{"es4_hr1500#Mar 12 2026 14:28:01", "ES4HR", Volt(6), Ampere(0.2)},
             emstat4_ranges,
             emstat4_measures},
      Inside{{"es4_lr1500#Mar 12 2026 14:28:01", "ES4LR", Volt(3), Ampere(0.03)},
             std::span(emstat4_ranges).first<8>(),
             emstat4_measures},
      Inside{{"mes4hr1500#Mar 12 2026 14:28:01", "MES4HR", Volt(6), Ampere(0.2), true, true, true},
             emstat4_ranges,
             emstat4_measures},
      Inside{{"nexus11500#Mar 12 2026 14:28:01", "NEXUS", Volt(10), Ampere(1), true, true, false, true},
             nexus_ranges,
             nexus_measures},
      Inside{{"espico1304#Oct 22 2021 14:38:26", "ESPICO", Volt(2.2), Ampere(0.003), false, false},
             pico_ranges,
             pico_measures}};
  return all[static_cast<std::size_t>(model)];
}

/// 64 hex digits, the least significant bit last.
std::string bit_field(const std::vector<int>& set) {
  std::bitset<256> field;
  for (const int bit : set) field.set(static_cast<std::size_t>(bit));
  std::string hex;
  for (int digit = 63; digit >= 0; --digit) {
    unsigned nibble = 0;
    for (int bit = 3; bit >= 0; --bit)
      nibble = nibble << 1 | static_cast<unsigned>(field[static_cast<std::size_t>(4 * digit + bit)]);
    hex += "0123456789ABCDEF"[nibble];
  }
  return hex;
}

bool compares(double a, script::Compare how, double b) {
  using enum script::Compare;
  switch (how) {
    case equal: return a == b;
    case unequal: return a != b;
    case less: return a < b;
    case less_equal: return a <= b;
    case greater: return a > b;
    case greater_equal: return a >= b;
  }
  return false;
}

/// A fault that spoils some of the coming packets: `after` good ones, then `count` bad ones.
struct Spoiler {
  std::string name;
  long after = 0, count = 1;
  double amount = 0.0;
};

/// "key=value" settings of a fault, all numbers but `value` and `lead`.
class Settings {
 public:
  explicit Settings(const std::vector<std::string>& words) {
    for (const auto& word : words) {
      const auto equals = word.find('=');
      if (equals == std::string::npos)
        trouble_ = fmt::format("\"{}\" is not key=value", word);
      else
        values_[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  double number(const std::string& key, double otherwise) {
    const auto found = values_.find(key);
    if (found == values_.end()) return otherwise;
    double result = otherwise;
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(result))
      trouble_ = fmt::format("{}={} is not a number", key, text);
    return result;
  }
  std::string text(const std::string& key, const std::string& otherwise) {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
  }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  std::map<std::string, std::string> values_;
  std::string trouble_;
};

}  // namespace

const Profile& profile(Model model) { return inside(model).profile; }

struct MscriptMachine::State {
  State(MscriptMachine& owner, Model model, std::string its_serial, std::uint64_t seed)
      : me(owner), kind(inside(model)), serial(std::move(its_serial)), meter(seed_for(seed, "meter")) {
    Random random(seed_for(seed, "drive"));
    drive_gain = 1.0 + 2e-4 * (2.0 * random.uniform() - 1.0);
  }

  // --- what the instrument is and has -------------------------------------------------------------------------
  MscriptMachine& me;
  const Inside& kind;
  std::string serial;
  Meter meter;
  double drive_gain = 1.0;
  bool ideal = false;
  Cell* cell = nullptr;
  double now_s = 0.0, cell_s = 0.0;  // the cell lags behind until somebody looks or its drive changes

  // --- the analogue side --------------------------------------------------------------------------------------
  int mode = off;
  bool on = false;
  double set_A = 0.0, set_V = 0.0, flowing_A = 0.0;
  std::uint64_t switches = 0;
  std::optional<Extremes> extremes;
  const CurrentRange* current_range = nullptr;
  double auto_low_A = 0.0, auto_high_A = 0.0;  // autoranging when the second is not 0
  double potential_range_V = 0.0;

  // --- the digital side ---------------------------------------------------------------------------------------
  std::string input;
  bool input_too_long = false;
  struct Upload {
    char command = 'e';
    std::string text;
    int lines = 0, long_line = 0;
  };
  std::optional<Upload> upload;
  std::optional<Script> loaded, stored;  // in RAM, and in non-volatile memory
  std::string output;
  bool reader = true;
  std::map<std::string, std::string> files;
  double deaf_until_s = 0.0;

  struct Loop {
    bool measuring = false;
    int end = 0;  // pc of its loop_end or meas_end
  };
  struct Run {
    Script script;
    std::size_t pc = 0;
    std::vector<Value> variables;
    std::vector<std::vector<Value>> arrays;
    std::vector<Loop> loops;
    double ready_s = 0.0;  // the next command is carried out then
    double timer_s = 0.0, interval_s = 0.0, interval_due_s = 0.0;
    double loop_begin_s = 0.0, loop_interval_s = 0.0, loop_end_s = 0.0;
    long points = 0, points_done = 0;
    bool waited = false, finishing = false;
    double halted_s = never, abort_s = never, abort_loop_s = never;
    std::optional<std::string> packet;
    std::size_t in_packet = 0;
    bool metadata = true;
    int output_to = 1;
    std::string* file = nullptr;
  };
  std::optional<Run> run;

  // --- faults -------------------------------------------------------------------------------------------------
  std::vector<Spoiler> spoilers;
  double frozen_until_s = -1.0, mute_until_s = -1.0, lead_off_until_s = -1.0;
  char lead_off = ' ';  // 'r' reference, 'c' counter, 'w' working
  double slow_abort_s = 0.0;
  std::vector<std::pair<double, std::string>> delayed;  // replies that come late
  std::deque<std::string> last_packets;

  // --- time and the cell --------------------------------------------------------------------------------------
  void advance(double to_s, std::size_t commands) {
    while (run && commands > 0) {
      release_delayed();
      if (frozen() || run->halted_s != never || blocked()) break;
      const double next_s = std::max(now_s, std::min({run->ready_s, run->abort_s, run->abort_loop_s}));
      if (next_s > to_s) break;
      now_s = next_s;
      --commands;
      if (now_s >= run->abort_s)
        abort_script();
      else if (now_s >= run->abort_loop_s)
        abort_loop();
      else
        carry_out();
    }
    const bool behind = run && commands == 0;
    if (!behind) now_s = std::max(now_s, to_s);
    release_delayed();
  }

  void release_delayed() {
    std::erase_if(delayed, [&](const auto& reply) {
      if (reply.first > now_s) return false;
      say(reply.second);
      return true;
    });
  }

  [[nodiscard]] bool frozen() const { return now_s < frozen_until_s; }
  [[nodiscard]] bool blocked() const {
    return me.unsettled.unread_output_blocks && output.size() >= (reader ? most_output : unread_bytes);
  }
  [[nodiscard]] bool open_leads() const {
    return cell == nullptr || (now_s < lead_off_until_s && (lead_off == 'c' || lead_off == 'w'));
  }
  [[nodiscard]] bool no_reference() const { return now_s < lead_off_until_s && lead_off == 'r'; }

  /// Brings the cell to the instrument's time. Called before anything that drives or looks at it changes.
  void sync() {
    const Seconds passed(now_s - cell_s);
    cell_s = now_s;
    if (mode == galvanostat) drive();  // a lead may have come back
    if (!cell || passed.count() <= 0.0) return;
    if (on && !open_leads() && mode == galvanostat) {
      cell->hold_current(Ampere(flowing_A), passed);
    } else if (on && !open_leads()) {
      flowing_A = cell->hold_potential(Volt(set_V), reach(), passed).value();
    } else {
      cell->hold_current(Ampere(0.0), passed);
    }
    note_extremes();
  }

  void note_extremes() {
    if (!on || !cell) return;
    const Volt now = cell->leads(Ampere(flowing_A)).we_vs_re;
    if (!extremes) extremes = Extremes{now, now};
    extremes->lowest = std::min(extremes->lowest, now);
    extremes->highest = std::max(extremes->highest, now);
  }

  void drive() {  // after the set point, the mode or the switch changed
    flowing_A = 0.0;
    if (!on || open_leads()) return;
    if (mode == galvanostat) {
      flowing_A = set_A * (ideal ? 1.0 : drive_gain);
    } else {
      Cell at_once = *cell;
      flowing_A = at_once.hold_potential(Volt(set_V), reach(), Seconds(1e-3)).value();
    }
  }
  /// The largest current that the instrument drives in its present range, or the highest it may change to.
  [[nodiscard]] Ampere reach() const {
    const double nominal_A = auto_high_A > 0.0 ? range_for(auto_high_A).nominal_A : range().nominal_A;
    return Ampere(std::min(range_reach * nominal_A, kind.profile.max_current.value()));
  }
  void switch_cell(bool to) {
    sync();
    if (on != to) ++switches;
    on = to;
    drive();
    note_extremes();
  }

  [[nodiscard]] const CurrentRange& range() const {
    return current_range ? *current_range : kind.ranges.front();
  }
  [[nodiscard]] const CurrentRange& range_for(double amp) const {
    for (const auto& candidate : kind.ranges)
      if (std::abs(amp) <= candidate.nominal_A * (1.0 + 1e-9)) return candidate;
    return kind.ranges.back();
  }

  // --- measuring ----------------------------------------------------------------------------------------------
  [[nodiscard]] double true_potential(Type what) const {
    if (open_leads())
      return on ? (set_A < 0.0 ? -1.0 : 1.0) * (kind.profile.max_potential.value() + 1.5) : 0.0;
    const Leads leads = cell->leads(Ampere(flowing_A));
    const double we_re = no_reference() ? kind.profile.max_potential.value() * 1.05 : leads.we_vs_re.value();
    if (what == type("ag")) return leads.we_vs_ce.value();
    if (what == type("ac")) return -leads.we_vs_ce.value();  // the working electrode is at ground
    if (what == type("ae")) return -we_re;
    if (what == type("as") || what == type("ai")) return 0.0;
    return we_re;
  }

  Value measure(Type what) {
    sync();
    Value value;
    value.type = what;
    if (what == type("ba") || what == type("bb")) {
      const double truth = what == type("ba") ? flowing_A : 0.0;
      if (auto_high_A > 0.0) autorange(truth);
      const double nominal = range().nominal_A, share = std::abs(truth) / nominal;
      value.number = meter.current(Ampere(truth), Ampere(nominal)).value();
      value.range = static_cast<std::int16_t>(range().id);
      value.status = share > overload_share    ? bits::overload
                     : share > warning_share   ? bits::overload_warning
                     : share < underload_share ? bits::underload
                                               : 0;
    } else if (what == type("ed") || what == type("ef")) {
      value.number = 25.0;
      value.range = 0;
    } else {
      const double truth = true_potential(what), most = kind.profile.max_potential.value();
      const double full = potential_range_V > 0.0 ? potential_range_V : most;
      value.number = std::clamp(meter.potential(Volt(truth), Volt(full)).value(), -most, most);
      value.range = potential_range_id;
      if (std::abs(truth) > std::min(most, 1.1 * full)) value.status = bits::overload;
    }
    spoil(value);
    return value;
  }

  void autorange(double amp) {
    const double wanted = std::clamp(std::abs(amp) / warning_share, auto_low_A, auto_high_A);
    current_range = &range_for(wanted);
  }

  [[nodiscard]] bool overloaded() {
    if (take_spoiler("overload")) return true;
    if (!on) return false;
    if (open_leads() || (no_reference() && mode != galvanostat)) return true;
    return std::abs(cell->leads(Ampere(flowing_A)).we_vs_ce.value()) >
           kind.profile.max_potential.value() + 1.5;
  }

  // --- saying -------------------------------------------------------------------------------------------------
  /// A reply or a line of a run, to the host.
  void say(std::string_view line) {
    if (now_s < mute_until_s) return;
    if (!reader && !me.unsettled.unread_output_blocks) return;
    if (output.size() >= most_output) return;
    if (take_spoiler("xon")) output += "\x11\x13";
    output += line;
    if (!line.empty() && line.front() == 'P' && take_spoiler("merge")) return;
    output += '\n';
  }

  /// A line of a script's output, to the host, the open file, or both.
  void put(std::string line) {
    if (line == "*" && take_spoiler("no_star")) return;
    if (!line.empty() && line.front() == 'P') {
      if (take_spoiler("bad_hex")) line[std::min<std::size_t>(5, line.size() - 1)] = 'x';
      if (take_spoiler("truncate")) line.resize(line.size() / 2);
      last_packets.push_back(line);
      if (last_packets.size() > 8) last_packets.pop_front();
    }
    if ((run->output_to & 2) && run->file && stored_bytes() + line.size() < storage_bytes) {
      *run->file += line;
      *run->file += '\n';
    }
    if (run->output_to & 1) say(line);
  }

  [[nodiscard]] std::size_t stored_bytes() const {
    std::size_t sum = 0;
    for (const auto& [name, content] : files) sum += content.size();
    return sum;
  }

  void say_error(char command, Code code) {
    say(fmt::format("{}!{:04X}", command, static_cast<unsigned>(code)));
    deaf_until_s = now_s + me.unsettled.deaf_after_error_s;
  }

  // --- faults -------------------------------------------------------------------------------------------------
  /// Counts one opportunity for the fault; true when it strikes.
  bool take_spoiler(std::string_view name) { return take_amount(name).has_value(); }

  std::optional<double> take_amount(std::string_view name) {
    if (spoilers.empty()) return std::nullopt;
    const auto found = std::ranges::find(spoilers, name, &Spoiler::name);
    if (found == spoilers.end()) return std::nullopt;
    if (found->after > 0) {
      --found->after;
      return std::nullopt;
    }
    const double amount = found->amount;
    if (--found->count <= 0) spoilers.erase(found);
    return amount;
  }

  void spoil(Value& value) {
    if (spoilers.empty() || !run) return;
    if (value.type == type("ab")) {
      if (take_spoiler("nan")) value.number = std::numeric_limits<double>::quiet_NaN();
      if (const auto volt = take_amount("spike")) value.number += *volt;
    }
    if (const auto status = take_amount("bits")) value.status |= static_cast<std::uint8_t>(*status);
  }

  // --- the host's bytes ---------------------------------------------------------------------------------------
  void receive(std::string_view bytes) {
    for (const char c : bytes) {
      if (frozen() || now_s < deaf_until_s) continue;  // lost
      if (c == '\r' || c == '\x11' || c == '\x13') continue;
      if (c != '\n') {
        if (input.size() < longest_line)
          input += c;
        else
          input_too_long = true;
        continue;
      }
      const std::string line = std::exchange(input, {});
      take_line(line, std::exchange(input_too_long, false));
    }
  }

  void take_line(const std::string& line, bool too_long) {
    if (upload) {
      if (line.empty()) return finish_upload();
      ++upload->lines;
      if (too_long && upload->long_line == 0) upload->long_line = upload->lines;
      if (upload->text.size() <= largest_script) upload->text += line + '\n';
    } else if (too_long) {
      say_error(line[0], command_too_long);
    } else if (run) {
      command_during_run(line);
    } else {
      idle_command(line);
    }
  }

  void idle_command(const std::string& line) {
    const std::string_view name = std::string_view(line).substr(0, line.find(' '));
    const std::string argument = name.size() < line.size() ? line.substr(name.size() + 1) : std::string();
    if (line.empty())
      say("");
    else if (name == "e" || name == "l")
      upload = Upload{line[0], {}, 0, 0};
    else if (name == "r")
      loaded ? (say("r"), begin(*loaded)) : say_error('r', no_script);
    else if (name == "t")
      say_firmware();
    else if (name == "i")
      say("i" + serial);
    else if (name == "v")
      say(methodscript_version);
    else if (name == "m")
      kind.profile.multi_channel ? say("m" + serial) : say_error('m', not_a_multi_device);
    else if (name == "CC")
      say("C" + bit_field(communication_bits()));
    else if (name == "CM")
      say("C" + bit_field(script::capability_bits(dialect())));
    else if (name == "Fmscr")
      loaded ? (stored = loaded, say("F")) : say_error('F', no_script);
    else if (name == "Lmscr")
      stored ? (loaded = stored, say("L")) : say_error('L', no_script);
    else if (name.starts_with("fs_"))
      file_command(name, argument);
    else if (line[0] == 'G' || line[0] == 'S')
      say_error(line[0], register_unknown);
    else if (name == "Z" || name == "Y" || name == "h" || name == "H" || name == "R")
      say_error(line[0], wrong_comm_mode);
    else
      say_error(line[0], command_unknown);
  }

  void command_during_run(const std::string& line) {
    if (line.empty()) {
      if (me.unsettled.blank_answers_blank_running) say("");
    } else if (line == "t") {
      say_firmware();
    } else if (line == "Z") {
      const double ack_s = now_s + std::exchange(slow_abort_s, 0.0);
      ack_s > now_s ? delayed.emplace_back(ack_s, "Z"), void() : say("Z");
      resume();
      run->abort_s = next_stop(ack_s);
    } else if (line == "Y") {
      say("Y");
      resume();
      if (measuring_loop()) run->abort_loop_s = next_stop(now_s);
    } else if (line == "h") {
      say("h");
      if (run->halted_s == never) run->halted_s = now_s;
    } else if (line == "H") {
      say("H");
      resume();
    } else {
      say_error(line[0], wrong_comm_mode);
    }
  }

  [[nodiscard]] bool measuring_loop() const { return std::ranges::any_of(run->loops, &Loop::measuring); }
  [[nodiscard]] double next_stop(double from_s) const {
    const bool waits = me.unsettled.abort_waits_for_sample && measuring_loop();
    return std::max(from_s + abort_latency_s, waits ? run->ready_s : 0.0);
  }

  void resume() {  // a halted script goes on: everything it waits for comes that much later
    if (run->halted_s == never) return;
    const double lost_s = now_s - std::exchange(run->halted_s, never);
    run->ready_s += lost_s;
    run->loop_begin_s += lost_s;
    run->loop_end_s += lost_s;
    run->interval_due_s += lost_s;
  }

  void say_firmware() {
    say("t" + std::string(kind.profile.firmware));
    say("R*");
  }

  [[nodiscard]] script::Dialect dialect() const {
    return {kind.profile.galvanostat, kind.profile.storage, me.unsettled.knows_add_meas,
            kind.profile.cell_on_at_ocp, kind.measures};
  }
  [[nodiscard]] std::vector<int> communication_bits() const {
    std::vector<int> known{1, 32, 33, 34, 35, 36, 37, 38, 43, 44, 48, 49, 60, 96, 97, 98, 99};
    if (kind.profile.storage) known.insert(known.end(), {51, 52, 54, 55, 59});
    return known;
  }

  void finish_upload() {
    const Upload script = *std::exchange(upload, std::nullopt);
    const auto refuse = [&](unsigned code, int line, int column) {
      say(fmt::format("{}!{:04X}: Line {}, Col {}", script.command, code, line, column));
      deaf_until_s = now_s + me.unsettled.deaf_after_error_s;
    };
    if (script.long_line > 0) return refuse(command_too_long, script.long_line, longest_line + 1);
    if (script.text.size() > largest_script) return refuse(script_too_large, script.lines, 1);
    auto compiled = script::compile(script.text, dialect());
    if (!compiled) return refuse(compiled.error().code, compiled.error().line, compiled.error().column);
    loaded = std::move(*compiled);
    say(std::string(1, script.command));
    if (script.command == 'e') begin(*loaded);
  }

  // The replies' formats are not documented beyond their terminators (fs_dir an empty line, fs_get 0x1C, fs_info
  // "kB"); the rest is our own.
  void file_command(std::string_view name, const std::string& path) {
    if (!kind.profile.storage) return say_error('f', no_file_system);
    if (name == "fs_dir") {
      say("f");
      for (const auto& [file, content] : files)
        say(fmt::format("2026-01-01 00:00:00;FIL;{};{}", content.size(), file));
      say("");
    } else if (name == "fs_info") {
      say(fmt::format("f{} kB {} kB", stored_bytes() / 1024, storage_bytes / 1024));
    } else if (name == "fs_clear") {
      files.clear();
      say("f");
    } else if (name != "fs_get" && name != "fs_del") {
      say_error('f', command_unknown);
    } else if (const auto file = files.find(path.starts_with('/') ? path.substr(1) : path);
               file == files.end()) {
      say_error('f', file_not_found);
    } else if (name == "fs_get") {
      say("f" + file->second + "\x1c");
    } else {
      files.erase(file);
      say("f");
    }
  }

  // --- running a script ---------------------------------------------------------------------------------------
  void begin(const Script& script) {
    run.emplace();
    run->script = script;
    run->variables.resize(static_cast<std::size_t>(script.variables));
    for (const std::size_t length : script.arrays) run->arrays.emplace_back(length);
    run->ready_s = run->timer_s = now_s;
  }

  void end_run(bool blank) {
    run.reset();
    if (blank) say("");
  }

  void raise(Code code) {
    const int line = run->script.code[run->pc].line;
    say(fmt::format("!{:04X}: Line {}", static_cast<unsigned>(code), line));
    deaf_until_s = now_s + me.unsettled.deaf_after_error_s;
    if (me.unsettled.on_finished_after_error && !run->finishing) return jump_to_finish();
    end_run(me.unsettled.blank_after_error && !take_spoiler("no_blank"));
  }

  void jump_to_finish() {
    run->finishing = true;
    run->pc = static_cast<std::size_t>(run->script.finish);
    run->loops.clear();
    run->packet.reset();
    run->abort_s = run->abort_loop_s = never;
    run->waited = false;
    run->ready_s = now_s;
  }

  void close_loops() {
    for (auto loop = run->loops.rbegin(); loop != run->loops.rend(); ++loop) put(loop->measuring ? "*" : "+");
  }

  void abort_script() {
    close_loops();
    if (run->finishing) return end_run(true);
    jump_to_finish();
  }

  void abort_loop() {
    run->abort_loop_s = never;
    while (!run->loops.empty() && !run->loops.back().measuring) {
      put("+");
      run->loops.pop_back();
    }
    if (run->loops.empty()) return;
    run->packet.reset();
    run->waited = false;
    run->pc = static_cast<std::size_t>(run->loops.back().end);
    run->ready_s = now_s;
  }

  Value* place(const Operand& operand) {
    if (operand.kind == Operand::Kind::variable)
      return &run->variables[static_cast<std::size_t>(operand.slot)];
    auto& array = run->arrays[static_cast<std::size_t>(operand.slot)];
    const double index = operand.index_slot >= 0
                             ? run->variables[static_cast<std::size_t>(operand.index_slot)].number
                             : static_cast<double>(operand.index);
    if (!(index >= 0.0 && index < static_cast<double>(array.size()))) return nullptr;
    return &array[static_cast<std::size_t>(index)];
  }
  /// The value of an operand; nothing when an array index is out of bounds.
  std::optional<Value> value(const Operand& operand) {
    if (operand.kind == Operand::Kind::literal) return operand.literal;
    const Value* where = place(operand);
    return where ? std::optional(*where) : std::nullopt;
  }
  double number(const Operand& operand) {
    const auto found = value(operand);
    return found ? found->number : std::numeric_limits<double>::quiet_NaN();
  }

  /// One command. Afterwards either the next one is due one command time later, or the run has ended.
  void carry_out() {
    const Instruction& now = run->script.code[run->pc];
    const std::size_t before = run->pc;
    run->ready_s = now_s + me.command_s;
    const bool stays = dispatch(now);
    if (run && !stays && run->pc == before) ++run->pc;
  }

  /// True: the command is not done yet (ready_s says when to look again), failed, or has set pc itself.
  bool dispatch(const Instruction& i) {
    switch (i.op) {
      case Op::store: return assign(i, i.b, i.a, i.type);
      case Op::copy: return assign(i, i.a, i.b, 0);
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide: return arithmetic(i);
      case Op::alter_type:
      case Op::to_float:
      case Op::to_integer: return retype(i);
      case Op::mean: return mean(i);
      case Op::jump: return jump(i.target);
      case Op::jump_unless: return jump_unless(i);
      case Op::loop_begin: return enter_loop();
      case Op::loop_end:
      case Op::meas_end: return leave_loop(i);
      case Op::end: return end_run(true), true;
      case Op::abort: return abort_script(), true;
      case Op::wait: return wait(number(i.a));
      case Op::set_interval: return run->interval_s = number(i.a), run->interval_due_s = now_s, false;
      case Op::await_interval: return await_interval();
      case Op::timer_start: return run->timer_s = now_s, false;
      case Op::timer_get: return give(i.a, elapsed(run->timer_s));
      case Op::send_string: return put("T" + text(i.pieces)), false;
      case Op::script_output: return script_output(number(i.a));
      case Op::file_open: return open_file(i);
      case Op::file_close: return run->file = nullptr, false;
      case Op::pck_start: return start_packet(i);
      case Op::pck_add: return add_to_packet(i);
      case Op::pck_end: return end_packet();
      case Op::channel: return number(i.a) == 0.0 ? false : failed(channel_missing);
      case Op::mode: return set_mode(number(i.a));
      case Op::bandwidth: return number(i.a) > 0.0 ? false : failed(must_be_positive);
      case Op::settings: return false;
      case Op::range: return set_range(i.type, number(i.a), number(i.a));
      case Op::range_minmax: return set_range(i.type, number(i.a), number(i.b));
      case Op::autoranging: return set_autoranging(i.type, number(i.a), number(i.b));
      case Op::set_i: return set_current(number(i.a));
      case Op::set_e: return set_potential(number(i.a));
      case Op::cell_on: return mode == off ? failed(invalid_for_mode) : (switch_cell(true), false);
      case Op::cell_off: return switch_cell(false), false;
      case Op::measure: return measure_once(i);
      case Op::meas_begin: return begin_measuring(i);
      case Op::meas_next: return next_point(i);
    }
    return false;
  }

  bool failed(Code code) {
    raise(code);
    return true;
  }
  bool jump(int target) {
    run->pc = static_cast<std::size_t>(target);
    return true;
  }
  static Value elapsed_value(double seconds) { return {seconds, type("eb"), false, 0, -1}; }
  [[nodiscard]] Value elapsed(double since_s) const { return elapsed_value(now_s - since_s); }

  bool give(const Operand& into, const Value& what) {
    Value* where = place(into);
    if (!where) return failed(array_index);
    *where = what;
    return false;
  }

  bool assign(const Instruction&, const Operand& from, const Operand& into, Type as) {
    auto what = value(from);
    if (!what) return failed(array_index);
    if (as != 0) *what = Value{what->number, as, what->integer, 0, -1};
    return give(into, *what);
  }

  bool arithmetic(const Instruction& i) {
    Value* where = place(i.a);
    const auto by = value(i.b);
    if (!where || !by) return failed(array_index);
    if (where->integer != by->integer) return failed(mixed_number_kinds);
    if (i.op == Op::divide && by->number == 0.0) return failed(divided_by_zero);
    double result = i.op == Op::add        ? where->number + by->number
                    : i.op == Op::subtract ? where->number - by->number
                    : i.op == Op::multiply ? where->number * by->number
                                           : where->number / by->number;
    if (where->integer) result = std::trunc(result);
    if (!std::isfinite(result)) return failed(became_nan);
    where->number = result;
    return false;
  }

  bool retype(const Instruction& i) {
    Value* where = place(i.a);
    if (!where) return failed(array_index);
    if (i.op == Op::alter_type) where->type = i.type;
    if (i.op == Op::to_float) where->integer = false;
    if (i.op == Op::to_integer) *where = Value{std::trunc(where->number), where->type, true, 0, -1};
    return false;
  }

  bool mean(const Instruction& i) {
    const auto& array = run->arrays[static_cast<std::size_t>(i.a.slot)];
    Value result = array.front();
    result.number = 0.0;
    for (const Value& one : array) result.number += one.number / static_cast<double>(array.size());
    return give(i.b, result);
  }

  bool jump_unless(const Instruction& i) {
    const auto left = value(i.a), right = value(i.b);
    if (!left || !right) return failed(array_index);
    return compares(left->number, i.compare, right->number) ? false : jump(i.target);
  }

  bool enter_loop() {
    const Instruction& test = run->script.code[run->pc + 1];  // leaves to the loop's end
    run->loops.push_back({false, test.target});
    put("L");
    return false;
  }
  bool leave_loop(const Instruction& i) {
    if (!run->loops.empty()) run->loops.pop_back();
    put(i.op == Op::meas_end ? "*" : "+");
    return false;
  }

  bool wait(double seconds) {
    if (run->waited) return run->waited = false;
    if (!(seconds >= 0.0)) return failed(must_be_positive);
    run->waited = true;
    run->ready_s = now_s + seconds;
    return true;
  }
  bool await_interval() {
    if (run->waited) return run->waited = false;
    if (run->interval_s <= 0.0) return failed(must_be_positive);
    run->interval_due_s += run->interval_s;
    run->waited = true;
    run->ready_s = std::max(now_s, run->interval_due_s);
    return true;
  }

  std::string text(const std::vector<script::Piece>& pieces) {
    std::string result;
    for (const auto& piece : pieces) {
      result += piece.text;
      if (piece.value.kind == Operand::Kind::none) continue;
      const Value shown = value(piece.value).value_or(Value{});
      result += shown.integer ? fmt::format("{:.0f}", shown.number) : fmt::format("{:.6g}", shown.number);
    }
    return result;
  }

  bool script_output(double to) {
    if (to != 0.0 && to != 1.0 && to != 2.0 && to != 3.0) return failed(bad_output_mode);
    if (to >= 2.0 && !run->file) return failed(no_open_file);
    run->output_to = static_cast<int>(to);
    return false;
  }

  bool open_file(const Instruction& i) {  // modes: 0 overwrite, 1 append, 2 new (the only one with a counter)
    const double mode_number = number(i.a);
    std::string name = text(i.pieces);
    if (name.starts_with('/')) name.erase(0, 1);
    if (mode_number != 0.0 && mode_number != 1.0 && mode_number != 2.0) return failed(bad_file_mode);
    if (const auto counter = name.find("&i"); counter != std::string::npos) {
      if (mode_number != 2.0) return failed(no_counter_in_mode);
      std::string numbered;
      for (int n = 0; numbered.empty() || files.contains(numbered); ++n)
        numbered = fmt::format("{}{:04}{}", name.substr(0, counter), n, name.substr(counter + 2));
      name = numbered;
    }
    if (name.empty()) return failed(file_error);
    if (mode_number == 2.0 && files.contains(name)) return failed(file_exists);
    std::string& content = files[name];
    if (mode_number != 1.0) content.clear();
    if (content.empty()) content = std::string(methodscript_version) + "\n";
    run->file = &content;
    return false;
  }

  bool start_packet(const Instruction& i) {
    if (run->packet) return failed(packet_sequence);
    run->packet = "P";
    run->in_packet = 0;
    run->metadata = number(i.a) != 0.0;
    return false;
  }
  bool add_to_packet(const Instruction& i) {
    if (!run->packet) return failed(packet_sequence);
    if (++run->in_packet > most_in_packet) return failed(packet_too_long);
    auto what = value(i.a);
    if (!what) return failed(array_index);
    if (!run->metadata) what->range = -1;
    if (run->in_packet > 1) *run->packet += ';';
    script::append_value(*run->packet, *what, me.unsettled.zero_has_blank_prefix);
    return false;
  }
  bool end_packet() {
    if (!run->packet) return failed(packet_sequence);
    put(*std::exchange(run->packet, std::nullopt));
    return false;
  }

  // --- the cell's commands ------------------------------------------------------------------------------------
  bool set_mode(double wanted) {
    static constexpr std::array modes{off, low_speed, high_speed, max_range, galvanostat};
    const auto* const to = std::ranges::find(modes, wanted);
    if (to == modes.end() || (*to == galvanostat && !kind.profile.galvanostat))
      return failed(mode_unsupported);
    using ModeChange = Unsettled::ModeChange;
    if (on && me.unsettled.mode_change == ModeChange::refused) return failed(needs_cell_off);
    if (*to == off || me.unsettled.mode_change == ModeChange::opens_cell) switch_cell(false);
    sync();
    mode = *to;
    set_A = set_V = 0.0;
    current_range = nullptr;  // everything about ranges has to be said again
    auto_high_A = potential_range_V = 0.0;
    drive();
    return false;
  }

  bool set_range(Type of, double low, double high) {
    const double most = std::max(std::abs(low), std::abs(high));
    if (of == type("ba") || of == type("db")) {
      if (!(most <= kind.profile.max_current.value())) return failed(not_on_this_instrument);
      current_range = &range_for(most);
    } else if (of == type("ab") || of == type("da")) {
      if (!(most <= kind.profile.max_potential.value())) return failed(not_on_this_instrument);
      potential_range_V = most;
    } else {
      return failed(ranging_unsupported);
    }
    return false;
  }

  bool set_autoranging(Type of, double low, double high) {
    if (of == type("ba")) {
      auto_low_A = std::abs(low);
      auto_high_A = std::abs(high);
      return auto_low_A <= auto_high_A ? false : failed(out_of_bounds);
    }
    if (of == type("db")) return false;
    return set_range(of, low, high);  // a potential is measured in the widest range it may use
  }

  bool set_current(double amp) {
    if (mode != galvanostat) return failed(invalid_for_mode);
    if (!(std::abs(amp) <= reach().value())) return failed(out_of_bounds);
    sync();
    set_A = amp;
    drive();
    return false;
  }
  bool set_potential(double volt) {
    if (mode == galvanostat || mode == off) return failed(invalid_for_mode);
    if (!(std::abs(volt) <= kind.profile.max_potential.value())) return failed(out_of_bounds);
    sync();
    set_V = volt;
    drive();
    return false;
  }

  bool measure_once(const Instruction& i) {
    if (wait(number(i.a))) return true;
    return overloaded() ? failed(critical_overload) : give(i.b, measure(i.type));
  }

  bool begin_measuring(const Instruction& i) {
    const bool ocp = i.technique == Technique::ocp;
    if (ocp && on) return failed(ocp_with_cell_on);
    if (!ocp && (i.technique == Technique::cp) != (mode == galvanostat)) return failed(invalid_for_mode);
    if (!ocp && !on) return failed(needs_cell_on);
    const double interval_s = number(i.d), run_s = number(i.e);
    if (!(interval_s > 0.0) || !std::isfinite(run_s)) return failed(must_be_positive);
    if (interval_s < 1e-3) return failed(timing_impossible);
    const double points = std::floor(run_s / interval_s + 1e-9);
    if (!(points >= 1.0)) return failed(needs_a_step);
    if (!ocp && (i.technique == Technique::cp ? set_current(number(i.c)) : set_potential(number(i.c))))
      return true;
    run->loop_begin_s = now_s;
    run->loop_interval_s = interval_s;
    run->loop_end_s = now_s + run_s;
    run->points = static_cast<long>(std::min(points, 1e15));
    run->points_done = 0;
    run->loops.push_back({true, run->script.code[run->pc + 1].target});
    put(fmt::format("M{:04X}", static_cast<unsigned>(i.technique)));
    return false;
  }

  bool next_point(const Instruction& i) {
    Run& r = *run;
    const bool all_done = r.points_done == r.points;
    const double lead = me.unsettled.first_point_at_zero ? 0.0 : 1.0;
    const double due_s =
        all_done ? r.loop_end_s
                 : r.loop_begin_s + (static_cast<double>(r.points_done) + lead) * r.loop_interval_s;
    if (now_s < due_s) {
      r.ready_s = due_s;
      return true;
    }
    if (all_done) return jump(i.target);
    ++r.points_done;
    if (overloaded()) return failed(critical_overload);
    const bool late = now_s > due_s + 0.5 * r.loop_interval_s;
    return take_point(i, late);
  }

  bool take_point(const Instruction& i, bool late) {
    const auto with_timing = [late](Value measured) {
      if (late) measured.status |= bits::timing;
      return measured;
    };
    Value first = with_timing(measure(type("ab"))), second;
    if (i.technique == Technique::ca) {
      first = Value{set_V, type("da"), false, 0, -1};
      second = with_timing(measure(type("ba")));
    } else if (i.technique == Technique::cp) {
      second = me.unsettled.cp_reports_measured ? with_timing(measure(type("ba")))
                                                : Value{set_A, type("db"), false, 0, -1};
    }
    if (give(i.a, first)) return true;
    if (i.technique != Technique::ocp && give(i.b, second)) return true;
    for (const auto& extra : i.extras)
      if (give(extra.into, with_timing(measure(extra.what)))) return true;
    return i.time_into.kind != Operand::Kind::none && give(i.time_into, elapsed(run->loop_begin_s));
  }
};

MscriptMachine::MscriptMachine(Model model, std::string serial, std::uint64_t seed)
    : state_(std::make_unique<State>(*this, model, std::move(serial), seed)) {}
MscriptMachine::~MscriptMachine() = default;

void MscriptMachine::connect(Cell* cell) {
  state_->sync();
  state_->cell = cell;
  state_->drive();
}
void MscriptMachine::receive(std::string_view bytes) { state_->receive(bytes); }
void MscriptMachine::advance(Seconds to, std::size_t max_commands) {
  state_->advance(to.count(), max_commands);
}
Seconds MscriptMachine::now() const { return Seconds(state_->now_s); }
std::string MscriptMachine::take_output() { return std::exchange(state_->output, {}); }
void MscriptMachine::set_reader(bool present) { state_->reader = present; }
std::size_t MscriptMachine::waiting_output() const { return state_->output.size(); }
bool MscriptMachine::cell_on() const { return state_->on; }
std::uint64_t MscriptMachine::switches() const { return state_->switches; }
std::optional<MscriptMachine::Extremes> MscriptMachine::take_extremes() {
  state_->sync();
  return std::exchange(state_->extremes, std::nullopt);
}
bool MscriptMachine::running() const { return state_->run.has_value(); }
Ampere MscriptMachine::current() const { return Ampere(state_->flowing_A); }
const Profile& MscriptMachine::profile() const { return state_->kind.profile; }
const std::string& MscriptMachine::serial() const { return state_->serial; }

std::optional<Leads> MscriptMachine::leads() const {
  state_->sync();
  if (!state_->cell) return std::nullopt;
  return state_->cell->leads(Ampere(state_->flowing_A));
}

void MscriptMachine::set_ideal(bool ideal) {
  state_->ideal = ideal;
  state_->meter.set_ideal(ideal);
  if (ideal) command_s = 0.0;
}

void MscriptMachine::power_cycle() {
  State& s = *state_;
  s.switch_cell(false);
  s.run.reset();
  s.upload.reset();
  s.loaded.reset();
  s.input.clear();
  s.output.clear();
  s.delayed.clear();
  s.mode = off;
  s.set_A = s.set_V = 0.0;
  s.current_range = nullptr;
  s.auto_high_A = s.potential_range_V = 0.0;
  s.frozen_until_s = s.mute_until_s = -1.0;
  s.drive();
}

Result<void> MscriptMachine::settle(std::string_view name, double value) {
  static constexpr std::array<std::pair<std::string_view, bool Unsettled::*>, 9> switches{
      {{"on_finished_after_error", &Unsettled::on_finished_after_error},
       {"blank_after_error", &Unsettled::blank_after_error},
       {"knows_add_meas", &Unsettled::knows_add_meas},
       {"first_point_at_zero", &Unsettled::first_point_at_zero},
       {"cp_reports_measured", &Unsettled::cp_reports_measured},
       {"blank_answers_blank_running", &Unsettled::blank_answers_blank_running},
       {"abort_waits_for_sample", &Unsettled::abort_waits_for_sample},
       {"unread_output_blocks", &Unsettled::unread_output_blocks},
       {"zero_has_blank_prefix", &Unsettled::zero_has_blank_prefix}}};
  for (const auto& [known, member] : switches)
    if (known == name) return unsettled.*member = value != 0.0, Result<void>();
  if (name == "deaf_after_error_s") return unsettled.deaf_after_error_s = value, Result<void>();
  if (name == "mode_change" && (value == 0.0 || value == 1.0 || value == 2.0))
    return unsettled.mode_change = static_cast<Unsettled::ModeChange>(static_cast<int>(value)),
           Result<void>();
  std::string known = "mode_change (0 opens the cell, 1 keeps it, 2 is refused), deaf_after_error_s";
  for (const auto& [each, member] : switches) known += fmt::format(", {}", each);
  return fail(Fault::Kind::refused,
              fmt::format("nothing unsettled is called \"{}\"; there are {}", name, known));
}

std::string_view MscriptMachine::fault_names() {
  return "freeze [for=s]             the firmware hangs: no bytes, no script, the cell stays as it is\n"
         "mute [for=s]               output is lost, the script goes on\n"
         "power_cycle [banner=1]     RAM script lost, cell off; banner: stray bytes at start-up\n"
         "serial value=TEXT          answers with this serial number\n"
         "lead lead=re|ce|we [for=s] a lead is off\n"
         "slow_z [s=5]               the next Z is acknowledged late\n"
         "overload [after=n]         critical overload 0032 at a sample, cell left on\n"
         "bits status=n [after=n] [count=n]  status bits in measured values: 1 timing, 2 overload, 4 "
         "underload\n"
         "nan [after=n] [count=n]    the potential is not a number\n"
         "spike V=volt [after=n] [count=n]   the potential jumps\n"
         "bad_hex [after=n] [count=n]        a packet with a digit that is none\n"
         "truncate [after=n] [count=n]       half a packet\n"
         "merge [after=n] [count=n]          a packet without its line end\n"
         "xon [after=n] [count=n]    XON and XOFF bytes before a line\n"
         "no_star                    the next end of a measurement loop is not sent\n"
         "no_blank                   the empty line after the next runtime error is not sent\n"
         "late [count=n]             the last packets come again\n";
}

Result<void> MscriptMachine::fault(std::string_view name, const std::vector<std::string>& words) {
  State& s = *state_;
  Settings settings(words);
  const auto until = [&] { return s.now_s + settings.number("for", never); };
  const auto spoil = [&](double amount) {
    const double after = settings.number("after", 0.0), count = settings.number("count", 1.0);
    s.spoilers.push_back({std::string(name), static_cast<long>(std::clamp(after, 0.0, 1e9)),
                          static_cast<long>(std::clamp(count, 1.0, 1e9)), amount});
  };
  static constexpr std::array<std::string_view, 9> plain{
      "overload", "nan", "bad_hex", "truncate", "merge", "xon", "no_star", "no_blank", ""};
  if (name == "freeze") {
    s.frozen_until_s = until();
  } else if (name == "mute") {
    s.mute_until_s = until();
  } else if (name == "power_cycle") {
    power_cycle();
    if (settings.number("banner", 0.0) != 0.0) s.say("\x11");
  } else if (name == "serial") {
    s.serial = settings.text("value", "XXXX00B0000");
  } else if (name == "lead") {
    const std::string lead = settings.text("lead", "re");
    if (lead != "re" && lead != "ce" && lead != "we")
      return fail(Fault::Kind::refused, fmt::format("lead={} is none of re, ce, we", lead));
    s.sync();
    s.lead_off = lead[0];
    s.lead_off_until_s = until();
    s.drive();
  } else if (name == "slow_z") {
    s.slow_abort_s = std::max(0.0, settings.number("s", 5.0));
  } else if (name == "bits") {
    spoil(settings.number("status", 2.0));
  } else if (name == "spike") {
    spoil(settings.number("V", 0.5));
  } else if (name == "late") {
    const auto count = static_cast<std::size_t>(std::clamp(settings.number("count", 3.0), 0.0, 8.0));
    const std::size_t have = s.last_packets.size();
    for (std::size_t i = have - std::min(have, count); i < have; ++i) s.say(s.last_packets[i]);
  } else if (!name.empty() && std::ranges::find(plain, name) != plain.end()) {
    spoil(0.0);
  } else {
    return fail(Fault::Kind::refused, fmt::format("no fault \"{}\"; there are:\n{}", name, fault_names()));
  }
  if (!settings.trouble().empty()) return fail(Fault::Kind::refused, settings.trouble());
  return {};
}

void MscriptMachine::clear_faults() {
  State& s = *state_;
  s.sync();
  s.spoilers.clear();
  s.frozen_until_s = s.mute_until_s = s.lead_off_until_s = -1.0;
  s.slow_abort_s = 0.0;
  s.drive();
}

}  // namespace cambench::sim
