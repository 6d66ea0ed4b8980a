// 32 presses behind one Modbus TCP gateway, each read and its watchdog fed at 5 Hz by the driver, as the stations of a
// running bench do: two exchanges a poll. The gateway is code on a thread of its own, and its processor time is told apart.
//
//   bench_modbus_gateway [polls=300] [units=32] [answer_ms=0] [silent=0]
//
// `answer_ms`: how long the gateway takes for an answer; `silent`: how many of the units never answer. A poll is late
// when its reading and its feeding are not done before the next one is due; turns that it overran are left out and
// count as late too. As at a station, a silent press trips its run after 2 s and then guards nothing any more.
#include <pthread.h>
#include <time.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <thread>

#include "drivers/registry.h"
#include "drivers/sim/modbus_server.h"
#include "tests/bench/figures.h"

using namespace cambench;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto period = std::chrono::milliseconds(200);
constexpr auto stale_after = std::chrono::seconds(2);

struct Tally {
  std::vector<double> read_ms, poll_ms;
  Clock::duration longest_without{0};  ///< a good reading of one press
  int late = 0, failed = 0, running = 0;
};

double ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

double cpu_s(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

asio::awaitable<void> poll(asio::io_context& io, Press& press, int polls, Clock::time_point first,
                           Tally& tally) {
  asio::steady_timer timer(io);
  Clock::time_point due = first, good_at = first;
  for (int i = 0; i < polls; ++i, due += period) {
    press.guard(Clock::now() - good_at < stale_after);
    timer.expires_at(due);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto asked = Clock::now();
    const auto sample = co_await press.read();
    const auto answered = Clock::now();
    const bool good = sample && sample->pressure;
    Result<void> fed;
    if (good) fed = co_await press.feed_watchdog();  // as a station does: only after a reading that is one
    const auto done = Clock::now();
    if (!good || !fed) ++tally.failed;
    tally.read_ms.push_back(ms(answered - asked));
    tally.poll_ms.push_back(ms(done - due));
    if (good) {
      tally.longest_without = std::max(tally.longest_without, answered - good_at);
      good_at = answered;
    }
    if (done - due > period) ++tally.late;
    for (; i + 1 < polls && due + 2 * period < done; ++i, due += period) ++tally.late;
  }
  --tally.running;
}

asio::awaitable<void> begin(Press& press, Tally& tally) {
  const auto met = co_await press.identify();
  Result<void> moved;
  if (met) moved = co_await press.set_target(MegaPascal(50));
  if (!met || !moved) ++tally.failed;
  --tally.running;
}

void run_until_done(asio::io_context& io, Tally& tally) {
  while (tally.running > 0) io.run_one();
}

}  // namespace

int main(int count, char** words) {
  const auto argument = [&](int at, double otherwise) {
    return count > at ? std::atof(words[at]) : otherwise;
  };
  const int polls = static_cast<int>(argument(1, 300)), units = static_cast<int>(argument(2, 32));
  const double answer_ms = argument(3, 0);
  const int silent = static_cast<int>(argument(4, 0));

  asio::io_context gateway_io(1), io(1);
  std::vector<std::unique_ptr<sim::PressMachine>> machines;
  sim::Units served;
  for (int unit = 1; unit <= units; ++unit) {
    machines.push_back(
        std::make_unique<sim::PressMachine>(sim::PressSettings{.serial = fmt::format("P{}", unit)}));
    served[static_cast<std::uint8_t>(unit)] = machines.back().get();
    if (answer_ms > 0) static_cast<void>(machines.back()->inject(fmt::format("delay:s={}", answer_ms / 1e3)));
  }
  sim::ModbusTcpServer server(gateway_io.get_executor(), served);
  const auto work = asio::make_work_guard(gateway_io), own_work = asio::make_work_guard(io);
  std::thread gateway([&] { gateway_io.run(); });
  clockid_t gateway_clock{};
  pthread_getcpuclockid(gateway.native_handle(), &gateway_clock);

  std::vector<std::unique_ptr<Press>> presses;
  Tally meeting, tally, dead;
  for (int unit = 1; unit <= units; ++unit) {
    auto made = make_press(io.get_executor(), {.driver = "modbus",
                                               .name = fmt::format("A{}", unit),
                                               .port = fmt::format("tcp://127.0.0.1:{}", server.port()),
                                               .unit = unit,
                                               .map = "generic-press"});
    presses.push_back(std::move(made.value()));
    ++meeting.running;
    asio::co_spawn(io, begin(*presses.back(), meeting), asio::detached);
  }
  run_until_done(io, meeting);
  for (int i = 0; i < silent; ++i)
    asio::post(gateway_io,
               [&, i] { static_cast<void>(machines[static_cast<std::size_t>(i)]->inject("stall")); });

  const double cpu_before = cpu_s(CLOCK_PROCESS_CPUTIME_ID), gateway_before = cpu_s(gateway_clock);
  const auto began = Clock::now();
  for (int i = 0; i < units; ++i) {
    Tally& mine = i < silent ? dead : tally;
    ++mine.running;
    asio::co_spawn(io, poll(io, *presses[static_cast<std::size_t>(i)], polls, began + period, mine),
                   asio::detached);
  }
  run_until_done(io, tally);
  const double wall = std::chrono::duration<double>(Clock::now() - began).count();
  const double gateway_cpu = cpu_s(gateway_clock) - gateway_before;
  const double ours = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_before - gateway_cpu;

  const int answering = units - silent, failed = tally.failed + meeting.failed;
  fmt::print(
      "{} presses behind one gateway, {} polls each at 5 Hz in {:.1f} s, {} of them silent, answers after "
      "{:g} ms\n",
      units, polls, wall, silent, answer_ms);
  fmt::print("late polls       {} of {} ({} failed)\n", tally.late, answering * polls, failed);
  fmt::print("reading          {}\n", bench::figures(tally.read_ms));
  fmt::print("due to all done  {}   (limit 200 ms)\n", bench::figures(tally.poll_ms));
  fmt::print("without reading  {:.0f} ms at the longest   (stale after 2000 ms)\n",
             ms(tally.longest_without));
  fmt::print("processor        {:.1f} % of one core for driver and bus, {:.1f} % for the simulated gateway\n",
             100 * ours / wall, 100 * gateway_cpu / wall);
  run_until_done(io, dead);
  presses.clear();
  gateway_io.stop();
  gateway.join();
  return tally.late + failed == 0 ? 0 : 1;
}
