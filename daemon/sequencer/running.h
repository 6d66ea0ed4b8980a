// Running: how a step ends, what a gap means, and what is watched meanwhile. Pure; the sequencer's own.
#pragma once
#include "daemon/sequencer/deciding.h"

namespace cambench::sequencer {

void while_running(Deciding& d, const Event& event);

}  // namespace cambench::sequencer
