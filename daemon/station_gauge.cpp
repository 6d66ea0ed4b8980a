// The second pressure sensor of a station: read at 5 Hz beside the press, on its own conversation, and never written to.
// What it shows goes with each reading of the press, where the interlocks compare the two.
#include <fmt/core.h>

#include <algorithm>

#include "daemon/records.h"
#include "daemon/station.h"
#include "daemon/station_time.h"

namespace cambench {

namespace asio = boost::asio;
using station_time::first_retry, station_time::last_retry, station_time::pause, station_time::poll_period;

asio::awaitable<void> Station::poll_gauge() {
  auto wait = std::chrono::duration_cast<asio::steady_timer::duration>(first_retry);
  asio::steady_timer timer(executor_);
  for (;;) {
    timer.expires_after(poll_period);
    gauge_polled_at_ = std::chrono::steady_clock::now();
    instruments_.gauge->guard(press_decides());
    const auto read = co_await read_gauge();
    gauge_read(read);
    if (!read) {
      co_await pause(executor_, press_decides() ? poll_period : wait);
      wait = std::min<asio::steady_timer::duration>(2 * wait, last_retry);
      continue;
    }
    wait = first_retry;
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

/// After any failure it has to say again who it is.
asio::awaitable<Result<PressureSample>> Station::read_gauge() {
  if (!gauge_identity_ || !gauge_trouble_.empty()) {
    const auto known = co_await instruments_.gauge->identify();
    if (!known) co_return fail(known.error());
    gauge_identity_ = *known;
  }
  co_return co_await instruments_.gauge->read();
}

void Station::gauge_read(const Result<PressureSample>& read) {
  const std::string trouble = read ? std::string() : read.error().what;
  if (trouble != gauge_trouble_) {  // one line at the change, none while it lasts
    if (!trouble.empty())
      journal_.warning(name_, "", "gauge: " + trouble);
    else
      journal_.info(name_, "",
                    fmt::format("gauge is {} {}, serial {}", gauge_identity_->maker, gauge_identity_->model,
                                gauge_identity_->serial));
  }
  gauge_trouble_ = trouble;
  const PressureSample sample = read ? *read : PressureSample{{}, {}, trouble, now_stamp()};
  last_gauge_ = sample;
  if (sample.pressure) last_good_gauge_ = sample;
  if (!records::worth_storing(sample, last_stored_gauge_, rules_.time_scale)) return;
  keep(records::of_pressure(sample, store::second_sensor_of(name_), busy() ? active_->info.id : "",
                            busy() ? test_time(sample.at.steady) : Seconds{0}));
  last_stored_gauge_ = sample;
}

void Station::add_second_sensor(PressureSample& sample) const {
  sample.second_owed = config_.gauge && config_.gauge->needed;
  const auto& last = last_good_gauge_;
  if (last && sample.at.steady - last->at.steady <= rules_.age("press_stale")) sample.second = last->pressure;
}

/// What people should know before the interlock has to act, and of a sensor that guards nothing any more. Of the station,
/// not of the run: the next step of a run does not make it another warning.
void Station::warn_of_sensors() {
  const PressureSample& seen = *last_pressure_;
  const bool guards = press_decides();
  const bool differ = guards && active_->run.watch.disagree.warns(rules_.row("sensors_disagree"));
  warn(differ && seen.second && seen.pressure, "sensors_differ", [&] {
    return fmt::format("the press shows {:.2f} MPa, the second sensor {:.2f} MPa", seen.pressure->value(),
                       seen.second->value());
  });
  warn(guards && !seen.second, "gauge_silent", [&] {
    const std::string& why = gauge_trouble_.empty() && last_gauge_ ? last_gauge_->trouble : gauge_trouble_;
    return "the second pressure sensor gives no reading: " + why;
  });
}

void Station::warn(bool stands, const char* cause, const std::function<std::string()>& text,
                   command::Severity severity) {
  if (!stands) return clear_alarm(cause);
  const command::Raise raised{severity, cause, text()};
  auto row = alarms_.raise(name_, "", raised, std::chrono::system_clock::now());
  if (!row) return;
  journal_.raise(name_, run_id(), raised);
  keep(std::move(*row));
}

}  // namespace cambench
