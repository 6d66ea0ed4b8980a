// How long a chart of a very long run takes over HTTP: asked, read from the roll-ups, written as JSON, sent and received.
//
//   bench_http_chart [samples=10000000] [folder=the current one]
//
// Printed for the whole run and for stretches of it anywhere, 2,000 points each: the time from asking to having it all.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "daemon/http/server.h"
#include "daemon/http/store_archive.h"
#include "daemon/store/store.h"
#include "tests/bench/figures.h"
#include "tests/daemon/bench_fixture.h"

using namespace cambench;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double per_s = 10;  // samples

store::SampleRow a_sample(std::int64_t seq) {
  const double t = static_cast<double>(seq) / per_s;
  store::SampleRow row{.run = "r000001", .seq = seq, .test_time = Seconds(t), .cycle = 1, .sample = {}};
  row.sample.step = static_cast<std::uint32_t>(seq / 200'000);
  row.sample.step_time = Seconds(std::fmod(t, 20'000));
  row.sample.we_vs_re = Volt(3.4 + 0.3 * std::sin(t / 9000));
  row.sample.cell = Volt(3.1 + 0.3 * std::sin(t / 9000));
  row.sample.current = Ampere(0.16e-3);
  row.sample.at.wall = WallTime(std::chrono::duration_cast<WallTime::duration>(Seconds(t)));
  return row;
}

void fill(const std::filesystem::path& file, std::int64_t samples) {
  store::Store store(file);
  store::RunRow run{.id = "r000001", .station = "A1", .recipe = "rate-test-3e"};
  run.recipe_text = "{}";
  run.phase = "running";
  (void)store.append(run);
  for (std::int64_t seq = 1; seq <= samples; ++seq) {
    if (!store.append(a_sample(seq))) std::abort();
    if (seq % 50'000 == 0) (void)store.flush();
  }
  (void)store.flush();
}

/// One connection that stays.
class Client {
 public:
  explicit Client(std::uint16_t port) { socket_.connect({asio::ip::address_v4::loopback(), port}); }
  /// Milliseconds, and the size of what came.
  std::pair<double, std::size_t> ask(const std::string& target) {
    const auto begin = Clock::now();
    asio::write(socket_, asio::buffer(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", target)));
    const auto head = asio::read_until(socket_, asio::dynamic_buffer(heard_), "\r\n\r\n");
    if (!heard_.starts_with("HTTP/1.1 200")) std::abort();
    const std::string_view name = "Content-Length: ";
    std::size_t size = 0;
    const auto at = heard_.find(name) + name.size();
    std::from_chars(heard_.data() + at, heard_.data() + head, size);
    if (heard_.size() < head + size)
      asio::read(socket_, asio::dynamic_buffer(heard_), asio::transfer_exactly(head + size - heard_.size()));
    heard_.clear();
    return {std::chrono::duration<double, std::milli>(Clock::now() - begin).count(), size};
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_{io_};
  std::string heard_;
};

void measure(Client& client, std::string_view title, int times, const std::function<std::string()>& target) {
  std::vector<double> took_ms;
  std::size_t bytes = 0;
  for (int i = 0; i < times; ++i) {
    const auto [ms, size] = client.ask(target());
    took_ms.push_back(ms);
    bytes = size;
  }
  fmt::print("{:32} {}; {} bytes\n", title, bench::figures(took_ms), bytes);
}

}  // namespace

int main(int count, char** words) {
  const std::int64_t samples = count > 1 ? std::atoll(words[1]) : 10'000'000;
  auto folder = ((count > 2 ? std::filesystem::path(words[2]) : std::filesystem::current_path()) /
                 "cambench-bench-XXXXXX")
                    .string();
  if (!::mkdtemp(folder.data())) return 1;
  config::Bench bench;
  bench.store = std::filesystem::path(folder) / "cambench.sqlite";
  fill(bench.store, samples);

  asio::io_context io{1};
  fixture::Daemon daemon;
  const http::Server server(io, {"127.0.0.1", 0, {}, {}, {}}, {}, daemon, http::open_archive(bench));
  std::thread deciding([&] { io.run(); });
  {
    Client client(server.port());
    std::minstd_rand random(1);
    const double end_s = static_cast<double>(samples) / per_s;
    const auto stretch = [&](double length_s) {
      const double from = std::uniform_real_distribution<>(0, end_s - length_s)(random);
      return fmt::format("/api/v1/series?run=r000001&format=columns&max_points=2000&from_s={}&to_s={}", from,
                         from + length_s);
    };
    fmt::print("{} samples, {:.1f} days at {:g} a second, 2,000 points\n", samples, end_s / 86400, per_s);
    measure(client, "the whole run, columns", 300,
            [] { return "/api/v1/series?run=r000001&format=columns&max_points=2000"; });
    measure(client, "the whole run, rows", 300, [] { return "/api/v1/series?run=r000001&max_points=2000"; });
    for (const double part : {0.5, 0.05, 0.005})
      measure(client, fmt::format("a stretch of {:g} % anywhere", 100 * part), 300,
              [&] { return stretch(part * end_s); });
  }
  io.stop();
  deciding.join();
  std::filesystem::remove_all(folder);
}
