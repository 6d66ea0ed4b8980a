// The current is cut at any moment of a run, with any part of what was not synced on the platter: the store opens again,
// whole, with everything that it had acknowledged.
//
//   CAMBENCH_CUTS=100000 CAMBENCH_SEED=7 build/tests/daemon_store_power_cut        the long form
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <span>

#include "daemon/store/migrations.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "daemon/store/verify.h"
#include "tests/daemon/disk.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::store;
using namespace cambench::test;

namespace {

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* set = std::getenv(name);
  return set ? std::strtoull(set, nullptr, 10) : otherwise;
}

/// What the store holds: enough to tell one commit from the next.
struct Kept {
  std::int64_t samples = 0, events = 0;
  std::string phase;
  bool operator==(const Kept&) const = default;
};

/// `kept` was acknowledged when the tape had come this far.
struct Promise {
  std::size_t moment = 0;
  Kept kept;
};

struct Recorded {
  std::vector<Operation> tape;
  std::vector<Promise> promises;
};

const Settings small{.every = std::chrono::hours(1), .log_pages = 40, .ballast_bytes = 4096};
const std::string run = "r000001";

double volt_of(std::int64_t seq) { return 3.0 + static_cast<double>(seq) / 1024; }

/// A run as the daemon writes it: its start, groups of samples and pressures, transitions, an orderly end in the middle
/// and another start, and checkpoints all along.
Recorded record_a_run(const std::filesystem::path& file, std::uint64_t seed) {
  Disk disk;
  disk.record();
  Recorded recorded;
  Platter::Random random(seed);
  Kept kept;
  const auto promise = [&] { recorded.promises.push_back({disk.moment(), kept}); };
  const auto decide = [&](Store& store, const std::string& phase) {
    REQUIRE(committed(store, {an_event(run, phase), PhaseRow{run, phase, std::nullopt}}));
    ++kept.events;
    kept.phase = phase;
    promise();
  };
  promise();
  for (int session = 0; session < 2; ++session) {
    Store store(file, small);
    if (session == 0) {
      REQUIRE(committed(store, {a_run(run)}));
      kept.phase = "queued";
      promise();
    }
    decide(store, "running");
    for (int group = 0; group < 60; ++group) {
      for (auto more = static_cast<std::int64_t>(1 + random() % 20); more > 0; --more) {
        ++kept.samples;
        REQUIRE(store.append(a_sample(run, kept.samples, volt_of(kept.samples))));
        REQUIRE(store.append(a_pressure("A1", run, kept.samples)));
      }
      REQUIRE(store.flush());
      promise();
      if (group % 20 == 19) decide(store, "held");
    }
  }
  recorded.tape = disk.stop();
  return recorded;
}

void put_down(const std::map<std::string, std::string>& files, const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  for (const auto& [name, bytes] : files) std::ofstream(folder / name, std::ios::binary) << bytes;
}

Kept read_back(const std::filesystem::path& file) {
  Reader reader(file);
  const auto stored = reader.run(run);
  return {static_cast<std::int64_t>(reader.samples(run).size()),
          static_cast<std::int64_t>(reader.events_of(run).size()), stored ? stored->phase : ""};
}

/// What is wrong with the store that was found, or nothing.
std::string complaint_about(const std::filesystem::path& file, std::span<const Promise> possible) {
  try {
    Store store(file, small);
    const Kept found = read_back(file);
    if (std::ranges::find(possible, found, &Promise::kept) == possible.end())
      return fmt::format("{} samples, {} events, {}; promised: {}, {}, {}", found.samples, found.events,
                         found.phase, possible.front().kept.samples, possible.front().kept.events,
                         possible.front().kept.phase);
    for (const auto& row : Reader(file).samples(run))
      if (row.sample.we_vs_re != Volt(volt_of(row.seq))) return fmt::format("sample {} is another", row.seq);
    std::vector<Row> more{an_event(run, "running"), a_sample(run, found.samples + 1)};
    if (found.phase.empty()) more.insert(more.begin(), a_run(run));
    if (const auto taken = committed(store, std::move(more)); !taken) return taken.error().what;
    const auto seen = verify(file);
    return seen.breaches.empty() ? "" : seen.breaches[0].where + ": " + seen.breaches[0].what;
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// Cuts the current so often, at random moments, and counts the states that are not as they must be.
std::size_t bad_states(const Recorded& recorded, std::size_t cuts, std::uint64_t seed, std::string& first) {
  Folder folder(in_memory());
  Disk disk;
  disk.real_syncs = false;  // this machine's current stays
  Platter::Random random(seed);
  std::vector<std::size_t> moments(cuts);
  for (auto& moment : moments) moment = random() % (recorded.tape.size() + 1);
  std::ranges::sort(moments);
  Platter platter;
  std::size_t applied = 0, bad = 0;
  for (const std::size_t moment : moments) {
    for (; applied < moment; ++applied) platter.apply(recorded.tape[applied]);
    put_down(platter.cut(random), folder.path / "after");
    // The last promise that was made before the cut, or the one that was about to be made.
    const auto next = std::ranges::upper_bound(recorded.promises, moment, std::less{}, &Promise::moment);
    const auto last = next - 1;
    const std::string complaint = complaint_about(folder.path / "after" / "bench.sqlite",
                                                  {last, next == recorded.promises.end() ? next : next + 1});
    if (complaint.empty()) continue;
    if (bad++ == 0) first = fmt::format("cut after operation {} (seed {}): {}", moment, seed, complaint);
  }
  return bad;
}

}  // namespace

TEST_CASE("a power cut at any moment leaves a whole store with everything that was acknowledged") {
  Folder folder(in_memory());
  const std::uint64_t seed = from_environment("CAMBENCH_SEED", 1);
  const std::size_t cuts = from_environment("CAMBENCH_CUTS", 500);
  const Recorded recorded = record_a_run(folder.file(), seed);
  std::string first;
  const std::size_t bad = bad_states(recorded, cuts, seed, first);
  MESSAGE(cuts, " cuts in ", recorded.tape.size(), " operations and ", recorded.promises.size(),
          " promises: ", bad, " bad");
  CHECK_MESSAGE(bad == 0, first);
}

TEST_CASE("the same cuts find the loss on a disk whose fsync does nothing") {
  Folder folder(in_memory());
  Recorded recorded = record_a_run(folder.file(), 1);
  // Without them the moments of the promises would no longer fit: they stay on the tape, as operations without effect.
  for (Operation& operation : recorded.tape)
    if (operation.kind == Operation::Kind::sync) operation = {Operation::Kind::write, operation.file, 0, ""};
  std::string first;
  CHECK(bad_states(recorded, 40, 1, first) > 10);
}

TEST_CASE("a power cut in a migration leaves the old database or the new one, and the next start ends it") {
  constexpr std::string_view old_schema = "CREATE TABLE a (x INTEGER) STRICT";
  const std::array<std::string_view, 1> old{old_schema};
  const std::array<std::string_view, 2> both{
      old_schema,
      "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = 2 * x; CREATE INDEX a_by_y ON a (y);"
      "CREATE TABLE b (z TEXT) STRICT; INSERT INTO b VALUES ('new')"};
  Folder folder(in_memory());
  std::vector<Operation> tape;
  std::size_t old_is_there = 0, new_is_there = 0;
  {
    Disk disk;
    disk.record();
    Database database(folder.file(), Database::Mode::read_write);
    database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    migrate(database, old);
    database.run(
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO a SELECT i FROM n");
    old_is_there = disk.moment();
    migrate(database, both);
    new_is_there = disk.moment();
    database.checkpoint();
    tape = disk.stop();
  }
  Disk disk;
  disk.real_syncs = false;
  Platter::Random random(3);
  const std::size_t cuts = from_environment("CAMBENCH_CUTS", 500) / 5;
  std::size_t found_old = 0, found_new = 0;
  for (std::size_t i = 0; i < cuts; ++i) {
    const std::size_t moment = old_is_there + random() % (tape.size() + 1 - old_is_there);
    Platter platter;
    for (std::size_t at = 0; at < moment; ++at) platter.apply(tape[at]);
    put_down(platter.cut(random), folder.path / "after");
    Database database(folder.path / "after" / "bench.sqlite", Database::Mode::read_write);
    const auto version = database.number("PRAGMA user_version");
    REQUIRE((version == 2 || (version == 1 && moment < new_is_there)));
    ++(version == 1 ? found_old : found_new);
    CHECK(database.number("SELECT count(*) FROM sqlite_schema WHERE name = 'b'") == version - 1);
    migrate(database, both);
    CHECK(database.text("PRAGMA integrity_check") == "ok");
    CHECK(database.number("SELECT count(*) FROM a WHERE y = 2 * x") == 5000);
    CHECK(database.text("SELECT z FROM b") == "new");
  }
  MESSAGE(cuts, " cuts: ", found_old, " old, ", found_new, " new");
  CHECK(found_old > 0);
  CHECK(found_new > 0);
}
