#include "daemon/store/store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include "daemon/store/database.h"
#include "daemon/store/migrations.h"
#include "daemon/store/writer.h"

namespace cambench::store {

namespace {

using Clock = std::chrono::steady_clock;

/// An advisory lock on a file beside the database, held as long as the object lives. A lock on the database itself
/// would be dropped as soon as SQLite closes any descriptor of it.
class Lock {
 public:
  explicit Lock(const std::filesystem::path& database) {
    const std::string file = database.string() + ".lock";
    descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor_ < 0)
      throw StoreError(fmt::format("{}: cannot be created: {}", file, std::strerror(errno)), SQLITE_CANTOPEN);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw StoreError(
          fmt::format("{}: another cambenchd owns this database; stop it first", database.string()),
          SQLITE_BUSY);
    }
  }
  ~Lock() { ::close(descriptor_); }
  Lock(const Lock&) = delete;

 private:
  int descriptor_ = -1;
};

/// A file that is given back when the disk is full, so that the store can still record why it stopped.
class Ballast {
 public:
  Ballast(const std::filesystem::path& database, std::size_t bytes) : file_(database.string() + ".ballast") {
    const int descriptor = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0) return;
    held_ = ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes)) == 0;
    ::close(descriptor);
  }
  /// True when there was something to give back.
  bool release() {
    if (!held_) return false;
    held_ = false;
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
    return true;
  }

 private:
  std::string file_;
  bool held_ = false;
};

Database open_for_writing(const std::filesystem::path& file) {
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  Database database(file, Database::Mode::read_write);
  database.run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
      "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 2000");
  migrate(database);
  if (const std::string check = database.text("PRAGMA quick_check(1)"); check != "ok")
    throw StoreError(fmt::format("{}: the database is damaged ({}); keep the file and restore a backup",
                                 file.string(), check),
                     SQLITE_CORRUPT);
  return database;
}

}  // namespace

struct Store::Writer {
  Writer(const std::filesystem::path& path, Settings s)
      : file(path),
        settings(s),
        lock((create_parent(path), path)),
        ballast(path, s.ballast_bytes),
        database(open_for_writing(path)),
        rows(database),
        thread([this] { work(); }) {}

  ~Writer() {
    {
      const std::lock_guard guard(mutex);
      ending = true;
    }
    wake.notify_one();
    thread.join();
  }

  static void create_parent(const std::filesystem::path& path) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  }

  struct Waiting {
    std::vector<Row> rows;
    Store::Done done;  ///< empty for samples
    Clock::time_point since;
  };

  Result<void> push(std::vector<Row> more, Store::Done done) {
    const std::size_t count = more.size();
    {
      const std::lock_guard guard(mutex);
      if (!state.trouble.empty())
        return fail(Fault::Kind::storage, "nothing is kept any more: " + state.trouble);
      if (state.queued + count > settings.queue && !done) {
        ++state.refused;
        return fail(Fault::Kind::storage,
                    fmt::format("the store is {} rows behind and takes no more", state.queued));
      }
      state.queued += count;
      urgent = urgent || done != nullptr || state.queued >= settings.group;
      queue.push_back({std::move(more), std::move(done), Clock::now()});
      if (!urgent) return {};
    }
    wake.notify_one();
    return {};
  }

  void work() {
    std::unique_lock guard(mutex);
    for (;;) {
      wake.wait_for(guard, settings.every, [&] { return urgent || ending; });
      if (queue.empty()) {
        if (ending) return;
        continue;
      }
      std::deque<Waiting> batch = std::exchange(queue, {});
      urgent = false;
      guard.unlock();
      const auto began = Clock::now();
      const Result<void> kept = keep(batch);
      const double took_ms = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
      guard.lock();
      account(batch, kept, took_ms);
      guard.unlock();
      for (const Waiting& waiting : batch)
        if (waiting.done) waiting.done(kept);
      guard.lock();
    }
  }

  Result<void> keep(const std::deque<Waiting>& batch) {
    try {
      write(batch);
      return {};
    } catch (const StoreError& error) {
      if (error.code == SQLITE_FULL && ballast.release()) return keep_after_ballast(batch);
      return fail(Fault::Kind::storage, error.what());
    }
  }

  /// The disk is full: what waits is still kept in the space of the ballast, and that was the last time.
  Result<void> keep_after_ballast(const std::deque<Waiting>& batch) {
    try {
      write(batch);
      return fail(Fault::Kind::storage, "the disk is full; the last rows went into the reserve");
    } catch (const StoreError& error) {
      return fail(Fault::Kind::storage, error.what());
    }
  }

  void write(const std::deque<Waiting>& batch) {
    Transaction transaction(database);
    for (const Waiting& waiting : batch)
      for (const Row& row : waiting.rows) rows.write(row);
    transaction.commit();
  }

  void account(const std::deque<Waiting>& batch, const Result<void>& kept, double took_ms) {
    std::size_t count = 0;
    for (const Waiting& waiting : batch) count += waiting.rows.size();
    state.queued -= count;
    if (kept) {
      state.rows += static_cast<std::int64_t>(count);
      ++state.commits;
      state.last_commit_ms = took_ms;
      state.longest_commit_ms = std::max(state.longest_commit_ms, took_ms);
    } else {
      state.trouble = kept.error().what;
    }
  }

  Health health() {
    const std::lock_guard guard(mutex);
    Health now = state;
    if (!queue.empty()) now.oldest_queued_s = Seconds(Clock::now() - queue.front().since).count();
    return now;
  }

  std::filesystem::path file;
  Settings settings;
  Lock lock;
  Ballast ballast;
  Database database;
  RowWriter rows;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Waiting> queue;
  Health state;
  bool urgent = false, ending = false;
  std::thread thread;
};

Store::Store(const std::filesystem::path& file, Settings settings)
    : writer_(std::make_unique<Writer>(file, settings)) {}

Store::~Store() = default;

Result<void> Store::append(Row row) {
  std::vector<Row> one;
  one.push_back(std::move(row));
  return writer_->push(std::move(one), nullptr);
}

void Store::commit(std::vector<Row> rows, Done done) {
  if (auto taken = writer_->push(std::move(rows), done); !taken) done(taken);
}

Result<void> Store::flush() {
  auto kept = std::make_shared<std::promise<Result<void>>>();
  auto answer = kept->get_future();
  commit({}, [kept](Result<void> result) { kept->set_value(std::move(result)); });
  return answer.get();
}

Health Store::health() const { return writer_->health(); }
const std::filesystem::path& Store::file() const { return writer_->file; }

}  // namespace cambench::store
