// A PalmSens MethodSCRIPT instrument made of code: bytes in, bytes out, and a cell on its leads. It
// interprets real scripts (MethodSCRIPT v1.9 as far as a battery bench needs it) and answers the
// communication commands in their literal formats ("EmStat4 communication protocol V1.3"). It shares nothing
// with the driver it is to test.
//
// Time is the instrument's own clock and only moves in advance(). Commands take `command_s` each;
// measurements, waits and loops take the time they say. Where the real instrument's behaviour is not known,
// both readings can be had (Unsettled). One thread at a time; bounded memory: a script of 64 KiB, lines of
// 255 characters.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/sim/cell.h"
#include "drivers/sim/mscript_front_end.h"
#include "drivers/sim/mscript_models.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::sim {

class MscriptMachine {
 public:
  MscriptMachine(Model model, std::string serial, std::uint64_t seed);
  ~MscriptMachine();
  MscriptMachine(const MscriptMachine&) = delete;
  MscriptMachine& operator=(const MscriptMachine&) = delete;

  /// Puts the leads on a cell, or takes them off (nullptr). The cell must outlive the connection.
  void connect(Cell* cell);

  /// Bytes from the host, in any pieces.
  void receive(std::string_view bytes);

  /// Lets the instrument's clock run to `to`; time never goes back. At most `max_commands` script commands
  /// are carried out by one call, so a script that loops without waiting cannot hold the caller.
  void advance(Seconds to, std::size_t max_commands = 200'000);
  [[nodiscard]] Seconds now() const;

  /// Bytes for the host, since the last call.
  [[nodiscard]] std::string take_output();
  /// Says whether somebody reads. While nobody does, output is lost or blocks the script (Unsettled).
  void set_reader(bool present);
  [[nodiscard]] std::size_t waiting_output() const;

  // The truth, for tests and the ground-truth file.
  [[nodiscard]] bool cell_on() const;
  [[nodiscard]] bool running() const;                ///< a script runs
  [[nodiscard]] Ampere current() const;              ///< really flowing through the cell, + charges
  [[nodiscard]] std::optional<Leads> leads() const;  ///< empty without a cell
  [[nodiscard]] std::uint64_t switches() const;      ///< how often the cell was switched on or off so far
  /// The potentials between which the cell was on since the last call.
  [[nodiscard]] std::optional<Extremes> take_extremes();
  [[nodiscard]] const Profile& profile() const;
  [[nodiscard]] const std::string& serial() const;

  /// A fault by its name and "key=value" settings; refused with the list of names when unknown. See
  /// fault_names.
  Result<void> fault(std::string_view name, const std::vector<std::string>& settings = {});
  void clear_faults();
  void power_cycle();  ///< RAM script lost, cell off, everything to its start values; files and clock stay
  static std::string_view fault_names();  ///< one line each: name, settings, what it does

  Unsettled unsettled;
  /// The same by name, for the control socket; refused with the list of names when unknown.
  Result<void> settle(std::string_view name, double value);
  double command_s = 20e-6;    ///< instrument time of one script command
  void set_ideal(bool ideal);  ///< no noise, no gain errors, no command time: for literal transcripts

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cambench::sim
