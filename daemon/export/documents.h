// What goes with the rows of a run: how it went beside how it was meant, and what a reader of another program needs.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/export/run_table.h"

namespace cambench::exports {

/// Where a run was not as its recipe: a hold, a trip, a gap, a step that did not end as planned. Words of BattINFO's
/// test record (test.conformance.deviations).
struct Deviation {
  std::string category, type, description;
  std::optional<std::uint32_t> step;  ///< from 0
  WallTime at;
};
std::vector<Deviation> deviations_in(const std::vector<store::StoredEvent>& events);

/// The executed protocol: every planned step with when it began, how it ended and what it moved; deviations; all events.
std::string executed_json(store::Reader& reader, const RunFacts& facts);

/// The sidecar of a BDF file: BattINFO's test and cell records as batterydf reads them, and under "extras" what they have no
/// words for (masses, 1 C, the reference electrode, hashes, what the extra columns are).
std::string bdf_metadata_json(store::Reader& reader, const RunFacts& facts);

/// An instrument file for cellpy's custom loader (`instrument="custom", instrument_file=...`) that reads our BDF CSV.
std::string cellpy_instrument_file(const RunFacts& facts);

/// The recipe in other programs' words, in the terms of the cell it ran on. Throws std::runtime_error with a sentence when
/// the recipe cannot be read or said so.
enum class ProtocolForm { own, unicycler, pybamm, battinfo };
std::string protocol(const RunFacts& facts, ProtocolForm form);

}  // namespace cambench::exports
