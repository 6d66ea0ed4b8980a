// From simulated cells through recorded rows and an exported file to QS_0 and QS_ret. Numbers: the table of the Python
// prototype of the cell (2.62 to 4.32 V vs Li+/Li, two cycles a rate, 2 h rests); orderings: the paper's prose.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/cell_scores.h"
#include "analysis/formats/rate_csv.h"
#include "drivers/sim/cell.h"

using namespace cambench;
using namespace cambench::rate;

namespace {

/// Records a cell as an instrument does: every `every_s`, and the first and last point of every step.
class Recorder {
 public:
  Recorder(sim::Cell& cell, double every_s) : cell_(cell), every_s_(every_s) {}

  void rest(double duration_s, std::uint32_t cycle) {
    begin();
    while (step_s_ < duration_s) advance(0, std::min(grid(), duration_s - step_s_), cycle);
  }

  void current(double current_A, double limit_V, std::uint32_t cycle) {
    begin();
    const double sign = current_A > 0 ? 1 : -1;
    double piece_s = grid();
    while (sign * (potential(cell_, current_A) - limit_V) < 0 && piece_s > 1e-3) {
      sim::Cell next = cell_;
      next.hold_current(Ampere(current_A), Seconds(piece_s));
      if (sign * (potential(next, current_A) - limit_V) > 1e-3) {
        piece_s /= 2;
        continue;
      }
      advance(current_A, piece_s, cycle);
      piece_s = std::min(piece_s, grid());
    }
  }

  std::vector<Row> rows;

 private:
  static double potential(const sim::Cell& cell, double current_A) {
    return cell.leads(Ampere(current_A)).we_vs_re.value();
  }
  /// Once a second at the beginning of a step, then the grid.
  [[nodiscard]] double grid() const { return step_s_ < 2 ? 1 : every_s_; }
  void begin() {
    ++step_;
    step_s_ = 0;
  }
  void advance(double current_A, double piece_s, std::uint32_t cycle) {
    cell_.hold_current(Ampere(current_A), Seconds(piece_s));
    step_s_ += piece_s;
    test_s_ += piece_s;
    rows.push_back({.test_time_s = test_s_,
                    .step_time_s = step_s_,
                    .current_A = current_A,
                    .potential_V = potential(cell_, current_A),
                    .cycle = cycle,
                    .step = step_,
                    .charged_Ah = {},
                    .discharged_Ah = {}});
  }

  sim::Cell& cell_;
  double every_s_, test_s_ = 0, step_s_ = 0;
  std::uint32_t step_ = 0;
};

std::vector<Row> rate_test(const sim::CellKind& kind, double every_s) {
  sim::Cell cell(kind);
  Recorder record(cell, every_s);
  const double one_C = 0.2 * kind.cam_g(), wire_V = kind.reference_vs_li_V;
  std::uint32_t cycle = 0;
  for (const double rate : {0.1, 0.1, 0.3, 0.3, 1.0, 1.0, 2.0, 2.0}) {
    ++cycle;
    record.current(rate * one_C, 4.32 - wire_V, cycle);
    record.rest(7200, cycle);
    record.current(-rate * one_C, 2.62 - wire_V, cycle);
    record.rest(7200, cycle);
  }
  return record.rows;
}

CellTest test_of(const std::string& material, const std::vector<Row>& rows) {
  const sim::CellKind kind = *sim::cell_kind("rate", material);
  return {.cell = "R-" + material,
          .material = material,
          .protocol_hash = "rate-test-3e",
          .cam_g = kind.cam_g(),
          .one_C_A = 0.2 * kind.cam_g(),
          .area_cm2 = kind.area_cm2,
          .reference_vs_li_V = kind.reference_vs_li_V,
          .simulated = true,
          .facts = {},
          .cycles = cycles(rows)};
}

const std::map<std::string, std::vector<Row>>& recorded() {
  static const auto all = [] {
    std::map<std::string, std::vector<Row>> rows;
    for (const auto material : sim::cell_materials())
      rows[std::string(material)] = rate_test(*sim::cell_kind("rate", material), 30);
    return rows;
  }();
  return all;
}

std::vector<Material> materials() {
  std::vector<Material> all;
  for (const auto id : sim::cell_materials())
    all.push_back({.id = std::string(id), .name = {}, .coating = {}, .reference = id == "ncm-uncoated"});
  return all;
}

const CellScores& scores() {
  static const CellScores all = [] {
    std::vector<CellTest> tests;
    for (const auto& [material, rows] : recorded()) tests.push_back(test_of(material, rows));
    return score_cells(tests, materials(), {.reference = "ncm-uncoated"});
  }();
  return all;
}

const CellValues& values_of(const std::string& material) {
  return *std::ranges::find(scores().cells, material, [](const CellValues& c) { return c.test.material; });
}

}  // namespace

TEST_CASE("six simulated rate tests score as the prototype's table says") {
  struct Expected {
    const char* material;
    double qs_0, qs_ret, dE_low_mV, dE_high_mV;
  };
  for (const Expected& row : {Expected{"ncm-uncoated", 1.000, 1.000, 58, 793},
                              {"ncm-linbo3", 1.038, 1.272, 48, 671},
                              {"ncm-zro2-thin", 0.958, 0.738, 67, 906},
                              {"ncm-zro2-thick", 0.849, 0.364, 83, 1080},
                              {"ncm-x-thin", 1.068, 1.394, 45, 626},
                              {"ncm-x-thick", 0.918, 0.532, 72, 995}}) {
    CAPTURE(row.material);
    const MaterialScores& found = *scores().find(row.material);
    CHECK(*found.initial.value == doctest::Approx(row.qs_0).epsilon(0.002));
    CHECK(*found.retention.value == doctest::Approx(row.qs_ret).epsilon(0.01));
    const auto& rates = values_of(row.material).rates;
    REQUIRE(rates.size() == 4);
    CHECK(std::abs(2e3 * *rates.front().overpotential_V - row.dE_low_mV) < 1.5);
    CHECK(std::abs(2e3 * *rates.back().overpotential_V - row.dE_high_mV) < 12);
  }
}

TEST_CASE("capacity falls with the rate for every material, and efficiency is low only where a rate is new") {
  for (const CellValues& cell : scores().cells) {
    CAPTURE(cell.test.material);
    for (std::size_t r = 1; r < cell.rates.size(); ++r) {
      CHECK(*cell.rates[r].discharge_mAh_g(CycleChoice::first) <
            *cell.rates[r - 1].discharge_mAh_g(CycleChoice::first));
      CHECK(*cell.rates[r].cycles[1].efficiency > *cell.rates[r].cycles[0].efficiency);
    }
  }
  // uncoated, first and second cycles at 0.3, 1 and 2 C: 94, 87, 79 % and 99.7 to 99.9 % in the prototype
  const auto& rates = values_of("ncm-uncoated").rates;
  for (const auto& [r, first] : {std::pair{1u, 0.94}, {2u, 0.87}, {3u, 0.79}}) {
    CHECK(std::abs(*rates[r].cycles[0].efficiency - first) < 0.006);
    CHECK(std::abs(*rates[r].cycles[1].efficiency - 0.998) < 0.002);
  }
}

TEST_CASE("iR after 1 s is what the simulated cell has between the wire and the cathode") {
  const CellValues& cell = values_of("ncm-uncoated");
  const sim::CellKind kind = *sim::cell_kind("rate", "ncm-uncoated");
  // 60 mg of Li6PS5Cl at 1.64 g/cm3 and 1.4 mS/cm on 0.785 cm2
  const double separator_ohm = kind.separator_layer_mg * 1e-3 / kind.separator_g_cm3 / kind.area_cm2 /
                               kind.area_cm2 / kind.separator_S_cm;
  const double ohmic = (separator_ohm + kind.interphase_ohm + kind.ionic_ohm) * kind.area_cm2;
  const double measured = *cell.rates[3].cycles[1].resistance_ohm_cm2;
  CHECK(measured > ohmic);  // and some of the charge transfer, whose time is 0.8 s
  CHECK(measured < 1.6 * ohmic);
}

TEST_CASE("an exported and re-read test, and one recorded five times finer, score the same") {
  const std::vector<Row>& rows = recorded().at("ncm-linbo3");
  std::string csv = "test_time_second,step_time_second,voltage_volt,current_ampere,cycle_count,step_count\n";
  for (const Row& row : rows)
    csv += fmt::format("{},{},{},{},{},{}\n", row.test_time_s, row.step_time_s, row.potential_V,
                       row.current_A, row.cycle, row.step);
  const CellTest bare = test_of("ncm-uncoated", recorded().at("ncm-uncoated"));
  const auto scored = [&](const std::vector<Row>& coated) {
    const std::vector tests{bare, test_of("ncm-linbo3", coated)};
    return *score_cells(tests, materials(), {.reference = "ncm-uncoated"}).find("ncm-linbo3");
  };
  const MaterialScores direct = scored(rows), again = scored(read_rate_csv(csv, "export.bdf.csv").rows);
  CHECK(*again.initial.value == *direct.initial.value);
  CHECK(*again.retention.value == *direct.retention.value);
  const MaterialScores finer = scored(rate_test(*sim::cell_kind("rate", "ncm-linbo3"), 6));
  CHECK(*finer.initial.value == doctest::Approx(*direct.initial.value).epsilon(5e-4));
  CHECK(*finer.retention.value == doctest::Approx(*direct.retention.value).epsilon(3e-3));
}
