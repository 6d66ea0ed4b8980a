// From what happened to the rows that are kept of it. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "daemon/sequencer/proof_test.h"
#include "daemon/sequencer/sequencer.h"
#include "daemon/store/reader.h"
#include "daemon/store/rows.h"
#include "schema/cell.h"

namespace cambench {
struct RunInfo;
}

namespace cambench::records {

std::vector<store::Row> of_start(const RunInfo& info, const std::string& station, double time_scale);

/// The transitions of a turn and the run's new phase. Empty when nothing is to be kept.
std::vector<store::Row> of_turn(const sequencer::Turn& turn, const std::string& run,
                                const std::string& station, Stamp at, Seconds test_time);

/// `step_offset`: what of the step was done before it was interrupted and taken up again.
store::Row of_sample(Sample sample, const RunInfo& info, std::int64_t seq, Seconds test_time,
                     Seconds step_offset);

store::Row of_pressure(const PressureSample& sample, const std::string& station, const std::string& run,
                       Seconds test_time);

/// Pressure is polled five times a second; a row is kept every second, at a change of 0.2 MPa, of the target or of
/// the trouble, and always under a time scale.
bool worth_storing(const PressureSample& sample, const std::optional<PressureSample>& last,
                   double time_scale);

/// The dated record of a proof test: one event a step, and the audit of its verdict.
std::vector<store::Row> of_proof_test(const proof::ProofTest& test, const std::string& station,
                                      const std::string& who, Stamp at);

/// As it was weighed: 13, not the 13.000000000000002 that grams in a double make of it.
double composite_mg(const CellSpec& cell);

/// A cell as it was configured when its run began; keys as in the configuration.
std::string to_json(const CellSpec& cell);
/// Back again; nothing when the text is no cell.
std::optional<CellSpec> cell_from_json(std::string_view json);

/// Back from the store: the transitions whose fold is the run's phase.
std::vector<sequencer::Transition> transitions_of(const std::vector<store::StoredEvent>& events);

}  // namespace cambench::records
