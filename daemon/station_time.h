// The pauses of a station's loops. Wire time, which no time scale stretches.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "daemon/sequencer/interlock_table.h"

namespace cambench::station_time {

/// Between two readings of a press or of its second sensor: the interlocks count on it.
constexpr auto poll_period = std::chrono::round<std::chrono::milliseconds>(sequencer::press_poll);

/// An instrument that does not answer is asked again after growing pauses.
constexpr std::chrono::seconds first_retry{1}, last_retry{10};

inline boost::asio::awaitable<void> pause(boost::asio::any_io_executor executor,
                                          boost::asio::steady_timer::duration time) {
  boost::asio::steady_timer timer(executor, time);
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

}  // namespace cambench::station_time
