// cambench press test: the dry-run proof test of a press, by the daemon that owns its bus.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "daemon/cli/conversation.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

struct Options {
  Daemon daemon;
  std::string station, who, reason, target = "1";
  bool empty = false;
};

constexpr double look_every_s = 0.5;

View station_in(View bench, const std::string& name) {
  for (const View station : bench["stations"].list())
    if (station["name"].text() == name) return station;
  throw Problem(refused, fmt::format("there is no station \"{}\"", name));
}

void print(std::ostream& out, View test) {
  using Align = TextTable::Align;
  TextTable table(
      {{"step", Align::left}, {"verdict", Align::left}, {"seen", Align::left}, {"expected", Align::left}});
  for (const View it : test["steps"].list())
    table.add({it["step"].text(), it["verdict"].text(), it["seen"].text(), it["expected"].text()});
  table.print(out);
  out << fmt::format("proof test by {} at {}: {}\n", test["who"].text(), test["started"].text(),
                     test["state"].text());
}

void test_press(Session& session, const Options& options) {
  if (!options.empty)
    throw Problem(
        usage,
        fmt::format("The press of {} would move to {} MPa, hold, be left alone until its own watchdog acts, "
                    "and vent. Look that nothing is in it and nobody's hand is near, then add --empty.",
                    options.station, options.target));
  JsonWriter form;
  form.object().field("who", options.who).field("reason", options.reason).field("target_MPa", options.target);
  form.field("empty", options.empty ? "yes" : "").end_object();
  const auto begun =
      parse_reply(ask(session, options.daemon, "POST",
                      fmt::format("/api/v1/stations/{}/press-test", options.station), form.take()));
  if (!session.json) session.out << View(&begun)["warning"].text() << std::endl;
  for (;;) {
    session.world.wait(Seconds(look_every_s));
    const auto bench = ask_json(session, options.daemon, "/api/v1/status");
    const View test = station_in(View(&bench), options.station)["press_test"];
    if (test["state"].text() == "running") continue;
    if (!test.there()) throw Problem(refused, "the daemon was restarted; the test did not end");
    if (session.json)
      session.out << test.json() << '\n';
    else
      print(session.out, test);
    if (test["state"].text() != "passed")
      throw Problem(refused, "the press is not proven: do not leave a cell in it");
    return;
  }
}

}  // namespace

void add_press_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* group = app.add_subcommand("press", "Prove a press")->require_subcommand(1);
  auto* test = group->add_subcommand(
      "test", "Proof test of an empty press: moves it, holds, lets its own watchdog act, and vents");
  add_options(*test, options->daemon);
  test->add_option("station", options->station, "name of the station")->required();
  test->add_option("--target", options->target, "MPa, small")->capture_default_str();
  test->add_flag("--empty", options->empty,
                 "I have looked: nothing is in the press, and nobody's hand is near");
  test->add_option("--who", options->who, "who orders it")->required();
  test->add_option("--reason", options->reason, "why, for the record");
  test->callback(
      [&session, options] { session.action = [&session, options] { test_press(session, *options); }; });
}

}  // namespace cambench::cli
