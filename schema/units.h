// Quantities that cross a room. At rest a value is a plain double whose name ends in its unit
// (current_A, pressure_MPa); between rooms it has one of these types, so that volts cannot be added to amperes
// and a bare 5.0 is not a pressure. There is no dimension algebra: a formula opens the values and says its
// units in its names. Unknown is std::optional, never 0 or NaN.
#pragma once
#include <chrono>
#include <cmath>
#include <compare>

namespace cambench {

template <typename Tag>
class Quantity {
 public:
  constexpr Quantity() = default;
  explicit constexpr Quantity(double value) : value_(value) {}
  [[nodiscard]] constexpr double value() const { return value_; }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value_ + b.value_); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value_ - b.value_); }
  friend constexpr Quantity operator-(Quantity a) { return Quantity(-a.value_); }
  friend constexpr Quantity operator*(double factor, Quantity a) { return Quantity(factor * a.value_); }
  friend constexpr Quantity operator*(Quantity a, double factor) { return Quantity(factor * a.value_); }
  friend constexpr Quantity operator/(Quantity a, double divisor) { return Quantity(a.value_ / divisor); }
  friend constexpr double operator/(Quantity a, Quantity b) { return a.value_ / b.value_; }
  friend Quantity abs(Quantity a) { return Quantity(std::abs(a.value_)); }

 private:
  double value_ = 0.0;
};

using Volt = Quantity<struct VoltTag>;
using Ampere = Quantity<struct AmpereTag>;  ///< positive charges the cell (delithiates the cathode)
using AmpereHour = Quantity<struct AmpereHourTag>;
using MegaPascal = Quantity<struct MegaPascalTag>;  ///< stack pressure on the pellet
using Celsius = Quantity<struct CelsiusTag>;
using Gram = Quantity<struct GramTag>;

/// Seconds of experiment or wire time as a floating-point duration; clocks stay std::chrono clocks.
using Seconds = std::chrono::duration<double>;

constexpr Ampere from_mA(double milliampere) { return Ampere(milliampere * 1e-3); }
constexpr AmpereHour from_mAh(double milliampere_hour) { return AmpereHour(milliampere_hour * 1e-3); }
constexpr Volt from_mV(double millivolt) { return Volt(millivolt * 1e-3); }
constexpr MegaPascal from_bar(double bar) { return MegaPascal(bar * 0.1); }
/// Force on the punch over the pellet's area, in newton and square millimetres: N/mm2 = MPa.
constexpr MegaPascal from_newton(double newton, double area_mm2) { return MegaPascal(newton / area_mm2); }

}  // namespace cambench
