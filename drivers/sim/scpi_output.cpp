#include "drivers/sim/scpi_output.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cambench::sim::scpi {

namespace {

constexpr double lead_ohm = 0.5;  // seen by a two-wire measurement
constexpr Volt below_protection{0.1}, rail{21}, range{20};
constexpr double normal_off_share = 0.1;  // NORMAL lets up to 10 % of the range flow
constexpr double at_limit = 0.99;
constexpr Seconds at_once{1e-3};  // the shortest time in which the cell model holds a potential

}  // namespace

void Output::connect(Cell* cell) {
  cell_ = cell;
  age(Seconds(0));
}

void Output::power_up() {
  if (on_) ++switches_;
  on_ = tripped_ = false;
  flowing_ = Ampere(0);
}

void Output::switch_to(bool on) {
  if (on != on_) ++switches_;
  if (on && !on_) ++switched_on_;
  if (on) tripped_ = false;
  on_ = on;
  age(Seconds(0));
}

void Output::trip() {
  switch_to(false);
  tripped_ = true;
}

bool Output::age(Seconds time) {
  if (!cell_) {
    flowing_ = Ampere(0);
    return true;
  }
  if (!on_)
    rest(time);
  else if (faults_.sense_open)
    run_away(time);
  else if (settings_.sources_voltage())
    hold(Volt(settings_.value("SOURce:VOLTage")), Ampere(settings_.value("SOURce:VOLTage:ILIMit")), time);
  else
    source_current(time);
  note_extremes();
  return !tripped_;
}

void Output::hold(Volt wire, Ampere limit, Seconds time) {
  flowing_ = cell_->hold_potential(sign() * wire, limit, std::max(time, at_once));
}

void Output::let_flow(Ampere wire, Seconds time) {
  flowing_ = sign() * wire;
  cell_->hold_current(flowing_, time);
}

/// NORMAL holds 0 V with up to a tenth of the range: it discharges the cell. HIMP opens the relay.
void Output::rest(Seconds time) {
  if (settings_.off_is_high_impedance()) return let_flow(Ampere(0), time);
  const double of_range = settings_.sources_voltage() ? settings_.value("SENSe:CURRent:RANGe")
                                                      : settings_.value("SOURce:CURRent:RANGe");
  hold(Volt(0), Ampere(normal_off_share * of_range), time);
}

void Output::source_current(Seconds time) {
  const Ampere level(settings_.value("SOURce:CURRent"));
  const Volt clamp(settings_.value("SOURce:CURRent:VLIMit"));
  const Volt seen = cell_->leads(sign() * level).we_vs_re;
  if (abs(seen) <= clamp) return let_flow(level, time);
  const Ampere most =
      std::max(abs(level), Ampere(normal_off_share * settings_.value("SOURce:CURRent:RANGe")));
  flowing_ = cell_->hold_potential(seen > Volt(0) ? clamp : -clamp, most, std::max(time, at_once));
}

/// Without feedback the output goes to its limit; only the protection on the force leads ends that.
void Output::run_away(Seconds time) {
  const Volt most = settings_.protection().value_or(rail) - below_protection;
  const bool by_voltage = settings_.sources_voltage();
  const double way = settings_.value(by_voltage ? "SOURce:VOLTage" : "SOURce:CURRent");
  const Ampere limit(by_voltage ? settings_.value("SOURce:VOLTage:ILIMit") : std::abs(way));
  hold(way < 0 ? -most : most, limit, time);
  note_extremes();
  if (settings_.protection() && abs(flowing_) <= at_limit * limit) trip();
}

Reading Output::read(Seconds at) {
  Volt volt = cell_ ? cell_->leads(flowing_).we_vs_re : Volt(0);
  if (!settings_.four_wire()) volt = volt + Volt(lead_ohm * flowing_.value());
  if (!on_) volt = Volt(0);  // an open relay shows nothing of the cell
  if (on_ && faults_.sense_open) volt = faults_.open_sense_rails ? rail : Volt(0);
  const double wire_V = sign() * meter_.potential(volt, range).value();
  const double wire_A =
      sign() * meter_.current(flowing_, Ampere(settings_.value("SENSe:CURRent:RANGe"))).value();
  const bool current = settings_.senses_current();
  Reading made{current ? wire_V : wire_A, current ? wire_A : wire_V, at};
  if (faults_.no_values > 0) {
    --faults_.no_values;
    made.reading = no_value;
  }
  return made;
}

bool Output::limited() const {
  if (!on_ || !cell_) return false;
  if (settings_.sources_voltage())
    return abs(flowing_) >= at_limit * Ampere(settings_.value("SOURce:VOLTage:ILIMit"));
  return abs(cell_->leads(flowing_).we_vs_re) >= at_limit * Volt(settings_.value("SOURce:CURRent:VLIMit"));
}

std::optional<Leads> Output::leads() const {
  if (!cell_) return std::nullopt;
  return cell_->leads(flowing_);
}

std::optional<Extremes> Output::take_extremes() { return std::exchange(extremes_, std::nullopt); }

void Output::note_extremes() {
  if (!on_ || !cell_) return;
  const Volt now = cell_->leads(flowing_).we_vs_re;
  if (!extremes_) extremes_ = Extremes{now, now};
  extremes_->lowest = std::min(extremes_->lowest, now);
  extremes_->highest = std::max(extremes_->highest, now);
}

}  // namespace cambench::sim::scpi
