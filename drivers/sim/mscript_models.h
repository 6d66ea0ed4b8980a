// The MethodSCRIPT instruments that can be simulated: what distinguishes one model from another, and what nobody
// knows about any of them.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "drivers/sim/mscript_script.h"
#include "schema/units.h"

namespace cambench::sim {

enum class Model { emstat4_hr, emstat4_lr, multi_emstat4_hr, multi_emstat4_lr, nexus, emstat_pico };

/// What distinguishes one model from another on the wire and on the cell.
struct Profile {
  std::string_view firmware;  ///< the `t` reply; its first six characters are the device type
  std::string_view serial_prefix;
  Volt max_potential;  ///< between WE and RE; the compliance is 1.5 V more
  Ampere max_current;
  bool galvanostat = true;  ///< knows meas_loop_cp and set_i (capability bits 67 and 68)
  bool storage = true;      ///< has files (fs_*)
  bool multi_channel = false;
  bool cell_on_at_ocp = false;  ///< knows `cell_on ocp(potential)`
};
const Profile& profile(Model model);
std::string_view name_of(Model model);
std::optional<Model> model_named(std::string_view name);  ///< "EmStat4 HR"
std::string model_names();                                ///< of all, for a person

struct CurrentRange {
  int id;  ///< as in a packet's metadata
  double nominal_A;
};
std::span<const CurrentRange> current_ranges(Model model);  ///< from fine to coarse
/// The variable types that meas and add_meas accept.
std::span<const script::Type> measurable(Model model);

/// Behaviours that no document settles: a driver must be right under every one of them.
struct Unsettled {
  bool on_finished_after_error = false;      ///< a runtime error still runs the part after on_finished:
  bool blank_after_error = true;             ///< an empty line ends a run that ended in an error
  bool knows_add_meas = true;                ///< older firmware refuses the option: e!4008
  bool first_point_at_zero = true;           ///< a measurement loop measures at once, not after one interval
  bool cp_reports_measured = false;          ///< meas_loop_cp's second output is `ba` measured, not `db` set
  bool blank_answers_blank_running = false;  ///< an empty line during a run is answered by one
  bool abort_waits_for_sample = false;       ///< `Z` takes effect at the next sample instead of at once
  bool unread_output_blocks = false;   ///< nobody reads: the script waits, cell on, instead of losing bytes
  bool zero_has_blank_prefix = false;  ///< zero is sent as 8000000 and a blank, not as 8000000a
  bool ag_is_ce_vs_we = false;         ///< the full cell's potential comes with the other sign
  bool file_has_text = true;           ///< send_string and loop marks go into the file, not packets alone
  bool full_storage_is_an_error =
      true;                      ///< writing to a full storage ends the script, cell on; or is skipped
  bool file_after_echo = false;  ///< fs_get echoes its `f` on a line of its own
  enum class ModeChange { opens_cell, keeps_cell, refused } mode_change = ModeChange::opens_cell;
  double deaf_after_error_s = 0.05;  ///< input is lost for so long after an error reply
};

}  // namespace cambench::sim
