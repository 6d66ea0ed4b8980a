// The memory of the bench: one SQLite file, one thread that writes it.
//
// WAL with synchronous=FULL: what was acknowledged survives kill -9 and a power cut. Samples are appended and
// committed as a group, every 150 ms or 1000 rows; transitions, trips and acknowledged orders are committed at
// once, together with every sample that was appended before them. The one connection of this thread does all
// writing and all checkpoints (SQLite 3.40.1 has a race when two do). The queue is bounded: a full queue is a
// fault that the caller hears, never a wait.
//
// The first failure of the disk ends it: after a failed fsync nobody knows what is there, so nothing is tried twice, and
// a restart looks at the file. A full disk is the exception: the ballast is given back, what waits is kept, and from
// then on only commit() is taken, so that a run can still be stopped and the reason recorded.
//
// Threading: append() and commit() may be called from any thread. `done` and `on_trouble` are called on the writer
// thread; `done` of a commit that is refused outright on the caller's.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/store/rows.h"
#include "schema/result.h"

namespace cambench::store {

struct Settings {
  std::size_t queue = 100'000;  ///< rows that may wait
  std::size_t group = 1000;     ///< rows that make a commit due
  std::chrono::milliseconds every{150};
  std::size_t ballast_bytes =
      4 << 20;  ///< given back when the disk is full, so that the reason can be recorded
};

struct Health {
  std::int64_t rows = 0, commits = 0, refused = 0;
  std::size_t queued = 0;
  double oldest_queued_s = 0;  ///< age of the oldest row that is not durable yet
  double last_commit_ms = 0, longest_commit_ms = 0;
  double last_commit_age_s = 0;  ///< since the last commit that had something to write, or the start
  std::uint64_t file_bytes = 0, wal_bytes = 0, disk_free_bytes = 0;
  std::string trouble;  ///< why samples are not kept any more; empty when all is well
};

class Store {
 public:
  using Done = std::function<void(Result<void>)>;
  using OnTrouble = std::function<void(const Fault&)>;

  /// Opens or creates the file, takes its lock, migrates it, and starts the writer. Throws StoreError when another
  /// daemon owns it, when it is not ours, newer than this program, or damaged. `on_trouble` is called once, when the
  /// store can no longer keep samples.
  explicit Store(const std::filesystem::path& file, Settings settings = {}, OnTrouble on_trouble = {});
  ~Store();  ///< commits what waits
  Store(const Store&) = delete;

  /// Keeps a row with the next group. Refused when the queue is full or the store has failed.
  Result<void> append(Row row);

  /// Keeps these rows, and all appended before, at once and together; then calls `done`.
  void commit(std::vector<Row> rows, Done done);

  /// Waits until everything handed over so far is durable.
  Result<void> flush();

  [[nodiscard]] Health health() const;
  [[nodiscard]] const std::filesystem::path& file() const;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace cambench::store
