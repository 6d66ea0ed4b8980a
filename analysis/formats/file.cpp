#include "analysis/formats/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "analysis/bad_input.h"

namespace cambench {
namespace {

// A file name without folder: a sentence about an input names it as the person who exported it knows it.
[[noreturn]] void refuse(const std::filesystem::path& file, std::string_view problem, std::string_view mend) {
  throw BadInput(file.filename().string(), 0, problem, mend);
}

// Plain system calls: a study has ten thousand files, and a stream costs more than a look into one.
class Open {
 public:
  explicit Open(const std::filesystem::path& file)
      : file_(file), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0)
      refuse(file, std::string("cannot be opened (") + std::strerror(errno) + ")",
             "check that it exists and may be read");
  }
  ~Open() { ::close(descriptor_); }
  Open(const Open&) = delete;

  [[nodiscard]] std::uint64_t size() const {
    struct stat now {};
    if (::fstat(descriptor_, &now) != 0 || !S_ISREG(now.st_mode))
      refuse(file_, "cannot be opened (it is no plain file)", "take it out of the folder");
    return static_cast<std::uint64_t>(now.st_size);
  }
  /// As many bytes as there are, at most `size`.
  std::size_t read(char* into, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
      const auto more = ::read(descriptor_, into + got, size - got);
      if (more < 0 && errno == EINTR) continue;
      if (more < 0)
        refuse(file_, std::string("cannot be read (") + std::strerror(errno) + ")", "copy it again");
      if (more == 0) break;
      got += static_cast<std::size_t>(more);
    }
    return got;
  }

 private:
  const std::filesystem::path& file_;
  int descriptor_;
};

}  // namespace

std::string_view FileReader::read(const std::filesystem::path& file) {
  Open open(file);
  const auto size = open.size();
  if (size > largest) refuse(file, "is larger than 1 GB", "export the summed image or a coarser spectrum");
  if (buffer_.size() < size) buffer_.resize(size);
  if (open.read(buffer_.data(), size) != size)
    refuse(file, "changed while it was read", "wait until the copy is complete");
  return {buffer_.data(), size};
}

std::string_view FileReader::peek(const std::filesystem::path& file, std::size_t size) {
  Open open(file);
  if (buffer_.size() < size) buffer_.resize(size);
  return {buffer_.data(), open.read(buffer_.data(), size)};
}

}  // namespace cambench
