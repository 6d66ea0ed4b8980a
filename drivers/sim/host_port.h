// Where a host plugs in to a simulated instrument: a pseudo terminal behind a symbolic link, as a USB instrument
// has, or a TCP port on the loopback. Bytes only; it knows nothing of what they mean.
//
// Single-threaded: made, used and destroyed on the io_context's thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace cambench::sim {

class HostPort {
 public:
  virtual ~HostPort() = default;

  /// How a configuration names it: a device path, or tcp://127.0.0.1:49152. Stays the same when plugged again.
  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual bool connected() const = 0;

  /// Bytes for the host; kept until it takes them. Lost when no host is connected.
  virtual void send(std::string_view bytes) = 0;
  [[nodiscard]] virtual std::size_t unsent() const = 0;

  virtual void unplug() = 0;  ///< the host sees the device or connection vanish; nothing can be opened
  virtual void plug() = 0;    ///< and come back
  virtual void drop() = 0;    ///< the connection that is there ends; it can be made again

  /// To be called every few milliseconds: a pseudo terminal has no event for being opened.
  virtual void look() = 0;

  /// At most so many bytes in one write; 0 is no limit. Makes messages arrive in pieces.
  void set_chunk(std::size_t bytes) { chunk_ = bytes; }
  /// TCP: whether a second host takes the place of the first, or is turned away (not known of the real one).
  void set_second_displaces(bool displaces) { second_displaces_ = displaces; }

 protected:
  std::size_t chunk_ = 0;
  bool second_displaces_ = false;
};

struct HostPortEvents {
  std::function<void(std::string_view)> received;
  std::function<void(bool connected)> changed;
};

/// A pty whose device is reachable as `link`. Throws std::runtime_error naming the path when it cannot be made.
std::unique_ptr<HostPort> open_pty(boost::asio::io_context& io, std::filesystem::path link,
                                   HostPortEvents events);
/// Listens on a port of the loopback; 0 is a free one. Throws boost::system::system_error.
std::unique_ptr<HostPort> open_tcp(boost::asio::io_context& io, HostPortEvents events,
                                   const std::string& address = "127.0.0.1", std::uint16_t port = 0);

}  // namespace cambench::sim
