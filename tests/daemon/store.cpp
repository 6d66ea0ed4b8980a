// The store: what was acknowledged is there, once, whatever happens to the process.
#include "daemon/store/store.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <future>

#include "daemon/store/backup.h"
#include "daemon/store/database.h"
#include "daemon/store/migrations.h"
#include "daemon/store/reader.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::store;
using namespace cambench::test;

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
    CHECK_THROWS_WITH_AS(Store(folder.file()), doctest::Contains("no database; move it away"), StoreError);
  }
}

TEST_CASE("little space is a warning long before the disk is full, and then nothing new should begin") {
  Folder folder;
  const auto free = std::filesystem::space(folder.path).available;
  Store store(folder.file(), {.low_disk_bytes = 2 * free});
  CHECK(store.health().warning.find("MB are free where the store lies") != std::string::npos);
  CHECK_FALSE(store.health().scarce);
  Store other(folder.path / "other.sqlite", {.low_disk_bytes = 8 * free});
  CHECK(other.health().scarce);
}

TEST_CASE("a full queue is a fault, not a wait") {
  Folder folder;
  Store store(folder.file(), {.queue = 5, .group = 1000, .every = std::chrono::hours(1)});
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 1; i <= 5; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  const auto sixth = store.append(a_sample("r000001", 6));
  REQUIRE_FALSE(sixth);
  CHECK(sixth.error().kind == Fault::Kind::storage);
  CHECK(store.health().lost == 1);
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

TEST_CASE("a chart between two wall times shows the same points as between the test times they stand for") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (std::int64_t i = 1; i <= 3000; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(store.flush());
  Reader reader(folder.file());
  const auto by_test_time = reader.series("r000001", 100.0, 2000.0, 50);
  const auto by_wall =
      reader.series("r000001", WallTime(std::chrono::seconds(100)), WallTime(std::chrono::seconds(2000)), 50);
  REQUIRE(by_wall.size() == by_test_time.size());
  CHECK(by_wall.size() <= 52);
  CHECK(by_wall.front().at == WallTime(std::chrono::seconds(100)));
  CHECK(by_wall.back().test_time_s == 2000.0);
  const auto until_now = reader.series("r000001", WallTime(std::chrono::seconds(100)), WallTime::max(), 50);
  REQUIRE(!until_now.empty());
  CHECK(until_now.back().test_time_s == reader.series("r000001", 0, 1e9, 50).back().test_time_s);
}

TEST_CASE("a chart has no hole where a full queue refused the last sample of a block") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (std::int64_t i = 1; i <= 10'000; ++i)
    if (i % 32 != 0) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(store.flush());
  const auto points = Reader(folder.file()).series("r000001", 0, 1e9, 8);
  double last = 0;
  for (const auto& point : points) {
    CHECK(point.test_time_s - last < 2500);
    last = point.test_time_s;
  }
  CHECK(points.size() >= 8);
}

TEST_CASE("a step's charge, energy and mean potential are those of its samples, also across a restart") {
  // 1 A for one hour at 3.6 V and 3.3 V: 1 Ah, 3.3 Wh and a mean of 3.6 V; then 0.5 A back for one hour.
  Folder folder;
  const auto sample = [](std::int64_t seq, std::uint32_t step, double step_time_s, double current_A) {
    SampleRow row = a_sample("r000001", seq, 3.6);
    row.sample.step = step;
    row.sample.step_time = Seconds(step_time_s);
    row.sample.current = Ampere(current_A);
    return row;
  };
  {
    Store store(folder.file());
    REQUIRE(committed(store, {a_run("r000001")}));
    for (int i = 0; i <= 30; ++i) REQUIRE(store.append(sample(i + 1, 0, 60.0 * i, 1.0)));
  }
  Store store(folder.file());
  SampleRow overloaded = sample(32, 0, 1830, 99.0);
  overloaded.sample.status = reading_status::overload;
  REQUIRE(store.append(overloaded));
  for (int i = 31; i <= 60; ++i) REQUIRE(store.append(sample(i + 2, 0, 60.0 * i, 1.0)));
  for (int i = 0; i <= 60; ++i) REQUIRE(store.append(sample(i + 63, 1, 60.0 * i, -0.5)));
  REQUIRE(committed(store, {EventRow{.run = "r000001",
                                     .station = "A1",
                                     .kind = "step_ended",
                                     .step = 0,
                                     .reason = "planned",
                                     .cause = {},
                                     .text = {},
                                     .who = {},
                                     .elapsed = {},
                                     .test_time = {},
                                     .at = {}}}));
  Reader reader(folder.file());
  const auto steps = reader.steps("r000001");
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].summary.samples == 62);
  CHECK(steps[0].summary.duration_s == 3600);
  CHECK(steps[0].summary.charge.charge_Ah == doctest::Approx(1.0));
  CHECK(*steps[0].summary.charge.energy_Wh == doctest::Approx(3.3));
  CHECK(*steps[0].summary.charge.mean_we_vs_re_V() == doctest::Approx(3.6));
  CHECK(steps[0].summary.discharge.charge_Ah == 0);
  CHECK(steps[0].end_reason == "planned");
  CHECK(steps[1].summary.discharge.charge_Ah == doctest::Approx(0.5));
  CHECK_FALSE(steps[1].end_reason);
  const auto cycles = reader.capacities("r000001");
  REQUIRE(cycles.size() == 1);
  CHECK(cycles[0].charge.charge_Ah == doctest::Approx(1.0));
  CHECK(cycles[0].discharge.charge_Ah == doctest::Approx(0.5));
}

TEST_CASE("a step whose potential was missing has a charge but no energy") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 1; i <= 3; ++i) {
    SampleRow row = a_sample("r000001", i);
    if (i == 2) row.sample.cell.reset();
    REQUIRE(store.append(row));
  }
  REQUIRE(store.flush());
  const auto steps = Reader(folder.file()).steps("r000001");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].summary.charge.charge_Ah > 0);
  CHECK_FALSE(steps[0].summary.charge.energy_Wh);
  CHECK(steps[0].summary.charge.we_vs_re_VAh);
}

TEST_CASE("a week of pressures keeps its extremes and its troubles in a few hundred points") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 0; i < 20'000; ++i) {
    PressureSample sample{MegaPascal(i == 7777 ? 31.0 : 50.0), MegaPascal(50), "", {}};
    if (i == 12'345) sample = {std::nullopt, MegaPascal(50), "no answer", {}};
    sample.at = {Instant{}, WallTime(std::chrono::seconds(i))};
    REQUIRE(store.append(PressureRow{"A1", "r000001", Seconds(i), sample}));
  }
  REQUIRE(store.flush());
  Reader reader(folder.file());
  for (const auto& points : {reader.pressures_of_run("r000001", 200),
                             reader.pressures("A1", WallTime{}, WallTime(std::chrono::hours(24)), 200)}) {
    CHECK(points.size() <= 200);
    double lowest = 1e9;
    std::int64_t readings = 0, bad = 0;
    std::string trouble;
    for (const auto& point : points) {
      lowest = std::min(lowest, point.pressure_min_MPa.value_or(1e9));
      readings += point.readings;
      bad += point.bad;
      trouble += point.trouble;
    }
    CHECK(lowest == 31.0);
    CHECK(readings == 20'000);
    CHECK(bad == 1);
    CHECK(trouble == "no answer");
  }
  CHECK(reader.pressures_of_run("r000001", 20'000).size() == 20'000);
}

TEST_CASE("the second sensor of a run is kept beside the press's, and neither is taken for the other") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 0; i < 1000; ++i) {
    const Stamp at{Instant{}, WallTime(std::chrono::seconds(i))};
    REQUIRE(store.append(PressureRow{"A1", "r000001", Seconds(i), {MegaPascal(50), MegaPascal(50), "", at}}));
    REQUIRE(store.append(
        PressureRow{second_sensor_of("A1"), "r000001", Seconds(i), {MegaPascal(47), {}, "", at}}));
  }
  REQUIRE(store.flush());
  Reader reader(folder.file());
  for (const std::size_t points : {10, 5000}) {
    const auto press = reader.pressures_of_run("r000001", points),
               second = reader.pressures_of_run("r000001", points, Reader::Sensor::second);
    CHECK(press.size() == std::min<std::size_t>(points, press.size()));
    CHECK(std::ranges::all_of(press, [](const auto& point) { return point.pressure_MPa == 50; }));
    CHECK(std::ranges::all_of(second, [](const auto& point) { return point.pressure_MPa == 47; }));
    CHECK(second.front().test_time_s == 0);
    std::int64_t readings = 0;
    for (const auto& point : second) readings += point.readings;
    CHECK(readings == 1000);
  }
  CHECK(RunPressures(reader, "r000001").next(5000).size() == 1000);
}

TEST_CASE("an alarm is raised, cleared and acknowledged, and stands until both") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {AlarmRow{7, "A1", {}, "alarm", "pressure_low", "47 MPa", WallTime{}}}));
  Reader reader(folder.file());
  CHECK(reader.last_alarm_id() == 7);
  REQUIRE(committed(store, {AlarmClearedRow{7, WallTime(std::chrono::hours(1))}}));
  CHECK(reader.standing_alarms().size() == 1);
  REQUIRE(committed(store, {AcknowledgeRow{7, "anna", WallTime(std::chrono::hours(2))}}));
  REQUIRE(committed(store, {AcknowledgeRow{7, "ben", WallTime(std::chrono::hours(3))}}));
  CHECK(reader.standing_alarms().empty());
  REQUIRE(reader.alarms().size() == 1);
  CHECK(reader.alarms()[0].acknowledged_by == "anna");
  CHECK(reader.alarms()[0].cleared == WallTime(std::chrono::hours(1)));
}

TEST_CASE("what happened cannot be changed afterwards, not even with the sqlite shell") {
  Folder folder;
  {
    Store store(folder.file());
    REQUIRE(committed(store, {AuditRow{"anna", "reset", "A1", "pressure is back", "granted", WallTime{}},
                              ScoreRow{"coatings", "ab", "{}", "0.1", "{}", WallTime{}, "{}"}}));
  }
  Database database(folder.file(), Database::Mode::read_write);
  CHECK_THROWS_WITH_AS(database.run("UPDATE audit SET who = 'ben'"), doctest::Contains("append-only"),
                       StoreError);
  CHECK_THROWS_WITH_AS(database.run("DELETE FROM score"), doctest::Contains("never changed"), StoreError);
}

TEST_CASE("scores are numbered from 1 and every version stays") {
  Folder folder;
  Store store(folder.file());
  for (const auto* inputs : {"a", "b"})
    REQUIRE(committed(store, {ScoreRow{"coatings", inputs, "{}", "0.1", "{}", WallTime{}, "{}"}}));
  Reader reader(folder.file());
  CHECK(reader.last_score("coatings")->version == 2);
  CHECK(reader.score("coatings", 1)->row.inputs_hash == "a");
  CHECK(reader.scores("coatings").size() == 2);
  CHECK_FALSE(reader.last_score("others"));
}

TEST_CASE("an older database is copied and then brought up to date, all or nothing") {
  Folder folder;
  Database database(folder.file(), Database::Mode::read_write);
  const std::array<std::string_view, 1> first{"CREATE TABLE a (x INTEGER) STRICT"};
  migrate(database, first);
  database.run("INSERT INTO a VALUES (42)");
  SUBCASE("a script that fails half way leaves the file as it was") {
    const std::array<std::string_view, 2> broken{first[0],
                                                 "CREATE TABLE b (y INTEGER) STRICT; CREATE TABLE a (x)"};
    CHECK_THROWS_AS(migrate(database, broken), StoreError);
    CHECK(database.number("PRAGMA user_version") == 1);
    CHECK(database.number("SELECT count(*) FROM sqlite_schema WHERE name = 'b'") == 0);
  }
  SUBCASE("a good one keeps the rows, and the copy is the old file") {
    const std::array<std::string_view, 2> second{first[0], "ALTER TABLE a ADD COLUMN y INTEGER"};
    migrate(database, second);
    CHECK(database.number("PRAGMA user_version") == 2);
    CHECK(database.number("SELECT x FROM a WHERE y IS NULL") == 42);
    Database copy(folder.file().string() + ".v1", Database::Mode::read_only);
    CHECK(copy.number("PRAGMA user_version") == 1);
    CHECK(copy.number("SELECT x FROM a") == 42);
  }
}

TEST_CASE("a backup taken while the store writes is whole and opens by itself") {
  Folder folder;
  Store store(folder.file());
  REQUIRE(committed(store, {a_run("r000001")}));
  for (int i = 1; i <= 500; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(store.flush());
  const auto copy = folder.path / "copy.sqlite";
  backup(folder.file(), copy);
  for (int i = 501; i <= 600; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(store.flush());
  CHECK(Reader(copy).last_seq("r000001") == 500);
  backup(folder.file(), copy);
  CHECK(Reader(copy).last_seq("r000001") == 600);
  CHECK_THROWS_AS(backup(folder.path / "absent.sqlite", copy), StoreError);
  CHECK(Reader(copy).last_seq("r000001") == 600);
}

namespace {

/// A disk of 6 MB at `folder` that only this process sees. False where that is not allowed.
bool mount_small_disk(const std::filesystem::path& folder) {
  const std::string id = std::to_string(::getuid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/uid_map") << id << ' ' << id << " 1";
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=6m") == 0;
}

/// What the store does on a full disk, as bits, so that a child process can say it with its exit status.
int on_a_full_disk(const std::filesystem::path& disk) {
  int troubles = 0;
  const std::filesystem::path file = disk / "bench.sqlite";
  std::int64_t acknowledged = 0;
  bool refused = false, stop_kept = false;
  {
    Store store(file,
                {.queue = 100'000, .group = 1000, .every = std::chrono::hours(1), .ballast_bytes = 1 << 20},
                [&](const Fault&) { ++troubles; });
    if (!committed(store, {a_run("r000001")})) return 1;
    for (std::int64_t seq = 1; !refused && seq < 1'000'000; ++seq) {
      refused = !store.append(a_sample("r000001", seq));
      if (!refused && seq % 500 == 0 && store.flush()) acknowledged = seq;
    }
    stop_kept = committed(store, {PhaseRow{"r000001", "tripped", std::nullopt}}).has_value();
  }
  Reader reader(file);
  return (refused ? 0 : 2) | (stop_kept ? 0 : 4) | (troubles == 1 ? 0 : 8) |
         (acknowledged > 0 && reader.last_seq("r000001") >= acknowledged ? 0 : 16) |
         (reader.run("r000001")->phase == "tripped" ? 0 : 32);
}

}  // namespace

TEST_CASE(
    "on a full disk samples are refused, nothing acknowledged is lost, and the stop is still recorded") {
  Folder folder;
  constexpr int no_small_disk = 99;
  const pid_t child = ::fork();
  if (child == 0) {
    if (!mount_small_disk(folder.path)) ::_exit(no_small_disk);
    ::_exit(on_a_full_disk(folder.path));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_small_disk) {
    MESSAGE("skipped: no small disk can be mounted here");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}
