#include "daemon/jobs/rate_tests.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/document.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

constexpr std::int64_t page = 10'000;  // rows: a reader must be done within moments

/// What the run recorded of its cell when it began (daemon/records).
struct RecordedCell {
  int electrodes = 2;
  double cam_g = 0, q_1C_mAh_g = 0, area_cm2 = 0;
  std::optional<double> reference_vs_li_V;
  std::string reference_note;
};

RecordedCell cell_of(const store::StoredRun& run) {
  RecordedCell cell;
  const auto tree = document::parse_json(run.cell_json.value_or("{}"), run.id);
  if (!tree) return cell;
  document::Mistakes ignored(run.id);
  document::Fields fields(*tree, "", ignored);
  cell.electrodes = static_cast<int>(fields.whole("electrodes", 2, 3).value_or(2));
  cell.cam_g = 1e-3 * fields.number("composite_mg").value_or(0) * fields.number("cam_fraction").value_or(0);
  cell.q_1C_mAh_g = fields.number("q_1C_mAh_g").value_or(0);
  cell.area_cm2 = fields.number("area_cm2").value_or(0);
  cell.reference_vs_li_V = fields.number("reference_vs_li_V");
  cell.reference_note = fields.text("reference_note").value_or("");
  return cell;
}

std::vector<Setting> facts_of(const store::StoredRun& run, const RecordedCell& cell) {
  std::vector<Setting> facts{
      {"recipe", run.recipe, "SHA-256 of its protocol: " + run.recipe_hash},
      {"started", rfc3339(run.started), fmt::format("on station {} by {}", run.station, run.who)}};
  if (!cell.reference_note.empty())
    facts.push_back({"reference electrode", cell.reference_note, "as configured"});
  return facts;
}

/// All of a test but its cycles.
rate::CellTest test_of(const store::StoredRun& run, const RecordedCell& cell) {
  rate::CellTest test;
  test.cell = run.cell.value_or("");
  test.material = run.material.value_or("");
  // Limits and rates are in the recipe's hash, the basis of 1 C is the cell's.
  test.protocol_hash = fmt::format("{}, 1 C = {} mAh/g", run.recipe_hash, cell.q_1C_mAh_g);
  test.cam_g = cell.cam_g;
  test.one_C_A = run.one_C_A;
  test.area_cm2 = cell.area_cm2;
  test.electrodes = cell.electrodes;
  test.reference_vs_li_V = cell.reference_vs_li_V;
  test.run = run.id;
  test.simulated = run.time_scale != 1;  // only simulators run at another pace
  test.facts = facts_of(run, cell);
  return test;
}

std::optional<double> number(const std::optional<Volt>& volt) {
  if (!volt) return std::nullopt;
  return volt->value();
}

/// One line a sample, as anybody can print them from the table.
void add_line(std::string& text, const store::SampleRow& row) {
  const Sample& s = row.sample;
  fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {} {}\n", row.seq, s.step, s.step_time.count(),
                 number(s.we_vs_re).value_or(0), number(s.cell).value_or(0),
                 s.current ? s.current->value() : 0, s.status);
}

// ---- steps that did not go from their beginning to their planned end

struct HowItWent {
  std::string left;         // how it ended instead; empty: as planned
  std::string interrupted;  // why it stood still for a while
};

std::map<std::uint32_t, HowItWent> steps_of(const std::vector<store::StoredEvent>& events) {
  std::map<std::uint32_t, HowItWent> steps;
  for (const auto& [seq, event] : events) {
    if (!event.step) continue;
    auto& step = steps[*event.step];
    const auto text = event.text.value_or(event.reason.value_or(""));
    if (event.kind == "step_ended") step.left = event.reason == "planned" ? "" : text;
    if ((event.kind == "held" || event.kind == "tripped") && event.elapsed > Seconds(0))
      step.interrupted += (step.interrupted.empty() ? "" : "; ") + text;
  }
  return steps;
}

/// A half cycle that ended otherwise than planned is taken out; one that was interrupted stays, and is told of.
void judge(rate::CellTest& test, const std::vector<rate::Row>& rows,
           const std::map<std::uint32_t, HowItWent>& steps) {
  for (const auto& [number, step] : steps) {
    double current_A = 0;
    const rate::Row* last = nullptr;
    for (const auto& row : rows)
      if (row.step == number) {
        current_A += row.current_A;
        last = &row;
      }
    const auto cycle =
        last ? std::ranges::find(test.cycles, last->cycle, &rate::Cycle::cycle) : test.cycles.end();
    if (cycle == test.cycles.end() || current_A == 0) continue;
    const auto half = fmt::format("the {} of cycle {}", current_A > 0 ? "charge" : "discharge", cycle->cycle);
    if (!step.left.empty()) {
      (current_A > 0 ? cycle->charge : cycle->discharge).reset();
      test.left.push_back(fmt::format("{} was not done to its end, so it gives no capacity, and {}: {}", half,
                                      current_A > 0
                                          ? "the discharge after it gives what was charged"
                                          : "the next cycle at its rate counts in its place, if there is one",
                                      step.left));
    } else if (!step.interrupted.empty()) {
      test.caveats.push_back(fmt::format("{} was interrupted and resumed, and is the sum of its parts: {}",
                                         half, step.interrupted));
    }
  }
}

}  // namespace

std::optional<RateTest> RateTests::last_of(store::Reader& reader, const std::string& cell) {
  for (const auto& run : reader.finished_runs_of_cell(cell)) {
    const auto& [test, at_two_rates] = read(reader, run);
    if (at_two_rates) return test;
  }
  return std::nullopt;
}

const RateTests::Read& RateTests::read(store::Reader& reader, const store::StoredRun& run) {
  if (const auto known = by_run_.find(run.id); known != by_run_.end()) return known->second;
  const RecordedCell cell = cell_of(run);
  RateTest read{.test = {}, .run = run.id, .sha256 = {}, .bytes = 0};
  Sha256 hash;
  std::vector<rate::Row> rows;
  for (std::int64_t after = 0;;) {
    const auto samples = reader.samples(run.id, after, page);
    if (samples.empty()) break;
    std::string text;
    for (const auto& row : samples) {
      add_line(text, row);
      const auto point = store::believed(row.sample);
      const auto& potential = cell.electrodes == 3 ? row.sample.we_vs_re : row.sample.cell;
      if (point && potential)
        rows.push_back({.test_time_s = row.test_time.count(),
                        .step_time_s = row.sample.step_time.count(),
                        .current_A = point->current_A,
                        .potential_V = potential->value(),
                        .cycle = row.cycle,
                        .step = row.sample.step,
                        .charged_Ah = {},
                        .discharged_Ah = {}});
    }
    hash.update(text);
    read.bytes += text.size();
    after = samples.back().seq;
  }
  read.sha256 = hash.hex();
  read.test = test_of(run, cell);
  read.test.cycles = rate::cycles(rows);
  const bool at_two_rates = rate::rate_points(read.test).size() >= 2;
  judge(read.test, rows, steps_of(reader.events_of(run.id)));
  return by_run_.emplace(run.id, Read{std::move(read), at_two_rates}).first->second;
}

}  // namespace cambench::jobs
