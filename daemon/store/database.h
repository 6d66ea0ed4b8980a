// SQLite behind RAII. Everything throws StoreError with one sentence; nothing here knows the tables.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace cambench::store {

struct StoreError : std::runtime_error {
  StoreError(const std::string& what, int result_code) : std::runtime_error(what), code(result_code) {}
  int code;                                 ///< SQLite's primary result code, e.g. SQLITE_FULL
  [[nodiscard]] bool tells_damage() const;  ///< the file is no whole database any more
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  Database(const std::filesystem::path& file, Mode mode);
  ~Database();
  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;

  void run(const std::string& sql);  ///< any number of statements, results dropped
  [[nodiscard]] std::int64_t number(const std::string& sql);
  [[nodiscard]] std::string text(const std::string& sql);
  /// After every commit `pages` becomes what the write-ahead log holds, and SQLite's automatic checkpoint, which passes
  /// over a disk that fails in silence, is off. `pages` must outlive this.
  void count_log(int& pages);
  /// Moves the log's pages into the database, as far as readers and other programs that move them allow; the log begins
  /// anew once all are. True: all.
  bool checkpoint();
  /// Moves all of them and makes the log an empty file, as soon as no reader stands in it; waits two seconds for that.
  bool empty_log();
  /// Closing leaves the log beside the database. After a failed fsync only a new connection may use it: recovery reads
  /// the log from the disk and believes checksums, a checkpoint would believe pages that never got there.
  void leave_log();
  [[nodiscard]] sqlite3* handle() const { return handle_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[noreturn]] void fail(std::string_view doing) const;

 private:
  sqlite3* handle_ = nullptr;
  std::filesystem::path file_;
};

/// One prepared statement, used again and again. Parameters and columns count from 1 and 0, as in SQLite.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);  ///< NaN is stored as NULL
  Statement& bind(int parameter, std::string_view value);
  Statement& bind_null(int parameter);
  template <typename T>
  Statement& bind(int parameter, const std::optional<T>& value) {
    return value ? bind(parameter, *value) : bind_null(parameter);
  }
  Statement& bind(int parameter, const std::string& value) {
    return bind(parameter, std::string_view(value));
  }

  bool step();  ///< true: a row is there
  void run();   ///< steps to the end and resets
  void reset();

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::optional<double> maybe_real(int column) const;
  [[nodiscard]] std::optional<std::string> maybe_text(int column) const;

 private:
  Database* database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// Rolls back unless committed.
class Transaction {
 public:
  enum class Kind { write, read };
  explicit Transaction(Database& database, Kind kind = Kind::write);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace cambench::store
