// cambench config check | interlocks
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/cli/verbs.h"
#include "daemon/config.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

void print_stations(Session& session, const config::Bench& bench) {
  TextTable table({{"station", Align::left},
                   {"potentiostat", Align::left},
                   {"serial", Align::left},
                   {"press", Align::left},
                   {"map", Align::left},
                   {"simulated", Align::left}});
  for (const auto& station : bench.stations) {
    const auto& p = station.potentiostat;
    const auto& press = station.press;
    const bool simulated = (!p || p->simulated) && (!press || press->simulated);
    table.add({station.name, p ? p->port.text : "-", p ? p->serial : "-",
               press ? fmt::format("{} unit {}", press->port.text, press->unit) : "-",
               press ? press->map : "-", simulated ? "yes" : "no"});
  }
  table.print(session.out, "  ");
  for (const auto& station : bench.stations)
    if (const auto& gauge = station.gauge)
      session.out << fmt::format("  the pressure of {} is compared with {} unit {}, {}\n", station.name,
                                 gauge->port.text, gauge->unit, gauge->map);
  for (const auto& station : bench.stations)
    if (station.potentiostat && !station.potentiostat->record.empty())
      session.out << fmt::format("  the conversation with the potentiostat of {} is recorded in {}\n",
                                 station.name, station.potentiostat->record.string());
}

void print_cells(Session& session, const config::Bench& bench) {
  TextTable table({{"cell", Align::left},
                   {"material", Align::left},
                   {"electrodes", Align::right},
                   {"CAM", Align::right},
                   {"1 C", Align::right},
                   {"reference vs Li+/Li", Align::left}});
  for (const auto& cell : bench.cells)
    table.add({cell.id, cell.material, std::to_string(cell.electrodes),
               fmt::format("{:.2f} mg", cam_mass(cell).value() * 1e3),
               fmt::format("{:.3f} mA", one_C(cell).value() * 1e3),
               cell.reference
                   ? fmt::format("{:+.3f} V ({})", cell.reference->vs_li.value(), cell.reference->note)
                   : "-"});
  if (!table.empty()) session.out << '\n';
  if (!table.empty()) table.print(session.out, "  ");
}

void print_studies(Session& session, const config::Bench& bench) {
  for (const auto& study : bench.studies)
    session.out << fmt::format(
        "\n  study {} ({}): {}; rate-test cells: {}\n", study.id, study.title,
        fmt::join(study.materials, ", "),
        study.cells.empty() ? "none" : fmt::format("{}", fmt::join(study.cells, ", ")));
}

void print_json(Session& session, const config::Bench& bench) {
  JsonWriter json;
  json.object()
      .field("file", bench.file.string())
      .field("bench", bench.name)
      .field("time_scale", bench.time_scale);
  json.field("store", bench.store.string()).field("control", bench.http.control.string());
  json.field("listen", fmt::format("{}:{}", bench.http.host, bench.http.port));
  json.field("stations", bench.stations.size()).field("materials", bench.materials.size());
  json.field("cells", bench.cells.size()).field("studies", bench.studies.size());
  session.out << json.end_object().text() << '\n';
}

void check(Session& session, const std::string& file) {
  const config::Bench bench = config::read(file);
  if (session.json) return print_json(session, bench);
  session.out << fmt::format(
      "{}: good. {}{}\n", file, bench.name,
      bench.time_scale == 1 ? "" : fmt::format(", experiment time x {:g}", bench.time_scale));
  session.out << fmt::format("  store {}\n  page http://{}:{}/, control {}\n", bench.store.string(),
                             bench.http.host, bench.http.port, bench.http.control.string());
  if (bench.drop)
    session.out << fmt::format("  spectra land in {}, results in {}\n", bench.drop->path.string(),
                               bench.drop->results.string());
  session.out << '\n';
  print_stations(session, bench);
  print_cells(session, bench);
  print_studies(session, bench);
}

// --- the interlock table

std::string detection(const sequencer::Interlock& row) {
  using enum sequencer::Watches;
  std::string text;
  if (!row.limit_key.empty()) text = fmt::format("{} = {:g}", row.limit_key, row.limit);
  if (row.warns_first)
    return fmt::format("{}, {} of {} warns, {:g} s trips", text, row.votes, row.of, row.longest.count());
  if (row.watches == pressure || row.watches == cell) {
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", row.votes, row.of);
    if (row.longest > Seconds{0}) text += fmt::format(" or {:g} s", row.longest.count());
  }
  return text.empty() ? "at once" : text;
}

void print_json(Session& session, const sequencer::InterlockTable& table, Seconds sampling) {
  JsonWriter json;
  json.array();
  for (const auto& row : table) {
    json.object().field("cause", row.cause).field("meaning", row.meaning).field("limit_key", row.limit_key);
    json.field("limit", row.limit).field("votes", row.votes).field("of", row.of).field("for_s", row.longest);
    json.field("press", sequencer::name(row.press)).field("detail", row.detail);
    json.field("reaction_s", sequencer::worst_reaction(row, sampling)).end_object();
  }
  session.out << json.end_array().text() << '\n';
}

void interlocks(Session& session, const std::string& file) {
  const config::Bench bench = config::read(file);
  constexpr Seconds sampling{1};
  if (session.json) return print_json(session, *bench.interlocks, sampling);
  TextTable table({{"cause", Align::left},
                   {"trips at", Align::left},
                   {"within", Align::right},
                   {"press", Align::left},
                   {"meaning", Align::left}});
  for (const auto& row : *bench.interlocks)
    table.add({std::string(row.cause), detection(row),
               fmt::format("{:g} s", sequencer::worst_reaction(row, sampling).count()),
               std::string(sequencer::name(row.press)), std::string(row.meaning)});
  table.print(session.out);
  session.out
      << "\nEvery trip opens the cell first. \"within\": detection and debounce, with a sample a second.\n";
}

}  // namespace

void add_config_verbs(CLI::App& app, Session& session) {
  auto* group = app.add_subcommand("config", "Look at a configuration; nothing moves")->require_subcommand(1);
  const auto file = std::make_shared<std::string>();
  auto* sub = group->add_subcommand("check", "Tell every mistake of a configuration, or what it describes");
  sub->add_option("file", *file, "configuration of the bench (TOML)")->required();
  sub->callback([&session, file] { session.action = [&session, file] { check(session, *file); }; });
  auto* table =
      group->add_subcommand("interlocks", "The interlock table as it is configured, and how fast it is");
  table->add_option("file", *file, "configuration of the bench (TOML)")->required();
  table->callback([&session, file] { session.action = [&session, file] { interlocks(session, *file); }; });
}

}  // namespace cambench::cli
