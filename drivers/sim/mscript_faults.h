// Faults that strike some of the coming opportunities: `after` are spared, then `count` are struck.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sim {

class Spoilers {
 public:
  void add(std::string_view name, long after, long count, double amount) {
    all_.push_back({std::string(name), after, count, amount});
  }
  void clear() { all_.clear(); }

  /// Counts one opportunity for the fault. When it strikes: the amount it was given.
  std::optional<double> strike(std::string_view name) {
    const auto found = std::ranges::find(all_, name, &Spoiler::name);
    if (found == all_.end()) return std::nullopt;
    if (found->after > 0) {
      --found->after;
      return std::nullopt;
    }
    const double amount = found->amount;
    if (--found->count <= 0) all_.erase(found);
    return amount;
  }
  bool strikes(std::string_view name) { return strike(name).has_value(); }

 private:
  struct Spoiler {
    std::string name;
    long after = 0, count = 1;
    double amount = 0.0;
  };
  std::vector<Spoiler> all_;
};

}  // namespace cambench::sim
