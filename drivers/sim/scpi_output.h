// The analogue side of a simulated source-measure unit: what its source drives through the cell on its leads, its output
// relay and protection, and what its converters make of it all. It knows no command.
#pragma once
#include <cstdint>
#include <optional>

#include "drivers/sim/cell.h"
#include "drivers/sim/instrument.h"
#include "drivers/sim/scpi_faults.h"
#include "drivers/sim/scpi_settings.h"

namespace cambench::sim::scpi {

/// A row of a buffer.
struct Reading {
  double source = 0, reading = 0;
  Seconds at{0};
};

class Output {
 public:
  Output(std::uint64_t seed, const Settings& settings, ScpiFaults& faults)
      : settings_(settings), faults_(faults), meter_(seed) {}

  void connect(Cell* cell);
  void set_ideal(bool ideal) { meter_.set_ideal(ideal); }
  void power_up();  ///< off; what the output-off state does to the cell begins with the next pass of time

  void switch_to(bool on);
  /// The protection acts: off, and tripped until it is switched on again.
  void trip();
  /// Time passes. False when the protection acted.
  bool age(Seconds time);
  /// What the meter says now.
  [[nodiscard]] Reading read(Seconds at);

  [[nodiscard]] bool on() const { return on_; }
  [[nodiscard]] bool tripped() const { return tripped_; }
  /// The source stands at its limit: a voltage source at its current limit, a current source at its voltage limit.
  [[nodiscard]] bool limited() const;

  // The truth.
  [[nodiscard]] Ampere current() const { return flowing_; }
  [[nodiscard]] std::optional<Leads> leads() const;
  [[nodiscard]] std::uint64_t switches() const { return switches_; }
  [[nodiscard]] std::uint64_t switched_on() const { return switched_on_; }
  [[nodiscard]] std::optional<Extremes> take_extremes();

 private:
  [[nodiscard]] double sign() const { return faults_.swapped ? -1.0 : 1.0; }
  void hold(Volt wire, Ampere limit, Seconds time);
  void let_flow(Ampere wire, Seconds time);
  void rest(Seconds time);
  void source_current(Seconds time);
  void run_away(Seconds time);
  void note_extremes();

  const Settings& settings_;
  ScpiFaults& faults_;
  Meter meter_;
  Cell* cell_ = nullptr;
  Ampere flowing_{0};
  bool on_ = false, tripped_ = false;
  std::uint64_t switches_ = 0, switched_on_ = 0;
  std::optional<Extremes> extremes_;
};

}  // namespace cambench::sim::scpi
