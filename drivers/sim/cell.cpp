#include "drivers/sim/cell.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cambench::sim {
namespace {

constexpr double faraday = 96485.33212, gas_constant = 8.31446261815324;

/// A curve on equal steps, read by linear interpolation and continued in a straight line outside.
template <int Intervals>
class Curve {
 public:
  template <typename Function>
  Curve(double from, double to, Function f) : from_(from), per_step_(Intervals / (to - from)) {
    for (int i = 0; i <= Intervals; ++i) y_[static_cast<std::size_t>(i)] = f(from + i / per_step_);
  }
  double operator()(double x) const {
    const double at = (x - from_) * per_step_;
    const int i = static_cast<int>(std::clamp(at, 0.0, Intervals - 1.0));
    const auto k = static_cast<std::size_t>(i);
    return y_[k] + (at - i) * (y_[k + 1] - y_[k]);
  }

 private:
  double from_, per_step_;
  std::array<double, Intervals + 1> y_{};
};

double chen_2020_V(double s) {
  return -0.8090 * s + 4.4875 - 0.0428 * std::tanh(18.5138 * (s - 0.5542)) -
         17.7326 * std::tanh(15.7890 * (s - 0.3117)) + 17.5842 * std::tanh(15.9308 * (s - 0.3120));
}

// Beyond full and empty the curve goes on steeply, so that an overcharge is seen and not hidden by a plateau.
constexpr double emptiest = 0.02, fullest = 1.001, beyond_V = 60.0;

double open_circuit_V(double s) {
  const double inside = std::clamp(s, emptiest, fullest);
  return chen_2020_V(inside) - 1.2 * std::exp((inside - 1.0) / 0.012) - beyond_V * (s - inside);
}

double diffusivity_m2_s(double s) {
  const auto bell = [s](double height, double centre, double width) {
    return height * std::exp(-(s - centre) * (s - centre) / width);
  };
  const double exponent =
      -13.96 - bell(0.9231, 0.3216, 0.002534) - bell(0.4066, 0.4532, 0.003926) - bell(0.993, 0.8098, 0.09924);
  return 2.7 * std::pow(10.0, exponent - 1.6 * std::clamp((s - 0.85) / 0.15, 0.0, 1.0));
}

// 8192 steps keep the knee within 20 uV of the formula.
const Curve<8192>& open_circuit() {
  static const Curve<8192> curve(-0.1, 1.1, open_circuit_V);
  return curve;
}
const Curve<2048>& diffusivity() {
  static const Curve<2048> curve(0.0, 1.05, diffusivity_m2_s);
  return curve;
}
double diffusivity_at(double s) { return diffusivity()(std::clamp(s, 0.0, 1.05)); }

struct Coating {
  std::string_view material;
  double used_fraction, exchange_mA, interphase_ohm, diffusion_factor, side_uA;
};
constexpr std::array coatings{Coating{"ncm-uncoated", 0.900, 0.90, 16.0, 0.170, 6.0},
                              Coating{"ncm-linbo3", 0.925, 1.60, 7.0, 0.190, 3.5},
                              Coating{"ncm-zro2-thin", 0.870, 0.65, 27.0, 0.155, 7.5},
                              Coating{"ncm-zro2-thick", 0.785, 0.45, 48.0, 0.130, 7.0},
                              Coating{"ncm-x-thin", 0.945, 2.00, 5.0, 0.210, 2.5},
                              Coating{"ncm-x-thick", 0.835, 0.55, 38.0, 0.145, 1.5}};

constexpr double first_step_s = 0.2, longest_step_s = 20.0, potential_step_s = 1.0;

}  // namespace

std::span<const std::string_view> cell_materials() {
  static constexpr auto names = [] {
    std::array<std::string_view, coatings.size()> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = coatings[i].material;
    return all;
  }();
  return names;
}

std::optional<CellKind> cell_kind(std::string_view experiment, std::string_view material) {
  const bool rate = experiment == "rate";
  if (!rate && experiment != "degradation") return std::nullopt;
  const auto* coating = std::ranges::find(coatings, material, &Coating::material);
  if (coating == coatings.end()) return std::nullopt;
  CellKind kind;
  kind.name = std::string(experiment) + " " + std::string(material);
  kind.reference_wire = rate;
  kind.cam_fraction = rate ? 0.67 : 0.80;
  kind.used_fraction = coating->used_fraction;
  kind.exchange_mA = coating->exchange_mA;
  kind.interphase_ohm = coating->interphase_ohm;
  kind.diffusion_factor = coating->diffusion_factor;
  kind.side_uA = coating->side_uA;
  return kind;
}

Cell::Cell(CellKind kind)
    : kind_(std::move(kind)),
      shell_m_(kind_.radius_m / shells),
      active_C_(kind_.full_mAh_g * kind_.cam_g() * kind_.used_fraction * 3.6),
      separator_ohm_(kind_.separator_layer_mg * 1e-3 / (kind_.separator_g_cm3 * kind_.area_cm2) /
                     (kind_.separator_S_cm * kind_.area_cm2)) {
  const auto edge = [this](int i) { return i * shell_m_; };
  for (int i = 0; i < shells; ++i) {
    const auto k = static_cast<std::size_t>(i);
    volume_m3_[k] = (std::pow(edge(i + 1), 3) - std::pow(edge(i), 3)) / 3.0;
    if (i + 1 < shells) face_m2_[k] = edge(i + 1) * edge(i + 1);
  }
  lithiation_.fill(kind_.pristine);
}

Leads Cell::leads(Ampere current) const {
  const double amp = current.value();
  const double cathode_V = open_circuit()(surface(amp - side_A())) + charge_transfer_V_ +
                           amp * (kind_.interphase_ohm + kind_.ionic_ohm);
  const double counter_V = kind_.counter_vs_li_V - amp * kind_.counter_ohm - counter_slow_V_;
  const double layer_V = amp * separator_ohm_;
  if (!kind_.reference_wire) {  // RE lead on the counter electrode: one layer, one potential
    const Volt cell(cathode_V - counter_V + layer_V);
    return {cell, Volt(0.0), cell};
  }
  const double wire_V = kind_.reference_vs_li_V + kind_.reference_drift_mV_h * 1e-3 * age_s_ / 3600.0;
  const Volt we(cathode_V + layer_V - wire_V), ce(counter_V - layer_V - wire_V);
  return {we, ce, we - ce};
}

void Cell::hold_current(Ampere current, Seconds duration) {
  const double amp = current.value();
  if (amp != last_A_) since_change_s_ = 0.0;
  last_A_ = amp;
  for (double left = duration.count(); left > 0.0;) {
    const double dt = next_step_s(left);
    step(amp, dt);
    left -= dt;
  }
}

// The current is the one that has the potential right at the end of each inner step (secant from the last
// one), which is stable whatever the step.
Ampere Cell::hold_potential(Volt we_vs_re, Ampere limit, Seconds duration) {
  const double most = std::abs(limit.value());
  for (double left = duration.count(); left > 0.0;) {
    const double dt = std::min({left, potential_step_s, std::max(first_step_s, 0.1 * since_change_s_)});
    const auto miss_V = [&](double amp) {
      Cell trial = *this;
      trial.step(amp, dt);
      return trial.leads(Ampere(amp)).we_vs_re.value() - we_vs_re.value();
    };
    double a = last_A_, b = last_A_ + 1e-5, miss_a = miss_V(a), miss_b = miss_V(b);
    for (int round = 0; round < 12 && std::abs(miss_b) > 1e-6 && miss_a != miss_b; ++round) {
      const double next = std::clamp(b - miss_b * (b - a) / (miss_b - miss_a), -most, most);
      a = std::exchange(b, next);
      if (a == b) break;  // at the limit
      miss_a = std::exchange(miss_b, miss_V(b));
    }
    last_A_ = std::clamp(b, -most, most);
    step(last_A_, dt);
    left -= dt;
  }
  return Ampere(last_A_);
}

double Cell::mean_lithiation() const {
  double held = 0.0, whole = 0.0;
  for (std::size_t i = 0; i < shells; ++i) {
    held += lithiation_[i] * volume_m3_[i];
    whole += volume_m3_[i];
  }
  return held / whole;
}

double Cell::next_step_s(double left_s) const {
  return std::min({left_s, longest_step_s, std::max(first_step_s, 0.1 * since_change_s_)});
}

double Cell::side_A() const {
  const double cathode_V = open_circuit()(lithiation_.back()) + charge_transfer_V_;
  return kind_.side_uA * 1e-6 * std::exp(std::min((cathode_V - 4.30) / kind_.side_width_V, 3.0)) /
         (1.0 + side_uAh_ / kind_.side_charge_uAh);
}

double Cell::flux(double interfacial_A) const { return interfacial_A / active_C_ * kind_.radius_m / 3.0; }

double Cell::surface(double interfacial_A) const {
  const double outer = lithiation_.back();
  return outer - flux(interfacial_A) * (shell_m_ / 2.0) / (diffusivity_at(outer) * kind_.diffusion_factor);
}

void Cell::step(double current_A, double dt_s) {
  const double side = side_A(), interfacial_A = current_A - side;

  const double s = std::clamp(surface(interfacial_A), 0.02, 0.995);
  const double exchange_A = kind_.exchange_mA * 1e-3 * 2.0 * std::sqrt(s * (1.0 - s));
  const double eta =
      2.0 * gas_constant * kind_.temperature_K / faraday * std::asinh(interfacial_A / (2.0 * exchange_A));
  charge_transfer_V_ = eta + (charge_transfer_V_ - eta) * std::exp(-dt_s / kind_.charge_transfer_s);
  const double slow = kind_.counter_slow_ohm * current_A;
  counter_slow_V_ = slow + (counter_slow_V_ - slow) * std::exp(-dt_s / kind_.counter_slow_s);

  // Diffusion: implicit, D frozen over the step, solved by elimination from the centre outwards.
  std::array<double, shells> d, diagonal, right;
  for (std::size_t i = 0; i < shells; ++i) d[i] = diffusivity_at(lithiation_[i]) * kind_.diffusion_factor;
  std::array<double, shells - 1> link;
  for (std::size_t i = 0; i + 1 < shells; ++i)
    link[i] = 2.0 * d[i] * d[i + 1] / (d[i] + d[i + 1]) * face_m2_[i] / shell_m_;
  for (std::size_t i = 0; i < shells; ++i) {
    diagonal[i] = volume_m3_[i] / dt_s;
    right[i] = lithiation_[i] * diagonal[i];
    if (i > 0) diagonal[i] += link[i - 1];
    if (i + 1 < shells) diagonal[i] += link[i];
  }
  right.back() -= flux(interfacial_A) * kind_.radius_m * kind_.radius_m;
  for (std::size_t i = 1; i < shells; ++i) {
    const double share = link[i - 1] / diagonal[i - 1];
    diagonal[i] -= share * link[i - 1];
    right[i] += share * right[i - 1];
  }
  lithiation_.back() = right.back() / diagonal.back();
  for (std::size_t i = shells - 1; i-- > 0;)
    lithiation_[i] = (right[i] + link[i] * lithiation_[i + 1]) / diagonal[i];

  side_uAh_ += side * dt_s / 3.6e-3;
  charge_C_ += current_A * dt_s;
  age_s_ += dt_s;
  since_change_s_ += dt_s;
}

Meter::Meter(std::uint64_t seed) : random_(seed) {
  potential_gain_ = 1.0 + 1e-4 * (2.0 * random_.uniform() - 1.0);
  potential_offset_V_ = 1e-4 * (2.0 * random_.uniform() - 1.0);
  current_gain_ = 1.0 + 3e-4 * (2.0 * random_.uniform() - 1.0);
  current_offset_ = 3e-5 * (2.0 * random_.uniform() - 1.0);
}

Volt Meter::potential(Volt truth, Volt range) {
  if (ideal_) return truth;
  const double step_V = range.value() / 32768.0;
  const double volt = truth.value() * potential_gain_ + potential_offset_V_ + 30e-6 * random_.normal();
  return Volt(std::round(volt / step_V) * step_V);
}

Ampere Meter::current(Ampere truth, Ampere range) {
  if (ideal_) return truth;
  const double full = range.value(), step_A = 3.0 * full / 32768.0;
  const double amp = truth.value() * current_gain_ + full * (current_offset_ + 1e-4 * random_.normal());
  return Ampere(std::round(amp / step_A) * step_A);
}

}  // namespace cambench::sim
