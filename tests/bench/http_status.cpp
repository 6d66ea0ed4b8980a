// How many times a second the status of 64 stations can be asked for, and how long an answer takes, while the bench
// publishes a new revision five times a second. The server has one thread, the askers another.
//
//   bench_http_status [seconds=5] [connections=16]
//
// Printed: requests a second with as many as go through, for full documents and for 304; and at 1,000 a second the
// time from asking to having it all.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <cstdlib>
#include <thread>

#include "daemon/http/server.h"
#include "tests/daemon/bench_fixture.h"

using namespace cambench;
using namespace cambench::http;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

Status sixty_four_stations() {
  auto bench = fixture::bench();
  bench.stations.clear();
  for (int i = 1; i <= 64; ++i) {
    auto station = fixture::charging();
    station.name = fmt::format("A{}", i);
    bench.stations.push_back(std::move(station));
  }
  return bench;
}

void publish_again(asio::steady_timer& timer, fixture::Daemon& daemon) {
  daemon.publish(sixty_four_stations());
  timer.expires_after(std::chrono::milliseconds(200));
  timer.async_wait([&](const boost::system::error_code& ended) {
    if (!ended) publish_again(timer, daemon);
  });
}

/// One connection that asks and waits for the answer.
class Asker {
 public:
  Asker(asio::io_context& io, std::uint16_t port) : socket_(io) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    socket_.set_option(asio::ip::tcp::no_delay(true));
  }
  void ask(std::string_view header) {
    request_ = fmt::format("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\n", header);
    asio::write(socket_, asio::buffer(request_));
  }
  std::size_t hear() {
    const auto head_size = asio::read_until(socket_, asio::dynamic_buffer(heard_), "\r\n\r\n");
    const auto size = body_size(std::string_view(heard_).substr(0, head_size));
    if (heard_.size() < head_size + size)
      asio::read(socket_, asio::dynamic_buffer(heard_),
                 asio::transfer_exactly(head_size + size - heard_.size()));
    heard_.erase(0, head_size + size);
    return head_size + size;
  }

 private:
  static std::size_t body_size(std::string_view head) {
    constexpr std::string_view name = "Content-Length: ";
    const auto at = head.find(name);
    std::size_t size = 0;
    if (at != head.npos) std::from_chars(head.data() + at + name.size(), head.data() + head.size(), size);
    return size;
  }
  asio::ip::tcp::socket socket_;
  std::string request_, heard_;
};

double cpu_s(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Rate {
  double per_s = 0, per_core_s = 0, bytes = 0;
};

// Every connection has one request under way; the server's thread tells how much of its core that took.
Rate as_many_as_go(std::vector<Asker>& askers, std::string_view header, double seconds, clockid_t server) {
  const auto begin = Clock::now();
  const double cpu_begin = cpu_s(server);
  std::size_t count = 0, bytes = 0;
  for (auto& asker : askers) asker.ask(header);
  while (Clock::now() - begin < std::chrono::duration<double>(seconds))
    for (auto& asker : askers) {
      bytes += asker.hear();
      asker.ask(header);
      ++count;
    }
  const double cpu = cpu_s(server) - cpu_begin;
  for (auto& asker : askers) asker.hear();
  const double wall = std::chrono::duration<double>(Clock::now() - begin).count();
  return {static_cast<double>(count) / wall, static_cast<double>(count) / cpu,
          static_cast<double>(bytes) / static_cast<double>(count)};
}

std::vector<double> at_a_thousand(Asker& asker, double seconds) {
  std::vector<double> took_ms;
  for (auto next = Clock::now(); took_ms.size() < 1000 * seconds; next += std::chrono::milliseconds(1)) {
    std::this_thread::sleep_until(next);
    const auto begin = Clock::now();
    asker.ask("");
    asker.hear();
    took_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::ranges::sort(took_ms);
  return took_ms;
}

}  // namespace

int main(int count, char** words) {
  const double seconds = count > 1 ? std::atof(words[1]) : 5;
  const int connections = count > 2 ? std::atoi(words[2]) : 16;
  asio::io_context io{1};
  fixture::Daemon daemon;
  asio::steady_timer timer(io);
  publish_again(timer, daemon);
  const Server server(io, {"127.0.0.1", 0, {}}, {}, daemon, std::make_unique<fixture::Archive>());
  const auto port = server.port();
  std::thread deciding([&] { io.run(); });
  clockid_t clock{};
  pthread_getcpuclockid(deciding.native_handle(), &clock);
  {
    asio::io_context of_askers;
    std::vector<Asker> askers;
    for (int i = 0; i < connections; ++i) askers.emplace_back(of_askers, port);
    const auto full = as_many_as_go(askers, "", seconds, clock);
    const auto unchanged = as_many_as_go(askers, "If-None-Match: *\r\n", seconds, clock);
    const auto took_ms = at_a_thousand(askers.front(), seconds);
    const auto part = [&](double p) {
      return took_ms[static_cast<std::size_t>(p * static_cast<double>(took_ms.size()))];
    };
    fmt::print("64 stations, {} connections, a new revision every 200 ms\n", connections);
    fmt::print("full document  {:8.0f} /s, {:8.0f} a second of the server's core, {:.0f} bytes each\n",
               full.per_s, full.per_core_s, full.bytes);
    fmt::print("304            {:8.0f} /s, {:8.0f} a second of the server's core\n", unchanged.per_s,
               unchanged.per_core_s);
    fmt::print("at 1,000 /s    p50 {:.2f} ms, p99 {:.2f} ms, longest {:.2f} ms\n", part(0.5), part(0.99),
               took_ms.back());
  }
  io.stop();
  deciding.join();
}
