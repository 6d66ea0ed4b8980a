// One step as a Keithley source-measure unit carries it out by itself: settings, a trigger model with the cutoff and
// the time limit in it, and the output off (high impedance) at its end. A dead host lets it end harmlessly.
//
// Method A (default): a voltage source at the cutoff with the step's current as its limit. The cell cannot pass the
// cutoff in either direction, whatever the host does; the step ends when the current has fallen below 95 % of its
// limit. Method B: a current source with the cutoff and both guards as limit branches; its voltage limit clamps
// symmetrically and is no protection against over-discharge.
//
// One unit measures one potential, between its two sense leads: Rig::sense says which.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/wire/scpi.h"
#include "schema/event.h"
#include "schema/plan.h"

namespace cambench::wire::scpi {

enum class Method { voltage_source, current_source };  ///< A and B above

struct Model {
  std::string_view name;
  Ampere least_current, max_current;  ///< of a step: current limit and source
  Volt max_potential;                 ///< of a cell on this bench's output protection
};
/// "2450", "2460", "2461"; empty for any other.
std::optional<Model> model_of(std::string_view name);

/// How the cell is wired, and how its steps are driven.
struct Rig {
  Model model;
  int polarity = 1;  ///< -1: WE is on the low leads, so every sign on the wire is inverted
  std::optional<LimitOn>
      sense;  ///< what the sense leads are on; empty: the full cell, and nobody has said so
  Method charge = Method::voltage_source, discharge = Method::voltage_source;
  [[nodiscard]] LimitOn sensed() const { return sense.value_or(LimitOn::cell); }
};

/// A setting that is asked for after it was made, before the output may come on.
struct Check {
  std::string query, expected;  ///< numbers are compared as numbers, within 0.1 %
};
bool agrees(const Check& check, std::string_view reply);

/// What the instrument measures in a step.
enum class Measures { current, potential };

struct Program {
  std::vector<std::string> lines;  ///< commands, none of them a query; the output is off after them
  std::vector<Check> checks;
  std::vector<std::string> trips;  ///< queries that answer 1 when a protection acted
  std::string buffer;
  std::size_t most_rows = 0;  ///< what the counter branch lets through
  Measures measures{};
};

/// Why this step cannot be carried out with this rig, or nothing. `program` needs a step without such a reason.
std::optional<std::string> beyond(const PlannedStep& step, const Rig& rig);
Program program(const PlannedStep& step, const Marker& marker, const Rig& rig);
/// The limits that program() puts on board, one sentence each.
std::vector<std::string> sentences(const PlannedStep& step, const Rig& rig);

/// Sources 0 A in the smallest range with the output off: switched on, it shows the potential at rest.
std::vector<std::string> look_lines();
/// What an output that is off does: nothing. Switches nothing.
std::vector<std::string> high_impedance_lines();
/// Ends whatever runs and switches the output off, high impedance first.
std::vector<std::string> off_lines();

/// A row in the words of the bench: signs by polarity, the potential where the sense leads are.
Sample sample_of(const Row& row, const PlannedStep& step, Measures measures, const Rig& rig);

/// Which end the last row shows: the end condition, the guards or the time limit. unknown when it shows none: an
/// interlock, an open sense lead and a protection all leave an idle instrument behind, too.
EndReason shown_by(const Sample& last, std::size_t rows, const PlannedStep& step, const Rig& rig,
                   std::size_t most_rows);

/// Buffers are named after the run and the step they belong to, and after the time that the step may take: what is left
/// of it when a step is gone on with, so that the parts of a step are told apart. At most 31 characters for the runs of
/// this program.
std::string buffer_name(const Marker& marker, Seconds run_time);
/// The name of a buffer of ours in any line that quotes one, such as those of :TRIG:BLOC:LIST?; empty for no such.
std::string buffer_in(std::string_view line);
/// The marker in such a name or line.
std::optional<Marker> marker_in(std::string_view line);

/// What the log block of a program writes into the instrument's event log when its time is over.
inline constexpr std::string_view time_limit_text = "time limit";

}  // namespace cambench::wire::scpi
