// A bar on the screen of a person who waits; nothing where the errors of the program go to a file or a pipe.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "daemon/cli/cli.h"

namespace cambench::cli {

class Progress {
 public:
  Progress(World& world, std::string what) : world_(world), what_(std::move(what)) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;

  /// `share` from 0 to 1, or less than 0 when nobody knows; drawn ten times a second at most.
  void show(double share, std::string_view detail) {
    const auto now = std::chrono::steady_clock::now();
    if (!world_.progress || now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    std::string bar;
    if (share >= 0) {
      const auto full = static_cast<std::size_t>(width * std::clamp(share, 0.0, 1.0));
      bar = fmt::format("[{}{}] {:3.0f} %  ", std::string(full, '#'), std::string(width - full, '-'),
                        100 * std::clamp(share, 0.0, 1.0));
    }
    world_.err << "\r\x1b[K" << what_ << "  " << bar << detail << std::flush;
    shown_ = true;
  }
  void clear() {
    if (std::exchange(shown_, false)) world_.err << "\r\x1b[K" << std::flush;
  }

 private:
  static constexpr std::size_t width = 24;
  World& world_;
  std::string what_;
  std::chrono::steady_clock::time_point drawn_{};
  bool shown_ = false;
};

}  // namespace cambench::cli
