#include "daemon/jobs/results_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string_view>

#include "analysis/bad_input.h"
#include "daemon/folders.h"

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

bool holds(const fs::path& file, std::string_view bytes) {
  std::ifstream in(file, std::ios::binary);
  return in && std::string(std::istreambuf_iterator<char>(in), {}) == bytes;
}

/// Beside the files: their names, one a line. What it does not name is somebody's.
constexpr const char* names_file = ".written-by-cambench";

std::map<std::string, std::string> with_names(std::map<std::string, std::string> files) {
  std::string names;
  for (const auto& [name, bytes] : files) names += name + "\n";
  files[names_file] = std::move(names);
  return files;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names{names_file};
  std::ifstream in(folder / names_file);
  for (std::string name; std::getline(in, name);) names.insert(name);
  return names;
}

/// What programs leave where people look into a folder.
bool is_litter(const std::string& name) {
  return name.starts_with(".~lock.") || name.starts_with("~$") || name.starts_with(".nfs") ||
         name == ".DS_Store" || name == "Thumbs.db" || name == "desktop.ini";
}

/// Before a folder is replaced. One that has no list of names was written before there was one, or by somebody else.
void refuse_what_is_not_ours(const fs::path& folder, const std::map<std::string, std::string>& files) {
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder))
    throw BadInput(folder.string(), 0, "is a file", "name a folder for the results");
  const auto ours = names_in(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    const bool file = fs::is_regular_file(entry.symlink_status());
    if (!file || !(ours.contains(name) || files.contains(name) || is_litter(name)))
      throw BadInput(folder.string(), 0,
                     fmt::format("holds {}, which is no result, and would be replaced as a whole", name),
                     "move that elsewhere, or name another folder for the results");
  }
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

fs::path results_folder(const fs::path& named) {
  const fs::path folder = fs::weakly_canonical(fs::absolute(named));
  return folder.has_filename() ? folder : folder.parent_path();
}

void replace_folder(const fs::path& named, const std::map<std::string, std::string>& results) {
  const fs::path folder = results_folder(named);
  const auto files = with_names(results);
  if (is_up_to_date(folder, files)) return;
  refuse_what_is_not_ours(folder, files);
  const fs::path fresh = folder.parent_path() / fmt::format(".{}.new", folder.filename().string());
  fs::remove_all(fresh);
  fs::create_directories(fresh);
  for (const auto& [name, bytes] : files) write_durably(fresh / name, bytes);
  if (!make_durable(fresh)) give_up(fresh);
  put_in_place(fresh, folder);
  if (!make_durable(folder.parent_path())) give_up(folder.parent_path());
}

}  // namespace cambench::jobs
