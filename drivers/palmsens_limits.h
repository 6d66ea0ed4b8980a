// What a PalmSens instrument says it is, and which steps it can carry out: the part of its driver that talks to nobody.
#pragma once
#include <string_view>

#include "drivers/instrument.h"
#include "drivers/wire/mscript.h"

namespace cambench::palmsens {

struct Known {
  Identity identity;  ///< without serial number
  wire::mscript::Model model;
};
/// From the first line after `t`. A line that only sends back the question is refused with the mend.
Result<Known> identity_of(std::string_view firmware_line);

/// Which limits of the step will live in the instrument, or why this model cannot carry it out: beyond its range, a
/// planned end that lies behind its guard, no time limit. Numbers that are none are refused.
Result<OnBoard> limits_on_board(const PlannedStep& step, const wire::mscript::Model& model);

/// 1 to 16 characters of [a-z0-9]: what may stand in a script.
bool is_marker(const Marker& marker);

}  // namespace cambench::palmsens
