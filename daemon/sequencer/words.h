// Quantities in sentences for people.
#pragma once
#include <fmt/format.h>

#include <string>

#include "schema/units.h"

namespace cambench::sequencer {

/// "49.98 MPa"; what rounds to nothing has no sign.
inline std::string words(MegaPascal pressure) {
  const bool is_nothing = std::abs(pressure.value()) < 0.005;
  return fmt::format("{:.2f} MPa", is_nothing ? 0.0 : pressure.value());
}

}  // namespace cambench::sequencer
