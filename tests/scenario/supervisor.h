// systemd's end of the daemon's words to it.
#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <mutex>

#include "tests/scenario/bench.h"

namespace cambench::scenario {

/// The other end of NOTIFY_SOCKET. It hears all the time, as systemd does: a daemon whose words nobody takes waits.
class Supervisor {
 public:
  explicit Supervisor(const fs::path& path)
      : path_(path), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    hears_ = std::jthread([this](const std::stop_token& enough) { hear(enough); });
  }
  ~Supervisor() {
    hears_ = {};
    ::close(socket_);
  }
  /// How often `word` came since the last call.
  int count(const std::string& word) {
    const std::lock_guard guard(mutex_);
    int times = 0;
    for (const auto& said : std::exchange(heard_, {})) times += said.find(word) != std::string::npos;
    return times;
  }
  [[nodiscard]] std::vector<std::string> environment() const {
    return {"NOTIFY_SOCKET=" + path_.string(), "WATCHDOG_USEC=400000"};
  }

 private:
  void hear(const std::stop_token& enough) {
    char bytes[256];
    while (!enough.stop_requested()) {
      pollfd waits{socket_, POLLIN, 0};
      if (::poll(&waits, 1, 20) <= 0) continue;
      const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
      const std::lock_guard guard(mutex_);
      if (size > 0) heard_.emplace_back(bytes, static_cast<std::size_t>(size));
    }
  }

  fs::path path_;
  int socket_;
  std::mutex mutex_;
  std::vector<std::string> heard_;
  std::jthread hears_;
};

}  // namespace cambench::scenario
