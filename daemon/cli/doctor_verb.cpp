// cambench doctor
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <memory>

#include "daemon/cli/conversation.h"
#include "daemon/cli/doctor.h"
#include "daemon/make_safe.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;
using enum Diagnosis::Verdict;

constexpr std::array words{"good", "note", "BAD"};

std::string_view word(Diagnosis::Verdict verdict) { return words[static_cast<std::size_t>(verdict)]; }

std::optional<config::Bench> look_at_configuration(const std::string& file, std::vector<Diagnosis>& told) {
  try {
    auto bench = config::read(file);
    told.push_back({good,
                    "configuration",
                    fmt::format("{}: {} stations, {} cells, {} studies", file, bench.stations.size(),
                                bench.cells.size(), bench.studies.size()),
                    {}});
    return bench;
  } catch (const config::Refused& refused) {
    for (const auto& sentence : refused.sentences)
      told.push_back(
          {bad, "configuration", sentence, "correct the file; `cambench config check` reads it again"});
  } catch (const std::exception& error) {
    told.push_back(
        {bad, "configuration", error.what(), "correct the file; `cambench config check` reads it again"});
  }
  return std::nullopt;
}

void look_at_instrument(View instrument, const std::string& about, std::vector<Diagnosis>& told) {
  if (!instrument.there()) return;
  if (instrument["up"].flag())
    told.push_back(
        {good,
         about,
         fmt::format("{} {}, serial {}, firmware {}", instrument["maker"].text(), instrument["model"].text(),
                     instrument["serial"].text(), instrument["firmware"].text()),
         {}});
  else
    told.push_back({bad, about,
                    instrument["trouble"].text().empty() ? "no answer" : instrument["trouble"].text(),
                    "look at power, cable and port"});
}

/// The instruments as the daemon that owns them sees them, and its own health.
void look_at_daemon(View bench, std::vector<Diagnosis>& told) {
  told.push_back({good,
                  "cambenchd",
                  fmt::format("{} runs since {}", bench["version"].text(), bench["started"].text()),
                  {}});
  if (!bench["ready"].flag())
    told.push_back({note, "cambenchd", bench["not_ready"].text(), "wait, then look again"});
  for (const View station : bench["stations"].list())
    for (const char* device : {"potentiostat", "press", "gauge"})
      look_at_instrument(station[device], fmt::format("{} of {}", device, station["name"].text()), told);
  const View store = bench["store"];
  if (!store["up"].flag())
    told.push_back({bad, "store", store["trouble"].text(), "look at the disk, then start cambenchd again"});
  if (const auto warning = store["warning"].text(); !warning.empty())
    told.push_back({note, "store", warning, {}});  // it says what to do
  const auto alarms = bench["alarms"].list();
  if (!alarms.empty())
    told.push_back({note, "alarms", fmt::format("{} stand", alarms.size()), "`cambench status` lists them"});
}

/// Null when no daemon answers.
boost::json::value status_of_daemon(Session& session, const Daemon& daemon) {
  try {
    return ask_json(session, daemon, "/api/v1/status");
  } catch (const Problem& problem) {
    if (problem.code == unreachable) return nullptr;
    throw;
  }
}

/// No daemon answers. One may run all the same, hung or out of this user's reach, and its instruments are not asked then.
void look_without_daemon(const config::Bench& bench, std::vector<Diagnosis>& told) {
  try {
    (void)Alone(bench);
  } catch (const std::runtime_error& error) {
    told.push_back({bad, "cambenchd", fmt::format("does not answer, and {}", error.what()),
                    "`cambench status` says why it does not; who is in its group (cambench) may ask it"});
    return;
  }
  told.push_back(
      {note, "cambenchd", "does not run; the instruments are asked directly", "systemctl start cambenchd"});
  look_at_instruments(bench, told);
}

void print(Session& session, const std::vector<Diagnosis>& told) {
  if (session.json) {
    JsonWriter json;
    json.array();
    for (const auto& [verdict, about, seen, mend] : told)
      json.object()
          .field("verdict", word(verdict))
          .field("about", about)
          .field("seen", seen)
          .field("mend", mend)
          .end_object();
    session.out << json.end_array().text() << '\n';
    return;
  }
  for (const auto& [verdict, about, seen, mend] : told) {
    session.out << fmt::format("{}  {}: {}\n", word(verdict), about, seen);
    if (!mend.empty()) session.out << fmt::format("      -> {}\n", mend);
  }
}

void examine(Session& session, const Daemon& options) {
  std::vector<Diagnosis> told;
  if (const auto bench = look_at_configuration(options.config, told)) {
    look_at_storage(*bench, told);
    look_at_host(*bench, told);
    const auto status = status_of_daemon(session, options);
    if (status.is_object())
      look_at_daemon(View(&status), told);
    else
      look_without_daemon(*bench, told);
  }
  print(session, told);
  const auto bad_ones = std::ranges::count(told, bad, &Diagnosis::verdict);
  if (bad_ones > 0) throw Problem(refused, fmt::format("{} to be mended", bad_ones));
}

}  // namespace

void add_doctor_verb(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Daemon>();
  auto* verb = app.add_subcommand(
      "doctor",
      "Look at everything a bench needs and say what to do; nothing moves. It sees what this shell may\n"
      "see; `systemctl start cambench-check` looks as the service, and the journal has what it saw.\n"
      "Ends with 0 when nothing is bad (notes may stand), with 1 when something is");
  options->config = "/etc/cambench/cambench.toml";
  add_options(*verb, *options);
  verb->callback(
      [&session, options] { session.action = [&session, options] { examine(session, *options); }; });
}

}  // namespace cambench::cli
