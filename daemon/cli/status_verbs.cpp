// cambench status | watch: the bench, live on a screen, as lines in a pipe.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <limits>
#include <map>
#include <memory>
#include <sstream>

#include "daemon/cli/conversation.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

struct Options {
  Daemon daemon;
  std::string study;
  double every_s = 1;
  bool once = false;
};

// --- words --------------------------------------------------------------------------------------------------

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

// --- the stations as a table ---------------------------------------------------------------------------------

/// The working electrode's potential against the reference, or the cell's where there is none.
std::string a_potential(View station) {
  return station["we_vs_re_V"].there() || !station["cell_V"].there()
             ? with_unit(station["we_vs_re_V"], 1, "V", 3)
             : "cell " + with_unit(station["cell_V"], 1, "V", 3);
}

std::string time_left(View station) {
  const auto left = station["run"]["time_left_s"].number();
  return left ? duration_words(*left) : "";
}

struct Column {
  enum On { any, wide, narrow };  ///< screens
  On on;
  const char* title;
  Align align;
  std::string (*text)(View station);
};

const Column columns_of_stations[] = {
    {Column::any, "station", Align::left, [](View it) { return it["name"].text(); }},
    {Column::any, "state", Align::left, state_of},
    {Column::wide, "run", Align::left, [](View it) { return it["run"]["id"].text(); }},
    {Column::wide, "recipe", Align::left, [](View it) { return it["run"]["recipe"].text(); }},
    {Column::wide, "cell", Align::left, [](View it) { return it["run"]["cell"].text(); }},
    {Column::wide, "step", Align::left, [](View it) { return step_words(it["run"]["step"]); }},
    {Column::narrow, "step", Align::left, [](View it) { return it["run"]["step"]["label"].text(); }},
    {Column::wide, "E(WE-RE)", Align::right, [](View it) { return with_unit(it["we_vs_re_V"], 1, "V", 3); }},
    {Column::wide, "E(cell)", Align::right, [](View it) { return with_unit(it["cell_V"], 1, "V", 3); }},
    {Column::narrow, "potential", Align::right, a_potential},
    {Column::any, "current", Align::right, [](View it) { return with_unit(it["current_A"], 1e3, "mA", 4); }},
    {Column::any, "pressure", Align::right,
     [](View it) { return with_unit(it["pressure_MPa"], 1, "MPa", 1); }},
    {Column::any, "done", Align::right,
     [](View it) { return it["run"].there() ? percent(it["run"]["progress"]) : ""; }},
    {Column::any, "left", Align::right, time_left},
};

/// What the narrow table leaves out, a line for each station that has a run.
void print_runs(std::ostream& out, View bench) {
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

/// On a narrow screen what moves is in the table, and which run each station has stands below it.
void print_stations(std::ostream& out, View bench, int columns) {
  const bool narrow = columns > 0 && columns < wide_columns;
  std::vector<std::pair<std::string, Align>> titles;
  std::vector<std::string (*)(View)> texts;
  for (const auto& column : columns_of_stations)
    if (column.on == Column::any || (column.on == Column::narrow) == narrow) {
      titles.emplace_back(column.title, column.align);
      texts.push_back(column.text);
    }
  TextTable table(std::move(titles));
  for (const View station : bench["stations"].list()) {
    std::vector<std::string> cells;
    for (const auto text : texts) cells.push_back(text(station));
    table.add(std::move(cells));
  }
  table.print(out);
  if (narrow) print_runs(out, bench);
}

void print_troubles(std::ostream& out, View bench) {
  if (!bench["ready"].flag()) out << "not ready: " << bench["not_ready"].text() << '\n';
  for (const View station : bench["stations"].list()) {
    if (const auto trouble = trouble_of(station); !trouble.empty())
      out << fmt::format("station {}: {}\n", station["name"].text(), trouble);
    if (const auto release = station["press_release"].text(); !release.empty())
      out << fmt::format("station {}: the press {}\n", station["name"].text(), release);
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

void print_head(std::ostream& out, View bench) {
  out << fmt::format("{}  cambenchd {}  {}{}\n", bench["bench"].text(), bench["version"].text(),
                     bench["now"].text(),
                     bench["time_scale"].number().value_or(1) == 1
                         ? ""
                         : fmt::format("  experiment time x {:g}", *bench["time_scale"].number()));
}

void print_rest(std::ostream& out, View bench) {
  print_troubles(out, bench);
  print_jobs(out, bench);
  print_studies(out, bench);
}

void print_bench(std::ostream& out, View bench, int columns) {
  print_head(out, bench);
  print_stations(out, bench, columns);
  print_rest(out, bench);
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

int lines_in(const std::string& text) { return static_cast<int>(std::ranges::count(text, '\n')); }

/// The first lines, and how many more there are.
std::string cut(const std::string& text, int lines) {
  if (lines_in(text) <= lines) return text;
  std::size_t end = 0;
  for (int i = 1; i < lines; ++i) end = text.find('\n', end) + 1;
  return text.substr(0, end) + fmt::format("... {} more lines\n", lines_in(text) - std::max(0, lines - 1));
}

/// Never higher than the screen, or it could not be taken back. What is wrong stands below the stations, and may have half
/// of the screen when it needs it.
std::string picture_of(View bench, const World& screen) {
  std::ostringstream stations, rest;
  print_head(stations, bench);
  print_stations(stations, bench, screen.columns);
  print_rest(rest, bench);
  const int room = screen.rows > 0 ? std::max(4, screen.rows - 2) : std::numeric_limits<int>::max();
  const int of_rest = std::min(lines_in(rest.str()), std::max(room / 2, room - lines_in(stations.str())));
  return fitted(cut(stations.str(), room - of_rest) + cut(rest.str(), of_rest), screen.columns);
}

/// On a screen until the person who looks has had enough, also over a restart of the daemon.
void status_live(Session& session, const Options& options) {
  std::size_t lines_before = 0;
  do {
    std::string picture;
    try {
      const auto bench = ask_json(session, options.daemon, "/api/v1/status");
      picture = picture_of(View(&bench), session.world);
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
      redraw(session.out, picture_of(view, session.world), lines_before);
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

}  // namespace

void add_status_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  const auto verb = [&](const char* name, const char* about, void (*act)(Session&, const Options&)) {
    auto* sub = app.add_subcommand(name, about);
    add_options(*sub, options->daemon);
    sub->callback(
        [&session, options, act] { session.action = [&session, options, act] { act(session, *options); }; });
    return sub;
  };
  auto* looking = verb("status", "The bench now: stations, alarms, jobs, studies; live on a screen", status);
  looking->add_flag("--once", options->once, "print it once on a screen too, as in a pipe");
  auto* watching = verb("watch", "Follow the bench until nothing moves any more", watch);
  watching->add_option("--every", options->every_s, "seconds between two looks")
      ->check(CLI::Range(0.05, 3600.0));
  watching->add_option("--study", options->study, "also wait until this study is scored");
}

}  // namespace cambench::cli
