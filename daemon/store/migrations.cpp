#include "daemon/store/migrations.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <array>

#include "daemon/store/backup.h"

namespace cambench {
std::string_view embedded_sql(std::string_view file);  // schema/sql
}

namespace cambench::store {

namespace {

void require_ours(Database& database, std::int64_t version, std::size_t newest) {
  const std::int64_t id = database.number("PRAGMA application_id");
  const std::int64_t tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (id != application_id && (tables > 0 || id != 0))
    throw StoreError(fmt::format("{} is a database of another program; choose another path in [store]",
                                 database.file().string()),
                     SQLITE_NOTADB);
  if (version < 0 || static_cast<std::size_t>(version) > newest)
    throw StoreError(
        fmt::format(
            "{} has schema version {}, this program knows up to {}: use the newer cambench that wrote it",
            database.file().string(), version, newest),
        SQLITE_SCHEMA);
}

}  // namespace

std::span<const std::string_view> schema_scripts() {
  // Never edited once released.
  static const std::array scripts{embedded_sql("001_initial.sql"), embedded_sql("002_trips.sql")};
  return scripts;
}

void migrate(Database& database, std::span<const std::string_view> scripts) {
  const std::int64_t version = database.number("PRAGMA user_version");
  require_ours(database, version, scripts.size());
  const auto todo = scripts.subspan(static_cast<std::size_t>(version));
  if (todo.empty()) return;
  if (version > 0) backup(database.file(), database.file().string() + fmt::format(".v{}", version));
  Transaction transaction(database);
  for (const std::string_view script : todo) database.run(std::string(script));
  database.run(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, scripts.size()));
  transaction.commit();
}

void require_usable(Database& database) {
  std::int64_t version = 0;
  try {
    version = database.number("PRAGMA user_version");
  } catch (const StoreError& error) {
    if (error.code != SQLITE_NOTADB) throw;
    throw StoreError(
        fmt::format("{}: this file is no database; move it away or choose another path in [store]",
                    database.file().string()),
        error.code);
  }
  require_ours(database, version, schema_scripts().size());
}

void require_current(Database& database) {
  const std::int64_t version = database.number("PRAGMA user_version");
  const std::size_t newest = schema_scripts().size();
  require_ours(database, version, newest);
  if (static_cast<std::size_t>(version) != newest)
    throw StoreError(
        fmt::format("{} has schema version {}, expected {}: start cambenchd once to bring it up to date",
                    database.file().string(), version, newest),
        SQLITE_SCHEMA);
}

}  // namespace cambench::store
