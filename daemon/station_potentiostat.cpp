// The potentiostat of a station: met, listened to, and met again after its connection was lost.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "daemon/records.h"
#include "daemon/station.h"
#include "daemon/station_time.h"

namespace cambench {

namespace asio = boost::asio;
using station_time::first_retry, station_time::last_retry, station_time::pause;

asio::awaitable<void> Station::meet_potentiostat() {
  auto wait = std::chrono::duration_cast<asio::steady_timer::duration>(first_retry);
  for (;;) {
    const auto known = co_await instruments_.potentiostat->identify();
    if (known) {
      potentiostat_identity_ = *known;
      potentiostat_trouble_.clear();
      journal_.info(name_, "",
                    fmt::format("potentiostat is {} {}, serial {}, firmware {}", known->maker, known->model,
                                known->serial, known->firmware));
      co_return;
    }
    if (potentiostat_trouble_ != known.error().what) {  // one line at the change, none while it lasts
      potentiostat_trouble_ = known.error().what;
      journal_.warning(name_, "", "potentiostat: " + potentiostat_trouble_);
      potentiostat_away(known.error());
    }
    co_await pause(executor_, wait);
    wait = std::min<asio::steady_timer::duration>(2 * wait, last_retry);
  }
}

asio::awaitable<void> Station::listen_to_potentiostat() {
  co_await meet_potentiostat();
  co_await link_is_back();
  for (;;) {
    auto what = co_await instruments_.potentiostat->next();
    if (!what) {
      journal_.warning(name_, active_ ? active_->info.id : "", "potentiostat: " + what.error().what);
      co_await pause(executor_, first_retry);
      continue;
    }
    const bool back = std::holds_alternative<heard::LinkBack>(*what);
    heard(std::move(*what));
    if (back) co_await link_is_back();
  }
}

/// The instrument can be spoken to (again): what it does decides what the run may do.
asio::awaitable<void> Station::link_is_back() {
  if (open_when_met_) {
    const std::string why = *std::exchange(open_when_met_, std::nullopt);
    co_await open_cell(why);
  }
  if (!busy()) co_return;
  happen(event::LinkChanged{Device::potentiostat, true, ""});
  tell_what_to_expect();
  const auto found = co_await instruments_.potentiostat->reattach();
  using Now = event::Restarted::Found;
  if (!found) {
    if (found.error().kind == Fault::Kind::identity)
      potentiostat_away(found.error());
    else
      happen(event::Restarted{Now::absent, std::nullopt});
    co_return;
  }
  Now what = Now::idle;
  switch (found->state) {
    case Found::State::idle: break;
    case Found::State::power_cycled: what = Now::power_cycled; break;
    case Found::State::unknown: what = Now::running_other; break;
    case Found::State::running: {
      const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
      const bool ours = running && found->marker == Marker{active_->info.id, running->step};
      what = ours ? Now::running_ours : Now::running_other;
    }
  }
  happen(event::Restarted{what, std::nullopt});
}

/// Out of reach is a warning, because the limits are on board; another instrument in its place is a fault.
void Station::potentiostat_away(const Fault& why) {
  happen(event::LinkChanged{Device::potentiostat, false, why.what});
  if (why.kind == Fault::Kind::identity) happen(event::Faulted{Device::potentiostat, why});
}

void Station::tell_what_to_expect() {
  const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
  if (!running || running->step >= active_->info.plan->steps.size()) return;
  const auto& last = active_->run.watch.last;
  const bool of_this_step = last && last->step == running->step;
  PlannedStep step = active_->info.plan->steps[running->step];
  step.run_time = std::max(step.sampling, step.run_time - running->elapsed);  // as it was started
  instruments_.potentiostat->expect(step, {active_->info.id, running->step},
                                    of_this_step ? last->step_time : Seconds(-1));
}

void Station::heard(Heard&& what) {
  if (auto* measured_now = std::get_if<heard::Measured>(&what)) {
    measured(measured_now->sample);
  } else if (const auto* ended = std::get_if<heard::Ended>(&what)) {
    if (active_ && ended->marker.run == active_->info.id)
      happen(event::StepEnded{ended->marker.step, ended->reason, ended->text});
  } else if (const auto* lost = std::get_if<heard::LinkLost>(&what)) {
    potentiostat_trouble_ = lost->why.what;
    journal_.warning(name_, active_ ? active_->info.id : "",
                     "potentiostat: connection lost: " + lost->why.what);
    potentiostat_away(lost->why);
  } else {
    potentiostat_trouble_.clear();
    journal_.info(name_, active_ ? active_->info.id : "", "potentiostat: connection is back");
  }
}

void Station::measured(const Sample& sample) {
  if (!active_) return;
  const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
  const Seconds done_before = running ? running->elapsed : Seconds{0};
  active_->last_test_time = std::max(active_->last_test_time, active_->step_base + sample.step_time);
  active_->last_sample = sample;
  ++samples_;
  const auto kept = store_.append(
      records::of_sample(sample, active_->info, ++active_->seq, active_->last_test_time, done_before));
  if (!kept) happen(event::Faulted{Device::potentiostat, kept.error()});
  happen(event::Sampled{sample});
}

}  // namespace cambench
