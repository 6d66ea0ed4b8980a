// What can go wrong at the wire and at the leads of a simulated source-measure unit.
#pragma once
#include <string>

namespace cambench::sim {

/// Counters strike that many of the coming opportunities.
struct ScpiFaults {
  int half_replies = 0;            ///< half of the answer comes, then nothing
  int dropped_data = 0;            ///< the connection ends within an answer to :TRAC:DATA?
  int no_values = 0;               ///< a reading is 9.9E37
  bool deaf = false;               ///< no answers at all
  bool hangs = false;              ///< the session of a client that goes without a word stays
  bool sense_open = false;         ///< a sense lead is off: the loop has lost its feedback
  bool open_sense_rails = false;   ///< and then the potential reads the rail; otherwise it reads 0
  bool swapped = false;            ///< WE is on the low leads
  bool limits_not_swapped = true;  ///< whether a limit branch with A > B is taken as it stands
  double readback = 0;             ///< a measurement is longer by this share while the source is read back
  double slow_meter = 0;           ///< and by this one in any case
  std::string language = "SCPI";   ///< what *LANG? answers
};

}  // namespace cambench::sim
