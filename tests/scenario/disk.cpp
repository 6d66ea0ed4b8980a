// What the disk below a daemon may do, and what a person finds then: the table in systemd/cambenchd.8, line by line.
#include "daemon/store/backup.h"
#include "daemon/store/verify.h"
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;
namespace json = boost::json;

namespace {

/// A bench whose database lies on a disk that does what it is told (tests/scenario/bad_disk).
struct OnDisk : Bench {
  OnDisk() : Bench({.stations = 2, .time_scale = scale}) {
    disk("good");
    environment = {std::string("LD_PRELOAD=") + CAMBENCH_BUILD + "/tests/libbad_disk.so",
                   "CAMBENCH_DISK=" + (folder() / "disk").string()};
    recipe("long", short_recipe(1800, 300, 1.0));
  }
  void disk(const std::string& state) const {
    std::ofstream(folder() / "disk.new") << state;
    fs::rename(folder() / "disk.new", folder() / "disk");
  }
  std::string charge() {
    start();
    const std::string id = run("long");
    until_step(0);
    return id;
  }
  [[nodiscard]] std::string store_says(const char* what) const {
    return std::string(status().at("store").at(what).as_string());
  }
  [[nodiscard]] std::string alarm_of(const std::string& cause) const {
    const auto document = status();
    for (const auto& alarm : document.at("alarms").as_array())
      if (alarm.at("cause").as_string() == cause) return std::string(alarm.at("text").as_string());
    return {};
  }
  struct Told {
    std::string text;
    bool over = false;
  };
  /// Of the bench; each run that it tripped has its own.
  [[nodiscard]] std::vector<Told> store_failures() const {
    std::vector<Told> told;
    const auto document = status();
    for (const auto& alarm : document.at("alarms").as_array())
      if (alarm.at("cause").as_string() == "store_failed" && alarm.at("station").as_string().empty())
        told.push_back({std::string(alarm.at("text").as_string()), !alarm.at("cleared").is_null()});
    return told;
  }
  /// Why a run cannot be started on the other station.
  [[nodiscard]] std::string refusal() const { return Bench::refusal("long", "A2"); }
  /// A start that is refused; what it said.
  std::string refused_start() {
    fs::remove(folder() / "daemon.err");
    launch();
    CHECK(daemon().wait() == 1);
    const auto said = contents(folder() / "daemon.err");
    CHECK(lines_of(said).size() == 1);
    return said;
  }
  void stop() { CHECK(daemon().end(SIGTERM) == 0); }
  /// Nothing that was shown is missing, and the whole database is as it must be.
  void check_whole(const std::string& id, std::size_t shown) const {
    CHECK(samples(id).size() >= shown);
    const auto seen = store::verify(database());
    for (const auto& [where, what] : seen.breaches) FAIL_CHECK(where << ": " << what);
  }
};

bool says(const std::string& text, const char* words) { return text.find(words) != std::string::npos; }

http::Reply bring(const Bench& bench, const std::string& csv) {
  return bench.post(
      "/api/v1/imports",
      {{"file", "rate.csv"}, {"csv", csv}, {"cell", "R-A1"}, {"voltage_is", "we_vs_re"}, {"who", "anna"}});
}

/// A charge of so many rows, ten seconds apart.
std::string csv_of(int rows, int first_mV = 3000) {
  std::string text = "test_time,step_time,cycle_index,step_index,current,voltage\n";
  for (int i = 1; i <= rows; ++i)
    text += fmt::format("{0},{0},1,1,0.001,{1:.6f}\n", 10 * i, 1e-3 * first_mV + 1e-7 * i);
  return text;
}

}  // namespace

TEST_CASE("a full disk opens the cell, the reason is kept in the reserve, and nothing is lost") {
  OnDisk bench;
  const std::string id = bench.charge();
  const auto shown = bench.samples(id).size();
  bench.disk("full");
  until("the cell is open", [&] { return !bench.cell_is_on(); });
  bench.until_state("tripped");  // in the store too
  CHECK(bench.happened(id, "tripped store_failed"));
  CHECK(says(bench.store_says("trouble"), "the disk is full"));
  CHECK(says(bench.store_says("trouble"), "make room and restart"));
  CHECK(says(bench.alarm_of("store_failed"), "the disk is full"));
  CHECK_FALSE(fs::exists(bench.database().string() + ".ballast"));
  CHECK(says(bench.log(), "the disk is full"));
  CHECK(bench.order(id, "abort").empty());
  CHECK_MESSAGE(says(bench.refusal(), "the disk is full"), bench.refusal());
  bench.stop();

  bench.disk("good");
  bench.start();
  CHECK(bench.store_says("trouble").empty());
  CHECK(fs::exists(bench.database().string() + ".ballast"));
  CHECK(bench.reader().run(id)->phase == "aborted");
  bench.check_whole(id, shown);
  CHECK(bench.refusal().empty());
}

TEST_CASE(
    "a disk that cannot be written any more opens the cell, and the next start has all that was shown") {
  const char* state = "";
  SUBCASE("an fsync fails") { state = "bad-sync"; }
  SUBCASE("it was remounted read-only") { state = "read-only"; }
  OnDisk bench;
  const std::string id = bench.charge();
  const auto shown = bench.samples(id).size();
  bench.disk(state);
  until("the cell is open", [&] { return !bench.cell_is_on(); });
  until("people are told", [&] { return !bench.alarm_of("store_failed").empty(); });
  CHECK(says(bench.alarm_of("store_failed"), "disk I/O error"));
  CHECK(says(bench.store_says("trouble"), "look at the disk (dmesg tells), then start cambenchd again"));
  CHECK(says(bench.refusal(), "disk I/O error"));
  bench.disk("good");  // and yet nobody knows what is there: nothing is tried twice
  CHECK(says(bench.refusal(), "disk I/O error"));
  CHECK_FALSE(bench.cell_is_on());
  bench.stop();

  bench.start();
  bench.until_state("tripped");  // why its program ended nobody could write down
  CHECK(bench.happened(id, "tripped unknown_end"));
  CHECK_FALSE(bench.cell_is_on());
  bench.check_whole(id, shown);
}

TEST_CASE("a disk that is read-only at the start is refused in a sentence") {
  OnDisk bench;
  bench.disk("read-only");
  const auto said = bench.refused_start();
  CHECK_MESSAGE(says(said, "Read-only file system"), said);
}

TEST_CASE("little space is told while a run goes on, and with less no other is started") {
  OnDisk bench;
  const std::string id = bench.charge();
  bench.disk("free 700");
  until("people are told", [&] { return says(bench.alarm_of("store_behind"), "only 700 MB are free"); });
  const auto so_far = static_cast<int>(bench.samples(id).size());
  bench.until_step(0, "A1", so_far + 5);
  CHECK(bench.cell_is_on());
  CHECK(bench.order(id, "abort").empty());
  bench.until_state("aborted");
  bench.disk("free 100");
  CHECK(says(bench.refusal(), "nearly full: make room before anything new is started"));
  bench.disk("good");
  CHECK(bench.refusal().empty());
}

TEST_CASE("behind a program that reads and never ends the log grows, people are told, and all is kept") {
  OnDisk bench;
  bench.start();
  {
    store::Database stuck(bench.database(), store::Database::Mode::read_only);
    store::Transaction forgotten(stuck, store::Transaction::Kind::read);
    CHECK(stuck.number("SELECT count(*) FROM sample") == 0);
    for (int i = 0; i < 8 && bench.alarm_of("store_behind").empty(); ++i)
      REQUIRE(bring(bench, csv_of(100'000, 3000 + i)).status == 201);
    until("people are told", [&] { return !bench.alarm_of("store_behind").empty(); });
    CHECK_MESSAGE(says(bench.alarm_of("store_behind"), "holds back its log"), bench.alarm_of("store_behind"));
    CHECK(says(bench.alarm_of("store_behind"), "end what reads it"));
    CHECK(bench.status().at("ready").as_bool());
  }
  REQUIRE(bring(bench, csv_of(10'000, 3100)).status == 201);
  until("the log is in the database", [&] { return bench.store_says("warning").empty(); });
  CHECK(bench.reader().runs().front().phase == "finished");
}

TEST_CASE("a stall that is over ends its alarm, and the next one is told") {
  OnDisk bench;
  (void)bench.charge();
  for (std::size_t stall = 1; stall <= 2; ++stall) {
    {
      store::Database another(bench.database(), store::Database::Mode::read_write);
      const store::Transaction uncommitted(another);
      until("people are told", [&] { return bench.store_failures().size() == stall; });
      CHECK(says(bench.store_failures().back().text, "nothing has been written for"));
      CHECK_FALSE(bench.store_failures().back().over);
      CHECK(says(bench.alarm_of("store_behind"), "another program keeps"));
      until("the cell is open", [&] { return !bench.cell_is_on(); });
      if (stall == 2) bench.disk("read-only");
    }
    until("it is over", [&] { return bench.store_failures().at(stall - 1).over; });
  }
  until("what it ended in is told", [&] { return bench.store_failures().size() == 3; });
  CHECK(says(bench.store_failures().back().text, "disk I/O error"));
  CHECK_FALSE(bench.store_failures().back().over);
}

TEST_CASE("the file of a daemon that was stopped holds everything, copied alone") {
  OnDisk bench;
  bench.start();
  REQUIRE(bring(bench, csv_of(2000)).status == 201);
  bench.stop();
  const fs::path alone = bench.folder() / "alone.sqlite";
  fs::copy_file(bench.database(), alone);
  store::Reader reader(alone);
  REQUIRE(reader.runs().size() == 1);
  CHECK(reader.runs().front().phase == "finished");
  CHECK(reader.last_seq(reader.runs().front().id) == 2000);
}

TEST_CASE("a database of a newer version is refused in a sentence, and left as it is") {
  OnDisk bench;
  bench.start();
  bench.stop();
  store::Database(bench.database(), store::Database::Mode::read_write).run("PRAGMA user_version = 99");
  const auto before = contents(bench.database());
  const auto said = bench.refused_start();
  CHECK_MESSAGE(says(said, "schema version 99"), said);
  CHECK_MESSAGE(says(said, "use the newer cambench that wrote it"), said);
  CHECK(contents(bench.database()) == before);
}

TEST_CASE("a damaged database is told soon after the start and left alone; a backup in its place goes on") {
  OnDisk bench;
  bench.start();
  REQUIRE(bring(bench, csv_of(2000)).status == 201);
  const fs::path copy = bench.folder() / "copy.sqlite";
  store::backup(bench.database(), copy);  // while the daemon runs
  bench.stop();
  std::int64_t page = 0;
  {
    store::Database database(bench.database(), store::Database::Mode::read_only);
    page = database.number("SELECT max(pageno) FROM dbstat WHERE name = 'sample' AND pagetype = 'leaf'");
  }
  REQUIRE(page > 1);
  {
    std::fstream file(bench.database(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp((page - 1) * 4096);
    file << std::string(4096, '\xA5');
  }
  const auto before = contents(bench.database());
  fs::remove(bench.database().string() + ".lock");  // as after a crash
  bench.launch();
  until("people are told", [&] { return bench.answers() && !bench.alarm_of("store_failed").empty(); });
  CHECK(says(bench.alarm_of("store_failed"), "the database is damaged"));
  CHECK(says(bench.alarm_of("store_failed"), "keep the file and restore a backup"));
  CHECK(says(bench.refusal(), "the database is damaged"));
  bench.stop();
  CHECK(contents(bench.database()) == before);

  fs::copy_file(copy, bench.database(), fs::copy_options::overwrite_existing);
  for (const char* beside : {"-wal", "-shm"}) fs::remove(bench.database().string() + beside);
  bench.start();
  CHECK(store::verify(bench.database()).breaches.empty());
  CHECK(bench.reader().runs().front().phase == "finished");
  CHECK(bench.refusal().empty());
}

TEST_CASE("a rate test that could not be kept is refused for that reason, and brought after the restart") {
  OnDisk bench;
  bench.start();
  const auto csv = csv_of(2000);
  bench.disk("bad-sync");
  for (int times = 0; times < 2; ++times) {
    const auto refused = bring(bench, csv);
    CHECK_FALSE(refused.ok());
    CHECK_MESSAGE(says(http::complaint(refused), "disk I/O error"), http::complaint(refused));
  }
  bench.disk("good");
  bench.stop();
  bench.start();
  const auto brought = bring(bench, csv);
  CHECK_MESSAGE(brought.status == 201, brought.body);
  CHECK(bench.reader().runs().front().phase == "finished");
}
