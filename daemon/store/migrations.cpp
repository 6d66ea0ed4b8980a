#include "daemon/store/migrations.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <array>

namespace cambench {
std::string_view embedded_sql(std::string_view file);  // schema/sql
}

namespace cambench::store {

namespace {

/// One file a version, in order; never edited once released.
constexpr std::array files{std::string_view("001_initial.sql")};

void require_ours(Database& database, std::int64_t version) {
  const std::int64_t id = database.number("PRAGMA application_id");
  const std::int64_t tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (id != application_id && (tables > 0 || id != 0))
    throw StoreError("the file is a database of another program; choose another path in [store]",
                     SQLITE_NOTADB);
  if (version > newest_version())
    throw StoreError(
        fmt::format("the database has schema version {}, this program knows up to {}: use the newer "
                    "cambench that wrote it",
                    version, newest_version()),
        SQLITE_SCHEMA);
}

}  // namespace

std::int64_t newest_version() { return static_cast<std::int64_t>(files.size()); }

void migrate(Database& database) {
  std::int64_t version = database.number("PRAGMA user_version");
  require_ours(database, version);
  if (version == newest_version()) return;
  Transaction transaction(database);
  for (; version < newest_version(); ++version)
    database.run(std::string(embedded_sql(files[static_cast<std::size_t>(version)])));
  database.run(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, version));
  transaction.commit();
}

void require_current(Database& database) {
  const std::int64_t version = database.number("PRAGMA user_version");
  require_ours(database, version);
  if (version != newest_version())
    throw StoreError(
        fmt::format("the database has schema version {}, expected {}: start cambenchd once to bring it "
                    "up to date",
                    version, newest_version()),
        SQLITE_SCHEMA);
}

}  // namespace cambench::store
