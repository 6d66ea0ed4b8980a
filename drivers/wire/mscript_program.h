// What this program lets a MethodSCRIPT instrument do: one step of a plan as a script that carries every limit in
// itself, and the lines that such a script sends.
//
// This file owns the packets' columns. The same source writes them into a script and reads them back, so nothing is
// guessed from variable types; types are only held against what must stand there.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "drivers/wire/mscript.h"
#include "schema/event.h"
#include "schema/plan.h"

namespace cambench::wire::mscript {

/// The instrument a script is written for.
struct Profile {
  Model model;
  std::string serial;
  bool stores = false;          ///< the program also writes to a file of the instrument (mscript_files.h)
  std::optional<int> mains_Hz;  ///< measurements are timed to reject it; empty where the firmware cannot
};

/// The script of one step, without the command that loads it and the empty line that ends it. See the source for
/// its variables and its order.
std::string program(const PlannedStep& step, const Marker& marker, const Profile& profile);

/// Instrument time between two of its rows, at most.
Seconds longest_pause(const PlannedStep& step);

/// Switches the cell off and nothing else: what makes safe is as short as it can be, so that nothing in it can be
/// refused.
std::string off_script();

/// Measures the potentials at rest. The instrument refuses it with the cell on (error 0014), so an answer proves that
/// the cell is off. It also shows whether a firmware knows `add_meas`, without which there is no cell potential.
std::string look_script(const Model& model);

/// What a program says of itself when it begins and with every row: "RUN r000001 12 30 ES4HR20B0001".
struct Announcement {
  Marker marker;
  std::optional<Seconds> longest_pause;  ///< instrument time between two rows
  std::string serial;  ///< of the instrument it was written for: `i` cannot be asked while it runs
};
std::optional<Announcement> parse_announcement(std::string_view text_line);

/// "TEND upper", "TGUARD cell_max", "TTIMEOUT", "TSTOPPED": how the program says it ended.
struct Ending {
  EndReason reason{};
  std::string text;  ///< for a person
};
std::optional<Ending> parse_ending(std::string_view text_line);

/// A row of our scripts; the sample has no stamp yet.
Result<Sample> read_row(std::string_view packet_line);

}  // namespace cambench::wire::mscript
