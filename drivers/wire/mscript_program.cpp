// One step as a MethodSCRIPT program.
//
// The instrument measures every `sampling` and compares every limit there; a row is sent when `record_every` has
// passed or a potential has moved by `record_delta`, always for the first measurement, and once more after the
// cell is off, so that the last point of a step is never lost. A planned cutoff needs two measurements in a row
// (one noisy sample must not end a ten-hour step) or one that is clearly beyond it; a guard fires on the first.
//
// Variables: s step, t time, p WE vs RE, c second output of the loop (set current in meas_loop_cp), m measured
// current, f full cell; w "send a row", e measurements beyond the cutoff, x "the end was said",
// n time of the next row, a/b potentials of the last row, d difference.
#include <fmt/core.h>

#include <cmath>

#include "drivers/wire/mscript.h"

namespace cambench::wire::mscript {

namespace {

using Kind = PlannedStep::Kind;

constexpr int micro = -6, nano = -9;
constexpr Volt clearly_beyond(0.010);  // well above the noise of a potential

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

bool has_current(const PlannedStep& step) { return step.kind != Kind::open_circuit; }

void declare(Script& s, const PlannedStep& step) {
  s.line("var s\nvar t\nvar p\nvar c\nvar m\nvar f\nvar w\nvar e\nvar x\nvar n\nvar a\nvar b\nvar d");
  s.line("store_var s {}i ja", step.index);
  s.line("store_var t 0 eb\nstore_var p 0 ab\nstore_var c 0 db\nstore_var m 0 ba\nstore_var f 0 ag");
  s.line("store_var w 1i jb\nstore_var e 0i jb\nstore_var x 0i jb");
  s.line("store_var n 0 eb\nstore_var a 0 ab\nstore_var b 0 ag\nstore_var d 0 ab");
}

/// The potentials the ranges must span: the guards, the planned end, and a little beyond.
std::pair<Volt, Volt> span(const PlannedStep& step, const Model& model) {
  Volt low(0), high(0);
  bool limited = false;
  for (const auto& v : {step.guards.we_min, step.guards.we_max, step.guards.cell_min, step.guards.cell_max,
                        step.until_voltage, step.voltage}) {
    if (!v) continue;
    limited = true;
    low = std::min(low, *v);
    high = std::max(high, *v);
  }
  if (!limited) return {-model.max_potential, model.max_potential};  // a rest: whatever the cell has
  const Volt margin(0.2);
  return {std::max(low - margin, -model.max_potential), std::min(high + margin, model.max_potential)};
}

/// Every setting is repeated after set_pgstat_mode, which forgets them.
void configure(Script& s, const PlannedStep& step, const Model& model) {
  const auto [low, high] = span(step, model);
  s.line("set_pgstat_chan 0");
  s.line("set_pgstat_mode {}", step.kind == Kind::constant_current ? 6 : 2);
  s.line("set_max_bandwidth {}",
         literal(5.850535 / step.sampling.count(), -3));  // the maker's battery template
  s.line("set_range_minmax ab {} {}", volts(low), volts(high));
  s.line("set_autoranging ab {} {}", volts(low), volts(high));
}

void begin_loop(Script& s, const PlannedStep& step) {
  const std::string interval = seconds(step.sampling), run_time = seconds(step.run_time);
  switch (step.kind) {
    case Kind::constant_current:
      s.line("set_range db {}", amperes(abs(step.current)));
      s.line("set_i 0\ncell_on\ntimer_start");
      s.line("meas_loop_cp p c {} {} {} add_meas(0 ba m) add_meas(0 ag f)", amperes(step.current), interval,
             run_time);
      return;
    case Kind::constant_voltage: {
      const Volt at = step.voltage.value_or(Volt(0));
      s.line("set_range da {}", volts(at));
      s.line("set_e {}\ncell_on\ntimer_start", volts(at));
      s.line("meas_loop_ca p m {} {} {} add_meas(0 ag f)", volts(at), interval, run_time);
      return;
    }
    case Kind::open_circuit:
    case Kind::press:
      s.line("cell_off\ntimer_start");
      s.line("meas_loop_ocp p {} {} add_meas(0 ag f)", interval, run_time);
      return;
  }
}

void send_row(Script& s, const PlannedStep& step) {
  s.line("pck_start\npck_add s\npck_add t\npck_add p");
  if (step.kind == Kind::constant_current) s.line("pck_add c");
  if (has_current(step)) s.line("pck_add m");
  s.line("pck_add f\npck_end");
}

void want_row_when_moved(Script& s, char now, char last, Volt delta) {
  s.line("copy_var {} d\nsub_var d {}", now, last);
  s.line("if d >= {}\nstore_var w 1i jb\nelseif d <= {}\nstore_var w 1i jb\nendif", volts(delta),
         volts(-delta));
}

void record(Script& s, const PlannedStep& step, const Marker& marker) {
  s.line("timer_get t");
  s.line("if t >= n\nstore_var w 1i jb\nendif");
  if (step.record_delta) {
    want_row_when_moved(s, 'p', 'a', *step.record_delta);
    want_row_when_moved(s, 'f', 'b', *step.record_delta);
  }
  s.line("if w == 1i");
  send_row(s, step);
  s.line("send_string \"RUN {} {}\"", marker.run, marker.step);
  s.line("store_var w 0i jb\ncopy_var p a\ncopy_var f b\ncopy_var t n\nadd_var n {}",
         seconds(step.record_every));
  s.line("endif");
}

void end_when(Script& s, char variable, std::string_view comparison, const std::string& limit,
              std::string_view says) {
  s.line("if {} {} {}\nsend_string \"{}\"\nstore_var x 1i jb\nbreakloop\nendif", variable, comparison, limit,
         says);
}

/// The planned end holds for two measurements in a row, or once and clearly: at the steep end of a discharge the
/// second measurement may already lie beyond the guard.
void end_as_planned(Script& s, const std::string& condition, const std::string& clearly,
                    std::string_view says) {
  s.line("if {}\nadd_var e 1i\nelse\nstore_var e 0i jb\nendif", condition);
  s.line("if {}\nadd_var e 1i\nendif", clearly);
  s.line("if e >= 2i\nsend_string \"END {}\"\nstore_var x 1i jb\nbreakloop\nendif", says);
}

void compare_limits(Script& s, const PlannedStep& step) {
  const Guards& guards = step.guards;
  if (guards.we_max) end_when(s, 'p', ">=", volts(*guards.we_max), "GUARD we_max");
  if (guards.we_min) end_when(s, 'p', "<=", volts(*guards.we_min), "GUARD we_min");
  if (guards.cell_max) end_when(s, 'f', ">=", volts(*guards.cell_max), "GUARD cell_max");
  if (guards.cell_min) end_when(s, 'f', "<=", volts(*guards.cell_min), "GUARD cell_min");
  const char limited = step.limit_on == LimitOn::we_vs_re ? 'p' : 'f';
  if (step.kind == Kind::constant_current && step.until_voltage) {
    const bool charges = step.current > Ampere(0);
    const std::string_view passes = charges ? ">=" : "<=";
    const Volt end = *step.until_voltage, beyond = charges ? end + clearly_beyond : end - clearly_beyond;
    end_as_planned(s, fmt::format("{} {} {}", limited, passes, volts(end)),
                   fmt::format("{} {} {}", limited, passes, volts(beyond)), charges ? "upper" : "lower");
  }
  if (step.kind == Kind::constant_voltage && step.until_current) {
    s.line("copy_var m d\nif d < 0\nmul_var d -1\nendif");
    end_as_planned(s, fmt::format("d <= {}", amperes(*step.until_current)),
                   fmt::format("d <= {}", amperes(0.9 * *step.until_current)), "current");
  }
}

}  // namespace

std::string literal(double value, int finest) {
  static constexpr std::string_view names = "afpnum kMG";  // 10^-18 ... 10^9
  std::int64_t counts = std::llround(value * std::pow(10.0, -finest));
  int exponent = finest;
  if (counts == 0) return "0";
  while (counts % 1000 == 0 && exponent < 9) {
    counts /= 1000;
    exponent += 3;
  }
  const char prefix = names[static_cast<std::size_t>((exponent + 18) / 3)];
  return prefix == ' ' ? fmt::format("{}", counts) : fmt::format("{}{}", counts, prefix);
}

std::string program(const PlannedStep& step, const Marker& marker, const Model& model) {
  Script s;
  s.line("e");
  declare(s, step);
  s.line("send_string \"RUN {} {}\"", marker.run, marker.step);
  configure(s, step, model);
  begin_loop(s, step);
  record(s, step, marker);
  if (has_current(step)) compare_limits(s, step);
  s.line("endloop");
  s.line("if x == 0i\nsend_string \"{}\"\nendif", step.run_time_is_planned ? "END time" : "TIMEOUT");
  s.line("on_finished:\ncell_off");
  send_row(s, step);
  s.line("");  // an empty line ends the upload
  return s.take();
}

std::string open_and_look() {
  return "e\nvar s\nvar t\nvar p\nvar f\nstore_var s 0i ja\nstore_var t 0 eb\n"
         "set_pgstat_chan 0\ncell_off\nset_pgstat_mode 2\nset_max_bandwidth 58505m\ncell_off\ntimer_start\n"
         "meas_loop_ocp p 100m 300m add_meas(0 ag f)\ntimer_get t\n"
         "pck_start\npck_add s\npck_add t\npck_add p\npck_add f\npck_end\nendloop\n"
         "on_finished:\ncell_off\n\n";
}

}  // namespace cambench::wire::mscript
