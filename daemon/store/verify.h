// Reads a whole database, of a running daemon or a copy, and says what is not as it must be: the structure of the file,
// and what its rows promise each other.
//
//   file      SQLite's integrity check and every reference between tables
//   events,   numbered from 1 without a hole: nothing that was decided is missing
//   audit, jobs
//   samples   numbered from 1 within a run; a missing number, and a silence longer than the recipe's recording
//             interval within a step, stand beside an event that tells why (a gap, a trip); none is there twice, and the time of
//             a step goes back only where a person resumed it (its program was heard until the cell was open)
//   summaries what charts and capacities are drawn from counts every sample
//   runs      the phase of a run is what its last transition says
//   trips     numbered within a run without a hole, each beside the event that tells of it, with its readings numbered from 1
//             and at most ten seconds away from it
//   shelves   by a named person for a reason
//   scores    numbered from 1 within a study; a result is unchanged since it was written, and each of its inputs is here:
//             the region of each file by its SHA-256, the run of each rate test
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "schema/units.h"

namespace cambench::store {

struct Breach {
  std::string where;  ///< "run r000001", "study coatings"
  std::string what;   ///< one sentence
};

struct Verified {
  std::int64_t version = 0;                                ///< of the schema
  std::vector<std::pair<std::string, std::int64_t>> rows;  ///< of each table
  std::int64_t gaps = 0;                                   ///< times that nobody listened, recorded as events
  std::int64_t missing_samples = 0;                        ///< numbers that were given and not kept
  std::vector<Breach> breaches;                            ///< empty: all is well
  Seconds took{0};
};

/// Reads only, at one moment of a database that goes on. Throws StoreError when there is no database of this version.
Verified verify(const std::filesystem::path& file);

}  // namespace cambench::store
