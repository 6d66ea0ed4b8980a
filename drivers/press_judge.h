// What the polls of a press mean, one after the other: a pressure to be believed, or why it is not. Pure: neither link nor
// clock, and the same words at the same instants mean the same.
#pragma once
#include <optional>
#include <string>
#include <utility>

#include "drivers/wire/register_map.h"
#include "schema/reading.h"

namespace cambench {

class PressJudge {
 public:
  explicit PressJudge(const wire::modbus::RegisterMap& map) : map_(map) {}

  struct Verdict {
    PressureSample sample;
    bool restarted = false;  ///< the device has lost its memory since the poll before
  };
  /// `words`: of the block with the pressure; `ordered`: a target of ours should stand in the device, so that its restart
  /// is trouble, until forget_restart().
  Verdict judge(const wire::modbus::Words& words, bool ordered, Stamp at);
  void forget_restart() { restart_.clear(); }

  /// The last pressure that was believed, unless it is stale.
  [[nodiscard]] std::optional<MegaPascal> last_good(Instant now) const;

 private:
  [[nodiscard]] Result<double> value(wire::modbus::ItemIndex item, const wire::modbus::Words& words) const;
  [[nodiscard]] std::optional<MegaPascal> ramp(const wire::modbus::Words& words,
                                               std::optional<MegaPascal> target) const;
  std::pair<std::string, bool> restarted(const wire::modbus::Words& words, bool ordered);
  std::string stands_still(const wire::modbus::Words& words, Instant now);
  std::string counter_stands_still(const wire::modbus::Words& words, Instant now);
  std::string repeats(const wire::modbus::Words& words);

  const wire::modbus::RegisterMap& map_;
  std::optional<MegaPascal> last_good_;
  Instant last_good_at_;
  std::optional<double> uptime_, counter_;
  Instant counter_moved_at_;
  std::string restart_;
  wire::modbus::Words raw_pressure_;
  unsigned raw_repeats_ = 0;
};

/// Somebody at the panel, a write of ours that landed late, or a controller that lost its memory: why the set point is
/// not what was ordered. Empty when it is, or when nothing was ordered.
std::string was_moved(const wire::modbus::RegisterMap& map, const PressureSample& sample,
                      std::optional<MegaPascal> ordered);

}  // namespace cambench
