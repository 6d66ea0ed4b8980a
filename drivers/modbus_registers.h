// The registers of one device on a bus, as its map names them: read, written with all that the map asks for (read-back,
// intervals, pulses, handshakes), and given up when a later order has overtaken. For the drivers of Modbus devices.
//
// Threading: as drivers/instrument.h.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "drivers/instrument.h"
#include "drivers/link/modbus_bus.h"
#include "drivers/wire/register_map.h"

namespace cambench {

class ModbusRegisters {
 public:
  /// On whose behalf something is said: an order that a later one has overtaken must not write any more.
  struct Turn {
    link::Urgency urgency;
    std::uint64_t order;
  };
  static constexpr Turn polling{link::Urgency::poll, 0};

  /// `name`: for sentences. `map` must outlive this.
  ModbusRegisters(boost::asio::any_io_executor executor, std::string name, int unit,
                  const wire::modbus::RegisterMap& map, std::shared_ptr<link::ModbusBus> bus);

  /// A new order: it overtakes those before it.
  Turn set_point() { return {link::Urgency::set_point, ++order_}; }
  Turn stop() { return {link::Urgency::stop, ++order_}; }

  /// The words of the block that an item belongs to, else of the item alone.
  Later<wire::modbus::Words> fetch(wire::modbus::ItemIndex item, Turn turn);
  /// Of words that fetch() brought.
  [[nodiscard]] Result<double> value(wire::modbus::ItemIndex item, const wire::modbus::Words& words) const;
  [[nodiscard]] Result<bool> holds(const wire::modbus::Expectation& expected,
                                   const wire::modbus::Words& words) const;
  Later<std::string> text(wire::modbus::ItemIndex item, Turn turn);

  Later<bool> is_so(wire::modbus::Expectation expected, Turn turn);
  /// Asks until it is so; an `instrument` fault when the map's time for it is over.
  Later<void> make_sure(wire::modbus::Expectation expected, Turn turn);

  Later<void> write(wire::modbus::ItemIndex item, double value, Turn turn);
  /// A step with values: written and read back, its pulse ended, its `until` waited for.
  Later<void> carry_out(const wire::modbus::WriteStep& step, Turn turn);

  void guard(bool running_cell) { guards_cell_ = running_cell; }
  [[nodiscard]] IoHealth health() const { return health_; }
  [[nodiscard]] Fault fault(Fault::Kind kind, std::string_view what) const;

 private:
  Later<wire::modbus::Words> ask(link::BusRequest request);
  Later<void> write_step(const wire::modbus::WriteStep& step, Turn turn);
  Later<void> end_pulse(wire::modbus::WriteStep step, Turn turn);
  Later<bool> has_already(wire::modbus::ItemIndex item, wire::modbus::Words words, Turn turn);
  Later<void> wait_for_interval(wire::modbus::ItemIndex item, Turn turn);
  Later<void> pause(Seconds wire_time);

  [[nodiscard]] Result<link::BusWrite> telegram_of(const wire::modbus::WriteStep& step) const;
  [[nodiscard]] wire::modbus::Block block_around(wire::modbus::ItemIndex item) const;
  [[nodiscard]] link::BusRequest request(std::string_view what, Turn turn) const;
  [[nodiscard]] bool overtaken(Turn turn) const {
    return turn.urgency == link::Urgency::set_point && turn.order != order_;
  }

  const boost::asio::any_io_executor executor_;
  const std::string name_;
  const std::uint8_t unit_;
  const wire::modbus::RegisterMap& map_;
  const std::shared_ptr<link::ModbusBus> bus_;
  IoHealth health_;
  std::uint64_t order_ = 0;  // of the last order
  bool guards_cell_ = false;
  std::map<wire::modbus::ItemIndex, Instant> written_;  // for items that must not be written too often
};

}  // namespace cambench
