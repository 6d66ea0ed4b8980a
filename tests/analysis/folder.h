// A folder for one test, gone at its end.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace cambench::tests {

class Folder {
 public:
  Folder() {
    auto name = (std::filesystem::temp_directory_path() / "cambench-formats-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return path / name;
  }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(path)) all.push_back(entry.path());
    return all;
  }

  std::filesystem::path path;
};

/// A value's bytes, as the formats here keep them: little-endian.
template <typename T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// What a call refuses its input with; "accepted" when it does not.
template <typename Call>
std::string refusal(Call call) {
  try {
    (void)call();
  } catch (const std::runtime_error& problem) {
    return problem.what();
  }
  return "accepted";
}

}  // namespace cambench::tests
