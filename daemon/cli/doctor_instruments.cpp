// The instruments of a bench that no daemon runs, asked who they are.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <exception>

#include "daemon/cli/doctor.h"
#include "daemon/runner.h"

namespace cambench::cli {
namespace {

namespace asio = boost::asio;
using enum Diagnosis::Verdict;

constexpr std::chrono::seconds patience{15};

/// An instrument and what came of asking it.
struct Asked {
  std::string about;
  Result<Identity> known = fail(Fault::Kind::timeout, "it did not answer");
};

asio::awaitable<void> ask(Potentiostat& potentiostat, Asked& asked) {
  asked.known = co_await potentiostat.identify();
}
asio::awaitable<void> ask(Press& press, Asked& asked) { asked.known = co_await press.identify(); }

void look_at_limits(const config::Station& station, const PressLimits& limits, std::vector<Diagnosis>& told) {
  const std::string about = fmt::format("register map of {}", station.name);
  const std::string seen = fmt::format("{}: up to {:g} MPa", station.press->map, limits.max_target.value());
  if (limits.watchdog)
    told.push_back(
        {good, about, fmt::format("{}, its own watchdog does: {}", seen, limits.watchdog_action), {}});
  else
    told.push_back({note, about, seen + ", no watchdog: a dead host leaves the press as it is",
                    "name the watchdog's registers in the map, if the controller has one"});
}

Diagnosis diagnosis_of(const Asked& asked) {
  if (asked.known) {
    const Identity& who = *asked.known;
    return {good,
            asked.about,
            fmt::format("{} {}, serial {}, firmware {}", who.maker, who.model, who.serial, who.firmware),
            {}};
  }
  const Fault& fault = asked.known.error();
  const char* mend = fault.kind == Fault::Kind::identity
                         ? "connect the configured instrument, or write the new serial into the configuration"
                         : "look at power, cable and port; end other programs that use it";
  return {bad, asked.about, fault.what, mend};
}

}  // namespace

void look_at_instruments(const config::Bench& bench, std::vector<Diagnosis>& told) {
  asio::io_context io(1);
  std::vector<Station::Instruments> made;
  std::deque<Asked> asked;
  std::size_t waiting = 0;
  const auto spawn = [&](auto& instrument, std::string about) {
    ++waiting;
    asio::co_spawn(io, ask(instrument, asked.emplace_back(Asked{std::move(about)})),
                   [&waiting](const std::exception_ptr&) { --waiting; });
  };
  for (const auto& station : bench.stations) try {
      auto& instruments = made.emplace_back(make_instruments(io.get_executor(), bench, station));
      if (instruments.press) look_at_limits(station, instruments.press->limits(), told);
      if (instruments.potentiostat)
        spawn(*instruments.potentiostat, fmt::format("potentiostat of {}", station.name));
      if (instruments.press) spawn(*instruments.press, fmt::format("press of {}", station.name));
      if (instruments.gauge) spawn(*instruments.gauge, fmt::format("gauge of {}", station.name));
    } catch (const std::runtime_error& error) {
      told.push_back({bad, "station " + station.name, error.what(), "correct the configuration or the map"});
    }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (waiting > 0 && io.run_one_until(deadline) > 0) {
  }
  for (const Asked& each : asked) told.push_back(diagnosis_of(each));
}

}  // namespace cambench::cli
