// A Modbus bus (one serial line, or one TCP endpoint, with any number of units) and the one thread that owns it.
// libmodbus blocks, so it lives on that thread alone; requests go in through a bounded queue, answers come back
// on the executor of whoever asked.
//
// Input is drained before every request, and a reply has to fit its request. After a time-out or a framing error TCP is closed and reopened with growing pauses; a
// serial line stays silent for the guard time and is drained. A late reply therefore never becomes a value.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "drivers/link/modbus_line.h"
#include "drivers/wire/modbus_pdu.h"
#include "schema/reading.h"
#include "schema/result.h"

namespace cambench::link {

/// Who goes first, and who is dropped: a stop goes to the head of the queue and discards the set points that
/// wait for the same unit.
enum class Urgency { poll, set_point, stop };

struct BusRead {
  wire::modbus::Table table{};
  std::uint16_t address = 0, count = 1;
};

/// A write, and what must be read back afterwards. It is written once more if that differs, then it is a fault.
struct BusWrite {
  wire::modbus::Table table{};  ///< holding or coil
  std::uint16_t address = 0;
  wire::modbus::Words words;
  bool single = false;  ///< FC06
  struct Check {
    BusRead where;
    wire::modbus::Words expected;
    double tolerance = 0;  ///< compared as numbers of the type below when above 0, else word for word
    wire::modbus::Type type{};
    wire::modbus::Order order{};
  };
  std::optional<Check> check;
};

struct BusRequest {
  std::uint8_t unit = 1;
  std::variant<BusRead, BusWrite> what;
  Urgency urgency = Urgency::poll;
  bool guards_cell =
      false;  ///< not left alone for growing pauses while it is silent: half of the line's time at most
  Seconds timeout{0.5}, guard_time{1};
  std::string name;  ///< for sentences: "press A1: set point"
};

struct BusHealth {
  std::uint64_t ok = 0, errors = 0;
  std::uint64_t drained = 0;    ///< bytes that came unasked: late or foreign frames
  std::uint64_t connects = 0;   ///< successful ones
  Seconds last{0}, longest{0};  ///< one request and its reply
  std::string last_error;
};

class ModbusBus {
 public:
  explicit ModbusBus(BusSettings settings);
  ~ModbusBus();  ///< close()
  ModbusBus(const ModbusBus&) = delete;
  ModbusBus& operator=(const ModbusBus&) = delete;

  /// The words that were read, or that were read back after a write. Bounded by the response time-out times the
  /// number of exchanges (a write is up to four), plus what is ahead in the queue.
  boost::asio::awaitable<Result<wire::modbus::Words>> ask(BusRequest request);

  [[nodiscard]] BusHealth health() const;  ///< from any thread

  /// Ends the thread; what waits, and what is asked later, is answered with Fault::cancelled.
  void close();

  /// The bus of these settings on this executor's context: stations behind one gateway share it. Refuses one
  /// port with two different serial settings.
  static Result<std::shared_ptr<ModbusBus>> shared(const boost::asio::any_io_executor& executor,
                                                   const BusSettings& settings);

 private:
  class Worker;
  BusSettings settings_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace cambench::link
