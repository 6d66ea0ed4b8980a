// What the store cannot take goes to its spool, and from there into the tables: late, once, and never in silence.
#include "daemon/store/spool.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <future>

#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "tests/daemon/disk.h"

using namespace cambench;
using namespace cambench::store;

namespace {

constexpr std::size_t head = 4096, record = 128;
constexpr std::size_t room_for(std::size_t rows) { return head + rows * record; }

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cambench-spool-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  [[nodiscard]] std::filesystem::path file() const { return path / "bench.sqlite"; }
  [[nodiscard]] std::filesystem::path spool() const { return path / "bench.sqlite.spool"; }
};

SampleRow sample(std::int64_t seq) {
  SampleRow row{
      .run = "r000001", .seq = seq, .test_time = Seconds(static_cast<double>(seq)), .cycle = 2, .sample = {}};
  row.sample.step = 4;
  row.sample.step_time = row.test_time;
  row.sample.we_vs_re = Volt(3.1);
  row.sample.current = Ampere(3.6e-3);
  row.sample.status = reading_status::underload;
  row.sample.at = {Instant(std::chrono::seconds(seq)), WallTime(std::chrono::seconds(1000 + seq))};
  return row;
}

RunRow a_run() {
  RunRow row;
  row.id = "r000001";
  row.station = "A1";
  row.recipe = row.recipe_hash = "x";
  row.recipe_text = "{}";
  row.who = "anna";
  row.phase = "running";
  return row;
}

Result<void> committed(Store& store, std::vector<Row> rows) {
  std::promise<Result<void>> promise;
  store.commit(std::move(rows), [&](Result<void> kept) { promise.set_value(kept); });
  return promise.get_future().get();
}

/// A queue that is full with five rows, and no commit by itself.
Settings slow(std::size_t rows_in_spool) {
  return {.queue = 5,
          .group = 1000,
          .every = std::chrono::hours(1),
          .spool_bytes = room_for(rows_in_spool),
          .low_disk_bytes = 0};
}

void check_there(const std::filesystem::path& file, std::int64_t count, std::int64_t late_from) {
  Reader reader(file);
  const auto rows = reader.samples("r000001");
  REQUIRE(std::ssize(rows) == count);
  for (std::int64_t i = 0; i < count; ++i) {
    const SampleRow& row = rows[static_cast<std::size_t>(i)];
    const SampleRow sent = sample(i + 1);
    CHECK(row.seq == sent.seq);
    CHECK(row.sample.we_vs_re == sent.sample.we_vs_re);
    CHECK_FALSE(row.sample.cell.has_value());
    CHECK(row.sample.at.wall == sent.sample.at.wall);
    CHECK(((row.sample.status & reading_status::late) != 0) == (row.seq >= late_from));
    CHECK((row.sample.status & reading_status::underload) != 0);
  }
  const auto steps = reader.steps("r000001");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].summary.samples == count);
  CHECK(steps[0].summary.charge.charge_Ah == doctest::Approx(1e-6 * static_cast<double>(count)));
}

}  // namespace

TEST_CASE(
    "rows come out of a spool as they went in, also after a restart, and not again once they were cleared") {
  const Folder folder;
  {
    Spool spool(folder.spool(), room_for(100));
    for (std::int64_t seq = 1; seq <= 30; ++seq) REQUIRE(spool.put(sample(seq)));
    CHECK(spool.take(10).size() == 10);  // taken and not cleared: the daemon dies here
  }
  Spool spool(folder.spool(), room_for(100));
  CHECK(spool.rows() == 30);
  const auto rows = spool.take(1000);
  REQUIRE(rows.size() == 30);
  for (const SampleRow& row : rows) {
    const SampleRow sent = sample(&row - rows.data() + 1);
    CHECK(row.run == sent.run);
    CHECK(row.seq == sent.seq);
    CHECK(row.cycle == 2);
    CHECK(row.sample.step == 4);
    CHECK(row.sample.current == sent.sample.current);
    CHECK_FALSE(row.sample.current_set.has_value());
    CHECK(row.sample.at.steady == sent.sample.at.steady);
  }
  spool.clear();
  REQUIRE(spool.put(sample(99)));
  Spool again(folder.spool(), room_for(100));
  const auto left = again.take(1000);
  REQUIRE(left.size() == 1);  // nothing of the older 30, which still stand behind it in the file
  CHECK(left[0].seq == 99);
}

TEST_CASE("a spool has its bound, its space from the start, and no use for damaged records") {
  const Folder folder;
  {
    Spool spool(folder.spool(), room_for(3));
    CHECK(std::filesystem::file_size(folder.spool()) == room_for(3));
    for (std::int64_t seq = 1; seq <= 3; ++seq) CHECK(spool.put(sample(seq)));
    CHECK_FALSE(spool.put(sample(4)));
  }
  std::fstream(folder.spool(), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(head + record + 60)
      .put('x');
  Spool spool(folder.spool(), room_for(3));
  CHECK(spool.rows() == 1);
  Spool none(folder.path / "none", 0);
  CHECK_FALSE(none.put(sample(1)));
  CHECK_FALSE(std::filesystem::exists(folder.path / "none"));
}

TEST_CASE("samples in front of a full queue are stored late and once, and a run's charge misses nothing") {
  const Folder folder;
  Store store(folder.file(), slow(100));
  REQUIRE(committed(store, {a_run()}));
  for (std::int64_t seq = 1; seq <= 50; ++seq) REQUIRE(store.append(sample(seq)));
  CHECK(store.health().spooled == 45);
  CHECK(store.health().lost == 0);
  CHECK_FALSE(store.health().warning.empty());
  REQUIRE(committed(store, {PhaseRow{"r000001", "running", std::nullopt}}));
  REQUIRE(store.flush());
  CHECK(store.health().spooled == 0);
  CHECK(store.health().warning.empty());
  check_there(folder.file(), 50, 6);
}

TEST_CASE("what not even the spool can take is refused, and its loss is an event of the run") {
  const Folder folder;
  Store store(folder.file(), slow(10));
  REQUIRE(committed(store, {a_run()}));
  for (std::int64_t seq = 1; seq <= 15; ++seq) REQUIRE(store.append(sample(seq)));
  for (std::int64_t seq = 16; seq <= 18; ++seq) {
    const auto refused = store.append(sample(seq));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Fault::Kind::storage);
  }
  CHECK(store.health().lost == 3);
  CHECK(store.health().spooled_bytes == store.health().spooled * 128);
  REQUIRE(committed(store, {PhaseRow{"r000001", "tripped", std::nullopt}}));
  REQUIRE(store.flush());
  check_there(folder.file(), 15, 6);
  const auto events = Reader(folder.file()).events_of("r000001");
  REQUIRE(events.size() == 1);
  CHECK(events[0].row.kind == "gap");
  CHECK(events[0].row.text.value_or("").find("3 samples (numbers 16 to 18) are lost") != std::string::npos);
}

TEST_CASE("samples that came after the store had failed are there after the next start, once") {
  const Folder folder;
  Settings settings{.every = std::chrono::milliseconds(1), .spool_bytes = room_for(100)};
  {
    Store store(folder.file(), settings);
    REQUIRE(committed(store, {a_run()}));
    for (std::int64_t seq = 1; seq <= 5; ++seq) REQUIRE(store.append(sample(seq)));
    REQUIRE(store.flush());
    CHECK_FALSE(committed(store, {a_run()}));  // the same run twice: the schema refuses it, the store stops
    CHECK_FALSE(store.health().trouble.empty());
    for (std::int64_t seq = 6; seq <= 20; ++seq) REQUIRE(store.append(sample(seq)));
  }
  const auto kept = std::filesystem::path(folder.spool()).concat(".kept");
  std::filesystem::copy_file(folder.spool(), kept);
  { const Store store(folder.file(), settings); }
  check_there(folder.file(), 20, 6);
  std::filesystem::rename(kept, folder.spool());  // as if it had died between commit and clear
  { const Store store(folder.file(), settings); }
  check_there(folder.file(), 20, 6);
}

TEST_CASE("samples that waited when a write failed are there after the next start, once") {
  const Folder folder;
  std::int64_t late_from = 4;
  SampleRow brought = sample(1);
  brought.run = "i0123456789";
  {
    test::Disk disk;
    Store store(folder.file(), slow(100));
    REQUIRE(committed(store, {a_run()}));
    for (std::int64_t seq = 1; seq <= 3; ++seq) REQUIRE(store.append(sample(seq)));
    REQUIRE(store.flush());
    for (std::int64_t seq = 4; seq <= 8; ++seq) REQUIRE(store.append(sample(seq)));
    SUBCASE("and it never reached the disk") { disk.read_only = true; }
    SUBCASE("and only its fsync did") {
      disk.bad_syncs_of_log = 1;
      late_from = 9;
    }
    CHECK_FALSE(committed(store, {brought}));  // who brings it is told, and brings it again
    REQUIRE(store.append(sample(9)));
    CHECK(store.health().spooled == 6);
    CHECK(store.health().lost == 0);
  }
  { const Store store(folder.file(), slow(100)); }
  check_there(folder.file(), 9, late_from);
  if (late_from == 4) CHECK(Reader(folder.file()).samples(brought.run).empty());
}

TEST_CASE(
    "a sample whose number is taken is left out alone: the first one stays, its run says so, and all go on") {
  const Folder folder;
  {
    Store store(folder.file(), {.every = std::chrono::milliseconds(1)});
    REQUIRE(committed(store, {a_run()}));
    REQUIRE(store.append(sample(5)));
    REQUIRE(store.flush());
    SampleRow again = sample(5);
    again.sample.cell = Volt(9);
    REQUIRE(store.append(again));
    REQUIRE(store.append(sample(6)));
    CHECK(store.flush());
    CHECK(store.health().trouble.empty());
  }
  Reader reader(folder.file());
  const auto rows = reader.samples("r000001");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].sample.cell == sample(5).sample.cell);
  const auto events = reader.events_of("r000001");
  REQUIRE(events.size() == 1);
  CHECK(events[0].row.kind == "gap");
  CHECK(events[0].row.text.value_or("") ==
        "1 samples (numbers 5 to 5) are lost: their numbers were taken by others");
}
