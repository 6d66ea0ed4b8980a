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
#include "drivers/sim/instrument.h"
#include "drivers/sim/mscript_front_end.h"
#include "drivers/sim/mscript_models.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::sim {

class MscriptMachine final : public Instrument {
 public:
  MscriptMachine(Model model, std::string serial, std::uint64_t seed);
  ~MscriptMachine() override;
  MscriptMachine(const MscriptMachine&) = delete;
  MscriptMachine& operator=(const MscriptMachine&) = delete;

  void connect(Cell* cell) override;
  void receive(std::string_view bytes) override;

  void advance(Seconds to) override { advance(to, 200'000); }
  /// At most `max_commands` script commands are carried out by one call, so a script that loops without waiting
  /// cannot hold the caller.
  void advance(Seconds to, std::size_t max_commands);
  [[nodiscard]] Seconds now() const;

  [[nodiscard]] std::string take_output() override;
  /// While nobody reads, output is lost or blocks the script (Unsettled).
  void set_reader(bool present) override;
  [[nodiscard]] std::size_t waiting_output() const override;

  // The truth, for tests and the ground-truth file.
  [[nodiscard]] std::string_view model_name() const override;
  [[nodiscard]] bool cell_on() const override;
  [[nodiscard]] bool running() const override;
  [[nodiscard]] Ampere current() const override;
  [[nodiscard]] std::optional<Leads> leads() const override;
  [[nodiscard]] std::uint64_t switches() const override;
  [[nodiscard]] std::optional<Extremes> take_extremes() override;
  [[nodiscard]] const Profile& profile() const;
  [[nodiscard]] const std::string& serial() const override;

  Result<void> fault(std::string_view name, const std::vector<std::string>& settings) override;
  Result<void> fault(std::string_view name) { return fault(name, {}); }
  void clear_faults() override;
  void power_cycle()
      override;  ///< RAM script lost, cell off, everything to its start values; files and clock stay
  static std::string_view fault_names();  ///< one line each: name, settings, what it does

  Unsettled unsettled;
  Result<void> settle(std::string_view name, double value) override;
  double command_s = 20e-6;    ///< instrument time of one script command
  void set_ideal(bool ideal);  ///< no noise, no gain errors, no command time: for literal transcripts

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cambench::sim
