// The host's clocks, and what becomes of them: a wall clock that is set, a host that sleeps, a daemon that stands still.
// All of it is recorded and none of it decides anything.
//
// How long ago something was, for a daemon that comes back (`since`), in the order of trust:
//   1. the instrument, where its program says so: its own clock ran all the while (the drivers do this)
//   2. within one boot of the host CLOCK_BOOTTIME, which nobody can set and which counts sleep
//   3. after a reboot the wall clock, if it is synchronised and says that time went forward
//   4. otherwise nobody knows, and a person decides
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "schema/reading.h"

namespace cambench {

struct Clocks {
  Instant steady;             ///< CLOCK_MONOTONIC: stands still while the host sleeps
  WallTime wall;              ///< CLOCK_REALTIME: anybody may set it
  Seconds boot{0};            ///< CLOCK_BOOTTIME: since the host came up, sleep included
  std::string boot_id;        ///< another one after each boot
  bool synchronised = false;  ///< somebody keeps the wall clock right
};
Clocks read_clocks();

const std::string& boot_id();  ///< of this boot; empty when nobody says which it is

/// The same by the kernel's file, else by what systemd hands over (%b: without dashes), spelt as the kernel does. Pure
/// but for the file.
std::string boot_id_by(const std::filesystem::path& kernels, const char* systemds);

/// When something was recorded.
struct Recorded {
  WallTime wall;
  std::optional<Seconds> boot;  ///< none in rows of older versions
  std::string boot_id;
};

/// How long ago that was, in wire time; none when nobody can say. Pure.
std::optional<Seconds> since(const Recorded& then, const Clocks& now);

/// Looks at the clocks again and again, and says what was done to them in between. Pure.
class ClockWatch {
 public:
  struct Happening {
    bool nobody_listened = false;  ///< the host slept, or this program stood still: a gap in every run
    std::string text;
  };
  std::vector<Happening> look(const Clocks& now);

 private:
  std::optional<Clocks> last_;
};

}  // namespace cambench
