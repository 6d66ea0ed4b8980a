// Where a run is: the transitions that it went through, and the phase that is their fold. The picture of the phases is
// in sequencer.h.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "schema/event.h"

namespace cambench::sequencer {

/// One recorded step in the life of a run.
struct Transition {
  enum class Kind {
    started,      ///< by `who`
    prepared,     ///< instruments known, cell in its window, pressure there: `step` may begin
    step_began,   ///< ordered; the instrument's acknowledgement follows as an event
    step_ended,   ///< `reason`, `text`
    held,         ///< `text` says why; `elapsed` of `step` is done
    resumed,      ///< by `who`
    tripped,      ///< `cause` (interlock_table.h), `text`
    consequence,  ///< `cause`, `text`: what else went wrong after a trip
    reset,        ///< by `who`, because `text`
    gap,          ///< nobody listened for a while; `text` says what was found
    finished,
    aborted  ///< by `who`, because `text`
  } kind{};
  std::uint32_t step = 0;
  EndReason reason{};
  std::string cause, text, who;
  Seconds elapsed{0};  ///< held: experiment time of `step` that was carried out
};
std::string_view name(Transition::Kind kind);
std::string_view name(EndReason reason);

namespace phase {
struct Queued {};
struct Preparing {
  std::uint32_t next_step = 0;
  Seconds elapsed{0};  ///< of next_step, done before it was interrupted
};
struct Running {
  std::uint32_t step = 0;
  Seconds elapsed{0};  ///< done before this part of the step began
};
struct Held {
  std::uint32_t step = 0;
  Seconds elapsed{0};
  std::string why;
};
struct Tripped {
  std::uint32_t step = 0;
  Seconds elapsed{0};
  std::string cause, text;
};
struct Finished {};
struct Aborted {
  std::string why;
};
}  // namespace phase
using Phase = std::variant<phase::Queued, phase::Preparing, phase::Running, phase::Held, phase::Tripped,
                           phase::Finished, phase::Aborted>;
std::string_view name(const Phase& phase);
/// Finished or aborted.
bool is_over(const Phase& phase);

/// Where a run is after one more transition.
Phase fold(Phase phase, const Transition& transition);

}  // namespace cambench::sequencer
