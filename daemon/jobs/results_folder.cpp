#include "daemon/jobs/results_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace cambench::jobs {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void give_up(const fs::path& file) {
  throw std::runtime_error(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
}

class Descriptor {
 public:
  Descriptor(const fs::path& file, int flags) : descriptor_(::open(file.c_str(), flags | O_CLOEXEC, 0640)) {
    if (descriptor_ < 0) give_up(file);
  }
  ~Descriptor() { ::close(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

void write_durably(const fs::path& file, std::string_view bytes) {
  const Descriptor out(file, O_WRONLY | O_CREAT | O_TRUNC);
  while (!bytes.empty()) {
    const auto written = ::write(out.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) give_up(file);
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(out.get()) != 0) give_up(file);
}

void make_durable(const fs::path& folder) {
  const Descriptor opened(folder, O_RDONLY | O_DIRECTORY);
  if (::fsync(opened.get()) != 0) give_up(folder);
}

bool holds(const fs::path& file, std::string_view bytes) {
  std::ifstream in(file, std::ios::binary);
  return in && std::string(std::istreambuf_iterator<char>(in), {}) == bytes;
}

bool is_up_to_date(const fs::path& folder, const std::map<std::string, std::string>& files) {
  std::error_code absent;
  std::size_t there = 0;
  for (const auto& entry : fs::directory_iterator(folder, absent)) there += entry.is_regular_file();
  if (absent || there != files.size()) return false;
  for (const auto& [name, bytes] : files)
    if (!holds(folder / name, bytes)) return false;
  return true;
}

/// The new folder under the old one's name in one step; where the file system cannot exchange two, in two.
void put_in_place(const fs::path& fresh, const fs::path& folder) {
  if (!fs::exists(folder)) return fs::rename(fresh, folder);
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) != 0) {
    const fs::path old = folder.parent_path() / fmt::format(".{}.old", folder.filename().string());
    fs::remove_all(old);
    fs::rename(folder, old);
    fs::rename(fresh, folder);
    fs::rename(old, fresh);
  }
  fs::remove_all(fresh);
}

}  // namespace

void replace_folder(const fs::path& named, const std::map<std::string, std::string>& files) {
  const fs::path folder = fs::absolute(named).lexically_normal();
  if (is_up_to_date(folder, files)) return;
  const fs::path fresh = folder.parent_path() / fmt::format(".{}.new", folder.filename().string());
  fs::remove_all(fresh);
  fs::create_directories(fresh);
  for (const auto& [name, bytes] : files) write_durably(fresh / name, bytes);
  make_durable(fresh);
  put_in_place(fresh, folder);
  make_durable(folder.parent_path());
}

}  // namespace cambench::jobs
