#include "daemon/clock.h"

#include <fmt/core.h>
#include <sys/timex.h>
#include <time.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

namespace cambench {

namespace {

constexpr Seconds noticed{0.5};    ///< a clock that is slewed moves 0.0001 s between two looks
constexpr Seconds stood_still{2};  ///< looks are 0.2 s apart

bool is_synchronised() {
  std::error_code ignored;
  if (std::filesystem::exists("/run/systemd/timesync/synchronized", ignored)) return true;
  timex asked{};
  return ::adjtimex(&asked) >= 0 && !(asked.status & STA_UNSYNC);  // refused under ProtectClock=
}

}  // namespace

std::string boot_id_by(const std::filesystem::path& kernels, const char* systemds) {
  std::string id;
  if (std::ifstream(kernels) >> id || !systemds) return id;
  id = systemds;
  std::erase(id, '-');
  if (id.size() != 32 || id.find_first_not_of("0123456789abcdef") != id.npos) return {};
  for (const std::size_t dash : {8, 13, 18, 23}) id.insert(dash, 1, '-');
  return id;
}

const std::string& boot_id() {
  // ProcSubset=pid hides the file. A variable cannot outlive the boot: systemd makes it for each process it starts.
  static const std::string id =
      boot_id_by("/proc/sys/kernel/random/boot_id", std::getenv("CAMBENCH_BOOT_ID"));
  return id;
}

Clocks read_clocks() {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return {std::chrono::steady_clock::now(), std::chrono::system_clock::now(),
          Seconds(static_cast<double>(boot.tv_sec) + 1e-9 * static_cast<double>(boot.tv_nsec)), boot_id(),
          is_synchronised()};
}

std::optional<Seconds> since(const Recorded& then, const Clocks& now) {
  if (then.boot && !then.boot_id.empty() && then.boot_id == now.boot_id && now.boot >= *then.boot)
    return now.boot - *then.boot;
  const Seconds by_wall = now.wall - then.wall;
  if (now.synchronised && by_wall >= Seconds{0}) return by_wall;
  return std::nullopt;
}

std::vector<ClockWatch::Happening> ClockWatch::look(const Clocks& now) {
  std::vector<Happening> found;
  if (last_) {
    const Seconds steady = now.steady - last_->steady, boot = now.boot - last_->boot;
    const Seconds wall = now.wall - last_->wall;
    if (const Seconds slept = boot - steady; slept > noticed)
      found.push_back({true, fmt::format("the host slept for {:.1f} s", slept.count())});
    if (steady > stood_still)
      found.push_back({true, fmt::format("this program stood still for {:.1f} s", steady.count())});
    if (const Seconds jump = wall - boot; std::abs(jump.count()) > noticed.count())
      found.push_back({false, fmt::format("the wall clock was set {} by {:.1f} s",
                                          jump > Seconds{0} ? "forward" : "back", std::abs(jump.count()))});
  }
  last_ = now;
  return found;
}

}  // namespace cambench
