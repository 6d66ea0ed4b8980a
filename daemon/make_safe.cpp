#include "daemon/make_safe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <stdexcept>

#include "daemon/runner.h"

namespace cambench {

namespace asio = boost::asio;

namespace {

constexpr auto patience = std::chrono::seconds(30);

struct Outcome {
  std::string cell = "no answer in time", press = "no answer in time";
  bool cell_safe = false, press_safe = false;
};

asio::awaitable<void> open_cell(Potentiostat& potentiostat, Outcome& outcome) {
  const auto known = co_await potentiostat.identify();
  Result<void> opened;
  if (known)
    opened = co_await potentiostat.open_cell();
  else
    opened = fail(known.error());
  outcome.cell_safe = opened.has_value();
  outcome.cell = opened ? "cell open, confirmed" : opened.error().what;
}

/// One that releases is left to it: closed half-way it is no safer.
asio::awaitable<void> hold_press(Press& press, Outcome& outcome) {
  const auto known = co_await press.identify();
  if (known && press.vents()) {
    outcome.press_safe = true;
    outcome.press = "press releases";
    co_return;
  }
  Result<void> held;
  if (known)
    held = co_await press.hold();
  else
    held = fail(known.error());
  outcome.press_safe = held.has_value();
  outcome.press = held ? "press holds" : held.error().what;
}

/// What can be made of a station: a press that cannot be keeps no cell from being opened.
Station::Instruments make_each(const asio::any_io_executor& executor, const config::Bench& bench,
                               const config::Station& station, Outcome& outcome) {
  Station::Instruments made;
  config::Station cell, press;
  cell.name = press.name = station.name;
  cell.potentiostat = station.potentiostat;
  press.press = station.press;
  try {
    made.potentiostat = make_instruments(executor, bench, cell).potentiostat;
  } catch (const std::exception& error) {
    outcome.cell = error.what();
  }
  try {
    made.press = make_instruments(executor, bench, press).press;
  } catch (const std::exception& error) {
    outcome.press = error.what();
  }
  return made;
}

/// Current off first, then the press.
asio::awaitable<void> make_safe(const config::Station& station, Station::Instruments& instruments,
                                Outcome& outcome) {
  if (instruments.potentiostat)
    co_await open_cell(*instruments.potentiostat, outcome);
  else if (!station.potentiostat)
    outcome.cell_safe = true, outcome.cell = "no potentiostat";
  if (instruments.press)
    co_await hold_press(*instruments.press, outcome);
  else if (!station.press)
    outcome.press_safe = true, outcome.press = "no press";
}

}  // namespace

Alone::Alone(const config::Bench& bench)
    : lock_(::open((bench.store.string() + ".lock").c_str(), O_RDONLY | O_CLOEXEC)) {
  // A disk that is gone keeps no cell from being opened; a right that this user lacks says nothing of a daemon.
  if (lock_ < 0 && errno == EACCES)
    throw std::runtime_error(
        fmt::format("{}.lock may not be read by this user, who cannot know whether a cambenchd runs: be "
                    "root, or the user that it runs as",
                    bench.store.string()));
  if (lock_ < 0 || ::flock(lock_, LOCK_SH | LOCK_NB) == 0) return;
  ::close(lock_);
  throw std::runtime_error(
      fmt::format("a cambenchd runs with {}: the instruments are its own; give it an order (cambench "
                  "abort) or stop it first",
                  bench.store.string()));
}

Alone::~Alone() {
  if (lock_ >= 0) ::close(lock_);
}

bool make_safe(const config::Bench& bench, std::ostream& out) {
  const Alone alone(bench);
  asio::io_context io(1);
  std::vector<Station::Instruments> instruments;
  std::vector<Outcome> outcomes(bench.stations.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    instruments.push_back(make_each(io.get_executor(), bench, bench.stations[i], outcomes[i]));
  std::size_t open = outcomes.size();
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    asio::co_spawn(io, make_safe(bench.stations[i], instruments[i], outcomes[i]),
                   [&](const std::exception_ptr&) { --open; });
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (open > 0 && std::chrono::steady_clock::now() < deadline) io.run_one_until(deadline);
  bool all = true;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    out << bench.stations[i].name << ": " << outcomes[i].cell << "; " << outcomes[i].press << std::endl;
    all = all && outcomes[i].cell_safe && outcomes[i].press_safe;
  }
  io.stop();
  return all;
}

bool leaves_running(const config::Bench& bench, std::string_view service_result) {
  return service_result == "success" || bench.after_crash == config::Bench::AfterCrash::leave_running;
}

}  // namespace cambench
