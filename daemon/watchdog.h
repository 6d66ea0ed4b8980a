// systemd's watchdog, fed by the deciding thread and only while every loop of the program advances: a daemon that hangs
// in one place is ended, its cells are opened (daemon/make_safe.h), and it comes back. The loops are the conversations of
// each station and every thread with a pulse (drivers/pulse.h): each bus, each USB device, the store, the reader for HTTP,
// those that tell people. Two may wait for a share in the network, the watch over the drop folder and the scoring, and a
// recording for its disk: when one of them stands still an alarm is raised, because a share that hangs must open no cell.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "daemon/journal.h"
#include "schema/reading.h"

namespace cambench {

/// Which loop stands still, in words; none: all advance. Asked on the deciding thread.
using StandsStill = std::function<std::optional<std::string>(Instant now)>;

/// For ever: asks, and tells systemd, twice as often as it wants to hear, when nothing stands still; `alive` is called
/// as often. Without WatchdogSec= only `alive` is.
boost::asio::awaitable<void> feed_watchdog(StandsStill stands_still, std::function<void(Instant)> alive,
                                           Journal& journal);

}  // namespace cambench
