// Many blows against a bench at random moments. ctest gives few of them; a longer campaign is ordered by the environment:
//
//     CAMBENCH_BLOWS=200 CAMBENCH_SEED=7 build/tests/scenario_<name>
//
// Equal seeds draw equal numbers. What a blow meets depends on how busy the machine is; who finds something notes seed and
// blow from the output and keeps the folder with CAMBENCH_KEEP=1.
#pragma once
#include <cstdint>

#include "drivers/sim/random.h"
#include "tests/scenario/bench.h"

namespace cambench::scenario {

class Campaign {
 public:
  /// `few` blows, unless the environment says how many.
  explicit Campaign(std::string name, int few)
      : name_(std::move(name)),
        blows_(static_cast<int>(of_environment("CAMBENCH_BLOWS", few))),
        seed_(static_cast<std::uint64_t>(of_environment("CAMBENCH_SEED", 7))),
        random_(sim::seed_for(seed_, name_)) {
    MESSAGE(name_, ": ", blows_, " blows, seed ", seed_);
  }

  [[nodiscard]] int blows() const { return blows_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// Each number from `low` to below `high` is as likely as another.
  double between(double low, double high) { return low + (high - low) * random_.uniform(); }
  /// One of 0 ... count - 1.
  std::size_t one_of(std::size_t count) {
    return static_cast<std::size_t>(random_.uniform() * static_cast<double>(count));
  }
  /// Lets a random time pass: the moment of the next blow.
  void wait(std::chrono::milliseconds shortest, std::chrono::milliseconds longest) {
    const auto low = static_cast<double>(shortest.count()), high = static_cast<double>(longest.count());
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(between(low, high)));
  }

 private:
  static long of_environment(const char* key, long otherwise) {
    const char* text = std::getenv(key);
    const auto value = text ? number_in(text) : std::nullopt;
    return value && *value > 0 ? static_cast<long>(*value) : otherwise;
  }

  std::string name_;
  int blows_;
  std::uint64_t seed_;
  sim::Random random_;
};

/// Between which true potentials of WE against RE the cell was ever on, and whether a current flowed while it was off.
struct WhileOn {
  double lowest_V = 99, highest_V = -99, off_mA = 0;
  long switches = 0;
};
inline WhileOn while_on(const std::vector<Truth>& rows) {
  WhileOn seen;
  for (const Truth& row : rows) {
    if (row.lowest_V) seen.lowest_V = std::min(seen.lowest_V, *row.lowest_V);
    if (row.highest_V) seen.highest_V = std::max(seen.highest_V, *row.highest_V);
    if (!row.cell_on) seen.off_mA = std::max(seen.off_mA, std::abs(row.current_A) * 1e3);
    seen.switches = row.switches;
  }
  return seen;
}

}  // namespace cambench::scenario
