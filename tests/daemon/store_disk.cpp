// What the disk may do to the store, and what then happens: the table at the head of daemon/store/store.h.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <optional>

#include "daemon/store/database.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "daemon/store/verify.h"
#include "tests/daemon/disk.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::store;
using namespace cambench::test;

namespace {

const std::string run = "r000001";

/// A store with `count` acknowledged samples.
struct Filled {
  Store store;
  std::int64_t acknowledged = 0;

  Filled(const Folder& folder, Settings settings, Store::OnTrouble on_trouble = {})
      : store(folder.file(), settings, std::move(on_trouble)) {
    REQUIRE(committed(store, {a_run(run)}));
  }
  /// True when all of them were acknowledged.
  bool add(int count) {
    for (int i = 0; i < count; ++i)
      if (!store.append(a_sample(run, ++sent_))) return false;
    if (!store.flush()) return false;
    acknowledged = sent_;
    return true;
  }

 private:
  std::int64_t sent_ = 0;
};

Settings at_once() {
  return {.every = std::chrono::hours(1), .log_pages = 40, .ballast_bytes = 0, .low_disk_bytes = 0};
}

/// Opens the store as the next start does, and says how many samples are there; the file must be whole.
std::int64_t samples_after_restart(const Folder& folder) {
  { Store store(folder.file()); }
  const auto seen = verify(folder.file());
  CHECK_MESSAGE(seen.breaches.empty(), seen.breaches.at(0).what);
  return Reader(folder.file()).last_seq(run);
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("on a full disk without a reserve the store says so, and what was acknowledged is there") {
  Folder folder(in_memory());
  std::int64_t acknowledged = 0;
  {
    Disk disk;
    Filled filled(folder, at_once());
    disk.room = 300'000;
    while (filled.add(50) && filled.acknowledged < 100'000) {
    }
    acknowledged = filled.acknowledged;
    CHECK_MESSAGE(filled.store.health().trouble.find("full") != std::string::npos,
                  filled.store.health().trouble);
  }
  CHECK(acknowledged > 100);
  CHECK(acknowledged < 100'000);
  CHECK(samples_after_restart(folder) == acknowledged);
}

TEST_CASE("a disk that is full when the log is moved into the database keeps the stop and every order") {
  Folder folder(in_memory());
  std::int64_t acknowledged = 0;
  int told = 0;
  {
    Disk disk;
    Settings settings = at_once();
    settings.ballast_bytes = 1 << 20;
    settings.spool_bytes = 1 << 20;
    Filled filled(folder, settings, [&](const Fault& fault) {
      CHECK_MESSAGE(fault.what.find("the disk is full") != std::string::npos, fault.what);
      CHECK_FALSE(std::filesystem::exists(folder.file().string() + ".ballast"));
      disk.room = 1 << 20;  // what the reserve has left
      ++told;
    });
    const auto log = [&] { return filled.store.health().wal_bytes; };
    const auto database = [&] { return filled.store.health().file_bytes; };
    for (int moved = 0; moved < 3;) {  // from the second time on the log has its size
      const auto before = database();
      REQUIRE(filled.add(50));
      REQUIRE(filled.store.flush());
      moved += database() > before;
    }
    disk.room = 0;
    const auto had = log();
    while (told == 0) {
      REQUIRE(filled.add(50));
      REQUIRE(filled.store.flush());  // behind the move of the log
    }
    CHECK(log() == had);
    acknowledged = filled.acknowledged;
    for (int order = 0; order < 20; ++order) REQUIRE(committed(filled.store, {an_event(run, "ordered")}));
    REQUIRE(committed(filled.store, {an_event(run, "tripped"), PhaseRow{run, "tripped", std::nullopt}}));
    CHECK(filled.store.append(a_sample(run, acknowledged + 1)));
    CHECK(filled.store.health().spooled == 1);
    CHECK(told == 1);
  }
  {
    Reader reader(folder.file());
    CHECK(reader.events_of(run).size() == 21);
    CHECK(reader.run(run)->phase == "tripped");
    CHECK(reader.last_seq(run) == acknowledged);
  }
  Store store(folder.file(), {.spool_bytes = 1 << 20});
  CHECK(store.health().trouble.empty());
  REQUIRE(store.flush());
  CHECK(Reader(folder.file()).last_seq(run) == acknowledged + 1);
}

TEST_CASE("a disk that becomes read-only ends the store, and loses nothing that was acknowledged") {
  Folder folder(in_memory());
  {
    Disk disk;
    std::promise<std::string> told;
    Filled filled(folder, at_once(), [&](const Fault& fault) { told.set_value(fault.what); });
    REQUIRE(filled.add(100));
    disk.read_only = true;
    CHECK_FALSE(filled.add(100));
    const std::string what = told.get_future().get();
    CHECK_MESSAGE(what.find("disk I/O error") != std::string::npos, what);
    CHECK_MESSAGE(what.find("look at the disk") != std::string::npos, what);
    disk.read_only = false;
    CHECK_FALSE(filled.add(1));  // the operator repairs and restarts; nothing resumes by itself
  }
  CHECK(samples_after_restart(folder) == 100);
}

TEST_CASE("a store on a read-only file system is refused at the start") {
  Folder folder;
  constexpr int no_mount = 99;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=32m") != 0)
      ::_exit(no_mount);
    { Store store(folder.file()); }
    if (::mount(nullptr, folder.path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      ::_exit(no_mount);
    try {
      Store store(folder.file());
    } catch (const StoreError& error) {
      const std::string what = error.what();
      ::_exit(what.find("Read-only file system") != std::string::npos ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_mount) {
    MESSAGE("skipped: no file system can be mounted here");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("after a failed fsync nothing more is written, and the next start finds what the disk has") {
  Folder folder(in_memory());
  std::vector<Operation> tape;
  std::int64_t acknowledged = 0;
  bool at_a_commit = false;
  SUBCASE("of the log, at a commit") { at_a_commit = true; }
  SUBCASE("of the database, at a checkpoint: the commit before it stands"){} {
    Disk disk;
    disk.record();
    std::optional<Filled> filled(std::in_place, folder, at_once());
    REQUIRE(filled->add(200));
    (at_a_commit ? disk.bad_syncs_of_log : disk.bad_syncs_of_database) = 1;
    while (filled->add(20)) REQUIRE(filled->acknowledged < 100'000);
    acknowledged = filled->acknowledged;
    CHECK((acknowledged == 200) == at_a_commit);
    CHECK(disk.bad_syncs_of_log + disk.bad_syncs_of_database == 0);
    const auto writes = disk.writes();
    CHECK_FALSE(filled->add(1));  // the next fsync would succeed, and prove nothing
    CHECK_FALSE(committed(filled->store, {an_event(run, "held")}));
    CHECK_FALSE(filled->store.health().trouble.empty());
    filled.reset();
    CHECK(disk.writes() == writes);
    tape = disk.stop();
  }
  // With any part of what was not synced, and with the pages that the kernel still has.
  Platter platter;
  for (const Operation& operation : tape) platter.apply(operation);
  Platter::Random random(1);
  for (int i = 0; i < 30; ++i) {
    Folder after(in_memory());
    for (const auto& [name, bytes] : platter.cut(random))
      std::ofstream(after.path / name, std::ios::binary) << bytes;
    CHECK(samples_after_restart(after) >= acknowledged);
  }
  CHECK(samples_after_restart(folder) >= acknowledged);
}

TEST_CASE(
    "behind a stuck reader the log grows, people can know why, and it stops growing when the reader is "
    "gone") {
  Folder folder(in_memory());
  Disk disk;
  disk.real_syncs = false;
  Filled filled(folder, at_once());
  REQUIRE(filled.add(100));
  {
    Database stuck(folder.file(), Database::Mode::read_only);
    Transaction forgotten(stuck, Transaction::Kind::read);
    CHECK(stuck.number("SELECT count(*) FROM sample") == 100);
    for (int i = 0; i < 200; ++i) REQUIRE(filled.add(10));
    REQUIRE(filled.store.flush());
    CHECK_MESSAGE(filled.store.health().warning.find("end what reads it") != std::string::npos,
                  filled.store.health().warning);
    CHECK(filled.store.health().wal_bytes > 8 * 40 * 4096);
    CHECK(stuck.number("SELECT count(*) FROM sample") == 100);
  }
  REQUIRE(filled.add(10));
  REQUIRE(filled.store.flush());
  const auto grown = filled.store.health().wal_bytes;
  for (int i = 0; i < 100; ++i) REQUIRE(filled.add(10));
  CHECK(filled.store.health().wal_bytes == grown);
  CHECK(filled.store.health().warning.empty());
  CHECK(filled.store.health().trouble.empty());
}

TEST_CASE("a lock of another program for 3 s costs no run") {
  Folder folder(in_memory());
  Disk disk;
  bool told = false;
  Filled filled(folder, at_once(), [&](const Fault&) { told = true; });
  REQUIRE(filled.add(10));
  std::string warning;
  disk.while_locked = [&] { warning = filled.store.health().warning; };
  disk.locked_us = 3'000'000;
  CHECK(filled.add(50));
  CHECK_MESSAGE(warning.find("another program keeps") != std::string::npos, warning);
  CHECK(committed(filled.store, {an_event(run, "held")}));
  CHECK(disk.locked_us <= 0);
  CHECK_FALSE(told);
  CHECK(filled.store.health().trouble.empty());
  CHECK(filled.store.health().warning.empty());
  CHECK(Reader(folder.file()).last_seq(run) == 60);
}

TEST_CASE("a lock that outlasts the store ends it, and what waited is there after the next start") {
  Folder folder(in_memory());
  Settings settings = at_once();
  settings.spool_bytes = 1 << 20;
  {
    Disk disk;
    std::optional<Filled> filled(std::in_place, folder, settings);
    REQUIRE(filled->add(10));
    for (int seq = 11; seq <= 20; ++seq) REQUIRE(filled->store.append(a_sample(run, seq)));
    disk.locked_us = std::int64_t{1} << 60;
    filled.reset();
  }
  Store store(folder.file(), settings);
  CHECK(Reader(folder.file()).last_seq(run) == 20);
}

TEST_CASE("another program that moves the log into the database is waited for, and is no trouble") {
  Folder folder(in_memory());
  Disk disk;
  Filled filled(folder, at_once());
  disk.log_is_being_moved = true;
  for (int i = 0; i < 20; ++i) REQUIRE(filled.add(50));
  REQUIRE(filled.store.flush());
  CHECK(filled.store.health().trouble.empty());
  const auto before = filled.store.health().file_bytes;
  disk.log_is_being_moved = false;
  REQUIRE(filled.add(1));
  REQUIRE(filled.store.flush());
  CHECK(filled.store.health().file_bytes > before);
}

TEST_CASE("a newer database and another program's are refused, and not a byte of them is changed") {
  Folder folder;
  SUBCASE("newer") {
    { Store store(folder.file()); }
    Database(folder.file(), Database::Mode::read_write).run("PRAGMA user_version = 99");
  }
  SUBCASE("another program's") {
    Database(folder.file(), Database::Mode::read_write)
        .run("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
  }
  const std::string before = bytes_of(folder.file());
  CHECK_THROWS_AS(Store(folder.file()), StoreError);
  CHECK(bytes_of(folder.file()) == before);
  CHECK_FALSE(std::filesystem::exists(folder.file().string() + "-wal"));
}

TEST_CASE("damage after a crash is found while the store works, told, and the file is left alone") {
  Folder folder;
  {
    Filled filled(folder, at_once());
    for (int i = 0; i < 20; ++i) REQUIRE(filled.add(100));
  }
  std::int64_t page = 0, pages = 0;
  {
    Database database(folder.file(), Database::Mode::read_only);
    page = database.number("SELECT max(pageno) FROM dbstat WHERE name = 'sample' AND pagetype = 'leaf'");
    pages = database.number("PRAGMA page_count");
  }
  REQUIRE(page > 1);
  REQUIRE(page <= pages);
  std::fstream file(folder.file(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp((page - 1) * 4096);
  file << std::string(4096, '\xA5') << std::flush;

  CHECK_FALSE(verify(folder.file()).breaches.empty());
  for (int start = 0; start < 2; ++start) {
    // As after a crash; a store that found damage does not close in order, so the second start looks again by itself.
    if (start == 0) std::filesystem::remove(folder.file().string() + ".lock");
    const std::string before = bytes_of(folder.file());
    {
      std::promise<std::string> told;
      Store store(folder.file(), {}, [&](const Fault& fault) { told.set_value(fault.what); });
      const std::string what = told.get_future().get();
      CHECK_MESSAGE(what.find("is damaged") != std::string::npos, what);
      CHECK_MESSAGE(what.find("restore a backup") != std::string::npos, what);
      CHECK_FALSE(committed(store, {an_event(run, "held")}));
    }
    CHECK(bytes_of(folder.file()) == before);
  }
}

TEST_CASE("damage where the start has to read is refused") {
  Folder folder;
  { Store store(folder.file()); }
  std::fstream file(folder.file(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(100);  // the first page of the schema, behind the file's header
  file << std::string(2000, '\xA5') << std::flush;
  CHECK_THROWS_AS(Store(folder.file()), StoreError);
}
