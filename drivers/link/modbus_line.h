// One Modbus line: a serial port or a TCP connection, by libmodbus, which blocks.
//
// What libmodbus leaves to its user is done here: addresses are numeric, the unit is explicit, the response time-out bounds
// the whole call (byte time-out 0), its recovery stays off, a descriptor it would abort on is refused, and a reply has to fit
// its request in transaction, unit and length.
#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "drivers/wire/modbus_pdu.h"
#include "schema/result.h"
#include "schema/units.h"

struct _modbus;

namespace cambench::link {

struct BusSettings {
  std::string host;  ///< numeric IPv4 address; empty for a serial line
  std::uint16_t port = 502;
  std::string device;  ///< path of a serial line, best below /dev/serial/by-id
  int baud = 19200;
  char parity = 'N';  ///< N, E or O
  int stop_bits = 1;
  std::size_t queue = 64;                       ///< requests waiting at most; one more is refused
  Seconds first_pause{0.25}, longest_pause{8};  ///< for a unit or connection that keeps failing
};

/// "tcp://127.0.0.1:1502" or a path. Checks that the address is numeric and the serial parameters exist.
Result<BusSettings> bus_settings(const std::string& port, int baud = 19200, char parity = 'N',
                                 int stop_bits = 1);

/// "tcp://127.0.0.1:1502", or the path of the device.
std::string place(const BusSettings& settings);

/// One libmodbus context. Used by one thread only, but for hang_up(). The settings must outlive it.
class ModbusLine {
 public:
  explicit ModbusLine(const BusSettings& settings) : settings_(settings) {}
  ~ModbusLine() { close(); }
  ModbusLine(const ModbusLine&) = delete;
  ModbusLine& operator=(const ModbusLine&) = delete;

  [[nodiscard]] bool is_tcp() const { return !settings_.host.empty(); }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  Result<void> open(Seconds timeout);
  void close();
  /// Sends one request and waits for its reply; both without envelope.
  Result<wire::modbus::Bytes> exchange(std::uint8_t unit, const wire::modbus::Bytes& request,
                                       Seconds timeout);
  /// Throws away what came unasked and says how many bytes that was. Notices a connection that the peer closed.
  std::size_t drain(int wait_ms);
  /// From another thread: a call that waits on TCP returns at once.
  void hang_up();

 private:
  Result<void> lock_serial_line() const;
  Result<void> send(std::uint8_t unit, const wire::modbus::Bytes& request);
  Result<wire::modbus::Bytes> receive(std::uint8_t unit, Seconds timeout);
  Result<wire::modbus::Bytes> out_of_tcp(std::span<const std::uint8_t> frame, std::uint8_t unit) const;
  void set_timeout(Seconds timeout);

  const BusSettings& settings_;
  _modbus* context_ = nullptr;
  std::mutex descriptor_mutex_;  // so that hang_up never meets a descriptor that has just been reused
  int descriptor_ = -1;
  std::uint16_t transaction_ = 0;
};

}  // namespace cambench::link
