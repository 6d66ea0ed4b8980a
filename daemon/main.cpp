// cambenchd, from top to bottom: read the configuration, own the store, meet the instruments, take up what was
// left, answer, and stop without touching what runs safely by itself.
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <iostream>

#include "daemon/config.h"
#include "daemon/http/server.h"
#include "daemon/http/store_archive.h"
#include "daemon/jobs/jobs.h"
#include "daemon/journal.h"
#include "daemon/log.h"
#include "daemon/runner.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"

namespace asio = boost::asio;
using namespace cambench;

namespace {

constexpr std::size_t spool_bytes = 16 << 20;  ///< 131,000 samples
constexpr int refused_exit = 1;  ///< the configuration or the store cannot be used; nothing was started

/// Waits for SIGTERM or SIGINT. Programs in the instruments go on: every limit is on board, and the next start takes
/// them up again.
asio::awaitable<void> until_told(asio::io_context& io, Journal& journal) {
  asio::signal_set signals(io, SIGTERM, SIGINT);
  const auto [error, signal] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!error) journal.info("", "", "told to stop; what the instruments run goes on under its own limits");
  sd_notify(0, "STOPPING=1");
  io.stop();
}

int serve(const config::Bench& bench) {
  const auto& [host, port, control, tokens, hosts] = bench.http;
  const http::Listen listen{host, port, control, tokens, hosts};
  http::require_tokens(listen);
  Journal journal(open_log(bench.log));
  journal.info("", "", "cambenchd " CAMBENCH_VERSION " starts with " + bench.file.string());
  asio::io_context io(1);
  Runner* told = nullptr;  // the store comes before the runner, and its trouble is the runner's to hear
  store::Store store(bench.store, {.spool_bytes = spool_bytes}, [&](const Fault& fault) {
    asio::post(io, [&told, fault] {
      if (told) told->store_failed(fault);
    });
  });
  Runner runner(io, bench, store, journal);
  told = &runner;
  {
    store::Reader reader(bench.store);
    runner.recover(reader);
  }
  // The jobs have threads of their own; what they show and say reaches the deciding thread as a message.
  jobs::Jobs jobs(
      bench, store,
      [&](jobs::Seen seen) {
        asio::post(io, [&runner, seen = std::move(seen)] { runner.show(seen.studies, seen.jobs); });
      },
      [&](const std::string& study, const std::string& text) {
        asio::post(io, [&journal, line = study + ": " + text] { journal.info("", "", line); });
      });
  runner.on_edited = [&](auto edited) { jobs.edited(std::move(edited)); };
  runner.on_finished = [&](const std::string& run) { jobs.run_finished(run); };
  http::Server server(io, listen, {}, runner, http::open_archive(bench));
  runner.open();
  asio::co_spawn(io, until_told(io, journal), asio::detached);
  journal.info("", "", "answers on http://" + host + ":" + std::to_string(server.port()));
  sd_notify(0, "READY=1");
  io.run();
  if (const auto kept = store.flush(); !kept)
    journal.alarm("", "", "the last rows are not kept: " + kept.error().what);
  journal.info("", "", "stopped");
  return 0;
}

/// Opens the cell of every station and says whether each confirmed it. Needs neither store nor running daemon.
asio::awaitable<void> open_cell(const config::Station& station, Potentiostat& potentiostat, bool& all_open) {
  const auto known = co_await potentiostat.identify();
  Result<void> opened;
  if (known)
    opened = co_await potentiostat.open_cell();
  else
    opened = fail(known.error());
  std::cout << station.name << ": " << (opened ? "cell open, confirmed" : opened.error().what) << std::endl;
  all_open = all_open && opened.has_value();
}

int make_safe(const config::Bench& bench) {
  asio::io_context io(1);
  bool all_open = true;
  for (const auto& station : bench.stations) {
    if (!station.potentiostat) continue;
    const auto instruments = make_instruments(io.get_executor(), bench, station);
    bool done = false;
    asio::co_spawn(io, open_cell(station, *instruments.potentiostat, all_open),
                   [&](std::exception_ptr) { done = true; });
    while (!done) io.run_one();
  }
  return all_open ? 0 : refused_exit;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "cambenchd runs the bench of a configuration file. See `cambench --help` for everything else."};
  std::string file = "/etc/cambench/cambench.toml";
  bool only_make_safe = false;
  app.add_option("-c,--config", file, "the bench's configuration")->capture_default_str();
  app.add_flag("--make-safe", only_make_safe, "open every cell, confirm it, and exit");
  app.set_version_flag("--version", CAMBENCH_VERSION);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const config::Bench bench = config::read(file);
    return only_make_safe ? make_safe(bench) : serve(bench);
  } catch (const std::exception& error) {
    std::cerr << "cambenchd: " << error.what() << std::endl;
    return refused_exit;
  }
}
