#include "daemon/press_test.h"

#include <fmt/core.h>

#include "daemon/station_time.h"

namespace cambench {

namespace asio = boost::asio;

namespace {

asio::awaitable<void> pause(asio::any_io_executor executor, Seconds time) {
  return station_time::pause(executor, std::chrono::duration_cast<asio::steady_timer::duration>(time));
}

proof::Outcome outcome_of(const Result<void>& done) {
  return {done ? std::nullopt : std::optional(done.error()), std::nullopt, {}};
}

asio::awaitable<proof::Outcome> identify(Press& press) {
  const auto known = co_await press.identify();
  if (!known) co_return proof::Outcome{known.error(), std::nullopt, {}};
  co_return proof::Outcome{std::nullopt, std::nullopt,
                           fmt::format("{} {}, serial {}", known->maker, known->model,
                                       known->serial.empty() ? "-" : known->serial)};
}

asio::awaitable<proof::Outcome> read(Press& press, bool feed) {
  auto sample = co_await press.read();
  if (!sample) co_return proof::Outcome{sample.error(), std::nullopt, {}};
  proof::Outcome outcome{std::nullopt, std::move(*sample), {}};
  if (!feed || !press.limits().watchdog) co_return outcome;
  const auto fed = co_await press.feed_watchdog();
  if (!fed) outcome.fault = fed.error();
  co_return outcome;
}

asio::awaitable<proof::Outcome> act(asio::any_io_executor executor, Press& press,
                                    const proof::ProofTest& test) {
  using proof::Act;
  Result<void> done;
  switch (test.next()) {
    case Act::identify: co_return co_await identify(press);
    case Act::read:
      co_await pause(executor, test.setting().between_readings);
      co_return co_await read(press, false);
    case Act::read_and_feed:
      co_await pause(executor, test.setting().between_readings);
      co_return co_await read(press, true);
    case Act::set_target: done = co_await press.set_target(test.setting().target); break;
    case Act::feed: done = co_await press.feed_watchdog(); break;
    case Act::be_silent: co_await pause(executor, test.silence()); break;
    case Act::hold: done = co_await press.hold(); break;
    case Act::vent: done = co_await press.vent(); break;
    case Act::end: break;
  }
  co_return outcome_of(done);
}

}  // namespace

Result<proof::Setting> proof_setting(const PressLimits& limits, MegaPascal target) {
  if (limits.max_target <= MegaPascal(0))
    return fail(Fault::Kind::refused,
                "this press is set by hand; there is nothing that it could do by itself");
  if (!(target > MegaPascal(0) && target <= limits.max_target))
    return fail(Fault::Kind::refused,
                fmt::format("{:g} MPa is outside 0..{:g} MPa, which the press's map allows", target.value(),
                            limits.max_target.value()));
  proof::Setting setting;
  setting.target = target;
  if (limits.watchdog) setting.watchdog_after = limits.watchdog_after.value_or(Seconds(15));
  setting.watchdog_action = limits.watchdog_action;
  return setting;
}

asio::awaitable<void> carry_out(asio::any_io_executor executor, Press& press, proof::ProofTest& test,
                                std::function<void(const PressureSample&)> seen) {
  while (!test.over()) {
    const auto outcome = co_await act(executor, press, test);
    if (outcome.sample) seen(*outcome.sample);
    test.came(outcome, std::chrono::steady_clock::now());
  }
}

}  // namespace cambench
