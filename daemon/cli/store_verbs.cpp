// cambench backup | verify: the database of a bench, with or without a running daemon.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "daemon/cli/verbs.h"
#include "daemon/config.h"
#include "daemon/store/backup.h"
#include "daemon/store/verify.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

struct Options {
  std::string config = "/etc/cambench/cambench.toml", database, to;
};

fs::path database_of(const Options& options) {
  return options.database.empty() ? config::read(options.config).store : fs::path(options.database);
}

/// "bench-20261125T194500Z.sqlite": copies of one folder sort by their age.
fs::path name_in(const fs::path& folder, const fs::path& database) {
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return folder / fmt::format("{}-{:%Y%m%dT%H%M%SZ}.sqlite", database.stem().string(), fmt::gmtime(now));
}

void back_up(Session& session, const Options& options) {
  const fs::path database = database_of(options);
  const fs::path copy = fs::is_directory(options.to) ? name_in(options.to, database) : fs::path(options.to);
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t bytes = store::backup(database, copy);
  const Seconds took = std::chrono::steady_clock::now() - began;
  if (session.json) {
    JsonWriter json;
    json.object().field("database", database.string()).field("copy", copy.string());
    session.out << json.field("bytes", bytes).field("took_s", took).end_object().text() << '\n';
    return;
  }
  session.out << fmt::format("{}: {:.1f} MB in {:.2f} s, checked and durable\n", copy.string(),
                             static_cast<double>(bytes) / 1e6, took.count());
}

void print_json(std::ostream& out, const fs::path& database, const store::Verified& seen) {
  JsonWriter json;
  json.object().field("database", database.string()).field("schema", seen.version).key("rows").object();
  for (const auto& [table, count] : seen.rows) json.field(table, count);
  json.end_object().field("gaps", seen.gaps).field("missing_samples", seen.missing_samples);
  json.key("breaches").array();
  for (const auto& [where, what] : seen.breaches)
    json.object().field("where", where).field("what", what).end_object();
  out << json.end_array().field("took_s", seen.took).end_object().text() << '\n';
}

void print(std::ostream& out, const fs::path& database, const store::Verified& seen) {
  TextTable table({{"table", Align::left}, {"rows", Align::right}});
  for (const auto& [name, count] : seen.rows) table.add({name, std::to_string(count)});
  out << fmt::format("{}: schema {}, read in {:.1f} s\n", database.string(), seen.version, seen.took.count());
  if (!table.empty()) table.print(out, "  ");
  if (!table.empty())
    out << fmt::format(
        "  {} recorded gaps, {} sample numbers without a row, beside an event that tells why\n", seen.gaps,
        seen.missing_samples);
  for (const auto& [where, what] : seen.breaches) out << fmt::format("{}: {}\n", where, what);
}

void verify(Session& session, const Options& options) {
  const fs::path database = database_of(options);
  const store::Verified seen = store::verify(database);
  if (session.json)
    print_json(session.out, database, seen);
  else
    print(session.out, database, seen);
  if (!seen.breaches.empty())
    throw Problem(refused,
                  fmt::format("{} is not as it must be ({} findings): keep it, and compare it with a backup",
                              database.string(), seen.breaches.size()));
  if (!session.json) session.out << "good: structure, numbering, summaries, phases and scores' inputs\n";
}

}  // namespace

void add_store_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  const auto configured = [&](CLI::App& verb) {
    verb.add_option("-c,--config", options->config, "configuration of the bench: it names the database")
        ->capture_default_str();
  };
  auto* copying = app.add_subcommand(
      "backup", "Copy the database, also while the daemon writes: checked, durable, all or nothing");
  configured(*copying);
  copying->add_option("--database", options->database, "this database instead");
  copying->add_option("to", options->to, "the copy, or a folder for it; what has its name is replaced")
      ->required();
  copying->callback(
      [&session, options] { session.action = [&session, options] { back_up(session, *options); }; });

  auto* verifying = app.add_subcommand(
      "verify", "Read a whole database, also of a running daemon, and tell what is not as it must be");
  configured(*verifying);
  verifying->add_option("database", options->database, "a database or a backup; without: that of the bench");
  verifying->callback(
      [&session, options] { session.action = [&session, options] { verify(session, *options); }; });
}

}  // namespace cambench::cli
