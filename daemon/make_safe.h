// Every cell open and every press held, by the configuration alone: no database, no daemon. For systemd's ExecStopPost=
// and for a person in a hurry. It can be repeated: an instrument that is safe already stays so.
#pragma once
#include <ostream>

#include "daemon/config.h"

namespace cambench {

/// The lock that a daemon holds as long as it lives (daemon/store): none runs, and none starts, while this lives. The database
/// itself is not touched, and nothing is created where there never was one.
class Alone {
 public:
  /// Throws std::runtime_error with a sentence when a daemon runs, or when this user may not see whether one does.
  explicit Alone(const config::Bench& bench);
  ~Alone();
  Alone(const Alone&) = delete;

 private:
  int lock_;
};

/// All stations at the same time, each cell first and then its press; one line each on `out`. A bus or an instrument that
/// is not there, or that cannot be made, is told and keeps nobody waiting for longer than half a minute. False when one did
/// not confirm. Throws std::runtime_error when it is not Alone: the devices are the daemon's own.
bool make_safe(const config::Bench& bench, std::ostream& out);

/// What systemd says of how the service ended ($SERVICE_RESULT): an ordered stop leaves the programs in the instruments
/// to their own limits, and the next start takes them up; so does any end when the configuration says so.
bool leaves_running(const config::Bench& bench, std::string_view service_result);

}  // namespace cambench
