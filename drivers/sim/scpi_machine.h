// A Keithley 2450, 2460 or 2461 made of code: bytes in, bytes out, and a cell on its leads. It interprets SCPI in long
// and short forms, keeps buffers, an error queue and an event log, and runs trigger models block by block ("2450
// Reference Manual" 2450-901-01, "2461 Reference Manual" 2461-901-01). It shares nothing with the driver it is to test.
//
// WE is on the high leads and the sense leads measure E(WE vs RE), which is the full cell where there is no reference.
// Time is the instrument's own and only moves in advance() and in measurements. One thread at a time; bounded memory.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "drivers/sim/cell.h"
#include "drivers/sim/instrument.h"
#include "drivers/sim/scpi_faults.h"
#include "schema/units.h"

namespace cambench::sim {

class ScpiMachine final : public Instrument {
 public:
  ScpiMachine(std::string model, std::string serial, std::uint64_t seed);
  ~ScpiMachine() override;
  ScpiMachine(const ScpiMachine&) = delete;
  ScpiMachine& operator=(const ScpiMachine&) = delete;

  void connect(Cell* cell) override;

  // Port 5025 has one session. A client that dies without a word leaves its own behind.
  bool open_session();  ///< false: somebody has it
  void close_session(bool cleanly);
  [[nodiscard]] bool session() const;
  void knock_at_dead_socket();  ///< port 5030: ends the session, whoever's it is
  void host(bool connected) override;
  [[nodiscard]] bool keeps_host() const override { return session(); }

  void receive(std::string_view bytes) override;
  [[nodiscard]] std::string take_output() override;
  [[nodiscard]] std::size_t waiting_output() const override;
  /// The answer as USB and GPIB ask for it; empty, and an error, when nothing was asked.
  [[nodiscard]] std::string read_message();
  void advance(Seconds to) override;
  [[nodiscard]] Seconds now() const;

  // The truth, for tests.
  [[nodiscard]] std::string_view model_name() const override;
  [[nodiscard]] const std::string& serial() const override;
  [[nodiscard]] bool cell_on() const override { return output_on(); }
  [[nodiscard]] bool output_on() const;
  [[nodiscard]] bool running() const override;
  [[nodiscard]] Ampere current() const override;
  [[nodiscard]] std::optional<Leads> leads() const override;
  [[nodiscard]] std::uint64_t switches() const override;
  [[nodiscard]] std::optional<Extremes> take_extremes() override;
  [[nodiscard]] std::size_t errors() const;         ///< entries in the error queue
  [[nodiscard]] std::uint64_t switched_on() const;  ///< how often the output came on

  /// Everything to its start values, the buffers gone, the power-on bit set.
  void power_cycle() override;
  void interlock();    ///< the output goes off by itself and the trigger model ends
  void fill_errors();  ///< 1000 entries, the last one -350
  void set_ideal(bool ideal);

  Result<void> fault(std::string_view name, const std::vector<std::string>& settings) override;
  void clear_faults() override { faults = {}; }
  Result<void> settle(std::string_view name, double value) override;
  static std::string_view fault_names();  ///< one line each: name, settings, what it does
  ScpiFaults faults;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cambench::sim
