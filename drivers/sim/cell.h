// A solid-state cell made of code: NCM and Li6PS5Cl as composite cathode (working electrode), In/InLi as
// counter electrode, and a lithiated gold wire between two separator layers as reference.
//
// Model: one representative spherical particle (20 shells, implicit finite volumes), Butler-Volmer charge
// transfer behind one RC, ohmic terms, a slow RC on the counter electrode, and a parasitic oxidation of the
// electrolyte that keeps the coulombic efficiency below one. Open-circuit potential: Chen et al. 2020 (JES
// 167 080534) with an own knee at full lithiation; diffusivity: O'Regan et al. 2022 with an own decline above
// s = 0.85.
//
// THE SIX MATERIALS ARE TUNED TO THE PROSE OF HERTLE ET AL. (which coating helps where), NOT MEASURED.
//
// The same cell and the same calls give the same numbers on every run; noise lives in Meter. One thread at a
// time.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "drivers/sim/random.h"
#include "schema/units.h"

namespace cambench::sim {

/// What a cell is built of. Defaults: the three-electrode rate-test cell with uncoated NCM.
struct CellKind {
  std::string name = "rate ncm-uncoated";
  bool reference_wire =
      true;  ///< false: two electrodes, the instrument's RE lead is on the counter electrode

  double area_cm2 = 0.785398;  ///< 10 mm pellet
  double composite_mg = 12.0;
  double cam_fraction = 0.67;  ///< 67:30:3 for the rate test, 80:20 for the degradation cells
  double full_mAh_g = 278.0;   ///< all lithium of LiNi.85Co.10Mn.05O2
  double pristine = 0.985;     ///< lithiation of the cathode as built

  double separator_layer_mg = 60.0;  ///< of Li6PS5Cl; one layer either side of the wire, one alone without
  double separator_g_cm3 = 1.64;     ///< pressed, not crystal
  double separator_S_cm = 1.4e-3;

  double counter_vs_li_V = 0.622;  ///< In/InLi
  double counter_ohm = 12.0, counter_slow_ohm = 10.0, counter_slow_s = 900.0;
  double reference_vs_li_V = 0.31;  ///< lithiated gold, assumed
  double reference_drift_mV_h = 0.0;

  double radius_m = 1.75e-6;       ///< d50 / 2
  double diffusion_factor = 0.17;  ///< how much of the particle is in contact
  double exchange_mA = 0.9;        ///< of the whole electrode at s = 0.5
  double interphase_ohm = 16.0;    ///< interphase and coating
  double ionic_ohm = 13.0;         ///< L / (3 sigma A) of the composite
  double charge_transfer_s = 0.8;  ///< R_ct C_dl
  double used_fraction = 0.90;     ///< share of the CAM that takes part

  double side_uA = 6.0;                                ///< parasitic oxidation at 4.30 V vs Li+/Li, fresh
  double side_width_V = 0.08, side_charge_uAh = 25.0;  ///< its slope, and the charge that passivates it
  double temperature_K = 298.15;

  /// Mass of active material, the basis of every mAh/g.
  [[nodiscard]] double cam_g() const { return composite_mg * cam_fraction * 1e-3; }
};

/// The six materials of the paper's Table 1, uncoated first.
std::span<const std::string_view> cell_materials();

/// A cell of one of them for `experiment` "rate" (three electrodes, 67 % CAM) or "degradation" (two, 80 %).
std::optional<CellKind> cell_kind(std::string_view experiment, std::string_view material);

/// What the leads see. `we_vs_ce` is the full cell.
struct Leads {
  Volt we_vs_re, ce_vs_re, we_vs_ce;
};

class Cell {
 public:
  explicit Cell(CellKind kind);

  /// Potentials if `current` flowed now (+ charges): a step of current shows its ohmic part at once.
  [[nodiscard]] Leads leads(Ampere current) const;

  /// Time passes under a constant current; 0 is open circuit. Inner steps grow from 0.2 s after a change to
  /// 20 s.
  void hold_current(Ampere current, Seconds duration);

  /// Time passes under a constant potential of WE against RE, within +-`limit`; returns the current at the
  /// end.
  Ampere hold_potential(Volt we_vs_re, Ampere limit, Seconds duration);

  [[nodiscard]] const CellKind& kind() const { return kind_; }
  [[nodiscard]] Seconds age() const { return Seconds(age_s_); }
  [[nodiscard]] double mean_lithiation() const;
  /// Charge that has flown through the leads, + charged. What an ideal coulomb counter would show.
  [[nodiscard]] AmpereHour charge() const { return AmpereHour(charge_C_ / 3600.0); }
  /// Lithium lost to the parasitic reaction, as charge.
  [[nodiscard]] AmpereHour side_charge() const { return AmpereHour(side_uAh_ * 1e-6); }

 private:
  static constexpr int shells = 20;

  void step(double current_A, double dt_s);
  [[nodiscard]] double next_step_s(double left_s) const;
  [[nodiscard]] double side_A() const;
  [[nodiscard]] double surface(double interfacial_A) const;
  [[nodiscard]] double flux(double interfacial_A) const;

  CellKind kind_;
  double shell_m_, active_C_, separator_ohm_;
  std::array<double, shells - 1> face_m2_{};  // 4 pi dropped throughout, as in volume_m3_
  std::array<double, shells> volume_m3_{}, lithiation_{};
  double charge_transfer_V_ = 0.0, counter_slow_V_ = 0.0;
  double side_uAh_ = 0.0, charge_C_ = 0.0, age_s_ = 0.0;
  double last_A_ = 0.0, since_change_s_ = 0.0;
};

/// What a potentiostat's converters make of the true values: a fixed small gain and offset error per seed,
/// noise (30 uV; 0.01 % of the current range), and 16-bit steps of the range.
class Meter {
 public:
  explicit Meter(std::uint64_t seed);
  [[nodiscard]] Volt potential(Volt truth, Volt range);
  [[nodiscard]] Ampere current(Ampere truth, Ampere range);
  void set_ideal(bool ideal) { ideal_ = ideal; }  ///< no errors at all, for literal transcripts

 private:
  Random random_;
  double potential_gain_, potential_offset_V_, current_gain_,
      current_offset_;  // the last is a share of the range
  bool ideal_ = false;
};

}  // namespace cambench::sim
