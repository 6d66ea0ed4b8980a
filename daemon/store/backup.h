// A copy of the database while the daemon goes on writing: `cambench backup`, and the copy before a migration.
#pragma once
#include <cstdint>
#include <filesystem>

namespace cambench::store {

/// Copies `database` to `copy`, checks the copy, and only then gives it its name; what was there before stays until
/// then. The copy is one file, at one moment, and durable on return. The bytes of the copy.
/// Throws StoreError, also when `copy` is the database itself by whatever name, or a database that is in use: a log
/// beside it would be taken for the copy's.
/// Reads only: the writer is not held up, and no checkpoint is made by anyone else.
std::uint64_t backup(const std::filesystem::path& database, const std::filesystem::path& copy);

}  // namespace cambench::store
