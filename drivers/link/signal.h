// Something that the coroutines of one thread wait for.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace cambench::link {

/// Wakes whoever waits at notify(), or when the time is over; the waiter looks at its condition again.
class Signal {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Signal(const boost::asio::any_io_executor& executor)
      : timer_(executor, Clock::time_point::max()) {}
  void notify() { timer_.cancel(); }
  /// Any number may wait.
  boost::asio::awaitable<void> wait() {
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  /// One may wait.
  boost::asio::awaitable<void> wait_until(Clock::time_point deadline) {
    timer_.expires_at(deadline);
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace cambench::link
