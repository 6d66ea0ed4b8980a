// cambench status | watch | start | pause | resume | abort | next-step | reset | ack | shelve | trips: what needs a running daemon.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <map>
#include <memory>
#include <sstream>

#include "daemon/cli/conversation.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

struct Options {
  Daemon daemon;
  std::string station, recipe, cell, which, who, reason, study;
  double every_s = 1;
  bool once = false;
  int minutes = 0;
};

// --- words --------------------------------------------------------------------------------------------------

std::string with_unit(View number, double factor, const char* unit, int digits) {
  const auto value = number.number();
  return value ? fmt::format("{:.{}f} {}", *value * factor, digits, unit) : "-";
}

std::string percent(View progress) { return fmt::format("{:.0f} %", progress.number().value_or(0) * 100); }

/// "charge 0.1 C (2/33, cycle 1)"
std::string step_words(View step) {
  if (!step.there()) return "";
  std::string words = fmt::format("{} ({:.0f}/{:.0f}", step["label"].text(),
                                  step["index"].number().value_or(0) + 1, step["count"].number().value_or(0));
  if (step["cycle"].number().value_or(0) > 0) words += fmt::format(", cycle {:.0f}", *step["cycle"].number());
  return words + ")";
}

std::string state_of(View station) {
  return station["run"].there() ? station["run"]["state"].text() : "idle";
}

/// What is wrong with an instrument, or nothing.
std::string trouble_of(View station) {
  for (const char* device : {"potentiostat", "press"})
    if (station[device].there() && !station[device]["up"].flag())
      return fmt::format(
          "{}: {}", device,
          station[device]["trouble"].text().empty() ? "no answer" : station[device]["trouble"].text());
  return {};
}

/// For a screen of 80 columns: what moves in one table, and below it which run each station has.
void print_stations_narrow(std::ostream& out, View bench) {
  TextTable table({{"", Align::left},
                   {"state", Align::left},
                   {"step", Align::left},
                   {"E(WE-RE)", Align::right},
                   {"current", Align::right},
                   {"pressure", Align::right},
                   {"done", Align::right},
                   {"left", Align::right}});
  for (const View station : bench["stations"].list()) {
    const View run = station["run"];
    const auto left = run["time_left_s"].number();
    const View potential = station["we_vs_re_V"].there() ? station["we_vs_re_V"] : station["cell_V"];
    table.add({station["name"].text(), state_of(station), run["step"]["label"].text(),
               with_unit(potential, 1, "V", 3), with_unit(station["current_A"], 1e3, "mA", 3),
               with_unit(station["pressure_MPa"], 1, "MPa", 1), run.there() ? percent(run["progress"]) : "",
               left ? duration_words(*left) : ""});
  }
  table.print(out);
  for (const View station : bench["stations"].list())
    if (const View run = station["run"]; run.there()) {
      out << fmt::format("{}  {} {} {}", station["name"].text(), run["id"].text(), run["recipe"].text(),
                         run["cell"].text());
      if (const View step = run["step"]; step.there())
        out << fmt::format(", step {:.0f} of {:.0f}, cycle {:.0f}", step["index"].number().value_or(0) + 1,
                           step["count"].number().value_or(0), step["cycle"].number().value_or(0));
      out << '\n';
    }
}

constexpr int wide_columns = 150;  // what the table of everything takes

void print_stations(std::ostream& out, View bench, int columns) {
  if (columns > 0 && columns < wide_columns) return print_stations_narrow(out, bench);
  TextTable table({{"station", Align::left},
                   {"state", Align::left},
                   {"run", Align::left},
                   {"recipe", Align::left},
                   {"cell", Align::left},
                   {"step", Align::left},
                   {"E(WE-RE)", Align::right},
                   {"E(cell)", Align::right},
                   {"current", Align::right},
                   {"pressure", Align::right},
                   {"done", Align::right},
                   {"left", Align::right}});
  for (const View station : bench["stations"].list()) {
    const View run = station["run"];
    const auto left = run["time_left_s"].number();
    table.add({station["name"].text(), state_of(station), run["id"].text(), run["recipe"].text(),
               run["cell"].text(), step_words(run["step"]), with_unit(station["we_vs_re_V"], 1, "V", 3),
               with_unit(station["cell_V"], 1, "V", 3), with_unit(station["current_A"], 1e3, "mA", 4),
               with_unit(station["pressure_MPa"], 1, "MPa", 1), run.there() ? percent(run["progress"]) : "",
               left ? duration_words(*left) : ""});
  }
  table.print(out);
}

void print_troubles(std::ostream& out, View bench) {
  if (!bench["ready"].flag()) out << "not ready: " << bench["not_ready"].text() << '\n';
  for (const View station : bench["stations"].list()) {
    if (const auto trouble = trouble_of(station); !trouble.empty())
      out << fmt::format("station {}: {}\n", station["name"].text(), trouble);
    if (const auto why = station["run"]["why"].text(); !why.empty())
      out << fmt::format("run {} is {}: {}\n", station["run"]["id"].text(), state_of(station), why);
  }
  if (bench["store"].there() && !bench["store"]["up"].flag())
    out << "store: " << bench["store"]["trouble"].text() << '\n';
  if (const auto warning = bench["store"]["warning"].text(); !warning.empty())
    out << "store: " << warning << '\n';
  for (const View alarm : bench["alarms"].list())
    out << fmt::format("{} {:.0f} {}{}: {}{}\n", alarm["severity"].text(), alarm["id"].number().value_or(0),
                       alarm["station"].text().empty() ? "" : alarm["station"].text() + " ",
                       alarm["cause"].text(), alarm["text"].text(),
                       alarm["acknowledged"].there() ? " (acknowledged)" : "");
}

void print_jobs(std::ostream& out, View bench) {
  for (const View job : bench["jobs"].list())
    if (const auto state = job["state"].text(); state == "running" || state == "waiting" || state == "failed")
      out << fmt::format("job {}: {} {} {}, {} {}\n", job["id"].text(), job["what"].text(),
                         job["study"].text(), state, percent(job["progress"]), job["text"].text());
}

void print_studies(std::ostream& out, View bench) {
  for (const View study : bench["studies"].list()) {
    out << fmt::format("study {}: {}{}{}\n", study["id"].text(), study["state"].text(),
                       study["version"].number().value_or(0) > 0
                           ? fmt::format(", version {:.0f}", *study["version"].number())
                           : "",
                       study["text"].text().empty() ? "" : ": " + study["text"].text());
    for (const View problem : study["problems"].list()) out << "  " << problem.text() << '\n';
  }
}

void print_bench(std::ostream& out, View bench, int columns) {
  out << fmt::format("{}  cambenchd {}  {}{}\n", bench["bench"].text(), bench["version"].text(),
                     bench["now"].text(),
                     bench["time_scale"].number().value_or(1) == 1
                         ? ""
                         : fmt::format("  experiment time x {:g}", *bench["time_scale"].number()));
  print_stations(out, bench, columns);
  print_troubles(out, bench);
  print_jobs(out, bench);
  print_studies(out, bench);
}

// --- looking ------------------------------------------------------------------------------------------------

/// Something that a calm watcher wants one line about whenever its words change.
using Lines = std::map<std::string, std::string>;

Lines lines_of(View bench) {
  Lines lines;
  for (const View station : bench["stations"].list()) {
    const View run = station["run"];
    std::string words = state_of(station);
    if (run.there())
      words += fmt::format("  {} {} {}", run["id"].text(), run["recipe"].text(), run["cell"].text());
    if (run["step"].there() && run["step"]["cycle"].number().value_or(0) > 0)
      words += fmt::format("  cycle {:.0f}", *run["step"]["cycle"].number());
    if (const auto why = run["why"].text(); !why.empty()) words += "  " + why;
    lines["station " + station["name"].text()] = words;
    if (const auto trouble = trouble_of(station); !trouble.empty())
      lines["station " + station["name"].text() + " trouble"] = trouble;
  }
  for (const View alarm : bench["alarms"].list())
    lines[fmt::format("{} {:.0f}", alarm["severity"].text(), alarm["id"].number().value_or(0))] =
        alarm["cause"].text() + ": " + alarm["text"].text();
  for (const View job : bench["jobs"].list())
    lines["job " + job["id"].text()] =
        fmt::format("{} {} {}", job["what"].text(), job["study"].text(), job["state"].text());
  for (const View study : bench["studies"].list())
    lines["study " + study["id"].text()] =
        fmt::format("{}, version {:.0f}  {}", study["state"].text(), study["version"].number().value_or(0),
                    study["text"].text());
  return lines;
}

bool moves(const std::string& run_state) {
  return run_state == "queued" || run_state == "preparing" || run_state == "running";
}

/// True while a run or a job goes on, or the study that is waited for has no scores.
bool goes_on(View bench, const std::string& study_id) {
  for (const View station : bench["stations"].list())
    if (moves(state_of(station))) return true;
  for (const View job : bench["jobs"].list())
    if (job["state"].text() == "running" || job["state"].text() == "waiting") return true;
  for (const View study : bench["studies"].list())
    if (study["id"].text() == study_id && study["state"].text() != "failed")
      return study["state"].text() != "scored";
  return false;
}

/// Why the watched work did not end well; empty when it did.
std::string unfinished(View bench, const std::string& study_id) {
  for (const View station : bench["stations"].list()) {
    const auto state = state_of(station);
    if (state != "finished" && state != "idle")
      return fmt::format("run {} on {} is {}: {}", station["run"]["id"].text(), station["name"].text(), state,
                         station["run"]["why"].text());
  }
  for (const View study : bench["studies"].list())
    if (study["id"].text() == study_id && study["state"].text() != "scored")
      return fmt::format("study {} is {}: {}", study_id, study["state"].text(), study["text"].text());
  return {};
}

void print_changes(std::ostream& out, View bench, Lines& known) {
  const Lines now = lines_of(bench);
  const std::string clock = bench["now"].text().size() >= 19 ? bench["now"].text().substr(11, 8) : "";
  for (const auto& [subject, words] : now)
    if (!known.contains(subject) || known[subject] != words)
      out << clock << "  " << subject << "  " << words << '\n';
  known = now;
  out.flush();
}

/// Every line cut where the screen ends: one that is folded would be two when the picture is taken back.
std::string fitted(const std::string& text, int columns) {
  if (columns <= 0) return text;
  std::string fits;
  int column = 0;
  for (const char c : text) {
    if (c == '\n')
      column = 0;
    else if ((c & 0xC0) != 0x80)  // a continuation byte of UTF-8 has no width
      ++column;
    if (column <= columns) fits += c;
  }
  return fits;
}

void redraw(std::ostream& out, const std::string& text, std::size_t& lines_before) {
  if (lines_before > 0)
    out << fmt::format("\x1b[{}F\x1b[J", lines_before);  // up to the first line, clear below
  out << text << std::flush;
  lines_before = static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

std::string picture_of(View bench, int columns) {
  std::ostringstream picture;
  print_bench(picture, bench, columns);
  return fitted(picture.str(), columns);
}

/// On a screen until the person who looks has had enough, also over a restart of the daemon.
void status_live(Session& session, const Options& options) {
  std::size_t lines_before = 0;
  do {
    std::string picture;
    try {
      const auto bench = ask_json(session, options.daemon, "/api/v1/status");
      picture = picture_of(View(&bench), session.world.columns);
    } catch (const Problem& problem) {
      if (lines_before == 0) throw;  // it never answered: no reason to wait for it
      picture = fitted(std::string(problem.what()) + '\n', session.world.columns);
    }
    redraw(session.out, picture + "(q ends)\n", lines_before);
  } while (session.world.looks_on(Seconds(options.every_s)));
}

void status(Session& session, const Options& options) {
  if (session.world.terminal && session.world.looks_on && !options.once && !session.json)
    return status_live(session, options);
  const std::string body = ask(session, options.daemon, "GET", "/api/v1/status");
  if (session.json) {
    session.out << body << '\n';
    return;
  }
  const auto bench = parse_reply(body);
  print_bench(session.out, View(&bench), session.world.columns);
}

void watch(Session& session, const Options& options) {
  Lines known;
  std::size_t lines_before = 0;
  int quiet =
      0;  // looks in a row that saw nothing move: a run that was started just now is not in the first one
  for (;;) {
    const auto bench = ask_json(session, options.daemon, "/api/v1/status");
    const View view(&bench);
    if (session.json)
      session.out << boost::json::serialize(bench) << std::endl;
    else if (session.world.terminal)
      redraw(session.out, picture_of(view, session.world.columns), lines_before);
    else
      print_changes(session.out, view, known);
    quiet = goes_on(view, options.study) ? 0 : quiet + 1;
    if (quiet == 2) {
      const auto why = unfinished(view, options.study);
      if (!why.empty()) throw Problem(not_finished, why);
      return;
    }
    session.world.wait(Seconds(options.every_s));
  }
}

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
                              {"who", options.who},
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

bool is_plain(const std::string& id) {
  return !id.empty() &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

void order(Session& session, const Options& options, const std::string& what) {
  const std::string run = run_of(session, options);
  if (!is_plain(run)) throw Problem(usage, fmt::format("\"{}\" is neither a run nor a station", run));
  const auto body = ask(session, options.daemon, "POST", fmt::format("/api/v1/runs/{}/{}", run, what),
                        form({{"who", options.who}, {"reason", options.reason}}));
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
                          form({{"who", options.who}, {"reason", options.reason}}));
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
                        form({{"who", options.who},
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

  auto* looking = verb("status", "The bench now: stations, alarms, jobs, studies; live on a screen", status);
  looking->add_flag("--once", options->once, "print it once on a screen too, as in a pipe");
  auto* watching = verb("watch", "Follow the bench until nothing moves any more", watch);
  watching->add_option("--every", options->every_s, "seconds between two looks")
      ->check(CLI::Range(0.05, 3600.0));
  watching->add_option("--study", options->study, "also wait until this study is scored");

  auto* starting = verb("start", "Start a recipe on a station; prints the run's id", start);
  starting->add_option("station", options->station, "name of the station")->required();
  starting->add_option("recipe", options->recipe, "name of the recipe")->required();
  starting->add_option("--cell", options->cell, "id of the cell that is in the station");
  signed_by(starting, false);

  for (const auto& [name, about] :
       {std::pair("pause", "Hold a run: the cell opens, the press keeps its pressure"),
        std::pair("resume", "Go on with a held run"),
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
  auto* tripped =
      verb("trips", "The trips of a run, with what was measured ten seconds before and after each", trips);
  tripped->add_option("run", options->which, "id of the run, or name of its station")->required();
}

}  // namespace cambench::cli
