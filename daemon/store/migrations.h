// Brings a database file to this program's schema, or refuses it.
#pragma once
#include <span>
#include <string_view>

#include "daemon/store/database.h"

namespace cambench::store {

inline constexpr std::int64_t application_id = 0x63616D62;  ///< "camb", in the file's header

/// The schema's scripts in order, one a version: what script n does brings version n to n + 1.
std::span<const std::string_view> schema_scripts();

/// Forward only, all in one transaction. A file that holds data is first copied beside itself, verified, as
/// "<file>.v<version>". Throws StoreError on a file that is not ours or newer than the scripts.
void migrate(Database& database, std::span<const std::string_view> scripts = schema_scripts());

/// Throws unless the file is empty, or ours and not newer: before anything in it is touched.
void require_usable(Database& database);

/// Throws unless the file is ours and of this program's version: for readers, which never migrate.
void require_current(Database& database);

}  // namespace cambench::store
