// cambenchd, from top to bottom: read the configuration, own the store, meet the instruments, take up what was
// left, answer, and stop without touching what runs safely by itself.
#include <fmt/core.h>
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
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>

#include "daemon/config.h"
#include "daemon/entries.h"
#include "daemon/http/server.h"
#include "daemon/http/store_archive.h"
#include "daemon/jobs/jobs.h"
#include "daemon/journal.h"
#include "daemon/log.h"
#include "daemon/make_safe.h"
#include "daemon/notify/notifier.h"
#include "daemon/runner.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "daemon/watchdog.h"

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

notify::Sender sender(const config::Bench& bench) {
  return {bench.name, fmt::format("http://{}:{}/", bench.http.host, bench.http.port)};
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
  // People are told by a thread of its own; what it has to say of itself reaches the deciding thread as a message.
  const auto say = [&](const std::string& text) {
    asio::post(io, [&journal, text] { journal.warning("", "", text); });
  };
  notify::Notifier notifier(bench.alarms, bench.heartbeat, sender(bench), say);
  Runner runner(io, bench, store, journal);
  told = &runner;
  runner.on_alarm = [&](const status::Alarm& alarm) { notifier.tell(alarm); };
  runner.cut_leads = [&](const std::vector<std::string>& words) {
    notifier.run_at_once(words, [&, words](const Result<void>& done) {
      say(done ? words.front() + " was run: the leads of the cell are cut"
               : "the relay failed: " + done.error().what);
    });
  };
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
      [&](const std::string& about, const std::string& text) {
        asio::post(io, [&journal, line = about + ": " + text] { journal.info("", "", line); });
      });
  runner.on_edited = [&](auto edited) { jobs.edited(std::move(edited)); };
  runner.on_finished = [&](const std::string& run) { jobs.run_finished(run); };
  http::Server server(io, listen, {}, runner, http::open_archive(bench));
  runner.open();
  asio::co_spawn(io, until_told(io, journal), asio::detached);
  journal.info("", "", "answers on http://" + host + ":" + std::to_string(server.port()));
  if (const auto kept = entries::keep(config::accepted_file(bench), bench.text); !kept)
    journal.warning("", "", "the configuration that this started with is not kept: " + kept.error().what);
  if (!http::is_here(listen))
    journal.warning("", "", host + " is no address of this machine yet; we are reached once it is");
  sd_notify(0, "READY=1");
  asio::co_spawn(io,
                 feed_watchdog([&](Instant now) { return runner.stands_still(now); },
                               [&](Instant now) { notifier.alive(now); }, journal),
                 asio::detached);
  io.run();
  if (const auto kept = store.flush(); !kept)
    journal.alarm("", "", "the last rows are not kept: " + kept.error().what);
  journal.info("", "", "stopped");
  return 0;
}

/// For what must be done whatever somebody is writing into the file: what a daemon left is made safe by the configuration it
/// ran with; a person means the file as it is, unless it is broken.
struct InNeed {
  config::Bench bench;
  std::string refusal;  ///< of the file as it is; may be empty
};
InNeed read_in_need(const std::string& file, bool after_stop) {
  std::optional<config::Bench> now;
  std::string refusal;
  try {
    now = config::read(file);
    if (!after_stop) return {std::move(*now), {}};
  } catch (const config::Refused& refused) {
    refusal = refused.what();
  }
  auto accepted = config::read_accepted(file);
  if (!accepted && !now) throw std::runtime_error(refusal);
  if (!accepted || (now && now->text == accepted->text)) return {std::move(*now), {}};
  std::cout << refusal << (refusal.empty() ? "" : "\n")
            << "the file has changed; by the configuration that cambenchd started with last" << std::endl;
  return {std::move(*accepted), refusal};
}

/// systemd calls this after every end of the service (ExecStopPost=), and a person may at any time.
int made_safe(const config::Bench& bench, bool after_stop) {
  const char* result = std::getenv("SERVICE_RESULT");
  if (after_stop && result && leaves_running(bench, result)) {
    std::cout << "the service ended with \"" << result
              << "\": what the instruments run goes on under its own limits" << std::endl;
    return 0;
  }
  return make_safe(bench, std::cout) ? 0 : refused_exit;
}

/// For the unit that systemd starts when this one is given up, and for a person who wants to know whether it works.
int tell_people(const InNeed& read, const std::string& text) {
  const auto& [bench, refusal] = read;
  status::Alarm alarm;
  alarm.since = std::chrono::system_clock::now();
  alarm.severity = command::Severity::alarm;
  alarm.cause = "daemon";
  alarm.text = refusal.empty() ? text : text + "; its configuration is refused: " + refusal;
  return notify::tell_now(bench.alarms, sender(bench), alarm, std::cout) ? 0 : refused_exit;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "cambenchd runs the bench of a configuration file. See `cambench --help` for everything else."};
  std::string file = "/etc/cambench/cambench.toml";
  bool only_make_safe = false, after_stop = false;
  app.add_option("-c,--config", file, "the bench's configuration")->capture_default_str();
  std::string tell;
  app.add_option("--tell", tell, "tell people this in every way of [[notify]], and exit");
  auto* safe =
      app.add_flag("--make-safe", only_make_safe, "open every cell, hold every press, confirm, and exit");
  app.add_flag("--after-stop", after_stop,
               "with --make-safe: leave running what $SERVICE_RESULT and after_crash say")
      ->needs(safe);
  app.set_version_flag("--version", CAMBENCH_VERSION);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    if (!tell.empty()) return tell_people(read_in_need(file, false), tell);
    if (only_make_safe) return made_safe(read_in_need(file, after_stop).bench, after_stop);
    return serve(config::read(file));
  } catch (const std::exception& error) {
    std::cerr << "cambenchd: " << error.what() << std::endl;
    return refused_exit;
  }
}
