#include "drivers/link/byte_link.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cambench::link {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto completes = asio::as_tuple(asio::use_awaitable);
constexpr auto connect_time = std::chrono::seconds(3);

std::unexpected<Fault> link_fault(const Address& address, std::string_view doing, const std::string& why) {
  return fail(Fault::Kind::link, fmt::format("{}: {}: {}", address.text, doing, why));
}

/// What is the same for both: reading and writing an Asio stream, with errors turned into Faults.
template <typename Stream>
class StreamLink : public ByteLink {
 public:
  StreamLink(asio::any_io_executor executor, Address address)
      : stream_(std::move(executor)), address_(std::move(address)) {}

  Later<std::size_t> read_some(std::span<char> buffer) override {
    const auto [error, bytes] =
        co_await stream_.async_read_some(asio::buffer(buffer.data(), buffer.size()), completes);
    if (error) co_return link_fault(address_, "reading", error.message());
    co_return bytes;
  }

  Later<void> write(std::string_view bytes) override {
    const auto [error, written] = co_await asio::async_write(stream_, asio::buffer(bytes), completes);
    if (error) co_return link_fault(address_, "writing", error.message());
    co_return Result<void>{};
  }

  void close() override {
    error_code ignored;
    stream_.close(ignored);
  }

  [[nodiscard]] bool is_open() const override { return stream_.is_open(); }

 protected:
  Stream stream_;
  Address address_;
};

class TcpLink final : public StreamLink<asio::ip::tcp::socket> {
 public:
  using StreamLink::StreamLink;

  Later<void> open() override {
    close();
    asio::ip::tcp::resolver resolver(stream_.get_executor());
    const auto [unresolved, endpoints] =
        co_await resolver.async_resolve(address_.host, std::to_string(address_.port), completes);
    if (unresolved) co_return link_fault(address_, "resolving", unresolved.message());
    asio::steady_timer patience(stream_.get_executor(), connect_time);
    patience.async_wait([this](error_code cancelled) {
      if (!cancelled) close();
    });
    const auto [error, endpoint] = co_await asio::async_connect(stream_, endpoints, completes);
    patience.cancel();
    if (error) co_return link_fault(address_, "connecting", error.message());
    error_code ignored;
    stream_.set_option(asio::ip::tcp::no_delay(true), ignored);
    stream_.set_option(asio::socket_base::keep_alive(true), ignored);
    co_return Result<void>{};
  }
};

speed_t speed_of(unsigned baud) {
  switch (baud) {
    case 9600: return B9600;
    case 19200: return B19200;
    case 38400: return B38400;
    case 57600: return B57600;
    case 115200: return B115200;
    case 230400: return B230400;
    case 460800: return B460800;
    default: return B921600;
  }
}

class SerialLink final : public StreamLink<asio::posix::stream_descriptor> {
 public:
  SerialLink(asio::any_io_executor executor, Address address, unsigned baud)
      : StreamLink(std::move(executor), std::move(address)), baud_(baud) {}

  Later<void> open() override {
    close();
    const int descriptor = ::open(address_.device.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) co_return link_fault(address_, "opening", std::strerror(errno));
    if (auto ready = make_raw(descriptor); !ready) {
      ::close(descriptor);
      co_return fail(ready.error());
    }
    error_code error;
    stream_.assign(descriptor, error);
    if (error) {
      ::close(descriptor);
      co_return link_fault(address_, "opening", error.message());
    }
    co_return Result<void>{};
  }

 private:
  Result<void> make_raw(int descriptor) const {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0)
      return link_fault(address_, "opening", "another program owns this device");
    termios settings{};
    if (::tcgetattr(descriptor, &settings) != 0)
      return link_fault(address_, "opening", "not a serial device");
    ::cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cflag &= ~static_cast<tcflag_t>(CRTSCTS | CSTOPB | PARENB);
    settings.c_iflag &= ~static_cast<tcflag_t>(IXON | IXOFF | IXANY);
    ::cfsetspeed(&settings, speed_of(baud_));
    if (::tcsetattr(descriptor, TCSANOW, &settings) != 0)
      return link_fault(address_, "opening", std::strerror(errno));
    ::ioctl(descriptor, TIOCEXCL);  // refused by some ptys; the flock above stands for them
    ::tcflush(descriptor, TCIOFLUSH);
    return {};
  }

  unsigned baud_;
};

}  // namespace

std::unique_ptr<ByteLink> make_link(asio::any_io_executor executor, const Address& address, unsigned baud) {
  if (address.tcp()) return std::make_unique<TcpLink>(std::move(executor), address);
  return std::make_unique<SerialLink>(std::move(executor), address, baud);
}

}  // namespace cambench::link
