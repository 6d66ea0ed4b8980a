// cambench cells | materials | studies [set | remove]: what the running bench knows, and its edits.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>
#include <sstream>

#include "daemon/cli/conversation.h"

namespace cambench::cli {
namespace {

namespace json = boost::json;
using Align = TextTable::Align;

struct Options {
  Daemon daemon;
  std::string id, who, reason;
  std::vector<std::string> assignments;
};

// --- looking ------------------------------------------------------------------------------------------------

std::string number(View value, const char* form, double factor = 1) {
  return value.number() ? fmt::format(fmt::runtime(form), *value.number() * factor) : "-";
}

void print_cells(std::ostream& out, View cells) {
  TextTable table({{"cell", Align::left},
                   {"material", Align::left},
                   {"electrodes", Align::right},
                   {"composite", Align::right},
                   {"1 C", Align::right},
                   {"RE vs Li+/Li", Align::right}});
  for (const View cell : cells.list())
    table.add({cell["id"].text(), cell["material"].text(), number(cell["electrodes"], "{:.0f}"),
               number(cell["composite_mg"], "{:.2f} mg"), number(cell["one_C_A"], "{:.3f} mA", 1e3),
               number(cell["reference_vs_li_V"], "{:+.3f} V")});
  table.print(out);
}

void print_materials(std::ostream& out, View materials) {
  TextTable table(
      {{"material", Align::left}, {"name", Align::left}, {"coating", Align::left}, {"wt%", Align::right}});
  for (const View material : materials.list())
    table.add({material["id"].text(), material["name"].text(),
               material["reference"].flag() ? "none: the reference" : material["coating"].text(),
               number(material["amount_wt_percent"], "{:g}")});
  table.print(out);
}

void print_studies(std::ostream& out, View studies) {
  TextTable table(
      {{"study", Align::left}, {"state", Align::left}, {"version", Align::right}, {"title", Align::left}});
  for (const View study : studies.list())
    table.add({study["id"].text(), study["state"].text(), number(study["version"], "{:.0f}"),
               study["title"].text()});
  table.print(out);
}

// --- editing ------------------------------------------------------------------------------------------------

/// "12.5", "true" and [..] are what they are in JSON; anything else is a text. Materials and cells of a study are lists.
json::value value_of(const std::string& key, const std::string& text) {
  json::error_code error;
  auto value = json::parse(text, error);
  const bool is_list = key == "materials" || key == "cells";
  if (!error && !(is_list && !value.is_array())) return value;
  if (!is_list) return json::value(text);
  json::array list;
  std::istringstream names(text);
  for (std::string name; std::getline(names, name, ',');) list.emplace_back(name);
  return list;
}

/// What was kept of an entry, without what the daemon tells beside it; empty when it is new.
json::object kept(Session& session, const Options& options, const std::string& list) {
  const auto entries = ask_json(session, options.daemon, "/api/v1/entries");
  for (const View entry : View(&entries)[list].list()) {
    if (entry["id"].text() != options.id || !entry["edited"].flag()) continue;
    auto members = json::parse(entry.json()).as_object();
    for (const auto* told : {"id", "edited", "one_C_A"}) members.erase(told);
    json::object given;
    for (auto& [key, value] : members)
      if (!value.is_null()) given.emplace(key, std::move(value));
    return given;
  }
  return {};
}

std::string target_of(const Options& options, const std::string& list) {
  if (!is_plain(options.id)) throw Problem(usage, fmt::format("\"{}\" is no id", options.id));
  return fmt::format("/api/v1/{}/{}", list, options.id);
}

void set(Session& session, const Options& options, const std::string& list) {
  const auto target = target_of(options, list);
  auto entry = kept(session, options, list);
  for (const auto& assignment : options.assignments) {
    const auto equals = assignment.find('=');
    if (equals == 0 || equals == assignment.npos)
      throw Problem(usage, fmt::format("\"{}\" is not like composite_mg=12.5", assignment));
    const auto key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
    entry.erase(key);
    if (!text.empty()) entry[key] = value_of(key, text);
  }
  for (const auto& [key, word] :
       {std::pair("who", signature(session, options.who)), std::pair("reason", options.reason)})
    if (!word.empty()) entry[key] = word;
  const auto body = ask(session, options.daemon, "PUT", target, json::serialize(entry));
  session.out << (session.json ? body : fmt::format("{}: kept", options.id)) << '\n';
}

void remove(Session& session, const Options& options, const std::string& list) {
  auto target = target_of(options, list) + "?reason=" + http::percent_encoded(options.reason);
  const auto& who = signature(session, options.who);
  if (!who.empty()) target += "&who=" + http::percent_encoded(who);
  const auto body = ask(session, options.daemon, "DELETE", target);
  session.out << (session.json ? body : fmt::format("{}: removed", options.id)) << '\n';
}

// --- the verbs ----------------------------------------------------------------------------------------------

struct List {
  std::string name, about;
  void (*print)(std::ostream&, View);
  std::string entry, keys;  ///< what one is called, and what it holds
};

void print_list(Session& session, const Options& options, const List& list) {
  const auto body = ask(session, options.daemon, "GET", "/api/v1/" + list.name);
  const auto answer = parse_reply(body);
  if (session.json)
    session.out << body << '\n';
  else
    list.print(session.out, View(&answer));
}

void add_verbs_of(CLI::App& app, Session& session, const List& list) {
  const auto options = std::make_shared<Options>();
  auto* all = app.add_subcommand(list.name, list.about);
  add_options(*all, options->daemon);
  const auto verb = [&](const char* name, const std::string& about, auto act) {
    auto* sub = all->add_subcommand(name, about);
    sub->fallthrough();  // --config and --socket may stand behind it
    sub->add_option("id", options->id, fmt::format("of the {}", list.entry))->required();
    sub->callback([&session, options, act, name = list.name] {
      session.action = [&session, options, act, name] { act(session, *options, name); };
    });
    return sub;
  };
  auto* setting = verb("set", fmt::format("Add a {}, or change what is named of it", list.entry), set);
  setting->add_option("key=value", options->assignments, fmt::format("{}; key= takes it away", list.keys))
      ->required();
  auto* removing = verb("remove", fmt::format("Take a {} away", list.entry), remove);
  for (auto* sub : {setting, removing}) {
    sub->add_option("--who", options->who, "who orders it (default: the user of this shell)");
    sub->add_option("--reason", options->reason, "why, for the record")->required(sub == removing);
  }
  all->callback([&session, options, all, list] {
    if (!all->get_subcommands().empty()) return;
    session.action = [&session, options, list] { print_list(session, *options, list); };
  });
}

}  // namespace

void add_entry_verbs(CLI::App& app, Session& session) {
  add_verbs_of(app, session,
               {"cells", "The cells of the running bench, and what 1 C is for each", print_cells, "cell",
                "material, electrodes, composite_mg, cam_fraction, area_cm2, q_1C_mAh_g, "
                "reference_vs_li_V, reference_note"});
  add_verbs_of(app, session,
               {"materials", "The materials of the running bench", print_materials, "material",
                "name, coating, amount_wt_percent, reference"});
  add_verbs_of(app, session,
               {"studies", "The studies of the running bench, and whether they are scored", print_studies,
                "study", "title, materials=a,b, cells=a,b"});
}

}  // namespace cambench::cli
