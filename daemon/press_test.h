// Carries out the proof test of a press (sequencer/proof_test.h) on the thread that decides. While it lasts nobody
// else may speak to that press.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>

#include "daemon/sequencer/proof_test.h"
#include "drivers/instrument.h"

namespace cambench {

/// What the test may do with this press; refused with the reason when the press cannot be tested.
Result<proof::Setting> proof_setting(const PressLimits& limits, MegaPascal target);

/// Runs the test to its end. `seen` is called with every reading.
boost::asio::awaitable<void> carry_out(boost::asio::any_io_executor executor, Press& press,
                                       proof::ProofTest& test,
                                       std::function<void(const PressureSample&)> seen);

}  // namespace cambench
