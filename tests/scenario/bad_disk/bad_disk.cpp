// Loaded before the C library into a program: the disk below its database does what the file $CAMBENCH_DISK says, read
// anew at every look:
//
//   full          no file of the database can grow, as long as its ballast is there
//   read-only     nothing can be written
//   bad-sync      what is written cannot be made durable
//   free <MB>     so much space is said to be free; nothing fails
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view database = "cambench.sqlite";

std::string state_of_disk() {
  const char* name = std::getenv("CAMBENCH_DISK");
  std::FILE* file = name ? std::fopen(name, "re") : nullptr;
  if (!file) return {};
  std::array<char, 40> text{};
  const auto length = std::fread(text.data(), 1, text.size(), file);
  std::fclose(file);
  return {text.data(), length};
}

std::string path_of(int descriptor) {
  std::array<char, 4096> path{};
  const auto link = "/proc/self/fd/" + std::to_string(descriptor);
  const auto length = ::readlink(link.c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

/// The path of the database that a file belongs to; empty for any other file.
std::string database_of(int descriptor) {
  const std::string path = path_of(descriptor);
  const auto name = path.rfind('/') + 1;
  return path.compare(name, database.size(), database) == 0 ? path.substr(0, name + database.size())
                                                            : std::string();
}

/// What a write fails with; 0: it does not.
int trouble_of_write(int descriptor, off_t end) {
  const std::string state = state_of_disk();
  if (state != "full" && state != "read-only") return 0;
  const std::string of = database_of(descriptor);
  if (of.empty()) return 0;
  if (state == "read-only") return EROFS;
  struct stat file {};
  const bool grows = ::fstat(descriptor, &file) == 0 && end > file.st_size;
  return grows && ::access((of + ".ballast").c_str(), F_OK) == 0 ? ENOSPC : 0;
}

bool syncs_fail(int descriptor) { return state_of_disk() == "bad-sync" && !database_of(descriptor).empty(); }

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int fail(int error) {
  errno = error;
  return -1;
}

}  // namespace

extern "C" {

ssize_t pwrite64(int descriptor, const void* bytes, size_t count, off64_t offset) {
  if (const int error = trouble_of_write(descriptor, offset + static_cast<off_t>(count))) return fail(error);
  static const auto real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return real(descriptor, bytes, count, offset);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return pwrite64(descriptor, bytes, count, offset);
}

int fdatasync(int descriptor) {
  if (syncs_fail(descriptor)) return fail(EIO);
  static const auto real = next<int(int)>("fdatasync");
  return real(descriptor);
}

int fsync(int descriptor) {
  if (syncs_fail(descriptor)) return fail(EIO);
  static const auto real = next<int(int)>("fsync");
  return real(descriptor);
}

int statvfs(const char* path, struct statvfs* space) noexcept {
  static const auto real = next<int(const char*, struct statvfs*)>("statvfs");
  const int result = real(path, space);
  unsigned long free_MB = 0;
  if (result == 0 && std::sscanf(state_of_disk().c_str(), "free %lu", &free_MB) == 1)
    space->f_bavail = space->f_bfree = free_MB * 1'000'000 / space->f_frsize + 1;
  return result;
}
}
