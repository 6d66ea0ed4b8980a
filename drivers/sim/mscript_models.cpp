#include "drivers/sim/mscript_models.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace cambench::sim {
namespace {

using script::type;

constexpr std::array emstat4_ranges{
    CurrentRange{0x03, 1e-9}, CurrentRange{0x06, 1e-8}, CurrentRange{0x09, 1e-7},
    CurrentRange{0x0C, 1e-6}, CurrentRange{0x0F, 1e-5}, CurrentRange{0x12, 1e-4},
    CurrentRange{0x15, 1e-3}, CurrentRange{0x18, 1e-2}, CurrentRange{0x1B, 1e-1}};
// Only 38/40 = 1 mA and 39/41 = 10 mA are documented; the rest continues that row.
constexpr std::array nexus_ranges{CurrentRange{32, 1e-9}, CurrentRange{33, 1e-8}, CurrentRange{34, 1e-7},
                                  CurrentRange{35, 1e-6}, CurrentRange{36, 1e-5}, CurrentRange{37, 1e-4},
                                  CurrentRange{38, 1e-3}, CurrentRange{39, 1e-2}, CurrentRange{42, 1e-1},
                                  CurrentRange{43, 1.0}};
constexpr std::array pico_ranges{
    CurrentRange{0, 1e-7},     CurrentRange{1, 1.95e-6},  CurrentRange{2, 3.91e-6}, CurrentRange{3, 7.81e-6},
    CurrentRange{4, 15.63e-6}, CurrentRange{5, 31.25e-6}, CurrentRange{6, 62.5e-6}, CurrentRange{7, 125e-6},
    CurrentRange{8, 250e-6},   CurrentRange{9, 500e-6},   CurrentRange{10, 1e-3},   CurrentRange{11, 5e-3}};

constexpr std::array emstat4_measures{type("ab"), type("ac"), type("ae"), type("ag"), type("as"), type("ba")};
constexpr std::array nexus_measures{type("ab"), type("ac"), type("ag"), type("as"), type("ah"),
                                    type("ai"), type("ba"), type("bb"), type("ed"), type("ef")};
constexpr std::array pico_measures{type("ab"), type("ac"), type("ae"), type("as"), type("ba")};

struct Inside {
  std::string_view name;
  Profile profile;
  std::span<const CurrentRange> ranges;
  std::span<const script::Type> measures;
};

/// In the order of Model.
const auto& all_models() {
  static const std::array all{
      Inside{"EmStat4 HR",
             {"es4_hr1500#Mar 12 2026 14:28:01", "ES4HR", Volt(6), Ampere(0.2)},
             emstat4_ranges,
             emstat4_measures},
      Inside{"EmStat4 LR",
             {"es4_lr1500#Mar 12 2026 14:28:01", "ES4LR", Volt(3), Ampere(0.03)},
             std::span(emstat4_ranges).first<8>(),
             emstat4_measures},
      Inside{"MultiEmStat4 HR",
             {"mes4hr1500#Mar 12 2026 14:28:01", "MES4HR", Volt(6), Ampere(0.2), true, true, true},
             emstat4_ranges,
             emstat4_measures},
      Inside{"MultiEmStat4 LR",
             {"mes4lr1500#Mar 12 2026 14:28:01", "MES4LR", Volt(3), Ampere(0.03), true, true, true},
             std::span(emstat4_ranges).first<8>(),
             emstat4_measures},
      Inside{"Nexus",
             {"nexus11500#Mar 12 2026 14:28:01", "NEXUS", Volt(10), Ampere(1), true, true, false, true},
             nexus_ranges,
             nexus_measures},
      Inside{"EmStat Pico",
             {"espico1304#Oct 22 2021 14:38:26", "ESPICO", Volt(2.2), Ampere(0.003), false, false},
             pico_ranges,
             pico_measures}};
  return all;
}

const Inside& inside(Model model) { return all_models()[static_cast<std::size_t>(model)]; }

}  // namespace

const Profile& profile(Model model) { return inside(model).profile; }
std::string_view name_of(Model model) { return inside(model).name; }
std::optional<Model> model_named(std::string_view name) {
  const auto found = std::ranges::find(all_models(), name, &Inside::name);
  if (found == all_models().end()) return std::nullopt;
  return static_cast<Model>(found - all_models().begin());
}

std::string model_names() {
  std::string names;
  for (const Inside& each : all_models()) names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
  return names;
}

std::span<const CurrentRange> current_ranges(Model model) { return inside(model).ranges; }
std::span<const script::Type> measurable(Model model) { return inside(model).measures; }

}  // namespace cambench::sim
