#include "drivers/modbus_press.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>

#include "drivers/modbus_registers.h"
#include "drivers/press_judge.h"
#include "drivers/register_maps.h"

namespace cambench {

namespace {

namespace asio = boost::asio;
using link::ModbusBus;
using wire::modbus::Action;
using wire::modbus::Expectation;
using wire::modbus::Item;
using wire::modbus::ItemIndex;
using wire::modbus::RegisterMap;
using wire::modbus::Words;
using wire::modbus::WriteStep;
using Turn = ModbusRegisters::Turn;
constexpr Turn polling = ModbusRegisters::polling;

constexpr int stop_attempts = 3;             // an order to make safe is not given up after one lost frame
constexpr Seconds shortest_host_step{0.02};  // wire time
constexpr Seconds poll_is_fresh{0.1};        // wire time; the feeding follows its poll at once

class ModbusPress final : public Press {
 public:
  ModbusPress(const asio::any_io_executor& executor, ModbusPressOptions options, RegisterMap map,
              std::shared_ptr<ModbusBus> bus)
      : options_(std::move(options)),
        map_(std::move(map)),
        registers_(executor, options_.name, options_.unit, map_, std::move(bus)),
        ramp_timer_(executor) {}

  Later<Identity> identify() override;
  [[nodiscard]] PressLimits limits() const override;
  Later<PressureSample> read() override;
  Later<void> set_target(MegaPascal target) override;
  Later<void> hold() override;
  Later<void> vent() override;
  [[nodiscard]] bool vents() const override;
  Later<void> feed_watchdog() override;
  void guard(bool running_cell) override { registers_.guard(running_cell); }
  [[nodiscard]] IoHealth health() const override { return registers_.health(); }

 private:
  Later<void> check_identity();
  Later<std::string> text(std::optional<ItemIndex> item);
  Later<MegaPascal> pressure_now(Turn turn);
  Later<void> carry_out(const WriteStep& step, Turn turn);
  Later<void> write_pressure_of_now(WriteStep step, Turn turn);
  Later<void> perform(const Action& action, Turn turn);
  Later<void> make_safe(const std::optional<Action>& action, std::string what);
  Later<void> write_pressure(MegaPascal target, Turn turn);
  Later<void> ramp_by_device(MegaPascal target, Turn turn);
  Later<void> ramp_by_host(MegaPascal target, Turn turn);
  Later<void> reset_watchdog(Turn turn);
  Later<void> disarm_watchdog();
  [[nodiscard]] Result<bool> armed_at_last_poll(const Expectation& verify) const;
  [[nodiscard]] Fault fault(Fault::Kind kind, std::string_view what) const {
    return registers_.fault(kind, what);
  }

  const ModbusPressOptions options_;
  const RegisterMap map_;
  ModbusRegisters registers_;
  asio::steady_timer ramp_timer_;

  std::optional<MegaPascal> intended_;  // what we wrote last and read back; empty before and after a vent
  bool armed_ = false, told_to_vent_ = false;
  Instant armed_at_;
  std::size_t fed_ = 0;

  PressJudge judge_{map_};
  Words polled_;
  Instant polled_at_;
};

// ---- Identity ----------------------------------------------------------------------------------------------

Later<Identity> ModbusPress::identify() {
  const auto checked = co_await check_identity();
  if (!checked) co_return fail(checked.error());
  const auto serial = co_await text(map_.serial);
  if (!serial) co_return fail(serial.error());
  if (!options_.serial.empty() && *serial != options_.serial)
    co_return fail(
        fault(Fault::Kind::identity,
              fmt::format("serial number \"{}\" answered, configured is \"{}\"", *serial, options_.serial)));
  const auto firmware = co_await text(map_.firmware);
  if (!firmware) co_return fail(firmware.error());
  const auto now = co_await read();  // the set point is read before anything is written
  if (!now) co_return fail(now.error());
  Identity identity;
  identity.maker = map_.maker;
  identity.model = map_.model;
  identity.serial = *serial;
  identity.firmware = *firmware;
  co_return identity;
}

Later<void> ModbusPress::check_identity() {
  for (const Expectation& check : map_.checks) {
    const auto words = co_await registers_.fetch(check.item, polling);
    if (!words) co_return fail(words.error());
    const auto as_expected = registers_.holds(check, *words);
    if (as_expected && *as_expected) continue;
    const Item& item = map_.items[check.item];
    const auto found = registers_.value(check.item, *words);
    co_return fail(fault(
        Fault::Kind::identity,
        fmt::format("{} is {} instead of {:g} ({}); is this the right device, map and word order?", item.name,
                    found ? fmt::format("{:g}", *found) : found.error().what, check.equals, check.why)));
  }
  co_return Result<void>{};
}

Later<std::string> ModbusPress::text(std::optional<ItemIndex> item) {
  if (!item) co_return std::string{};
  co_return co_await registers_.text(*item, polling);
}

namespace {

/// The time that arming writes to the device, when it writes one.
std::optional<Seconds> armed_time(const RegisterMap& map) {
  for (const WriteStep& step : map.watchdog->arm)
    for (std::size_t i = 0; i < std::min(step.items.size(), step.values.size()); ++i)
      if (const auto& unit = map.items[step.items[i]].unit; unit.kind == wire::modbus::Unit::Kind::time)
        return Seconds(step.values[i] * unit.factor);
  return std::nullopt;
}

}  // namespace

PressLimits ModbusPress::limits() const {
  PressLimits limits;
  if (map_.target) limits.max_target = map_.to_pressure(*map_.target, map_.items[*map_.target].write->max);
  if (map_.ramp) limits.max_rate_MPa_per_s = map_.ramp->max_MPa_per_s;
  limits.watchdog = map_.watchdog.has_value();
  if (map_.watchdog) {
    limits.watchdog_after = armed_time(map_);
    limits.watchdog_action = map_.watchdog->action;
  }
  return limits;
}

// ---- Reading -----------------------------------------------------------------------------------------------

Later<PressureSample> ModbusPress::read() {
  const auto words = co_await registers_.fetch(map_.pressure, polling);
  if (!words) co_return fail(words.error());
  const Stamp now = now_stamp();
  polled_ = *words;
  polled_at_ = now.steady;
  auto [sample, restarted] = judge_.judge(*words, intended_.has_value(), now);
  if (restarted) armed_ = false;
  if (map_.target && map_.block_of(*map_.target) != map_.poll) {
    const auto target_words = co_await registers_.fetch(*map_.target, polling);
    if (!target_words) co_return fail(target_words.error());
    if (const auto target = registers_.value(*map_.target, *target_words))
      sample.target = map_.to_pressure(*map_.target, *target);
  }
  if (sample.trouble.empty()) sample.trouble = was_moved(map_, sample, intended_);
  if (!sample.trouble.empty()) sample.pressure.reset();
  co_return sample;
}

// ---- Steps and actions -------------------------------------------------------------------------------------

Later<void> ModbusPress::carry_out(const WriteStep& step, Turn turn) {
  if (step.values.empty()) co_return co_await write_pressure_of_now(step, turn);
  co_return co_await registers_.carry_out(step, turn);
}

Later<void> ModbusPress::write_pressure_of_now(WriteStep step, Turn turn) {
  const auto now = co_await pressure_now(turn);
  if (!now) co_return fail(now.error());
  const ItemIndex item = step.items[0];
  const auto& rules = *map_.items[item].write;
  const double kept = std::clamp(map_.from_pressure(item, *now), rules.min, rules.max);
  step.values = {kept};
  const auto done = co_await carry_out(step, turn);
  if (!done) co_return fail(done.error());
  intended_ = map_.to_pressure(item, kept);
  co_return Result<void>{};
}

Later<MegaPascal> ModbusPress::pressure_now(Turn turn) {
  const auto words = co_await registers_.fetch(map_.pressure, turn);
  if (!words) co_return fail(words.error());
  const auto fresh = registers_.value(map_.pressure, *words);
  if (fresh) co_return map_.to_pressure(map_.pressure, *fresh);
  if (const auto last = judge_.last_good(std::chrono::steady_clock::now())) co_return *last;
  co_return fail(fault(Fault::Kind::bad_value, "the pressure of now is not known: " + fresh.error().what));
}

Later<void> ModbusPress::perform(const Action& action, Turn turn) {
  for (const WriteStep& step : action.steps) {
    const auto done = co_await carry_out(step, turn);
    if (!done) co_return fail(done.error());
  }
  if (!action.confirm) co_return Result<void>{};
  co_return co_await registers_.make_sure(*action.confirm, turn);
}

// ---- Moving ------------------------------------------------------------------------------------------------

Later<void> ModbusPress::set_target(MegaPascal target) {
  if (!map_.target)
    co_return fail(fault(Fault::Kind::refused, "this press is set by hand; its map has no set point"));
  const auto possible = words_for(map_, *map_.target, map_.from_pressure(*map_.target, target));
  if (!possible) co_return fail(fault(possible.error().kind, possible.error().what));
  const Turn turn = registers_.set_point();
  ramp_timer_.cancel();
  told_to_vent_ = false;
  judge_.forget_restart();
  const auto reset = co_await reset_watchdog(turn);
  if (!reset) co_return fail(reset.error());
  if (map_.ramp->rate) co_return co_await ramp_by_device(target, turn);
  co_return co_await ramp_by_host(target, turn);
}

Later<void> ModbusPress::write_pressure(MegaPascal target, Turn turn) {
  const auto written =
      co_await registers_.write(*map_.target, map_.from_pressure(*map_.target, target), turn);
  if (!written) co_return fail(written.error());
  intended_ = target;
  co_return Result<void>{};
}

Later<void> ModbusPress::ramp_by_device(MegaPascal target, Turn turn) {
  const ItemIndex rate = *map_.ramp->rate;
  const auto limited = co_await registers_.write(rate, map_.from_rate(rate, map_.ramp->rate_MPa_per_s), turn);
  if (!limited) co_return fail(limited.error());
  const auto written = co_await write_pressure(target, turn);
  if (!written) co_return fail(written.error());
  if (!map_.run) co_return Result<void>{};
  co_return co_await perform(*map_.run, turn);
}

// The ramp begins where the press is, not where its set point was left.
Later<void> ModbusPress::ramp_by_host(MegaPascal target, Turn turn) {
  const auto found = co_await pressure_now(turn);
  if (!found) co_return fail(found.error());
  const auto& rules = *map_.items[*map_.target].write;
  const MegaPascal lowest = map_.to_pressure(*map_.target, rules.min),
                   highest = map_.to_pressure(*map_.target, rules.max);
  MegaPascal here = std::clamp(*found, lowest, highest);
  const Seconds wire_step = std::max(map_.ramp->interval / options_.time_scale, shortest_host_step);
  const MegaPascal step(map_.ramp->rate_MPa_per_s * wire_step.count() * options_.time_scale);

  for (bool running = false;;) {
    const auto written = co_await write_pressure(here, turn);
    if (!written) co_return fail(written.error());
    if (!std::exchange(running, true) && map_.run) {
      const auto runs = co_await perform(*map_.run, turn);
      if (!runs) co_return fail(runs.error());
    }
    if (here == target) co_return Result<void>{};
    ramp_timer_.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(wire_step));
    co_await ramp_timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    here = abs(target - here) <= step ? target : here + (target > here ? step : -step);
  }
}

Later<void> ModbusPress::hold() {
  if (!map_.target) co_return Result<void>{};  // set by hand: it keeps what it has
  told_to_vent_ = false;
  const auto held = co_await make_safe(map_.hold, "hold");
  if (!held) co_return fail(held.error());
  judge_.forget_restart();
  const bool sets_point = std::ranges::any_of(map_.hold->steps, [&](const WriteStep& step) {
    return std::ranges::count(step.items, *map_.target) > 0;
  });
  if (!sets_point) intended_.reset();  // with its valves closed nothing follows the set point
  co_return Result<void>{};
}

Later<void> ModbusPress::vent() {
  if (!map_.target)
    co_return fail(fault(Fault::Kind::refused, "this press is set by hand; somebody has to release it"));
  told_to_vent_ = true;
  const auto vented = co_await make_safe(map_.vent, "vent");
  if (!vented) co_return fail(vented.error());
  intended_.reset();
  judge_.forget_restart();
  if (told_to_vent_) (void)co_await disarm_watchdog();  // one that cannot be disarmed is fed on
  co_return Result<void>{};
}

bool ModbusPress::vents() const {
  if (!map_.vent || !map_.vent->confirm || polled_.empty()) return false;
  if (map_.block_of(map_.vent->confirm->item) != map_.poll) return false;
  const auto so = registers_.holds(*map_.vent->confirm, polled_);
  return so && *so;
}

Later<void> ModbusPress::make_safe(const std::optional<Action>& action, std::string what) {
  const Turn turn = registers_.stop();
  ramp_timer_.cancel();
  Fault last;
  for (int attempt = 0; attempt < stop_attempts; ++attempt) {
    const auto done = co_await perform(*action, turn);
    if (done) co_return Result<void>{};
    last = done.error();
  }
  co_return fail(last.kind, fmt::format("{}: {} was not confirmed after {} attempts: {}", options_.name, what,
                                        stop_attempts, last.what));
}

// ---- Watchdog ----------------------------------------------------------------------------------------------

Later<void> ModbusPress::feed_watchdog() {
  if (!map_.watchdog) co_return Result<void>{};
  const auto& watchdog = *map_.watchdog;
  if (!armed_ && !watchdog.disarm.empty() && (told_to_vent_ || vents())) co_return Result<void>{};
  if (!armed_) {
    for (const WriteStep& step : watchdog.arm) {
      const auto done = co_await carry_out(step, polling);
      if (!done) co_return fail(done.error());
    }
    armed_ = true;
    armed_at_ = std::chrono::steady_clock::now();
  }
  if (watchdog.feed) {
    const auto fed = co_await registers_.write(
        *watchdog.feed, watchdog.feed_with[fed_++ % watchdog.feed_with.size()], polling);
    if (!fed) co_return fail(fed.error());
  }
  if (!watchdog.verify) co_return Result<void>{};
  Result<bool> alive = armed_at_last_poll(*watchdog.verify);
  if (!alive) alive = co_await registers_.is_so(*watchdog.verify, polling);
  if (!alive) co_return fail(alive.error());
  if (*alive) co_return Result<void>{};
  co_return fail(
      fault(Fault::Kind::instrument,
            fmt::format("the press's own watchdog is not armed; if it expired, the press has done its {} by "
                        "itself, and a new target resets it",
                        watchdog.action)));
}

/// What the poll that goes before a feeding said of the watchdog: a request less on a busy bus. A fault when it said
/// nothing, or when it is too old.
Result<bool> ModbusPress::armed_at_last_poll(const Expectation& verify) const {
  const bool polled = map_.block_of(verify.item) == map_.poll;
  if (!polled || polled_.empty() || std::chrono::steady_clock::now() - polled_at_ > poll_is_fresh ||
      polled_at_ < armed_at_)
    return fail(Fault::Kind::bad_value, "not polled");
  return registers_.holds(verify, polled_);
}

Later<void> ModbusPress::reset_watchdog(Turn turn) {
  if (!map_.watchdog || map_.watchdog->reset.empty()) co_return Result<void>{};
  if (map_.watchdog->verify) {
    const auto alive = co_await registers_.is_so(*map_.watchdog->verify, turn);
    if (!alive) co_return fail(alive.error());
    if (*alive) co_return Result<void>{};
  }
  for (const WriteStep& step : map_.watchdog->reset) {
    const auto done = co_await carry_out(step, turn);
    if (!done) co_return fail(done.error());
  }
  armed_ = false;
  co_return Result<void>{};
}

/// A press that releases needs nobody, and must not be stopped half-way because nobody is there.
Later<void> ModbusPress::disarm_watchdog() {
  if (!map_.watchdog || map_.watchdog->disarm.empty()) co_return Result<void>{};
  const Turn turn = registers_.stop();
  armed_ = false;
  for (const WriteStep& step : map_.watchdog->disarm) {
    const auto done = co_await carry_out(step, turn);
    if (done) continue;
    armed_ = true;
    co_return fail(done.error());
  }
  co_return Result<void>{};
}

}  // namespace

Result<std::unique_ptr<Press>> make_modbus_press(const asio::any_io_executor& executor,
                                                 const ModbusPressOptions& options) {
  const auto named = [&](const std::string& what) {
    return fail(Fault::Kind::input, options.name + ": " + what);
  };
  if (options.unit < 1 || options.unit > 247)
    return named(fmt::format("unit {} is not one of 1 to 247", options.unit));
  const auto settings = link::bus_settings(options.port, options.baud, options.parity, options.stop_bits);
  if (!settings) return named(settings.error().what);
  auto map = find_register_map(options.map);
  if (map && options.area_mm2) map = with_area(std::move(*map), *options.area_mm2);
  if (!map) return named(map.error().what);
  if (settings->host.empty() ? !map->rtu : !map->tcp)
    return named(
        fmt::format("{} does not speak Modbus {}", map->name, settings->host.empty() ? "RTU" : "TCP"));
  auto bus = ModbusBus::shared(executor, *settings);
  if (!bus) return named(bus.error().what);
  return std::make_unique<ModbusPress>(executor, options, std::move(*map), std::move(*bus));
}

}  // namespace cambench
