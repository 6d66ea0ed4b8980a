// The store: what was acknowledged is there, once, whatever happens to the process.
#include "daemon/store/store.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <future>

#include "daemon/store/database.h"
#include "daemon/store/migrations.h"
#include "daemon/store/reader.h"

using namespace cambench;
using namespace cambench::store;

namespace {

/// A folder of its own for a test, removed at its end.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cambench-store-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  [[nodiscard]] std::filesystem::path file() const { return path / "bench.sqlite"; }
};

RunRow a_run(const std::string& id) {
  return {.id = id,
          .station = "A1",
          .recipe = "rate-test-3e",
          .recipe_hash = "ab",
          .recipe_text = "{}",
          .cell = "R-uncoated",
          .cell_json = "{}",
          .material = "ncm-uncoated",
          .who = "anna",
          .one_C = from_mA(1.608),
          .phase = "queued",
          .time_scale = 1,
          .started = WallTime(std::chrono::hours(1))};
}

SampleRow a_sample(const std::string& run, std::int64_t seq, double volt = 3.0) {
  SampleRow row{
      .run = run, .seq = seq, .test_time = Seconds(static_cast<double>(seq)), .cycle = 1, .sample = {}};
  row.sample.step_time = row.test_time;
  row.sample.we_vs_re = Volt(volt);
  row.sample.cell = Volt(volt - 0.3);
  row.sample.current = from_mA(0.1608);
  row.sample.at = {Instant(std::chrono::seconds(seq)), WallTime(std::chrono::seconds(seq))};
  return row;
}

Result<void> committed(Store& store, std::vector<Row> rows) {
  std::promise<Result<void>> promise;
  store.commit(std::move(rows), [&](Result<void> kept) { promise.set_value(kept); });
  return promise.get_future().get();
}

}  // namespace

TEST_CASE("a row comes back as it went in") {
  Folder folder;
  {
    Store store(folder.file());
    REQUIRE(committed(store, {a_run("r000001")}));
    REQUIRE(store.append(a_sample("r000001", 1, 3.123456789)));
    REQUIRE(store.append(
        PressureRow{"A1", "r000001", Seconds(1), {std::nullopt, MegaPascal(50), "not a number", {}}}));
    REQUIRE(committed(store, {EventRow{.run = "r000001",
                                       .station = "A1",
                                       .kind = "tripped",
                                       .step = 3,
                                       .reason = {},
                                       .cause = "pressure_low",
                                       .text = "47 MPa",
                                       .who = {},
                                       .elapsed = Seconds(12),
                                       .test_time = Seconds(2),
                                       .at = {}},
                              AlarmRow{7, "A1", "r000001", "alarm", "pressure_low", "47 MPa", WallTime{}},
                              PhaseRow{"r000001", "tripped", std::nullopt}}));
  }
  Reader reader(folder.file());
  REQUIRE(reader.unfinished_runs().size() == 1);
  CHECK(reader.unfinished_runs()[0].phase == "tripped");
  const auto samples = reader.samples("r000001");
  REQUIRE(samples.size() == 1);
  CHECK(samples[0].sample.we_vs_re == Volt(3.123456789));
  CHECK_FALSE(samples[0].sample.current_set);
  REQUIRE(reader.events_of("r000001").size() == 1);
  CHECK(*reader.events_of("r000001")[0].row.step == 3);
  CHECK(reader.pressures_of_run("r000001", 100)[0].trouble == "not a number");
  CHECK(reader.alarms()[0].row.cause == "pressure_low");
  CHECK(reader.alarms()[0].id == 7);
  CHECK(reader.last_run_number() == 1);
}

TEST_CASE("a commit carries every sample that was appended before it") {
  Folder folder;
  Store store(folder.file(), {.every = std::chrono::hours(1)});
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 1; i <= 10; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(committed(store, {PhaseRow{"r000001", "running", std::nullopt}}));
  CHECK(Reader(folder.file()).last_seq("r000001") == 10);
}

TEST_CASE("a second daemon is refused while the first one lives") {
  Folder folder;
  Store store(folder.file());
  CHECK_THROWS_WITH_AS(Store(folder.file()), doctest::Contains("another cambenchd owns this database"),
                       StoreError);
}

TEST_CASE("a newer database, another program's and a damaged one are refused with a sentence") {
  Folder folder;
  SUBCASE("newer") {
    { Store store(folder.file()); }
    Database(folder.file(), Database::Mode::read_write).run("PRAGMA user_version = 99");
    CHECK_THROWS_WITH_AS(Store(folder.file()), doctest::Contains("schema version 99"), StoreError);
  }
  SUBCASE("another program's") {
    Database(folder.file(), Database::Mode::read_write).run("CREATE TABLE theirs (a)");
    CHECK_THROWS_WITH_AS(Store(folder.file()), doctest::Contains("another program"), StoreError);
  }
  SUBCASE("no database at all") {
    std::ofstream(folder.file()) << std::string(4096, 'x');
    CHECK_THROWS_AS(Store(folder.file()), StoreError);
  }
}

TEST_CASE("a full queue is a fault, not a wait") {
  Folder folder;
  Store store(folder.file(), {.queue = 5, .group = 1000, .every = std::chrono::hours(1)});
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 1; i <= 5; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  const auto sixth = store.append(a_sample("r000001", 6));
  REQUIRE_FALSE(sixth);
  CHECK(sixth.error().kind == Fault::Kind::storage);
  CHECK(store.health().refused == 1);
  CHECK(committed(store, {PhaseRow{"r000001", "held", std::nullopt}}));
}

TEST_CASE("a row that the schema refuses stops the store with a reason instead of losing rows in silence") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  CHECK_FALSE(committed(store, {a_run("r000001")}));
  CHECK_FALSE(store.append(a_sample("r000001", 1)));
  CHECK_FALSE(store.health().trouble.empty());
}

TEST_CASE("what was acknowledged survives kill -9 of the writer at any moment") {
  for (int round = 0; round < 5; ++round) {
    Folder folder;
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {  // writes and acknowledges until it is killed
      ::close(pipe_ends[0]);
      Store store(folder.file());
      (void)committed(store, {a_run("r000001")});
      for (std::int64_t seq = 1;; seq += 10) {
        for (std::int64_t i = seq; i < seq + 10; ++i) (void)store.append(a_sample("r000001", i));
        if (!store.flush()) ::_exit(1);
        const std::int64_t acknowledged = seq + 9;
        if (::write(pipe_ends[1], &acknowledged, sizeof acknowledged) < 0) ::_exit(1);
      }
    }
    ::close(pipe_ends[1]);
    std::int64_t acknowledged = 0;
    for (int i = 0; i < 20 + 7 * round; ++i)
      REQUIRE(::read(pipe_ends[0], &acknowledged, sizeof acknowledged) > 0);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(pipe_ends[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::close(pipe_ends[0]);
    { Store reopened(folder.file()); }
    Reader reader(folder.file());
    CHECK(reader.last_seq("r000001") >= acknowledged);
    CHECK(static_cast<std::int64_t>(reader.samples("r000001").size()) == reader.last_seq("r000001"));
  }
}

TEST_CASE("a chart keeps the first point, the last point and every extreme, in about the points asked for") {
  Folder folder;
  constexpr std::int64_t n = 40'000;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (std::int64_t i = 1; i <= n; ++i) {
    const double volt = i == 12'345 ? 9.0 : i == 39'990 ? -9.0 : 3.0 + 1e-6 * static_cast<double>(i);
    REQUIRE(store.append(a_sample("r000001", i, volt)));
  }
  REQUIRE(store.flush());
  Reader reader(folder.file());
  for (const std::size_t wanted : {50, 500, 5000, 100'000}) {
    const auto points = reader.series("r000001", 0, 1e9, wanted);
    REQUIRE(points.size() > 10);
    CHECK(points.size() <= wanted + 200);
    CHECK(points.front().test_time_s == 1.0);
    CHECK(points.back().test_time_s == static_cast<double>(n));
    double low = 1e9, high = -1e9;
    for (const auto& p : points) {
      low = std::min(low, *p.we_vs_re_min_V);
      high = std::max(high, *p.we_vs_re_max_V);
    }
    CHECK(low == -9.0);
    CHECK(high == 9.0);
  }
  const auto part = reader.series("r000001", 100.0, 200.0, 1000);
  CHECK(part.front().test_time_s == 100.0);
  CHECK(part.back().test_time_s == 200.0);
  CHECK(part.size() == 101);
}
