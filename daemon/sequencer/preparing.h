// Preparing: the instruments are the right ones, the cell's potential at rest is in its window, and the press has arrived;
// then a step begins. Pure; the sequencer's own.
#pragma once
#include "daemon/sequencer/deciding.h"

namespace cambench::sequencer {

/// Starts the checks: identities first, then the press moves and the cell is looked at, at the same time.
void begin_preparing(Deciding& d);

void while_preparing(Deciding& d, const Event& event);

/// `settle`: how long it may take to arrive.
void move_press(Deciding& d, MegaPascal target, MegaPascal band, Seconds settle);

/// A press step has no band of its own: 2 % of the target, at least 1 MPa.
MegaPascal press_step_band(const PlannedStep& step);

/// The step that was prepared, from where it was left.
void enter_step(Deciding& d);

}  // namespace cambench::sequencer
