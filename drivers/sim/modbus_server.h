// Modbus answered by code, on the loopback: TCP on an ephemeral port, RTU on a pseudo terminal. It keeps to
// the application protocol 1.1b3 (requests may arrive split or together; exceptions 1 to 3; an unknown unit
// gets exception 0x0B as from a gateway) and can misbehave as the devices behind it are told to
// (AnswerTrouble).
//
// Single-threaded: everything happens on the io_context. Devices must outlive the server.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "drivers/sim/press_machine.h"

namespace cambench::sim {

using Units = std::map<std::uint8_t, RegisterDevice*>;  ///< unit id -> who answers
using NowFunction = std::function<Instant()>;

class ModbusTcpServer {
 public:
  /// Listens on 127.0.0.1; port 0 takes a free one. Throws boost::system::system_error if it cannot.
  ModbusTcpServer(const boost::asio::any_io_executor& executor, Units units, std::uint16_t port = 0,
                  NowFunction now = std::chrono::steady_clock::now);
  ~ModbusTcpServer();
  ModbusTcpServer(const ModbusTcpServer&) = delete;
  ModbusTcpServer& operator=(const ModbusTcpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::uint64_t requests() const;  ///< answered or swallowed so far
  void drop_connections();                       ///< closes what is connected now, as a device that restarts

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// The same devices on a serial line. A pseudo terminal has no baud rate; everything else is as on a wire.
class ModbusRtuServer {
 public:
  /// Throws boost::system::system_error when there is no pseudo terminal to be had.
  ModbusRtuServer(const boost::asio::any_io_executor& executor, Units units,
                  NowFunction now = std::chrono::steady_clock::now);
  ~ModbusRtuServer();
  ModbusRtuServer(const ModbusRtuServer&) = delete;
  ModbusRtuServer& operator=(const ModbusRtuServer&) = delete;

  [[nodiscard]] const std::string& path() const;  ///< to be opened by the client
  [[nodiscard]] std::uint64_t requests() const;   ///< addressed to one of the units

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// The checksum of Modbus RTU (serial line guide 1.02, section 6.2.2), sent low byte first.
[[nodiscard]] std::uint16_t crc16(std::span<const std::uint8_t> bytes);

}  // namespace cambench::sim
