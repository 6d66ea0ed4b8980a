// What is still to be told to whom, and when it may be. Pure: time is an argument, nothing is sent here.
//
//     alarm raised, seen, gone --> changed() --> waits `group` for company --> due(): one message
//                                                    ^                            |
//                                    repeat, if nobody acknowledges               +--> sent(), or failed(): again, later
//
// Of each alarm only the last news is told. What is on a shelf is not told; only who was told that it stands hears that it
// is over. A way that fails is tried again after growing pauses and gets, once it works, everything that it missed in one
// message. A way that has said too much in an hour waits, and then tells together; news of an alarm does not wait for that,
// warnings and repetitions do.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "daemon/config.h"
#include "schema/status.h"

namespace cambench::notify {

/// One message on one way: alarms by their number, the oldest first.
struct Message {
  std::size_t way = 0;
  std::vector<status::Alarm> alarms;
};

class Outbox {
 public:
  explicit Outbox(const config::Alarms& settings) : settings_(settings), ways_(settings.ways.size()) {}

  /// An alarm was raised, acknowledged, shelved, taken off its shelf, or its cause is gone.
  void changed(const status::Alarm& alarm, Instant now);

  /// What is to be sent now, at most one message a way; it stays here until sent() or failed() is called for it.
  [[nodiscard]] std::vector<Message> due(Instant now);
  void sent(const Message& message, Instant now);
  void failed(const Message& message, Instant now);

  /// When to look again at the latest; none: nothing waits.
  [[nodiscard]] std::optional<Instant> next() const;

 private:
  struct Waiting {
    status::Alarm alarm;
    bool again = false;  ///< a repetition
  };
  struct Way {
    std::map<std::int64_t, Waiting> waiting;
    std::set<std::int64_t> standing;  ///< for all that was said here, these stand
    std::optional<Instant> not_before;
    unsigned failures = 0;
    std::deque<Instant> sent;  ///< within the last hour
    std::optional<Instant> enough_until;
  };
  struct Standing {
    status::Alarm alarm;
    Instant repeat_at;
  };
  void queue(Way& way, const Waiting& news, Instant now);
  void queue(const Waiting& news, Instant now);
  void silence(const status::Alarm& alarm, Instant now);
  void repeat(Instant now);
  [[nodiscard]] static Instant due_at(const Way& way);

  const config::Alarms settings_;
  std::vector<Way> ways_;
  std::map<std::int64_t, Standing> unseen_;  ///< standing, and nobody has acknowledged them
};

}  // namespace cambench::notify
