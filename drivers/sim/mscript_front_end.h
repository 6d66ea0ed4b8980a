// The analogue side of a simulated potentiostat: its modes, ranges and switch, what it drives through the cell on its
// leads, and what its converters make of that. It knows no script and no host.
//
// The cell lags behind the clock until somebody looks at it or its drive changes, so that most commands cost nothing.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "drivers/sim/cell.h"
#include "drivers/sim/instrument.h"
#include "drivers/sim/mscript_errors.h"
#include "drivers/sim/mscript_faults.h"
#include "drivers/sim/mscript_models.h"
#include "drivers/sim/mscript_script.h"
#include "schema/units.h"

namespace cambench::sim {

class FrontEnd {
 public:
  FrontEnd(Model model, std::uint64_t seed, Spoilers& spoilers);

  void set_clock(double now_s) { now_s_ = now_s; }
  void connect(Cell* cell);
  void set_ideal(bool ideal);
  void power_up();  ///< everything to its start values; the cell is off

  // What a script can ask for. `none` is success.
  using Mode = int;  ///< of set_pgstat_mode: 0 off, 2 low speed, 3 high speed, 4 max range, 6 galvanostat
  static constexpr Mode off = 0, low_speed = 2, high_speed = 3, max_range = 4, galvanostat = 6;
  Error set_mode(double mode, Unsettled::ModeChange with_cell_on);
  Error set_range(script::Type of, double low, double high);
  Error set_autoranging(script::Type of, double low, double high);
  Error set_current(double amp);
  Error set_potential(double volt);
  Error switch_on();
  void switch_off() { switch_to(false); }

  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] bool on() const { return on_; }
  [[nodiscard]] double set_current_A() const { return set_A_; }
  [[nodiscard]] double set_potential_V() const { return set_V_; }

  /// One reading, with status bits and range id.
  script::Value measure(script::Type what);
  /// A critical overload: the instrument cannot control the cell.
  [[nodiscard]] bool overloaded();

  /// Takes a lead off ('r' reference, 'c' counter, 'w' working electrode) until a time.
  void take_lead_off(char lead, double until_s);
  void put_leads_back() { take_lead_off(' ', -1.0); }

  /// So many times the current flows that was set.
  void drive_wrongly(double factor);

  // The truth.
  [[nodiscard]] Ampere current() const { return Ampere(flowing_A_); }
  [[nodiscard]] std::optional<Leads> leads();
  [[nodiscard]] std::uint64_t switches() const { return switches_; }
  [[nodiscard]] std::optional<Extremes> take_extremes();

 private:
  void sync();
  void drive();
  void switch_to(bool on);
  void note_extremes();
  [[nodiscard]] bool leads_open() const;
  [[nodiscard]] bool reference_open() const { return now_s_ < lead_off_until_s_ && lead_off_ == 'r'; }
  [[nodiscard]] double true_potential(script::Type what) const;
  script::Value measure_current(script::Type what);
  script::Value measure_potential(script::Type what);
  void spoil(script::Value& value);
  [[nodiscard]] const CurrentRange& range() const;
  [[nodiscard]] const CurrentRange& range_for(double amp) const;
  [[nodiscard]] Ampere reach() const;

  const Profile& profile_;
  std::span<const CurrentRange> ranges_;
  Spoilers& spoilers_;
  Meter meter_;
  double drive_gain_ = 1.0, drive_fault_ = 1.0;
  bool ideal_ = false;

  Cell* cell_ = nullptr;
  double now_s_ = 0.0, cell_s_ = 0.0;
  Mode mode_ = off;
  bool on_ = false;
  double set_A_ = 0.0, set_V_ = 0.0, flowing_A_ = 0.0;
  const CurrentRange* current_range_ = nullptr;
  double auto_low_A_ = 0.0, auto_high_A_ = 0.0;  // autoranging when the second is not 0
  double potential_range_V_ = 0.0;

  char lead_off_ = ' ';
  double lead_off_until_s_ = -1.0;
  std::uint64_t switches_ = 0;
  std::optional<Extremes> extremes_;
};

}  // namespace cambench::sim
