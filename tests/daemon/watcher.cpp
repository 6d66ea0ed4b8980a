// The watched drop folder on a real file system. Deliveries are waited for, never times.
#include "daemon/jobs/watcher.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

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

void put(const fs::path& file) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "1 2 3";
}

}  // namespace

TEST_CASE(
    "a file whose writer pauses is delivered when he closes it, not before, and holds up no other study") {
  const tests::Folder folder;
  Told told;
  const Watcher watcher(folder.path, Seconds(0.03), Seconds(0.5),
                        [&](Sighting seen) { told.add(std::move(seen)); });
  put(folder.path / "slow/a/cycled/whole.txt");
  told.wait_for("slow", 1);
  std::ofstream writer(folder.path / "slow/a/cycled/late.txt");
  writer << "1 2" << std::flush;
  told.wait_for_arriving("slow/a/cycled/late.txt");
  for (int other = 0; other < 5; ++other) {  // each settles: the pause is five times that
    put(folder.path / fmt::format("other {}", other) / "a/cycled/x.txt");
    told.wait_for(fmt::format("other {}", other), 1);
    CHECK(told.deliveries_of("slow") == 1);
  }
  SUBCASE("closed") { writer.close(); }
  SUBCASE("renamed, as copiers do at their end") {
    fs::rename(folder.path / "slow/a/cycled/late.txt", folder.path / "slow/a/cycled/done.txt");
  }
  told.wait_for("slow", 2);
}

TEST_CASE(
    "a study that was renamed and written to is delivered under its new name when its writer has closed") {
  const tests::Folder folder;
  Told told;
  const Watcher watcher(folder.path, Seconds(0.03), Seconds(0.5),
                        [&](Sighting seen) { told.add(std::move(seen)); });
  put(folder.path / "old/a/cycled/x.txt");
  told.wait_for("old", 1);
  fs::rename(folder.path / "old", folder.path / "new");
  told.wait_for("new", 1);
  std::ofstream writer(folder.path / "new/a/cycled/late.txt");
  writer << "1 2" << std::flush;
  told.wait_for_arriving("new/a/cycled/late.txt");
  for (int other = 0; other < 5; ++other) {
    put(folder.path / fmt::format("other {}", other) / "a/cycled/x.txt");
    told.wait_for(fmt::format("other {}", other), 1);
    CHECK(told.deliveries_of("new") == 1);
  }
  writer.close();
  told.wait_for("new", 2);
}
