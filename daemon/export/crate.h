// One run as an RO-Crate 1.2 (https://w3id.org/ro/crate/1.2) in a zip archive: data, recipe, executed protocol with its
// deviations, the scores it went into, and the SHA-256 of each file. Written as a stream; the metadata come last, because
// only then the hashes are known.
#pragma once
#include <string>

#include "daemon/export/run_table.h"

namespace cambench::exports {

/// `licence`: what the data may be used for, a URL or words; empty: the crate says that nobody has said.
/// Reader and facts must outlive it. The same run gives the same bytes, unless it goes on.
Pieces crate(store::Reader& reader, const RunFacts& facts, const std::string& licence = {});

}  // namespace cambench::exports
