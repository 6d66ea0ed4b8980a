// The interlocks as data: what is watched, how far it may go, how often or how long it must be bad, and what happens to
// the press. The shipped table holds the reference values; the configuration changes rows of it ([[interlock]]), adds
// none and takes none away: no trip can be switched off.
//
// The cell is opened by every trip, before the press is touched. What the press does is the second axis.
#pragma once
#include <string_view>
#include <vector>

#include "schema/units.h"

namespace cambench::sequencer {

/// What the mechanical side does once the cell is open. Over-pressure vents, everything else keeps the stack.
enum class Mechanical { hold, vent };
std::string_view name(Mechanical press);

/// What a row is judged on, which decides how it is debounced.
enum class Watches {
  pressure,  ///< every reading of the press, five a second
  cell,      ///< every sample of the running step
  age,       ///< how long nothing came, on the steady clock
  event      ///< something said that it happened: believed at once
};

/// One row of the interlock table.
struct Interlock {
  std::string_view cause;    ///< its stable name
  std::string_view meaning;  ///< for people
  Watches watches = Watches::event;
  std::string_view
      limit_key;  ///< what its limit is called in the configuration; empty: it has none of its own
  double limit = 0, least = 0, most = 0;  ///< the limit, and what it may be set to
  unsigned votes = 1, of = 1;             ///< so many bad ones of the last `of` trip
  Seconds longest{0};  ///< bad without a pause for so long trips too, however few came; 0: only votes count
  bool warns_first = false;  ///< votes only warn people; what trips is `longest`
  Mechanical press = Mechanical::hold;
  std::string_view detail;  ///< what the limit is about
};

using InterlockTable = std::vector<Interlock>;

/// In the order in which causes are judged: the first one that holds is the first-out.
const InterlockTable& shipped_interlocks();

/// A row by its cause; null for a name that is none.
const Interlock* find_row(const InterlockTable& table, std::string_view cause);

inline constexpr Seconds press_poll{0.2};   ///< wire time between two readings of a press
inline constexpr unsigned most_votes = 16;  ///< that a row can count

/// From the fault on the wire to the first command that makes safe, at most: detection, debounce and one poll's phase.
/// `sampling`: wire time between two samples of a cell.
Seconds worst_reaction(const Interlock& row, Seconds sampling);

}  // namespace cambench::sequencer
