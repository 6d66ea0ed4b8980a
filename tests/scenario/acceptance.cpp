// What a bench must have shown before it runs unattended: the rate test on MethodSCRIPT and SCPI stations at once, under
// blows at random moments, judged by the simulator's ground truth.
//
// ctest gives a few blows to a short protocol. The long form is the paper's whole rate test (about 80 h, a quarter of an hour):
//
//     CAMBENCH_BLOWS=200 build/tests/scenario_acceptance
#include <cmath>
#include <map>
#include <set>

#include "tests/scenario/campaign.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

const std::vector<std::string> stations{"A1", "A2", "A3"};  // EmStat4 on a pty, Nexus on TCP, Keithley 2450
constexpr int few_blows = 4;

// Of the rate test against the reference electrode: cutoffs 2.62 and 4.32 V vs Li+/Li, guards 0.1 V beyond, reference
// at 0.31 V.
constexpr double lowest_V = 2.62 - 0.1 - 0.31, highest_V = 4.32 + 0.1 - 0.31;

Bench::Settings whole_bench(double scale) {
  return {.stations = 2, .time_scale = scale, .extra = {}, .source_measure_units = 1};
}

/// Runs the protocol on every station; does what a person would when a run waits for one.
struct Protocol {
  Bench bench;
  std::map<std::string, std::string> runs;  ///< by station
  std::map<std::string, int> resumed, reset;
  std::set<std::string> reasons;

  /// The recipe "short" is `text`; others are built in.
  Protocol(double scale, const std::string& recipe, const std::string& text) : bench(whole_bench(scale)) {
    bench.recipe("short", text);
    bench.start();
    for (const auto& name : stations) runs[name] = bench.run(recipe, name);
  }

  /// Whether the run is over. A held one is resumed, a tripped one reset and resumed: once its cause is gone.
  bool look_after(const std::string& name) {
    const auto at = bench.where(name);
    if (at.state == "finished") return true;
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

/// The longest stretch within a step without a row, and how many of them no gap row explains.
struct Rows {
  std::size_t count = 0, holes = 0, unexplained = 0, twice = 0;
  double longest_hole_s = 0;
};
Rows rows_of(const Bench& bench, const std::string& run, double record_every_s) {
  Rows seen;
  const auto rows = bench.samples(run);
  seen.count = rows.size();
  std::set<std::uint32_t> with_gap;
  for (const auto& event : bench.reader().events_of(run))
    if ((event.row.kind == "gap" || event.row.kind == "held" || event.row.kind == "tripped") &&
        event.row.step)
      with_gap.insert(*event.row.step);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const auto &now = rows[i].sample, &before = rows[i - 1].sample;
    if (now.step != before.step) continue;
    const double pause_s = (now.step_time - before.step_time).count();
    if (pause_s <= 0) ++seen.twice;
    if (pause_s <= 2 * record_every_s + 5) continue;
    ++seen.holes;
    seen.longest_hole_s = std::max(seen.longest_hole_s, pause_s);
    if (!with_gap.contains(now.step)) ++seen.unexplained;
  }
  return seen;
}

/// True charge moved in each stretch in which a current flowed one way. Rows come every few seconds of the experiment,
/// but while no current flows the charge stands still: what stood before is where a stretch begins.
std::vector<double> true_charges_Ah(const std::vector<Truth>& truth) {
  std::vector<double> moved;
  double from = 0, before = 0;
  int way = 0;
  for (const Truth& row : truth) {
    const int now = !row.cell_on || std::abs(row.current_A) < 2e-6 ? 0 : row.current_A > 0 ? 1 : -1;
    if (now != way) {
      if (way != 0 && std::abs(row.charge_Ah - from) > 1e-6) moved.push_back(row.charge_Ah - from);
      from = before;
      way = now;
    }
    before = row.charge_Ah;
  }
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

double worst_deviation(const std::vector<double>& stored, const std::vector<double>& truth) {
  double worst = 0;
  for (std::size_t i = 0; i < std::min(stored.size(), truth.size()); ++i)
    worst = std::max(worst, std::abs(stored[i] / truth[i] - 1));
  return worst;
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

double sum_of_magnitudes(const std::vector<double>& charges) {
  double sum = 0;
  for (const double charge : charges) sum += std::abs(charge);
  return sum;
}

bool long_form() { return std::getenv("CAMBENCH_BLOWS") != nullptr; }

}  // namespace

TEST_CASE("the capacities of the rate test are the ground truth's within 0.1 % at every rate") {
  const bool whole = long_form();
  Protocol protocol(whole ? 1800 : 1200, whole ? "rate-test-3e" : "short", short_recipe(1800, 300));
  until_over(protocol);
  for (const auto& name : stations) {
    const std::string& run = protocol.runs.at(name);
    CHECK(protocol.bench.where(name).state == "finished");
    const auto stored = stored_charges_Ah(protocol.bench, run);
    const auto truth = true_charges_Ah(protocol.bench.truth_with_cell_off(name));
    CHECK(stored.size() == (whole ? 16 : 2));
    CHECK(truth.size() == stored.size());
    const double worst = worst_deviation(stored, truth);
    MESSAGE(name, ": ", stored.size(), " charges and discharges, largest deviation ", worst * 100, " %");
    CHECK(worst < 1e-3);
    CHECK(protocol.resumed[name] + protocol.reset[name] == 0);
  }
  check_truth(protocol);
}

TEST_CASE(
    "a daemon that is killed at random moments leaves every cell within its limits and every row or its "
    "gap") {
  Campaign campaign("kills", few_blows);
  const bool whole = long_form();
  const double scale = whole ? 600 : 300;
  Protocol protocol(scale, whole ? "rate-test-3e" : "short", short_recipe(1200, 300));
  Bench& bench = protocol.bench;
  int kills = 0;
  for (bool over = false; kills < campaign.blows() && !over; ++kills) {
    campaign.wait(50ms, whole ? 2500ms : 1000ms);
    bench.kill();
    if (campaign.one_of(10) == 0)
      campaign.wait(0ms, whole ? 3000ms : 1500ms);  // now and then it stays away longer
    bench.start();
    over = protocol.look_after_all();
  }
  until_over(protocol);
  MESSAGE(kills, " kills");
  CHECK(kills > 0);
  check_truth(protocol);
  for (const auto& name : stations) {
    const Rows rows = rows_of(bench, protocol.runs.at(name), whole ? 30 : 10);
    MESSAGE(name, ": ", rows.count, " rows, ", rows.holes, " holes (longest ", rows.longest_hole_s, " s), ",
            rows.unexplained, " without a gap row, ", rows.twice, " rows twice; resumed ",
            protocol.resumed[name], " times, reset ", protocol.reset[name], " times");
    CHECK(rows.unexplained == 0);
    CHECK(rows.twice == 0);
  }
  CHECK(rows_of(bench, protocol.runs.at("A3"), whole ? 30 : 10).holes ==
        0);  // its buffer keeps what nobody heard
  const auto stored = stored_charges_Ah(bench, protocol.runs.at("A3"));
  const auto truth = true_charges_Ah(bench.truth_with_cell_off("A3"));
  const double deviation = sum_of_magnitudes(stored) / sum_of_magnitudes(truth) - 1;
  MESSAGE("A3: all charge moved, stored against true: ", deviation * 100, " %");
  CHECK(std::abs(deviation) < 1e-3);
  std::string reasons;
  for (const auto& reason : protocol.reasons) reasons += reason + ' ';
  MESSAGE("tripped by: ", reasons.empty() ? "nothing" : reasons);
}

TEST_CASE(
    "a link that drops for a second, for ten minutes and for ever leaves the cell to the instrument's "
    "limits") {
  Protocol protocol(400, "short", short_recipe(1500, 600));
  Bench& bench = protocol.bench;
  for (const auto& name : stations) bench.until_step(0, name);
  double for_s = 0;
  bool back = true;
  SUBCASE("1 s of the wire") { for_s = 1; }
  SUBCASE("10 min of the experiment") { for_s = 600 / bench.time_scale(); }
  SUBCASE("for ever") { back = false; }
  for (const auto& name : stations)
    bench.sim("fault " + name + " link" + (back ? fmt::format(" for={}", for_s) : ""));
  if (back) {
    until_over(protocol);
    CHECK(rows_of(bench, protocol.runs.at("A3"), 10).holes == 0);
  } else {
    for (const auto& name : stations)
      until("the cell of " + name + " opens by itself", [&] { return !bench.cell_is_on(name); });
    for (const auto& name : stations) {
      CHECK(bench.truth_with_cell_off(name).back().switches <= 4);
      CHECK(bench.where(name).state != "finished");
    }
  }
  for (const auto& name : stations) {
    const Rows rows = rows_of(bench, protocol.runs.at(name), 10);
    CHECK(rows.unexplained == 0);
    CHECK(rows.twice == 0);
  }
  check_truth(protocol);
}

TEST_CASE("power cycles at random moments: nothing is polarised again by itself") {
  Campaign campaign("power", few_blows);
  Protocol protocol(400, "short", short_recipe(1500, 600));
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
