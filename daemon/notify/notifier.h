// Tells people: one thread that takes alarms from a bounded queue and sends what is due, and the heartbeat that somebody
// outside listens to. The deciding thread only ever puts something into the queue; a way out that hangs costs it nothing.
#pragma once
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "daemon/config.h"
#include "daemon/notify/message.h"
#include "schema/status.h"

namespace cambench::notify {

class Notifier {
 public:
  /// Called on the notifier's thread: one line when a way out fails, one when it works again.
  using Log = std::function<void(const std::string& text)>;

  Notifier(const config::Alarms& settings, const std::optional<config::Heartbeat>& heartbeat, Sender sender,
           Log log);
  ~Notifier();  ///< says what waits once more, for at most a few seconds
  Notifier(const Notifier&) = delete;

  /// An alarm was raised, acknowledged, shelved, taken off its shelf, or its cause is gone. Never waits.
  void tell(const status::Alarm& alarm);

  /// The deciding thread is alive: the next heartbeat may go out. Without this call for a while none does.
  void alive(Instant now);

  /// Runs a program beside everything else (a relay that cuts a cell's leads); `done` is called on the notifier's thread.
  void run_at_once(std::vector<std::string> words, std::function<void(Result<void>)> done);

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

/// Tells people now, on this thread, in every way: for a program that is not the daemon. Says on `out` what became of
/// each; false when one failed.
bool tell_now(const config::Alarms& settings, const Sender& sender, const status::Alarm& alarm,
              std::ostream& out);

}  // namespace cambench::notify
