#include "drivers/sim/mscript_front_end.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace cambench::sim {
namespace {

using script::type;
using script::Type;
using script::Value;

namespace bits {  // of a packet's status field
constexpr std::uint8_t overload = 2, underload = 4, overload_warning = 8;
}

// Shares of the nominal range where the EmStat4 speaks up, and how far beyond it drives.
constexpr double overload_share = 2.92, warning_share = 2.46, underload_share = 0.123, range_reach = 3.0;
constexpr double compliance_V = 1.5;  // beyond the largest potential
constexpr int potential_range_id = 0x04;
constexpr double room_temperature_C = 25.0;

}  // namespace

FrontEnd::FrontEnd(Model model, std::uint64_t seed, Spoilers& spoilers)
    : profile_(profile(model)),
      ranges_(current_ranges(model)),
      spoilers_(spoilers),
      meter_(seed_for(seed, "meter")) {
  Random random(seed_for(seed, "drive"));
  drive_gain_ = 1.0 + 2e-4 * (2.0 * random.uniform() - 1.0);
}

void FrontEnd::connect(Cell* cell) {
  sync();
  cell_ = cell;
  drive();
}

void FrontEnd::set_ideal(bool ideal) {
  ideal_ = ideal;
  meter_.set_ideal(ideal);
}

void FrontEnd::power_up() {
  switch_to(false);
  mode_ = off;
  set_A_ = set_V_ = 0.0;
  current_range_ = nullptr;
  auto_high_A_ = potential_range_V_ = 0.0;
  drive();
}

/// Brings the cell to the instrument's time. Called before anything that drives or looks at it changes.
void FrontEnd::sync() {
  const Seconds passed(now_s_ - std::exchange(cell_s_, now_s_));
  if (mode_ == galvanostat) drive();  // a lead may have come back
  if (!cell_ || passed.count() <= 0.0) return;
  if (!on_ || leads_open())
    cell_->hold_current(Ampere(0.0), passed);
  else if (mode_ == galvanostat)
    cell_->hold_current(Ampere(flowing_A_), passed);
  else
    flowing_A_ = cell_->hold_potential(Volt(set_V_), reach(), passed).value();
  note_extremes();
}

/// After the set point, the mode or the switch changed.
void FrontEnd::drive() {
  flowing_A_ = 0.0;
  if (!on_ || leads_open()) return;
  if (mode_ == galvanostat) {
    flowing_A_ = set_A_ * (ideal_ ? 1.0 : drive_gain_) * drive_fault_;
  } else {
    Cell at_once = *cell_;
    flowing_A_ = at_once.hold_potential(Volt(set_V_), reach(), Seconds(1e-3)).value();
  }
}

void FrontEnd::switch_to(bool on) {
  sync();
  if (on_ != on) ++switches_;
  on_ = on;
  drive();
  note_extremes();
}

Error FrontEnd::switch_on() {
  if (mode_ == off) return Error::invalid_for_mode;
  switch_to(true);
  return Error::none;
}

Error FrontEnd::set_mode(double wanted, Unsettled::ModeChange with_cell_on) {
  static constexpr std::array modes{off, low_speed, high_speed, max_range, galvanostat};
  const auto* const to = std::ranges::find(modes, wanted);
  if (to == modes.end() || (*to == galvanostat && !profile_.galvanostat)) return Error::mode_unsupported;
  if (on_ && with_cell_on == Unsettled::ModeChange::refused) return Error::needs_cell_off;
  if (*to == off || with_cell_on == Unsettled::ModeChange::opens_cell) switch_to(false);
  sync();
  mode_ = *to;
  set_A_ = set_V_ = 0.0;
  current_range_ = nullptr;  // everything about ranges has to be said again
  auto_high_A_ = potential_range_V_ = 0.0;
  drive();
  return Error::none;
}

Error FrontEnd::set_range(Type of, double low, double high) {
  const double most = std::max(std::abs(low), std::abs(high));
  if (of == type("ba") || of == type("db")) {
    if (!(most <= profile_.max_current.value())) return Error::not_on_this_instrument;
    current_range_ = &range_for(most);
  } else if (of == type("ab") || of == type("da")) {
    if (!(most <= profile_.max_potential.value())) return Error::not_on_this_instrument;
    potential_range_V_ = most;
  } else {
    return Error::ranging_unsupported;
  }
  return Error::none;
}

Error FrontEnd::set_autoranging(Type of, double low, double high) {
  if (of == type("db")) return Error::none;
  if (of != type("ba")) return set_range(of, low, high);  // measured in the widest range it may use
  auto_low_A_ = std::abs(low);
  auto_high_A_ = std::abs(high);
  return auto_low_A_ <= auto_high_A_ ? Error::none : Error::out_of_bounds;
}

Error FrontEnd::set_current(double amp) {
  if (mode_ != galvanostat) return Error::invalid_for_mode;
  if (!(std::abs(amp) <= reach().value())) return Error::out_of_bounds;
  sync();
  set_A_ = amp;
  drive();
  return Error::none;
}

Error FrontEnd::set_potential(double volt) {
  if (mode_ == galvanostat || mode_ == off) return Error::invalid_for_mode;
  if (!(std::abs(volt) <= profile_.max_potential.value())) return Error::out_of_bounds;
  sync();
  set_V_ = volt;
  drive();
  return Error::none;
}

Value FrontEnd::measure(Type what) {
  sync();
  Value value;
  if (what == type("ba") || what == type("bb"))
    value = measure_current(what);
  else if (what == type("ed") || what == type("ef"))
    value = {room_temperature_C, what, false, 0, 0};
  else
    value = measure_potential(what);
  spoil(value);
  return value;
}

Value FrontEnd::measure_current(Type what) {
  const double truth = what == type("ba") ? flowing_A_ : 0.0;
  if (auto_high_A_ > 0.0)
    current_range_ = &range_for(std::clamp(std::abs(truth) / warning_share, auto_low_A_, auto_high_A_));
  const double nominal = range().nominal_A, share = std::abs(truth) / nominal;
  const std::uint8_t status = share > overload_share    ? bits::overload
                              : share > warning_share   ? bits::overload_warning
                              : share < underload_share ? bits::underload
                                                        : 0;
  const Ampere read = meter_.current(Ampere(truth), Ampere(nominal));
  return {read.value(), what, false, status, static_cast<std::int16_t>(range().id)};
}

Value FrontEnd::measure_potential(Type what) {
  const double truth = true_potential(what), most = profile_.max_potential.value();
  const double full = potential_range_V_ > 0.0 ? potential_range_V_ : most;
  const double read = std::clamp(meter_.potential(Volt(truth), Volt(full)).value(), -most, most);
  const std::uint8_t status = std::abs(truth) > std::min(most, 1.1 * full) ? bits::overload : 0;
  return {read, what, false, status, potential_range_id};
}

double FrontEnd::true_potential(Type what) const {
  const double most = profile_.max_potential.value();
  if (leads_open()) return on_ ? std::copysign(most + compliance_V, set_A_) : 0.0;
  const Leads leads = cell_->leads(Ampere(flowing_A_));
  const double we_re = reference_open() ? 1.05 * most : leads.we_vs_re.value();  // the rail
  if (what == type("ag")) return leads.we_vs_ce.value();
  if (what == type("ac")) return -leads.we_vs_ce.value();  // the working electrode is at ground
  if (what == type("ae")) return -we_re;
  if (what == type("as") || what == type("ai")) return 0.0;
  return we_re;
}

void FrontEnd::spoil(Value& value) {
  if (value.type == type("ab")) {
    if (spoilers_.strikes("nan")) value.number = std::numeric_limits<double>::quiet_NaN();
    if (const auto volt = spoilers_.strike("spike")) value.number += *volt;
  }
  if (value.range >= 0)
    if (const auto id = spoilers_.strike("range"))
      value.range = static_cast<std::int16_t>(std::clamp(*id, 0.0, 255.0));
  if (const auto status = spoilers_.strike("bits"))
    value.status |= static_cast<std::uint8_t>(std::clamp(*status, 0.0, 15.0));
}

bool FrontEnd::overloaded() {
  if (spoilers_.strikes("overload")) return true;
  if (!on_) return false;
  if (leads_open() || (reference_open() && mode_ != galvanostat)) return true;
  sync();
  return abs(cell_->leads(Ampere(flowing_A_)).we_vs_ce) > profile_.max_potential + Volt(compliance_V);
}

void FrontEnd::take_lead_off(char lead, double until_s) {
  sync();
  lead_off_ = lead;
  lead_off_until_s_ = until_s;
  drive();
}

void FrontEnd::drive_wrongly(double factor) {
  sync();
  drive_fault_ = factor;
  drive();
}

std::optional<Leads> FrontEnd::leads() {
  sync();
  if (!cell_) return std::nullopt;
  return cell_->leads(Ampere(flowing_A_));
}

std::optional<Extremes> FrontEnd::take_extremes() {
  sync();
  return std::exchange(extremes_, std::nullopt);
}

void FrontEnd::note_extremes() {
  if (!on_ || !cell_) return;
  const Volt now = cell_->leads(Ampere(flowing_A_)).we_vs_re;
  if (!extremes_) extremes_ = Extremes{now, now};
  extremes_->lowest = std::min(extremes_->lowest, now);
  extremes_->highest = std::max(extremes_->highest, now);
}

bool FrontEnd::leads_open() const {
  return !cell_ || (now_s_ < lead_off_until_s_ && (lead_off_ == 'c' || lead_off_ == 'w'));
}

const CurrentRange& FrontEnd::range() const { return current_range_ ? *current_range_ : ranges_.front(); }

const CurrentRange& FrontEnd::range_for(double amp) const {
  for (const auto& candidate : ranges_)
    if (std::abs(amp) <= candidate.nominal_A * (1.0 + 1e-9)) return candidate;
  return ranges_.back();
}

/// The largest current that the instrument drives in its present range, or the highest it may change to.
Ampere FrontEnd::reach() const {
  const double nominal_A = auto_high_A_ > 0.0 ? range_for(auto_high_A_).nominal_A : range().nominal_A;
  return Ampere(std::min(range_reach * nominal_A, profile_.max_current.value()));
}

}  // namespace cambench::sim
