// Names that Battery Data Format 1.3 has no column for: those that its issue 118 proposes for electrode potentials, and
// our own. Reading and writing share them here, so that following that thread is one edit.
#pragma once
#include <string_view>

namespace cambench::bdf {

inline constexpr std::string_view version = "1.3.0";

struct ColumnName {
  std::string_view label, machine;
};
inline constexpr ColumnName we_vs_re{"Working Electrode Potential vs Reference / V",
                                     "working_electrode_potential_vs_reference_volt"};
inline constexpr ColumnName ce_vs_re{"Counter Electrode Potential vs Reference / V",
                                     "counter_electrode_potential_vs_reference_volt"};
inline constexpr ColumnName sample_status{"Sample Status", "sample_status"};

}  // namespace cambench::bdf
