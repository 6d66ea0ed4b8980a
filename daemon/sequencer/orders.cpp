#include "daemon/sequencer/orders.h"

#include <fmt/core.h>

#include "daemon/sequencer/preparing.h"

namespace cambench::sequencer {

namespace {

using Kind = Transition::Kind;

void resume_run(Deciding& d, const event::Ordered& order) {
  d.pass({.kind = Kind::resumed, .step = interrupted_at(d).first, .text = order.reason, .who = order.who});
  begin_preparing(d);
}

void abort_run(Deciding& d, const event::Ordered& order) {
  open_cell(d, "aborted by " + order.who);
  stop_press(d, Mechanical::hold, "aborted by " + order.who);
  d.pass({.kind = Kind::aborted, .step = interrupted_at(d).first, .text = order.reason, .who = order.who});
}

void reset_run(Deciding& d, const event::Ordered& order) {
  const auto* tripped = std::get_if<phase::Tripped>(&d.run().phase);
  if (!tripped) return d.refuse("the run is not tripped");
  if (order.who.empty() || order.reason.empty()) return d.refuse("a reset needs a name and a reason");
  if (d.plan().needs_cell && !d.run().cell_open_confirmed)
    return d.refuse("the cell has not confirmed that it is open");
  if (auto stands = still_stands(d.run().watch, d.run().rules, tripped->cause, d.now()))
    return d.refuse("the cause stands: " + *stands);
  d.pass({.kind = Kind::reset, .step = tripped->step, .text = order.reason, .who = order.who});
  forget_arrival(d.run().watch);
}

/// A person judged that what was interrupted is enough: a charge that reached its time limit, say.
void leave_step(Deciding& d, const event::Ordered& order) {
  const auto* held = std::get_if<phase::Held>(&d.run().phase);
  if (!held) return d.refuse("only a held run can go on with its next step");
  if (order.who.empty() || order.reason.empty()) return d.refuse("leaving a step needs a name and a reason");
  if (awaits_open_cell(d.run())) return d.refuse("the cell has not confirmed that it is open");
  const std::uint32_t left = held->step;
  d.pass({.kind = Kind::step_ended,
          .step = left,
          .reason = EndReason::aborted,
          .text = fmt::format("left by {}: {}", order.who, order.reason),
          .who = order.who});
  if (left + 1 >= d.plan().steps.size()) return finish_run(d);
  begin_preparing(d);
}

}  // namespace

void ordered(Deciding& d, const event::Ordered& order) {
  using What = event::Ordered::What;
  const Phase& phase = d.run().phase;
  switch (order.what) {
    case What::abort: return is_over(phase) ? d.refuse("the run is over") : abort_run(d, order);
    case What::pause:
      if (!std::holds_alternative<phase::Running>(phase)) return d.refuse("only a running run can be paused");
      return hold_run(d, fmt::format("paused by {}: {}", order.who, order.reason), command::Severity::info,
                      "paused");
    case What::resume:
      if (!std::holds_alternative<phase::Held>(phase)) return d.refuse("only a held run can be resumed");
      if (awaits_open_cell(d.run())) return d.refuse("the cell has not confirmed that it is open");
      return resume_run(d, order);
    case What::reset: return reset_run(d, order);
    case What::next_step: return leave_step(d, order);
  }
}

}  // namespace cambench::sequencer
