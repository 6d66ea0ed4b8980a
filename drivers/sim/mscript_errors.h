// Communication and runtime errors of MethodSCRIPT instruments, by the numbers of the manual's appendix. What a script
// is refused for when it is loaded stands in mscript_script.cpp.
#pragma once
#include <cstdint>

namespace cambench::sim {

enum class Error : std::uint16_t {
  none = 0,
  command_unknown = 0x0003,
  register_unknown = 0x0004,
  wrong_comm_mode = 0x0006,
  command_too_long = 0x0008,
  no_script = 0x000C,
  became_nan = 0x0010,
  ocp_with_cell_on = 0x0014,
  mode_unsupported = 0x0021,
  invalid_for_mode = 0x0023,
  file_error = 0x0026,
  file_exists = 0x0027,
  divided_by_zero = 0x0028,
  channel_missing = 0x002F,
  critical_overload = 0x0032,
  not_a_multi_device = 0x0048,
  timing_impossible = 0x005A,
  no_file_system = 0x0083,
  ranging_unsupported = 0x0084,
  file_not_found = 0x009F,
  script_too_large = 0x4005,
  array_index = 0x400F,
  packet_sequence = 0x401B,
  packet_too_long = 0x401C,
  needs_cell_on = 0x4027,
  needs_cell_off = 0x4028,
  needs_a_step = 0x4029,
  bad_file_mode = 0x402D,
  no_counter_in_mode = 0x402E,
  no_open_file = 0x403B,
  bad_output_mode = 0x403C,
  must_be_positive = 0x4204,
  out_of_bounds = 0x4205,
  not_on_this_instrument = 0x4206,
  mixed_number_kinds = 0x4207
};

}  // namespace cambench::sim
