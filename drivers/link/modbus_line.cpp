#include "drivers/link/modbus_line.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>

namespace cambench::link {

using wire::modbus::Bytes;

namespace {

constexpr int highest_descriptor = 1000;  // libmodbus aborts in FD_SET from 1024 on

Fault system_fault(std::string_view doing) {
  const int error = errno;
  if (error == ETIMEDOUT) return {Fault::Kind::timeout, fmt::format("{}: no answer in time", doing)};
  const bool framing = error >= MODBUS_ENOBASE;
  return {framing ? Fault::Kind::protocol : Fault::Kind::link,
          fmt::format("{}: {}", doing, modbus_strerror(error))};
}

}  // namespace

void ModbusLine::set_timeout(Seconds timeout) {
  const auto microseconds = std::max<std::int64_t>(1000, std::llround(timeout.count() * 1e6));
  modbus_set_response_timeout(context_, static_cast<std::uint32_t>(microseconds / 1000000),
                              static_cast<std::uint32_t>(microseconds % 1000000));
  modbus_set_byte_timeout(context_, 0, 0);  // then the response time-out bounds the whole call
}

Result<void> ModbusLine::open(Seconds timeout) {
  close();
  context_ = is_tcp() ? modbus_new_tcp(settings_.host.c_str(), settings_.port)
                      : modbus_new_rtu(settings_.device.c_str(), settings_.baud, settings_.parity, 8,
                                       settings_.stop_bits);
  if (!context_) return fail(system_fault("cannot be set up"));
  modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  set_timeout(timeout);
  if (modbus_connect(context_) != 0) {
    // 3.1.6 reports a connection that timed out as "in progress": every -1 is a failure, whatever errno says.
    auto fault = system_fault("cannot be opened");
    fault.kind = Fault::Kind::link;
    close();
    return fail(fault);
  }
  const int descriptor = modbus_get_socket(context_);
  if (descriptor < 0 || descriptor >= highest_descriptor) {
    close();
    return fail(Fault::Kind::link,
                fmt::format("cannot be opened: descriptor {} is beyond {}; too many files are open",
                            descriptor, highest_descriptor));
  }
  const std::lock_guard lock(descriptor_mutex_);
  descriptor_ = descriptor;
  if (!is_tcp()) return lock_serial_line();
  return {};
}

// libmodbus neither locks a serial line nor throws away what waited in it.
Result<void> ModbusLine::lock_serial_line() const {
  if (::ioctl(descriptor_, TIOCEXCL) != 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
    return fail(Fault::Kind::link, "another program uses this line");
  ::tcflush(descriptor_, TCIOFLUSH);
  return {};
}

void ModbusLine::close() {
  const std::lock_guard lock(descriptor_mutex_);
  if (descriptor_ >= 0 && !is_tcp())
    ::ioctl(descriptor_, TIOCNXCL);  // the lock is the line's, not the descriptor's
  descriptor_ = -1;
  if (!context_) return;
  modbus_close(context_);
  modbus_free(context_);
  context_ = nullptr;
}

void ModbusLine::hang_up() {
  const std::lock_guard lock(descriptor_mutex_);
  if (descriptor_ >= 0 && is_tcp()) ::shutdown(descriptor_, SHUT_RDWR);
}

std::size_t ModbusLine::drain(int wait_ms) {
  std::size_t drained = 0;
  std::array<std::uint8_t, 512> rest;
  pollfd watched{descriptor_, POLLIN, 0};
  while (drained < 65536 && ::poll(&watched, 1, wait_ms) > 0) {
    const auto count = ::read(descriptor_, rest.data(), rest.size());
    if (count <= 0) {
      close();  // the peer is gone
      return drained;
    }
    drained += static_cast<std::size_t>(count);
  }
  return drained;
}

// libmodbus sends raw requests with transaction 0 always, so the TCP envelope is ours.
Result<void> ModbusLine::send(std::uint8_t unit, const Bytes& request) {
  Bytes frame;
  if (is_tcp()) {
    ++transaction_;
    const auto length = request.size() + 1;
    frame = {
        static_cast<std::uint8_t>(transaction_ >> 8), static_cast<std::uint8_t>(transaction_ & 0xff), 0, 0,
        static_cast<std::uint8_t>(length >> 8),       static_cast<std::uint8_t>(length & 0xff)};
  }
  frame.push_back(unit);
  frame.insert(frame.end(), request.begin(), request.end());
  const bool sent = is_tcp()
                        ? ::send(descriptor_, frame.data(), frame.size(), MSG_NOSIGNAL) ==
                              static_cast<ssize_t>(frame.size())
                        : modbus_send_raw_request(context_, frame.data(), static_cast<int>(frame.size())) > 0;
  if (!sent) return fail(system_fault("cannot send"));
  return {};
}

Result<Bytes> ModbusLine::receive(std::uint8_t unit, Seconds timeout) {
  set_timeout(timeout);
  std::array<std::uint8_t, MODBUS_MAX_ADU_LENGTH> frame;
  const int count = modbus_receive_confirmation(context_, frame.data());
  if (count < 0) return fail(system_fault("waiting for the reply"));
  const auto bytes = std::span(frame).first(static_cast<std::size_t>(count));
  if (is_tcp()) return out_of_tcp(bytes, unit);
  if (count < 5 || bytes[0] != unit) return fail(Fault::Kind::protocol, "a reply of another unit");
  return Bytes(bytes.begin() + 1, bytes.end() - 2);
}

// Transaction, protocol, length, unit: libmodbus compares none of the last three.
Result<Bytes> ModbusLine::out_of_tcp(std::span<const std::uint8_t> frame, std::uint8_t unit) const {
  const auto word = [&](std::size_t at) { return frame[at] << 8 | frame[at + 1]; };
  if (frame.size() < 9) return fail(Fault::Kind::protocol, "a reply that is too short");
  if (word(0) != transaction_) return fail(Fault::Kind::protocol, "a reply to another request");
  if (word(2) != 0) return fail(Fault::Kind::protocol, "a reply that is not Modbus");
  if (word(4) != static_cast<int>(frame.size()) - 6)
    return fail(Fault::Kind::protocol, "a reply with a wrong length");
  if (frame[6] != unit) return fail(Fault::Kind::protocol, fmt::format("a reply of unit {}", frame[6]));
  return Bytes(frame.begin() + 7, frame.end());
}

Result<Bytes> ModbusLine::exchange(std::uint8_t unit, const Bytes& request, Seconds timeout) {
  modbus_set_slave(context_, unit);  // without it libmodbus aborts on a serial line
  if (const auto sent = send(unit, request); !sent) return fail(sent.error());
  return receive(unit, timeout);
}

std::string place(const BusSettings& settings) {
  return settings.host.empty() ? settings.device : fmt::format("tcp://{}:{}", settings.host, settings.port);
}

Result<BusSettings> bus_settings(const std::string& port, int baud, char parity, int stop_bits) {
  BusSettings settings;
  constexpr std::string_view scheme = "tcp://";
  if (port.starts_with(scheme)) {
    const auto colon = port.rfind(':');
    const bool has_port = colon > scheme.size();
    settings.host = port.substr(scheme.size(), has_port ? colon - scheme.size() : std::string::npos);
    if (has_port) {
      const char* end = port.data() + port.size();
      const auto [stop, error] = std::from_chars(port.data() + colon + 1, end, settings.port);
      if (error != std::errc{} || stop != end || settings.port == 0)
        return fail(Fault::Kind::input,
                    fmt::format("{}: the TCP port must be a number from 1 to 65535", port));
    }
    in_addr address{};
    if (::inet_pton(AF_INET, settings.host.c_str(), &address) != 1)
      return fail(
          Fault::Kind::input,
          fmt::format(
              "{}: the address must be numeric (IPv4), like tcp://192.168.50.7:502; looking up a name "
              "could block for ever",
              port));
    return settings;
  }
  constexpr std::array bauds{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400};
  if (port.empty() || port[0] != '/')
    return fail(Fault::Kind::input,
                fmt::format("\"{}\" is neither tcp://address:port nor the path of a serial line", port));
  if (std::ranges::find(bauds, baud) == bauds.end())
    return fail(Fault::Kind::input,
                fmt::format("{}: {} baud is not a usual rate: {}", port, baud, fmt::join(bauds, ", ")));
  if ((parity != 'N' && parity != 'E' && parity != 'O') || stop_bits < 1 || stop_bits > 2)
    return fail(Fault::Kind::input, fmt::format("{}: the parity is N, E or O, with 1 or 2 stop bits", port));
  settings.device = port;
  settings.baud = baud;
  settings.parity = parity;
  settings.stop_bits = stop_bits;
  return settings;
}

}  // namespace cambench::link
