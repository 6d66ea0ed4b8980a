// Loaded before the C library into a program: its wall clock and its CLOCK_BOOTTIME are those of the host plus what the
// file $CAMBENCH_CLOCKS says, "wall boot" in seconds, read anew at every look. The steady clock stays as it is.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

struct Shift {
  double wall_s = 0, boot_s = 0;
};

Shift shift() {
  Shift read;
  const char* name = std::getenv("CAMBENCH_CLOCKS");
  std::FILE* file = name ? std::fopen(name, "re") : nullptr;
  if (!file) return read;
  if (std::fscanf(file, "%lf %lf", &read.wall_s, &read.boot_s) != 2) read = {};
  std::fclose(file);
  return read;
}

void add(timespec& time, double seconds) {
  const double whole = std::floor(seconds);
  time.tv_sec += static_cast<time_t>(whole);
  time.tv_nsec += static_cast<long>((seconds - whole) * 1e9);
  if (time.tv_nsec >= 1'000'000'000) ++time.tv_sec, time.tv_nsec -= 1'000'000'000;
}

}  // namespace

extern "C" int clock_gettime(clockid_t which, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, which, time));
  if (result != 0) return result;
  if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) add(*time, shift().wall_s);
  if (which == CLOCK_BOOTTIME) add(*time, shift().boot_s);
  return 0;
}
