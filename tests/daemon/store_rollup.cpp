// What charts are drawn from is exactly what the samples say, in whatever order they came and whatever happened between.
#include "daemon/store/rollup.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "daemon/store/migrations.h"
#include "daemon/store/reader.h"
#include "daemon/store/verify.h"
#include "daemon/store/writer.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::store;
using namespace cambench::test;

namespace {

using Random = std::mt19937_64;

const std::string run = "r000001";

/// Potentials jump, some are missing or no numbers, and the wall clock is set back now and then.
SampleRow any_sample(std::int64_t seq, Random& random) {
  SampleRow row = a_sample(run, seq, std::uniform_real_distribution(-5.0, 5.0)(random));
  if (random() % 9 == 0) row.sample.we_vs_re.reset();
  if (random() % 50 == 0) row.sample.cell = Volt(std::nan(""));
  if (random() % 100 < 2) row.sample.at.wall -= std::chrono::hours(1);
  if (random() % 70 == 0) row.sample.status = random() % 2 ? reading_status::overload : reading_status::bad;
  return row;
}

/// A store's tables and what writes them, as it is opened by each start.
struct Writing {
  Database database;
  RowWriter rows;
  explicit Writing(const std::filesystem::path& file)
      : database(file, Database::Mode::read_write), rows((migrate(database), database)) {
    database.run("PRAGMA synchronous = OFF");
  }
};

/// Rows in groups: some numbers come late, some never, some groups are rolled back and told again, and the program starts
/// anew in between.
std::int64_t write_a_history(const std::filesystem::path& file, Random& random) {
  auto writing = std::make_unique<Writing>(file);
  writing->rows.write(a_run(run));
  std::vector<SampleRow> waiting;
  std::int64_t seq = 0;
  const auto calm = 6 + random() % 60;  // so many groups between two rollbacks, and between two starts
  while (seq < 9000) {
    std::vector<SampleRow> group;
    for (auto count = random() % 300; count > 0; --count) {
      if (random() % 2000 == 0) seq += static_cast<std::int64_t>(random() % 1500);  // never told
      SampleRow row = any_sample(++seq, random);
      const bool late = random() % 30 == 0;
      if (late && random() % 3 == 0)
        row.sample.cell = Volt(std::uniform_real_distribution(-1e3, 1e3)(random));
      (late ? waiting : group).push_back(std::move(row));
    }
    if (random() % 8 == 0) std::ranges::move(std::exchange(waiting, {}), std::back_inserter(group));
    for (bool kept = false; !kept;) {
      Transaction transaction(writing->database);
      for (const SampleRow& row : group) writing->rows.write(row);
      writing->rows.finish();
      kept = random() % calm != 0;
      kept ? transaction.commit() : writing->rows.forget();
    }
    if (random() % calm == 0) writing = std::make_unique<Writing>(file);
  }
  return writing->database.number("SELECT max(seq) FROM sample");
}

std::vector<std::string> complaints_about_charts(const std::filesystem::path& file) {
  std::vector<std::string> complaints;
  for (const auto& [where, what] : verify(file).breaches)
    if (what.find("chart") != std::string::npos) complaints.push_back(what);
  return complaints;
}

}  // namespace

TEST_CASE("every block says what its samples say: late, lost, rolled back, or cut by a restart") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Folder folder(in_memory());
    Random random(seed);
    const std::int64_t last = write_a_history(folder.file(), random);
    const auto complaints = complaints_about_charts(folder.file());
    CHECK_MESSAGE(complaints.empty(), "seed ", seed, ": ", complaints.front());
    // Each level has a row for every complete block that any sample fell in.
    Database database(folder.file(), Database::Mode::read_only);
    for (int level = 1; level <= rollup_levels; ++level)
      CHECK(database.number(fmt::format("SELECT count(*) FROM rollup WHERE level = {}", level)) ==
            database.number(fmt::format("SELECT count(DISTINCT (seq - 1) / {0}) FROM sample WHERE seq <= {1}",
                                        span_of(level),
                                        written_up_to(last) / span_of(level) * span_of(level))));
  }
}

TEST_CASE("a chart shows every sample's extremes at any length of a run, however few points are asked for") {
  Folder folder(in_memory());
  Writing writing(folder.file());
  writing.rows.write(a_run(run));
  Random random(5);
  double lowest = 99, highest = -99;
  for (std::int64_t seq = 1; seq <= 2600; ++seq) {
    SampleRow row = a_sample(run, seq, std::uniform_real_distribution(-5.0, 5.0)(random));
    lowest = std::min(lowest, row.sample.we_vs_re->value());
    highest = std::max(highest, row.sample.we_vs_re->value());
    writing.rows.write(row);
    writing.rows.finish();
    if (seq % 37 != 0 && seq % 512 > 1) continue;
    const auto points = Reader(folder.file()).series(run, 0, 1e9, 8);
    double low = 99, high = -99;
    for (const SeriesPoint& point : points) {
      low = std::min(low, *point.we_vs_re_min_V);
      high = std::max(high, *point.we_vs_re_max_V);
    }
    CHECK(low == lowest);
    CHECK(high == highest);
    CHECK(points.front().test_time_s == 1.0);
    CHECK(points.back().test_time_s == static_cast<double>(seq));
    CHECK(points.size() <= 10);
  }
}

TEST_CASE("an overloaded sample is no extreme of a chart") {
  Folder folder(in_memory());
  Writing writing(folder.file());
  writing.rows.write(a_run(run));
  for (std::int64_t seq = 1; seq <= 600; ++seq) {
    SampleRow row = a_sample(run, seq);
    if (seq % 100 == 0) {
      row.sample.status = seq % 200 == 0 ? reading_status::overload : reading_status::bad;
      row.sample.we_vs_re = row.sample.cell = Volt(10);
      row.sample.current = Ampere(-1);
    }
    writing.rows.write(row);
    writing.rows.finish();
  }
  for (const std::size_t wanted : {8, 1000})
    for (const SeriesPoint& point : Reader(folder.file()).series(run, 0, 1e9, wanted)) {
      CHECK(point.we_vs_re_max_V.value_or(3) == 3.0);
      CHECK(point.cell_max_V.value_or(2.7) == 2.7);
      CHECK(point.current_min_A.value_or(0.1608e-3) == from_mA(0.1608).value());
    }
  CHECK_FALSE(Reader(folder.file()).series(run, 0, 1e9, 1000).back().we_vs_re_max_V);
  CHECK(complaints_about_charts(folder.file()).empty());
  // As an older program wrote them.
  writing.database.run(
      "UPDATE rollup SET we_vs_re_max_V = 10, cell_max_V = 10, current_min_A = -1 WHERE level = 1 AND block "
      "IN "
      "(SELECT (seq - 1) / 32 FROM sample WHERE status <> 0) OR level = 2 AND block IN "
      "(SELECT (seq - 1) / 128 FROM sample WHERE status <> 0) OR level = 3");
  CHECK(complaints_about_charts(folder.file()).empty());
  writing.database.run("UPDATE rollup SET we_vs_re_max_V = 9 WHERE level = 1 AND block = 3");
  CHECK_FALSE(complaints_about_charts(folder.file()).empty());
}

TEST_CASE("the last minutes of a chart are the last minutes, also when the wall clock was set back") {
  using std::chrono::seconds;
  Folder folder(in_memory());
  Writing writing(folder.file());
  RunRow row = a_run(run);
  row.started = WallTime(seconds(100'000));
  writing.rows.write(row);
  const std::int64_t back_s = 3600, turn = 1500;
  const auto wall_of = [&](std::int64_t seq) {
    return WallTime(seconds(100'000 + seq - (seq >= turn ? back_s : 0)));
  };
  for (std::int64_t seq = 1; seq <= 7000; ++seq) {
    SampleRow sample = a_sample(run, seq);
    sample.sample.at.wall = wall_of(seq);
    writing.rows.write(sample);
    writing.rows.finish();
    if (seq != turn + 200 && seq != 3000 && seq != 7000) continue;
    Reader reader(folder.file());
    const WallTime now = wall_of(seq);
    CHECK(reader.runs_of_station("A1", now - seconds(150), now).size() == 1);
    const auto points = reader.series(run, now - seconds(150), now, 30);
    REQUIRE(points.size() > 20);
    CHECK(points.front().seq == seq - 150);
    CHECK(points.back().seq == seq);
  }
  // The later pass has gone over all that the earlier one showed.
  const auto points = Reader(folder.file()).series(run, WallTime::min(), WallTime::max(), 500);
  CHECK(points.front().seq == turn);
  CHECK(points.back().seq == 7000);
  CHECK(std::ranges::is_sorted(points, {}, &SeriesPoint::at));
  const auto before = Reader(folder.file()).series(run, wall_of(1), wall_of(turn - 1), 500);
  CHECK(before.front().test_time_s == 3601.0);
}
