// Everything that can happen to a run. A run's state is the fold of its events (daemon/sequencer).
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "schema/plan.h"
#include "schema/reading.h"
#include "schema/result.h"

namespace cambench {

/// Which of a station's two instruments.
enum class Device { potentiostat, press };

/// Why an instrument program ended.
enum class EndReason {
  planned,  ///< cutoff reached, or the planned duration is over
  guard,    ///< a guard inside the instrument fired
  timeout,  ///< run_time was reached although it was not the planned end
  aborted,  ///< we aborted it
  error,    ///< the instrument reported an error
  unknown   ///< nobody can say: treat as a fault
};

namespace event {
struct Started {  ///< a person (or the queue) started the run
  std::string who;
};
struct Identified {  ///< the configured instrument answered, with its own serial number
  Device device{};
  std::string what;
};
struct RestPotential {  ///< open-circuit reading taken before anything polarises the cell
  std::optional<Volt> we_vs_re, cell;
};
struct Sampled {
  Sample sample;
};
struct StepBegan {  ///< the instrument acknowledged the program
  std::uint32_t step = 0;
};
struct StepEnded {
  std::uint32_t step = 0;
  EndReason reason{};
  std::string text;  ///< what the instrument said
};
struct PressureRead {
  PressureSample sample;
};
struct CellOpened {  ///< confirmed by measurement or by the instrument, not merely acknowledged
  bool confirmed = false;
};
struct PressStopped {  ///< a hold or a vent was carried out, or not; nothing of a press that is set by hand
  bool vent = false, confirmed = false;
  std::string why;  ///< not confirmed: what the press said
};
struct LinkChanged {
  Device device{};
  bool up = false;
  std::string why;
};
struct Faulted {  ///< something failed that is not a reading: a refused program, a lost write, a full store
  Device device{};
  Fault fault;
};
struct Ordered {  ///< an operator's order
  enum class What {
    pause,
    resume,
    abort,
    reset,
    next_step  ///< a held run: its interrupted step is over, the next one begins
  } what{};
  std::string who, reason;
};
struct Restarted {  ///< the daemon came back and found the instrument so
  enum class Found { idle, running_ours, running_other, power_cycled, absent } found{};
  std::optional<EndReason> ended;  ///< how the interrupted step ended, when the instrument kept it
  std::string text;                ///< what the instrument kept of its end
};
struct Tick {};
}  // namespace event

using Event =
    std::variant<event::Started, event::Identified, event::RestPotential, event::Sampled, event::StepBegan,
                 event::StepEnded, event::PressureRead, event::CellOpened, event::PressStopped,
                 event::LinkChanged, event::Faulted, event::Ordered, event::Restarted, event::Tick>;

}  // namespace cambench
