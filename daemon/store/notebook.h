// A copy of the store for notebooks: the same rows, and views with plain names over them (schema/sql/notebook.sql).
#pragma once
#include <filesystem>

namespace cambench::store {

/// Copies as backup() does, also of a running daemon, and adds the views. Throws StoreError.
void write_notebook_copy(const std::filesystem::path& database, const std::filesystem::path& copy);

}  // namespace cambench::store
