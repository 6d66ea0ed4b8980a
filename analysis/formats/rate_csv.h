// A rate test as text with commas or semicolons. Columns are found by their names, in any case and in the spellings of
//   Battery Data Format 1.3: "Test Time / s" or test_time_second, "Current / A", "Voltage / V", "Cycle Count / 1", ...
//   Arbin-like exports and cellpy: test_time, step_time, cycle_index, step_index, current, voltage, charge_capacity, ...
// Units are seconds, ampere, volt and ampere hour; + current charges.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/capacity.h"

namespace cambench::rate {

struct RateTest {
  std::vector<Row> rows;
  bool has_counters = false;  ///< charge and discharge; those that run on are made to begin with each cycle
  std::string potential;      ///< name of the column that Row::potential_V was read from
  std::vector<std::string> ignored;  ///< columns that are not used
  std::size_t without_values = 0;    ///< rows that had no current or no potential and were left out
  bool has_steps = true;             ///< false: the file counts no steps, they were told by the current
};

/// Throws BadInput, which names the file, the line and the mend. The working electrode's potential is taken where the
/// file has one (`working_electrode_potential_vs_reference_volt`), else the voltage. A row without current or potential
/// (a BDF file's missing value) is left out. Without a column of steps, as in Battery Archive's files, a step is what has
/// one direction of current within a cycle.
[[nodiscard]] RateTest read_rate_csv(std::string_view text, std::string_view name);
[[nodiscard]] RateTest read_rate_csv(const std::filesystem::path& file);

/// The same file with all that a run of the store keeps: both potentials and when it was. Times without a zone are UTC.
struct CyclingRow {
  Row row;
  std::optional<double> cell_V, we_vs_re_V, unix_time_s;
};
struct CyclingFile {
  std::vector<CyclingRow> rows;
  RateTest facts;  ///< all of it but its rows
};
[[nodiscard]] CyclingFile read_cycling_csv(std::string_view text, std::string_view name);

}  // namespace cambench::rate
