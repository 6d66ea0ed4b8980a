#include "daemon/alarm_delays.h"

#include <algorithm>

namespace cambench {

const AlarmDelays& shipped_alarm_delays() {
  static const AlarmDelays shipped{
      {"potentiostat_link", Seconds{3}, Seconds{30}},  // its own limits guard the cell meanwhile
      {"potentiostat_absent", Seconds{0}, Seconds{30}}, {"gauge_silent", Seconds{3}, Seconds{30}},
      {"sensors_differ", Seconds{0}, Seconds{10}},  // counted already (daemon/sequencer/interlock_table.h)
      {"press_watchdog", Seconds{3}, Seconds{10}},  // a press that is taken up is told to run again first
      {"store_behind", Seconds{0}, Seconds{60}},        {"stands_still", Seconds{0}, Seconds{10}},
  };
  return shipped;
}

AlarmDelay delay_of(const AlarmDelays& delays, std::string_view cause) {
  const auto found = std::ranges::find(delays, cause, &AlarmDelay::cause);
  return found == delays.end() ? AlarmDelay{cause} : *found;
}

}  // namespace cambench
