// A program that runs in a PalmSens instrument, followed by the lines it sends. Talks to nobody and knows no clock.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "drivers/instrument.h"
#include "drivers/wire/mscript_program.h"

namespace cambench::palmsens {

class Program {
 public:
  /// One that was started here.
  Program(Marker marker, std::string serial, Seconds pause);
  /// One that was met: its rows wait until it says its name. `pause` is what is thought of it until then.
  explicit Program(Seconds pause);

  struct Outcome {
    std::vector<heard::Measured>
        rows;  ///< new ones of this program; a damaged one is `bad` and has no number
    std::optional<wire::mscript::ErrorCode> failed;  ///< a runtime error: the cell is as it was
    bool over = false;                               ///< its last line has come
  };
  /// A line that is no answer to a command. `at` is when it was heard.
  Outcome hear(const std::string& line, Stamp at);

  void stop_asked() { stop_asked_ = true; }
  void stop_acknowledged() { stop_acknowledged_ = true; }
  void row_was_dropped() { gap_ = missed_ = true; }  ///< one that hear() gave out
  /// The link was lost: whatever runs there next time has to say its name.
  void forget_name() { known_ = false, gap_ = true; }

  [[nodiscard]] bool known() const { return known_; }          ///< the marker is its own
  [[nodiscard]] bool announced() const { return announced_; }  ///< it has said its name at least once
  [[nodiscard]] bool missed() const { return missed_; }        ///< not every row was heard
  [[nodiscard]] bool has_said_its_end() const { return said_.has_value(); }
  [[nodiscard]] const Marker& marker() const { return marker_; }
  [[nodiscard]] const std::string& serial() const {
    return serial_;
  }                                                       ///< of the instrument it was written for
  [[nodiscard]] Seconds pause() const { return pause_; }  ///< instrument time between two rows, at most
  /// How it ended, by its own words.
  [[nodiscard]] heard::Ended ending() const;

 private:
  using Rows = std::vector<heard::Measured>;
  void hear_row(const std::string& line, Stamp at, Rows& rows);
  void take_row(Sample row, Rows& rows);
  void recognise(const wire::mscript::Announcement& announced, Rows& rows);

  Marker marker_;
  std::string serial_;
  Seconds pause_;
  bool known_ = false, announced_ = false, stop_asked_ = false, stop_acknowledged_ = false,
       loop_ended_ = false;
  bool gap_ = false;     ///< rows may be missing before the next one
  bool missed_ = false;  ///< they were, once
  std::optional<wire::mscript::Ending> said_;
  std::optional<Seconds> last_;    ///< step time of the last row
  std::vector<Sample> unclaimed_;  ///< rows that came before the marker
};

}  // namespace cambench::palmsens
