// What people order: abort, pause, resume, reset, and leaving a step. Pure; the sequencer's own.
#pragma once
#include "daemon/sequencer/deciding.h"

namespace cambench::sequencer {

/// Carried out, or refused with what has to be done first.
void ordered(Deciding& d, const event::Ordered& order);

}  // namespace cambench::sequencer
