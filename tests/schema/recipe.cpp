#include "schema/recipe.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "schema/document.h"
#include "tests/data.h"

using namespace cambench;

namespace {

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

/// The paper's degradation cell: 12 mg, 80 % CAM, 1 C = 1.92 mA.
CellSpec degradation_cell() {
  return {.id = "D-1",
          .material = "ncm-uncoated",
          .electrodes = 2,
          .composite = Gram(0.012),
          .cam_fraction = 0.8,
          .area_cm2 = 0.7854};
}

/// The paper's rate-test cell: 12 mg, 67 % CAM; 1 C = 1.608 mA at 200 mAh/g.
CellSpec rate_cell() {
  return {.id = "R-1",
          .material = "ncm-uncoated",
          .electrodes = 3,
          .composite = Gram(0.012),
          .cam_fraction = 0.67,
          .area_cm2 = 0.7854,
          .reference = ReferenceElectrode{Volt(0.31), "lithiated gold, assumed"}};
}

Recipe read(std::string_view text) {
  auto recipe = read_recipe(text, "test.toml");
  REQUIRE_MESSAGE(recipe.has_value(), recipe.error().what);
  return *recipe;
}

std::string mistakes_in(std::string_view text, std::string_view file = "test.toml") {
  const auto recipe = read_recipe(text, file);
  REQUIRE_FALSE(recipe.has_value());
  return recipe.error().what;
}

std::string refusal_of(std::string_view text, const std::optional<CellSpec>& cell) {
  const auto accepted = plan(read(text), cell);
  REQUIRE_FALSE(accepted.has_value());
  CHECK(accepted.error().kind == Fault::Kind::refused);
  return accepted.error().what;
}

/// A small valid recipe for a two-electrode cell; `extra` goes to the top level, `steps` after the first step.
std::string small(std::string_view extra = "", std::string_view steps = "") {
  return fmt::format(R"({}
record = {{ time_s = 30 }}
[[method]]
step = "constant_current"
rate_C = 0.1
until_voltage_V = 3.7
[[method]]
step = "constant_current"
rate_C = -0.1
until_voltage_V = 2.0
{})",
                     extra, steps);
}

}  // namespace

TEST_CASE("aurora-unicycler's own file loads, plans as the paper's rate test and comes back byte for byte") {
  const auto folder = tests::real_data("unicycler");
  if (!folder) return;
  const std::string text = slurp(*folder / "rate.unicycler.json");
  const auto recipe = read_recipe(text, "rate.unicycler.json");
  REQUIRE_MESSAGE(recipe.has_value(), recipe.error().what);
  CHECK(to_unicycler(*recipe) == text);

  const auto accepted = plan(*recipe, degradation_cell());  // its 1.92 mAh are those of this cell
  REQUIRE_MESSAGE(accepted.has_value(), accepted.error().what);
  const auto& steps = accepted->steps;
  const auto count = [&](PlannedStep::Kind kind) {
    return std::ranges::count(steps, kind, &PlannedStep::kind);
  };
  CHECK(count(PlannedStep::Kind::constant_current) == 16);  // half cycles
  CHECK(count(PlannedStep::Kind::open_circuit) == 16);
  CHECK(steps.back().cycle == 8);
  CHECK(steps[0].current.value() == doctest::Approx(0.192e-3));
  CHECK(steps[2].current.value() == doctest::Approx(-0.192e-3));
  CHECK(steps[28].current.value() == doctest::Approx(3.84e-3));
  CHECK(steps[1].run_time == Seconds(7200));
  CHECK(steps[0].run_time == Seconds(54000));
  CHECK(steps[0].until_voltage == Volt(4.3));
  CHECK(steps[0].guards.cell_max->value() ==
        doctest::Approx(4.4));  // planned + 0.1 V, below the file's own 4.6 V
  CHECK(steps[0].guards.cell_min->value() == doctest::Approx(2.5));
}

TEST_CASE("the PyBaMM sentences are those that aurora-unicycler writes") {
  const auto folder = tests::real_data("unicycler");
  if (!folder) return;
  const auto recipe = read_recipe(slurp(*folder / "rate.unicycler.json"), "rate.unicycler.json");
  REQUIRE(recipe.has_value());
  const auto golden = document::parse_json(slurp(*folder / "rate.pybamm.json"), "rate.pybamm.json");
  REQUIRE(golden.has_value());
  std::vector<std::string> expected;
  for (const auto& value : std::get<document::Value::List>(golden->data))
    expected.push_back(std::get<std::string>(value.data));
  REQUIRE(expected.size() == 32);
  CHECK(pybamm_sentences(*recipe) == expected);
}

// aurora-unicycler 0.4.6 writes the steps of a loop that begins with the first step once before the loop and again in
// it, so that its file of the rate test has three cycles at 0.1 C. Ours has the two of the recipe; all else is the same.
TEST_CASE(
    "BattINFO's JSON-LD of the paper's rate test is aurora-unicycler's, but for its third cycle at 0.1 C") {
  const auto folder = tests::real_data("unicycler");
  if (!folder) return;
  const auto recipe = read_recipe(slurp(*folder / "rate.unicycler.json"), "rate.unicycler.json");
  REQUIRE(recipe.has_value());
  const std::string text = to_battinfo(*recipe).value();
  const auto ours = boost::json::parse(text).as_object();
  const auto golden = boost::json::parse(slurp(*folder / "rate.battinfo.jsonld"));
  CHECK(serialize(ours.at("@context")) == serialize(golden.at("@context")));
  const boost::json::value* theirs = &golden;
  for (int step = 0; step < 4; ++step) theirs = &theirs->at("hasNext");
  for (const char* key : {"@type", "hasInput", "hasTask", "hasNext"}) {
    CAPTURE(key);
    CHECK(serialize(ours.at(key)) == serialize(theirs->at(key)));  // serialized: the order of keys too
  }
  CHECK(text.starts_with("{\n \"@context\": [\n  \"https"));  // laid out as its files are
}

TEST_CASE("in BattINFO's words a loop takes in what it repeats, and steps that it has no word for go") {
  const auto recipe = read(R"(record.time_s = 1
[[method]]
step = "press"
pressure_MPa = 50
until_time_s = 10
[[method]]
step = "open_circuit_voltage"
until_time_s = 60
[[method]]
step = "constant_voltage"
voltage_V = 4.2
until_rate_C = 0.05
[[method]]
step = "loop"
loop_to = 2
cycle_count = 3
[[method]]
step = "constant_current"
rate_C = -0.1
until_voltage_V = 2.5
)");
  const auto json = boost::json::parse(to_battinfo(recipe).value());
  CHECK(json.at("@type") == "IterativeWorkflow");
  CHECK(json.at("hasInput").at(0).at("hasNumericalPart").at("hasNumberValue") == 3);
  CHECK(json.at("hasTask").at("@type") == "OpenCircuitHold");
  CHECK(json.at("hasTask").at("hasNext").at("@type") == "VoltageHold");
  // Nobody knows a current without a capacity.
  CHECK(json.at("hasTask").at("hasNext").at("hasInput").at(1).at("@type").at(0) == "LowerCRateLimit");
  CHECK(json.at("hasNext").at("@type") == "ConstantCurrentDischarging");
  CHECK(json.at("hasNext").at("hasInput").at(0).at("@type") == "CRate");
  CHECK_FALSE(to_battinfo(builtin_recipe("pelletise").value()));
}

TEST_CASE(
    "carried out on a cell, a recipe names it, its capacity, and the potentials that the instrument saw") {
  const auto recipe = builtin_recipe("rate-test-3e").value();  // 4.32 V vs Li+/Li
  const CellSpec cell = rate_cell();
  const auto planned = plan(recipe, cell).value();
  const auto done = as_carried_out(recipe, cell, planned);
  CHECK(done.sample.name == "R-1");
  CHECK(done.sample.capacity_mAh == 1.608);  // 12 mg x 0.67 x 200 mAh/g
  CHECK(pybamm_sentences(done).at(1) == "Charge at 0.1C until 4.01 V");
  // The same potentials at the terminals: planned again, nothing is subtracted twice.
  const auto again = plan(done, cell).value();
  for (std::size_t i = 0; i < again.steps.size(); ++i) {
    CHECK(again.steps[i].until_voltage.has_value() == planned.steps[i].until_voltage.has_value());
    if (again.steps[i].until_voltage)
      CHECK(again.steps[i].until_voltage->value() ==
            doctest::Approx(planned.steps[i].until_voltage->value()).epsilon(1e-9));
  }
}

TEST_CASE("rate-test-3e is the paper's rate test with visible defaults") {
  const auto recipe = builtin_recipe("rate-test-3e");
  REQUIRE_MESSAGE(recipe.has_value(), recipe.error().what);
  const auto accepted = plan(*recipe, rate_cell());
  REQUIRE_MESSAGE(accepted.has_value(), accepted.error().what);
  const auto& steps = accepted->steps;
  REQUIRE(steps.size() == 33);  // OCV, then 16 half cycles each with its rest
  CHECK(accepted->one_C.value() == doctest::Approx(1.608e-3));
  CHECK(accepted->pressure->target == MegaPascal(50));
  CHECK(accepted->reference_note == "lithiated gold, assumed");

  const PlannedStep& charge = steps[1];
  CHECK(charge.label == "charge 0.1 C");
  CHECK(charge.current.value() == doctest::Approx(0.1608e-3));
  CHECK(charge.limit_on == LimitOn::we_vs_re);
  CHECK(charge.until_voltage->value() == doctest::Approx(4.32 - 0.31));  // at the terminals
  CHECK(charge.guards.we_max->value() == doctest::Approx(4.42 - 0.31));
  CHECK(charge.guards.we_min->value() == doctest::Approx(2.52 - 0.31));
  CHECK(charge.guards.cell_max == Volt(4.3));
  CHECK(charge.guards.cell_min == Volt(1.5));
  CHECK(charge.guards.charge_max->value() == doctest::Approx(1.3 * 1.608e-3));
  CHECK(charge.run_time.count() == doctest::Approx(12 * 3600));  // 1.2 x C/I: 12 h at 0.1 C
  CHECK_FALSE(charge.run_time_is_planned);
  CHECK(charge.sampling == Seconds(1));
  CHECK(charge.record_every == Seconds(30));
  CHECK(charge.record_delta == Volt(0.005));
  CHECK(charge.on_gap == OnGap::wait_for_person);

  CHECK(steps[9].sampling == Seconds(1));                     // 0.3 C
  CHECK(steps[17].sampling.count() == doctest::Approx(0.4));  // 1 C: the end is steep
  CHECK(steps[29].sampling.count() == doctest::Approx(0.2));  // 2 C

  CHECK(steps[2].label == "rest 2 h");
  CHECK(steps[2].on_gap == OnGap::proceed);
  CHECK_FALSE(steps[2].guards.we_max.has_value());  // a rest has nothing but its duration
  CHECK(steps[0].cycle == 0);
  CHECK(steps[1].cycle == 1);
  CHECK(steps[5].cycle == 2);
  CHECK(steps.back().cycle == 8);
  CHECK(steps[29].label == "charge 2 C");
  for (std::size_t i = 0; i < steps.size(); ++i) CHECK(steps[i].index == i);
}

TEST_CASE("degradation-2e charges, discharges and charges, and ends charged") {
  const auto accepted = plan(*builtin_recipe("degradation-2e"), degradation_cell());
  REQUIRE_MESSAGE(accepted.has_value(), accepted.error().what);
  std::vector<std::string> labels;
  std::vector<std::uint32_t> cycles;
  for (const auto& step : accepted->steps) {
    labels.push_back(step.label);
    cycles.push_back(step.cycle);
  }
  CHECK(labels == std::vector<std::string>{"rest 1 h", "charge 0.05 C", "discharge 0.05 C", "charge 0.05 C",
                                           "rest 12 h"});
  CHECK(cycles == std::vector<std::uint32_t>{0, 1, 1, 2, 2});
  CHECK(accepted->steps[1].current.value() == doctest::Approx(96e-6));  // the paper: 0.05 C = 122 uA/cm2
  CHECK(accepted->steps[1].current.value() / 0.7854 == doctest::Approx(122e-6).epsilon(0.01));
  CHECK(accepted->steps[1].run_time.count() == doctest::Approx(30 * 3600));
}

TEST_CASE("pelletise needs no cell and leaves nothing under pressure") {
  const auto accepted = plan(*builtin_recipe("pelletise"), std::nullopt);
  REQUIRE_MESSAGE(accepted.has_value(), accepted.error().what);
  REQUIRE(accepted->steps.size() == 1);
  CHECK(accepted->steps[0].kind == PlannedStep::Kind::press);
  CHECK(accepted->steps[0].pressure == MegaPascal(374));
  CHECK(accepted->steps[0].run_time == Seconds(180));
  CHECK_FALSE(accepted->needs_cell);
  CHECK_FALSE(accepted->pressure.has_value());
}

TEST_CASE("every built-in recipe has a name, a title and its commented text") {
  for (const auto& name : builtin_recipes()) {
    const auto recipe = builtin_recipe(name);
    REQUIRE_MESSAGE(recipe.has_value(), recipe.error().what);
    CHECK(recipe->name == name);
    CHECK_FALSE(recipe->title.empty());
    CHECK(has(std::string(builtin_recipe_text(name)), "the paper"));
  }
  CHECK(has(builtin_recipe("rate").error().what, "there are rate-test-3e, degradation-2e, pelletise"));
}

TEST_CASE("rates may be written as fractions") {
  const auto recipe = read(small("", R"([[method]]
step = "constant_current"
rate_C = "C/3"
until_time_s = 60
[[method]]
step = "constant_current"
rate_C = "D/2"
until_time_s = 60
[[method]]
step = "constant_current"
rate_C = " 2C / 3 "
until_time_s = 60
)"));
  const auto rate = [&](std::size_t i) {
    return *std::get<recipe::ConstantCurrent>(recipe.method[i].what).rate_C;
  };
  CHECK(rate(2) == doctest::Approx(1.0 / 3));
  CHECK(rate(3) == -0.5);
  CHECK(rate(4) == doctest::Approx(2.0 / 3));
  CHECK(has(mistakes_in(
                small("", "[[method]]\nstep = \"constant_current\"\nrate_C = \"fast\"\nuntil_time_s = 60\n")),
            "method[3].rate_C: expected a rate such as 0.1, \"C/3\" or \"D/2\", found \"fast\""));
}

TEST_CASE("cycle_count is the total, a loop may go to a position, and loops may be nested") {
  const auto recipe = read(R"(
record.time_s = 1
[[method]]
step = "constant_current"
rate_C = 1
until_voltage_V = 3.7
[[method]]
step = "constant_current"
rate_C = -1
until_voltage_V = 2.0
[[method]]
step = "loop"
loop_to = 1
cycle_count = 3
[[method]]
step = "open_circuit_voltage"
until_time_s = 60
[[method]]
step = "loop"
cycle_count = 2
)");
  CHECK(unrolled(recipe) == std::vector<std::size_t>{0, 1, 0, 1, 0, 1, 3, 0, 1, 0, 1, 0, 1, 3});
}

TEST_CASE("JSON and TOML of one recipe have one hash; another number has another") {
  const auto recipe = *builtin_recipe("rate-test-3e");
  const auto again = read_recipe(to_json(recipe), "again.json");
  REQUIRE_MESSAGE(again.has_value(), again.error().what);
  CHECK(canonical(*again) == canonical(recipe));
  CHECK(recipe_hash(recipe).size() == 64);

  auto renamed = recipe;
  renamed.name = "other";
  renamed.title = "other";
  renamed.reference->provenance = "calibrated";
  CHECK(recipe_hash(renamed) == recipe_hash(recipe));
  auto changed = recipe;
  changed.guard.margin_V = 0.09;
  CHECK(recipe_hash(changed) != recipe_hash(recipe));
}

TEST_CASE("a loop and its steps written out are the same protocol") {
  const std::string half = "[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = 60\n";
  const std::string loop = "[[method]]\nstep = \"loop\"\nloop_to = 1\ncycle_count = 2\n";
  CHECK(recipe_hash(read("record.time_s = 1\n" + half + loop)) ==
        recipe_hash(read("record.time_s = 1\n" + half + half)));
}

TEST_CASE("what aurora-unicycler does not know is stripped, and positions follow") {
  const auto recipe = read(R"(
limit_on = "cell"
record.time_s = 1
[[method]]
step = "press"
pressure_MPa = 374
until_time_s = 180
[[method]]
step = "open_circuit_voltage"
until_time_s = 60
[[method]]
step = "loop"
loop_to = 2
cycle_count = 2
)");
  const auto stripped = read_recipe(to_unicycler(recipe), "stripped.json");
  REQUIRE_MESSAGE(stripped.has_value(), stripped.error().what);
  REQUIRE(stripped->method.size() == 2);
  CHECK(std::get<std::uint32_t>(std::get<recipe::Loop>(stripped->method[1].what).to) == 1);
  CHECK_FALSE(has(to_unicycler(recipe), "limit_on"));
}

TEST_CASE("a mistake names file, line, column and what was expected, and all are told at once") {
  const auto told = mistakes_in(R"(record = { time_s = 0 }
[[method]]
step = "constant_current"
rate_c = 0.1
until_voltage_V = "3.7"
[[method]]
step = "impedance_spectroscopy"
[[method]]
step = "warm_up"
[[method]]
step = "open_circuit_voltage"
)");
  CHECK(has(told, "test.toml:1:21: record.time_s: expected a number from 0.01 to 3600 s, found 0"));
  CHECK(has(told, "test.toml:4:10: method[1].rate_c: unknown key; did you mean rate_C?"));
  CHECK(has(told, "test.toml:5:19: method[1].until_voltage_V: expected a number in V, found \"3.7\""));
  CHECK(has(told, "method[1]: no current: expected rate_C"));
  CHECK(has(told, "method[1]: no end condition: expected until_voltage_V or until_time_s"));
  CHECK(has(told, "method[2].step: impedance_spectroscopy is not carried out by this bench"));
  CHECK(has(told, "method[3].step: expected open_circuit_voltage, constant_current"));
  CHECK(has(told, "method[4]: until_time_s is missing: expected how long the cell rests, in seconds"));
}

TEST_CASE("mistakes in JSON carry their line too") {
  const auto told = mistakes_in(
      "{\n \"record\": {\"time_s\": 1},\n \"method\": [\n  {\"step\": \"constant_current\",\n"
      "   \"rate_C\": true, \"until_time_s\": 60}]}",
      "test.json");
  CHECK(has(told, "test.json:5:14: method[1].rate_C: expected a number in C, found true"));
  CHECK(has(mistakes_in("{\n \"record\": ,}", "test.json"), "test.json:2:12: this is not JSON"));
  CHECK(has(mistakes_in("record = \n", "test.toml"), "test.toml:1:"));
}

TEST_CASE("loops that cannot be are refused") {
  const std::string rest = "[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = 60\n";
  const auto loop = [](std::string_view to) {
    return fmt::format("[[method]]\nstep = \"loop\"\nloop_to = {}\ncycle_count = 2\n", to);
  };
  const std::string record = "record.time_s = 1\n";
  CHECK(has(mistakes_in(record + rest + loop("\"a\"")), "method[2].loop_to: there is no tag \"a\""));
  CHECK(has(mistakes_in(record + rest + loop("2")), "a loop goes back"));
  CHECK(has(mistakes_in(record + rest + "[[method]]\nstep = \"tag\"\ntag = \"a\"\n" + loop("\"a\"")),
            "nothing to do"));
  CHECK(has(mistakes_in(record + rest + rest + loop("1") + rest + loop("2")),
            "loops may be nested, not crossed"));
  CHECK(has(mistakes_in(record + "[[method]]\nstep = \"tag\"\ntag = \"a\"\n" + rest +
                        "[[method]]\nstep = \"tag\"\ntag = \"a\"\n"),
            "the tag \"a\" is given twice"));
  CHECK(has(mistakes_in(record + rest + loop("1") + loop("1") + loop("1") + loop("1") + loop("1") +
                        loop("1") + loop("1") + loop("1") + loop("1") + loop("1") + loop("1") + loop("1") +
                        loop("1") + loop("1")),
            "more than 10000 steps"));
}

TEST_CASE("nothing but a rest goes on by itself after a gap, and a recipe that asks for more is refused") {
  for (const auto* step : {"current", "press"}) {
    CHECK(has(mistakes_in(small(fmt::format("on_gap.{} = \"proceed\"", step))),
              fmt::format("on_gap.{}: only a rest goes on by itself", step)));
    CHECK_NOTHROW((void)read(small(fmt::format("on_gap.{} = \"wait_for_person\"", step))));
  }
  CHECK_NOTHROW((void)read(small("on_gap.rest = \"proceed\"")));
}

TEST_CASE("a plan is refused when a limit is inverted, missing or past a guard") {
  const auto cell = degradation_cell();
  const auto inverted = R"(record.time_s = 1
[[method]]
step = "constant_current"
rate_C = 0.1
until_voltage_V = 2.0
[[method]]
step = "constant_current"
rate_C = -0.1
until_voltage_V = 3.7
)";
  CHECK(
      has(refusal_of(inverted, cell), "the limits are inverted: charging ends at 2 V, discharging at 3.7 V"));
  CHECK(has(
      refusal_of(
          "record.time_s = 1\n[[method]]\nstep = \"constant_current\"\nrate_C = 0.1\nuntil_voltage_V = 3.7\n",
          cell),
      "nothing bounds the potential downwards"));
  CHECK(has(refusal_of(small("safety.max_voltage_V = 3.6"), cell),
            "a guard or safety limit of 3.6 V lies at or below the planned 3.7 V"));
  CHECK(has(mistakes_in(small("safety = { max_voltage_V = 2, min_voltage_V = 4 }")),
            "the limits are inverted"));
  CHECK(has(refusal_of(small("safety = { max_voltage_V = 4.2, min_voltage_V = 1.5 }",
                             "[[method]]\nstep = \"constant_current\"\nrate_C = 1\nuntil_time_s = 7200\n"),
                       cell),
            "method[3]: until_time_s = 7200 moves 3.84 mAh, and no potential ends it"));
}

TEST_CASE("mA typed as A, microamperes typed as mA and millivolts typed as V are refused") {
  const auto cell = degradation_cell();
  const auto with = [](std::string_view current) {
    return small(
        "", fmt::format("[[method]]\nstep = \"constant_current\"\ncurrent_mA = {}\nuntil_voltage_V = 3.7\n",
                        current));
  };
  CHECK(has(refusal_of(with("0.000192"), cell),
            "method[3]: 0.000192 mA is 0.0001 C of this cell, and 1 C is 1.92 mA"));
  CHECK(has(refusal_of(with("192"), cell), "192 mA is more than the 5 mA allowed here"));
  CHECK(has(
      refusal_of(small("", "[[method]]\nstep = \"constant_current\"\nrate_C = 3\nuntil_voltage_V = 3.7\n"),
                 cell),
      "5.76 mA is more than the 5 mA allowed here"));
  CHECK(plan(read(small("guard.allow_current_mA = 6",
                        "[[method]]\nstep = \"constant_current\"\nrate_C = 3\nuntil_voltage_V = 3.7\n")),
             cell)
            .has_value());
  CHECK(has(refusal_of(small("safety.max_current_mA = 1",
                             "[[method]]\nstep = \"constant_current\"\nrate_C = 1\nuntil_voltage_V = 3.7\n"),
                       cell),
            "1.92 mA is above safety.max_current_mA = 1"));
  CHECK(has(
      refusal_of(small("", "[[method]]\nstep = \"constant_current\"\nrate_C = 1\nuntil_voltage_V = 3700\n"),
                 cell),
      "is the unit right (V, not mV)?"));
}

TEST_CASE("with three electrodes it must be said which potential a limit is on, and both are guarded") {
  CHECK(has(refusal_of(small(), rate_cell()), "add limit_on = \"we_vs_re\" or limit_on = \"cell\""));
  CHECK(has(refusal_of(small("limit_on = \"we_vs_re\""), rate_cell()),
            "add guard.cell_max_V and guard.cell_min_V"));
  CHECK(has(refusal_of(small("limit_on = \"cell\""), rate_cell()), "add guard.we_max_V and guard.we_min_V"));
  CHECK(has(refusal_of(small("limit_on = \"we_vs_re\""), degradation_cell()), "needs a reference electrode"));
  CHECK(
      has(refusal_of(
              small("potentials = \"vs_li\"\nlimit_on = \"cell\"\nguard = { we_max_V = 4.5, we_min_V = 2 }"),
              rate_cell()),
          "a cell voltage is not against Li+/Li"));
  auto unknown = rate_cell();
  unknown.reference.reset();
  CHECK(has(refusal_of(small("potentials = \"vs_li\"\nlimit_on = \"we_vs_re\"\nguard = { cell_max_V = 4.3, "
                             "cell_min_V = 1 }"),
                       unknown),
            "give the cell R-1 reference_vs_li_V"));
}

TEST_CASE("1 C comes from what was weighed; another capacity in the file must be explained") {
  CHECK(has(refusal_of(small("sample.capacity_mAh = 1.92\nlimit_on = \"we_vs_re\"\nguard = { cell_max_V = "
                             "4.3, cell_min_V = 1 }"),
                       rate_cell()),
            "sample.capacity_mAh = 1.92 does not fit the cell R-1, whose masses give 1.608 mAh"));
  const auto by_sample =
      plan(read(small("basis = \"sample\"\nsample.capacity_mAh = 1.0")), degradation_cell());
  REQUIRE(by_sample.has_value());
  CHECK(by_sample->one_C.value() == doctest::Approx(1e-3));
  CHECK(has(refusal_of(small(), std::nullopt), "needs a cell"));
  auto empty = degradation_cell();
  empty.composite = Gram(0);
  CHECK(has(refusal_of(small(), empty), "no mass of active material"));
}

TEST_CASE("a constant-voltage step has its end, its time-out and its guards") {
  const auto accepted = plan(
      read(small("", "[[method]]\nstep = \"constant_voltage\"\nvoltage_V = 3.7\nuntil_rate_C = \"C/20\"\n")),
      degradation_cell());
  REQUIRE_MESSAGE(accepted.has_value(), accepted.error().what);
  const auto& hold = accepted->steps.back();
  CHECK(hold.label == "hold 3.7 V");
  CHECK(hold.until_current->value() == doctest::Approx(96e-6));
  CHECK(hold.run_time.count() == doctest::Approx(1.2 * 20 * 3600));
  CHECK(hold.guards.cell_max->value() == doctest::Approx(3.8));
  CHECK(has(mistakes_in(small("", "[[method]]\nstep = \"constant_voltage\"\nvoltage_V = 3.7\n")),
            "no end condition"));
}

TEST_CASE("the remarks name what a careful reader would ask about") {
  const auto folder = tests::real_data("unicycler");
  if (!folder) return;
  const auto recipe = *read_recipe(slurp(*folder / "rate.unicycler.json"), "rate.unicycler.json");
  const auto said = fmt::format("{}", fmt::join(remarks(recipe, *plan(recipe, degradation_cell())), "\n"));
  CHECK(has(said, "safety.delay_s is not used"));
  CHECK(has(said,
            "the charge guard of 2.496 mAh comes before until_time_s in method[2], [4], [8], [10], [14]"));
  CHECK(has(said, "the run does not use the press"));
}

TEST_CASE("the JSON Schema and the reader know the same keys") {
  const auto schema =
      boost::json::parse(slurp(std::filesystem::path(CAMBENCH_SOURCE) / "schema/recipe.schema.json"));
  const auto keys_of = [](const boost::json::value& table) {
    std::set<std::string> keys;
    for (const auto& member : table.as_object()) keys.insert(std::string(member.key()));
    return keys;
  };
  auto recipe = *builtin_recipe("rate-test-3e");  // has every block
  recipe.method.push_back({.what = recipe::ConstantVoltage{}});
  recipe.method.push_back({.what = recipe::PressStep{}});
  const auto written = boost::json::parse(to_json(recipe));

  auto known = keys_of(schema.at("properties"));
  known.erase("$schema");
  known.erase("unicycler");
  CHECK(known == keys_of(written));
  for (const auto& [key, block] : written.as_object())
    if (block.is_object()) CHECK(keys_of(schema.at("properties").at(key).at("properties")) == keys_of(block));

  std::map<std::string, std::set<std::string>> steps;
  for (const auto& one : schema.at("properties").at("method").at("items").at("oneOf").as_array())
    steps[std::string(one.at("title").as_string())] = keys_of(one.at("properties"));
  std::set<std::string> seen;
  for (const auto& one : written.at("method").as_array()) {
    const std::string kind(one.at("step").as_string());
    CHECK(steps[kind] == keys_of(one));
    seen.insert(kind);
  }
  CHECK(seen.size() == steps.size());
}

TEST_CASE("whatever a damaged recipe still means, an accepted plan is bounded") {
  std::uint64_t state = 88172645463325252;  // xorshift: the same damage in every run
  const auto any_below = [&](std::size_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::size_t>(state % n);
  };
  const std::string_view digits = "0123456789.-e";
  std::size_t accepted = 0;
  for (const auto& name : builtin_recipes()) {
    const auto cell = name == "rate-test-3e" ? rate_cell() : degradation_cell();
    for (int round = 0; round < 700; ++round) {
      std::string text(builtin_recipe_text(name));
      for (std::size_t hits = 1 + any_below(3); hits > 0; --hits) {
        const std::size_t at = any_below(text.size());
        const auto digit = text.find_first_of("0123456789", at);
        if (round % 2 == 0 && digit != std::string::npos)
          text[digit] = digits[any_below(digits.size())];  // a slip of the finger in a number
        else
          text[at] = static_cast<char>(any_below(256));  // a damaged file
      }
      const auto recipe = read_recipe(text, "damaged.toml");
      if (!recipe) continue;
      const auto planned = plan(*recipe, cell);
      if (!planned) continue;
      ++accepted;
      for (const PlannedStep& step : planned->steps) {
        REQUIRE(step.run_time.count() > 0);
        REQUIRE(step.sampling <= step.record_every);
        if (step.kind != PlannedStep::Kind::constant_current) continue;
        REQUIRE(std::abs(step.current.value()) <= recipe->guard.allow_current_mA * 1e-3);
        REQUIRE(step.guards.charge_max.has_value());
        const bool we = step.limit_on == LimitOn::we_vs_re;
        const auto low = we ? step.guards.we_min : step.guards.cell_min;
        const auto high = we ? step.guards.we_max : step.guards.cell_max;
        REQUIRE((low && high && *low < *high));
        if (step.until_voltage) REQUIRE((*low < *step.until_voltage && *step.until_voltage < *high));
        if (cell.electrodes == 3)
          REQUIRE((step.guards.cell_min && step.guards.cell_max && step.guards.we_min));
        if (!step.until_voltage) REQUIRE(step.run_time_is_planned);
      }
    }
  }
  CHECK(accepted > 300);  // the damage is small enough to be interesting
}

TEST_CASE("no text crashes the reader") {
  for (const std::string_view text :
       {"", "{", "{}", "[]", "null", "\"", "{\"a\":", "method = 1", "[[method]]", "method = [1, [2]]",
        "{\"method\": {\"a\": []}}", "\xEF\xBB\xBF{}", "a = 1979-05-27", "a = nan", "[!store]", "[[^]]",
        "a = 1\n[ *x]\n", "\xff\xfe"}) {
    for (const std::string_view file : {"x.toml", "x.json", "x"})
      CHECK_FALSE(read_recipe(text, file).has_value());
  }
  CHECK(has(mistakes_in("a = 1\nb = [\n[1],\n]\n[!store]\nc = 2\n"),
            "test.toml:5: this is not TOML: expected a name in the brackets"));
  CHECK(has(mistakes_in("record.time_s = nan\nmethod = []\n"), "found nan"));
  CHECK_FALSE(read_recipe(std::string(100'000, '['), "x.json").has_value());
  CHECK_FALSE(read_recipe("a = " + std::string(100'000, '['), "x.toml").has_value());
}
