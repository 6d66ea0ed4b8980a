// A potentiostat made of code, whatever its dialect: what a station of the simulated bench needs of it.
//
// Time is the instrument's own clock and only moves in advance(). One thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/sim/cell.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::sim {

/// The lowest and highest true potential of WE against RE while the cell was on.
struct Extremes {
  Volt lowest, highest;
};

class Instrument {
 public:
  virtual ~Instrument() = default;

  /// Puts the leads on a cell, or takes them off (nullptr). The cell must outlive the connection.
  virtual void connect(Cell* cell) = 0;

  /// Bytes from the host, in any pieces.
  virtual void receive(std::string_view bytes) = 0;
  /// Bytes for the host, since the last call.
  [[nodiscard]] virtual std::string take_output() = 0;
  [[nodiscard]] virtual std::size_t waiting_output() const = 0;
  /// Lets the instrument's clock run to `to`; time never goes back.
  virtual void advance(Seconds to) = 0;

  /// A host's connection came, or went.
  virtual void host(bool /*connected*/) {}
  /// False: the connection of the host that is there is to be ended.
  [[nodiscard]] virtual bool keeps_host() const { return true; }
  /// Whether a host takes what is said. Only for instruments that speak unasked.
  virtual void set_reader(bool /*present*/) {}

  // The truth, for tests and the ground-truth file.
  [[nodiscard]] virtual std::string_view model_name() const = 0;
  [[nodiscard]] virtual const std::string& serial() const = 0;
  [[nodiscard]] virtual bool cell_on() const = 0;
  [[nodiscard]] virtual bool running() const = 0;    ///< a program runs
  [[nodiscard]] virtual Ampere current() const = 0;  ///< really flowing through the cell, + charges
  [[nodiscard]] virtual std::optional<Leads> leads() const = 0;  ///< empty without a cell
  [[nodiscard]] virtual std::uint64_t switches()
      const = 0;  ///< how often the cell was switched on or off so far
  /// The potentials between which the cell was on since the last call.
  [[nodiscard]] virtual std::optional<Extremes> take_extremes() = 0;

  /// A fault by its name and "key=value" settings; refused with the list of names when unknown.
  virtual Result<void> fault(std::string_view name, const std::vector<std::string>& settings) = 0;
  virtual void clear_faults() = 0;
  /// Chooses one of the behaviours that nobody knows; refused with the list of names when unknown.
  virtual Result<void> settle(std::string_view name, double value) = 0;
  virtual void power_cycle() = 0;
};

}  // namespace cambench::sim
