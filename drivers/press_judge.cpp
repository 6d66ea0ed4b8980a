#include "drivers/press_judge.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace cambench {

using wire::modbus::Block;
using wire::modbus::Item;
using wire::modbus::ItemIndex;
using wire::modbus::RegisterMap;
using wire::modbus::Words;

PressJudge::Verdict PressJudge::judge(const Words& words, bool ordered, Stamp at) {
  Verdict verdict;
  PressureSample& sample = verdict.sample;
  sample.at = at;
  if (map_.target && map_.block_of(*map_.target) == map_.poll)
    if (const auto target = value(*map_.target, words))
      sample.target = map_.to_pressure(*map_.target, *target);

  if (ordered) sample.ramp = ramp(words, sample.target);
  auto [restart, now] = restarted(words, ordered);
  verdict.restarted = now;
  const std::string still = stands_still(words, at.steady);
  const auto pressure = value(map_.pressure, words);
  if (!pressure) {
    sample.trouble = pressure.error().what;
  } else if (!restart.empty() || !still.empty()) {
    sample.trouble = restart.empty() ? still : restart;
  } else {
    sample.pressure = map_.to_pressure(map_.pressure, *pressure);
    last_good_ = sample.pressure;
    last_good_at_ = at.steady;
  }
  return verdict;
}

std::optional<MegaPascal> PressJudge::last_good(Instant now) const {
  const bool fresh = last_good_ && now - last_good_at_ <= *map_.items[map_.pressure].stale;
  return fresh ? last_good_ : std::nullopt;
}

Result<double> PressJudge::value(ItemIndex item, const Words& words) const {
  return value_of(map_, item, map_.blocks[map_.poll], words);
}

// A controller that restarted has forgotten what it was told; whoever waits for that must hear of it.
std::pair<std::string, bool> PressJudge::restarted(const Words& words, bool ordered) {
  if (!map_.uptime) return {};
  const auto uptime = value(*map_.uptime, words);
  if (!uptime) return {uptime.error().what, false};
  const auto before = std::exchange(uptime_, *uptime);
  const bool now = before && *uptime < *before;
  if (now) counter_.reset();
  if (now && ordered)
    restart_ = fmt::format("the press restarted: its uptime went from {:g} to {:g} s", *before, *uptime);
  return {restart_, now};
}

/// Where the pressure should be by now: a host that walks the set point has it there, a device that ramps may say.
std::optional<MegaPascal> PressJudge::ramp(const Words& words, std::optional<MegaPascal> target) const {
  if (!map_.ramp) return std::nullopt;
  if (!map_.ramp->rate) return target;
  if (!map_.working || map_.block_of(*map_.working) != map_.poll) return std::nullopt;
  const auto working = value(*map_.working, words);
  return working ? std::optional(map_.to_pressure(*map_.working, *working)) : std::nullopt;
}

/// A sensor whose counter does not move is not measuring; nor is one whose every bit stays, where its noise is finer than
/// its resolution.
std::string PressJudge::stands_still(const Words& words, Instant now) {
  if (map_.counter)
    if (auto still = counter_stands_still(words, now); !still.empty()) return still;
  return map_.frozen_after > 0 ? repeats(words) : std::string();
}

std::string PressJudge::counter_stands_still(const Words& words, Instant now) {
  const auto counter = value(*map_.counter, words);
  if (!counter) return counter.error().what;
  const auto before = std::exchange(counter_, *counter);
  if (!before || *counter != *before) counter_moved_at_ = now;
  const double turn = map_.items[*map_.counter].count == 1 ? 0x1p16 : 0x1p32;
  const double forward = before ? std::fmod(*counter - *before + turn, turn) : 0;
  if (forward > turn / 2)
    return fmt::format("the sample counter went back from {:g} to {:g}: a late or foreign reply", *before,
                       *counter);
  const Seconds since = now - counter_moved_at_;
  if (since <= *map_.items[map_.pressure].stale) return {};
  return fmt::format("the sensor stands still: {} samples since {:.1f} s", *counter, since.count());
}

std::string PressJudge::repeats(const Words& words) {
  const Item& item = map_.items[map_.pressure];
  const auto from = words.begin() + (item.address - map_.blocks[map_.poll].address);
  Words raw(from, from + item.count);
  raw_repeats_ = raw == raw_pressure_ ? raw_repeats_ + 1 : 0;
  raw_pressure_ = std::move(raw);
  if (raw_repeats_ < map_.frozen_after) return {};
  return fmt::format("the sensor stands still: {} times the same {}", raw_repeats_ + 1,
                     wire::modbus::hex(raw_pressure_));
}

std::string was_moved(const RegisterMap& map, const PressureSample& sample,
                      std::optional<MegaPascal> ordered) {
  if (!ordered || !sample.target) return {};
  using wire::modbus::Type;
  const Item& item = map.items[*map.target];
  const bool is_float = item.type == Type::f32 || item.type == Type::f64;
  const double rounding = is_float ? 0 : 0.5001 * std::abs(item.scale);  // to whole numbers on the wire
  const double largest = std::max({item.write->step, item.write->tolerance, rounding});
  const double allowed = std::max(map.to_pressure(*map.target, largest).value(), 1e-6 * ordered->value());
  if (std::abs((*sample.target - *ordered).value()) <= allowed) return {};
  return fmt::format("the set point is {:.3f} MPa, we ordered {:.3f} MPa", sample.target->value(),
                     ordered->value());
}

}  // namespace cambench
