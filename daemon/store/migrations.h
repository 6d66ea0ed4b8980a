// Brings a database file to this program's schema, or refuses it.
#pragma once
#include "daemon/store/database.h"

namespace cambench::store {

inline constexpr std::int64_t application_id = 0x63616D62;  ///< "camb", in the file's header

/// The schema version this program writes.
std::int64_t newest_version();

/// Forward only, all in one transaction. Throws StoreError on a file that is not ours or newer than this program.
void migrate(Database& database);

/// Throws unless the file is ours and of this program's version: for readers, which never migrate.
void require_current(Database& database);

}  // namespace cambench::store
