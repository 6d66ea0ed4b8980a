// What a simulated source-measure unit remembers of its troubles: the error queue, and the event log that holds
// information besides. Both are bounded as the instrument's are; texts and times are ours.
#pragma once
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace cambench::sim::scpi {

class Events {
 public:
  static constexpr std::size_t depth = 1000;

  void error(int code, std::string_view text);
  void info(std::string_view text);
  void clear() {
    errors_.clear();
    log_.clear();
  }
  /// The oldest entry, which is taken out; "0,..." when there is none.
  std::string next_error() { return next(errors_); }
  std::string next_event() { return next(log_); }
  [[nodiscard]] std::size_t errors() const { return errors_.size(); }
  /// Grows with every error, kept or not.
  [[nodiscard]] std::size_t errors_so_far() const { return so_far_; }

 private:
  static std::string next(std::deque<std::string>& queue);
  std::deque<std::string> errors_, log_;
  std::size_t so_far_ = 0;
};

}  // namespace cambench::sim::scpi
