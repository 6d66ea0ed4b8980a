// cambench start | pause | resume | abort | next-step | reset | ack | shelve | audit | trips: what needs a running daemon.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "daemon/cli/conversation.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

struct Options {
  Daemon daemon;
  std::string station, recipe, cell, which, who, reason;
  int minutes = 0, limit = 30;
};

// --- ordering -----------------------------------------------------------------------------------------------

std::string form(std::initializer_list<std::pair<std::string_view, std::string>> members) {
  JsonWriter json;
  json.object();
  for (const auto& [key, value] : members)
    if (!value.empty()) json.field(key, value);
  return json.end_object().take();
}

void start(Session& session, const Options& options) {
  const auto body = ask(session, options.daemon, "POST", "/api/v1/runs",
                        form({{"station", options.station},
                              {"cell", options.cell},
                              {"recipe", options.recipe},
                              {"who", signature(session, options.who)},
                              {"reason", options.reason}}));
  const auto answer = parse_reply(body);
  if (session.json)
    session.out << body << '\n';
  else
    session.out << View(&answer)["run"].text() << '\n';
}

/// A run by its id, or the run of a station by the station's name.
std::string run_of(Session& session, const Options& options) {
  const auto bench = ask_json(session, options.daemon, "/api/v1/status");
  for (const View station : View(&bench)["stations"].list()) {
    if (station["name"].text() != options.which) continue;
    if (!station["run"].there()) throw Problem(refused, fmt::format("station {} has no run", options.which));
    return station["run"]["id"].text();
  }
  return options.which;
}

void order(Session& session, const Options& options, const std::string& what) {
  const std::string run = run_of(session, options);
  if (!is_plain(run)) throw Problem(usage, fmt::format("\"{}\" is neither a run nor a station", run));
  const auto body = ask(session, options.daemon, "POST", fmt::format("/api/v1/runs/{}/{}", run, what),
                        form({{"who", signature(session, options.who)}, {"reason", options.reason}}));
  session.out << (session.json ? body : fmt::format("{}: {}", run, what)) << '\n';
}

void acknowledge(Session& session, const Options& options) {
  std::vector<std::string> ids{options.which};
  if (options.which == "all") {
    ids.clear();
    const auto bench = ask_json(session, options.daemon, "/api/v1/status");
    for (const View alarm : View(&bench)["alarms"].list())
      if (!alarm["acknowledged"].there())
        ids.push_back(fmt::format("{:.0f}", alarm["id"].number().value_or(0)));
  }
  for (const auto& id : ids) {
    if (!is_plain(id)) throw Problem(usage, fmt::format("\"{}\" is no number of an alarm", id));
    const auto body = ask(session, options.daemon, "POST", fmt::format("/api/v1/alarms/{}/acknowledge", id),
                          form({{"who", signature(session, options.who)}, {"reason", options.reason}}));
    session.out << (session.json ? body : fmt::format("alarm {}: acknowledged", id)) << '\n';
  }
  if (ids.empty() && !session.json) session.out << "no alarm waits\n";
}

void shelve(Session& session, const Options& options) {
  if (!is_plain(options.which))
    throw Problem(usage, fmt::format("\"{}\" is no number of an alarm", options.which));
  const bool back = options.minutes == 0;
  const auto body = ask(session, options.daemon, "POST",
                        fmt::format("/api/v1/alarms/{}/{}", options.which, back ? "unshelve" : "shelve"),
                        form({{"who", signature(session, options.who)},
                              {"reason", options.reason},
                              {"minutes", back ? std::string() : std::to_string(options.minutes)}}));
  session.out << (session.json ? body
                  : back       ? fmt::format("alarm {}: people are told of it again", options.which)
                               : fmt::format(
                                     "alarm {}: nobody is told of it for {} min; its interlock trips as before",
                                     options.which, options.minutes))
              << '\n';
}

/// "+0.200  pressure  49.98 MPa (50.00)": what was measured around a trip, the trip at 0.
void print_trip(std::ostream& out, View trip) {
  out << fmt::format("trip {:.0f} on {}, step {:.0f}, {}: {}: {}\n", trip["number"].number().value_or(0),
                     trip["station"].text(), trip["step"].number().value_or(0) + 1, trip["time"].text(),
                     trip["cause"].text(), trip["text"].text());
  TextTable table({{"s", Align::right},
                   {"what", Align::left},
                   {"pressure", Align::right},
                   {"E(WE-RE)", Align::right},
                   {"E(cell)", Align::right},
                   {"current", Align::right},
                   {"", Align::left}});
  for (const View reading : trip["readings"].list())
    table.add({fmt::format("{:+.2f}", reading["offset_s"].number().value_or(0)), reading["what"].text(),
               with_unit(reading["pressure_MPa"], 1, "MPa", 2), with_unit(reading["we_vs_re_V"], 1, "V", 3),
               with_unit(reading["cell_V"], 1, "V", 3), with_unit(reading["current_A"], 1e3, "mA", 4),
               reading["text"].text()});
  table.print(out, "  ");
}

void trips(Session& session, const Options& options) {
  const std::string run = run_of(session, options);
  if (!is_plain(run)) throw Problem(usage, fmt::format("\"{}\" is neither a run nor a station", run));
  const auto body = ask(session, options.daemon, "GET", fmt::format("/api/v1/runs/{}/trips", run));
  if (session.json) {
    session.out << body << '\n';
    return;
  }
  const auto all = parse_reply(body);
  for (const View trip : View(&all).list()) print_trip(session.out, trip);
  if (View(&all).list().empty()) session.out << run << " never tripped\n";
}

/// The audit trail: who ordered what, why, and what became of it.
void audit(Session& session, const Options& options) {
  const auto body = ask(session, options.daemon, "GET", fmt::format("/api/v1/audit?limit={}", options.limit));
  if (session.json) {
    session.out << body << '\n';
    return;
  }
  TextTable table({{"time (UTC)", Align::left},
                   {"who", Align::left},
                   {"what", Align::left},
                   {"of", Align::left},
                   {"outcome", Align::left},
                   {"why", Align::left}});
  const auto acts = parse_reply(body);
  for (const View act : View(&acts).list())
    table.add({act["time"].text().substr(0, 19), act["who"].text(), act["act"].text(), act["target"].text(),
               act["outcome"].text(), act["reason"].text()});
  if (table.empty())
    session.out << "nobody ordered anything yet\n";
  else
    table.print(session.out);
}

}  // namespace

void add_control_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  const auto verb = [&](const char* name, const char* about,
                        std::function<void(Session&, const Options&)> act) {
    auto* sub = app.add_subcommand(name, about);
    add_options(*sub, options->daemon);
    sub->callback(
        [&session, options, act] { session.action = [&session, options, act] { act(session, *options); }; });
    return sub;
  };
  const auto signed_by = [&](CLI::App* sub, bool needed) {
    sub->add_option("--who", options->who, "who orders it (default: the user of this shell)")
        ->required(needed);
    sub->add_option("--reason", options->reason, "why, for the record")->required(needed);
  };

  auto* starting = verb("start", "Start a recipe on a station; prints the run's id", start);
  starting->add_option("station", options->station, "name of the station")->required();
  starting->add_option("recipe", options->recipe, "name of the recipe")->required();
  starting->add_option("--cell", options->cell, "id of the cell that is in the station");
  signed_by(starting, false);

  for (const auto& [name, about] :
       {std::pair("pause", "Hold a run: the cell opens, the press keeps its pressure"),
        std::pair("resume",
                  "Go on with a held run; a step that was held at its time limit has that time again"),
        std::pair("abort", "End a run for good: the cell opens"),
        std::pair("next-step", "Leave the interrupted step of a held run and begin the next one"),
        std::pair("reset", "Take back a trip once its cause is gone: a named person's act")}) {
    auto* sub =
        verb(name, about, [what = std::string(name)](Session& s, const Options& o) { order(s, o, what); });
    sub->add_option("run", options->which, "id of the run, or name of its station")->required();
    signed_by(sub, std::string_view(name) == "reset" || std::string_view(name) == "next-step");
  }
  auto* acknowledging = verb("ack", "Acknowledge an alarm", acknowledge);
  acknowledging->add_option("alarm", options->which, "number of the alarm, or all")->required();
  signed_by(acknowledging, false);
  auto* shelving =
      verb("shelve", "For some minutes nobody is told of an alarm; its interlock trips as before", shelve);
  shelving->add_option("alarm", options->which, "number of the alarm")->required();
  shelving->add_option("--minutes", options->minutes, "for how long")
      ->required()
      ->check(CLI::Range(1, 10'080));
  signed_by(shelving, true);
  auto* unshelving = verb("unshelve", "Tell people of an alarm again", shelve);
  unshelving->add_option("alarm", options->which, "number of the alarm")->required();
  signed_by(unshelving, false);
  auto* acts = verb("audit", "Who ordered what, and what became of it, newest first", audit);
  acts->add_option("--limit", options->limit, "how many")->check(CLI::Range(1, 1000))->capture_default_str();
  auto* tripped =
      verb("trips", "The trips of a run, with what was measured ten seconds before and after each", trips);
  tripped->add_option("run", options->which, "id of the run, or name of its station")->required();
}

}  // namespace cambench::cli
