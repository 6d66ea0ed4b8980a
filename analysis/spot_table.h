// Spots x fragments: the one table that statistics, PCA and degradation scores start from.
#pragma once
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/fragments.h"
#include "analysis/matrix.h"
#include "analysis/region.h"

namespace cambench::sims {

enum class State { uncycled, cycled };
[[nodiscard]] std::string_view to_string(State state);

/// Which spot a row is.
struct Spot {
  std::string material;
  State state = State::cycled;
  std::string region;
  friend auto operator<=>(const Spot&, const Spot&) = default;
};

enum class Normalisation { total_ion, reference_ion };
[[nodiscard]] std::string_view to_string(Normalisation normalisation);

struct SpotTable {
  Normalisation normalisation = Normalisation::total_ion;
  std::vector<Fragment> fragments;  ///< columns, sorted by m/z; label as shown to people
  std::vector<Spot> spots;          ///< rows, sorted
  Matrix values;                    ///< normalised, spots x fragments, finite
  std::vector<std::string> notes;   ///< fragments left out, skipped pixels: sentences for the report
};

/// A material in one state, and the rows of its spots.
using Sample = std::pair<std::string, State>;
using RowsBySample = std::map<Sample, std::vector<std::size_t>>;
[[nodiscard]] RowsBySample rows_by_sample(const SpotTable& table);

/// A region read, and where it belongs.
struct SpotRegion {
  std::string material;
  State state = State::cycled;
  const Region* region = nullptr;
};

struct TableOptions {
  Normalisation normalisation = Normalisation::total_ion;
  /// A fragment that some regions have and others lack: refuse (default), or leave it out with a note.
  enum class MissingPeaks { refuse, leave_out } missing_peaks = MissingPeaks::refuse;
};

[[nodiscard]] std::vector<Setting> describe(const TableOptions& options);

/// Throws BadInput, naming both regions, when they differ in image size or in peaks, or when two are the same spot.
[[nodiscard]] SpotTable tabulate(std::span<const SpotRegion> regions, const FragmentTable& fragments,
                                 const TableOptions& options = {});

}  // namespace cambench::sims
