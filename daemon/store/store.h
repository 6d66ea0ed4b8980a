// The memory of the bench: one SQLite file, one thread that writes it.
//
// WAL with synchronous=FULL: what was acknowledged survives kill -9 and a power cut. Samples are appended and
// committed as a group, every 150 ms or 1000 rows; transitions, trips and acknowledged orders are committed at
// once, together with every sample that was appended before them. The one connection of this thread does all
// writing and all checkpoints (SQLite 3.40.1 has a race when two do). The queue is bounded: a full queue is a
// fault that the caller hears, never a wait.
//
// What the disk may do, and what then happens (tests/daemon/store_disk.cpp, store_power_cut.cpp):
//   power cut, kill -9   Nothing acknowledged is lost; what waited (at most `every`, 150 ms) is. The spool is written without
//                        waiting for the disk: kill -9 takes nothing of it, a power cut may take its last seconds.
//   little space         Below `low_disk_bytes` `warning` says so, below a quarter of it no run is started any more.
//   disk full            The ballast is given back, what waits is kept, and from then on only what is decided is taken, with
//                        the readings around a trip, so that a run can still be stopped and the reason recorded. Samples
//                        go to the spool, whose space is its own already, until that is full too; pressures are refused.
//                        The same when it shows at a checkpoint, which leaves the log as it is; there is no other then.
//   a failed fsync,      The end of this connection: nobody knows what is there, so nothing is tried twice and nothing more
//   write or checkpoint  is written, not even at the end. The log stays beside the database; the next start recovers from
//                        it what the disk really has.
//   read-only            Refused at the start; later it is a failed write.
//   another program's    Everything waits and is tried again until the lock is gone; after two seconds `warning` says so.
//   lock
//   a stuck reader       The log grows behind it and `warning` says so, which the daemon raises as an alarm; samples are
//                        kept. It shrinks once the reader is gone.
//   a damaged file       No database at all, or damage where the start has to read: refused. After a crash a thread looks
//                        through the rest while the store works already: what a crash may have torn is in the log with its
//                        checksums, so only a disk that lied about an fsync, or aged, can show here, and waiting would not
//                        mend it. Damage found is trouble like a failed write: runs are made safe, the file is left alone.
//   a newer version's,   Refused with a sentence; nothing is changed.
//   another program's,
//   another daemon's
//
// Samples that cannot be taken (queue full, disk full, store failed), and those that waited for a write that failed, go to
// a spool of fixed size and are stored with the status `late`: after a full queue as soon as there is room, after a full
// disk or a failure at the next start. They are never there twice. What commit() was given goes nowhere: `done` tells.
// `warning` says how many wait; those that not even the spool could take are `lost`, and a gap of their run once the store
// takes rows again.
//
// Threading: append() and commit() may be called from any thread. `done` and `on_trouble` are called on the writer
// thread (`on_trouble` on the looking thread when that finds damage); `done` of a commit that is refused outright on the
// caller's.
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
  int log_pages = 2000;         ///< of 4 KiB in the write-ahead log make a checkpoint due
  std::size_t spool_bytes = 0;  ///< of the file for samples that cannot be taken; 0: there is none
  std::size_t ballast_bytes =
      4 << 20;  ///< given back when the disk is full, so that the reason can be recorded
  std::uint64_t low_disk_bytes =
      1 << 30;  ///< less free space than this is a warning, a quarter of it `scarce`
};

struct Health {
  std::int64_t rows = 0, commits = 0;
  std::size_t queued = 0;
  std::size_t spooled = 0;  ///< samples in the spool, which will be stored late
  std::uint64_t spooled_bytes = 0;
  std::int64_t lost = 0;       ///< samples that not even the spool could take
  double oldest_queued_s = 0;  ///< age of the oldest row that is not durable yet
  double last_commit_ms = 0, longest_commit_ms = 0;
  double last_commit_age_s = 0;  ///< since the last commit that had something to write, or the start
  std::uint64_t file_bytes = 0, wal_bytes = 0, disk_free_bytes = 0;
  std::string trouble;  ///< why samples are not kept any more; empty when all is well
  std::string warning;  ///< what will become trouble when nobody acts
  bool scarce = false;  ///< so little space is free that nothing new should begin
};

class Store {
 public:
  using Done = std::function<void(Result<void>)>;
  using OnTrouble = std::function<void(const Fault&)>;

  /// Opens or creates the file, takes its lock, migrates it, and starts the writer. Throws StoreError when it is refused.
  /// `on_trouble` is called once, when the store can no longer keep samples.
  explicit Store(const std::filesystem::path& file, Settings settings = {}, OnTrouble on_trouble = {});
  ~Store();  ///< commits what waits
  Store(const Store&) = delete;

  /// Keeps a row with the next group. When the queue is full or the store has failed, a sample goes to the spool; refused
  /// when that is full too, and then the loss is an event "gap" of its run.
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
