// A press on its way down after a vent, from the order until it is down. A press that stands closed under a run that is
// over looks like one that may be opened. Pure; wire time.
#pragma once
#include <optional>
#include <string>

#include "schema/reading.h"

namespace cambench::sequencer {

class Release {
 public:
  static constexpr MegaPascal down_at{1};  ///< twice a sensor's noise, 80 N on a pellet of 10 mm

  explicit Release(Instant ordered) : fell_at_(ordered) {}

  void read(const PressureSample& sample);

  [[nodiscard]] bool is_down() const;
  /// It has got no lower for so long that somebody has to look, or nobody can say whether it has.
  [[nodiscard]] bool stands(Instant now) const;
  [[nodiscard]] std::string words() const;  ///< "releases: 274.00 MPa"
  [[nodiscard]] std::string alarm() const;  ///< of one that stands

 private:
  std::optional<MegaPascal> lowest_;
  Instant fell_at_;
  PressureSample last_;
  unsigned down_ = 0;  ///< consecutive readings
};

}  // namespace cambench::sequencer
