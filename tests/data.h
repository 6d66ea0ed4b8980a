// Where tests find real data. Such data are never part of the repository.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace cambench::tests {

/// The path of a file or folder of real data: below $CAMBENCH_DATA, by default `../shared/data` beside the
/// source tree. Nothing when it is absent: the caller says "skipped: no real data" and returns.
inline std::optional<std::filesystem::path> real_data(const std::string& below) {
  const char* set = std::getenv("CAMBENCH_DATA");
  const std::filesystem::path root = set ? set : std::filesystem::path(CAMBENCH_SOURCE) / "../shared/data";
  if (std::filesystem::exists(root / below)) return root / below;
  std::cout << "skipped: no real data (" << below << ")\n";
  return std::nullopt;
}

}  // namespace cambench::tests
