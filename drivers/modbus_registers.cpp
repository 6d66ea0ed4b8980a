#include "drivers/modbus_registers.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <utility>

namespace cambench {

namespace asio = boost::asio;
using link::BusRead;
using link::BusRequest;
using link::BusWrite;
using link::Urgency;
using wire::modbus::Block;
using wire::modbus::Expectation;
using wire::modbus::Item;
using wire::modbus::ItemIndex;
using wire::modbus::RegisterMap;
using wire::modbus::Words;
using wire::modbus::WriteStep;

namespace {

constexpr Seconds confirm_every{0.05};  // wire time

Seconds since(Instant then) { return std::chrono::steady_clock::now() - then; }

}  // namespace

ModbusRegisters::ModbusRegisters(asio::any_io_executor executor, std::string name, int unit,
                                 const RegisterMap& map, std::shared_ptr<link::ModbusBus> bus)
    : executor_(std::move(executor)),
      name_(std::move(name)),
      unit_(static_cast<std::uint8_t>(unit)),
      map_(map),
      bus_(std::move(bus)) {}

Fault ModbusRegisters::fault(Fault::Kind kind, std::string_view what) const {
  return {kind, fmt::format("{}: {}", name_, what)};
}

BusRequest ModbusRegisters::request(std::string_view what, Turn turn) const {
  BusRequest asked;
  asked.unit = unit_;
  asked.urgency = turn.urgency;
  asked.guards_cell = guards_cell_;
  asked.timeout = map_.response_timeout;
  asked.guard_time = map_.guard_time;
  asked.name = fmt::format("{}: {}", name_, what);
  return asked;
}

/// What is read to get an item: the block it belongs to, else the item alone.
Block ModbusRegisters::block_around(ItemIndex index) const {
  const Item& item = map_.items[index];
  if (const auto block = map_.block_of(index)) return map_.blocks[*block];
  return {item.name, item.table, item.address, item.count};
}

Result<double> ModbusRegisters::value(ItemIndex item, const Words& words) const {
  return value_of(map_, item, block_around(item), words);
}

Result<bool> ModbusRegisters::holds(const Expectation& expected, const Words& words) const {
  return wire::modbus::holds(map_, expected, block_around(expected.item), words);
}

Later<Words> ModbusRegisters::ask(BusRequest request) {
  const Instant began = std::chrono::steady_clock::now();
  auto answer = co_await bus_->ask(std::move(request));
  if (answer || answer.error().kind != Fault::Kind::cancelled)
    health_.count(answer.has_value(), since(began));
  co_return answer;
}

Later<Words> ModbusRegisters::fetch(ItemIndex item, Turn turn) {
  const Block block = block_around(item);
  BusRequest asked = request("reading " + block.name, turn);
  asked.what = BusRead{block.table, block.address, block.count};
  co_return co_await ask(std::move(asked));
}

Later<std::string> ModbusRegisters::text(ItemIndex item, Turn turn) {
  const auto words = co_await fetch(item, turn);
  if (!words) co_return fail(words.error());
  co_return text_of(map_, item, block_around(item), *words);
}

// ---- Writing -----------------------------------------------------------------------------------------------

Later<void> ModbusRegisters::write(ItemIndex index, double number, Turn turn) {
  WriteStep step;
  step.items = {index};
  step.values = {number};
  co_return co_await carry_out(step, turn);
}

Later<void> ModbusRegisters::carry_out(const WriteStep& step, Turn turn) {
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
Later<void> ModbusRegisters::end_pulse(WriteStep step, Turn turn) {
  const auto waited = co_await pause(*step.pulse);
  std::ranges::fill(step.values, 0.0);
  turn.urgency = Urgency::stop;
  const auto ended = co_await write_step(step, turn);
  co_return waited ? ended : waited;
}

Later<void> ModbusRegisters::write_step(const WriteStep& step, Turn turn) {
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

Result<BusWrite> ModbusRegisters::telegram_of(const WriteStep& step) const {
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

Later<bool> ModbusRegisters::has_already(ItemIndex item, Words words, Turn turn) {
  const Item& back = map_.items[map_.items[item].write->readback.value_or(item)];
  BusRequest asked = request("reading " + back.name, turn);
  asked.what = BusRead{back.table, back.address, back.count};
  const auto there = co_await ask(std::move(asked));
  if (!there) co_return fail(there.error());
  co_return *there == words;
}

Later<void> ModbusRegisters::wait_for_interval(ItemIndex item, Turn turn) {
  const Seconds interval = map_.items[item].write->min_interval;
  const auto before = written_.find(item);
  if (turn.urgency == Urgency::stop || before == written_.end()) co_return Result<void>{};
  const Seconds left = interval - since(before->second);
  if (left.count() > 0) co_return co_await pause(left);
  co_return Result<void>{};
}

Later<void> ModbusRegisters::pause(Seconds wire_time) {
  asio::steady_timer timer(executor_);
  timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(wire_time));
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (error) co_return fail(fault(Fault::Kind::cancelled, "interrupted"));
  co_return Result<void>{};
}

Later<bool> ModbusRegisters::is_so(Expectation expected, Turn turn) {
  const auto words = co_await fetch(expected.item, turn);
  if (!words) co_return fail(words.error());
  co_return holds(expected, *words);
}

Later<void> ModbusRegisters::make_sure(Expectation expected, Turn turn) {
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

}  // namespace cambench
