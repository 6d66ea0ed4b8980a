// What keeps a chattering cause from paging people: how long it has to stand before it is an alarm, and how long it has to
// be gone before the alarm is over. The shipped table holds every cause that comes and goes by itself; the configuration
// changes rows of it ([[alarm]]). A trip is in no row: it is told at once, and stays until a person has dealt with it.
#pragma once
#include <string_view>
#include <vector>

#include "schema/units.h"

namespace cambench {

struct AlarmDelay {
  std::string_view cause;
  Seconds on{0};   ///< a cause that is gone sooner was none
  Seconds off{0};  ///< a cause that comes back sooner is the same alarm
};
using AlarmDelays = std::vector<AlarmDelay>;

const AlarmDelays& shipped_alarm_delays();

/// No delay at all for a cause that is in no row.
AlarmDelay delay_of(const AlarmDelays& delays, std::string_view cause);

}  // namespace cambench
