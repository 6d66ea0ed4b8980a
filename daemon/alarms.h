// The alarms that stand: raised once, shown until the cause is gone and somebody has acknowledged them. Deciding thread
// only.
//
// A cause of a station can be put on a shelf: for a limited time nobody is told of it. That is all a shelf does; the
// interlock behind the alarm trips as before, the alarm is shown and kept as before.
//
// A cause that comes and goes is debounced (daemon/alarm_delays.h): it is an alarm once it has stood for a while, and over
// once it has been gone for a while. What a person has dealt with, or a run that has ended, ends its alarms at once.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/alarm_delays.h"
#include "daemon/store/rows.h"
#include "schema/command.h"
#include "schema/status.h"

namespace cambench {

class Alarms {
 public:
  /// `standing`: what a stopped daemon left; `last_id`: the highest number ever given; `shelved`: shelves whose time was
  /// not over, which go on for what is left of it and never for longer than they were meant to, whatever the clock says.
  void load(std::vector<status::Alarm> standing, std::int64_t last_id,
            const std::vector<store::ShelfRow>& shelved, const Stamp& now);

  /// The row to keep, or nothing when this very alarm stands already, has to stand for a while first, or is only for the
  /// log (severity info).
  std::optional<store::AlarmRow> raise(const std::string& station, const std::string& run,
                                       const command::Raise& raised, WallTime at);

  /// The cause is gone: an alarm that was acknowledged stands no longer. An empty `cause` means all of the run but
  /// `kept`, at once; a named one may have to be gone for a while first.
  std::vector<store::Row> clear(const std::string& station, const std::string& run, std::string_view cause,
                                WallTime at, std::string_view kept = {});

  /// The row to keep; refused when no such alarm stands, or somebody has seen it already.
  Result<store::AcknowledgeRow> acknowledge(std::int64_t id, const std::string& who, WallTime at);

  /// Puts the cause of a standing alarm on the shelf, on its station, by a named person for a reason and a time.
  Result<store::ShelfRow> shelve(std::int64_t id, Seconds time, const std::string& who,
                                 const std::string& reason, const Stamp& now);
  Result<store::ShelfRow> unshelve(std::int64_t id, const std::string& who, const std::string& reason,
                                   const Stamp& now);
  [[nodiscard]] bool shelved(const std::string& station, std::string_view cause, Instant now) const;
  Seconds longest_shelf{8 * 3600};  ///< a shift
  AlarmDelays delays;

  [[nodiscard]] std::vector<status::Alarm> standing(Instant now) const;  ///< oldest first

  /// An alarm that became one, or is over, because time has passed; its row is to be kept.
  struct Changed {
    status::Alarm alarm;
    store::Row row;
  };
  /// Lets time pass: what comes off its shelf while its cause stands is told, and the delays come to their ends.
  std::vector<Changed> pass(Instant now);

  /// Called for each alarm that was raised, acknowledged, shelved, taken off its shelf, or whose cause is gone; people are
  /// told from here. One that is on a shelf says so (`shelved_by`).
  std::function<void(const status::Alarm&)> on_change;

 private:
  struct Shelf {
    store::ShelfRow row;
    Instant until;
  };
  struct Coming {  ///< stands, and is no alarm yet
    status::Alarm alarm;
    Instant due;
  };
  struct Going {  ///< its cause is gone, and it is not over yet
    std::int64_t id = 0;
    Instant due;
    WallTime gone;
  };
  store::AlarmRow stand_up(status::Alarm alarm);
  store::AlarmClearedRow end(status::Alarm& alarm, WallTime gone);
  void forget_what_is_over();
  void end_shelves(Instant now);
  [[nodiscard]] const Shelf* shelf_of(const std::string& station, std::string_view cause, Instant now) const;
  [[nodiscard]] Result<status::Alarm*> find(std::int64_t id);
  [[nodiscard]] status::Alarm shown(const status::Alarm& alarm, Instant now) const;
  void tell(const status::Alarm& alarm) const;
  void tell_standing(const std::string& station, const std::string& cause) const;

  std::vector<status::Alarm> standing_;
  std::vector<Shelf> shelves_;
  std::vector<Coming> coming_;
  std::vector<Going> going_;
  std::int64_t last_id_ = 0;
  Instant now_{};  ///< as of the last pass()
};

}  // namespace cambench
