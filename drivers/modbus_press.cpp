#include "drivers/modbus_press.h"

#include <fmt/core.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include "drivers/link/modbus_bus.h"
#include "drivers/press_judge.h"

namespace cambench {

std::string_view embedded_maps(std::string_view file);  // drivers/maps, by CMake

namespace {

namespace asio = boost::asio;
using link::BusRead;
using link::BusRequest;
using link::BusWrite;
using link::ModbusBus;
using link::Urgency;
using wire::modbus::Action;
using wire::modbus::Block;
using wire::modbus::Expectation;
using wire::modbus::Item;
using wire::modbus::ItemIndex;
using wire::modbus::RegisterMap;
using wire::modbus::Words;
using wire::modbus::WriteStep;

constexpr int stop_attempts = 3;             // an order to make safe is not given up after one lost frame
constexpr Seconds confirm_every{0.05};       // wire time
constexpr Seconds shortest_host_step{0.02};  // wire time
constexpr Seconds poll_is_fresh{0.1};        // wire time; the feeding follows its poll at once

/// On whose behalf something is said: an order that a later one has overtaken must not write any more.
struct Turn {
  Urgency urgency;
  std::uint64_t order;
};
constexpr Turn polling{Urgency::poll, 0};

Seconds since(Instant then) { return std::chrono::steady_clock::now() - then; }

class ModbusPress final : public Press {
 public:
  ModbusPress(asio::any_io_executor executor, ModbusPressOptions options, RegisterMap map,
              std::shared_ptr<ModbusBus> bus)
      : options_(std::move(options)),
        map_(std::move(map)),
        bus_(std::move(bus)),
        ramp_timer_(executor),
        executor_(std::move(executor)) {}

  Later<Identity> identify() override;
  [[nodiscard]] PressLimits limits() const override;
  Later<PressureSample> read() override;
  Later<void> set_target(MegaPascal target) override;
  Later<void> hold() override;
  Later<void> vent() override;
  Later<void> feed_watchdog() override;
  void guard(bool running_cell) override { guards_cell_ = running_cell; }
  [[nodiscard]] IoHealth health() const override { return health_; }

 private:
  // Conversations.
  Later<Words> ask(BusRequest request);
  Later<void> check_identity();
  Later<std::string> read_text(std::optional<ItemIndex> item);
  Later<Words> fetch(ItemIndex item, Turn turn);
  Later<bool> is_so(Expectation expected, Turn turn);
  Later<void> make_sure(Expectation expected, Turn turn);
  Later<void> carry_out(const WriteStep& step, Turn turn);
  Later<void> perform(const Action& action, Turn turn);
  Later<void> make_safe(const std::optional<Action>& action, std::string what);
  Later<void> write_item(ItemIndex item, double value, Turn turn);
  Later<void> write_step(const WriteStep& step, Turn turn);
  Later<void> end_pulse(WriteStep step, Turn turn);
  Later<void> write_pressure_of_now(WriteStep step, Turn turn);
  Later<MegaPascal> pressure_now(Turn turn);
  Later<bool> has_already(ItemIndex item, Words words, Turn turn);
  Later<void> wait_for_interval(ItemIndex item, Turn turn);
  Later<void> ramp_by_device(MegaPascal target, Turn turn);
  Later<void> ramp_by_host(MegaPascal target, Turn turn);
  Later<void> reset_watchdog(Turn turn);
  [[nodiscard]] Result<bool> armed_at_last_poll(const Expectation& verify) const;
  Later<void> pause(Seconds wire_time);

  // The map's view of things.
  [[nodiscard]] Result<double> value(ItemIndex item, const Words& words) const;
  [[nodiscard]] Result<BusWrite> telegram_of(const WriteStep& step) const;
  [[nodiscard]] Block block_around(ItemIndex item) const;
  [[nodiscard]] BusRequest request(std::string_view what, Turn turn) const;
  [[nodiscard]] bool overtaken(Turn turn) const {
    return turn.urgency == Urgency::set_point && turn.order != order_;
  }
  [[nodiscard]] Fault fault(Fault::Kind kind, std::string_view what) const;

  const ModbusPressOptions options_;
  const RegisterMap map_;
  const std::shared_ptr<ModbusBus> bus_;
  asio::steady_timer ramp_timer_;
  const asio::any_io_executor executor_;
  IoHealth health_;

  std::uint64_t order_ = 0;               // counts set_target, hold and vent: a later one ends a ramp
  std::optional<MegaPascal> intended_;    // what we wrote last and read back; empty before and after a vent
  bool guards_cell_ = false;              // a cell runs under it
  std::map<ItemIndex, Instant> written_;  // for items that must not be written too often
  bool armed_ = false;
  Instant armed_at_;
  std::size_t fed_ = 0;

  PressJudge judge_{map_};
  Words polled_;
  Instant polled_at_;
};

Fault ModbusPress::fault(Fault::Kind kind, std::string_view what) const {
  return {kind, fmt::format("{}: {}", options_.name, what)};
}

BusRequest ModbusPress::request(std::string_view what, Turn turn) const {
  BusRequest asked;
  asked.unit = static_cast<std::uint8_t>(options_.unit);
  asked.urgency = turn.urgency;
  asked.guards_cell = guards_cell_;
  asked.timeout = map_.response_timeout;
  asked.guard_time = map_.guard_time;
  asked.name = fmt::format("{}: {}", options_.name, what);
  return asked;
}

/// What is read to get an item: the block it belongs to, else the item alone.
Block ModbusPress::block_around(ItemIndex index) const {
  const Item& item = map_.items[index];
  if (const auto block = map_.block_of(index)) return map_.blocks[*block];
  return {item.name, item.table, item.address, item.count};
}

Result<double> ModbusPress::value(ItemIndex item, const Words& words) const {
  return value_of(map_, item, block_around(item), words);
}

Later<Words> ModbusPress::ask(BusRequest request) {
  const Instant began = std::chrono::steady_clock::now();
  auto answer = co_await bus_->ask(std::move(request));
  if (answer || answer.error().kind != Fault::Kind::cancelled)
    health_.count(answer.has_value(), since(began));
  co_return answer;
}

Later<Words> ModbusPress::fetch(ItemIndex item, Turn turn) {
  const Block block = block_around(item);
  BusRequest asked = request("reading " + block.name, turn);
  asked.what = BusRead{block.table, block.address, block.count};
  co_return co_await ask(std::move(asked));
}

// ---- Identity ----------------------------------------------------------------------------------------------

Later<Identity> ModbusPress::identify() {
  const auto checked = co_await check_identity();
  if (!checked) co_return fail(checked.error());
  const auto serial = co_await read_text(map_.serial);
  if (!serial) co_return fail(serial.error());
  if (!options_.serial.empty() && *serial != options_.serial)
    co_return fail(
        fault(Fault::Kind::identity,
              fmt::format("serial number \"{}\" answered, configured is \"{}\"", *serial, options_.serial)));
  const auto firmware = co_await read_text(map_.firmware);
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
    const auto words = co_await fetch(check.item, polling);
    if (!words) co_return fail(words.error());
    const auto as_expected = holds(map_, check, block_around(check.item), *words);
    if (as_expected && *as_expected) continue;
    const Item& item = map_.items[check.item];
    const auto found = value(check.item, *words);
    co_return fail(fault(
        Fault::Kind::identity,
        fmt::format("{} is {} instead of {:g} ({}); is this the right device, map and word order?", item.name,
                    found ? fmt::format("{:g}", *found) : found.error().what, check.equals, check.why)));
  }
  co_return Result<void>{};
}

Later<std::string> ModbusPress::read_text(std::optional<ItemIndex> item) {
  if (!item) co_return std::string{};
  const auto words = co_await fetch(*item, polling);
  if (!words) co_return fail(words.error());
  co_return text_of(map_, *item, block_around(*item), *words);
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
  const auto words = co_await fetch(map_.pressure, polling);
  if (!words) co_return fail(words.error());
  polled_ = *words;
  polled_at_ = std::chrono::steady_clock::now();
  auto [sample, restarted] =
      judge_.judge(*words, intended_.has_value(), {polled_at_, std::chrono::system_clock::now()});
  if (restarted) armed_ = false;
  if (map_.target && map_.block_of(*map_.target) != map_.poll) {
    const auto target_words = co_await fetch(*map_.target, polling);
    if (!target_words) co_return fail(target_words.error());
    if (const auto target = value(*map_.target, *target_words))
      sample.target = map_.to_pressure(*map_.target, *target);
  }
  if (sample.trouble.empty()) sample.trouble = was_moved(map_, sample, intended_);
  if (!sample.trouble.empty()) sample.pressure.reset();
  co_return sample;
}

// ---- Writing -----------------------------------------------------------------------------------------------

Later<void> ModbusPress::write_item(ItemIndex index, double number, Turn turn) {
  WriteStep step;
  step.items = {index};
  step.values = {number};
  co_return co_await carry_out(step, turn);
}

Later<void> ModbusPress::carry_out(const WriteStep& step, Turn turn) {
  if (step.values.empty()) co_return co_await write_pressure_of_now(step, turn);
  const auto written = co_await write_step(step, turn);
  if (!written) co_return fail(written.error());
  if (step.pulse) {
    const auto ended = co_await end_pulse(step, turn);
    if (!ended) co_return fail(ended.error());
  }
  if (!step.until) co_return Result<void>{};
  co_return co_await make_sure(*step.until, turn);
}

// Its end goes out whatever happens meanwhile: a bit that is left standing is an order of its own.
Later<void> ModbusPress::end_pulse(WriteStep step, Turn turn) {
  const auto waited = co_await pause(*step.pulse);
  std::ranges::fill(step.values, 0.0);
  turn.urgency = Urgency::stop;
  const auto ended = co_await write_step(step, turn);
  co_return waited ? ended : waited;
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
  const auto words = co_await fetch(map_.pressure, turn);
  if (!words) co_return fail(words.error());
  const auto fresh = value(map_.pressure, *words);
  if (fresh) co_return map_.to_pressure(map_.pressure, *fresh);
  if (const auto last = judge_.last_good(std::chrono::steady_clock::now())) co_return *last;
  co_return fail(fault(Fault::Kind::bad_value, "the pressure of now is not known: " + fresh.error().what));
}

Later<void> ModbusPress::write_step(const WriteStep& step, Turn turn) {
  auto telegram = telegram_of(step);
  if (!telegram) co_return fail(fault(telegram.error().kind, telegram.error().what));
  const ItemIndex first = step.items[0];
  if (map_.items[first].write->only_on_change && step.items.size() == 1) {
    const auto same = co_await has_already(first, telegram->words, turn);
    if (!same) co_return fail(same.error());
    if (*same) co_return Result<void>{};
  }
  const auto waited = co_await wait_for_interval(first, turn);
  if (!waited) co_return fail(waited.error());
  if (overtaken(turn)) co_return fail(fault(Fault::Kind::cancelled, "the order was ended by a later one"));
  BusRequest asked = request("writing " + map_.items[first].name, turn);
  asked.what = std::move(*telegram);
  const auto done = co_await ask(std::move(asked));
  if (!done) co_return fail(done.error());
  written_[first] = std::chrono::steady_clock::now();
  co_return Result<void>{};
}

Result<BusWrite> ModbusPress::telegram_of(const WriteStep& step) const {
  const Item& first = map_.items[step.items[0]];
  BusWrite write{first.table, first.address, {}, first.write->single, {}};
  Words expected;
  bool reads_back = true;
  for (std::size_t i = 0; i < step.items.size(); ++i) {
    const Item& item = map_.items[step.items[i]];
    const auto words = words_for(map_, step.items[i], step.values[i]);
    if (!words) return fail(words.error());
    write.words.insert(write.words.end(), words->begin(), words->end());
    const auto back = step.readback ? encode((*step.readback)[i], item.type, item.order) : words;
    if (!back) return fail(back.error());
    expected.insert(expected.end(), back->begin(), back->end());
    reads_back = reads_back && (step.readback || item.write->readback);
  }
  if (!reads_back) return write;
  const Item& back = map_.items[first.write->readback.value_or(step.items[0])];
  const auto count = static_cast<std::uint16_t>(expected.size());
  write.check = {{back.table, back.address, count},
                 std::move(expected),
                 first.write->tolerance / std::abs(back.scale),
                 back.type,
                 back.order};
  return write;
}

Later<bool> ModbusPress::has_already(ItemIndex item, Words words, Turn turn) {
  const Item& back = map_.items[map_.items[item].write->readback.value_or(item)];
  BusRequest asked = request("reading " + back.name, turn);
  asked.what = BusRead{back.table, back.address, back.count};
  const auto there = co_await ask(std::move(asked));
  if (!there) co_return fail(there.error());
  co_return *there == words;
}

Later<void> ModbusPress::wait_for_interval(ItemIndex item, Turn turn) {
  const Seconds interval = map_.items[item].write->min_interval;
  const auto before = written_.find(item);
  if (turn.urgency == Urgency::stop || before == written_.end()) co_return Result<void>{};
  const Seconds left = interval - since(before->second);
  if (left.count() > 0) co_return co_await pause(left);
  co_return Result<void>{};
}

Later<void> ModbusPress::pause(Seconds wire_time) {
  asio::steady_timer timer(executor_);
  timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(wire_time));
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (error) co_return fail(fault(Fault::Kind::cancelled, "interrupted"));
  co_return Result<void>{};
}

Later<bool> ModbusPress::is_so(Expectation expected, Turn turn) {
  const auto words = co_await fetch(expected.item, turn);
  if (!words) co_return fail(words.error());
  co_return holds(map_, expected, block_around(expected.item), *words);
}

Later<void> ModbusPress::make_sure(Expectation expected, Turn turn) {
  const Instant began = std::chrono::steady_clock::now();
  for (;;) {
    const auto so = co_await is_so(expected, turn);
    if (!so) co_return fail(so.error());
    if (*so) co_return Result<void>{};
    if (overtaken(turn)) co_return fail(fault(Fault::Kind::cancelled, "the order was ended by a later one"));
    if (since(began) >= expected.within) break;
    const auto waited = co_await pause(confirm_every);
    if (!waited) co_return fail(waited.error());
  }
  co_return fail(
      fault(Fault::Kind::instrument, fmt::format("the press does not confirm: {} should be {:g}",
                                                 map_.items[expected.item].name, expected.equals)));
}

Later<void> ModbusPress::perform(const Action& action, Turn turn) {
  for (const WriteStep& step : action.steps) {
    const auto done = co_await carry_out(step, turn);
    if (!done) co_return fail(done.error());
  }
  if (!action.confirm) co_return Result<void>{};
  co_return co_await make_sure(*action.confirm, turn);
}

// ---- Moving ------------------------------------------------------------------------------------------------

Later<void> ModbusPress::set_target(MegaPascal target) {
  if (!map_.target)
    co_return fail(fault(Fault::Kind::refused, "this press is set by hand; its map has no set point"));
  const auto possible = words_for(map_, *map_.target, map_.from_pressure(*map_.target, target));
  if (!possible) co_return fail(fault(possible.error().kind, possible.error().what));
  const Turn turn{Urgency::set_point, ++order_};
  ramp_timer_.cancel();
  judge_.forget_restart();
  const auto reset = co_await reset_watchdog(turn);
  if (!reset) co_return fail(reset.error());
  if (map_.ramp->rate) co_return co_await ramp_by_device(target, turn);
  co_return co_await ramp_by_host(target, turn);
}

Later<void> ModbusPress::ramp_by_device(MegaPascal target, Turn turn) {
  const ItemIndex rate = *map_.ramp->rate;
  const auto limited = co_await write_item(rate, map_.from_rate(rate, map_.ramp->rate_MPa_per_s), turn);
  if (!limited) co_return fail(limited.error());
  const auto written = co_await write_item(*map_.target, map_.from_pressure(*map_.target, target), turn);
  if (!written) co_return fail(written.error());
  intended_ = target;
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
    const auto written = co_await write_item(*map_.target, map_.from_pressure(*map_.target, here), turn);
    if (!written) co_return fail(written.error());
    intended_ = here;
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
  co_return co_await make_safe(map_.hold, "hold");
}

Later<void> ModbusPress::vent() {
  if (!map_.target)
    co_return fail(fault(Fault::Kind::refused, "this press is set by hand; somebody has to release it"));
  const auto vented = co_await make_safe(map_.vent, "vent");
  if (!vented) co_return fail(vented.error());
  intended_.reset();
  judge_.forget_restart();
  co_return Result<void>{};
}

Later<void> ModbusPress::make_safe(const std::optional<Action>& action, std::string what) {
  const Turn turn{Urgency::stop, ++order_};
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
  if (!armed_) {
    for (const WriteStep& step : watchdog.arm) {
      const auto done = co_await carry_out(step, polling);
      if (!done) co_return fail(done.error());
    }
    armed_ = true;
    armed_at_ = std::chrono::steady_clock::now();
  }
  if (watchdog.feed) {
    const auto fed =
        co_await write_item(*watchdog.feed, watchdog.feed_with[fed_++ % watchdog.feed_with.size()], polling);
    if (!fed) co_return fail(fed.error());
  }
  if (!watchdog.verify) co_return Result<void>{};
  Result<bool> alive = armed_at_last_poll(*watchdog.verify);
  if (!alive) alive = co_await is_so(*watchdog.verify, polling);
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
  if (!polled || polled_.empty() || since(polled_at_) > poll_is_fresh || polled_at_ < armed_at_)
    return fail(Fault::Kind::bad_value, "not polled");
  return holds(map_, verify, map_.blocks[map_.poll], polled_);
}

Later<void> ModbusPress::reset_watchdog(Turn turn) {
  if (!map_.watchdog || map_.watchdog->reset.empty()) co_return Result<void>{};
  if (map_.watchdog->verify) {
    const auto alive = co_await is_so(*map_.watchdog->verify, turn);
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

Result<std::string> content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return fail(Fault::Kind::input,
                fmt::format("{}: there is neither a built-in register map of that name nor "
                            "a file that can be read",
                            path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

Result<RegisterMap> find_register_map(const std::string& name_or_path) {
  const std::string built_in = name_or_path + ".toml";
  if (const auto text = embedded_maps(built_in); !text.empty())
    return wire::modbus::read_register_map(text, built_in);
  const auto text = content(name_or_path);
  if (!text) return fail(text.error());
  return wire::modbus::read_register_map(*text, name_or_path);
}

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
