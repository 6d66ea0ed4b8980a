// cambench scores STUDY: the newest scores of a study as a table.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <memory>

#include "daemon/cli/conversation.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

struct Options {
  Daemon daemon;
  std::string study;
};

/// "0.72 [0.66, 0.79]", "1.04 +- 0.08", or "-" where there is no score.
std::string score_words(View score) {
  const auto value = score["value"].number();
  if (!value) return "-";
  const auto low = score["ci_low"].number(), high = score["ci_high"].number();
  if (low && high) return fmt::format("{:.2f} [{:.2f}, {:.2f}]", *value, *low, *high);
  const auto sd = score["sd"].number();
  return sd ? fmt::format("{:.2f} +- {:.2f}", *value, *sd) : fmt::format("{:.2f}", *value);
}

/// Mean over the material's cells of the overpotential at the highest rate.
std::string overpotential_words(View result, const std::string& material) {
  double sum = 0;
  int count = 0;
  for (const View cell : result["cells"].list()) {
    const auto rates = cell["rates"].list();
    if (cell["material"].text() != material || rates.empty()) continue;
    const auto overpotential = rates.back()["overpotential_V"].number();
    if (!overpotential) continue;
    sum += *overpotential;
    ++count;
  }
  return count ? fmt::format("{:.0f} mV", 1e3 * sum / count) : "-";
}

void print_scores(Session& session, View answer) {
  const View result = answer["result"];
  std::vector<std::pair<std::string, Align>> columns{{"material", Align::left}};
  for (const View axis : result["axes"].list()) columns.emplace_back(axis["key"].text(), Align::right);
  columns.emplace_back("overpotential", Align::right);
  TextTable table(std::move(columns));
  for (const View material : result["materials"].list()) {
    std::vector<std::string> cells{material["name"].text()};
    for (const View axis : result["axes"].list())
      cells.push_back(score_words(material["scores"][axis["key"].text()]));
    cells.push_back(overpotential_words(result, material["id"].text()));
    table.add(std::move(cells));
  }
  table.print(session.out, "  ");
  session.out
      << "  QS: higher is better. DS: 0 uncycled, 1 uncoated and cycled; lower is better. In brackets "
         "the confidence\n  interval, where the spots give one; else +- SD.\n"
         "  Overpotential: half of mean charge minus mean discharge potential at the highest rate.\n";
}

}  // namespace

void add_scores_verb(CLI::App& app, Session& session) {
  auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand("scores", "The newest scores of a study");
  verb->add_option("study", options->study, "id of the study")->required();
  add_options(*verb, options->daemon);
  verb->callback([options, &session] {
    session.action = [options, &session] {
      const std::string target = "/api/v1/studies/" + options->study + "/scores";
      const std::string body = ask(session, options->daemon, "GET", target);
      if (session.json) {
        session.out << body << "\n";
        return;
      }
      const auto answer = parse_reply(body);
      print_scores(session, View(&answer));
    };
  });
}

}  // namespace cambench::cli
