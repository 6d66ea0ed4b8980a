// The watched drop folder on a real file system. Deliveries are waited for, never times.
#include "daemon/jobs/watcher.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>

#include "tests/analysis/folder.h"

using namespace cambench;
using namespace cambench::jobs;
namespace fs = std::filesystem;

namespace {

/// What was told, and a wait for it.
class Told {
 public:
  void add(Sighting seen) {
    const std::lock_guard guard(mutex_);
    for (const auto& delivery : seen.deliveries) delivered_.push_back(delivery.study);
    last_ = std::move(seen);
    changed_.notify_all();
  }
  [[nodiscard]] std::size_t deliveries_of(const std::string& study) {
    const std::lock_guard guard(mutex_);
    return count(study);
  }
  void wait_for(const std::string& study, std::size_t times) {
    std::unique_lock guard(mutex_);
    REQUIRE(changed_.wait_for(guard, std::chrono::seconds(20), [&] { return count(study) == times; }));
  }
  void wait_for_trouble(bool there) {
    std::unique_lock guard(mutex_);
    REQUIRE(
        changed_.wait_for(guard, std::chrono::seconds(20), [&] { return last_.trouble.empty() != there; }));
  }
  void wait_for_unreadable(const std::map<std::string, std::string>& folders) {
    std::unique_lock guard(mutex_);
    REQUIRE(changed_.wait_for(guard, std::chrono::seconds(20), [&] { return last_.unreadable == folders; }));
  }
  void wait_for_arriving(const std::string& path) {
    std::unique_lock guard(mutex_);
    REQUIRE(changed_.wait_for(guard, std::chrono::seconds(20), [&] {
      return std::ranges::any_of(
          last_.arriving, [&](const auto& study) { return std::ranges::count(study.second, path) > 0; });
    }));
  }

 private:
  std::size_t count(const std::string& study) const {
    return static_cast<std::size_t>(std::ranges::count(delivered_, study));
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> delivered_;
  Sighting last_;
};

/// On this thread and those that it begins, as long as this lives: root may read whatever its mode says.
struct AsNobody {
  uid_t before = static_cast<uid_t>(::setfsuid(::geteuid() == 0 ? 65534 : ::geteuid()));
  ~AsNobody() { ::setfsuid(before); }
};

struct Watched {
  tests::Folder folder;
  Told told;
  Watcher watcher{folder.path, Seconds(0.03), Seconds(0.5),
                  [this](Sighting seen) { told.add(std::move(seen)); }};

  void put(const std::string& file) const {
    fs::create_directories((folder.path / file).parent_path());
    std::ofstream(folder.path / file) << "1 2 3";
  }
  void rename(const std::string& from, const std::string& to) const {
    fs::rename(folder.path / from, folder.path / to);
  }
  /// Somebody who has begun a file and pauses.
  std::ofstream begin(const std::string& file) {
    std::ofstream writer(folder.path / file);
    writer << "1 2" << std::flush;
    told.wait_for_arriving(file);
    return writer;
  }
  /// Other studies settle one after the other: the pause is five times that.
  void expect_no_other_delivery_of(const std::string& study) {
    for (int other = 0; other < 5; ++other) {
      put(fmt::format("other {}/a/cycled/x.txt", other));
      told.wait_for(fmt::format("other {}", other), 1);
      CHECK(told.deliveries_of(study) == 1);
    }
  }
};

}  // namespace

TEST_CASE(
    "a file whose writer pauses is delivered when he closes it, not before, and holds up no other study") {
  Watched drop;
  drop.put("slow/a/cycled/whole.txt");
  drop.told.wait_for("slow", 1);
  auto writer = drop.begin("slow/a/cycled/late.txt");
  drop.expect_no_other_delivery_of("slow");
  SUBCASE("closed") { writer.close(); }
  SUBCASE("renamed, as copiers do at their end") {
    drop.rename("slow/a/cycled/late.txt", "slow/a/cycled/done.txt");
  }
  drop.told.wait_for("slow", 2);
}

TEST_CASE(
    "a study that was renamed and written to is delivered under its new name when its writer has closed") {
  Watched drop;
  drop.put("old/a/cycled/x.txt");
  drop.told.wait_for("old", 1);
  drop.rename("old", "new");
  drop.told.wait_for("new", 1);
  auto writer = drop.begin("new/a/cycled/late.txt");
  drop.expect_no_other_delivery_of("new");
  writer.close();
  drop.told.wait_for("new", 2);
}

TEST_CASE(
    "a folder that cannot be made is told, made once it can be, and not made again after it was there") {
  const tests::Folder folder;
  const fs::path share = folder.path / "share", drop = share / "drop";
  std::ofstream(share) << "no folder can be made in a file";
  Told told;
  const Watcher watcher{drop, Seconds(0.03), Seconds(0.05),
                        [&](Sighting seen) { told.add(std::move(seen)); }};
  told.wait_for_trouble(true);
  fs::remove(share);
  told.wait_for_trouble(false);
  CHECK(fs::is_directory(drop));
  fs::remove_all(share);  // a share that was there and is lost must not look like an empty one
  told.wait_for_trouble(true);
  CHECK_FALSE(fs::exists(share));
}

TEST_CASE("a folder that may not be read is named and holds up its own study only") {
  tests::Folder folder;
  fs::permissions(folder.path, fs::perms(0755));
  const auto locked = folder.path / "locked" / "ncm" / "private";
  for (const auto& path : {locked, folder.path / "coatings", folder.path / "lost+found"}) {
    fs::create_directories(path);
    std::ofstream(path / "x.txt") << "1 2 3";
  }
  for (const auto& path : {locked, folder.path / "lost+found"}) fs::permissions(path, fs::perms::none);
  {
    Told told;
    const AsNobody as_nobody;
    const Watcher watcher(folder.path, Seconds(0.03), Seconds(0.1),
                          [&](Sighting seen) { told.add(std::move(seen)); });
    told.wait_for("coatings", 1);
    told.wait_for_unreadable({{"locked", locked.string() + ": Permission denied"}});
    CHECK(told.deliveries_of("locked") == 0);
    ::setfsuid(as_nobody.before);
    fs::permissions(locked, fs::perms(0755));
    told.wait_for("locked", 1);
    told.wait_for_unreadable({});
  }
  fs::permissions(folder.path / "lost+found", fs::perms(0755));
}
