#include "daemon/store/backup.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "daemon/folders.h"
#include "daemon/store/database.h"

namespace cambench::store {

namespace {

void require_durable(const std::filesystem::path& path) {
  if (!make_durable(path))
    throw StoreError(fmt::format("{}: {}", path.string(), std::strerror(errno)), SQLITE_IOERR);
}

/// In one step: while another connection writes, a copy in portions starts again at every commit.
void copy_pages(Database& from, Database& to) {
  sqlite3_backup* copying = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (!copying) to.fail("backup");
  sqlite3_backup_step(copying, -1);
  if (sqlite3_backup_finish(copying) != SQLITE_OK) to.fail("backup");
}

void require_free(const std::filesystem::path& database, const std::filesystem::path& copy) {
  std::error_code absent;
  if (std::filesystem::equivalent(database, copy, absent))
    throw StoreError(
        fmt::format("{} is the database itself; choose another place for the copy", copy.string()),
        SQLITE_MISUSE);
  for (const char* beside : {"-wal", "-journal"})
    if (std::filesystem::exists(copy.string() + beside, absent))
      throw StoreError(
          fmt::format("{0} is a database in use: there is {0}{1}; choose another place for the copy",
                      copy.string(), beside),
          SQLITE_BUSY);
}

}  // namespace

std::uint64_t backup(const std::filesystem::path& database, const std::filesystem::path& copy) {
  require_free(database, copy);
  const std::filesystem::path unfinished = copy.string() + ".unfinished";
  std::error_code ignored;
  std::filesystem::remove(unfinished, ignored);
  try {
    Database from(database, Database::Mode::read_only);
    Database to(unfinished, Database::Mode::read_write);
    copy_pages(from, to);
    to.run("PRAGMA journal_mode = DELETE");  // one file, without a log beside it
    if (const std::string check = to.text("PRAGMA integrity_check(1)"); check != "ok")
      throw StoreError(fmt::format("{}: the copy is damaged: {}", unfinished.string(), check),
                       SQLITE_CORRUPT);
  } catch (...) {
    std::filesystem::remove(unfinished, ignored);
    throw;
  }
  require_durable(unfinished);
  require_free(database, copy);  // once more: copying may have taken minutes
  std::filesystem::rename(unfinished, copy);
  require_durable(copy.parent_path());
  return std::filesystem::file_size(copy);
}

}  // namespace cambench::store
