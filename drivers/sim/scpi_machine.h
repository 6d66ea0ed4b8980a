// A Keithley 2450, 2460 or 2461 made of code: bytes in, bytes out, and a cell on its leads. It interprets SCPI in long
// and short forms, keeps buffers and an error queue, and runs trigger models block by block ("2450 Reference Manual"
// 2450-901-01, "2461 Reference Manual" 2461-901-01). It shares nothing with the driver it is to test.
//
// WE is on the high leads and the sense leads measure E(WE vs RE), which is the full cell where there is no reference;
// `swapped` exchanges the pairs. Time is the instrument's own and only moves in advance() and in measurements. One
// thread at a time; bounded memory.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "drivers/sim/cell.h"
#include "schema/units.h"

namespace cambench::sim {

/// What can go wrong at the wire and at the leads. Counters strike that many of the coming opportunities.
struct ScpiFaults {
  int half_replies = 0;            ///< half of the answer comes, then nothing
  int dropped_data = 0;            ///< the connection ends within an answer to :TRAC:DATA?
  int no_values = 0;               ///< a reading is 9.9E37
  bool deaf = false;               ///< no answers at all
  bool sense_open = false;         ///< the potential reads 0 and the loop has lost its feedback
  bool limits_not_swapped = true;  ///< whether a limit branch with A > B is taken as it stands
  std::string language = "SCPI";   ///< what *LANG? answers
};

class ScpiMachine {
 public:
  ScpiMachine(std::string model, std::string serial, std::uint64_t seed);
  ~ScpiMachine();
  ScpiMachine(const ScpiMachine&) = delete;
  ScpiMachine& operator=(const ScpiMachine&) = delete;

  /// Puts the leads on a cell, or takes them off (nullptr). The cell must outlive the connection.
  void connect(Cell* cell);

  // Port 5025 has one session. A client that dies without a word leaves its own behind.
  bool open_session();  ///< false: somebody has it
  void close_session(bool cleanly);
  [[nodiscard]] bool session() const;
  void knock_at_dead_socket();  ///< port 5030: ends the session, whoever's it is

  void receive(std::string_view bytes);
  [[nodiscard]] std::string take_output();
  void advance(Seconds to);
  [[nodiscard]] Seconds now() const;

  // The truth, for tests.
  [[nodiscard]] bool output_on() const;
  [[nodiscard]] bool running() const;
  [[nodiscard]] Ampere current() const;             ///< really flowing through the cell, + charges
  [[nodiscard]] std::size_t errors() const;         ///< entries in the error queue
  [[nodiscard]] std::uint64_t switched_on() const;  ///< how often the output came on

  void power_cycle();  ///< everything to its start values, the buffers gone, the power-on bit set
  void interlock();    ///< the output goes off by itself and the trigger model ends
  void fill_errors();  ///< 1000 entries, the last one -350
  void set_ideal(bool ideal);
  bool swapped = false;
  ScpiFaults faults;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cambench::sim
