// A program of ours in a source-measure unit, followed by the rows of its buffer, from its start until its end has been
// told. Talks to nobody and knows no clock.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "drivers/wire/scpi_program.h"
#include "schema/event.h"

namespace cambench::keithley {

class Program {
 public:
  /// Rows up to the step time `recorded` are known already.
  Program(const PlannedStep& step, const Marker& marker, const wire::scpi::Rig& rig,
          Seconds recorded = Seconds(-1));

  [[nodiscard]] const Marker& marker() const { return marker_; }
  [[nodiscard]] const PlannedStep& step() const { return step_; }
  [[nodiscard]] const wire::scpi::Program& in_instrument() const { return program_; }
  [[nodiscard]] const std::string& buffer() const { return program_.buffer; }
  [[nodiscard]] std::size_t fetched() const { return fetched_; }
  [[nodiscard]] bool behind() const { return fetched_ < on_board_; }  ///< the buffer holds more

  /// Nobody listened for a while: what is in the buffer when it is looked at next was measured meanwhile.
  void host_was_away() { away_ = true; }
  /// The buffer holds rows up to this index.
  void rows_on_board(std::size_t end);
  /// The rows after fetched(). Returns the samples worth telling: the first row, one every record_every, and whenever
  /// the potential moved by record_delta.
  std::vector<Sample> take(const std::vector<wire::scpi::Row>& rows, Stamp at);
  /// The last row, when it has not been told.
  [[nodiscard]] std::optional<Sample> last_untold() const;

  /// The end that the last row shows. unknown when it shows none.
  [[nodiscard]] EndReason shown() const;
  /// A counter branch is no clock: by the times of its rows this program should have ended.
  [[nodiscard]] bool overdue() const;

 private:
  [[nodiscard]] bool worth_telling(const Sample& sample) const;

  PlannedStep step_;
  Marker marker_;
  wire::scpi::Rig rig_;
  wire::scpi::Program program_;
  Seconds recorded_;
  std::size_t fetched_ = 0, on_board_ = 0;  ///< rows
  bool away_ = false;
  std::size_t late_until_ = 0;  ///< rows up to here were measured while nobody listened
  std::optional<Sample> last_, told_;
};

}  // namespace cambench::keithley
