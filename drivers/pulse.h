// Whether a thread gets on with what it is given, for whoever feeds the watchdog. Every thread that works for others has
// one: work is handed over, done piece by piece, and in between the thread rests. A thread that rests is well however long
// it does; one that is owed work and finishes no piece of it in time stands still, whether it hangs in the piece or was
// never woken.
//
// Threading: rests() and pauses_until() exclude handed_over() (most keep their pulse under the mutex of their queue);
// everything else on any thread.
#pragma once
#include <atomic>
#include <optional>
#include <string>

#include "schema/reading.h"
#include "schema/units.h"

namespace cambench {

class Pulse {
 public:
  enum class Role {
    needed,  ///< a daemon whose thread stands still is no daemon
    beside  ///< it may wait for what is not ours, such as a share in the network: people are told, no cell is opened for it
  };

  /// `what` is for people: "the bus tcp://192.168.1.7:502". No piece of its work takes longer than `longest`.
  Pulse(std::string what, Seconds longest, Role role = Role::needed);
  ~Pulse();
  Pulse(const Pulse&) = delete;

  void handed_over();               ///< counts from now, unless it counts already
  void advanced();                  ///< a piece is done; there may be more
  void pauses_until(Instant then);  ///< on purpose, with work waiting
  void rests();                     ///< there is nothing more

  /// Which one in this process stands still, in words; none: all advance.
  static std::optional<std::string> standing_still(Role role, Instant now);

 private:
  [[nodiscard]] Seconds owed_for(Instant now) const;

  const std::string what_;
  const Seconds longest_;
  const Role role_;
  std::atomic<Instant> since_{Instant{}};  ///< of the last progress; the epoch: it rests
};

/// Names the calling thread, for debuggers and for the tests that stop one: at most 15 characters.
void name_this_thread(const char* name);

}  // namespace cambench
