#include "daemon/sequencer/proof_test.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "daemon/sequencer/words.h"

namespace cambench::proof {

namespace {

enum Step : std::size_t {
  identity_,
  released_,
  target_,
  read_back_,
  arrival_,
  hold_,
  watchdog_,
  recovery_,
  vent_
};
constexpr unsigned readings_to_arrive = 3;

std::string words(const Outcome& outcome) {
  if (outcome.fault) return outcome.fault->what;
  if (!outcome.sample) return "no reading";
  if (!outcome.sample->pressure) return outcome.sample->trouble;
  return sequencer::words(*outcome.sample->pressure);
}

bool reads(const Outcome& outcome) { return !outcome.fault && outcome.sample && outcome.sample->pressure; }

std::string what_the_watchdog_does(const Setting& setting) {
  if (!setting.watchdog_after) return "a watchdog of its own";
  return fmt::format("{:.0f} s after the last word the press does its {} by itself, and says so",
                     setting.watchdog_after->count(), setting.watchdog_action);
}

std::vector<Finding> unproven(const Setting& s) {
  const double target = s.target.value(), band = s.band().value();
  const auto not_yet = "not tried";
  return {
      {"identity", "the configured press answers, and its self-test fits the map", not_yet},
      {"released", fmt::format("an empty press: at most {:.2f} MPa", s.released().value()), not_yet},
      {"target", fmt::format("the press takes a target of {:.2f} MPa", target), not_yet},
      {"read-back", fmt::format("the set point reads back as {:.2f} MPa", target), not_yet},
      {"arrival", fmt::format("{:.2f} +- {:.2f} MPa within {:.0f} s", target, band, s.arrive_within.count()),
       not_yet},
      {"hold",
       fmt::format("the press confirms, and keeps its pressure within {:.2f} MPa for {:.0f} s", band,
                   s.hold_for.count()),
       not_yet},
      {"watchdog", what_the_watchdog_does(s), not_yet},
      {"recovery", fmt::format("a new target resets it: {:.2f} +- {:.2f} MPa again", target, band), not_yet},
      {"vent",
       fmt::format("the press confirms, and at most {:.2f} MPa remain within {:.0f} s", s.released().value(),
                   s.release_within.count()),
       not_yet}};
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed: return "passed";
    case Verdict::failed: return "failed";
    case Verdict::not_tried: return "not tried";
    case Verdict::not_there: return "not there";
  }
  return "";
}

ProofTest::ProofTest(Setting setting) : setting_(std::move(setting)), findings_(unproven(setting_)) {}

bool ProofTest::passed() const {
  return over() && std::ranges::none_of(findings_, [](const Finding& finding) {
           return finding.verdict == Verdict::failed || finding.verdict == Verdict::not_tried;
         });
}

void ProofTest::came(const Outcome& outcome, Instant now) {
  switch (static_cast<Step>(step_)) {
    case identity_: return identity(outcome);
    case released_: return released(outcome);
    case target_: return target(outcome);
    case read_back_: return read_back(outcome);
    case arrival_: return arrival(outcome, now);
    case hold_: return hold(outcome, now);
    case watchdog_: return watchdog(outcome, now);
    case recovery_: return recovery(outcome, now);
    case vent_: return vent(outcome, now);
  }
}

// ---- the steps, in their order ----------------------------------------------------------------------------

void ProofTest::identity(const Outcome& outcome) {
  if (outcome.fault) return failed(outcome.fault->what);
  passed(outcome.text);
  go_on(Act::read);
}

void ProofTest::released(const Outcome& outcome) {
  if (!is_released(outcome)) return failed(words(outcome));
  passed(words(outcome));
  go_on(Act::set_target);
}

void ProofTest::target(const Outcome& outcome) {
  if (outcome.fault) return failed(outcome.fault->what);
  passed("taken");
  go_on(Act::read_and_feed);
}

void ProofTest::read_back(const Outcome& outcome) {
  const auto back = outcome.sample ? outcome.sample->target : std::nullopt;
  if (outcome.fault || !back) return failed(outcome.fault ? outcome.fault->what : "no set point");
  const std::string seen = fmt::format("{:.3f} MPa", back->value());
  if (abs(*back - setting_.target) > 0.01 * setting_.target) return failed(seen);
  passed(seen);
  go_on(Act::read_and_feed);
}

void ProofTest::arrival(const Outcome& outcome, Instant now) {
  const bool late = beyond(setting_.arrive_within, now);
  if (outcome.fault) return failed(outcome.fault->what);
  if (!arrived(outcome)) {
    if (late) failed(words(outcome));
    return;
  }
  before_ = outcome.sample->pressure;
  passed(fmt::format("{} after {:.1f} s", words(outcome), Seconds(now - *since_).count()));
  go_on(Act::hold);
}

void ProofTest::hold(const Outcome& outcome, Instant now) {
  if (outcome.fault) return failed(outcome.fault->what);
  if (next_ == Act::hold) {
    since_ = now;
    next_ = Act::read_and_feed;
    return;
  }
  if (!reads(outcome)) return failed(words(outcome));
  const MegaPascal change = *outcome.sample->pressure - *before_;
  const std::string seen = fmt::format("confirmed, {} ({:+.3f} MPa)", words(outcome), change.value());
  if (abs(change) > setting_.band()) return failed(seen);
  if (!beyond(setting_.hold_for, now)) return;
  passed(seen);
  if (setting_.watchdog_after) return go_on(Act::set_target);  // out of the hold, or its own would not show
  findings_[watchdog_].verdict = Verdict::not_there;
  findings_[watchdog_].seen = "its map names none: a lost link is not covered by the press";
  findings_[recovery_].verdict = Verdict::not_there;
  findings_[recovery_].seen = "without a watchdog there is nothing to recover from";
  step_ = recovery_;
  go_on(Act::vent);
}

// Nothing may be said to the press while its patience runs out: with some, any request feeds.
void ProofTest::watchdog(const Outcome& outcome, Instant now) {
  switch (next_) {
    case Act::set_target:
      if (outcome.fault) return failed(outcome.fault->what);
      next_ = Act::feed;
      return;
    case Act::feed:
      if (!since_) {  // the last word before the silence
        if (outcome.fault) return failed("it cannot be armed: " + outcome.fault->what);
        since_ = now;
        next_ = Act::be_silent;
        return;
      }
      if (!outcome.fault)
        return failed(fmt::format("after {:.1f} s of silence it still counts as armed",
                                  Seconds(now - *since_).count()));
      if (outcome.fault->kind != Fault::Kind::instrument) return failed(outcome.fault->what);
      since_.reset();
      next_ = Act::read;
      return;
    case Act::be_silent: next_ = Act::feed; return;
    default: return made_safe(outcome, now);
  }
}

/// The watchdog says that it fired; the pressure has to agree.
void ProofTest::made_safe(const Outcome& outcome, Instant now) {
  const bool late = beyond(setting_.release_within, now);
  if (outcome.fault) return failed(outcome.fault->what);
  const bool holds = setting_.watchdog_action == "hold";
  const bool safe =
      reads(outcome) && (holds ? *outcome.sample->pressure > setting_.released() : is_released(outcome));
  const std::string seen =
      fmt::format("it fired after {:.0f} s of silence, {}", silence().count(), words(outcome));
  if (safe) {
    passed(seen);
    return go_on(Act::set_target);
  }
  if (holds || late) failed(seen);
}

void ProofTest::recovery(const Outcome& outcome, Instant now) {
  if (outcome.fault) return failed(outcome.fault->what);
  if (next_ == Act::set_target) {
    next_ = Act::read_and_feed;
    return;
  }
  const bool late = beyond(setting_.arrive_within, now);
  if (!arrived(outcome)) {
    if (late) failed(words(outcome));
    return;
  }
  passed(fmt::format("armed again, {} after {:.1f} s", words(outcome), Seconds(now - *since_).count()));
  go_on(Act::vent);
}

void ProofTest::vent(Outcome outcome, Instant now) {
  const bool ordered = next_ == Act::vent;
  if (outcome.sample) outcome.fault.reset();  // what the watchdog said of its feeding does not matter here
  if (outcome.fault) {
    findings_[vent_].verdict = Verdict::failed;
    findings_[vent_].seen = outcome.fault->what;
    next_ = Act::end;
    return;
  }
  if (ordered) {
    since_ = now;
    next_ = Act::read_and_feed;  // its watchdog must not make a hold of the vent
    return;
  }
  if (!is_released(outcome) && !beyond(setting_.release_within, now)) return;
  findings_[vent_].verdict = is_released(outcome) ? Verdict::passed : Verdict::failed;
  findings_[vent_].seen =
      fmt::format("confirmed, {} after {:.1f} s", words(outcome), Seconds(now - *since_).count());
  next_ = Act::end;
}

// ---- helpers ----------------------------------------------------------------------------------------------

void ProofTest::passed(std::string seen) {
  findings_[step_].seen = std::move(seen);
  findings_[step_].verdict = Verdict::passed;
}

/// Before anything moved that is the end; afterwards the press is vented, whatever else happens.
void ProofTest::failed(std::string seen) {
  findings_[step_].seen = std::move(seen);
  findings_[step_].verdict = Verdict::failed;
  const bool moved = step_ >= target_;
  step_ = recovery_;
  go_on(moved ? Act::vent : Act::end);
}

void ProofTest::go_on(Act act) {
  ++step_;
  next_ = act;
  since_.reset();
  in_band_ = 0;
}

bool ProofTest::arrived(const Outcome& outcome) {
  const bool inside = reads(outcome) && abs(*outcome.sample->pressure - setting_.target) <= setting_.band();
  in_band_ = inside ? in_band_ + 1 : 0;
  return in_band_ >= readings_to_arrive;
}

bool ProofTest::beyond(Seconds limit, Instant now) {
  if (!since_) since_ = now;
  return now - *since_ > limit;
}

bool ProofTest::is_released(const Outcome& outcome) const {
  return reads(outcome) && *outcome.sample->pressure <= setting_.released();
}

std::string warning(const Setting& setting) {
  const std::string silence =
      setting.watchdog_after
          ? fmt::format("stay without a word for {:.0f} s until its own watchdog does its {}, move again, ",
                        (*setting.watchdog_after + setting.watchdog_margin).count(), setting.watchdog_action)
          : std::string();
  return fmt::format(
      "The press will move to {:g} MPa, hold, {}and vent. Nothing may be in it, and nobody's hand.",
      setting.target.value(), silence);
}

}  // namespace cambench::proof
