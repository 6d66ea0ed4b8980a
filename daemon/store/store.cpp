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
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "daemon/store/database.h"
#include "daemon/store/look_through.h"
#include "daemon/store/migrations.h"
#include "daemon/store/spool.h"
#include "daemon/store/writer.h"
#include "drivers/pulse.h"

namespace cambench::store {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Seconds longest_commit{30};
constexpr auto disk_is_full =
    "the disk is full: only what stops the runs is still kept; make room and restart";

/// An advisory lock on a file beside the database, held as long as the object lives. A lock on the database itself
/// would be dropped as soon as SQLite closes any descriptor of it. The file also remembers whether its last owner closed
/// the database in order: one that was killed leaves a file to be looked at.
class Lock {
 public:
  explicit Lock(const std::filesystem::path& database) {
    const std::string file = database.string() + ".lock";
    descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor_ < 0)
      throw StoreError(fmt::format("{}: cannot be created: {}; the folder of [store] must be writable", file,
                                   std::strerror(errno)),
                       SQLITE_CANTOPEN);
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      ::close(descriptor_);
      throw StoreError(
          fmt::format("{}: another cambenchd owns this database; stop it first", database.string()),
          SQLITE_BUSY);
    }
    char mark = 0;
    closed_in_order_ = ::pread(descriptor_, &mark, 1, 0) == 1 && mark == closed;
    if (!write_mark(open)) {
      const int why = errno;
      ::close(descriptor_);
      throw StoreError(fmt::format("{}: cannot be written: {}", file, std::strerror(why)), SQLITE_IOERR);
    }
  }
  ~Lock() { ::close(descriptor_); }
  Lock(const Lock&) = delete;

  [[nodiscard]] bool closed_in_order() const { return closed_in_order_; }
  void close_in_order() { (void)write_mark(closed); }  // else the next start looks at the file

 private:
  static constexpr char open = 'o', closed = 'c';

  bool write_mark(char mark) { return ::pwrite(descriptor_, &mark, 1, 0) == 1 && ::fsync(descriptor_) == 0; }

  int descriptor_ = -1;
  bool closed_in_order_ = false;
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
  Database database(file, Database::Mode::read_write);
  require_usable(database);
  database.run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
      "PRAGMA journal_size_limit = 67108864");
  migrate(database);
  return database;
}

std::uint64_t size_of(const std::filesystem::path& file) {
  std::error_code absent;
  const auto size = std::filesystem::file_size(file, absent);
  return absent ? 0 : size;
}

}  // namespace

class Store::Writer {
 public:
  Writer(const std::filesystem::path& path, Settings settings, Store::OnTrouble on_trouble)
      : file(with_parent(path)),
        settings_(settings),
        on_trouble_(std::move(on_trouble)),
        lock_(path),
        database_(open_for_writing(path)),
        rows_(database_),
        ballast_(path, settings.ballast_bytes),
        spool_(path.string() + ".spool", settings.spool_bytes) {
    database_.count_log(log_pages_);
    while (unspool()) continue;  // what the last daemon could not store
    working_ = true;
    thread_ = std::thread([this] { work(); });
    if (!lock_.closed_in_order())
      looking_.emplace(path, [this](const std::string& damage) { trouble(damage, true); });
  }

  ~Writer() {
    const bool looked_through = lock_.closed_in_order() || looking_->found_nothing();
    looking_.reset();
    {
      const std::lock_guard guard(mutex_);
      working_ = false;
    }
    wake_.notify_one();
    thread_.join();
    if (empty_log() && state_.trouble.empty() && looked_through) lock_.close_in_order();
  }

  Result<void> append(Row row) {
    std::unique_lock guard(mutex_);
    if (!takes(row)) return put_aside(row);
    const bool first = begin_waiting();
    waiting_.appended.push_back(waiting_.rows.size());
    waiting_.rows.push_back(std::move(row));
    urgent_ = urgent_ || waiting_.rows.size() >= settings_.group;
    wake(guard, first || urgent_);
    return {};
  }

  /// Taken even when the queue is full: what stops a run must not be lost to the samples in front of it.
  Result<void> commit(std::vector<Row> rows, Store::Done& done) {
    std::unique_lock guard(mutex_);
    if (dead_) return fail(Fault::Kind::storage, state_.trouble);
    begin_waiting();
    std::move(rows.begin(), rows.end(), std::back_inserter(waiting_.rows));
    waiting_.done.push_back(std::move(done));
    urgent_ = true;
    wake(guard, true);
    return {};
  }

  Health health() {
    std::unique_lock guard(mutex_);
    Health now = state_;
    const auto at = Clock::now();
    if (in_work_.rows || !waiting_.empty())
      now.oldest_queued_s = Seconds(at - (in_work_.rows ? in_work_.since : waiting_.since)).count();
    now.last_commit_age_s = Seconds(at - last_commit_).count();
    now.spooled_bytes = now.spooled * Spool::row_bytes;
    if (locked_out_ && now.warning.empty())
      now.warning = fmt::format("another program keeps {} locked, so that nothing can be written; end it",
                                file.string());
    if (now.spooled > 0 && now.warning.empty())
      now.warning = fmt::format("the store is behind: {} samples wait in its spool", now.spooled);
    guard.unlock();
    now.file_bytes = size_of(file);
    now.wal_bytes = size_of(file.string() + "-wal");
    std::error_code unknown;
    const auto space = std::filesystem::space(file, unknown);
    now.disk_free_bytes = unknown ? 0 : space.available;
    now.scarce = !unknown && space.available < settings_.low_disk_bytes / 4;
    if (!unknown && space.available < settings_.low_disk_bytes && now.warning.empty())
      now.warning = fmt::format(
          "only {} MB are free where the store lies ({}); make room, below {} MB no run starts",
          space.available / 1'000'000, file.parent_path().string(), settings_.low_disk_bytes / 4 / 1'000'000);
    return now;
  }

  const std::filesystem::path file;

 private:
  /// Samples that not even the spool could take.
  using Lost = std::map<std::string, Gap>;

  /// What the next transaction will hold, and who is told of it.
  struct Batch {
    std::vector<Row> rows;
    std::vector<std::size_t> appended;  ///< those of the rows that no `done` tells of
    std::vector<Store::Done> done;
    Clock::time_point since;
    [[nodiscard]] bool empty() const { return rows.empty() && done.empty(); }
    /// Keeps the room for the next rows, unless it is that of a crowd.
    void clear(std::size_t usual) {
      done.clear();
      appended.clear();
      rows.clear();
      if (rows.capacity() > 4 * usual) rows.shrink_to_fit();
    }
  };

  static const std::filesystem::path& with_parent(const std::filesystem::path& path) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    return path;
  }

  /// A full disk keeps what is decided, in the reserve, and no more of what is measured.
  [[nodiscard]] bool takes(const Row& row) const {
    const bool measured = std::holds_alternative<SampleRow>(row) || std::holds_alternative<PressureRow>(row);
    return !dead_ && state_.queued < settings_.queue && (state_.trouble.empty() || !measured);
  }

  /// What cannot be taken now.
  Result<void> put_aside(const Row& row) {
    const auto* sample = std::get_if<SampleRow>(&row);
    if (sample && spool_.put(*sample)) {
      state_.spooled = spool_.rows();
      return {};
    }
    if (sample) {
      ++state_.lost;
      lost_[sample->run].add(*sample);
    }
    if (!state_.trouble.empty()) return fail(Fault::Kind::storage, state_.trouble);
    return fail(Fault::Kind::storage,
                fmt::format("the store is {} rows behind and takes no more", state_.queued));
  }

  /// What waited for a write that failed. Whether it is in the file nobody knows: the next start passes over what is.
  void put_aside(const Batch& batch) {
    for (const std::size_t row : batch.appended) {
      const std::lock_guard guard(mutex_);
      (void)put_aside(batch.rows[row]);
    }
  }

  /// True when the writer has to learn that there is something to do.
  bool begin_waiting() {
    if (!waiting_.empty()) return false;
    waiting_.since = Clock::now();
    pulse_.handed_over();
    return true;
  }

  void wake(std::unique_lock<std::mutex>& guard, bool needed) {
    state_.queued = in_work_.rows + waiting_.rows.size();
    guard.unlock();
    if (needed) wake_.notify_one();
  }

  void work() {
    name_this_thread("store");
    Batch batch;
    std::unique_lock guard(mutex_);
    for (;;) {
      wake_.wait(guard, [this] { return !working_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      wake_.wait_until(guard, waiting_.since + settings_.every, [this] { return !working_ || urgent_; });
      std::swap(batch, waiting_);
      urgent_ = false;
      in_work_ = {batch.rows.size(), batch.since};
      guard.unlock();
      const auto began = Clock::now();
      const Result<void> kept = keep(batch);
      if (!kept) put_aside(batch);
      guard.lock();
      account(batch, kept, began);
      guard.unlock();
      for (const Store::Done& done : batch.done) done(kept);
      batch.clear(settings_.group);
      checkpoint_when_due();
      while (kept && unspool()) continue;
      guard.lock();
    }
  }

  /// Another program's lock leaves nothing in doubt: the transaction is tried until it is gone. Who starts or ends the store
  /// does not wait for it.
  template <typename Transact>
  void patiently(const Transact& transact) {
    while (!tried(transact)) continue;
  }

  template <typename Transact>
  bool tried(const Transact& transact) {
    try {
      transact();
    } catch (const StoreError& error) {
      const std::lock_guard guard(mutex_);
      if (error.code != SQLITE_BUSY || !working_) throw;
      pulse_.advanced();
      locked_out_ = true;
      return false;
    }
    const std::lock_guard guard(mutex_);
    locked_out_ = false;
    return true;
  }

  Result<void> keep(const Batch& batch) {
    if (auto dead = cause_of_death()) return fail(Fault::Kind::storage, *dead);
    if (batch.rows.empty()) return {};
    try {
      patiently([&] { write(batch); });
    } catch (const StoreError& error) {
      if (error.code != SQLITE_FULL || !ballast_.release()) return give_up(error);
      return keep_in_reserve(batch);
    }
    return {};
  }

  Result<void> keep_in_reserve(const Batch& batch) {
    try {
      patiently([&] { write(batch); });
    } catch (const StoreError& error) {
      return give_up(error);
    }
    trouble(disk_is_full, false);
    return {};
  }

  Result<void> give_up(const StoreError& error) {
    std::string what = error.what();
    if (error.code == SQLITE_IOERR)
      what += "; nothing more is written: look at the disk (dmesg tells), then start cambenchd again";
    if (error.code == SQLITE_FULL) what += "; nothing more is written: make room and restart";
    if (error.code == SQLITE_BUSY) what += "; end the program that keeps it locked, then restart";
    trouble(what, true);
    return fail(Fault::Kind::storage, what);
  }

  /// Stores some of what was put aside, while the queue is not full again. False when there is nothing more to do.
  bool unspool() {
    std::vector<SampleRow> rows;
    Lost lost;
    {
      const std::lock_guard guard(mutex_);
      if (!state_.trouble.empty() || 2 * waiting_.rows.size() > settings_.queue) return false;
      rows = spool_.take(settings_.group);
      lost = std::exchange(lost_, {});
      if (rows.empty()) spool_.clear();
      state_.spooled = spool_.rows();
    }
    if (rows.empty() && lost.empty()) return false;
    try {
      patiently([&] { write_late(rows, lost); });
      return true;
    } catch (const StoreError& error) {  // they stay in the spool
      return give_up(error).has_value();
    }
  }

  std::optional<std::string> cause_of_death() {
    const std::lock_guard guard(mutex_);
    return dead_ ? std::optional(state_.trouble) : std::nullopt;
  }

  bool in_trouble() {
    const std::lock_guard guard(mutex_);
    return !state_.trouble.empty();
  }

  /// After what was waited for is acknowledged: nobody waits for this. On a full disk the log stays: what it would still
  /// move would take the reserve from what is decided.
  void checkpoint_when_due() {
    if (log_pages_ < settings_.log_pages || in_trouble()) return;
    std::string warning;
    try {
      if (!database_.checkpoint() && log_pages_ > 8 * settings_.log_pages)
        warning = fmt::format(
            "a program that reads {} holds back its log, which has grown to {} MB; end what reads it",
            file.string(), size_of(file.string() + "-wal") / 1'000'000);
    } catch (const StoreError& error) {
      if (error.code != SQLITE_FULL) return (void)give_up(error);
      ballast_.release();  // the log has everything: nothing is in doubt
      trouble(disk_is_full, false);
    }
    const std::lock_guard guard(mutex_);
    state_.warning = warning;
  }

  /// At the end: the one file then holds everything, also when a reader that has it open keeps the log from being removed.
  bool empty_log() {
    try {
      if (!dead_) return database_.empty_log();
    } catch (const StoreError&) {  // the log stays, and the next start looks
    }
    database_.leave_log();
    return false;
  }

  void trouble(const std::string& what, bool dead) {
    bool is_first = false;
    {
      const std::lock_guard guard(mutex_);
      is_first = std::exchange(state_.trouble, what).empty();
      dead_ = dead_ || dead;
    }
    if (is_first && on_trouble_) on_trouble_({Fault::Kind::storage, what});
  }

  void write(const Batch& batch) {
    in_transaction([&] {
      for (const Row& row : batch.rows) rows_.write(row);
    });
  }

  void write_late(const std::vector<SampleRow>& rows, const Lost& lost) {
    in_transaction([&] {
      for (const SampleRow& row : rows) rows_.write_late(row);
      for (const auto& [run, rows_lost] : lost)
        rows_.write(rows_lost.event(run, "the store was behind and its spool full"));
    });
  }

  template <typename Write>
  void in_transaction(const Write& write_rows) {
    try {
      Transaction transaction(database_);
      write_rows();
      rows_.finish();
      transaction.commit();
    } catch (...) {
      rows_.forget();
      throw;
    }
  }

  void account(const Batch& batch, const Result<void>& kept, Clock::time_point began) {
    in_work_ = {};
    waiting_.empty() ? pulse_.rests() : pulse_.advanced();
    state_.queued = waiting_.rows.size();
    if (!kept || batch.rows.empty()) return;
    last_commit_ = Clock::now();
    state_.rows += static_cast<std::int64_t>(batch.rows.size());
    ++state_.commits;
    state_.last_commit_ms = std::chrono::duration<double, std::milli>(last_commit_ - began).count();
    state_.longest_commit_ms = std::max(state_.longest_commit_ms, state_.last_commit_ms);
  }

  const Settings settings_;
  const Store::OnTrouble on_trouble_;
  Lock lock_;
  Database database_;
  int log_pages_ = 0;  // written by database_ at every commit
  RowWriter rows_;
  Ballast ballast_;

  std::mutex mutex_;  // of everything below
  std::condition_variable wake_;
  Spool spool_;
  Lost lost_;
  Batch waiting_;
  struct {
    std::size_t rows = 0;
    Clock::time_point since;
  } in_work_;
  Health state_;
  Clock::time_point last_commit_ = Clock::now();
  bool urgent_ = false;
  bool working_ = false;     // neither at its start nor at its end
  bool locked_out_ = false;  // by another program, just now
  bool dead_ = false;        // not even commits are taken
  Pulse pulse_{"the store", longest_commit};
  std::thread thread_;
  std::optional<LookThrough> looking_;
};

Store::Store(const std::filesystem::path& file, Settings settings, OnTrouble on_trouble)
    : writer_(std::make_unique<Writer>(file, settings, std::move(on_trouble))) {}

Store::~Store() = default;

Result<void> Store::append(Row row) { return writer_->append(std::move(row)); }

void Store::commit(std::vector<Row> rows, Done done) {
  if (auto taken = writer_->commit(std::move(rows), done); !taken) done(taken);
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
