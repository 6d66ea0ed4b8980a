#include "drivers/sim/host_port.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

namespace cambench::sim {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// Reads and writes one stream until it fails or is abandoned. Handlers keep it alive, so its owner may drop it at
/// any time after abandon().
template <typename Stream>
class Conversation : public std::enable_shared_from_this<Conversation<Stream>> {
 public:
  Conversation(Stream stream, std::function<void(std::string_view)> received, std::function<void()> lost)
      : stream_(std::move(stream)), received_(std::move(received)), lost_(std::move(lost)) {}

  void read() {
    stream_.async_read_some(asio::buffer(input_),
                            [self = this->shared_from_this()](const error_code& error, std::size_t size) {
                              if (self->abandoned_) return;
                              if (error) return self->lost_();
                              self->received_({self->input_.data(), size});
                              if (!self->abandoned_) self->read();
                            });
  }

  void send(std::string_view bytes, std::size_t chunk) {
    unsent_ += bytes;
    chunk_ = chunk;
    if (!writing_) write();
  }
  [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }
  Stream& stream() { return stream_; }

  void abandon() {
    abandoned_ = true;
    error_code ignored;
    stream_.close(ignored);
  }

 private:
  void write() {
    writing_ = !unsent_.empty();
    if (!writing_) return;
    const std::size_t size = std::min({unsent_.size(), output_.size(), chunk_ > 0 ? chunk_ : output_.size()});
    std::copy_n(unsent_.begin(), size, output_.begin());
    stream_.async_write_some(asio::buffer(output_.data(), size),
                             [self = this->shared_from_this()](const error_code& error, std::size_t written) {
                               if (self->abandoned_ || error) return;  // read() tells of a lost stream
                               self->unsent_.erase(0, written);
                               self->write();
                             });
  }

  Stream stream_;
  std::function<void(std::string_view)> received_;
  std::function<void()> lost_;
  std::array<char, 4096> input_{};
  std::array<char, 16384> output_{};
  std::string unsent_;
  std::size_t chunk_ = 0;
  bool writing_ = false, abandoned_ = false;
};

class PtyPort final : public HostPort {
 public:
  PtyPort(asio::io_context& io, std::filesystem::path link, HostPortEvents events)
      : io_(io), link_(std::move(link)), events_(std::move(events)) {
    plug();
  }
  ~PtyPort() override { unplug(); }

  [[nodiscard]] std::string address() const override { return link_.string(); }
  [[nodiscard]] bool connected() const override { return talk_ != nullptr; }
  void send(std::string_view bytes) override {
    if (talk_) talk_->send(bytes, chunk_);
  }
  [[nodiscard]] std::size_t unsent() const override { return talk_ ? talk_->unsent() : 0; }

  void unplug() override {
    if (master_ < 0) return;
    hang_up();
    ::close(std::exchange(master_, -1));
    std::error_code ignored;
    std::filesystem::remove(link_, ignored);
  }

  void plug() override {
    if (master_ >= 0) return;
    master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    std::array<char, 128> name{};
    if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0 ||
        ::ptsname_r(master_, name.data(), name.size()) != 0)
      throw std::runtime_error(
          fmt::format("no pseudo terminal for {}: {}", link_.string(), std::strerror(errno)));
    make_raw(name.data());
    std::filesystem::remove(link_);
    std::filesystem::create_symlink(name.data(), link_);
  }

  void drop() override {
    if (!talk_) return;
    hang_up();
    events_.changed(false);
  }

  // Without an opened device the master hangs up; while it does there is nothing to wait for.
  void look() override {
    if (master_ < 0 || talk_) return;
    pollfd state{master_, POLLIN, 0};
    if (::poll(&state, 1, 0) < 0 || (state.revents & POLLHUP)) return;
    talk_ = std::make_shared<Talk>(asio::posix::stream_descriptor(io_, ::fcntl(master_, F_DUPFD_CLOEXEC, 0)),
                                   events_.received, [this] {
                                     hang_up();
                                     events_.changed(false);
                                   });
    events_.changed(true);
    talk_->read();
  }

 private:
  using Talk = Conversation<asio::posix::stream_descriptor>;

  static void make_raw(const char* device) {  // the settings outlive the file descriptor
    const int slave = ::open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios settings{};
    if (slave < 0 || ::tcgetattr(slave, &settings) != 0)
      throw std::runtime_error(fmt::format("cannot set up {}: {}", device, std::strerror(errno)));
    ::cfmakeraw(&settings);
    ::tcsetattr(slave, TCSANOW, &settings);
    ::close(slave);
  }
  void hang_up() {
    if (talk_) std::exchange(talk_, nullptr)->abandon();
  }

  asio::io_context& io_;
  std::filesystem::path link_;
  HostPortEvents events_;
  int master_ = -1;
  std::shared_ptr<Talk> talk_;
};

class TcpPort final : public HostPort {
 public:
  TcpPort(asio::io_context& io, HostPortEvents events, const std::string& host, std::uint16_t port)
      : io_(io), events_(std::move(events)), host_(asio::ip::make_address_v4(host)), port_(port) {
    plug();
  }
  ~TcpPort() override { unplug(); }

  [[nodiscard]] std::string address() const override {
    return fmt::format("tcp://{}:{}", host_.to_string(), port_);
  }
  [[nodiscard]] bool connected() const override { return talk_ != nullptr; }
  void send(std::string_view bytes) override {
    if (talk_) talk_->send(bytes, chunk_);
  }
  [[nodiscard]] std::size_t unsent() const override { return talk_ ? talk_->unsent() : 0; }

  void unplug() override {
    hang_up();
    door_.reset();
  }

  void plug() override {
    if (door_) return;
    door_ = std::make_shared<tcp::acceptor>(io_, tcp::endpoint(host_, port_));
    port_ = door_->local_endpoint().port();
    accept();
  }

  void look() override {}

  void drop() override {
    if (!talk_) return;
    hang_up();
    events_.changed(false);
  }

 private:
  using Talk = Conversation<tcp::socket>;

  void accept() {
    door_->async_accept([this, door = std::weak_ptr(door_)](const error_code& error, tcp::socket socket) {
      if (error || door.expired()) return;  // unplugged, or gone altogether
      greet(std::move(socket));
      accept();
    });
  }

  void greet(tcp::socket socket) {
    if (talk_ && !second_displaces_) return;  // the socket closes
    hang_up();
    socket.set_option(tcp::no_delay(true));
    talk_ = std::make_shared<Talk>(std::move(socket), events_.received, [this] {
      hang_up();
      events_.changed(false);
    });
    events_.changed(true);
    talk_->read();
  }

  void hang_up() {
    if (talk_) std::exchange(talk_, nullptr)->abandon();
  }

  asio::io_context& io_;
  HostPortEvents events_;
  asio::ip::address_v4 host_;
  std::uint16_t port_;
  std::shared_ptr<tcp::acceptor> door_;
  std::shared_ptr<Talk> talk_;
};

}  // namespace

std::unique_ptr<HostPort> open_pty(asio::io_context& io, std::filesystem::path link, HostPortEvents events) {
  return std::make_unique<PtyPort>(io, std::move(link), std::move(events));
}
std::unique_ptr<HostPort> open_tcp(asio::io_context& io, HostPortEvents events, const std::string& address,
                                   std::uint16_t port) {
  return std::make_unique<TcpPort>(io, std::move(events), address, port);
}

}  // namespace cambench::sim
