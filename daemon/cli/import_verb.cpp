// cambench import: a rate test that was made elsewhere becomes a run of this bench's store, marked as what it is.
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <future>
#include <memory>

#include "daemon/cli/verbs.h"
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

std::string user_of_this_shell() {
  const passwd* user = ::getpwuid(::getuid());
  return user ? user->pw_name : fmt::format("uid {}", ::getuid());
}

Recipe recipe_called(const config::Bench& bench, const std::string& name) {
  const bool is_path =
      name.find('/') != std::string::npos || name.ends_with(".toml") || name.ends_with(".json");
  const auto recipe = is_path ? read_recipe(read_file(name), name) : config::find_recipe(bench, name);
  if (!recipe) throw Problem(refused, recipe.error().what);
  return *recipe;
}

/// The file's own clock, as the system keeps it.
WallTime changed(const fs::path& file) {
  const auto at = std::chrono::file_clock::to_sys(fs::last_write_time(file));
  return std::chrono::time_point_cast<WallTime::duration>(at);
}

exports::ImportOrder order_of(const Options& options, const config::Bench& bench) {
  const CellSpec* cell = bench.cell(options.cell);
  if (!cell)
    throw Problem(
        refused,
        fmt::format("{}: there is no cell \"{}\": add what was measured as a [[cell]], with its masses",
                    options.config, options.cell));
  exports::ImportOrder order{.file = fs::path(options.file).filename().string(), .cell = *cell};
  if (!options.recipe.empty()) order.recipe = recipe_called(bench, options.recipe);
  order.voltage_is_we_vs_re = options.voltage_is == "we_vs_re";
  order.who = options.who.empty() ? user_of_this_shell() : options.who;
  order.at = std::chrono::system_clock::now();
  order.file_changed = changed(options.file);
  return order;
}

void refuse_twice(const fs::path& store, const exports::Import& import) {
  const auto known = store::Reader(store).run(import.run);
  if (known)
    throw Problem(refused, fmt::format("this file is in the store already: run {}, cell {}, brought by {}",
                                       import.run, known->cell.value_or(""), known->who));
}

void keep(store::Store& store, std::vector<store::Row> rows) {
  std::promise<Result<void>> kept;
  store.commit(std::move(rows), [&](Result<void> result) { kept.set_value(std::move(result)); });
  if (const auto result = kept.get_future().get(); !result) throw Problem(refused, result.error().what);
}

void import_verb(Session& session, const Options& options) {
  const std::string text = read_file(options.file);
  const config::Bench bench = config::read(options.config);
  auto import = exports::import_csv(text, order_of(options, bench));
  {
    store::Store store(bench.store);  // refused while cambenchd runs: it is the only one that writes
    refuse_twice(bench.store, import);
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
      "import", "A rate test made elsewhere, as a run that can be scored here (while no daemon runs)");
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
