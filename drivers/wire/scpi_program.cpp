#include "drivers/wire/scpi_program.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace cambench::wire::scpi {

namespace {

using Kind = PlannedStep::Kind;

constexpr double fallen = 0.95;  // of the current limit: the cutoff is reached and the current falls
constexpr Volt at_target{0.020}, above_cutoff{0.020}, rest_limit{6.0};
constexpr Ampere rest_range{1e-6};
constexpr Seconds settle{1.0};                   // before the first comparison
constexpr std::array protections{2, 5, 10, 20};  // V; outer ring around every step
constexpr std::size_t most_rows_in_a_buffer = 1'000'000;
constexpr std::string_view buffer_prefix = "cb_";

constexpr std::array models{Model{"2450", Ampere(1e-8), Ampere(1.05), Volt(10)},
                            Model{"2460", Ampere(1e-6), Ampere(7.35), Volt(10)},
                            Model{"2461", Ampere(1e-6), Ampere(7.35), Volt(10)}};

// ---- what a step asks for ---------------------------------------------------------------------------------

/// The guards on the potential that is measured.
struct Window {
  std::optional<Volt> low, high;
};
Window window(const PlannedStep& step, const Rig& rig) {
  const Guards& g = step.guards;
  if (rig.sensed() == LimitOn::we_vs_re) return {g.we_min, g.we_max};
  return {g.cell_min, g.cell_max};
}

bool charges(const PlannedStep& step) { return step.current > Ampere(0); }

Method method_of(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::constant_voltage) return Method::voltage_source;
  if (step.kind != Kind::constant_current) return Method::current_source;
  return charges(step) ? rig.charge : rig.discharge;
}

/// Where a voltage source stands: the cutoff, or without one the guard that the current drives towards.
std::optional<Volt> target(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::constant_voltage) return step.voltage;
  if (step.until_voltage) return step.until_voltage;
  const Window guarded = window(step, rig);
  return charges(step) ? guarded.high : guarded.low;
}

/// The most that may flow: what the step drives, or for a constant voltage twice the charge guard in an hour.
Ampere current_limit(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::constant_current) return abs(step.current);
  if (!step.guards.charge_max) return rig.model.max_current;
  return std::clamp(Ampere(2 * std::abs(step.guards.charge_max->value())), rig.model.least_current,
                    rig.model.max_current);
}

Volt highest(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::open_circuit) return rest_limit;
  Volt most(0);
  const Window guarded = window(step, rig);
  for (const auto& limit : {guarded.low, guarded.high, target(step, rig)})
    if (limit) most = std::max(most, abs(*limit));
  return most;
}

int protection(Volt most) {
  const auto level = std::ranges::find_if(protections, [&](int v) { return v >= most.value(); });
  return level == protections.end() ? protections.back() : *level;
}

// ---- time -------------------------------------------------------------------------------------------------

struct Pace {
  double power_line_cycles;
  Seconds delay;
  std::size_t passes;  ///< of the loop, until the time limit
};

// A counter branch is no clock: a pass lasts its delay and a measurement (with autozero three integrations of 20 ms
// each power-line cycle at 50 Hz). What the source's reading back costs is not known and not counted: a step must not
// end before its time, and whoever listens ends one that is late.
Pace pace(const PlannedStep& step) {
  const double cycles = step.sampling >= Seconds(0.5) ? 1.0 : 0.1;
  const Seconds measuring(3 * cycles / 50);
  const Seconds delay = std::max(Seconds(0.001), step.sampling - measuring);
  const double passes = std::floor((step.run_time - settle) / (delay + measuring));
  return {cycles, delay, static_cast<std::size_t>(std::max(1.0, passes))};
}

// ---- lines ------------------------------------------------------------------------------------------------

std::string number(double value) { return fmt::format("{:.7g}", value + 0.0); }

class Writer {
 public:
  explicit Writer(Program& program) : program_(program) {}
  void line(std::string text) { program_.lines.push_back(std::move(text)); }
  /// A setting that is read back.
  void set(std::string_view header, const std::string& value) {
    line(fmt::format("{} {}", header, value));
    program_.checks.push_back({fmt::format("{}?", header), value});
  }

 private:
  Program& program_;
};

void high_impedance(Writer& w) {
  w.set(":OUTP:VOLT:SMOD", "HIMP");
  w.set(":OUTP:CURR:SMOD", "HIMP");
}

void off_and_open(Writer& w) {
  high_impedance(w);  // before the output goes off: NORMAL would discharge the cell
  w.line(":OUTP OFF");
}

void source_voltage(Writer& w, const PlannedStep& step, const Rig& rig) {
  const Volt volt = rig.polarity * target(step, rig).value_or(Volt(0));
  const Ampere limit = current_limit(step, rig);
  w.set(":SOUR:FUNC", "VOLT");
  w.set(":SOUR:VOLT:PROT", fmt::format("PROT{}", protection(highest(step, rig))));
  w.line(fmt::format(":SOUR:VOLT:RANG {}", number(highest(step, rig).value())));
  w.line(":SOUR:VOLT:READ:BACK ON");
  w.set(":SOUR:VOLT", number(volt.value()));
  w.set(":SOUR:VOLT:ILIM", number(limit.value()));
  w.line(":SENS:FUNC \"CURR\"");
  w.set(":SENS:CURR:RSEN", "1");
  w.line(fmt::format(":SENS:CURR:RANG {}", number(limit.value())));
}

void source_current(Writer& w, Ampere current, Ampere range, Volt limit, Volt most) {
  w.set(":SOUR:FUNC", "CURR");
  w.set(":SOUR:VOLT:PROT", fmt::format("PROT{}", protection(std::max(limit, most))));
  w.line(fmt::format(":SOUR:CURR:RANG {}", number(range.value())));
  // A source that is read back is measured before each measurement, which takes longer (2450 manual, 6-77).
  w.line(fmt::format(":SOUR:CURR:READ:BACK {}", current == Ampere(0) ? "OFF" : "ON"));
  w.set(":SOUR:CURR", number(current.value()));
  w.set(":SOUR:CURR:VLIM", number(limit.value()));
  w.line(":SENS:FUNC \"VOLT\"");
  w.set(":SENS:VOLT:RSEN", "1");
  w.line(fmt::format(":SENS:VOLT:RANG {}", number(std::max(limit, most).value())));
}

/// The clamp of a current source must stand above the cell, or it discharges it.
Volt clamp_of(const PlannedStep& step, const Rig& rig) {
  const Volt most = highest(step, rig);
  if (charges(step) && step.until_voltage) return std::min(most, abs(*step.until_voltage) + above_cutoff);
  return most;
}

// ---- the trigger model ------------------------------------------------------------------------------------

/// What a limit branch compares. The manual says that limits A > B are swapped, so B is the larger one in every form:
/// BEL looks at A and ABOV at B, whether or not that holds for them.
struct Branch {
  std::string form;
};
Branch below(double limit) { return {fmt::format("BEL,{},{}", number(limit), number(limit + 1))}; }
Branch above(double limit) { return {fmt::format("ABOV,{},{}", number(limit - 1), number(limit))}; }
Branch within(double a, double b) {
  return {fmt::format("INS,{},{}", number(std::min(a, b)), number(std::max(a, b)))};
}
Branch outside(double a, double b) {
  return {fmt::format("OUTS,{},{}", number(std::min(a, b)), number(std::max(a, b)))};
}

/// The conditions that end a step, in wire signs.
std::vector<Branch> ends(const PlannedStep& step, const Rig& rig) {
  const double sign = rig.polarity * (charges(step) ? 1 : -1);
  const auto rising = [&](double limit) { return sign > 0 ? above(limit) : below(limit); };
  const auto falling = [&](double limit) { return sign > 0 ? below(limit) : above(limit); };
  if (step.kind == Kind::constant_voltage) {
    if (!step.until_current) return {};
    const double until = std::abs(step.until_current->value());
    return {within(-until, until)};
  }
  if (step.kind != Kind::constant_current) return {};
  if (method_of(step, rig) == Method::voltage_source)
    return {falling(rig.polarity * fallen * step.current.value())};
  std::vector<Branch> all;
  if (step.until_voltage) all.push_back(rising(rig.polarity * step.until_voltage->value()));
  const Window guarded = window(step, rig);
  if (guarded.low && guarded.high)
    all.push_back(outside(rig.polarity * guarded.low->value(), rig.polarity * guarded.high->value()));
  return all;
}

// The first row is measured outside the loop: it is recorded and ends nothing, as the output has not settled yet.
void trigger_model(Writer& w, const PlannedStep& step, const Rig& rig, const std::string& buffer,
                   const Pace& pace) {
  constexpr std::size_t loop = 5, measuring = 6;
  const auto branches = ends(step, rig);
  const std::size_t off = measuring + branches.size() + 3;
  w.line(":TRIG:LOAD \"Empty\"");
  w.line(fmt::format(":TRIG:BLOC:BUFF:CLE 1,\"{}\"", buffer));
  w.line(":TRIG:BLOC:SOUR:STAT 2,ON");
  w.line(fmt::format(":TRIG:BLOC:MEAS 3,\"{}\"", buffer));
  w.line(fmt::format(":TRIG:BLOC:DEL:CONS 4,{}", number(settle.count())));
  w.line(fmt::format(":TRIG:BLOC:DEL:CONS {},{}", loop, number(pace.delay.count())));
  w.line(fmt::format(":TRIG:BLOC:MEAS {},\"{}\"", measuring, buffer));
  std::size_t block = measuring;
  for (const Branch& branch : branches)
    w.line(fmt::format(":TRIG:BLOC:BRAN:LIM:CONS {},{},{},{}", ++block, branch.form, off, measuring));
  w.line(fmt::format(":TRIG:BLOC:BRAN:COUN {},{},{}", ++block, pace.passes, loop));
  w.line(fmt::format(":TRIG:BLOC:LOG:EVEN {},INFO1,\"{}\"", ++block, time_limit_text));
  w.line(fmt::format(":TRIG:BLOC:SOUR:STAT {},OFF", off));
  w.line(fmt::format(":TRIG:BLOC:BRAN:ALW {},0", off + 1));
}

}  // namespace

// ---- the contract -----------------------------------------------------------------------------------------

std::optional<Model> model_of(std::string_view name) {
  for (const Model& model : models)
    if (model.name == name) return model;
  return std::nullopt;
}

bool agrees(const Check& check, std::string_view reply) {
  const auto expected = parse_number(check.expected), found = parse_number(reply);
  if (expected) return found && std::abs(*found - *expected) <= 1e-3 * std::abs(*expected) + 1e-12;
  std::string text(reply);
  std::erase(text, '"');
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (!text.starts_with(check.expected)) return false;  // a long form is as good: VOLTAGE for VOLT
  return text.size() == check.expected.size() ||
         std::isalpha(static_cast<unsigned char>(text[check.expected.size()]));
}

namespace {

bool at_most(double value, double most) { return std::abs(value) <= most; }  // false for NaN
std::string in_mA(Ampere i) { return fmt::format("{:.4g} mA", i.value() * 1e3); }

std::string_view words(LimitOn on) { return on == LimitOn::cell ? "the full cell" : "E(WE vs RE)"; }

std::optional<std::string> beyond_time(const PlannedStep& step) {
  if (!(step.sampling >= Seconds(0.1) && step.sampling <= Seconds(60)))
    return fmt::format("sampling every {} s; expected 0.1 to 60 s", step.sampling.count());
  if (!(step.run_time >= 2 * step.sampling + settle && step.run_time <= Seconds(30 * 24 * 3600.0)))
    return fmt::format("a time limit of {} s; expected {:.0f} s to 30 days", step.run_time.count(),
                       std::ceil((2 * step.sampling + settle).count()));
  if (!(step.record_every > Seconds(0) && step.record_every <= Seconds(3600)))
    return fmt::format("a row every {} s; expected more than 0 and at most an hour",
                       step.record_every.count());
  if (pace(step).passes >= most_rows_in_a_buffer)
    return fmt::format("{} rows do not fit into its memory; sample less often", pace(step).passes);
  return std::nullopt;
}

/// The one potential must be the one that the step's limits are on.
std::optional<std::string> beyond_sense(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::open_circuit) return std::nullopt;
  const Guards& g = step.guards;
  if (step.limit_on != rig.sensed())
    return fmt::format("the limits are on {}, and its sense leads are on {}: it measures one potential only",
                       words(step.limit_on), words(rig.sensed()));
  if (!rig.sense && (g.we_min || g.we_max))
    return "the step guards E(WE vs RE) and the full cell, and it measures one potential only; sense = "
           "\"cell\" or "
           "\"we_vs_re\" in the configuration says which, and accepts that the other one is not guarded";
  return std::nullopt;
}

std::optional<std::string> beyond_values(const PlannedStep& step, const Rig& rig) {
  const Window guarded = window(step, rig);
  for (const auto& limit : {step.until_voltage, step.voltage, guarded.low, guarded.high})
    if (limit && !at_most(limit->value(), rig.model.max_potential.value()))
      return fmt::format("{:.3f} V is beyond {:.0f} V", limit->value(), rig.model.max_potential.value());
  if (step.kind == Kind::open_circuit) return std::nullopt;
  for (const auto& current : {std::optional(step.current), step.until_current})
    if (current && !at_most(current->value(), rig.model.max_current.value()))
      return fmt::format("{} is beyond {}", in_mA(*current), in_mA(rig.model.max_current));
  if (step.kind == Kind::constant_current && !(abs(step.current) >= rig.model.least_current))
    return fmt::format("a current step of {}; expected at least {}", in_mA(step.current),
                       in_mA(rig.model.least_current));
  if (guarded.low && guarded.high && *guarded.low >= *guarded.high)
    return "the guards are the wrong way round";
  const auto end = target(step, rig);
  if (!end) return "there is neither a cutoff nor a guard that the source could stand at";
  if (step.until_voltage || step.voltage)
    if ((guarded.low && *end <= *guarded.low) || (guarded.high && *end >= *guarded.high))
      return fmt::format("{:.3f} V is not within its guards", end->value());
  constexpr Volt least_clamp{0.2};
  if (method_of(step, rig) == Method::current_source && clamp_of(step, rig) < least_clamp)
    return "a current source cannot be clamped below 0.2 V";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> beyond(const PlannedStep& step, const Rig& rig) {
  if (step.kind == Kind::press) return "a press step is not for a potentiostat";
  if (auto why = beyond_time(step)) return why;
  if (auto why = beyond_sense(step, rig)) return why;
  return beyond_values(step, rig);
}

Program program(const PlannedStep& step, const Marker& marker, const Rig& rig) {
  Program made;
  const Pace timing = pace(step);
  made.buffer = buffer_name(marker, step.run_time);
  made.most_rows = timing.passes + 1;
  Writer w(made);
  off_and_open(w);
  if (method_of(step, rig) == Method::voltage_source) {
    made.measures = Measures::current;
    source_voltage(w, step, rig);
  } else if (step.kind == Kind::open_circuit) {
    made.measures = Measures::potential;
    source_current(w, Ampere(0), rest_range, rest_limit, rest_limit);
  } else {
    made.measures = Measures::potential;
    source_current(w, rig.polarity * step.current, abs(step.current), clamp_of(step, rig),
                   highest(step, rig));
  }
  w.line(fmt::format(":SENS:{}:NPLC {}", made.measures == Measures::current ? "CURR" : "VOLT",
                     number(timing.power_line_cycles)));
  w.line(fmt::format(":TRAC:MAKE \"{}\",{}", made.buffer, made.most_rows + 10));
  w.line(fmt::format(":TRAC:FILL:MODE ONCE,\"{}\"", made.buffer));  // never over rows that nobody has fetched
  trigger_model(w, step, rig, made.buffer, timing);
  made.trips.emplace_back(":SOUR:VOLT:PROT:TRIP?");
  return made;
}

std::vector<std::string> high_impedance_lines() {
  Program made;
  Writer w(made);
  high_impedance(w);
  return made.lines;
}

std::vector<std::string> off_lines() {
  Program made;
  Writer w(made);
  w.line(":ABOR");
  off_and_open(w);
  return made.lines;
}

std::vector<std::string> look_lines() {
  Program made;
  Writer w(made);
  off_and_open(w);
  source_current(w, Ampere(0), rest_range, rest_limit, rest_limit);
  w.line(":SENS:VOLT:NPLC 1");
  return made.lines;
}

std::vector<std::string> sentences(const PlannedStep& step, const Rig& rig) {
  std::vector<std::string> all;
  const bool rests = step.kind == Kind::open_circuit;
  const bool by_voltage = method_of(step, rig) == Method::voltage_source;
  const Window guarded = window(step, rig);
  const auto end = target(step, rig);
  if (!rests && by_voltage && end)
    all.push_back(fmt::format("a voltage source at {:.3f} V that lets at most {} flow", end->value(),
                              in_mA(current_limit(step, rig))));
  if (!rests && !by_voltage && step.until_voltage)
    all.push_back(fmt::format("ends at {:.3f} V", step.until_voltage->value()));
  if (step.until_current) all.push_back("ends at " + in_mA(abs(*step.until_current)));
  if (!rests && guarded.low && guarded.high)
    all.push_back(fmt::format("guard {:.3f} to {:.3f} V ({})", guarded.low->value(), guarded.high->value(),
                              by_voltage ? "the source stands inside it" : "limit branch"));
  if (!rests) {
    all.push_back(fmt::format("output protection at {} V", protection(highest(step, rig))));
    const Guards& g = step.guards;
    if (rig.sensed() == LimitOn::we_vs_re ? g.cell_max.has_value() : g.we_max.has_value())
      all.push_back(fmt::format("NOT measured and not guarded: {}",
                                words(rig.sensed() == LimitOn::cell ? LimitOn::we_vs_re : LimitOn::cell)));
  }
  all.push_back(
      fmt::format("ends after {} readings, about {:.0f} s", pace(step).passes + 1, step.run_time.count()));
  all.emplace_back("the output is off (high impedance) at the end");
  return all;
}

// ---- reading ----------------------------------------------------------------------------------------------

Sample sample_of(const Row& row, const PlannedStep& step, Measures measures, const Rig& rig) {
  Sample sample;
  sample.step = step.index;
  sample.step_time = row.since_first;
  const auto& volt = measures == Measures::current ? row.source : row.reading;
  const auto& ampere = measures == Measures::current ? row.reading : row.source;
  auto& potential = rig.sensed() == LimitOn::cell ? sample.cell : sample.we_vs_re;
  if (volt) potential = rig.polarity * Volt(*volt);
  if (step.kind == Kind::open_circuit)
    sample.current = Ampere(0);
  else if (ampere)
    sample.current = rig.polarity * Ampere(*ampere);
  if (step.kind == Kind::constant_current) sample.current_set = step.current;
  if (!potential || !sample.current) sample.status = reading_status::overload;
  return sample;
}

namespace {

EndReason shown_by_potential(Volt potential, const PlannedStep& step, const Rig& rig) {
  const Window guarded = window(step, rig);
  constexpr Volt rounding{1e-3};
  if (step.until_voltage) {
    const Volt past = charges(step) ? potential - *step.until_voltage : *step.until_voltage - potential;
    if (past > -rounding) return EndReason::planned;
  }
  if (guarded.low && guarded.high && (potential <= *guarded.low || potential >= *guarded.high))
    return EndReason::guard;
  return EndReason::unknown;
}

/// A current that fell although the source does not stand where it was told to is no planned end.
EndReason shown_by_current(Ampere current, Volt potential, const PlannedStep& step, const Rig& rig) {
  const auto end = target(step, rig);
  if (!end || abs(potential - *end) > at_target) return EndReason::unknown;
  constexpr double rounding = 1.001;
  if (step.kind == Kind::constant_voltage)
    return step.until_current && abs(current) <= rounding * abs(*step.until_current) ? EndReason::planned
                                                                                     : EndReason::unknown;
  const Ampere forward = charges(step) ? current : -current;
  if (forward > rounding * fallen * abs(step.current)) return EndReason::unknown;
  return step.until_voltage ? EndReason::planned : EndReason::guard;
}

}  // namespace

EndReason shown_by(const Sample& last, std::size_t rows, const PlannedStep& step, const Rig& rig,
                   std::size_t most_rows) {
  const auto& potential = rig.sensed() == LimitOn::cell ? last.cell : last.we_vs_re;
  EndReason shown = EndReason::unknown;
  if (potential && last.current && step.kind != Kind::open_circuit)
    shown = method_of(step, rig) == Method::voltage_source
                ? shown_by_current(*last.current, *potential, step, rig)
                : shown_by_potential(*potential, step, rig);
  if (shown != EndReason::unknown || rows < most_rows) return shown;
  return step.run_time_is_planned ? EndReason::planned : EndReason::timeout;
}

std::string buffer_name(const Marker& marker, Seconds run_time) {
  return fmt::format("{}{}_{}_{:.0f}", buffer_prefix, marker.run, marker.step, run_time.count());
}

namespace {

bool in_run(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string buffer_in(std::string_view line) {
  const auto at = line.find(buffer_prefix);
  if (at == std::string_view::npos || !marker_in(line)) return {};
  const std::string_view rest = line.substr(at);
  const auto* const end = std::ranges::find_if(rest, [](char c) { return c != '_' && !in_run(c); });
  return {rest.begin(), end};
}

std::optional<Marker> marker_in(std::string_view line) {
  const auto at = line.find(buffer_prefix);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(at + buffer_prefix.size());
  const auto end = rest.find('_');
  if (end == std::string_view::npos || end == 0 || end > 16) return std::nullopt;
  Marker marker{std::string(rest.substr(0, end)), 0};
  if (!std::ranges::all_of(marker.run, in_run)) return std::nullopt;
  const std::string_view digits = rest.substr(end + 1);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), marker.step);
  if (error != std::errc{}) return std::nullopt;
  return marker;
}

}  // namespace cambench::wire::scpi
