// A made coating study with the six materials of the paper's Table 1: capacities as the simulated cells give them, spots
// drawn around contrasts that follow the paper's prose. Not measured, and the same on every machine.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/study.h"

namespace cambench::tests {

struct MadeMaterial {
  Material material;
  std::vector<double> discharge_mAh_g;   ///< second cycles at 0.1, 0.3, 1, 2 C
  std::vector<double> overpotential_mV;  ///< the same
  double polysulfide, SOy, POy;          ///< degradation; 0 uncycled, 1 uncoated
};

inline const std::vector<MadeMaterial>& made_materials() {
  static const std::vector<MadeMaterial> all{
      {{"ncm-uncoated", "NCM uncoated", "none", 0, true},
       {168.1, 154.3, 109.8, 58.5},
       {29, 70, 210, 396},
       1,
       1,
       1},
      {{"ncm-linbo3", "NCM LiNbO3", "LiNbO3", 1, false},
       {174.4, 161.8, 124.6, 76.8},
       {24, 58, 175, 335},
       0.93,
       0.7,
       0.66},
      {{"ncm-zro2-thin", "NCM ZrO2 thin", "ZrO2", 1, false},
       {161.0, 145.9, 97.7, 42.3},
       {33, 82, 245, 453},
       1.24,
       0.85,
       0.8},
      {{"ncm-zro2-thick", "NCM ZrO2 thick", "ZrO2", 5, false},
       {142.8, 125.2, 71.9, 19.5},
       {41, 104, 305, 540},
       1.12,
       0.72,
       0.7},
      {{"ncm-x-thin", "NCM X thin", "X", 1, false},
       {179.4, 167.2, 132.3, 86.3},
       {22, 53, 160, 313},
       0.62,
       0.6,
       0.45},
      {{"ncm-x-thick", "NCM X thick", "X", 5, false},
       {154.1, 137.5, 86.4, 30.1},
       {36, 91, 270, 497},
       0.35,
       0.4,
       0.3},
  };
  return all;
}

/// Numbers around 0 that look random: a linear congruential generator.
class Scatter {
 public:
  double operator()() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) / static_cast<double>(1ull << 53) - 0.5;
  }

 private:
  std::uint64_t state_ = 2024;
};

inline sims::SpotTable made_spots(std::size_t spots_per_sample) {
  struct Ion {
    const char* label;
    double uncycled, gain;  ///< intensity, and its relative growth with full degradation
  };
  static constexpr Ion ions[] = {
      {"S3-", 4e-3, 1.4},     {"S4-", 1e-3, 1.8},     {"S5-", 4e-4, 1.6},    {"LiPS6-", 2e-4, 2.2},
      {"LiP2S6-", 3e-4, 1.9}, {"PS5-", 3e-4, 1.1},    {"P2S5-", 2e-4, 1.0},  {"SO2-", 6e-3, -0.35},
      {"SO3-", 2e-3, 1.5},    {"SO4-", 8e-4, 2.1},    {"LiSO4-", 2e-4, 1.7}, {"PO2-", 7e-3, 1.2},
      {"PO3-", 9e-3, 1.9},    {"LiPO3-", 3e-4, 1.4},  {"PO4-", 5e-4, 1.3},   {"S-", 2e-1, -0.08},
      {"S2-", 5e-2, -0.02},   {"Cl-", 3e-1, -0.05},   {"LiCl-", 4e-3, -0.1}, {"NiO2-", 2e-3, 0.02},
      {"CoO2-", 8e-4, 0.03},  {"MnO2-", 5e-4, -0.02}, {"O-", 1e-1, 0.1},     {"OH-", 5e-2, 0.05},
      {"F-", 8e-3, 0.0}};
  Scatter scatter;
  sims::SpotTable table;
  for (const Ion& ion : ions) table.fragments.push_back(sims::FragmentTable::built_in().describe(ion.label));
  const auto add_sample = [&](const MadeMaterial& made, sims::State state) {
    for (std::size_t spot = 0; spot < spots_per_sample; ++spot)
      table.spots.push_back({made.material.id, state, "region " + std::to_string(spot + 1)});
  };
  add_sample(made_materials().front(), sims::State::uncycled);
  for (const MadeMaterial& made : made_materials()) add_sample(made, sims::State::cycled);
  table.values = Matrix(table.spots.size(), table.fragments.size());
  for (std::size_t row = 0; row < table.spots.size(); ++row) {
    const double topography = 1 + 0.08 * scatter();
    for (std::size_t f = 0; f < table.fragments.size(); ++f) {
      double degraded = 0;
      if (table.spots[row].state == sims::State::cycled)
        for (const MadeMaterial& made : made_materials()) {
          if (made.material.id != table.spots[row].material) continue;
          const std::string& category = table.fragments[f].category;
          degraded = category == "SOy" ? made.SOy : category == "POy" ? made.POy : made.polysulfide;
        }
      table.values(row, f) =
          ions[f].uncycled * (1 + ions[f].gain * degraded) * topography * (1 + 0.14 * scatter());
    }
  }
  return table;
}

inline rate::CellTest made_cell(const MadeMaterial& made, const std::string& cell) {
  constexpr double rates[] = {0.1, 0.3, 1.0, 2.0};
  rate::CellTest test{.cell = cell,
                      .material = made.material.id,
                      .protocol_hash = "2f1c0a9be5d04c7a8f0d6cf9b8e2a1b4",
                      .cam_g = 8.04e-3,
                      .one_C_A = 1.608e-3,
                      .area_cm2 = 0.7854,
                      .reference_vs_li_V = 0.31,
                      .run = "r000001",
                      .simulated = true,
                      .facts = {{"recipe", "rate-test-3e", ""}, {"limits", "2.62 to 4.32 V vs Li+/Li", ""}},
                      .cycles = {}};
  for (std::uint32_t cycle = 1; cycle <= 8; ++cycle) {
    const std::size_t r = (cycle - 1) / 2;
    const bool first = cycle % 2 == 1;
    const double discharge = made.discharge_mAh_g[r] * (first ? 1.004 : 1.0) * test.cam_g * 1e-3;
    const double charge = discharge / (first ? 0.92 - 0.05 * static_cast<double>(r) : 0.998);
    const double half = made.overpotential_mV[r] * 1e-3, current = rates[r] * test.one_C_A;
    test.cycles.push_back({.cycle = cycle,
                           .charge = rate::HalfCycle{.capacity_Ah = charge,
                                                     .mean_potential_V = 3.52 + half,
                                                     .mean_current_A = current,
                                                     .end_V = 4.01,
                                                     .end_A = current,
                                                     .at_half_charge_V = 3.5 + half},
                           .discharge = rate::HalfCycle{.capacity_Ah = discharge,
                                                        .mean_potential_V = 3.52 - half,
                                                        .mean_current_A = current,
                                                        .at_half_charge_V = 3.5 - half},
                           .relaxation = rate::Relaxation{1, 4.01 - 0.7 * half, 7200, 4.01 - half}});
  }
  return test;
}

inline study::StudyInput made_study(std::size_t spots_per_sample = 8) {
  study::StudyInput input{.id = "coatings", .title = "Coatings for NCM", .materials = {}, .degradation = {}};
  for (const MadeMaterial& made : made_materials()) {
    input.materials.push_back(made.material);
    input.cells.push_back(made_cell(made, "R-" + made.material.id.substr(4)));
  }
  sims::DegradationOptions options;
  options.reference = "ncm-uncoated";
  input.spots = made_spots(spots_per_sample);
  input.degradation = sims::degradation_scores(*input.spots, options);
  input.settings = sims::describe(sims::NormaliseOptions{});
  for (const auto& spot : input.degradation->pca_spots)
    for (const char* peak : {"PO_3-", "S_4-", "total"})
      input.inputs.push_back({spot.material + " " + std::string(to_string(spot.state)) + ", " + spot.region,
                              "large area (1) - " + std::string(peak) + ".txt", std::string(64, 'a'),
                              1385472});
  for (const auto& cell : input.cells)
    input.inputs.push_back({"rate test of cell " + cell.cell, cell.run, std::string(64, 'b'), 8123456});
  input.problems = {"coatings/ncm-x-thin/cycled/notes.docx: no format that is known; move it elsewhere"};
  input.caveats = {"ToF-SIMS images were made by code"};
  return input;
}

}  // namespace cambench::tests
