// cambench runs | export: what the store remembers, for people and in the words of other programs. Reads the store's file,
// whether the daemon runs or not.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "daemon/cli/progress.h"
#include "daemon/cli/store_option.h"
#include "daemon/cli/verbs.h"
#include "daemon/export/export.h"
#include "daemon/store/notebook.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;
using exports::FormatInfo;
namespace fs = std::filesystem;

struct Options {
  StoreOption store;
  std::string run, out, licence, sql;
  std::vector<std::string> formats;
  int limit = 30;
};

// --- runs ---------------------------------------------------------------------------------------------------

void list_runs(Session& session, const Options& options) {
  store::Reader reader(store_of(options.store));
  TextTable table({{"run", Align::left},
                   {"started (UTC)", Align::left},
                   {"station", Align::left},
                   {"recipe", Align::left},
                   {"cell", Align::left},
                   {"state", Align::left},
                   {"took", Align::right}});
  JsonWriter json;
  json.array();
  for (const auto& run : reader.runs(options.limit)) {
    const double took_s = run.ended ? Seconds(*run.ended - run.started).count() * run.time_scale : 0;
    table.add({run.id, rfc3339(run.started).substr(0, 16), run.station, run.recipe, run.cell.value_or(""),
               run.phase, run.ended ? duration_words(took_s) : ""});
    json.object().field("run", run.id).field("started", run.started).field("ended", run.ended);
    json.field("station", run.station).field("recipe", run.recipe).field("cell", run.cell);
    json.field("material", run.material).field("who", run.who).field("state", run.phase).end_object();
  }
  if (session.json)
    session.out << json.end_array().text() << '\n';
  else if (table.empty())
    session.out << "no run yet\n";
  else
    table.print(session.out);
}

// --- export -------------------------------------------------------------------------------------------------

/// A file under another name until it is whole.
class OutFile {
 public:
  explicit OutFile(fs::path file) : file_(std::move(file)), part_(file_.string() + ".part") {
    out_.open(part_, std::ios::binary | std::ios::trunc);
    if (!out_) throw Problem(refused, fmt::format("{}: cannot be written", file_.string()));
  }
  ~OutFile() {
    std::error_code ignored;
    if (!kept_) fs::remove(part_, ignored);
  }
  void write(std::string_view bytes) { out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); }
  void keep() {
    out_.close();
    if (!out_)
      throw Problem(refused, fmt::format("{}: cannot be written: is the disk full?", file_.string()));
    fs::rename(part_, file_);
    kept_ = true;
  }

 private:
  fs::path file_, part_;
  std::ofstream out_;
  bool kept_ = false;
};

/// How far an export is, by the lines of what it wrote; a crate is compressed and tells its bytes only.
class Counter {
 public:
  Counter(Session& session, const exports::RunFacts& facts, const FormatInfo& format)
      : bar_(session.world, fmt::format("{} {}", facts.run.id, format.name)),
        rows_(format.format == exports::Format::crate ? 0 : facts.last_seq) {}
  void add(std::string_view piece) {
    bytes += piece.size();
    if (rows_ > 0) lines_ += std::ranges::count(piece, '\n');
    bar_.show(rows_ > 0 ? static_cast<double>(lines_) / static_cast<double>(rows_) : -1,
              fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6));
  }
  std::uint64_t bytes = 0;

 private:
  Progress bar_;
  std::int64_t rows_, lines_ = 0;
};

struct Exported {
  std::string file, sha256;
  std::uint64_t bytes = 0;
};

Exported export_to(Session& session, store::Reader& reader, const exports::RunFacts& facts,
                   const FormatInfo& format, const std::string& licence, const std::string& file) {
  const auto pieces = exports::export_run(reader, facts, format.format, licence);
  Sha256 hash;
  Counter counter(session, facts, format);
  std::optional<OutFile> out;
  if (file != "-") out.emplace(file);
  for (auto piece = pieces(); !piece.empty(); piece = pieces()) {
    hash.update(piece);
    counter.add(piece);
    if (out)
      out->write(piece);
    else
      session.out << piece;
  }
  if (out) out->keep();
  return {file, hash.hex(), counter.bytes};
}

const FormatInfo& format_called(const std::string& name) {
  if (const auto* format = exports::find_format(name)) return *format;
  std::vector<std::string_view> names;
  for (const auto& format : exports::formats()) names.push_back(format.name);
  throw Problem(usage, fmt::format("there is no format \"{}\"; there are {}", name, fmt::join(names, ", ")));
}

/// The file of a format: as --out says, in --out when that is a folder ("folder/" is made), else named by the run.
std::string file_for(const Options& options, const exports::RunFacts& facts, const FormatInfo& format) {
  const std::string usual = exports::file_name(facts, format.format);
  if (options.out.empty()) return usual;
  std::error_code ignored;
  if (options.out.ends_with('/')) fs::create_directories(options.out, ignored);
  if (fs::is_directory(options.out, ignored)) return (fs::path(options.out) / usual).string();
  if (options.formats.size() > 1)
    throw Problem(usage,
                  fmt::format("{} formats need a folder: {} is none", options.formats.size(), options.out));
  return options.out;
}

void say(Session& session, const std::vector<Exported>& files) {
  JsonWriter json;
  json.array();
  for (const Exported& file : files) {
    json.object()
        .field("file", file.file)
        .field("bytes", file.bytes)
        .field("sha256", file.sha256)
        .end_object();
    if (!session.json)
      session.out << fmt::format("{}  {:.1f} kB\n", file.file, static_cast<double>(file.bytes) / 1e3);
  }
  if (session.json) session.out << json.end_array().text() << '\n';
}

void write_notebook(Session& session, const Options& options) {
  const fs::path from = store_of(options.store);
  store::write_notebook_copy(from, options.sql);
  if (session.json)
    session.out << JsonWriter().object().field("file", options.sql).end_object().text() << '\n';
  else
    session.out << fmt::format(
        "{}: a copy with the views runs, samples, steps, cycles, pressures, events, alarms, scores\n",
        options.sql);
}

void export_verb(Session& session, Options& options) {
  if (!options.sql.empty()) return write_notebook(session, options);
  if (options.run.empty())
    throw Problem(usage, "which run? cambench export RUN (cambench runs lists them), or --sql FILE for all");
  if (options.formats.empty()) options.formats = {"bdf"};
  store::Reader reader(store_of(options.store));
  const auto facts = exports::facts_of(reader, options.run);
  std::vector<Exported> files;
  for (const auto& name : options.formats) {
    const FormatInfo& format = format_called(name);
    const std::string file = file_for(options, facts, format);
    files.push_back(export_to(session, reader, facts, format, options.licence, file));
    // The sidecar belongs to the file, whatever it is called.
    const bool is_bdf =
        format.format == exports::Format::bdf || format.format == exports::Format::bdf_machine;
    if (is_bdf && file != "-") {
      const std::string stem = file.ends_with(".csv") ? file.substr(0, file.size() - 4) : file;
      files.push_back(
          export_to(session, reader, facts, format_called("bdf-metadata"), "", stem + ".metadata.json"));
    }
  }
  if (options.out != "-") say(session, files);
}

std::string formats_words() {
  std::string words = "Formats:\n";
  for (const auto& format : exports::formats())
    words += fmt::format("  {:<16} {}\n", format.name, format.about);
  return words;
}

}  // namespace

void add_options(CLI::App& verb, StoreOption& store) {
  verb.add_option("--config", store.config, "configuration of the bench: it names the store");
  verb.add_option("--store", store.file, "the store's file (also: CAMBENCH_STORE)");
}

fs::path store_of(const StoreOption& store) {
  if (!store.file.empty()) return store.file;
  if (!store.config.empty()) return config::read(store.config).store;
  const char* set = std::getenv("CAMBENCH_STORE");
  const fs::path file = set ? set : "/var/lib/cambench/cambench.sqlite";
  std::error_code ignored;
  if (!fs::exists(file, ignored))
    throw Problem(refused,
                  fmt::format("{}: there is no store; --store or --config names another one", file.string()));
  return file;
}

void add_export_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* runs = app.add_subcommand("runs", "The last runs of the store, newest first");
  add_options(*runs, options->store);
  runs->add_option("--limit", options->limit, "how many")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  runs->callback(
      [&session, options] { session.action = [&session, options] { list_runs(session, *options); }; });

  auto* sub =
      app.add_subcommand("export", "A run in the words of other programs, or the store for notebooks");
  add_options(*sub, options->store);
  sub->add_option("run", options->run, "id of the run");
  sub->add_option("--as", options->formats, "one or more formats (default: bdf, with its sidecar)")
      ->delimiter(',');
  sub->add_option("--out", options->out,
                  "a file, a folder/, or - for standard output (default: named by the run)");
  sub->add_option("--licence", options->licence,
                  "what the data may be used for, a URL or words: for the crate");
  sub->add_option("--sql", options->sql, "write a copy of the whole store with plain views to this file");
  sub->footer(formats_words());
  sub->callback(
      [&session, options] { session.action = [&session, options] { export_verb(session, *options); }; });
}

}  // namespace cambench::cli
