// The sequencer decides; it does not act. (run, event, instant) -> (run, transitions, commands): no I/O, no
// clock, no logger. Everything the decision depends on is in Run, and time is an argument.
//
//              start            identified, OCV in window,
//    Queued ----------> Preparing -------------------------> Running(step) --> ... --> Finished
//                        |    ^      pressure arrived         |        |
//                        |    | resume, reset                 | pause, | gap that a
//                        |    +------------- Held <-----------+ person must judge
//                        |                    ^
//                        |   limit, fault     | reset: named person, reason, cause gone
//                        +----------------> Tripped (latched)             abort, from anywhere: Aborted
//
// Preparing, Running and what people order have files of their own; sequencer.cpp has what is asked in every turn, and which
// of them decides.
//
// Two rules hold everywhere:
//   - What a run went through is a list of transitions; its phase is their fold (phase.h), while running and after a
//     restart alike. The station commits the transitions of a turn before it carries out the commands of that turn;
//     only commands that make safe (OpenCell, CutLeads, HoldPressure, Vent) do not wait for the disk.
//   - Commands come out in the order in which they must happen: current off first, then the press.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/sequencer/interlocks.h"
#include "daemon/sequencer/phase.h"
#include "schema/command.h"
#include "schema/event.h"
#include "schema/plan.h"

namespace cambench::sequencer {

/// One run, whole. `checks` and `watch` are what it learnt since the daemon came up; they are never stored.
struct Run {
  std::shared_ptr<const Plan> plan;
  Rules rules;
  Phase phase = phase::Queued{};
  Watch watch;

  struct Checks {  ///< of Preparing
    bool potentiostat = false, press = false, rest = false;
    std::optional<Instant> press_deadline;
  } checks;
  std::optional<Instant> step_began;      ///< Running: when this part of the step was ordered
  bool step_acknowledged = false;         ///< Running: the instrument said so
  std::optional<Instant> press_arrived;   ///< Running a press step: hold time counts from here
  bool taken_up = false;                  ///< from a stopped daemon, and no step has begun since
  bool potentiostat_up = true;            ///< it answers, and was asked what it does
  std::vector<std::string> consequences;  ///< Tripped: causes listed under the first one
  /// The last order to the press, when that was to stop. A hold does not end a vent: only a person who lets the press
  /// move again does.
  struct PressStop {
    Mechanical how{};
    std::optional<Instant> failed;  ///< it was not confirmed: told again once the press can be read
  };
  std::optional<PressStop> press_stop;
  /// Taken up: its watchdog may have held it, so it is told its set point again once it is read there.
  bool press_to_set = false;
  bool cell_open_wanted = false, cell_open_confirmed = false;
  std::optional<Instant> open_asked;
};

/// Whether it moves the press, or counts on its pressure.
bool uses_press(const Plan& plan);

/// The step of the plan that is being carried out, null when none is.
const PlannedStep* current_step(const Run& run);

/// Its cell was told to open and has not confirmed that it is.
bool awaits_open_cell(const Run& run);

/// What is left of a step of which a part is done: a resumed step has only the rest of its time, and some seconds at least. A
/// time limit that was reached and resumed by a person is granted again, a planned time is not.
PlannedStep rest_of(PlannedStep step, Seconds done);

/// What the store still knows of a run whose daemon has stopped.
struct Left {
  std::vector<Transition> transitions;
  std::optional<Sample> last;         ///< of the interrupted part of the step
  AmpereHour charge{0};               ///< moved in the interrupted step so far, signed
  std::optional<Instant> step_began;  ///< when that part was ordered, on today's clock
};

/// The run as it was left. Its pressure is watched from here on; what the cell may do is decided once the
/// potentiostat was asked (event::Restarted).
Run take_up(std::shared_ptr<const Plan> plan, const Rules& rules, const Left& left, Instant now);

struct Turn {
  Run run;
  std::vector<Transition> transitions;
  std::vector<Command> commands;
  std::optional<std::string> refusal;  ///< an operator's order that was not granted, and why
};

Turn step(Run run, const Event& event, Instant now);

}  // namespace cambench::sequencer
