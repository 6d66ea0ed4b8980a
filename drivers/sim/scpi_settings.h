// The settings of a simulated source-measure unit: one table of what there is, where it starts and what it takes.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/sim/scpi_events.h"
#include "drivers/sim/scpi_text.h"
#include "schema/units.h"

namespace cambench::sim::scpi {

class Settings {
 public:
  Settings() { reset(); }
  void reset();  ///< as after *RST or power-up

  /// The table's name of a setting, in its long form; empty for a header that is none.
  [[nodiscard]] static std::string_view named(const std::string& header);
  /// Sets what `name` stands for; false, with an entry among the events, when that may not be.
  bool set(std::string_view name, const Words& arguments, Events& events);
  /// As a query prints it.
  [[nodiscard]] std::string shown(std::string_view name) const;

  [[nodiscard]] double value(std::string_view name) const { return number(values_.at(name)).value_or(0); }
  [[nodiscard]] bool is(std::string_view name, std::string_view word) const {
    return values_.at(name) == word;
  }
  [[nodiscard]] bool sources_voltage() const { return is("SOURce:FUNCtion", "VOLT"); }
  [[nodiscard]] bool senses_current() const { return is("SENSe:FUNCtion", "CURR"); }
  [[nodiscard]] bool four_wire() const {
    return is(senses_current() ? "SENSe:CURRent:RSENse" : "SENSe:VOLTage:RSENse", "1");
  }
  /// With the output off; the state of the source function that is chosen.
  [[nodiscard]] bool off_is_high_impedance() const;
  [[nodiscard]] std::optional<Volt> protection() const;
  [[nodiscard]] Seconds measuring_time() const;  ///< without what the source's reading back costs
  [[nodiscard]] bool reads_back() const;         ///< the source, before each measurement

 private:
  std::map<std::string_view, std::string> values_;
};

}  // namespace cambench::sim::scpi
