// What is asked of files and folders in more than one room.
#pragma once
#include <filesystem>

namespace cambench {

/// Waits until a file, or a folder with the names in it, is on the disk: a rename is once its folder is. An empty path is
/// the folder of now. False: errno says why not.
[[nodiscard]] bool make_durable(const std::filesystem::path& path);

/// Whether it is the folder or lies in it, by the names alone.
[[nodiscard]] bool lies_in(const std::filesystem::path& what, const std::filesystem::path& folder);

}  // namespace cambench
