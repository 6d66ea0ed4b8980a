#include "drivers/sim/mscript_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <utility>

#include "drivers/sim/mscript_run.h"
#include "drivers/sim/mscript_script.h"

namespace cambench::sim {
namespace {

constexpr double never = ScriptRun::never;
constexpr std::size_t longest_line = 255, largest_script = 64 * 1024;
constexpr std::size_t unread_bytes = 4096, most_output = 1024 * 1024, packets_kept = 8;

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

/// "ab8387520u" becomes "ab8000E74m": another prefix, and the number as near as it can then be.
void coarsen_potential(std::string& packet) {
  constexpr std::string_view prefixes = "afpnum kMGTPE";
  constexpr double middle = 0x8000000;
  const auto at = packet.find("ab");
  if (at == std::string::npos || packet.size() < at + 10) return;
  const auto prefix = prefixes.find(packet[at + 9]);
  if (prefix == std::string_view::npos || prefix + 1 == prefixes.size()) return;
  const double counts =
      static_cast<double>(std::strtoul(packet.substr(at + 2, 7).c_str(), nullptr, 16)) - middle;
  const auto coarse = static_cast<unsigned>(std::lround(counts / 1000) + std::lround(middle));
  packet.replace(at + 2, 8, fmt::format("{:07X}{}", coarse, prefixes[prefix + 1]));
}

/// "key=value" settings of a fault.
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
  [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
  }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  std::map<std::string, std::string> values_;
  std::string trouble_;
};

}  // namespace

struct MscriptMachine::State {
  State(MscriptMachine& owner, Model its_model, std::string its_serial, std::uint64_t seed)
      : me(owner), model(its_model), serial(std::move(its_serial)), front(its_model, seed, spoilers) {}

  MscriptMachine& me;
  Model model;
  std::string serial;
  Spoilers spoilers;
  FrontEnd front;
  double now_s = 0.0;

  std::string input;
  bool input_too_long = false;
  struct Upload {
    char command = 'e';
    std::string text;
    int lines = 0, long_line = 0;
  };
  std::optional<Upload> upload;
  std::optional<script::Script> loaded, stored;  // in RAM, and in non-volatile memory
  std::optional<ScriptRun> run;
  Storage storage;

  std::string output;
  bool reader = true;
  double deaf_until_s = 0.0, frozen_until_s = -1.0, mute_until_s = -1.0;
  double slow_abort_s = 0.0;
  std::vector<std::pair<double, std::string>> delayed;  // replies that come late
  std::deque<std::string> last_packets;

  // --- time ---------------------------------------------------------------------------------------------------
  void set_clock(double to_s) {
    now_s = std::max(now_s, to_s);
    front.set_clock(now_s);
    std::erase_if(delayed, [&](const auto& reply) {
      if (reply.first > now_s) return false;
      say(reply.second);
      return true;
    });
  }

  void advance(double to_s, std::size_t commands) {
    while (run && !frozen() && !blocked() && run->due_s() <= to_s) {
      if (commands-- == 0) return;  // behind; the next call goes on from here
      set_clock(run->due_s());
      run->step(now_s, me.command_s);
      if (run->ended()) end_run();
    }
    set_clock(to_s);
  }

  [[nodiscard]] bool frozen() const { return now_s < frozen_until_s; }
  [[nodiscard]] bool blocked() const {
    return me.unsettled.unread_output_blocks && output.size() >= (reader ? most_output : unread_bytes);
  }

  void begin() {
    run.emplace(
        *loaded,
        ScriptRun::Surroundings{front, storage, me.unsettled, [this](std::string_view line) { say(line); },
                                [this](Error error, int line) {
                                  say(fmt::format("!{:04X}: Line {}", static_cast<unsigned>(error), line));
                                  go_deaf();
                                }},
        now_s);
  }

  void end_run() {
    const bool blank =
        !run->ended_in_error() || (me.unsettled.blank_after_error && !spoilers.strikes("no_blank"));
    run.reset();
    if (blank) say("");
  }

  // --- saying -------------------------------------------------------------------------------------------------
  void say(std::string_view line) {
    if (now_s < mute_until_s || output.size() >= most_output) return;
    if (!reader && !me.unsettled.unread_output_blocks) return;
    if (spoilers.strikes("xon")) output += "\x11\x13";
    if (line.starts_with('P')) return say_packet(std::string(line));
    if (line == "*" && spoilers.strikes("no_star")) return;
    output += line;
    output += '\n';
  }

  void say_packet(std::string line) {
    last_packets.push_back(line);
    if (last_packets.size() > packets_kept) last_packets.pop_front();
    if (spoilers.strikes("prefix")) coarsen_potential(line);
    if (spoilers.strikes("bad_hex")) line[std::min<std::size_t>(5, line.size() - 1)] = 'x';
    if (spoilers.strikes("truncate")) line.resize(line.size() / 2);
    output += line;
    if (!spoilers.strikes("merge")) output += '\n';
  }

  void say_error(char command, Error error) {
    say(fmt::format("{}!{:04X}", command, static_cast<unsigned>(error)));
    go_deaf();
  }
  void go_deaf() { deaf_until_s = now_s + me.unsettled.deaf_after_error_s; }

  // --- hearing ------------------------------------------------------------------------------------------------
  void receive(std::string_view bytes) {
    for (const char c : bytes) {
      if (frozen() || now_s < deaf_until_s) continue;  // lost
      if (c == '\r' || c == '\x11' || c == '\x13') continue;
      if (c == '\n') {
        const std::string line = std::exchange(input, {});
        take_line(line, std::exchange(input_too_long, false));
      } else if (input.size() < longest_line) {
        input += c;
      } else {
        input_too_long = true;
      }
    }
  }

  void take_line(const std::string& line, bool too_long) {
    if (upload) return line.empty() ? finish_upload() : add_to_upload(line, too_long);
    if (too_long) return say_error(line[0], Error::command_too_long);
    if (run) return command_during_run(line);
    idle_command(line);
  }

  void add_to_upload(const std::string& line, bool too_long) {
    ++upload->lines;
    if (too_long && upload->long_line == 0) upload->long_line = upload->lines;
    if (upload->text.size() <= largest_script) upload->text += line + '\n';
  }

  void finish_upload() {
    const Upload script = *std::exchange(upload, std::nullopt);
    const auto refuse = [&](unsigned code, int line, int column) {
      say(fmt::format("{}!{:04X}: Line {}, Col {}", script.command, code, line, column));
      go_deaf();
    };
    if (script.long_line > 0)
      return refuse(static_cast<unsigned>(Error::command_too_long), script.long_line, longest_line + 1);
    if (script.text.size() > largest_script)
      return refuse(static_cast<unsigned>(Error::script_too_large), script.lines, 1);
    auto compiled = script::compile(script.text, dialect());
    if (!compiled) return refuse(compiled.error().code, compiled.error().line, compiled.error().column);
    loaded = std::move(*compiled);
    say(std::string(1, script.command));
    if (script.command == 'e') begin();
  }

  [[nodiscard]] script::Dialect dialect() const {
    const Profile& kind = sim::profile(model);
    return {kind.galvanostat, kind.storage, me.unsettled.knows_add_meas, kind.cell_on_at_ocp,
            measurable(model)};
  }

  void idle_command(const std::string& line) {
    const std::string_view name = std::string_view(line).substr(0, line.find(' '));
    if (line.empty())
      say("");
    else if (name == "e" || name == "l")
      upload = Upload{line[0], {}, 0, 0};
    else if (name == "r")
      loaded ? (say("r"), begin()) : say_error('r', Error::no_script);
    else if (name == "t")
      say_firmware();
    else if (name == "i")
      say("i" + serial);
    else if (name == "v")
      say(methodscript_version);
    else if (name == "m")
      sim::profile(model).multi_channel ? say("m" + serial) : say_error('m', Error::not_a_multi_device);
    else if (name == "CC")
      say("C" + bit_field(communication_bits()));
    else if (name == "CM")
      say("C" + bit_field(script::capability_bits(dialect())));
    else if (name == "Fmscr")
      loaded ? (stored = loaded, say("F")) : say_error('F', Error::no_script);
    else if (name == "Lmscr")
      stored ? (loaded = stored, say("L")) : say_error('L', Error::no_script);
    else if (name.starts_with("fs_"))
      file_command(name, name.size() < line.size() ? line.substr(name.size() + 1) : std::string());
    else if (line[0] == 'G' || line[0] == 'S')
      say_error(line[0], Error::register_unknown);
    else if (name == "Z" || name == "Y" || name == "h" || name == "H" || name == "R")
      say_error(line[0], Error::wrong_comm_mode);
    else
      say_error(line[0], Error::command_unknown);
  }

  void command_during_run(const std::string& line) {
    if (line.empty()) {
      if (me.unsettled.blank_answers_blank_running) say("");
    } else if (line == "t") {
      say_firmware();
    } else if (line == "Z") {
      const double ack_s = now_s + std::exchange(slow_abort_s, 0.0);
      ack_s > now_s ? delayed.emplace_back(ack_s, "Z"), void() : say("Z");
      run->abort(ack_s);
    } else if (line == "Y") {
      say("Y");
      run->abort_loop(now_s);
    } else if (line == "h") {
      say("h");
      run->halt(now_s);
    } else if (line == "H") {
      say("H");
      run->resume(now_s);
    } else {
      say_error(line[0], Error::wrong_comm_mode);
    }
  }

  void say_firmware() {
    say("t" + std::string(sim::profile(model).firmware));
    say("R*");
  }

  [[nodiscard]] std::vector<int> communication_bits() const {
    std::vector<int> known{1, 32, 33, 34, 35, 36, 37, 38, 43, 44, 48, 49, 60, 96, 97, 98, 99};
    if (sim::profile(model).storage) known.insert(known.end(), {51, 52, 54, 55, 59});
    return known;
  }

  // The replies' formats are not documented beyond their terminators (fs_dir an empty line, fs_get 0x1C, fs_info
  // "kB"); the rest is our own.
  void file_command(std::string_view name, const std::string& path) {
    if (!sim::profile(model).storage || !storage.present) return say_error('f', Error::no_file_system);
    if (name == "fs_dir") return say_directory();
    if (name == "fs_info")
      return say(fmt::format("f{} kB {} kB", (storage.used() + 1023) / 1024, storage.capacity / 1024));
    if (name == "fs_clear") return storage.files.clear(), say("f");
    if (name != "fs_get" && name != "fs_del") return say_error('f', Error::command_unknown);
    const auto file = storage.files.find(path.starts_with('/') ? path.substr(1) : path);
    if (file == storage.files.end()) return say_error('f', Error::file_not_found);
    if (name == "fs_get") return say((me.unsettled.file_after_echo ? "f\n" : "f") + file->second + "\x1c");
    storage.files.erase(file);
    say("f");
  }

  void say_directory() {
    say("f");
    for (const auto& [file, content] : storage.files)
      say(fmt::format("2026-01-01 00:00:00;FIL;{};{}", content.size(), file));
    say("");
  }

  void power_cycle() {
    front.power_up();
    run.reset();
    upload.reset();
    loaded.reset();
    input.clear();
    output.clear();
    delayed.clear();
    deaf_until_s = frozen_until_s = mute_until_s = -1.0;
  }
};

MscriptMachine::MscriptMachine(Model model, std::string serial, std::uint64_t seed)
    : state_(std::make_unique<State>(*this, model, std::move(serial), seed)) {}
MscriptMachine::~MscriptMachine() = default;

void MscriptMachine::connect(Cell* cell) { state_->front.connect(cell); }
void MscriptMachine::receive(std::string_view bytes) { state_->receive(bytes); }
void MscriptMachine::advance(Seconds to, std::size_t max_commands) {
  state_->advance(to.count(), max_commands);
}
Seconds MscriptMachine::now() const { return Seconds(state_->now_s); }
std::string MscriptMachine::take_output() { return std::exchange(state_->output, {}); }
void MscriptMachine::set_reader(bool present) { state_->reader = present; }
std::size_t MscriptMachine::waiting_output() const { return state_->output.size(); }
std::string_view MscriptMachine::model_name() const { return name_of(state_->model); }
bool MscriptMachine::cell_on() const { return state_->front.on(); }
bool MscriptMachine::running() const { return state_->run.has_value(); }
Ampere MscriptMachine::current() const { return state_->front.current(); }
std::optional<Leads> MscriptMachine::leads() const { return state_->front.leads(); }
std::uint64_t MscriptMachine::switches() const { return state_->front.switches(); }
std::optional<Extremes> MscriptMachine::take_extremes() { return state_->front.take_extremes(); }
const Profile& MscriptMachine::profile() const { return sim::profile(state_->model); }
const std::string& MscriptMachine::serial() const { return state_->serial; }
void MscriptMachine::power_cycle() { state_->power_cycle(); }

void MscriptMachine::set_ideal(bool ideal) {
  state_->front.set_ideal(ideal);
  if (ideal) command_s = 0.0;
}

Result<void> MscriptMachine::settle(std::string_view name, double value) {
  static constexpr std::array<std::pair<std::string_view, bool Unsettled::*>, 13> switches{
      {{"on_finished_after_error", &Unsettled::on_finished_after_error},
       {"blank_after_error", &Unsettled::blank_after_error},
       {"knows_add_meas", &Unsettled::knows_add_meas},
       {"first_point_at_zero", &Unsettled::first_point_at_zero},
       {"cp_reports_measured", &Unsettled::cp_reports_measured},
       {"blank_answers_blank_running", &Unsettled::blank_answers_blank_running},
       {"abort_waits_for_sample", &Unsettled::abort_waits_for_sample},
       {"unread_output_blocks", &Unsettled::unread_output_blocks},
       {"zero_has_blank_prefix", &Unsettled::zero_has_blank_prefix},
       {"ag_is_ce_vs_we", &Unsettled::ag_is_ce_vs_we},
       {"file_has_text", &Unsettled::file_has_text},
       {"full_storage_is_an_error", &Unsettled::full_storage_is_an_error},
       {"file_after_echo", &Unsettled::file_after_echo}}};
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
         "current [factor=f]         f times the current flows that was set\n"
         "slow_z [s=5]               the next Z is acknowledged late\n"
         "overload [after=n]         critical overload 0032 at a sample, cell left on\n"
         "bits status=n [after=n] [count=n]  status bits in measured values: 1 timing, 2 overload, 4 "
         "underload\n"
         "nan [after=n] [count=n]    the potential is not a number\n"
         "spike V=volt [after=n] [count=n]   the potential jumps\n"
         "range id=n [after=n] [count=n]     measured values name another range, as after a change of "
         "ranges\n"
         "prefix [after=n] [count=n]         the potential comes with the next larger prefix\n"
         "bad_hex [after=n] [count=n]        a packet with a digit that is none\n"
         "truncate [after=n] [count=n]       half a packet\n"
         "merge [after=n] [count=n]          a packet without its line end\n"
         "xon [after=n] [count=n]    XON and XOFF bytes before a line\n"
         "no_star                    the next end of a measurement loop is not sent\n"
         "no_blank                   the empty line after the next runtime error is not sent\n"
         "late [count=n]             the last packets come again\n"
         "no_card                    the storage is missing\n"
         "card_full [bytes=n]        the storage takes so many bytes more\n"
         "file_cut [bytes=n]         the end of the file that was opened last is lost\n";
}

Result<void> MscriptMachine::fault(std::string_view name, const std::vector<std::string>& words) {
  State& s = *state_;
  Settings settings(words);
  const auto until = [&] { return s.now_s + settings.number("for", never); };
  const auto spoil = [&](double amount) {
    const double after = settings.number("after", 0.0), count = settings.number("count", 1.0);
    s.spoilers.add(name, static_cast<long>(std::clamp(after, 0.0, 1e9)),
                   static_cast<long>(std::clamp(count, 1.0, 1e9)), amount);
  };
  static constexpr std::array<std::string_view, 9> plain{"overload", "nan", "bad_hex", "truncate", "prefix",
                                                         "merge",    "xon", "no_star", "no_blank"};
  if (name == "freeze") {
    s.frozen_until_s = until();
  } else if (name == "mute") {
    s.mute_until_s = until();
  } else if (name == "power_cycle") {
    s.power_cycle();
    if (settings.number("banner", 0.0) != 0.0) s.say("\x11");
  } else if (name == "serial") {
    s.serial = settings.text("value", "XXXX00B0000");
  } else if (name == "lead") {
    const std::string lead = settings.text("lead", "re");
    if (lead != "re" && lead != "ce" && lead != "we")
      return fail(Fault::Kind::refused, fmt::format("lead={} is none of re, ce, we", lead));
    s.front.take_lead_off(lead[0], until());
  } else if (name == "current") {
    s.front.drive_wrongly(std::clamp(settings.number("factor", 1.2), 0.0, 10.0));
  } else if (name == "slow_z") {
    s.slow_abort_s = std::max(0.0, settings.number("s", 5.0));
  } else if (name == "bits") {
    spoil(settings.number("status", 2.0));
  } else if (name == "range") {
    spoil(settings.number("id", 3.0));
  } else if (name == "spike") {
    spoil(settings.number("V", 0.5));
  } else if (name == "late") {
    const auto count = static_cast<std::size_t>(std::clamp(settings.number("count", 3.0), 0.0, 8.0));
    const std::size_t skip = s.last_packets.size() - std::min(count, s.last_packets.size());
    const std::vector<std::string> again(s.last_packets.begin() + static_cast<std::ptrdiff_t>(skip),
                                         s.last_packets.end());
    for (const auto& packet : again) s.say(packet);
  } else if (name == "no_card") {
    s.storage.present = false;
  } else if (name == "card_full") {
    s.storage.capacity =
        s.storage.used() + static_cast<std::size_t>(std::clamp(settings.number("bytes", 0.0), 0.0, 1e9));
  } else if (name == "file_cut") {
    std::string& file = s.storage.files[s.storage.written];
    const double bytes = std::clamp(settings.number("bytes", 200.0), 0.0, static_cast<double>(file.size()));
    file.resize(file.size() - static_cast<std::size_t>(bytes));
  } else if (std::ranges::find(plain, name) != plain.end()) {
    spoil(0.0);
  } else {
    return fail(Fault::Kind::refused, fmt::format("no fault \"{}\"; there are:\n{}", name, fault_names()));
  }
  if (!settings.trouble().empty()) return fail(Fault::Kind::refused, settings.trouble());
  return {};
}

void MscriptMachine::clear_faults() {
  State& s = *state_;
  s.spoilers.clear();
  s.frozen_until_s = s.mute_until_s = -1.0;
  s.front.put_leads_back();
  s.front.drive_wrongly(1.0);
  s.slow_abort_s = 0.0;
  s.storage.present = true;
  s.storage.capacity = Storage{}.capacity;
}

}  // namespace cambench::sim
