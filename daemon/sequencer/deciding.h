// A turn of the sequencer being put together, and what any phase may have to do in it: open the cell, stop the press,
// trip, hold, finish. Pure, like the sequencer (sequencer.h), whose own this is: nobody else includes it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/sequencer/sequencer.h"

namespace cambench::sequencer {

/// A turn being put together: every change of phase goes through `pass`, so that the fold and the record
/// agree.
class Deciding {
 public:
  Deciding(Run run, Instant now) : now_(now) { turn_.run = std::move(run); }

  Run& run() { return turn_.run; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] const Plan& plan() const { return *turn_.run.plan; }

  void pass(Transition transition) {
    turn_.run.phase = fold(std::move(turn_.run.phase), transition);
    turn_.transitions.push_back(std::move(transition));
  }
  void refuse(std::string why) { turn_.refusal = std::move(why); }
  void order(Command command) { turn_.commands.push_back(std::move(command)); }
  Turn take() { return std::move(turn_); }

 private:
  Turn turn_;
  Instant now_;
};

/// The experiment time of the running step that is done by now: what the instrument said, or for a rest and a
/// press step what the steady clock says.
Seconds done_of_step(const Run& run, Instant now);

/// Which step a stop interrupts, and how much of it is done.
std::pair<std::uint32_t, Seconds> interrupted_at(Deciding& d);

void open_cell(Deciding& d, std::string why);

/// Nothing where the plan has no press; a hold does not end a vent.
void stop_press(Deciding& d, Mechanical how, const std::string& why);

/// A trip by that row of the interlock table.
Trip because(Deciding& d, std::string_view cause, std::string text);

/// `ended`: how the running step's program came to its end; by us, unless the instrument said otherwise.
void trip_run(Deciding& d, const Trip& trip, EndReason ended = EndReason::aborted);

void hold_run(Deciding& d, std::string why, command::Severity severity, std::string cause);

void finish_run(Deciding& d);

}  // namespace cambench::sequencer
