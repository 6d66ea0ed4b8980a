#include "daemon/sequencer/phase.h"

#include "schema/overloaded.h"

namespace cambench::sequencer {

using Kind = Transition::Kind;

std::string_view name(Transition::Kind kind) {
  switch (kind) {
    case Kind::started: return "started";
    case Kind::prepared: return "prepared";
    case Kind::step_began: return "step_began";
    case Kind::step_ended: return "step_ended";
    case Kind::held: return "held";
    case Kind::resumed: return "resumed";
    case Kind::tripped: return "tripped";
    case Kind::reset: return "reset";
    case Kind::consequence: return "consequence";
    case Kind::gap: return "gap";
    case Kind::finished: return "finished";
    case Kind::aborted: return "aborted";
  }
  return "unknown";
}

std::string_view name(EndReason reason) {
  switch (reason) {
    case EndReason::planned: return "planned";
    case EndReason::guard: return "guard";
    case EndReason::timeout: return "timeout";
    case EndReason::aborted: return "aborted";
    case EndReason::error: return "error";
    case EndReason::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view name(const Phase& phase) {
  return std::visit(Overloaded{[](const phase::Queued&) { return std::string_view("queued"); },
                               [](const phase::Preparing&) { return std::string_view("preparing"); },
                               [](const phase::Running&) { return std::string_view("running"); },
                               [](const phase::Held&) { return std::string_view("held"); },
                               [](const phase::Tripped&) { return std::string_view("tripped"); },
                               [](const phase::Finished&) { return std::string_view("finished"); },
                               [](const phase::Aborted&) { return std::string_view("aborted"); }},
                    phase);
}

bool is_over(const Phase& phase) {
  return std::holds_alternative<phase::Finished>(phase) || std::holds_alternative<phase::Aborted>(phase);
}

Phase fold(Phase phase, const Transition& t) {
  switch (t.kind) {
    case Kind::started: return phase::Preparing{0, Seconds{0}};
    case Kind::prepared:
    case Kind::consequence:
    case Kind::gap: return phase;
    case Kind::step_began: return phase::Running{t.step, t.elapsed};
    case Kind::step_ended: return phase::Preparing{t.step + 1, Seconds{0}};
    case Kind::held: return phase::Held{t.step, t.elapsed, t.text};
    case Kind::tripped: return phase::Tripped{t.step, t.elapsed, t.cause, t.text};
    case Kind::resumed:
      if (const auto* held = std::get_if<phase::Held>(&phase))
        return phase::Preparing{held->step, held->elapsed};
      return phase;
    case Kind::reset:
      if (const auto* tripped = std::get_if<phase::Tripped>(&phase))
        return phase::Held{tripped->step, tripped->elapsed, "reset by " + t.who + ": " + t.text};
      return phase;
    case Kind::finished: return phase::Finished{};
    case Kind::aborted: return phase::Aborted{t.text};
  }
  return phase;
}

}  // namespace cambench::sequencer
