// The disk below the store as a test wants it: an SQLite VFS between SQLite and the file system. It can write down every
// file operation in order, so that the current may be cut anywhere in between, and it can fail as disks fail.
//
// The shared memory beside a database (-shm) goes straight through: no start believes what is in it.
#pragma once
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace cambench::test {

/// What was asked of the disk.
struct Operation {
  enum class Kind { create, write, truncate, sync, remove } kind{};
  std::string file;         ///< its name without the folder
  std::int64_t offset = 0;  ///< of a write; the new size of a truncated file
  std::string bytes;        ///< of a write
};

class Disk {
 public:
  Disk() : below_(sqlite3_vfs_find(nullptr)) {
    static_cast<sqlite3_vfs&>(vfs_) = *below_;
    vfs_.zName = "disk of a test";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = open;
    vfs_.xDelete = remove;
    vfs_.xSleep = sleep;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~Disk() {
    sqlite3_vfs_register(below_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }
  Disk(const Disk&) = delete;

  // ---- faults; may be changed at any time -------------------------------------------------------------------

  std::atomic<std::int64_t> room = std::int64_t{1} << 60;  ///< bytes by which files may still grow
  std::atomic<int> bad_syncs_of_log = 0;       ///< so many fsyncs fail from now on, then they succeed again
  std::atomic<int> bad_syncs_of_database = 0;  ///< the same for the database itself
  std::atomic<bool> read_only = false;         ///< as after "remount-ro": every write fails
  std::atomic<bool> real_syncs = true;         ///< false: an fsync succeeds without waiting for the real disk

  std::atomic<std::int64_t> locked_us =
      0;                               ///< so long another program writes; passes while SQLite waits for it
  std::function<void()> while_locked;  ///< on the thread that waits
  std::atomic<bool> log_is_being_moved = false;  ///< by another program

  [[nodiscard]] std::int64_t writes() const { return writes_; }  ///< writes, syncs, truncations so far

  // ---- the tape ---------------------------------------------------------------------------------------------

  void record() { recording_ = true; }
  std::vector<Operation> stop() {
    const std::lock_guard guard(mutex_);
    recording_ = false;
    return std::exchange(tape_, {});
  }
  /// How many operations are on the tape: what is promised now was promised after them.
  [[nodiscard]] std::size_t moment() {
    const std::lock_guard guard(mutex_);
    return tape_.size();
  }

 private:
  struct File : sqlite3_file {
    Disk* disk;
    const char* name;  // of SQLite, as long as the file is open
    [[nodiscard]] sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static File& of(sqlite3_file* file) { return *static_cast<File*>(file); }

  void note(Operation::Kind kind, const char* path, std::int64_t offset = 0, std::string bytes = {}) {
    ++writes_;
    if (!recording_ || !path) return;
    const std::lock_guard guard(mutex_);
    tape_.push_back({kind, std::filesystem::path(path).filename().string(), offset, std::move(bytes)});
  }

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* opened) {
    auto& disk = *static_cast<Disk*>(vfs->pAppData);
    File& self = of(file);
    self.pMethods = nullptr;
    self.disk = &disk;
    self.name = name;
    const bool is_new = name && !std::filesystem::exists(name);
    const int code = disk.below_->xOpen(disk.below_, name, self.below(), flags, opened);
    if (code != SQLITE_OK) return code;
    self.pMethods = methods();
    if (is_new) disk.note(Operation::Kind::create, name);
    return code;
  }

  static int remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
    auto& disk = *static_cast<Disk*>(vfs->pAppData);
    if (disk.read_only) return SQLITE_IOERR_DELETE;
    disk.note(Operation::Kind::remove, name);
    return disk.below_->xDelete(disk.below_, name, disk.real_syncs ? sync_folder : 0);
  }

  /// SQLite waits for another program, and that is all the time that there is.
  static int sleep(sqlite3_vfs* vfs, int us) {
    auto& disk = *static_cast<Disk*>(vfs->pAppData);
    disk.locked_us -= us;
    if (disk.while_locked) disk.while_locked();
    return us;
  }

  static int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    File& self = of(file);
    Disk& disk = *self.disk;
    if (disk.read_only) return SQLITE_IOERR_WRITE;
    sqlite3_int64 size = 0;
    if (self.below()->pMethods->xFileSize(self.below(), &size) != SQLITE_OK) return SQLITE_IOERR_WRITE;
    const std::int64_t more = offset + count - size;
    if (more > 0 && disk.room.fetch_sub(more) < more) {
      disk.room += more;
      return SQLITE_FULL;
    }
    disk.note(Operation::Kind::write, self.name, offset,
              std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(count)));
    return self.below()->pMethods->xWrite(self.below(), bytes, count, offset);
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    File& self = of(file);
    if (self.disk->read_only) return SQLITE_IOERR_TRUNCATE;
    self.disk->note(Operation::Kind::truncate, self.name, size);
    return self.below()->pMethods->xTruncate(self.below(), size);
  }

  static int sync(sqlite3_file* file, int flags) {
    File& self = of(file);
    const bool is_log = self.name && std::string_view(self.name).ends_with("-wal");
    auto& bad_syncs = is_log ? self.disk->bad_syncs_of_log : self.disk->bad_syncs_of_database;
    if (bad_syncs > 0) {
      --bad_syncs;
      return SQLITE_IOERR_FSYNC;
    }
    self.disk->note(Operation::Kind::sync, self.name);
    if (!self.disk->real_syncs) return SQLITE_OK;
    return self.below()->pMethods->xSync(self.below(), flags);
  }

  /// Everything else is passed on.
  template <auto Method, typename... Arguments>
  static auto pass(sqlite3_file* file, Arguments... arguments) {
    sqlite3_file* below = of(file).below();
    return (below->pMethods->*Method)(below, arguments...);
  }

  static int lock_log(sqlite3_file* file, int offset, int count, int flags) {
    constexpr int to_write = 0, to_move = 1;  // WAL_WRITE_LOCK, WAL_CKPT_LOCK
    const Disk& disk = *of(file).disk;
    if (flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) &&
        ((offset == to_write && disk.locked_us > 0) || (offset == to_move && disk.log_is_being_moved)))
      return SQLITE_BUSY;
    return pass<&sqlite3_io_methods::xShmLock>(file, offset, count, flags);
  }

  static const sqlite3_io_methods* methods() {
    using M = sqlite3_io_methods;
    static const sqlite3_io_methods all = [] {
      M m{};
      m.iVersion = 2;  // without mapping files into memory, which nobody could see
      m.xClose = [](sqlite3_file* f) { return pass<&M::xClose>(f); };
      m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
        return pass<&M::xRead>(f, to, n, at);
      };
      m.xWrite = write;
      m.xTruncate = truncate;
      m.xSync = sync;
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return pass<&M::xFileSize>(f, size); };
      m.xLock = [](sqlite3_file* f, int lock) { return pass<&M::xLock>(f, lock); };
      m.xUnlock = [](sqlite3_file* f, int lock) { return pass<&M::xUnlock>(f, lock); };
      m.xCheckReservedLock = [](sqlite3_file* f, int* out) { return pass<&M::xCheckReservedLock>(f, out); };
      m.xFileControl = [](sqlite3_file* f, int what, void* arg) {
        return pass<&M::xFileControl>(f, what, arg);
      };
      m.xSectorSize = [](sqlite3_file* f) { return pass<&M::xSectorSize>(f); };
      m.xDeviceCharacteristics = [](sqlite3_file* f) { return pass<&M::xDeviceCharacteristics>(f); };
      m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** at) {
        return pass<&M::xShmMap>(f, page, size, extend, at);
      };
      m.xShmLock = lock_log;
      m.xShmBarrier = [](sqlite3_file* f) { pass<&M::xShmBarrier>(f); };
      m.xShmUnmap = [](sqlite3_file* f, int gone) { return pass<&M::xShmUnmap>(f, gone); };
      return m;
    }();
    return &all;
  }

  sqlite3_vfs* below_;
  sqlite3_vfs vfs_{};
  std::atomic<std::int64_t> writes_ = 0;
  std::atomic<bool> recording_ = false;
  std::mutex mutex_;
  std::vector<Operation> tape_;
};

/// What lies on the platter after any part of a tape: of every file what was synced, and what was asked of it since.
class Platter {
 public:
  using Random = std::mt19937_64;
  static constexpr std::int64_t sector = 512;

  void apply(const Operation& operation) {
    File& file = files_[operation.file];
    file.waiting.push_back(&operation);
    if (operation.kind != Operation::Kind::sync) return;
    if (file.waiting.front()->kind == Operation::Kind::create) sync_folder();
    for (const Operation* waiting : file.waiting) carry_out(*waiting, file.content);
    file.waiting.clear();
  }

  /// The files after the current was cut. What was not synced is, file by file: all there, all lost, there up to some
  /// operation, or sector by sector there, lost or garbage, which is also how a disk that reorders looks.
  [[nodiscard]] std::map<std::string, std::string> cut(Random& random) const {
    std::map<std::string, std::string> left;
    for (const auto& [name, file] : files_)
      if (auto content = survives(file, random)) left[name] = std::move(*content);
    return left;
  }

 private:
  using Content = std::optional<std::string>;  // nothing: no such file
  struct File {
    Content content;
    std::vector<const Operation*> waiting;
  };
  enum class Fate { kept, lost, up_to_one, sectors };

  /// SQLite syncs the folder with the first sync of a new journal or log: what was created or removed before, is.
  void sync_folder() {
    for (auto& [name, file] : files_) {
      const auto removed = std::find_if(file.waiting.rbegin(), file.waiting.rend(), [](const Operation* o) {
        return o->kind == Operation::Kind::remove;
      });
      if (removed != file.waiting.rend()) {
        file.content.reset();
        file.waiting.erase(file.waiting.begin(), removed.base());
      }
      if (file.waiting.empty() || file.waiting.front()->kind != Operation::Kind::create) continue;
      file.content = file.content.value_or("");
      file.waiting.erase(file.waiting.begin());
    }
  }

  static void carry_out(const Operation& operation, Content& content) {
    switch (operation.kind) {
      case Operation::Kind::create: content = content.value_or(""); return;
      case Operation::Kind::remove: content.reset(); return;
      case Operation::Kind::sync: return;
      case Operation::Kind::truncate:
        content.emplace(content.value_or("")).resize(static_cast<std::size_t>(operation.offset));
        return;
      case Operation::Kind::write: put(content, operation.offset, operation.bytes);
    }
  }

  static void put(Content& content, std::int64_t offset, std::string_view bytes) {
    std::string& text = content ? *content : content.emplace();
    const auto at = static_cast<std::size_t>(offset);
    if (text.size() < at + bytes.size()) text.resize(at + bytes.size());
    std::memcpy(text.data() + at, bytes.data(), bytes.size());
  }

  static Content survives(const File& file, Random& random) {
    Content content = file.content;
    if (file.waiting.empty()) return content;
    const auto fate = static_cast<Fate>(random() % 4);
    const std::size_t until = fate == Fate::up_to_one ? random() % file.waiting.size() : file.waiting.size();
    if (fate == Fate::lost) return content;
    for (std::size_t i = 0; i < until; ++i)
      if (fate == Fate::sectors)
        carry_out_in_part(*file.waiting[i], content, random);
      else
        carry_out(*file.waiting[i], content);
    if (fate == Fate::up_to_one) carry_out_in_part(*file.waiting[until], content, random);
    return content;
  }

  static void carry_out_in_part(const Operation& operation, Content& content, Random& random) {
    if (operation.kind != Operation::Kind::write) {
      if (random() % 2) carry_out(operation, content);
      return;
    }
    const auto end = operation.offset + static_cast<std::int64_t>(operation.bytes.size());
    for (std::int64_t at = operation.offset; at < end;) {
      const std::int64_t next = std::min(end, (at / sector + 1) * sector);
      std::string part = operation.bytes.substr(static_cast<std::size_t>(at - operation.offset),
                                                static_cast<std::size_t>(next - at));
      const auto chance = random() % 8;
      if (chance == 0)
        for (char& c : part) c = static_cast<char>(random());
      if (chance < 5) put(content, at, part);
      at = next;
    }
  }

  std::map<std::string, File> files_;
};

}  // namespace cambench::test
