// An experiment as a person writes it: aurora-unicycler's protocol (same keys, same meaning; its JSON files
// load unchanged) and, beside it, what a solid-state cell under pressure with a reference electrode needs in
// addition. A recipe says what is wanted; plan() resolves it for one cell, or says why it may not run.
//
// Numbers here are at rest, in the units of the file (mA, V, s): plan() is the door to amperes at the
// terminals.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/cell.h"
#include "schema/plan.h"
#include "schema/result.h"

namespace cambench {

namespace recipe {

// --- aurora-unicycler's part --------------------------------------------------------------------------------

struct Sample {
  std::string name = "$NAME";
  std::optional<double> capacity_mAh;
};
struct Record {
  std::optional<double> current_mA, voltage_V;  ///< a change of this much is recorded at once
  double time_s = 1;                            ///< a row at least this often
};
struct Safety {
  std::optional<double> max_voltage_V, min_voltage_V, max_current_mA, min_current_mA, max_capacity_mAh,
      delay_s;
};

struct OpenCircuit {
  double until_time_s = 0;
};
struct ConstantCurrent {
  std::optional<double> rate_C, current_mA;  ///< + charges; rate_C goes first
  std::optional<double> until_time_s, until_voltage_V;
};
struct ConstantVoltage {
  double voltage_V = 0;
  std::optional<double> until_time_s, until_rate_C, until_current_mA;
};
struct Loop {
  std::variant<std::string, std::uint32_t> to = std::uint32_t{1};  ///< a tag, or a position in method from 1
  std::uint32_t cycle_count = 1;                                   ///< in total, not repeats
};
struct Tag {
  std::string tag;
};

// --- ours ---------------------------------------------------------------------------------------------------

struct PressStep {  ///< the press moves to this pressure and stays for `until_time_s`; the cell stays open
  double pressure_MPa = 0, until_time_s = 0;
};
struct Step {
  std::optional<std::string> id;
  std::variant<OpenCircuit, ConstantCurrent, ConstantVoltage, Loop, Tag, PressStep> what;
  int line = 0;  ///< in the file, for sentences
};

struct Pressure {  ///< what the run keeps
  double set_MPa = 0, band_MPa = 0;
  double settle_s = 600;
  PressurePlan::AtEnd at_end = PressurePlan::AtEnd::hold;
};
struct Reference {  ///< used when the cell does not say it of itself
  std::string material, provenance;
  double vs_li_V = 0;
  std::string preparation;  ///< how the wire was made a reference: recorded, not carried out
};
/// Limits around the planned ones.
struct Guard {
  double margin_V = 0.1;        ///< beyond the recipe's own outermost potentials, on `limit_on`
  double time_factor = 1.2;     ///< a current step without until_time_s times out after this times 1/rate
  double charge_factor = 1.3;   ///< a step moves at most this times the nominal capacity
  double allow_current_mA = 5;  ///< the explicit permission for more current than any cell here should see
  std::optional<double> cell_max_V, cell_min_V;  ///< on the full cell, as measured
  std::optional<double> we_max_V, we_min_V;      ///< on the working electrode, in the recipe's `potentials`
};
/// What the cell must show at rest before it is polarised. An instrument that sees one potential is judged by that one.
struct RestWindow {
  double min_V = 0, max_V = 0;               ///< the full cell, as measured
  std::optional<double> we_min_V, we_max_V;  ///< the working electrode, in the recipe's `potentials`
};
struct OnGapRule {
  OnGap rest = OnGap::proceed, current = OnGap::wait_for_person, press = OnGap::wait_for_person;
};
enum class Potentials { as_measured, vs_li };
enum class Basis { cell, sample };  ///< I_1C from the cell's masses, or from sample.capacity_mAh

}  // namespace recipe

struct Recipe {
  std::string file;         ///< where it was read from, for sentences
  std::string name, title;  ///< name: the file's stem unless it says otherwise

  std::string unicycler_version = "0.4.6";
  recipe::Sample sample;
  recipe::Record record;
  recipe::Safety safety;
  std::vector<recipe::Step> method;

  std::optional<LimitOn> limit_on;  ///< must be said when the cell has three electrodes
  recipe::Potentials potentials = recipe::Potentials::as_measured;
  std::optional<recipe::Basis> basis;
  double sampling_s = 1;  ///< at most; plan() looks more often at fast steps, whose ends are steep
  std::optional<recipe::Pressure> pressure;
  std::optional<recipe::Reference> reference;
  std::optional<recipe::RestWindow> ocv;
  recipe::Guard guard;
  recipe::OnGapRule on_gap;
};

/// Reads a recipe from TOML or JSON text. The Fault's text holds every mistake found, one sentence a line,
/// each with file, line and what was expected.
Result<Recipe> read_recipe(std::string_view text, std::string_view file);

/// A recipe built into the program, by name ("rate-test-3e"), and all their names.
Result<Recipe> builtin_recipe(std::string_view name);
std::vector<std::string> builtin_recipes();
std::string_view builtin_recipe_text(
    std::string_view name);  ///< the commented TOML; empty for an unknown name

/// Resolves a recipe for a cell: loops unrolled, currents from the cell's 1 C, potentials at the instrument's
/// terminals, every current step with its end, its guards and its time limit. Refuses, with every reason found (one
/// sentence a line), whatever must not run. A recipe that only presses needs no cell.
Result<Plan> plan(const Recipe& recipe, const std::optional<CellSpec>& cell);

/// What a careful reader would remark about an accepted plan, as sentences; empty when there is nothing.
std::vector<std::string> remarks(const Recipe& recipe, const Plan& plan);

/// The method with loops unrolled: positions in `method` from 0, in the order they run, without loops and
/// tags. Loops must have been checked by read_recipe.
std::vector<std::size_t> unrolled(const Recipe& recipe);

/// The protocol alone, as JSON text with sorted keys and loops unrolled: no names, notes or places. Its
/// SHA-256 in hexadecimal is the recipe's hash: equal hash, equal protocol.
std::string canonical(const Recipe& recipe);
std::string recipe_hash(const Recipe& recipe);

/// The whole recipe as our JSON, and the part that aurora-unicycler understands, laid out as it writes files.
std::string to_json(const Recipe& recipe);
std::string to_unicycler(const Recipe& recipe);

/// One sentence a step in PyBaMM's experiment language, loops unrolled. Press steps cannot be said in it.
std::vector<std::string> pybamm_sentences(const Recipe& recipe);

/// The method as BattINFO's JSON-LD, laid out as aurora-unicycler writes it: each step holds the next one, a loop is an
/// IterativeWorkflow. (A loop that begins with the first step stands here once; aurora-unicycler 0.4.6 writes its steps
/// before it as well, one cycle too many.) Currents are given when sample.capacity_mAh is known. Press steps cannot be said in it. A Fault for
/// a method without other steps, or with more than a reader would follow down (500).
Result<std::string> to_battinfo(const Recipe& recipe);

/// The recipe in another program's terms: named after the cell, its capacity filled in from the plan's 1 C, and its
/// potentials as the instrument saw them, for neither of the forms above knows a reference electrode.
Recipe as_carried_out(const Recipe& recipe, const std::optional<CellSpec>& cell, const Plan& plan);

}  // namespace cambench
