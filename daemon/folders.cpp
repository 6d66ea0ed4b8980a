#include "daemon/folders.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cambench {

bool make_durable(const std::filesystem::path& path) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool durable = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) ::close(descriptor);
  errno = why;
  return durable;
}

bool lies_in(const std::filesystem::path& what, const std::filesystem::path& folder) {
  return std::ranges::mismatch(folder, what).in1 == folder.end();
}

}  // namespace cambench
