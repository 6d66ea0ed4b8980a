// Which thread gets on with what it is given: the rule with time as an argument, then each thread of the links while it
// truly waits.
#include "drivers/pulse.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "drivers/link/modbus_bus.h"
#include "drivers/link/recorder.h"
#include "drivers/link/usbtmc.h"
#include "tests/drivers/loop.h"

using namespace cambench;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using Role = Pulse::Role;

namespace {

/// What is said when so much time has passed from now.
std::string said_after(Seconds time, Role role = Role::needed) {
  const Instant then = std::chrono::steady_clock::now() + std::chrono::duration_cast<Instant::duration>(time);
  return Pulse::standing_still(role, then).value_or("all advance");
}

/// Looks until it is said, and at most as long as a busy machine needs.
bool is_said_after(Seconds time, const std::string& what, Role role = Role::needed) {
  for (int i = 0; i < 1000; ++i, std::this_thread::sleep_for(5ms))
    if (said_after(time, role).find(what) != std::string::npos) return true;
  return false;
}

asio::awaitable<void> just_write(link::ByteLink& link, std::string bytes) {
  (void)co_await link.write(bytes);
}

asio::awaitable<bool> open_and_write(link::ByteLink& link) {
  const auto opened = co_await link.open();
  const auto written = co_await link.write("*IDN?\n");
  co_return opened&& written;
}

asio::awaitable<void> read_once(link::ModbusBus& bus, link::BusRequest request) {
  (void)co_await bus.ask(std::move(request));
}

/// A link that takes everything.
struct Sink final : link::ByteLink {
  Later<void> open() override { co_return Result<void>{}; }
  Later<std::size_t> read_some(std::span<char>) override { co_return fail(Fault::Kind::link, "nothing"); }
  Later<void> write(std::string_view) override { co_return Result<void>{}; }
  void close() override {}
  [[nodiscard]] bool is_open() const override { return true; }
};

}  // namespace

TEST_CASE(
    "a thread that rests is well for ever; one that is owed work stands still after its longest piece") {
  Pulse pulse("the mill", Seconds{10});
  CHECK(said_after(24h) == "all advance");
  pulse.handed_over();
  CHECK(said_after(9s) == "all advance");
  CHECK(said_after(11s) == "the mill has not advanced for 10 s");
  SUBCASE("more work does not begin the count anew") {
    std::this_thread::sleep_for(20ms);
    pulse.handed_over();
    CHECK(said_after(9.99s) == "the mill has not advanced for 10 s");
  }
  SUBCASE("a pause on purpose, and only then the longest piece") {
    pulse.pauses_until(std::chrono::steady_clock::now() + 60s);
    CHECK(said_after(69s) == "all advance");
    CHECK(said_after(71s) == "the mill has not advanced for 10 s");
  }
  SUBCASE("it is done") { pulse.rests(); }
  SUBCASE("it is done, and a late word of progress begins no count") {
    pulse.rests();
    pulse.advanced();
  }
  if (said_after(24h) != "all advance") pulse.rests();
  CHECK(said_after(24h) == "all advance");
}

TEST_CASE("what stands beside is asked for apart") {
  Pulse beside("the share", Seconds{10}, Role::beside);
  beside.handed_over();
  CHECK(said_after(11s) == "all advance");
  CHECK(said_after(11s, Role::beside) == "the share has not advanced for 10 s");
}

TEST_CASE("a bus that waits for an answer is at work, and stands still when that lasts") {
  asio::io_context io;
  asio::ip::tcp::acceptor deaf(io, {asio::ip::address_v4::loopback(), 0});  // connects, never answers
  const auto place = fmt::format("tcp://127.0.0.1:{}", deaf.local_endpoint().port());
  link::ModbusBus bus(*link::bus_settings(place));
  CHECK(said_after(24h) == "all advance");
  link::BusRequest request;
  request.what = link::BusRead{wire::modbus::Table::holding, 1, 1};
  request.timeout = Seconds(5);
  asio::co_spawn(io, read_once(bus, request), asio::detached);
  io.poll();
  CHECK(is_said_after(31s, "the bus " + place));
  CHECK(said_after(29s) == "all advance");
  bus.close();
  io.run();
}

TEST_CASE("a device on USB that does not come back from the kernel stands still") {
  struct {
    std::mutex mutex;
    std::condition_variable woken;
    bool hangs = true;
  } kernel;
  link::UsbtmcCalls calls{
      .open = [](const char* path) { return ::open(path, O_RDWR | O_CLOEXEC); },
      .read =
          [&](int, void*, std::size_t) {
            std::unique_lock lock(kernel.mutex);
            kernel.woken.wait(lock, [&] { return !kernel.hangs; });
            return errno = ETIMEDOUT, ssize_t{-1};
          },
      .write = [](int, const void*, std::size_t size) { return static_cast<ssize_t>(size); },
      .ioctl = [](int, unsigned long, void*) { return 0; },
      .close = [](int descriptor) { ::close(descriptor); }};
  const fs::path path = fs::temp_directory_path() / fmt::format("cambench-pulse-usb-{}", ::getpid());
  ::close(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  asio::io_context io;
  {
    const auto link = link::make_usbtmc_link(io.get_executor(), {path.string(), "", 0, path.string()}, calls);
    REQUIRE(tests::finish(io, open_and_write(*link)));
    CHECK(is_said_after(31s, "the thread of " + path.string()));
    const std::lock_guard lock(kernel.mutex);
    kernel.hangs = false;
    kernel.woken.notify_all();
  }
  fs::remove(path);
  CHECK(said_after(24h) == "all advance");
}

TEST_CASE("a recording whose disk hangs stands beside the conversation, which goes on") {
  const fs::path path = fs::temp_directory_path() / fmt::format("cambench-pulse-{}.log", ::getpid());
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);  // opening it waits for a reader, as a dead share does
  asio::io_context io;
  int reader = -1;
  {
    const auto link = link::recorded(std::make_unique<Sink>(), {path, "a test"});
    asio::co_spawn(io, just_write(*link, "*IDN?\n"), asio::detached);
    io.run();
    CHECK(is_said_after(31s, "the recording " + path.string(), Role::beside));
    CHECK(said_after(31s) == "all advance");
    reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  }
  ::close(reader);
  fs::remove(path);
}
