#pragma once
#include <fstream>
#include <string>

namespace cambench::tests {

/// The most memory that was resident since the last call, in MB; where the system does not tell, 0.
inline double peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word)
    if (word == "VmHWM:") status >> kilobytes;
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak is the present again
  return kilobytes / 1024;
}

}  // namespace cambench::tests
