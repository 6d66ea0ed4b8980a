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
    meeting_.since = std::chrono::steady_clock::now();
    const auto known = co_await instruments_.potentiostat->identify();
    meeting_.since.reset();
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
      if (what.error().kind == Fault::Kind::storage) note_gap(what.error().what);
      co_await pause(executor_, first_retry);
      continue;
    }
    const bool back = std::holds_alternative<heard::LinkBack>(*what);
    const bool stood = potentiostat_trouble_.empty();  // only what was asked in vain is asked again
    heard(std::move(*what));
    if (back && stood) co_await ask_what_it_does();
    if (back && !stood) co_await link_is_back();
  }
}

/// The instrument can be spoken to (again): what it does decides what the run may do.
asio::awaitable<void> Station::link_is_back() {
  if (left_cell_ && !uses_cell()) {
    const std::string why = left_cell_->why;
    co_await open_cell(why);
  }
  if (!uses_cell()) co_return;
  happen(event::LinkChanged{Device::potentiostat, true, ""});
  co_await ask_what_it_does();
}

asio::awaitable<void> Station::ask_what_it_does() {
  if (!uses_cell()) co_return;
  tell_what_to_expect();
  const std::string run = active_->info.id;
  const auto found = co_await instruments_.potentiostat->reattach();
  using Now = event::Restarted::Found;
  if (!found) {
    if (found.error().kind == Fault::Kind::identity)
      potentiostat_away(found.error());
    else if (run_id() == run)
      happen(event::Restarted{Now::absent, std::nullopt});
    co_return;
  }
  if (!found->serial.empty() && potentiostat_identity_) potentiostat_identity_->serial = found->serial;
  for (const Sample& row : found->kept)
    measured({{run, row.step}, row});  // first: how far the step came decides what is left of it
  if (run_id() != run) co_return;      // aborted meanwhile: what was found is not the next one's
  Now what = Now::idle;
  switch (found->state) {
    case Found::State::idle:
    case Found::State::ended: break;
    case Found::State::power_cycled: what = Now::power_cycled; break;
    case Found::State::unknown: what = Now::running_other; break;
    case Found::State::running: {
      const auto* running = std::get_if<sequencer::phase::Running>(&active_->run.phase);
      const bool ours = running && found->marker == Marker{active_->info.id, running->step};
      what = ours ? Now::running_ours : Now::running_other;
    }
  }
  clear_alarm("potentiostat_link");
  clear_alarm("potentiostat_absent");
  event::Restarted restarted{what, std::nullopt, {}};
  if (found->ended) restarted.ended = found->ended->reason, restarted.text = found->ended->text;
  happen(restarted);
}

bool Station::open_left_cell(const std::string& run, std::string why) {
  if (!instruments_.potentiostat) return false;
  left_cell_ = {run, std::move(why), std::chrono::steady_clock::now()};
  return true;
}

/// As the sequencer does it for the run that is on the station (sequencer.cpp, insist_on_open_cell); one that has a cell
/// sees to that cell by itself.
void Station::insist_on_left_cell() {
  if (!left_cell_ || uses_cell() || ticked_at_ - left_cell_->asked < rules_.reopen_every) return;
  left_cell_->asked = ticked_at_;
  const command::Raise raised{command::Severity::alarm, "cell_not_open",
                              "the cell has not confirmed that it is open"};
  if (auto row = alarms_.raise(name_, left_cell_->run, raised, std::chrono::system_clock::now())) {
    journal_.raise(name_, left_cell_->run, raised);
    keep(std::move(*row));
  }
  carry_out(command::CutLeads{raised.text});
  carry_out(command::OpenCell{left_cell_->why});
}

/// Out of reach is a warning, because the limits are on board; another instrument in its place is a fault.
void Station::potentiostat_away(const Fault& why) {
  if (!uses_cell()) return;
  happen(event::LinkChanged{Device::potentiostat, false, why.what});
  if (why.kind == Fault::Kind::identity) happen(event::Faulted{Device::potentiostat, why});
}

/// The part of a step that was interrupted, whatever has become of the run since.
void Station::tell_what_to_expect() {
  const auto& phase = active_->run.phase;
  std::optional<std::uint32_t> at;
  if (const auto* running = std::get_if<sequencer::phase::Running>(&phase)) at = running->step;
  if (const auto* held = std::get_if<sequencer::phase::Held>(&phase)) at = held->step;
  if (const auto* tripped = std::get_if<sequencer::phase::Tripped>(&phase)) at = tripped->step;
  if (!at || *at >= active_->info.plan->steps.size()) return;
  const PlannedStep part = sequencer::rest_of(active_->info.plan->steps[*at], active_->done_before);
  const auto& last = active_->last_sample;
  Seconds recorded = last && last->step == *at ? last->step_time : Seconds(-1);
  if (!active_->holes.empty()) recorded = std::min(recorded, active_->holes.front().from);
  instruments_.potentiostat->expect(part, {active_->info.id, *at}, recorded);
}

void Station::heard(Heard&& what) {
  if (auto* measured_now = std::get_if<heard::Measured>(&what)) {
    measured(*measured_now);
  } else if (const auto* ended = std::get_if<heard::Ended>(&what)) {
    if (active_ && ended->marker.run == active_->info.id)
      happen(event::StepEnded{ended->marker.step, ended->reason, ended->text});
  } else if (const auto* lost = std::get_if<heard::LinkLost>(&what)) {
    potentiostat_trouble_ = lost->why.what;
    journal_.warning(name_, active_ ? active_->info.id : "",
                     "potentiostat: connection lost: " + lost->why.what);
    potentiostat_away(lost->why);
  } else if (!std::exchange(potentiostat_trouble_, {}).empty()) {
    journal_.info(name_, active_ ? active_->info.id : "", "potentiostat: connection is back");
  }
}

/// Rows of a run that was aborted are still its own, when they come after the next one was started.
Station::Active* Station::run_of(const Marker& program) {
  for (auto* run : {&active_, &before_})
    if (*run && (*run)->info.id == program.run) return &**run;
  return nullptr;
}

void Station::measured(const heard::Measured& heard) {
  Active* const run = run_of(heard.marker);
  if (!run) return;
  Sample sample = heard.sample;
  const auto& last = run->last_sample;
  const bool same_step = last && last->step == sample.step;
  if (sample.status & reading_status::late && same_step) {
    if (sample.step_time <= last->step_time + same_row) return fill(*run, sample);
    sample.at = told_at(last->at, sample.step_time - last->step_time);
  }
  if (heard.after_gap) keep_room(*run, sample, same_step);
  run->last_test_time = std::max(run->last_test_time, run->step_base + sample.step_time);
  run->last_sample = sample;
  if (run_id() == run->info.id) keep(first_out_.heard(sample));
  ++samples_;
  keep(*run, sample, ++run->seq, run->last_test_time);
  judge(*run, sample);
}

/// A row of the run before is data, and nothing that happens to the one on the station.
void Station::judge(const Active& run, const Sample& sample) {
  if (run_id() == run.info.id) happen(event::Sampled{sample});
}

/// Keeps as many numbers free as rows can have been missed: a row is a measurement, and they are `sampling` apart.
void Station::keep_room(Active& run, const Sample& after_gap, bool same_step) {
  constexpr double most = 1e6;
  const auto& steps = run.info.plan->steps;
  if (after_gap.step >= steps.size()) return;
  const Seconds from = same_step ? run.last_sample->step_time : before_start;
  if (after_gap.step_time <= from) return;
  const Stamp at = same_step ? run.last_sample->at : told_at(after_gap.at, from - after_gap.step_time);
  const double rows = (after_gap.step_time - std::max(from, Seconds{0})) / steps[after_gap.step].sampling + 1;
  const auto room = static_cast<std::int64_t>(std::min(rows, most));
  run.holes.push_back({from, after_gap.step_time, at, run.seq + 1, run.seq + room});
  run.seq += room;
}

/// A row that was missed is stored once, where it belongs. One that is there already only shows that the instrument is
/// alive.
void Station::fill(Active& run, Sample late) {
  const auto hole = std::ranges::find_if(run.holes, [&](const Hole& it) {
    return it.from + same_row < late.step_time && late.step_time < it.to - same_row && it.next <= it.last;
  });
  if (hole != run.holes.end()) {
    late.at = told_at(hole->at, late.step_time - hole->from);
    keep(run, late, hole->next, run.step_base + late.step_time);
    ++samples_;
    *hole = {late.step_time, hole->to, late.at, hole->next + 1, hole->last};
  }
  judge(run, late);
}

void Station::keep(const Active& run, const Sample& sample, std::int64_t seq, Seconds test_time) {
  const auto kept = store_.append(records::of_sample(sample, run.info, seq, test_time, run.done_before));
  if (!kept) happen(event::Faulted{Device::potentiostat, kept.error()});
}

/// When a row was measured of which nobody heard then.
Stamp Station::told_at(const Stamp& earlier, Seconds later) const {
  const Seconds wire = later / rules_.time_scale;
  return {earlier.steady + std::chrono::duration_cast<Instant::duration>(wire),
          earlier.wall + std::chrono::duration_cast<WallTime::duration>(wire)};
}

}  // namespace cambench
