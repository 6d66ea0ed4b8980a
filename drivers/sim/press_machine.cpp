#include "drivers/sim/press_machine.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <numbers>

namespace cambench::sim {

namespace {

// The controller's registers, as printed in drivers/maps/generic-press.toml.
namespace at {
enum : std::uint16_t {
  status = 0,
  counter = 1,
  pressure = 2,
  target = 4,
  working = 6,
  uptime = 8,
  rate = 10,
  command = 12,
  mode = 13,
  watchdog_time = 14,
  watchdog_action = 15,
  watchdog_feed = 16,
  watchdog_state = 17,
  watchdog_reset = 18,
  process_end = 19,
  identity = 32,
  version = 33,
  self_test = 34,
  serial = 36,
  serial_end = 44,
  end = 44
};
}  // namespace at

constexpr std::uint16_t press_identity = 0x5052;  // "PR"
constexpr std::uint16_t map_version = 1;
constexpr double self_test_value = 123.25;  // exact in 32 bits, and another number in each wrong order
constexpr std::uint16_t reset_word = 0xafee;
constexpr Seconds sensor_period{0.02};
constexpr double vent_time_constant_s = 0.5, burst_time_constant_s = 0.05;

struct KnownFault {
  std::string_view name, parameter;
  double standard;
  std::string_view what;
};
constexpr std::array known{
    KnownFault{"leak", "rate", 0.5, "pressure is lost at this many MPa/s, whatever the pump does"},
    KnownFault{"burst", "", 0, "the pressure falls to nothing at once"},
    KnownFault{"runaway", "rate", 5, "the pump runs away at this many MPa/s"},
    KnownFault{"stuck", "", 0, "the actuator does not move"},
    KnownFault{"slow", "factor", 20, "the pressure follows this many times slower"},
    KnownFault{"release", "rate", 0.5, "a vent releases no more than this many MPa/s"},
    KnownFault{"breathe", "amplitude", 1, "the cell breathes with this many MPa, 8 h a breath"},
    KnownFault{"freeze", "counter", 0,
               "the shown pressure stands still; counter=1: so does the sample counter"},
    KnownFault{"sensor", "", 0, "the status bit says that the sensor is broken"},
    KnownFault{"drift", "rate", 0.01, "the sensor drifts by this many MPa/s"},
    KnownFault{"nan", "", 0, "the shown pressure is NaN"},
    KnownFault{"inf", "", 0, "the shown pressure is infinite"},
    KnownFault{"spike", "every", 50, "one sensor sample in this many shows +80 MPa"},
    KnownFault{"glitch", "MPa", 80, "the next answer shows so much more, once"},
    KnownFault{"wignore", "", 0, "writes are acknowledged and forgotten"},
    KnownFault{"wclip", "max", 20, "targets are silently clipped to this many MPa"},
    KnownFault{"mute", "", 0, "writes are done and not answered"},
    KnownFault{"hold", "s", 3, "writes are done this many seconds later and not answered"},
    KnownFault{"local", "", 0, "somebody switched to local: writes are forgotten, the status says so"},
    KnownFault{"stall", "", 0, "no answer"},
    KnownFault{"refuse", "", 0, "connections are closed at once"},
    KnownFault{"delay", "s", 0.3, "answers come this many seconds late"},
    KnownFault{"stale", "", 0, "every second answer of a kind carries the data of the one two before it"},
    KnownFault{"dup", "", 0, "every answer comes twice"},
    KnownFault{"tid", "", 0, "answers carry another transaction number"},
    KnownFault{"unit", "", 0, "answers carry another unit number"},
    KnownFault{"exception", "code", 4, "every request is answered with this exception"},
    KnownFault{"reboot", "", 0, "the controller restarts: set point 0, watchdog off, valves closed"},
};

/// A reproducible normal deviate for sample number `n` (splitmix64, Box and Muller).
double normal(std::uint64_t seed, std::uint64_t n) {
  const auto uniform = [](std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (static_cast<double>((x ^ x >> 31) >> 11) + 0.5) * 0x1p-53;
  };
  const std::uint64_t key = seed * 0x2545f4914f6cdd1du + 2 * n;
  return std::sqrt(-2 * std::log(uniform(key))) * std::cos(2 * std::numbers::pi * uniform(key + 1));
}

std::string describe(const KnownFault& fault) {
  if (fault.parameter.empty()) return fmt::format("{}  {}", fault.name, fault.what);
  return fmt::format("{}:{}={:g}  {}", fault.name, fault.parameter, fault.standard, fault.what);
}

double seconds(std::chrono::steady_clock::duration span) { return Seconds(span).count(); }

}  // namespace

PressMachine::PressMachine(PressSettings settings, Instant start)
    : settings_(std::move(settings)),
      now_(start),
      booted_(start),
      fed_(start),
      rate_MPa_per_s_(settings_.rate_MPa_per_s) {}

void PressMachine::advance(Instant now) {
  if (now_ == Instant{}) now_ = booted_ = fed_ = now;
  if (now <= now_) return;
  const double wire_s = seconds(now - now_);
  now_ = now;
  do_held_writes(now);
  watch(now);
  move(wire_s * settings_.time_scale);
  sense(now);
}

// A ramp and a first-order lag are integrated in steps of a tenth of the lag, but never in more than 1000 steps:
// after so long a gap everything has settled anyway.
void PressMachine::move(double experiment_s) {
  const double step_s = std::max(settings_.time_constant_s / 10, experiment_s / 1000);
  for (double left_s = experiment_s; left_s > 0; left_s -= step_s) relax(std::min(step_s, left_s));
}

void PressMachine::relax(double dt_s) {
  experiment_s_ += dt_s;
  if (mode_ == Mode::run) {
    const double reach = rate_MPa_per_s_ * dt_s;
    working_MPa_ += std::clamp(target_MPa_ - working_MPa_, -reach, reach);
  }
  const auto follow = [&](double towards_MPa, double time_constant_s) {
    pressure_MPa_ += (towards_MPa - pressure_MPa_) * -std::expm1(-dt_s / time_constant_s);
  };
  if (fault("burst"))
    follow(0, burst_time_constant_s);
  else if (const auto rate = fault("runaway"))
    pressure_MPa_ += *rate * dt_s;
  else if (const auto leak = fault("leak"))
    pressure_MPa_ = std::max(0.0, pressure_MPa_ - *leak * dt_s);
  else if (fault("stuck"))
    return;
  else if (mode_ == Mode::run)
    follow(working_MPa_, settings_.time_constant_s * fault("slow").value_or(1));
  else if (mode_ == Mode::vent)
    release(dt_s);
}

/// Through a throttle, which the last of it does not feel.
void PressMachine::release(double dt_s) {
  const double fastest = fault("release").value_or(settings_.release_MPa_per_s) * dt_s;
  pressure_MPa_ -= std::min(fastest, pressure_MPa_ * -std::expm1(-dt_s / vent_time_constant_s));
}

void PressMachine::sense(Instant now) {
  const auto samples = static_cast<std::uint64_t>(seconds(now - booted_) / sensor_period.count());
  if (samples == samples_) return;
  const auto frozen = fault("freeze");
  if (!(frozen && *frozen != 0)) counter_ = static_cast<std::uint16_t>(counter_ + (samples - samples_));
  samples_ = samples;
  if (frozen) return;
  shown_MPa_ = true_pressure().value() + settings_.noise_MPa * normal(settings_.seed, samples);
  if (const auto rate = fault("drift")) shown_MPa_ += *rate * experiment_s_;
  if (const auto every = fault("spike"); every && samples % static_cast<std::uint64_t>(*every) == 0)
    shown_MPa_ += 80;
}

void PressMachine::watch(Instant now) {
  if (watchdog_ != Watchdog::armed || now - fed_ <= std::chrono::milliseconds(watchdog_ms_)) return;
  watchdog_ = Watchdog::expired;
  mode_ = watchdog_action_;
}

void PressMachine::reboot(Instant now) {
  booted_ = fed_ = now;
  samples_ = 0;
  counter_ = 0;
  target_MPa_ = working_MPa_ = 0;
  rate_MPa_per_s_ = settings_.rate_MPa_per_s;
  mode_ = Mode::hold;
  watchdog_ = Watchdog::off;
  watchdog_ms_ = watchdog_feed_ = 0;
}

void PressMachine::command(Mode mode) {
  if (watchdog_ == Watchdog::expired && mode == Mode::run) return;  // not before the watchdog has been reset
  if (mode == Mode::run && mode_ != Mode::run) working_MPa_ = pressure_MPa_;  // the ramp begins where we are
  mode_ = mode;
}

MegaPascal PressMachine::true_pressure() const {
  const double amplitude_MPa = fault("breathe").value_or(0);
  const double breath_MPa = amplitude_MPa * std::sin(2 * std::numbers::pi * experiment_s_ / (8 * 3600));
  const bool loaded = pressure_MPa_ > 1;  // a cell that is not pressed cannot press back
  return MegaPascal(std::max(0.0, pressure_MPa_ + (loaded ? breathing_MPa_ + breath_MPa : 0)));
}

bool PressMachine::at_target() const {
  return mode_ == Mode::run && std::abs(pressure_MPa_ - target_MPa_) < 0.1 + 0.002 * target_MPa_;
}

std::uint16_t PressMachine::status() const {
  const std::array bits{fault("sensor").has_value(),
                        at_target(),
                        mode_ == Mode::hold,
                        mode_ == Mode::vent,
                        watchdog_ == Watchdog::expired,
                        fault("local").has_value(),
                        shown_MPa_ > settings_.max_MPa * 1.05};
  std::uint16_t word = 0;
  for (std::size_t bit = 0; bit < bits.size(); ++bit)
    if (bits[bit]) word = static_cast<std::uint16_t>(word | 1u << bit);
  return word;
}

std::vector<std::uint16_t> PressMachine::registers() const {
  std::vector<std::uint16_t> words(at::end);
  const auto put = [&](std::uint16_t address, std::uint32_t bits) {
    words[address + settings_.low_word_first] = static_cast<std::uint16_t>(bits >> 16);
    words[address + !settings_.low_word_first] = static_cast<std::uint16_t>(bits);
  };
  const auto put_float = [&](std::uint16_t address, double value) {
    put(address, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  };
  words[at::status] = status();
  words[at::counter] = counter_;
  put_float(at::pressure, fault("nan")   ? NAN
                          : fault("inf") ? INFINITY
                                         : shown_MPa_ + fault("glitch").value_or(0));
  put_float(at::target, target_MPa_);
  put_float(at::working, working_MPa_);
  put(at::uptime, static_cast<std::uint32_t>(seconds(now_ - booted_)));
  put_float(at::rate, rate_MPa_per_s_);
  words[at::mode] = static_cast<std::uint16_t>(mode_);
  words[at::watchdog_time] = watchdog_ms_;
  words[at::watchdog_action] = static_cast<std::uint16_t>(watchdog_action_);
  words[at::watchdog_feed] = watchdog_feed_;
  words[at::watchdog_state] = static_cast<std::uint16_t>(watchdog_);
  words[at::identity] = press_identity;
  words[at::version] = map_version;
  put_float(at::self_test, self_test_value);
  for (std::size_t i = 0; i < std::min<std::size_t>(settings_.serial.size(), 16); ++i)
    words[at::serial + i / 2] |=
        static_cast<std::uint16_t>(static_cast<unsigned char>(settings_.serial[i]) << (i % 2 ? 0 : 8));
  return words;
}

std::expected<std::vector<std::uint16_t>, ModbusException> PressMachine::read(std::uint16_t address,
                                                                              std::uint16_t count) {
  const unsigned last = address + count - 1u;
  const bool process = last < at::process_end, identity = address >= at::identity && last < at::serial_end;
  if (count == 0 || !(process || identity)) return std::unexpected(ModbusException{2});
  const auto words = registers();
  if (address <= at::pressure && at::pressure <= last) clear("glitch");
  return std::vector(words.begin() + address, words.begin() + address + count);
}

// All of a request is checked before any of it is done.
struct PressMachine::Wish {
  std::optional<double> target_MPa, rate_MPa_per_s;
  std::optional<Mode> command, watchdog_action;
  std::optional<std::uint16_t> watchdog_ms, feed;
  bool reset = false;
};

std::expected<void, ModbusException> PressMachine::write(std::uint16_t address,
                                                         std::span<const std::uint16_t> words) {
  const auto hold_s = fault("hold");
  if (!hold_s) return do_write(address, words);
  const auto later = std::chrono::duration_cast<Instant::duration>(Seconds(*hold_s));
  held_writes_.push_back({now_ + later, address, {words.begin(), words.end()}});
  return {};
}

/// A request that a gateway kept, and that nobody waits for any more.
void PressMachine::do_held_writes(Instant now) {
  for (; !held_writes_.empty() && held_writes_.front().due <= now; held_writes_.pop_front())
    (void)do_write(held_writes_.front().address, held_writes_.front().words);
}

std::expected<void, ModbusException> PressMachine::do_write(std::uint16_t address,
                                                            std::span<const std::uint16_t> words) {
  const ModbusException illegal_address{2}, illegal_value{3};
  const auto float_at = [&](std::size_t i) {
    const std::uint32_t high = words[i + settings_.low_word_first],
                        low = words[i + !settings_.low_word_first];
    return static_cast<double>(std::bit_cast<float>(high << 16 | low));
  };
  const auto mode_of = [](std::uint16_t word) { return static_cast<Mode>(word); };
  Wish wish;
  for (std::size_t i = 0; i < words.size();) {
    const std::size_t here = address + i;
    if (here == at::target || here == at::rate) {
      if (i + 2 > words.size()) return std::unexpected(illegal_address);  // half a float
      const double value = float_at(i);
      if (!(value >= 0 && value <= settings_.max_MPa)) return std::unexpected(illegal_value);  // NaN as well
      (here == at::target ? wish.target_MPa : wish.rate_MPa_per_s) = value;
      i += 2;
      continue;
    }
    const std::uint16_t word = words[i++];
    const bool is_mode = word >= 1 && word <= 3;
    switch (here) {
      case at::command:
        if (!is_mode) return std::unexpected(illegal_value);
        wish.command = mode_of(word);
        break;
      case at::watchdog_action:
        if (word != 2 && word != 3) return std::unexpected(illegal_value);
        wish.watchdog_action = mode_of(word);
        break;
      case at::watchdog_time: wish.watchdog_ms = word; break;
      case at::watchdog_feed: wish.feed = word; break;
      case at::watchdog_reset:
        if (word != reset_word) return std::unexpected(illegal_value);
        wish.reset = true;
        break;
      default: return std::unexpected(illegal_address);
    }
  }
  if (wish.target_MPa) ++target_writes_;
  if (fault("wignore") || fault("local")) return {};

  if (wish.target_MPa) target_MPa_ = std::min(*wish.target_MPa, fault("wclip").value_or(settings_.max_MPa));
  if (wish.rate_MPa_per_s) rate_MPa_per_s_ = *wish.rate_MPa_per_s;
  if (wish.watchdog_action) watchdog_action_ = *wish.watchdog_action;
  if (wish.reset) watchdog_ = watchdog_ms_ ? Watchdog::armed : Watchdog::off;
  if (wish.watchdog_ms) {
    watchdog_ms_ = *wish.watchdog_ms;
    if (watchdog_ != Watchdog::expired) watchdog_ = watchdog_ms_ ? Watchdog::armed : Watchdog::off;
  }
  const bool fed = wish.feed && *wish.feed != watchdog_feed_;  // a host that repeats itself may be hanging
  if (wish.feed) watchdog_feed_ = *wish.feed;
  if (fed || wish.reset || wish.watchdog_ms) fed_ = now_;
  if (wish.command) command(*wish.command);
  return {};
}

AnswerTrouble PressMachine::trouble() const {
  return {.stall = fault("stall").has_value(),
          .mute = fault("mute").has_value() || fault("hold").has_value(),
          .refuse = fault("refuse").has_value(),
          .delay = Seconds(fault("delay").value_or(0)),
          .stale = fault("stale").has_value(),
          .duplicate = fault("dup").has_value(),
          .wrong_transaction = fault("tid").has_value(),
          .wrong_unit = fault("unit").has_value(),
          .exception = static_cast<std::uint8_t>(fault("exception").value_or(0))};
}

Result<void> PressMachine::inject(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  const auto* found = std::ranges::find(known, name, &KnownFault::name);
  if (found == known.end())
    return fail(Fault::Kind::input, fmt::format("a press has no fault \"{}\"; it has:\n  {}", name,
                                                fmt::join(known_faults(), "\n  ")));
  double parameter = found->standard;
  if (name.size() < text.size()) {
    const std::string_view setting = text.substr(name.size() + 1);
    const std::string_view key = setting.substr(0, setting.find('='));
    const std::string_view number = setting.substr(std::min(key.size() + 1, setting.size()));
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), parameter);
    if (found->parameter.empty() || key != found->parameter || error != std::errc{} ||
        end != number.data() + number.size() || !(parameter >= 0 && parameter < 1e6))
      return fail(Fault::Kind::input,
                  fmt::format("\"{}\" is not how the fault is written: {}", text, describe(*found)));
    if (name == "spike") parameter = std::max(1.0, parameter);
  }
  if (name == "reboot")
    reboot(now_);
  else
    faults_.insert_or_assign(std::string(name), parameter);
  return {};
}

void PressMachine::clear(std::string_view name) {
  if (const auto found = faults_.find(name); found != faults_.end()) faults_.erase(found);
}

void PressMachine::clear_all() { faults_.clear(); }

std::vector<std::string> PressMachine::known_faults() {
  std::vector<std::string> lines;
  for (const KnownFault& fault : known) lines.push_back(describe(fault));
  return lines;
}

std::optional<double> PressMachine::fault(std::string_view name) const {
  const auto found = faults_.find(name);
  return found == faults_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace cambench::sim
