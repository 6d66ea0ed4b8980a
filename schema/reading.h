// What was measured, and when. Plain values; no room may attach behaviour to them.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "schema/units.h"

namespace cambench {

using Instant = std::chrono::steady_clock::time_point;   ///< to decide
using WallTime = std::chrono::system_clock::time_point;  ///< to record

/// Both clocks of the host at one moment.
struct Stamp {
  Instant steady;
  WallTime wall;
};

/// Status bits of a reading, whatever the instrument calls them. More than one may be set.
namespace reading_status {
inline constexpr std::uint16_t ok = 0;
inline constexpr std::uint16_t timing = 1;     ///< the instrument missed its own sampling time
inline constexpr std::uint16_t overload = 2;   ///< a range was overloaded: the number is not to be believed
inline constexpr std::uint16_t underload = 4;  ///< a range is far too large for the value
inline constexpr std::uint16_t overload_warning = 8;  ///< close to overload
inline constexpr std::uint16_t late = 16;             ///< fetched after a gap, not live
inline constexpr std::uint16_t bad = 32;              ///< not a number on the wire
}  // namespace reading_status

/// One reading of a cell.
struct Sample {
  std::uint32_t step = 0;             ///< index in the run's plan (PlannedStep::index)
  Seconds step_time{0};               ///< instrument clock, experiment time since the step began
  std::optional<Volt> we_vs_re;       ///< working electrode against the reference electrode
  std::optional<Volt> cell;           ///< full cell: working against counter electrode
  std::optional<Ampere> current;      ///< measured, + charges; 0 at open circuit
  std::optional<Ampere> current_set;  ///< what the instrument was told to drive
  std::uint16_t status = reading_status::ok;
  Stamp at{};  ///< when the host heard it
};

/// One reading of a press.
struct PressureSample {
  std::optional<MegaPascal> pressure;  ///< empty when the value is bad; `trouble` says why
  std::optional<MegaPascal> target;    ///< set point as read back from the controller
  std::string trouble;                 ///< empty for a good reading
  Stamp at{};
  std::optional<MegaPascal> ramp{};  ///< where the controller's ramp to `target` is; empty: it does not say
  std::optional<MegaPascal>
      second{};  ///< what the station's second sensor shows; empty: nothing that is fresh and good
  bool second_owed = false;  ///< without it this reading counts as one that the second sensor contradicts
};

}  // namespace cambench
