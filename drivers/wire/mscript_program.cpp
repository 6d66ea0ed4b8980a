// One step as a MethodSCRIPT program.
//
// The instrument measures every `sampling` and compares every limit there. A row is sent when `record_every` has
// passed or a potential has moved by `record_delta`, always for the first measurement, and once more after the cell
// is off, so that the last point of a step is never lost (the host drops it when it came already). Every row is
// preceded by the program's announcement: a daemon that comes back knows at the first row whose program runs.
//
// - A step that ends by its time has its last row at the moment the current went off, with what was measured last: else
//   the charge of up to one interval would be missing.
// - A planned end needs two measurements in a row (one noisy sample must not end a ten-hour step), or one that is
//   clearly beyond it; a guard fires on the first, and also on a potential that is no number. Measured values are compared before anything is computed
//   with them: arithmetic on a NaN is a runtime error, and that leaves the cell on.
// - Whatever ends a step, the current goes off first and the words come after: sending may have to wait for a host.
// - Where the instrument stores, everything is also written to its file, which is open before anything else is done: a
//   storage that refuses then costs an error with the cell still off.
// - Every setting stands after set_pgstat_mode, which forgets them.
// - meas_loop_cp gives the measured potential and the *set* current, meas_loop_ca the *set* potential and the
//   measured current (maker's header of MSLoopExample009, battery_cycling.mscr). What it does not measure comes by
//   add_meas, so that p, f and m are always measured.
//
// Variables of a packet: s step, t time, p WE vs RE, f full cell, m measured current, c set current (set potential
// while that is held). Others: g "all is within the guards", w "send a row", e measurements beyond the planned end,
// x "the end was said and t is its time", n time of the next row, a/b potentials of the last row, d their change.
#include "drivers/wire/mscript_program.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "drivers/wire/mscript_files.h"

namespace cambench::wire::mscript {

namespace {

using Kind = PlannedStep::Kind;

constexpr int milli = -3, micro = -6, nano = -9;
constexpr Volt clearly(0.010);     // well above the noise of a potential
constexpr double any_volt = 1000;  // every number a potential can be lies within; a NaN does not

std::string volts(Volt v) { return literal(v.value(), micro); }
std::string amperes(Ampere i) { return literal(i.value(), nano); }
std::string seconds(Seconds s) { return literal(s.count(), micro); }

class Script {
 public:
  template <typename... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) {
    text_ += fmt::format(text, std::forward<Args>(args)...);
    text_ += '\n';
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

bool has_current(Kind kind) { return kind == Kind::constant_current || kind == Kind::constant_voltage; }

// ---- packets: the only place that knows the columns ---------------------------------------------------------

/// Rests send the first four, constant voltage five, constant current all.
struct Column {
  char variable;
  std::string_view type;
};
constexpr std::array columns{Column{'s', "ja"}, Column{'t', "eb"}, Column{'p', "ab"},
                             Column{'f', "ag"}, Column{'m', "ba"}, Column{'c', "db"}};
enum At : std::size_t { step_column, time_column, we_column, cell_column, current_column, set_column };
constexpr std::size_t fewest_columns = current_column;

std::size_t column_count(Kind kind) {
  if (kind == Kind::constant_current) return columns.size();
  return kind == Kind::constant_voltage ? set_column : fewest_columns;
}

void send_row(Script& s, Kind kind) {
  s.line("pck_start");
  for (std::size_t i = 0; i < column_count(kind); ++i) s.line("pck_add {}", columns[i].variable);
  s.line("pck_end");
}

/// The variables of a packet. The time is negative until something has been measured.
void declare_row(Script& s, Kind kind, std::uint32_t step) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (i < column_count(kind) || has_current(kind)) s.line("var {}", columns[i].variable);
  s.line("store_var s {}i ja", step);
  s.line("store_var t -1 eb");
  for (std::size_t i = we_column; i < column_count(kind); ++i)
    s.line("store_var {} 0 {}", columns[i].variable, columns[i].type);
}

// ---- the parts of a program, in their order -----------------------------------------------------------------

std::string announcement(const PlannedStep& step, const Marker& marker, const std::string& serial) {
  return fmt::format("RUN {} {} {:.0f} {}", marker.run, marker.step, longest_pause(step).count() * 1e3,
                     serial);
}

void declare(Script& s, const PlannedStep& step) {
  declare_row(s, step.kind, step.index);
  for (const char flag : {'g', 'w', 'e', 'x'}) s.line("var {}\nstore_var {} 0i jb", flag, flag);
  s.line("var n\nstore_var n 0 eb");
  s.line("var a\nstore_var a 0 ab\nvar b\nstore_var b 0 ag\nvar d\nstore_var d 0 ab");
}

/// The potentials that the ranges must span: the guards, the planned end, and a little beyond.
std::pair<Volt, Volt> span(const PlannedStep& step, const Model& model) {
  const Guards& g = step.guards;
  Volt low(0), high(0);
  for (const auto& v : {g.we_min, g.we_max, g.cell_min, g.cell_max, step.until_voltage, step.voltage}) {
    low = std::min(low, v.value_or(low));
    high = std::max(high, v.value_or(high));
  }
  if (low == high) return {-model.max_potential, model.max_potential};  // a rest: whatever the cell has
  const Volt margin(0.2);
  return {std::max(low - margin, -model.max_potential), std::min(high + margin, model.max_potential)};
}

/// The largest current that a held potential may need: 2 C by the charge guard, which is a bit more than 1 h at 1 C.
Ampere largest_current(const PlannedStep& step, const Model& model) {
  if (!step.guards.charge_max) return model.max_current;
  return std::min(model.max_current, Ampere(2 * step.guards.charge_max->value()));
}

void configure(Script& s, const PlannedStep& step, const Model& model, std::optional<int> mains_Hz = {}) {
  const auto [low, high] = span(step, model);
  s.line("set_pgstat_chan 0");
  s.line("set_pgstat_mode {}", step.kind == Kind::constant_current ? 6 : 2);
  // The bandwidth of the maker's battery template.
  s.line("set_max_bandwidth {}", literal(std::max(0.01, 5.850535 / step.sampling.count()), milli));
  if (mains_Hz) s.line("set_acquisition_frac_autoadjust {}", *mains_Hz);
  s.line("set_range_minmax ab {} {}", volts(low), volts(high));
  s.line("set_autoranging ab {} {}", volts(low), volts(high));
}

void begin_loop(Script& s, const PlannedStep& step, const Model& model) {
  const std::string timing = seconds(step.sampling) + " " + seconds(step.run_time);
  switch (step.kind) {
    case Kind::constant_current:
      s.line("set_range db {}", amperes(abs(step.current)));
      s.line("set_i 0\ncell_on\ntimer_start");  // no current at the moment of switching on
      s.line("meas_loop_cp p c {} {} add_meas(0 ba m) add_meas(0 ag f)", amperes(step.current), timing);
      return;
    case Kind::constant_voltage: {
      const std::string at = volts(step.voltage.value_or(Volt(0)));
      const Ampere most = largest_current(step, model);
      const Ampere least = std::min(most, std::max(Ampere(1e-6), step.until_current.value_or(Ampere(0))));
      s.line("set_range da {}", at);
      s.line("set_range_minmax ba {} {}", amperes(least), amperes(most));
      s.line("set_autoranging ba {} {}", amperes(least), amperes(most));
      s.line("set_e {}\ncell_on\ntimer_start", at);
      s.line("meas_loop_ca c m {} {} add_meas(0 ab p) add_meas(0 ag f)", at, timing);
      return;
    }
    case Kind::open_circuit:
    case Kind::press:
      s.line("cell_off\ntimer_start");
      s.line("meas_loop_ocp p {} add_meas(0 ag f)", timing);
      return;
  }
}

/// g becomes 1 when both potentials are numbers within the guards; every comparison with a NaN is false.
void judge(Script& s, const Guards& guards) {
  const Volt low(-any_volt), high(any_volt);
  s.line("store_var g 0i jb");
  s.line("if p > {}\nif p < {}", volts(guards.we_min.value_or(low)), volts(guards.we_max.value_or(high)));
  s.line("if f > {}\nif f < {}", volts(guards.cell_min.value_or(low)), volts(guards.cell_max.value_or(high)));
  s.line("store_var g 1i jb\nendif\nendif\nendif\nendif");
}

void want_row_when_moved(Script& s, char now, char last, Volt delta) {
  s.line("copy_var {} d\nsub_var d {}", now, last);
  s.line("if d >= {}\nstore_var w 1i jb\nelseif d <= {}\nstore_var w 1i jb\nendif", volts(delta),
         volts(-delta));
}

void record(Script& s, const PlannedStep& step, const std::string& says) {
  s.line("if t >= n\nstore_var w 1i jb\nendif");
  s.line("if g == 0i\nstore_var w 1i jb");
  if (step.record_delta) {
    s.line("else");
    want_row_when_moved(s, 'p', 'a', *step.record_delta);
    want_row_when_moved(s, 'f', 'b', *step.record_delta);
  }
  s.line("endif");
  s.line("if w == 1i\nsend_string \"{}\"", says);
  send_row(s, step.kind);
  // Half a measurement early: a measurement that comes a few microseconds early must not be passed over.
  const Seconds until_next = std::max(Seconds{0}, step.record_every - 0.5 * step.sampling);
  s.line("store_var w 0i jb\ncopy_var t n\nadd_var n {}", seconds(until_next));
  s.line("if g == 1i\ncopy_var p a\ncopy_var f b\nendif\nendif");
}

void end_by_guard(Script& s, const Guards& guards) {
  s.line("if g == 0i\ncell_off\nstore_var x 1i jb");
  std::string_view when = "if";
  const auto name_limit = [&](char variable, std::string_view beyond, const std::optional<Volt>& limit,
                              std::string_view name) {
    if (!limit) return;
    s.line("{} {} {} {}\nsend_string \"GUARD {}\"", when, variable, beyond, volts(*limit), name);
    when = "elseif";
  };
  name_limit('p', ">=", guards.we_max, "we_max");
  name_limit('p', "<=", guards.we_min, "we_min");
  name_limit('f', ">=", guards.cell_max, "cell_max");
  name_limit('f', "<=", guards.cell_min, "cell_min");
  const bool named = when == "elseif";
  s.line("{}send_string \"GUARD no_reading\"{}", named ? "else\n" : "", named ? "\nendif" : "");
  s.line("breakloop\nendif");
}

/// e counts measurements in a row that are beyond the planned end. One that is clearly beyond counts twice: at the
/// steep end of a discharge the next may already lie beyond the guard.
void count_beyond_potential(Script& s, const PlannedStep& step) {
  const bool charges = step.current > Ampere(0);
  const char limited = step.limit_on == LimitOn::we_vs_re ? 'p' : 'f';
  const std::string_view passes = charges ? ">=" : "<=";
  const Volt end = *step.until_voltage;
  s.line("if {} {} {}\nadd_var e 1i\nelse\nstore_var e 0i jb\nendif", limited, passes, volts(end));
  s.line("if {} {} {}\nadd_var e 1i\nendif", limited, passes, volts(charges ? end + clearly : end - clearly));
}

/// The same for a current that has fallen, from either side: without arithmetic, and a NaN has not fallen.
void count_below_current(Script& s, Ampere end) {
  s.line("if m <= {}\nif m >= {}\nadd_var e 1i\nelse\nstore_var e 0i jb\nendif", amperes(end), amperes(-end));
  s.line("else\nstore_var e 0i jb\nendif");
}

void end_as_planned(Script& s, const PlannedStep& step) {
  std::string_view says = "current";
  if (step.kind == Kind::constant_current && step.until_voltage) {
    count_beyond_potential(s, step);
    says = step.current > Ampere(0) ? "upper" : "lower";
  } else if (step.kind == Kind::constant_voltage && step.until_current) {
    count_below_current(s, abs(*step.until_current));
  } else {
    return;
  }
  s.line("if e >= 2i\ncell_off\nstore_var x 1i jb\nsend_string \"END {}\"\nbreakloop\nendif", says);
}

// ---- reading ------------------------------------------------------------------------------------------------

std::optional<std::uint32_t> whole_number(std::string_view digits) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// Takes the next word off the front; empty at the end.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

/// Potential where a potential must stand, and so on: the first letter of a type is its family.
bool types_fit(const std::vector<Variable>& v) {
  for (std::size_t i = 0; i < v.size(); ++i)
    if (v[i].type[0] != columns[i].type[0] && !(i == set_column && v[i].is("ba"))) return false;
  return true;
}

template <typename Q>
std::optional<Q> quantity(const Variable& variable) {
  return variable.value ? std::optional(Q(*variable.value)) : std::nullopt;
}

}  // namespace

Seconds longest_pause(const PlannedStep& step) { return std::max(step.record_every, step.sampling); }

std::string program(const PlannedStep& step, const Marker& marker, const Profile& profile) {
  const bool current_flows = has_current(step.kind);
  const std::string says = announcement(step, marker, profile.serial);
  Script s;
  declare(s, step);
  if (profile.stores) s.line("file_open \"{}\" 0\nset_script_output 3", file_name(step, marker));
  s.line("send_string \"{}\"", says);
  configure(s, step, profile.model, profile.mains_Hz);
  begin_loop(s, step, profile.model);
  s.line("timer_get t");
  judge(s, current_flows ? step.guards : Guards{});
  record(s, step, says);
  if (current_flows) end_by_guard(s, step.guards);
  if (current_flows) end_as_planned(s, step);
  s.line("endloop\ncell_off");
  s.line("if x == 0i\ntimer_get t\nstore_var x 1i jb");
  s.line("send_string \"{}\"\nendif", step.run_time_is_planned ? "END time" : "TIMEOUT");
  s.line("on_finished:\ncell_off");
  s.line("if x == 0i\nsend_string \"STOPPED\"\nif t >= 0\ntimer_get t\nendif\nendif");  // by Z, or an error
  s.line("if t >= 0\nsend_string \"{}\"", says);
  send_row(s, step.kind);
  s.line("endif");
  if (profile.stores) s.line("file_close");
  return s.take();
}

std::string off_script() { return "set_pgstat_chan 0\ncell_off\n"; }

std::string look_script(const Model& model) {
  PlannedStep look;
  look.sampling = Seconds(0.1);
  look.run_time = Seconds(0.3);
  Script s;
  declare_row(s, look.kind, 0);
  s.line("set_pgstat_chan 0\ncell_off");  // before the mode changes: whether that opens the cell is not known
  configure(s, look, model);
  begin_loop(s, look, model);
  s.line("timer_get t");
  send_row(s, look.kind);
  s.line("endloop\non_finished:\ncell_off");
  return s.take();
}

std::optional<Announcement> parse_announcement(std::string_view line) {
  constexpr std::string_view begin = "TRUN ";
  if (!line.starts_with(begin)) return std::nullopt;
  line.remove_prefix(begin.size());
  const std::string_view run = take_word(line);
  const auto step = whole_number(take_word(line));
  if (run.empty() || run.size() > 16 || !step) return std::nullopt;
  Announcement announced{{std::string(run), *step}, std::nullopt, {}};
  if (const auto pause_ms = whole_number(take_word(line)))
    announced.longest_pause = std::chrono::milliseconds(*pause_ms);
  announced.serial = take_word(line);
  return announced;
}

std::optional<Ending> parse_ending(std::string_view line) {
  if (line.starts_with("TEND ")) return Ending{EndReason::planned, std::string(line.substr(1))};
  if (line.starts_with("TGUARD ")) return Ending{EndReason::guard, std::string(line.substr(1))};
  if (line == "TTIMEOUT") return Ending{EndReason::timeout, "TIMEOUT"};
  if (line == "TSTOPPED")
    return Ending{EndReason::aborted, "stopped before its end, by an order or an error"};
  return std::nullopt;
}

namespace {
// What no program of ours says; the wire can, with one wrong letter for a prefix.
constexpr double most_steps = 1e6, longest_step_s = 1e9;
}  // namespace

Result<Sample> read_row(std::string_view line) {
  const auto packet = parse_packet(line);
  if (!packet) return fail(packet.error());
  const auto& v = *packet;
  const auto refuse = [&](std::string_view why) {
    return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no row of ours: {}", line, why));
  };
  if (v.size() < fewest_columns || v.size() > columns.size()) return refuse("another number of columns");
  if (!types_fit(v)) return refuse("other variable types");
  const auto step = v[step_column].value, time = v[time_column].value;
  if (!step || !(*step >= 0 && *step <= most_steps) || *step != std::floor(*step)) return refuse("no step");
  if (!time || !(*time >= 0 && *time <= longest_step_s)) return refuse("no time");
  Sample sample;
  sample.step = static_cast<std::uint32_t>(*step);
  sample.step_time = Seconds(*time);
  sample.we_vs_re = quantity<Volt>(v[we_column]);
  sample.cell = quantity<Volt>(v[cell_column]);
  sample.current = v.size() > current_column ? quantity<Ampere>(v[current_column]) : Ampere(0);
  // A firmware that reports the measured current there says `ba`.
  if (v.size() > set_column && v[set_column].is("db")) sample.current_set = quantity<Ampere>(v[set_column]);
  for (const Variable& variable : v) sample.status |= variable.status;
  return sample;
}

}  // namespace cambench::wire::mscript
