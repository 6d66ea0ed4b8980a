// cambench import: a rate test that was made elsewhere becomes a run of this bench's store, marked as what it is.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <future>
#include <memory>

#include "daemon/cli/conversation.h"
#include "daemon/cli/recipe_name.h"
#include "daemon/config.h"
#include "daemon/export/import.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string file, cell, recipe, who, config = "/etc/cambench/cambench.toml", voltage_is = "cell";
};

/// The file's own clock, as the system keeps it.
WallTime changed(const fs::path& file) {
  const auto at = std::chrono::file_clock::to_sys(fs::last_write_time(file));
  return std::chrono::time_point_cast<WallTime::duration>(at);
}

exports::ImportOrder order_of(const Session& session, const Options& options, const config::Bench& bench) {
  const CellSpec* cell = bench.cell(options.cell);
  if (!cell)
    throw Problem(
        refused,
        fmt::format("{}: there is no cell \"{}\": add what was measured as a [[cell]], with its masses",
                    options.config, options.cell));
  exports::ImportOrder order{.file = fs::path(options.file).filename().string(), .cell = *cell};
  if (!options.recipe.empty()) order.recipe = recipe_called(bench, options.recipe);
  order.voltage_is_we_vs_re = options.voltage_is == "we_vs_re";
  order.who = signature(session, options.who);
  order.at = std::chrono::system_clock::now();
  order.file_changed = changed(options.file);
  return order;
}

void refuse_twice(const fs::path& store, const exports::Import& import) {
  const auto known = store::Reader(store).run(import.run);
  if (known && known->phase == "finished")
    throw Problem(refused, fmt::format("this file is in the store already: run {}, cell {}, brought by {}",
                                       import.run, known->cell.value_or(""), known->who));
}

void keep(store::Store& store, std::vector<store::Row> rows) {
  std::promise<Result<void>> kept;
  store.commit(std::move(rows), [&](Result<void> result) { kept.set_value(std::move(result)); });
  if (const auto result = kept.get_future().get(); !result) throw Problem(refused, result.error().what);
}

/// The daemon that owns the store keeps the file, when there is one; false: there is none.
bool brought_to_daemon(Session& session, const Options& options, const config::Bench& bench,
                       const std::string& text) {
  const http::Address address{bench.http.control.string(), {}, 0};
  if (address.socket.empty() || !session.world.ask || !session.world.ask(address, "GET", "/healthz", ""))
    return false;
  JsonWriter form;
  form.object().field("file", fs::path(options.file).filename().string()).field("csv", text);
  form.field("cell", options.cell)
      .field("voltage_is", options.voltage_is)
      .field("changed", changed(options.file));
  if (!options.recipe.empty())
    form.field("recipe",
               names_a_file(options.recipe) ? to_json(recipe_called(bench, options.recipe)) : options.recipe);
  form.field("who", signature(session, options.who)).end_object();
  const auto reply = session.world.ask(address, "POST", "/api/v1/imports", form.text());
  if (!reply) throw Problem(unreachable, reply.error().what);
  if (!reply->ok()) throw Problem(refused, http::complaint(*reply));
  const auto answer = parse_reply(reply->body);
  const View said(&answer);
  if (session.json)
    session.out << reply->body << '\n';
  else
    session.out << fmt::format("{}: {:.0f} cycles for cell {}\n  {}\n", said["run"].text(),
                               said["cycles"].number().value_or(0), options.cell, said["remark"].text());
  return true;
}

void import_verb(Session& session, const Options& options) {
  const std::string text = read_file(options.file);
  const config::Bench bench = config::read(options.config);
  if (brought_to_daemon(session, options, bench, text)) return;
  auto import = exports::import_csv(text, order_of(session, options, bench));
  {
    store::Store store(bench.store);  // refused while somebody else writes it
    refuse_twice(bench.store, import);
    store::Reader reader(bench.store);
    if (reader.run(import.run)) exports::leave_out_kept(import, reader.last_seq(import.run));
    keep(store, std::move(import.rows));
  }
  if (session.json)
    session.out << JsonWriter()
                       .object()
                       .field("run", import.run)
                       .field("samples", import.samples)
                       .field("cycles", import.cycles)
                       .field("remark", import.remark)
                       .end_object()
                       .text()
                << '\n';
  else
    session.out << fmt::format("{}: {} cycles for cell {}\n  {}\n", import.run, import.cycles, options.cell,
                               import.remark);
}

}  // namespace

void add_import_verb(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand(
      "import",
      "A rate test made elsewhere, as a run that can be scored here; through the daemon when it runs");
  sub->add_option("file", options->file, "CSV: Battery Data Format, Arbin, Battery Archive or cellpy columns")
      ->required();
  sub->add_option("--cell", options->cell, "id of the cell that was measured: its masses give 1 C")
      ->required();
  sub->add_option("--config", options->config, "configuration of the bench: its cells, recipes and store")
      ->capture_default_str();
  sub->add_option("--recipe", options->recipe,
                  "what it was measured with, a name or a file: only equal protocols are compared");
  sub->add_option("--voltage-is", options->voltage_is, "what the file calls voltage: cell or we_vs_re")
      ->check(CLI::IsMember({"cell", "we_vs_re"}))
      ->capture_default_str();
  sub->add_option("--who", options->who, "who brings it (default: the user of this shell)");
  sub->callback(
      [&session, options] { session.action = [&session, options] { import_verb(session, *options); }; });
}

}  // namespace cambench::cli
