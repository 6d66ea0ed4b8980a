#include "daemon/export/run_table.h"

#include <fmt/core.h>

#include "daemon/records.h"

namespace cambench::exports {

namespace {

constexpr std::int64_t page_rows = 2000;  // a reader must be done within moments
constexpr double fresh_s = 10;            // wall time; pressure is kept every second at least
constexpr double pascal_per_MPa = 1e6;

template <typename Q>
std::optional<double> number(const std::optional<Q>& quantity, bool believed) {
  if (!quantity || !believed) return std::nullopt;
  return quantity->value();
}

std::optional<double> sum(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return std::nullopt;
  return *a + *b;
}

std::optional<double> difference(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return std::nullopt;
  return *a - *b;
}

Moved operator+(const Moved& a, const store::StepSummary& step) {
  return {a.charge_Ah + step.charge.charge_Ah, a.discharge_Ah + step.discharge.charge_Ah,
          sum(a.charge_Wh, step.charge.energy_Wh), sum(a.discharge_Wh, step.discharge.energy_Wh)};
}

Moved operator-(const Moved& a, const Moved& b) {
  return {a.charge_Ah - b.charge_Ah, a.discharge_Ah - b.discharge_Ah, difference(a.charge_Wh, b.charge_Wh),
          difference(a.discharge_Wh, b.discharge_Wh)};
}

const PlannedStep* planned(const RunFacts& facts, std::uint32_t step) {
  return facts.plan && step < facts.plan->steps.size() ? &facts.plan->steps[step] : nullptr;
}

std::string_view type_of(const PlannedStep* step, const std::optional<double>& current_A) {
  using Kind = PlannedStep::Kind;
  const Kind kind = step                         ? step->kind
                    : current_A.value_or(0) == 0 ? Kind::open_circuit
                                                 : Kind::constant_current;
  const double direction_A =
      step && kind == Kind::constant_current ? step->current.value() : current_A.value_or(0);
  switch (kind) {
    case Kind::open_circuit:
    case Kind::press: return "REST";
    case Kind::constant_current: return direction_A < 0 ? "CC_DCH" : "CC_CHG";
    case Kind::constant_voltage: return direction_A < 0 ? "CV_DCH" : "CV_CHG";
  }
  return "REST";
}

}  // namespace

RunFacts facts_of(store::Reader& reader, const std::string& id) {
  auto run = reader.run(id);
  if (!run) throw NoSuchRun(fmt::format("there is no run {} in the store", id));
  RunFacts facts{
      .run = std::move(*run), .cell = {}, .recipe = {}, .plan = {}, .last_seq = reader.last_seq(id)};
  if (facts.run.cell_json) facts.cell = records::cell_from_json(*facts.run.cell_json);
  if (auto recipe = read_recipe(facts.run.recipe_text, id + ".json")) facts.recipe = std::move(*recipe);
  if (facts.recipe)
    if (auto planned = plan(*facts.recipe, facts.cell)) facts.plan = std::move(*planned);
  return facts;
}

std::optional<double> TableRow::we_vs_re_V() const { return number(sample.sample.we_vs_re, believed); }
std::optional<double> TableRow::cell_V() const { return number(sample.sample.cell, believed); }
std::optional<double> TableRow::ce_vs_re_V() const { return difference(we_vs_re_V(), cell_V()); }
std::optional<double> TableRow::current_A() const { return number(sample.sample.current, believed); }

bool RunTable::next() {
  if (at_ == page_.size() && !read_page()) return false;
  row_.sample = std::move(page_[at_++]);
  last_seq_ = row_.sample.seq;
  row_.believed = store::believed(row_.sample.sample).has_value();
  count();
  add_up();
  find_pressure();
  return true;
}

bool RunTable::read_page() {
  at_ = 0;
  page_ = reader_.samples(facts_.run.id, last_seq_, page_rows);
  std::erase_if(page_, [&](const store::SampleRow& row) { return row.seq > facts_.last_seq; });
  return !page_.empty();
}

void RunTable::count() {
  const Sample& sample = row_.sample.sample;
  const PlannedStep* step = planned(facts_, sample.step);
  const bool begins = row_.record == 0 || sample.step != step_.step;
  ++row_.record;
  row_.step_record = begins ? 1 : row_.step_record + 1;
  row_.step_id = step ? step->source : sample.step + 1;
  row_.step_type = type_of(step, row_.current_A());
}

void RunTable::add_up() {
  const store::SampleRow& sample = row_.sample;
  if (row_.record == 1 || sample.sample.step != step_.step) {
    before_step_ = row_.run;
    if (sample.cycle != step_.cycle) before_cycle_ = row_.run;
    step_ = {.step = sample.sample.step, .cycle = sample.cycle};
  }
  step_.add(sample);
  row_.run = before_step_ + step_;
  row_.cycle = row_.run - before_cycle_;
}

/// The last reading before the sample, by the experiment's own time: a late sample finds its own.
void RunTable::find_pressure() {
  const double now_s = row_.sample.test_time.count();
  while (next_pressure() && pressures_[pressure_at_].test_time_s.value_or(0) <= now_s)
    pressure_ = pressures_[pressure_at_++];
  row_.pressure_Pa.reset();
  if (!pressure_ || !pressure_->pressure_MPa) return;
  if (now_s - pressure_->test_time_s.value_or(0) <= fresh_s * facts_.run.time_scale)
    row_.pressure_Pa = *pressure_->pressure_MPa * pascal_per_MPa;
}

/// Makes sure that a reading lies at `pressure_at_`.
bool RunTable::next_pressure() {
  if (pressure_at_ < pressures_.size()) return true;
  pressures_ = all_pressures_.next(page_rows);
  pressure_at_ = 0;
  return !pressures_.empty();
}

}  // namespace cambench::exports
