#include "daemon/records.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/station.h"
#include "schema/document.h"
#include "schema/json.h"

namespace cambench::records {

namespace {

using Kind = sequencer::Transition::Kind;

constexpr std::array kinds{Kind::started, Kind::prepared, Kind::step_began, Kind::step_ended,
                           Kind::held,    Kind::resumed,  Kind::tripped,    Kind::reset,
                           Kind::gap,     Kind::finished, Kind::aborted,    Kind::consequence};
constexpr std::array reasons{EndReason::planned, EndReason::guard, EndReason::timeout,
                             EndReason::aborted, EndReason::error, EndReason::unknown};

std::optional<std::string> filled(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

store::Row of_transition(const sequencer::Transition& t, const std::string& run, const std::string& station,
                         Stamp at, Seconds test_time) {
  store::EventRow row{.run = run,
                      .station = station,
                      .kind = std::string(sequencer::name(t.kind)),
                      .step = t.step,
                      .reason = {},
                      .cause = filled(t.cause),
                      .text = filled(t.text),
                      .who = filled(t.who),
                      .elapsed = t.elapsed,
                      .test_time = test_time,
                      .at = at};
  if (t.kind == Kind::step_ended) row.reason = std::string(sequencer::name(t.reason));
  return row;
}

}  // namespace

std::vector<store::Row> of_start(const RunInfo& info, const std::string& station, double time_scale) {
  store::RunRow row{.id = info.id,
                    .station = station,
                    .recipe = info.recipe,
                    .recipe_hash = info.plan->recipe_hash,
                    .recipe_text = info.recipe_text,
                    .cell = filled(info.cell),
                    .cell_json = filled(info.cell_json),
                    .material = filled(info.material),
                    .who = info.who,
                    .one_C = info.plan->one_C,
                    .phase = "queued",
                    .time_scale = time_scale,
                    .started = info.started};
  store::AuditRow audit{.who = info.who,
                        .act = "start",
                        .target = info.id,
                        .reason = {},
                        .outcome = "granted",
                        .at = info.started};
  return {std::move(row), std::move(audit)};
}

std::vector<store::Row> of_turn(const sequencer::Turn& turn, const std::string& run,
                                const std::string& station, Stamp at, Seconds test_time) {
  std::vector<store::Row> rows;
  for (const auto& t : turn.transitions) rows.push_back(of_transition(t, run, station, at, test_time));
  if (!turn.transitions.empty()) {
    const auto& phase = turn.run.phase;
    rows.push_back(store::PhaseRow{run, std::string(sequencer::name(phase)),
                                   sequencer::is_over(phase) ? std::optional(at.wall) : std::nullopt});
  }
  return rows;
}

store::Row of_sample(Sample sample, const RunInfo& info, std::int64_t seq, Seconds test_time,
                     Seconds step_offset) {
  const auto& steps = info.plan->steps;
  const std::uint32_t cycle = sample.step < steps.size() ? steps[sample.step].cycle : 0;
  sample.step_time += step_offset;
  return store::SampleRow{
      .run = info.id, .seq = seq, .test_time = test_time, .cycle = cycle, .sample = sample};
}

store::Row of_pressure(const PressureSample& sample, const std::string& station, const std::string& run,
                       Seconds test_time) {
  store::PressureRow row{.station = station, .run = filled(run), .test_time = {}, .sample = sample};
  if (!run.empty()) row.test_time = test_time;
  return row;
}

bool worth_storing(const PressureSample& sample, const std::optional<PressureSample>& last,
                   double time_scale) {
  if (!last || time_scale > 1) return true;
  if (sample.trouble != last->trouble || sample.pressure.has_value() != last->pressure.has_value())
    return true;
  if (sample.target != last->target) return true;
  if (sample.pressure && abs(*sample.pressure - *last->pressure) > MegaPascal(0.2)) return true;
  return sample.at.steady - last->at.steady >= std::chrono::seconds(1);
}

std::vector<store::Row> of_proof_test(const proof::ProofTest& test, const std::string& station,
                                      const std::string& who, Stamp at) {
  std::vector<store::Row> rows;
  std::string outcome = test.passed() ? "passed" : "failed";
  for (const proof::Finding& finding : test.findings()) {
    rows.push_back(
        store::EventRow{.station = station,
                        .kind = "proof_test",
                        .reason = std::string(name(finding.verdict)),
                        .cause = std::string(finding.step),
                        .text = fmt::format("expected: {}; seen: {}", finding.expected, finding.seen),
                        .who = who,
                        .at = at});
    if (finding.verdict == proof::Verdict::failed)
      outcome += fmt::format("; {}: {}", finding.step, finding.seen);
  }
  rows.push_back(store::AuditRow{
      .who = who, .act = "press test", .target = station, .reason = {}, .outcome = outcome, .at = at.wall});
  return rows;
}

double composite_mg(const CellSpec& cell) { return std::round(1e12 * cell.composite.value()) / 1e9; }

std::string to_json(const CellSpec& cell) {
  JsonWriter json;
  json.object();
  json.key("id").value(cell.id).key("material").value(cell.material).key("electrodes").value(cell.electrodes);
  json.key("composite_mg").value(composite_mg(cell)).key("cam_fraction").value(cell.cam_fraction);
  json.key("area_cm2").value(cell.area_cm2).key("q_1C_mAh_g").value(cell.q_1C_mAh_g);
  if (cell.reference) {
    json.key("reference_vs_li_V").value(cell.reference->vs_li);
    json.key("reference_note").value(cell.reference->note);
  }
  json.end_object();
  return json.take();
}

std::optional<CellSpec> cell_from_json(std::string_view json) {
  const auto tree = document::parse_json(json, "a stored cell");
  if (!tree || !std::holds_alternative<document::Value::Table>(tree->data)) return std::nullopt;
  document::Mistakes mistakes("a stored cell");
  document::Fields fields(*tree, "", mistakes);
  CellSpec cell;
  cell.id = fields.text("id").value_or("");
  cell.material = fields.text("material").value_or("");
  cell.electrodes = static_cast<int>(fields.whole("electrodes", 2, 3).value_or(2));
  cell.composite = Gram(1e-3 * fields.number("composite_mg").value_or(0));
  cell.cam_fraction = fields.number("cam_fraction").value_or(0);
  cell.area_cm2 = fields.number("area_cm2").value_or(0);
  cell.q_1C_mAh_g = fields.number("q_1C_mAh_g").value_or(0);
  if (const auto vs_li = fields.number("reference_vs_li_V"))
    cell.reference = ReferenceElectrode{Volt(*vs_li), fields.text("reference_note").value_or("")};
  if (cell.id.empty() || !mistakes.empty()) return std::nullopt;
  return cell;
}

std::vector<sequencer::Transition> transitions_of(const std::vector<store::StoredEvent>& events) {
  std::vector<sequencer::Transition> transitions;
  for (const auto& [seq, row] : events) {
    const auto kind = std::ranges::find_if(kinds, [&](Kind k) { return sequencer::name(k) == row.kind; });
    if (kind == kinds.end()) continue;  // a note, not a transition
    const auto reason = std::ranges::find_if(
        reasons, [&](EndReason r) { return row.reason && sequencer::name(r) == *row.reason; });
    transitions.push_back({.kind = *kind,
                           .step = row.step.value_or(0),
                           .reason = reason == reasons.end() ? EndReason::unknown : *reason,
                           .cause = row.cause.value_or(""),
                           .text = row.text.value_or(""),
                           .who = row.who.value_or(""),
                           .elapsed = row.elapsed.value_or(Seconds{0})});
  }
  return transitions;
}

}  // namespace cambench::records
