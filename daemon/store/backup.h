// A copy of the database while the daemon goes on writing: `cambench backup`, and the copy before a migration.
#pragma once
#include <filesystem>

namespace cambench::store {

/// Copies `database` to `copy`, checks the copy, and only then gives it its name; what was there before stays until
/// then. The copy is one file, at one moment, and durable on return. Throws StoreError.
/// Reads only: the writer is not held up, and no checkpoint is made by anyone else.
void backup(const std::filesystem::path& database, const std::filesystem::path& copy);

}  // namespace cambench::store
