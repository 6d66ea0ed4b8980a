// Everything that can be ordered. The sequencer returns commands in the order they must happen; the runner
// carries them out after what they follow from has been committed (a command that makes safe goes at once).
#pragma once
#include <string>
#include <variant>

#include "schema/event.h"
#include "schema/plan.h"

namespace cambench {

namespace command {
struct Identify {  ///< answered by Identified or Faulted
  Device device{};
};
struct MeasureRest {};  ///< read the potentials with the cell off; answered by RestPotential
struct StartStep {      ///< run this program; answered by StepBegan, then StepEnded
  PlannedStep step;
};
struct OpenCell {  ///< abort whatever runs and open the cell; answered by CellOpened
  std::string why;
};
struct CutLeads {  ///< the second way to open a cell, by the station's relay, when the first is not confirmed
  std::string why;
};
struct SetPressure {
  MegaPascal target;
};
struct HoldPressure {
  std::string why;
};
struct Vent {
  std::string why;
};
enum class Severity { info, warning, alarm };
struct Raise {  ///< tell people; `cause` is a stable short name such as "pressure_low"
  Severity severity{};
  std::string cause, text;
};
}  // namespace command

using Command = std::variant<command::Identify, command::MeasureRest, command::StartStep, command::OpenCell,
                             command::CutLeads, command::SetPressure, command::HoldPressure, command::Vent,
                             command::Raise>;

}  // namespace cambench
