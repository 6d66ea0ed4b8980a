// A recipe resolved for one cell, or the reasons why it may not run. The numbers of the guards: the cutoff sits in
// the instrument at the planned value, the guards `margin_V` beyond it, the time limit at `time_factor`/rate, the
// charge at `charge_factor` x nominal; both potentials of a three-electrode cell are always guarded.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "schema/recipe.h"

namespace cambench {
namespace {

using namespace recipe;

constexpr double least_rate_C = 0.002;  // C/500: slower than any experiment, as fast as a slip of a thousand
constexpr double most_rate_C = 20;
// A half cycle is looked at no less often than this, however fast it is: at the steep end of a 2 C discharge a cell
// falls by 0.14 V in a second, and a cutoff must be seen (twice, against spikes) before the guard 0.1 V beyond it.
constexpr double least_looks_per_half_cycle = 9000;
constexpr double outermost_V = 6;  // of any potential: more is millivolts taken for volts
constexpr std::string_view one_thousand_off = "is the unit right (mA, not A or uA)?";

std::string_view word(LimitOn on) { return on == LimitOn::we_vs_re ? "we_vs_re" : "cell"; }

/// "0.1", "1", "0.05": a rate or a duration as people write it.
std::string digits(double number) { return fmt::format("{:.6g}", number); }

std::string duration(double seconds) {
  if (seconds >= 3600) return digits(std::round(seconds / 36) / 100) + " h";
  if (seconds >= 60) return digits(std::round(seconds / 0.6) / 100) + " min";
  return digits(seconds) + " s";
}

struct Window {
  std::optional<double> low, high;
};

std::optional<double> tighter(std::optional<double> a, std::optional<double> b, bool upper) {
  if (!a || !b) return a ? a : b;
  return upper ? std::min(*a, *b) : std::max(*a, *b);
}

std::optional<Volt> volt(std::optional<double> value, double minus = 0) {
  if (!value) return std::nullopt;
  return Volt(*value - minus);
}

/// Builds one plan; what stands against it is collected in `refusals_`.
class Planner {
 public:
  Planner(const Recipe& recipe, const std::optional<CellSpec>& cell) : recipe_(recipe), cell_(cell) {}

  Result<Plan> make() {
    plan_.recipe = recipe_.name;
    plan_.recipe_hash = recipe_hash(recipe_);
    plan_.needs_cell = std::ranges::any_of(recipe_.method, [](const Step& s) {
      return std::holds_alternative<OpenCircuit>(s.what) || is_polarising(s);
    });
    polarises_ = std::ranges::any_of(recipe_.method, is_polarising);
    settle_pressure();
    if (plan_.needs_cell && !cell_) refuse("needs a cell: name one");
    if (plan_.needs_cell && refusals_.empty()) settle_cell();
    if (polarises_ && refusals_.empty()) settle_window();
    if (refusals_.empty())
      for (const std::size_t i : unrolled(recipe_)) add(recipe_.method[i], static_cast<std::uint32_t>(i + 1));
    if (!refusals_.empty()) return fail(Fault::Kind::refused, fmt::format("{}", fmt::join(refusals_, "\n")));
    return std::move(plan_);
  }

 private:
  static bool is_polarising(const Step& step) {
    return std::holds_alternative<ConstantCurrent>(step.what) ||
           std::holds_alternative<ConstantVoltage>(step.what);
  }

  // --- reasons ----------------------------------------------------------------------------------------------

  void refuse(std::string_view why) { refusals_.push_back(fmt::format("{}: {}", recipe_.file, why)); }

  /// About one step; said once however often a loop repeats it.
  void refuse(const Step& step, std::uint32_t source, std::string_view why) {
    std::string sentence = recipe_.file;
    if (step.line > 0) sentence += fmt::format(":{}", step.line);
    sentence += fmt::format(": method[{}]: {}", source, why);
    if (std::ranges::find(refusals_, sentence) == refusals_.end()) refusals_.push_back(std::move(sentence));
  }

  // --- what holds for the whole run -------------------------------------------------------------------------

  void settle_pressure() {
    if (!recipe_.pressure) return;
    const Pressure& p = *recipe_.pressure;
    plan_.pressure =
        PressurePlan{MegaPascal(p.set_MPa), MegaPascal(p.band_MPa), Seconds(p.settle_s), p.at_end};
  }

  void settle_cell() {
    if (cell_->electrodes != 2 && cell_->electrodes != 3)
      return refuse(
          fmt::format("the cell {} has {} electrodes: expected 2 or 3", cell_->id, cell_->electrodes));
    settle_limit_on();
    settle_reference();
    settle_rest_window();
    if (polarises_) settle_one_C();
  }

  void settle_limit_on() {
    const bool three = cell_->electrodes == 3;
    if (three && polarises_ && !recipe_.limit_on)
      return refuse(fmt::format(
          "the cell {} has three electrodes, so it must be said which potential until_voltage_V is: "
          "add limit_on = \"we_vs_re\" or limit_on = \"cell\"",
          cell_->id));
    limit_on_ = recipe_.limit_on.value_or(LimitOn::cell);
    if (!three && limit_on_ == LimitOn::we_vs_re)
      refuse(fmt::format(
          "limit_on = \"we_vs_re\" needs a reference electrode, and the cell {} has two electrodes",
          cell_->id));
    if (limit_on_ == LimitOn::cell && recipe_.potentials == Potentials::vs_li)
      refuse("potentials = \"vs_li\" needs limit_on = \"we_vs_re\": a cell voltage is not against Li+/Li");
  }

  void settle_rest_window() {
    if (!recipe_.ocv) return;
    plan_.ocv_min = Volt(recipe_.ocv->min_V);
    plan_.ocv_max = Volt(recipe_.ocv->max_V);
    if (cell_->electrodes != 3) return;
    plan_.ocv_we_min = volt(recipe_.ocv->we_min_V, offset_V_);
    plan_.ocv_we_max = volt(recipe_.ocv->we_max_V, offset_V_);
  }

  void settle_reference() {
    if (cell_->electrodes != 3) return;
    if (cell_->reference) {
      plan_.reference_vs_li = cell_->reference->vs_li;
      plan_.reference_note = cell_->reference->note;
    } else if (recipe_.reference) {
      const Reference& r = *recipe_.reference;
      plan_.reference_vs_li = Volt(r.vs_li_V);
      plan_.reference_note = fmt::format("{}, {}", r.material, r.provenance);
    } else if (recipe_.potentials == Potentials::vs_li) {
      refuse(fmt::format(
          "potentials = \"vs_li\" needs the potential of the reference electrode: give the cell {} "
          "reference_vs_li_V, or the recipe a [reference]",
          cell_->id));
    }
    if (recipe_.potentials == Potentials::vs_li) offset_V_ = plan_.reference_vs_li.value();
  }

  void settle_one_C() {
    const double from_cell_mAh = nominal_capacity(*cell_).value() * 1e3;
    const auto& named_mAh = recipe_.sample.capacity_mAh;
    if (recipe_.basis == Basis::sample) {
      if (!named_mAh) return refuse("basis = \"sample\" needs sample.capacity_mAh");
      plan_.one_C = from_mA(*named_mAh);
      return;
    }
    if (!(from_cell_mAh > 0) || !std::isfinite(from_cell_mAh))
      return refuse(fmt::format("the cell {} has no mass of active material, so 1 C is unknown", cell_->id));
    if (!recipe_.basis && named_mAh && std::abs(*named_mAh / from_cell_mAh - 1) > 0.01)
      return refuse(
          fmt::format("sample.capacity_mAh = {} does not fit the cell {}, whose masses give {} mAh: add "
                      "basis = \"cell\" or basis = \"sample\" to say which one 1 C means",
                      digits(*named_mAh), cell_->id, digits(from_cell_mAh)));
    plan_.one_C = one_C(*cell_);
  }

  /// The outermost potentials of the whole recipe, and around them the guards of every current step.
  void settle_window() {
    Window& planned = planned_;
    for (const Step& step : recipe_.method) {
      if (const auto* s = std::get_if<ConstantCurrent>(&step.what);
          s && s->until_voltage_V.value_or(0) != 0) {
        const bool charges = signed_current_mA(*s) > 0;
        (charges ? planned.high : planned.low) =
            charges ? std::max(planned.high.value_or(-outermost_V), *s->until_voltage_V)
                    : std::min(planned.low.value_or(outermost_V), *s->until_voltage_V);
      } else if (const auto* v = std::get_if<ConstantVoltage>(&step.what)) {
        planned.high = std::max(planned.high.value_or(v->voltage_V), v->voltage_V);
        planned.low = std::min(planned.low.value_or(v->voltage_V), v->voltage_V);
      }
    }
    if (planned.high && planned.low && *planned.low > *planned.high)
      return refuse(fmt::format("the limits are inverted: charging ends at {} V, discharging at {} V",
                                digits(*planned.high), digits(*planned.low)));
    guard_limited(planned);
    guard_other();
  }

  void guard_limited(const Window& planned) {
    const Guard& g = recipe_.guard;
    const bool we = limit_on_ == LimitOn::we_vs_re;
    Window around;
    if (planned.high) around.high = *planned.high + g.margin_V;
    if (planned.low) around.low = *planned.low - g.margin_V;
    around.high = tighter(tighter(around.high, recipe_.safety.max_voltage_V, true),
                          we ? g.we_max_V : g.cell_max_V, true);
    around.low = tighter(tighter(around.low, recipe_.safety.min_voltage_V, false),
                         we ? g.we_min_V : g.cell_min_V, false);
    const std::string name = we ? "we" : "cell";
    if (!around.high)
      refuse(fmt::format(
          "nothing bounds the potential upwards: add until_voltage_V to a charge, safety.max_voltage_V or "
          "guard.{}_max_V",
          name));
    if (!around.low)
      refuse(
          fmt::format("nothing bounds the potential downwards: add until_voltage_V to a discharge, "
                      "safety.min_voltage_V or guard.{}_min_V",
                      name));
    if (!around.high || !around.low) return;
    if (*around.low >= *around.high)
      return refuse(fmt::format("the guards are inverted: {} V below, {} V above", digits(*around.low),
                                digits(*around.high)));
    if (planned.high && *planned.high >= *around.high)
      refuse(fmt::format("a guard or safety limit of {} V lies at or below the planned {} V",
                         digits(*around.high), digits(*planned.high)));
    if (planned.low && *planned.low <= *around.low)
      refuse(fmt::format("a guard or safety limit of {} V lies at or above the planned {} V",
                         digits(*around.low), digits(*planned.low)));
    (we ? guards_.we_max : guards_.cell_max) = volt(around.high, we ? offset_V_ : 0);
    (we ? guards_.we_min : guards_.cell_min) = volt(around.low, we ? offset_V_ : 0);
  }

  /// With a reference electrode the other potential is guarded too.
  void guard_other() {
    const Guard& g = recipe_.guard;
    if (cell_->electrodes != 3) return;
    const bool other_is_cell = limit_on_ == LimitOn::we_vs_re;
    const auto high = other_is_cell ? g.cell_max_V : g.we_max_V,
               low = other_is_cell ? g.cell_min_V : g.we_min_V;
    const std::string name = other_is_cell ? "cell" : "we";
    if (!high || !low)
      return refuse(
          fmt::format("limits are on {}, so the other potential needs its guards: add guard.{}_max_V and "
                      "guard.{}_min_V",
                      word(limit_on_), name, name));
    (other_is_cell ? guards_.cell_max : guards_.we_max) = volt(high, other_is_cell ? 0 : offset_V_);
    (other_is_cell ? guards_.cell_min : guards_.we_min) = volt(low, other_is_cell ? 0 : offset_V_);
  }

  // --- steps ------------------------------------------------------------------------------------------------

  void add(const Step& step, std::uint32_t source) {
    PlannedStep planned;
    planned.index = static_cast<std::uint32_t>(plan_.steps.size());
    planned.source = source;
    planned.limit_on = limit_on_;
    planned.record_every = Seconds(recipe_.record.time_s);
    planned.sampling = Seconds(std::min(recipe_.sampling_s, recipe_.record.time_s));
    if (recipe_.record.voltage_V.value_or(0) > 0) planned.record_delta = Volt(*recipe_.record.voltage_V);
    if (const auto* rest = std::get_if<OpenCircuit>(&step.what)) fill(planned, *rest);
    if (const auto* press = std::get_if<PressStep>(&step.what)) fill(planned, *press);
    if (const auto* current = std::get_if<ConstantCurrent>(&step.what)) fill(planned, *current, step);
    if (const auto* voltage = std::get_if<ConstantVoltage>(&step.what)) fill(planned, *voltage, step);
    planned.cycle = cycle_;
    plan_.steps.push_back(std::move(planned));
  }

  void fill(PlannedStep& planned, const OpenCircuit& rest) const {
    planned.kind = PlannedStep::Kind::open_circuit;
    planned.label = "rest " + duration(rest.until_time_s);
    planned.run_time = Seconds(rest.until_time_s);
    planned.on_gap = recipe_.on_gap.rest;
  }

  void fill(PlannedStep& planned, const PressStep& press) const {
    planned.kind = PlannedStep::Kind::press;
    planned.label = fmt::format("press {} MPa", digits(press.pressure_MPa));
    planned.pressure = MegaPascal(press.pressure_MPa);
    planned.run_time = Seconds(press.until_time_s);
    planned.on_gap = recipe_.on_gap.press;
  }

  void fill(PlannedStep& planned, const ConstantCurrent& step, const Step& from) {
    const double current_mA = signed_current_mA(step);
    const double rate = std::abs(current_mA) / (plan_.one_C.value() * 1e3);
    const bool charges = current_mA > 0;
    planned.kind = PlannedStep::Kind::constant_current;
    planned.current = from_mA(current_mA);
    if (step.rate_C.value_or(0) != 0) planned.rate_C = *step.rate_C;
    planned.label = fmt::format(
        "{} {}", charges ? "charge" : "discharge",
        planned.rate_C ? digits(std::abs(*planned.rate_C)) + " C" : digits(std::abs(current_mA)) + " mA");
    planned.on_gap = recipe_.on_gap.current;
    planned.guards = guards_;
    planned.guards.charge_max = charge_guard();
    check_current(from, planned.source, current_mA, rate);
    if (step.until_voltage_V.value_or(0) != 0) {
      check_potential(from, planned.source, "until_voltage_V", *step.until_voltage_V);
      planned.until_voltage = Volt(*step.until_voltage_V - offset_V_);
    }
    check_direction(from, planned.source, charges, step.until_voltage_V);
    const double looks_s = std::floor(3600 / rate / least_looks_per_half_cycle * 100 + 1e-6) / 100;
    planned.sampling = std::min(planned.sampling, Seconds(std::max(looks_s, 0.01)));
    count_cycle(charges);
    limit_time(planned, step.until_time_s, rate);
    const double moved_mAh = std::abs(current_mA) * planned.run_time.count() / 3600;
    if (!planned.until_voltage && AmpereHour(moved_mAh * 1e-3) > *planned.guards.charge_max)
      refuse(from, planned.source,
             fmt::format("until_time_s = {} moves {} mAh, and no potential ends it before the "
                         "charge guard at {} mAh does",
                         digits(step.until_time_s.value_or(0)), digits(moved_mAh),
                         digits(planned.guards.charge_max->value() * 1e3)));
  }

  void fill(PlannedStep& planned, const ConstantVoltage& step, const Step& from) {
    const double one_C_mA = plan_.one_C.value() * 1e3;
    planned.kind = PlannedStep::Kind::constant_voltage;
    planned.label = fmt::format("hold {} V", digits(step.voltage_V));
    planned.voltage = Volt(step.voltage_V - offset_V_);
    planned.on_gap = recipe_.on_gap.current;
    planned.guards = guards_;
    planned.guards.charge_max = charge_guard();
    check_potential(from, planned.source, "voltage_V", step.voltage_V);
    double until_mA = std::abs(step.until_current_mA.value_or(0));
    if (step.until_rate_C.value_or(0) != 0) until_mA = std::abs(*step.until_rate_C) * one_C_mA;
    if (until_mA > 0) {
      planned.until_current = from_mA(until_mA);
      check_current(from, planned.source, until_mA, until_mA / one_C_mA);
    }
    if (cycle_ == 0) cycle_ = 1;
    limit_time(planned, step.until_time_s, until_mA / one_C_mA);
  }

  /// The planned duration, or else a time-out that the step never reaches while all is well.
  void limit_time(PlannedStep& planned, std::optional<double> until_time_s, double rate) const {
    planned.run_time_is_planned = until_time_s.value_or(0) > 0;
    planned.run_time = planned.run_time_is_planned ? Seconds(*until_time_s)
                                                   : Seconds(recipe_.guard.time_factor * 3600 / rate);
  }

  void check_current(const Step& from, std::uint32_t source, double current_mA, double rate) {
    const Guard& g = recipe_.guard;
    const Safety& safety = recipe_.safety;
    if (std::abs(current_mA) > g.allow_current_mA)
      refuse(from, source,
             fmt::format("{} mA is more than the {} mA allowed here; {} If it is meant, add "
                         "guard.allow_current_mA",
                         digits(current_mA), digits(g.allow_current_mA), one_thousand_off));
    else if (rate < least_rate_C || rate > most_rate_C)
      refuse(from, source,
             fmt::format("{} mA is {} C of this cell, and 1 C is {} mA; {}", digits(current_mA), digits(rate),
                         digits(plan_.one_C.value() * 1e3), one_thousand_off));
    if (safety.max_current_mA && current_mA > *safety.max_current_mA)
      refuse(from, source,
             fmt::format("{} mA is above safety.max_current_mA = {}", digits(current_mA),
                         digits(*safety.max_current_mA)));
    if (safety.min_current_mA && current_mA < *safety.min_current_mA)
      refuse(from, source,
             fmt::format("{} mA is below safety.min_current_mA = {}", digits(current_mA),
                         digits(*safety.min_current_mA)));
  }

  void check_potential(const Step& from, std::uint32_t source, std::string_view key, double potential_V) {
    if (std::abs(potential_V) > outermost_V)
      refuse(from, source,
             fmt::format("{} = {} V is outside +-{} V; is the unit right (V, not mV)?", key,
                         digits(potential_V), digits(outermost_V)));
  }

  /// A charge that ends below where discharges end, or the other way round, is a slip of the pen.
  void check_direction(const Step& from, std::uint32_t source, bool charges, std::optional<double> until_V) {
    const auto& beyond = charges ? planned_.low : planned_.high;
    if (until_V.value_or(0) == 0 || !beyond) return;
    if (charges ? *until_V <= *beyond : *until_V >= *beyond)
      refuse(from, source,
             fmt::format("the limits are inverted: this {} ends at {} V, and {} at {} V",
                         charges ? "charge" : "discharge", digits(*until_V),
                         charges ? "a discharge" : "a charge", digits(*beyond)));
  }

  [[nodiscard]] double signed_current_mA(const ConstantCurrent& step) const {
    if (step.rate_C.value_or(0) != 0) return *step.rate_C * plan_.one_C.value() * 1e3;
    return step.current_mA.value_or(0);
  }

  [[nodiscard]] AmpereHour charge_guard() const {
    AmpereHour most = AmpereHour(recipe_.guard.charge_factor * plan_.one_C.value());  // 1 C x 1 h
    if (recipe_.safety.max_capacity_mAh.value_or(0) > 0)
      most = std::min(most, from_mAh(*recipe_.safety.max_capacity_mAh));
    return most;
  }

  /// A cycle begins when the direction of the first current step comes again after the other one.
  void count_cycle(bool charges) {
    if (cycle_ == 0) first_charges_ = charges;
    if (cycle_ == 0 || (charges == first_charges_ && last_charges_ != charges)) ++cycle_;
    last_charges_ = charges;
  }

  const Recipe& recipe_;
  const std::optional<CellSpec>& cell_;
  Plan plan_;
  std::vector<std::string> refusals_;
  bool polarises_ = false;
  LimitOn limit_on_ = LimitOn::cell;
  double offset_V_ = 0;  ///< what the recipe's potentials on the working electrode are above the instrument's
  Window planned_;       ///< the outermost potentials, as the recipe says them
  Guards guards_;
  std::uint32_t cycle_ = 0;
  bool first_charges_ = true, last_charges_ = true;
};

}  // namespace

std::string_view name(PlannedStep::Kind kind) {
  switch (kind) {
    case PlannedStep::Kind::open_circuit: return "open_circuit";
    case PlannedStep::Kind::constant_current: return "constant_current";
    case PlannedStep::Kind::constant_voltage: return "constant_voltage";
    case PlannedStep::Kind::press: return "press";
  }
  return "";
}

Result<Plan> plan(const Recipe& recipe, const std::optional<CellSpec>& cell) {
  return Planner(recipe, cell).make();
}

std::vector<std::string> remarks(const Recipe& recipe, const Plan& plan) {
  std::vector<std::string> remarks;
  const bool vs_li = recipe.potentials == Potentials::vs_li;
  if (vs_li)
    remarks.push_back(fmt::format("every limit rests on the reference electrode: {:+.3f} V vs Li+/Li ({})",
                                  plan.reference_vs_li.value(), plan.reference_note));
  if (plan.needs_cell && !plan.pressure) remarks.emplace_back("the run does not use the press");
  if (plan.needs_cell && !recipe.ocv)
    remarks.emplace_back("without [ocv] the cell is polarised whatever it shows at rest");
  if (recipe.record.current_mA)
    remarks.emplace_back("record.current_mA is not used: rows follow time and potential");
  if (recipe.safety.delay_s.value_or(0) > 0)
    remarks.emplace_back("safety.delay_s is not used: a guard in the instrument acts at once");
  std::set<std::uint32_t> early;
  double guard_mAh = 0;
  for (const PlannedStep& step : plan.steps) {
    if (!step.run_time_is_planned || !step.guards.charge_max) continue;
    const AmpereHour moved(std::abs(step.current.value()) * step.run_time.count() / 3600);
    if (moved <= *step.guards.charge_max) continue;
    early.insert(step.source);
    guard_mAh = step.guards.charge_max->value() * 1e3;
  }
  if (!early.empty())
    remarks.push_back(fmt::format("the charge guard of {} mAh comes before until_time_s in method[{}]",
                                  digits(guard_mAh), fmt::join(early, "], [")));
  return remarks;
}

}  // namespace cambench
