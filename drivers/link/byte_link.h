// A serial device or a TCP connection, as bytes: the door between a driver and the operating system.
//
// A serial device is opened raw, 8N1, without flow control (an XOFF of ours could stall a running instrument),
// exclusively (TIOCEXCL and flock: a second owner is refused), and never becomes the controlling terminal.
// Time-outs belong to the caller: close() ends whatever waits.
//
// Threading: the thread of the executor alone.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <span>
#include <string_view>

#include "drivers/link/address.h"
#include "schema/result.h"

namespace cambench::link {

class ByteLink {
 public:
  template <typename T>
  using Later = boost::asio::awaitable<Result<T>>;

  virtual ~ByteLink() = default;
  /// Closes what was open and opens anew; gives up after a few seconds.
  virtual Later<void> open() = 0;
  /// At least one byte, at most buffer.size(). A closed or broken link is a Fault of kind link.
  virtual Later<std::size_t> read_some(std::span<char> buffer) = 0;
  /// All of it, in order. Never two writes at once.
  virtual Later<void> write(std::string_view bytes) = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual bool is_open() const = 0;
};

std::unique_ptr<ByteLink> make_link(boost::asio::any_io_executor executor, const Address& address,
                                    unsigned baud = 921600);

}  // namespace cambench::link
