// cambench cells | materials | studies: what the running bench knows, edited entries too.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "daemon/cli/conversation.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

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

}  // namespace

void add_list_verbs(CLI::App& app, Session& session) {
  const auto daemon = std::make_shared<Daemon>();
  const auto verb = [&](const std::string& what, const char* about, void (*print)(std::ostream&, View)) {
    auto* sub = app.add_subcommand(what, about);
    add_options(*sub, *daemon);
    sub->callback([&session, daemon, what, print] {
      session.action = [&session, daemon, what, print] {
        const auto body = ask(session, *daemon, "GET", "/api/v1/" + what);
        const auto answer = parse_reply(body);
        if (session.json)
          session.out << body << '\n';
        else
          print(session.out, View(&answer));
      };
    });
  };
  verb("cells", "The cells of the running bench, and what 1 C is for each", print_cells);
  verb("materials", "The materials of the running bench", print_materials);
  verb("studies", "The studies of the running bench, and whether they are scored", print_studies);
}

}  // namespace cambench::cli
