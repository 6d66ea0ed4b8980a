// `cambench verify`: a good database has nothing to complain about, and every promise that is broken is told.
#include "daemon/store/verify.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "daemon/store/backup.h"
#include "daemon/store/database.h"
#include "daemon/store/store.h"
#include "schema/sha256.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::store;
using namespace cambench::test;

namespace {

constexpr auto result =
    R"({"inputs":[{"what":"LBO, uncycled, spot 1","name":"P_01.txt","sha256":"ab12","bytes":9},)"
    R"({"what":"rate test of cell R-uncoated","name":"r000001","sha256":"cd34","bytes":9}]})";

/// A finished run of 600 samples with a gap that an event tells of, and a score of it.
void fill(const std::filesystem::path& file) {
  Store store(file);
  REQUIRE(
      committed(store, {a_run("r000001"), AuditRow{"anna", "start", "r000001", {}, "granted", WallTime{}}}));
  for (int i = 1; i <= 100; ++i) REQUIRE(store.append(a_sample("r000001", i)));
  REQUIRE(committed(store, {an_event("r000001", "gap", 150)}));
  for (int i = 101; i <= 600; ++i) {
    SampleRow late = a_sample("r000001", i + 100);
    late.seq = i;
    REQUIRE(store.append(late));
  }
  for (std::int64_t number = 1; number <= 2; ++number) {
    EventRow tripped = an_event("r000001", "tripped", 290);
    tripped.cause = "pressure_low", tripped.step = 0;
    REQUIRE(committed(store, {tripped, TripRow{"r000001", number, "A1", 0, "pressure_low", "47 MPa", {}}}));
  }
  for (std::int64_t seq = 1; seq <= 3; ++seq)
    REQUIRE(store.append(TripReadingRow{
        .run = "r000001", .number = 1, .seq = seq, .offset = Seconds(9.9 * static_cast<double>(seq - 2))}));
  REQUIRE(store.append(
      ShelfRow{"A1", "pressure_low", "anna", "repair", WallTime{}, WallTime{} + std::chrono::hours(1)}));
  REQUIRE(committed(store, {an_event("r000001", "step_ended", 300), an_event("r000001", "finished", 300),
                            PhaseRow{"r000001", "finished", WallTime(std::chrono::seconds(300))}}));
  REQUIRE(committed(
      store, {RegionRow{"r1", "s1", "coatings", "lbo", "uncycled", "spot 1",
                        R"({"files":[{"name":"P_01.txt","sha256":"ab12","bytes":9}]})", "[]", WallTime{}},
              ScoreRow{"coatings", sha256_hex(result), "{}", "0.1", result, WallTime{}, "{}"},
              JobRow{"coatings", "score", "done", "", WallTime{}, WallTime{}}}));
}

std::string told(const Verified& seen) {
  std::string text;
  for (const auto& [where, what] : seen.breaches) text += where + ": " + what + '\n';
  return text;
}

}  // namespace

TEST_CASE("a database that the store wrote keeps its promises, and so does its backup") {
  Folder folder;
  fill(folder.file());
  const Verified seen = verify(folder.file());
  CHECK_MESSAGE(seen.breaches.empty(), told(seen));
  CHECK(seen.gaps == 1);
  CHECK(seen.missing_samples == 0);
  CHECK(std::ranges::count(seen.rows, std::pair<std::string, std::int64_t>{"sample", 600}) == 1);
  CHECK(std::ranges::count(seen.rows, std::pair<std::string, std::int64_t>{"event", 5}) == 1);
  backup(folder.file(), folder.path / "copy.sqlite");
  const Verified copied = verify(folder.path / "copy.sqlite");
  CHECK(copied.breaches.empty());
  CHECK(copied.rows == seen.rows);
}

TEST_CASE("samples that were refused are no breach when an event stands beside the hole") {
  Folder folder;
  fill(folder.file());
  Database(folder.file(), Database::Mode::read_write)
      .run(
          "PRAGMA foreign_keys = OFF; UPDATE sample SET seq = -seq - 7 WHERE seq > 100; UPDATE sample SET "
          "seq = -seq WHERE seq < 0");
  const Verified seen = verify(folder.file());
  CHECK(seen.missing_samples == 7);
  CHECK(told(seen).find("missing") == std::string::npos);
}

TEST_CASE("every broken promise is told with its place") {
  struct Mistake {
    const char* sql;
    const char* said;
  };
  constexpr Mistake mistakes[] = {
      {"DELETE FROM event WHERE seq = 2", "event: 4 events, but the last is number 5"},
      {"INSERT INTO audit (id, at_wall_ns, who, act, outcome) VALUES (3, 0, 'a', 'b', 'c')",
       "audit: 2 acts, but the last is number 3"},
      {"UPDATE job SET id = 2", "job: 1 jobs, but the last is number 2"},
      {"DELETE FROM sample WHERE seq = 1", "run r000001: the samples begin with number 2"},
      {"INSERT INTO sample SELECT 'r9', seq, test_time_s, step, cycle, step_time_s, 0, 0, 0, 0, 0, 0, 0 FROM "
       "sample "
       "WHERE seq = 1",
       "run r9: 1 samples belong to no run"},
      {"DELETE FROM sample WHERE seq BETWEEN 40 AND 41",
       "run r000001: samples 40 to 41 are missing and no event"},
      {"DELETE FROM event WHERE kind = 'gap'",
       "step 1 is silent from 100.0 s to 201.0 s and no event tells why"},
      {"UPDATE event SET at_wall_ns = 90000000000 WHERE kind = 'gap'",
       "step 1 is silent from 100.0 s to 201.0 s"},
      {"UPDATE sample SET (test_time_s, step_time_s) = (49, 49) WHERE seq = 50",
       "sample 50 of step 1 is there twice"},
      {"UPDATE sample SET step_time_s = 3 WHERE seq = 50",
       "sample 50 of step 1 is there twice or out of order"},
      {"DELETE FROM sample WHERE seq = 600", "step 1 has 599 samples and its summary counts 600"},
      {"UPDATE step SET step = 4", "step 5 has a summary and no samples"},
      {"DELETE FROM rollup WHERE level = 1 AND block = 3", "16 blocks of samples and a chart of 15"},
      {"UPDATE rollup SET cell_max_V = 9 WHERE level = 1 AND block = 3",
       "its chart shows samples 97 to 128 otherwise than they are"},
      {"UPDATE rollup SET first_wall_ns = 0 WHERE level = 3",
       "its chart shows samples 1 to 512 otherwise than in parts of them"},
      {"UPDATE trip SET number = 3 WHERE number = 2", "run r000001: 2 trips, numbered 1 to 3"},
      {"UPDATE trip SET cause = 'overload' WHERE number = 2", "trip 2 by overload and no event tells of it"},
      {"DELETE FROM trip_reading WHERE seq = 2", "2 readings around trip 1, numbered 1 to 3"},
      {"UPDATE trip_reading SET offset_s = 11 WHERE seq = 3", "a reading 11.0 s away from trip 1"},
      {"UPDATE trip_reading SET number = 7", "a reading -9.9 s away from trip 7, which is not there"},
      {"UPDATE shelf SET who = ''", "shelf pressure_low: nobody put it there"},
      {"DELETE FROM event WHERE kind = 'finished'", "its phase is finished and no event says so"},
      {"UPDATE run SET ended_wall_ns = NULL", "it is finished and has no end"},
      {"UPDATE score SET version = 2", "study coatings: 1 scores, but the last is version 2"},
      {"UPDATE score SET result_json = result_json || ' '", "version 1 is not what was written"},
      {"UPDATE run SET id = 'r000007'", "the run r000001 of \"rate test of cell R-uncoated\" is not here"},
      {"DELETE FROM region", "version 1: no region was read from P_01.txt (ab12)"},
      {"UPDATE event SET run = 'r000009' WHERE seq = 1", "event: row 1 names a run that is not there"},
  };
  Folder folder;
  fill(folder.file());
  for (const auto& [sql, said] : mistakes) {
    const auto copy = folder.path / "copy.sqlite";
    backup(folder.file(), copy);
    {
      Database database(copy, Database::Mode::read_write);
      database.run("DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted");
      database.run("DROP TRIGGER score_is_never_changed; PRAGMA foreign_keys = OFF");
      database.run(sql);
    }
    const std::string found = told(verify(copy));
    CHECK_MESSAGE(found.find(said) != std::string::npos, sql, "\n", found);
  }
}

TEST_CASE("what is no database of cambench is refused with a sentence") {
  Folder folder;
  Database(folder.file(), Database::Mode::read_write).run("CREATE TABLE theirs (a)");
  CHECK_THROWS_WITH_AS((void)verify(folder.file()), doctest::Contains("another program"), StoreError);
  CHECK_THROWS_AS((void)verify(folder.path / "absent.sqlite"), StoreError);
}
