// The press of a station: polled at 5 Hz, its watchdog fed after the interlocks have been evaluated, its proof test.
#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "daemon/press_test.h"
#include "daemon/records.h"
#include "daemon/station.h"
#include "daemon/station_time.h"

namespace cambench {

namespace asio = boost::asio;
using station_time::first_retry, station_time::last_retry, station_time::pause, station_time::poll_period;

namespace {

constexpr int press_failures_until_reintroduced = 3;

}  // namespace

asio::awaitable<void> Station::poll_press() {
  auto wait = std::chrono::duration_cast<asio::steady_timer::duration>(first_retry);
  asio::steady_timer timer(executor_);
  int failures = press_failures_until_reintroduced;
  for (;;) {
    timer.expires_after(poll_period);
    const bool is_needed = press_decides() || release_;
    instruments_.press->guard(is_needed);
    polled_at_ = std::chrono::steady_clock::now();
    if (proving()) {  // the test reads by itself, and needs silence for the watchdog
      co_await prove_press();
      continue;
    }
    if (failures >= press_failures_until_reintroduced) {
      const auto known = co_await instruments_.press->identify();
      if (known) {
        if (!press_trouble_.empty())
          journal_.info(name_, "",
                        fmt::format("press is {} {}, serial {}", known->maker, known->model, known->serial));
        if (press_trouble_ == not_met) press_is_met();
        press_identity_ = *known;
        press_trouble_.clear();
        failures = 0;
        wait = first_retry;
      } else {
        if (press_trouble_ != known.error().what) journal_.warning(name_, "", "press: " + known.error().what);
        press_trouble_ = known.error().what;
        pressure_missed(known.error().what);
        co_await pause(executor_, is_needed ? poll_period : busy() ? first_retry : wait);
        wait = std::min<asio::steady_timer::duration>(2 * wait, last_retry);
        continue;
      }
    }
    auto read = co_await instruments_.press->read();
    failures = read ? 0 : failures + 1;
    if (!read) ++polls_missed_;
    const bool answers = read.has_value(), good = answers && read->pressure;
    if (read)
      pressure_read(std::move(*read));
    else
      pressure_missed(read.error().what);
    // Fed only here: after the interlocks have been evaluated on fresh, good data, and while a run needs the press. Whatever
    // its sensor says, a vent is not to end in the hold of a watchdog.
    const bool guards = good && busy() && active_->run.watch.pressure_target;
    if (instruments_.press->limits().watchdog && (guards || (answers && release_)))
      co_await feed_watchdog();
    else if (!busy() && !release_)
      clear_alarm("press_watchdog");
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

/// Of a pressing that a stopped daemon left, the potentiostat can say nothing.
void Station::press_is_met() {
  if (!busy() || !active_->run.taken_up) return;
  const PlannedStep* step = sequencer::current_step(active_->run);
  if (!uses_cell() || (step && step->kind == PlannedStep::Kind::press))
    happen(event::Restarted{event::Restarted::Found::idle, std::nullopt});
}

/// A cell runs under this pressure. After a trip nothing hangs on the press any more but its own holding.
bool Station::press_decides() const {
  return busy() && active_->run.watch.pressure_target &&
         !std::holds_alternative<sequencer::phase::Tripped>(active_->run.phase);
}

asio::awaitable<void> Station::feed_watchdog() {
  const auto fed = co_await instruments_.press->feed_watchdog();
  using Kind = Fault::Kind;
  const bool unheard = !fed && (fed.error().kind == Kind::timeout || fed.error().kind == Kind::link);
  if (unheard) co_return;  // judged by the age of the last reading
  warn(!fed, "press_watchdog",
       [&] { return "the press does not guard the cell by itself: " + fed.error().what; });
}

// ---- a vent, until the press is down ---------------------------------------------------------------------

void Station::begin_release() {
  releases_by_itself_ = false;
  if (release_) return;
  release_.emplace(std::chrono::steady_clock::now());
  if (last_pressure_) release_->read(*last_pressure_);
}

void Station::end_release() {
  release_.reset();
  clear_alarm("press_not_released");
}

/// What the device says of itself counts too: it may have been told by a daemon that was stopped since, or by somebody's
/// hand.
void Station::follow_release(const PressureSample& sample) {
  const bool vents = instruments_.press->vents();
  if (!release_ && vents && sample.pressure && *sample.pressure > sequencer::Release::down_at) {
    begin_release();
    releases_by_itself_ = true;
  }
  if (!release_) {  // an alarm may be older than this daemon
    if (sample.pressure && *sample.pressure <= sequencer::Release::down_at) end_release();
    return;
  }
  release_->read(sample);
  if (release_->is_down() || (releases_by_itself_ && !vents)) return end_release();
  warn(
      release_->stands(sample.at.steady), "press_not_released", [&] { return release_->alarm(); },
      command::Severity::alarm);
}

Result<std::string> Station::test_press(MegaPascal target, const std::string& who) {
  const auto refuse = [](std::string why) { return fail(Fault::Kind::refused, std::move(why)); };
  if (!instruments_.press) return refuse(name_ + " has no press");
  if (busy())
    return refuse(fmt::format("{} is on {}; a press is tested when it is empty", active_->info.id, name_));
  if (proving()) return refuse(fmt::format("the press of {} is being tested already", name_));
  if (release_) return refuse(fmt::format("the press of {} {}", name_, release_->words()));
  if (!press_trouble_.empty()) return refuse("the press does not answer: " + press_trouble_);
  const auto setting = proof_setting(instruments_.press->limits(), target);
  if (!setting) return fail(setting.error());
  proof_.emplace(proof::ProofTest(*setting), who, std::chrono::system_clock::now());
  const std::string will_move = proof::warning(*setting);
  journal_.warning(name_, "", fmt::format("proof test of the press by {}: {}", who, will_move));
  return will_move;
}

asio::awaitable<void> Station::prove_press() {
  co_await cambench::carry_out(executor_, *instruments_.press, proof_->test,
                               [this](const PressureSample& sample) {
                                 polled_at_ = std::chrono::steady_clock::now();
                                 pressure_read(sample);
                               });
  const auto& test = proof_->test;
  if (test.findings().back().verdict != proof::Verdict::not_tried) begin_release();  // it ended with a vent
  for (const auto& finding : test.findings())
    if (finding.verdict == proof::Verdict::failed)
      journal_.alarm(name_, "", fmt::format("proof test: {}: {}", finding.step, finding.seen));
  journal_.info(name_, "",
                test.passed() ? "proof test of the press passed" : "proof test of the press failed");
  store_.commit(records::of_proof_test(test, name_, proof_->who, now_stamp()),
                [executor = executor_, this](Result<void> kept) {
                  if (kept) return;
                  asio::post(executor, [this, kept] {
                    journal_.alarm(name_, "", "the proof test is not recorded: " + kept.error().what);
                  });
                });
}

void Station::pressure_read(PressureSample sample) {
  if (instruments_.gauge) add_second_sensor(sample);
  keep_pressure(sample);
  if (!proving())
    happen(event::PressureRead{std::move(sample)});  // nobody else may speak to a press under test
  if (instruments_.gauge) warn_of_sensors();
}

/// A conversation that failed is no reading: the age of the last good one is what trips.
void Station::pressure_missed(const std::string& why) {
  keep_pressure({std::nullopt, std::nullopt, why, now_stamp()});
}

void Station::keep_pressure(const PressureSample& sample) {
  last_pressure_ = sample;
  follow_release(sample);
  keep(first_out_.heard(sample));
  if (!records::worth_storing(sample, last_stored_pressure_, rules_.time_scale)) return;
  const auto kept = store_.append(records::of_pressure(sample, name_, busy() ? active_->info.id : "",
                                                       busy() ? test_time(sample.at.steady) : Seconds{0}));
  last_stored_pressure_ = sample;
  if (!kept) happen(event::Faulted{Device::press, kept.error()});
}

}  // namespace cambench
