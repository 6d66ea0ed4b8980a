// What a bench must have shown before it runs unattended: the rate test on MethodSCRIPT and SCPI stations at once, under
// blows at random moments, judged by the simulator's ground truth.
//
// ctest gives a few blows to a short protocol. The long form is the paper's whole rate test (about 80 h, a quarter of an hour):
//
//     CAMBENCH_BLOWS=200 build/tests/scenario_acceptance
#include <fmt/ranges.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "tests/scenario/campaign.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

// EmStat4 HR on a pty, Nexus on TCP, MultiEmStat4 HR without its card, Keithley 2450: all but A3 keep what nobody heard.
const std::vector<std::string> stations{"A1", "A2", "A3", "A4"};
bool stores(const std::string& name) { return name != "A3"; }
constexpr int few_blows = 4;

// Of the rate test against the reference electrode: cutoffs 2.62 and 4.32 V vs Li+/Li, guards 0.1 V beyond, reference
// at 0.31 V.
constexpr double lowest_V = 2.62 - 0.1 - 0.31, highest_V = 4.32 + 0.1 - 0.31;

Bench::Settings whole_bench(double scale) {
  return {.stations = 3, .time_scale = scale, .extra = {}, .source_measure_units = 1};
}

/// Runs the protocol on every station; does what a person would when a run waits for one.
struct Protocol {
  Bench bench;
  std::map<std::string, std::string> runs;  ///< by station
  std::map<std::string, int> resumed, reset;
  std::set<std::string> reasons;
  double record_every_s;

  /// The paper's rate test, or charge, rest and discharge.
  Protocol(double scale, bool whole, int charge_s = 1500, int rest_s = 600)
      : bench(whole_bench(scale)), record_every_s(whole ? 30 : 10) {
    const std::string recipe = whole ? "rate-test-3e" : "short";
    bench.recipe("short", short_recipe(charge_s, rest_s));
    bench.sim("fault A3 no_card");
    bench.start();
    for (const auto& name : stations) runs[name] = bench.run(recipe, name);
  }

  /// Whether the run is over. A held one is resumed, a tripped one reset and resumed: once its cause is gone.
  bool look_after(const std::string& name) {
    const auto at = bench.where(name);
    if (at.state == "finished") return true;
    if (at.run.empty())
      return bench.reader().run(runs.at(name))->phase == "finished";  // and the daemon restarted
    if (at.state == "held") {
      if (bench.order(runs.at(name), "resume").empty()) ++resumed[name];
    } else if (at.state == "tripped") {
      reasons.insert(at.why.substr(0, at.why.find(':')));
      if (bench.order(runs.at(name), "reset").empty()) ++reset[name];
    } else if (at.state == "aborted") {
      throw std::runtime_error(name + " was aborted: " + at.why);
    }
    return false;
  }
  bool look_after_all() {
    bool all = true;
    for (const auto& name : stations) all = look_after(name) && all;
    return all;
  }
};

/// The rows of a run: a hole is a pause longer than two rows are apart, on a grid of one second.
struct Rows {
  std::size_t count = 0, holes = 0, unexplained = 0, twice = 0, late = 0;
  double longest_hole_s = 0;
};
Rows rows_of(const Protocol& protocol, const std::string& name) {
  Rows seen;
  const std::string& run = protocol.runs.at(name);
  std::set<std::uint32_t> with_gap;
  for (const auto& event : protocol.bench.reader().events_of(run))
    if ((event.row.kind == "gap" || event.row.kind == "held" || event.row.kind == "tripped") &&
        event.row.step)
      with_gap.insert(*event.row.step);
  const auto rows = protocol.bench.samples(run);
  seen.count = rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& now = rows[i].sample;
    if (now.status & reading_status::late) ++seen.late;
    const bool first = i == 0 || rows[i - 1].sample.step != now.step;
    const double pause_s = (first ? now.step_time : now.step_time - rows[i - 1].sample.step_time).count();
    if (!first && pause_s <= 0) ++seen.twice;
    if (pause_s < protocol.record_every_s + 1.9) continue;
    ++seen.holes;
    seen.longest_hole_s = std::max(seen.longest_hole_s, pause_s);
    if (!with_gap.contains(now.step)) ++seen.unexplained;
  }
  return seen;
}

/// Every row is there once, or a gap row says that some are not; where the instrument stores, every row is there.
void check_rows(const Protocol& protocol) {
  for (const auto& name : stations) {
    const Rows rows = rows_of(protocol, name);
    MESSAGE(name, ": ", rows.count, " rows, ", rows.late, " of them late, ", rows.holes, " holes (longest ",
            rows.longest_hole_s, " s), ", rows.unexplained, " without a gap row, ", rows.twice,
            " rows twice");
    CHECK(rows.unexplained == 0);
    CHECK(rows.twice == 0);
    if (stores(name)) CHECK(rows.holes == 0);
  }
}

/// True charge moved in each stretch in which a current flowed one way, whatever interrupted it. Rows come every few
/// seconds of the experiment, but while no current flows the charge stands still: what stood before is where a stretch
/// begins.
std::vector<double> true_charges_Ah(const std::vector<Truth>& truth) {
  std::vector<double> moved;
  double before = truth.empty() ? 0 : truth.front().charge_Ah;
  for (const Truth& row : truth) {
    const double passed = row.charge_Ah - std::exchange(before, row.charge_Ah);
    if (std::abs(passed) < 1e-9) continue;
    if (moved.empty() || (moved.back() > 0) != (passed > 0)) moved.push_back(0);
    moved.back() += passed;
  }
  std::erase_if(moved, [](double charge) { return std::abs(charge) < 1e-6; });
  return moved;
}

/// Charge of every current step as the store has it.
std::vector<double> stored_charges_Ah(const Bench& bench, const std::string& run) {
  std::vector<double> moved;
  for (const auto& step : bench.reader().steps(run)) {
    const double charge = step.summary.charge.charge_Ah - step.summary.discharge.charge_Ah;
    if (std::abs(charge) > 1e-6) moved.push_back(charge);
  }
  return moved;
}

/// The largest deviation of a capacity from the truth, where instrument and store have every row.
void check_capacities(Protocol& protocol, std::size_t expected) {
  for (const auto& name : stations) {
    if (!stores(name)) continue;
    const auto stored = stored_charges_Ah(protocol.bench, protocol.runs.at(name));
    const auto truth = true_charges_Ah(protocol.bench.truth_with_cell_off(name));
    REQUIRE(stored.size() == expected);
    REQUIRE(truth.size() == expected);
    double worst = 0;
    for (std::size_t i = 0; i < expected; ++i) worst = std::max(worst, std::abs(stored[i] / truth[i] - 1));
    MESSAGE(name, ": ", expected, " charges and discharges, largest deviation ", worst * 100, " %");
    CHECK(worst < 1e-3);
  }
}

/// `off_mA`: what a source-measure unit lets flow from its power-up until it is told otherwise (NORMAL, 10 % of 100 uA).
void check_truth(Protocol& protocol, double off_mA = 0) {
  for (const auto& name : stations) {
    const auto seen = while_on(protocol.bench.truth_with_cell_off(name));
    MESSAGE(name, ": true potential between ", seen.lowest_V, " and ", seen.highest_V, " V (guards ",
            lowest_V, " and ", highest_V, " V), largest current with the cell off ", seen.off_mA, " mA, ",
            seen.switches, " switches");
    CHECK(seen.lowest_V > lowest_V);
    CHECK(seen.highest_V < highest_V);
    CHECK(seen.off_mA <= off_mA);
  }
}

void until_over(Protocol& protocol) {
  const auto deadline = std::chrono::steady_clock::now() + 8min;
  while (!protocol.look_after_all()) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the runs do not end\n" + protocol.bench.log());
    std::this_thread::sleep_for(50ms);
  }
}

bool long_form() { return std::getenv("CAMBENCH_BLOWS") != nullptr; }

/// Pulls every cable for so many seconds of wall time.
void pull_cables(Bench& bench, std::optional<double> for_s) {
  for (const auto& name : stations) bench.until_step(0, name);
  for (const auto& name : stations)
    bench.sim("fault " + name + " link" + (for_s ? fmt::format(" for={}", *for_s) : ""));
}

void check_it_went_on_by_itself(Protocol& protocol) {
  for (const auto& name : stations) {
    CHECK(protocol.resumed[name] + protocol.reset[name] == 0);
    CHECK(protocol.bench.happened(protocol.runs.at(name), "gap"));
    // On and off for the charge and for the discharge; a source-measure unit also looks and rests with its output on.
    CHECK(protocol.bench.truth_with_cell_off(name).back().switches == (name == "A4" ? 8 : 4));
  }
}

}  // namespace

TEST_CASE("the capacities of the rate test are the ground truth's within 0.1 % at every rate") {
  const bool whole = long_form();
  Protocol protocol(whole ? 1800 : 1200, whole, 1800, 300);
  until_over(protocol);
  check_capacities(protocol, whole ? 16 : 2);
  check_rows(protocol);
  check_truth(protocol);
  for (const auto& name : stations) {
    CHECK(protocol.bench.where(name).state == "finished");
    CHECK(protocol.resumed[name] + protocol.reset[name] == 0);
  }
}

TEST_CASE(
    "a daemon that is killed at random moments leaves every cell within its limits, and loses no row that "
    "the "
    "instrument keeps") {
  Campaign campaign("kills", few_blows);
  const bool whole = long_form();
  Protocol protocol(whole ? 600 : 300, whole, 1200, 300);
  Bench& bench = protocol.bench;
  int kills = 0;
  for (bool over = false; kills < campaign.blows() && !over; ++kills) {
    campaign.wait(50ms, whole ? 3500ms : 1000ms);
    bench.kill();
    if (campaign.one_of(10) == 0)
      campaign.wait(0ms, whole ? 3000ms : 1500ms);  // now and then it stays away longer
    bench.start();
    if (!protocol.look_after_all() && campaign.one_of(5) == 0)
      campaign.wait(500ms, 1000ms);  // time enough to hear that a cell is open
    over = protocol.look_after_all();
  }
  until_over(protocol);
  MESSAGE(kills, " kills");
  CHECK(kills > 0);
  for (const auto& name : stations)
    MESSAGE(name, ": resumed ", protocol.resumed[name], " times, reset ", protocol.reset[name], " times");
  MESSAGE("tripped by: ", fmt::format("{}", fmt::join(protocol.reasons, ", ")));
  check_truth(protocol);
  check_rows(protocol);
  check_capacities(protocol, whole ? 16 : 2);
}

namespace {

constexpr double cut_scale = 300;

void check_that_a_cut_costs_nothing(double wall_s) {
  Protocol protocol(cut_scale, false, 2400, 300);  // long enough that no charge ends while its cable is out
  pull_cables(protocol.bench, wall_s);
  until_over(protocol);
  check_it_went_on_by_itself(protocol);
  check_rows(protocol);
  check_capacities(protocol, 2);
  check_truth(protocol);
}

}  // namespace

TEST_CASE("a link that drops for a second costs no row that the instrument keeps, and every step goes on") {
  check_that_a_cut_costs_nothing(1);
}

TEST_CASE(
    "a link that drops for ten minutes costs no row that the instrument keeps, and every step goes on") {
  check_that_a_cut_costs_nothing(600 / cut_scale);
}

TEST_CASE(
    "a link that drops for ever leaves every cell to the instrument, which opens it at the end of its step") {
  Protocol protocol(400, false);
  Bench& bench = protocol.bench;
  pull_cables(bench, {});
  for (const auto& name : stations) {
    until("the cell of " + name + " opens by itself", [&] { return !bench.cell_is_on(name); });
    CHECK(bench.truth_with_cell_off(name).back().switches <= 4);
    CHECK(bench.where(name).state == "running");  // as far as anybody knows
    const auto moved = true_charges_Ah(bench.truth_with_cell_off(name));
    REQUIRE(moved.size() == 1);
    CHECK(std::abs(moved[0] * 3600 / (1.608e-3 * 1500) - 1) < 2e-3);  // the whole step, and nothing after it
  }
  until("people are warned of each",
        [&] { return std::ranges::count(bench.alarms(), "potentiostat_link") == std::ssize(stations); });
  check_rows(protocol);
  check_truth(protocol);
}

TEST_CASE("power cycles at random moments: nothing is polarised again by itself") {
  Campaign campaign("power", few_blows);
  Protocol protocol(400, false);
  Bench& bench = protocol.bench;
  for (int blow = 0; blow < std::min(campaign.blows(), 40); ++blow) {
    const std::string& name = stations[campaign.one_of(stations.size())];
    until(
        "the run goes on", [&] { return protocol.look_after(name) || bench.where(name).state == "running"; },
        [&] { return bench.log(); });
    if (bench.where(name).state == "finished") protocol.runs[name] = bench.run("short", name);
    bench.until_state("running", name);
    campaign.wait(100ms, 2000ms);
    if (bench.where(name).state != "running") continue;  // it is over already
    bench.sim("fault " + name + " power_cycle for=0.2");
    until(
        "the daemon has seen it",
        [&] {
          const auto state = bench.where(name).state;
          return state == "held" || state == "tripped" || state == "finished";
        },
        [&] { return bench.log(); });
    until("the cell is open", [&] { return !bench.cell_is_on(name); });
    const long switches = bench.truth_with_cell_off(name).back().switches;
    std::this_thread::sleep_for(300ms);  // it would be on again by now
    CHECK_FALSE(bench.cell_is_on(name));
    CHECK(bench.truth_with_cell_off(name).back().switches == switches);
  }
  check_truth(protocol, 0.0101);
}
