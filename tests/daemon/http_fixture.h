// A server with its deciding thread over a bench of values, and a client that sends whatever it likes.
#pragma once
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "daemon/http/client.h"
#include "daemon/http/server.h"
#include "tests/daemon/bench_fixture.h"

namespace cambench::fixture {

namespace asio = boost::asio;

inline std::filesystem::path scratch() {
  std::string pattern = (std::filesystem::temp_directory_path() / "cambench_http_XXXXXX").string();
  return mkdtemp(pattern.data());
}

/// A server with its deciding thread.
class Running {
 public:
  explicit Running(http::Limits limits = {}) : Running(limits, std::make_unique<Archive>()) {}
  Running(http::Limits limits, std::unique_ptr<http::Archive> made)
      : archive(dynamic_cast<Archive*>(made.get())), folder_(scratch()) {
    server_.emplace(io_, http::Listen{"127.0.0.1", 0, socket(), tokens(), {}}, limits, daemon,
                    std::move(made));
    port_ = server_->port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Running() {
    asio::post(io_, [this] { server_.reset(); });
    thread_.join();
    std::filesystem::remove_all(folder_);
  }
  [[nodiscard]] std::filesystem::path socket() const { return folder_ / "control.sock"; }
  [[nodiscard]] std::filesystem::path tokens() const { return folder_ / "tokens"; }
  [[nodiscard]] http::Address tcp() const { return {{}, "127.0.0.1", port_}; }
  [[nodiscard]] http::Address local() const { return {socket().string(), {}, 0}; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void on_deciding_thread(const std::function<void()>& act) {
    std::promise<void> done;
    asio::post(io_, [&] {
      act();
      done.set_value();
    });
    done.get_future().get();
  }
  http::Traffic traffic() {
    http::Traffic traffic;
    on_deciding_thread([&] { traffic = server_->traffic(); });
    return traffic;
  }

  Daemon daemon;
  Archive* archive;  ///< nullptr when it is another one

 private:
  std::filesystem::path folder_;
  asio::io_context io_{1};
  std::optional<http::Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// A client that sends whatever it likes.
class Raw {
 public:
  explicit Raw(std::uint16_t port) { socket_.connect({asio::ip::address_v4::loopback(), port}); }
  void say(std::string_view bytes) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(bytes), ignored);
  }
  /// Everything until the server ends the connection.
  std::string hear_all() {
    std::string heard;
    boost::system::error_code end;
    asio::read(socket_, asio::dynamic_buffer(heard), end);
    return heard;
  }
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_{io_};
};

inline std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

inline constexpr std::string_view host = "Host: localhost\r\n";

inline std::string plain_get(std::string_view path, std::string_view more = "") {
  return fmt::format("GET {} HTTP/1.1\r\n{}{}\r\n", path, host, more);
}

}  // namespace cambench::fixture
