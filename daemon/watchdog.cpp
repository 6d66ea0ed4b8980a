#include "daemon/watchdog.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace cambench {

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> feed_watchdog(StandsStill stands_still, std::function<void(Instant)> alive,
                                    Journal& journal) {
  std::uint64_t within_us = 0;
  const bool watched = sd_watchdog_enabled(0, &within_us) > 0;
  const auto period =
      watched ? std::min<asio::steady_timer::duration>(std::chrono::microseconds(within_us / 2), 1s)
              : asio::steady_timer::duration(1s);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::string told;
  for (;;) {
    const Instant now = std::chrono::steady_clock::now();
    const std::string trouble = stands_still(now).value_or("");
    if (trouble.empty()) {
      alive(now);
      if (watched) sd_notify(0, "WATCHDOG=1");
    }
    if (trouble != told && !trouble.empty())
      journal.alarm("", "", trouble + (watched ? "; the watchdog is not fed any more" : ""));
    told = trouble;
    timer.expires_after(period);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

}  // namespace cambench
