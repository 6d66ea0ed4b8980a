// A recipe's text, read and checked on its own: everything that can be said without knowing the cell.
#include <fast_float/fast_float.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "schema/document.h"
#include "schema/recipe.h"

namespace cambench {

std::string_view embedded_recipes(std::string_view file);

namespace {

using document::Fields;
using document::Mistakes;
using document::Value;

constexpr std::size_t most_steps = 10'000;
constexpr document::Range duration_s{0, 60 * 86400.0, true}, duration_or_none_s{0, 60 * 86400.0};

// --- the pieces of a text ----------------------------------------------------------------------

/// aurora-unicycler reads an empty text as "not given".
bool is_blank(const Value* value) {
  const auto* text = value ? std::get_if<std::string>(&value->data) : nullptr;
  return text && text->find_first_not_of(' ') == std::string::npos;
}

std::optional<double> number(Fields& fields, std::string_view key, document::Range range,
                             std::string_view unit) {
  if (is_blank(fields.value(key))) return std::nullopt;
  return fields.number(key, range, unit);
}

std::optional<double> plain_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = fast_float::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

/// "C/3" is 1/3, "D/2" is -1/2, "2C/3" is 2/3, "1/5" is 0.2.
std::optional<double> rate_from_text(std::string text) {
  std::erase(text, ' ');
  const auto slash = text.find('/');
  if (slash == std::string::npos) return plain_number(text);
  std::string above = text.substr(0, slash);
  double sign = 1;
  if (const auto letter = above.find_first_of("CD"); letter != std::string::npos) {
    if (above[letter] == 'D') sign = -1;
    above.erase(letter, 1);
    if (above.empty()) above = "1";
  }
  const auto numerator = plain_number(above),
             denominator = plain_number(std::string_view(text).substr(slash + 1));
  if (!numerator || !denominator || *denominator == 0) return std::nullopt;
  return sign * *numerator / *denominator;
}

std::optional<double> rate(Fields& fields, std::string_view key) {
  const Value* found = fields.value(key);
  if (!found || is_blank(found)) return std::nullopt;
  const auto* text = std::get_if<std::string>(&found->data);
  if (!text) return fields.number(key, document::any, "C");
  const auto rate = rate_from_text(*text);
  if (!rate)
    fields.wrong(key, fmt::format("expected a rate such as 0.1, \"C/3\" or \"D/2\", found \"{}\"", *text));
  return rate;
}

// --- steps -------------------------------------------------------------------------------------

constexpr std::string_view step_kinds =
    "open_circuit_voltage, constant_current, constant_voltage, loop, tag or press";

recipe::OpenCircuit open_circuit(Fields& fields) {
  fields.require("until_time_s", "how long the cell rests, in seconds");
  return {fields.number("until_time_s", duration_s, "s").value_or(0)};
}

recipe::ConstantCurrent constant_current(Fields& fields) {
  recipe::ConstantCurrent step;
  step.rate_C = rate(fields, "rate_C");
  step.current_mA = number(fields, "current_mA", document::any, "mA");
  step.until_time_s = number(fields, "until_time_s", duration_or_none_s, "s");
  step.until_voltage_V = number(fields, "until_voltage_V", document::any, "V");
  if (step.rate_C.value_or(0) == 0 && step.current_mA.value_or(0) == 0)
    fields.wrong(
        "no current: expected rate_C (a multiple of 1 C) or current_mA, + to charge, - to discharge");
  // As in aurora-unicycler, zero is no end condition.
  if (step.until_time_s.value_or(0) == 0 && step.until_voltage_V.value_or(0) == 0)
    fields.wrong(
        "no end condition: expected until_voltage_V or until_time_s (with both, the first one reached)");
  return step;
}

recipe::ConstantVoltage constant_voltage(Fields& fields) {
  recipe::ConstantVoltage step;
  fields.require("voltage_V", "the potential that is held, in volts");
  step.voltage_V = number(fields, "voltage_V", document::any, "V").value_or(0);
  step.until_time_s = number(fields, "until_time_s", duration_or_none_s, "s");
  step.until_rate_C = rate(fields, "until_rate_C");
  step.until_current_mA = number(fields, "until_current_mA", document::any, "mA");
  if (step.until_time_s.value_or(0) == 0 && step.until_rate_C.value_or(0) == 0 &&
      step.until_current_mA.value_or(0) == 0)
    fields.wrong("no end condition: expected until_rate_C, until_current_mA or until_time_s");
  return step;
}

recipe::Loop loop(Fields& fields) {
  recipe::Loop step;
  const Value* to = fields.value("loop_to");
  if (to && std::holds_alternative<std::string>(to->data))
    step.to = std::get<std::string>(to->data);
  else if (const auto position = fields.whole("loop_to", 1, most_steps))
    step.to = static_cast<std::uint32_t>(*position);
  fields.require("cycle_count", "how often the loop runs in total (2 means two cycles)");
  step.cycle_count = static_cast<std::uint32_t>(fields.whole("cycle_count", 1, most_steps).value_or(1));
  return step;
}

recipe::Tag tag(Fields& fields) {
  fields.require("tag", "a name that a loop can go back to");
  return {fields.text("tag").value_or("")};
}

recipe::PressStep press(Fields& fields) {
  fields.require("pressure_MPa", "the pressure on the pellet");
  fields.require("until_time_s", "how long the press stays there, in seconds");
  return {fields.number("pressure_MPa", {0, 600, true}, "MPa").value_or(0),
          fields.number("until_time_s", duration_s, "s").value_or(0)};
}

/// Nothing for a step of a kind that this bench does not carry out; the mistake has been noted.
std::optional<recipe::Step> step(Fields& fields) {
  recipe::Step step;
  step.line = fields.here().line;
  if (!fields.require("step", fmt::format("what the step does: {}", step_kinds))) return std::nullopt;
  step.id = fields.text("id");
  const auto kind = fields.text("step");
  if (!kind) return std::nullopt;
  if (*kind == "open_circuit_voltage")
    step.what = open_circuit(fields);
  else if (*kind == "constant_current")
    step.what = constant_current(fields);
  else if (*kind == "constant_voltage")
    step.what = constant_voltage(fields);
  else if (*kind == "loop")
    step.what = loop(fields);
  else if (*kind == "tag")
    step.what = tag(fields);
  else if (*kind == "press")
    step.what = press(fields);
  else {
    if (*kind == "impedance_spectroscopy" || *kind == "voltage_scan")
      fields.wrong("step", fmt::format("{} is not carried out by this bench: take the step out", *kind));
    else
      fields.wrong("step", fmt::format("expected {}, found \"{}\"", step_kinds, *kind));
    return std::nullopt;
  }
  fields.finish();
  return step;
}

// --- blocks ------------------------------------------------------------------------------------

void read_unicycler(Recipe& recipe, Fields& top) {
  if (auto fields = top.table("unicycler")) {
    recipe.unicycler_version = fields->text("version").value_or(recipe.unicycler_version);
    fields->finish();
  }
}

void read_sample(Recipe& recipe, Fields& top) {
  if (auto fields = top.table("sample")) {
    recipe.sample.name = fields->text("name").value_or(recipe.sample.name);
    recipe.sample.capacity_mAh = fields->number("capacity_mAh", document::above_zero, "mAh");
    fields->finish();
  }
}

void read_record(Recipe& recipe, Fields& top) {
  const bool presses_only = std::ranges::all_of(
      recipe.method, [](const recipe::Step& s) { return std::holds_alternative<recipe::PressStep>(s.what); });
  if (!top.has("record")) {
    if (!presses_only)
      top.require("record", "a table with time_s, the longest time between two recorded points");
    return;
  }
  if (auto fields = top.table("record")) {
    fields->require("time_s", "the longest time between two recorded points, in seconds");
    recipe.record.time_s = fields->number("time_s", {0.01, 3600}, "s").value_or(1);
    recipe.record.voltage_V = fields->number("voltage_V", document::not_negative, "V");
    recipe.record.current_mA = fields->number("current_mA", document::not_negative, "mA");
    fields->finish();
  }
}

void read_safety(Recipe& recipe, Fields& top) {
  auto fields = top.table("safety");
  if (!fields) return;
  auto& safety = recipe.safety;
  safety.max_voltage_V = fields->number("max_voltage_V", document::any, "V");
  safety.min_voltage_V = fields->number("min_voltage_V", document::any, "V");
  safety.max_current_mA = fields->number("max_current_mA", document::any, "mA");
  safety.min_current_mA = fields->number("min_current_mA", document::any, "mA");
  safety.max_capacity_mAh = fields->number("max_capacity_mAh", document::not_negative, "mAh");
  safety.delay_s = fields->number("delay_s", document::not_negative, "s");
  if (safety.max_voltage_V && safety.min_voltage_V && *safety.max_voltage_V <= *safety.min_voltage_V)
    fields->wrong("max_voltage_V",
                  fmt::format("{} V is not above min_voltage_V, {} V: the limits are inverted",
                              *safety.max_voltage_V, *safety.min_voltage_V));
  if (safety.max_current_mA && safety.min_current_mA && *safety.max_current_mA <= *safety.min_current_mA)
    fields->wrong("max_current_mA",
                  fmt::format("{} mA is not above min_current_mA, {} mA: the limits are inverted",
                              *safety.max_current_mA, *safety.min_current_mA));
  fields->finish();
}

void read_pressure(Recipe& recipe, Fields& top) {
  auto fields = top.table("pressure");
  if (!fields) return;
  recipe::Pressure pressure;
  fields->require("set_MPa", "the pressure that the run keeps");
  fields->require("band_MPa", "how far the pressure may be off before it is a deviation");
  pressure.set_MPa = fields->number("set_MPa", {0, 600, true}, "MPa").value_or(0);
  pressure.band_MPa = fields->number("band_MPa", document::above_zero, "MPa").value_or(0);
  pressure.settle_s = fields->number("settle_s", {1, 86400}, "s").value_or(pressure.settle_s);
  using AtEnd = PressurePlan::AtEnd;
  pressure.at_end =
      fields->choice<AtEnd>("at_end", {{"hold", AtEnd::hold}, {"vent", AtEnd::vent}}).value_or(AtEnd::hold);
  if (pressure.set_MPa > 0 && pressure.band_MPa >= pressure.set_MPa)
    fields->wrong("band_MPa", fmt::format("{} MPa around {} MPa would allow no pressure at all",
                                          pressure.band_MPa, pressure.set_MPa));
  fields->finish();
  recipe.pressure = pressure;
}

void read_reference(Recipe& recipe, Fields& top) {
  auto fields = top.table("reference");
  if (!fields) return;
  recipe::Reference reference;
  fields->require("material", "what the reference electrode is made of");
  fields->require("vs_li_V", "its potential against Li+/Li, in volts");
  fields->require("provenance", "how that potential is known: assumed, calibrated or drift-corrected");
  reference.material = fields->text("material").value_or("");
  reference.vs_li_V = fields->number("vs_li_V", {-1, 5}, "V").value_or(0);
  reference.provenance = fields->text("provenance").value_or("");
  reference.preparation = fields->text("preparation").value_or("");
  fields->finish();
  recipe.reference = reference;
}

void read_ocv(Recipe& recipe, Fields& top) {
  auto fields = top.table("ocv");
  if (!fields) return;
  recipe::RestWindow window;
  fields->require("min_V", "the least cell voltage at rest before anything polarises the cell");
  fields->require("max_V", "the largest cell voltage at rest before anything polarises the cell");
  window.min_V = fields->number("min_V", document::any, "V").value_or(0);
  window.max_V = fields->number("max_V", document::any, "V").value_or(0);
  if (fields->has("min_V") && fields->has("max_V") && window.min_V >= window.max_V)
    fields->wrong("min_V", fmt::format("{} V is not below max_V, {} V: the limits are inverted", window.min_V,
                                       window.max_V));
  window.we_min_V = fields->number("we_min_V", document::any, "V");
  window.we_max_V = fields->number("we_max_V", document::any, "V");
  if (window.we_min_V.has_value() != window.we_max_V.has_value())
    fields->wrong(window.we_min_V ? "we_min_V" : "we_max_V", "we_min_V and we_max_V go together");
  else if (window.we_min_V && *window.we_min_V >= *window.we_max_V)
    fields->wrong("we_min_V", fmt::format("{} V is not below we_max_V, {} V: the limits are inverted",
                                          *window.we_min_V, *window.we_max_V));
  fields->finish();
  recipe.ocv = window;
}

void read_guard(Recipe& recipe, Fields& top) {
  auto fields = top.table("guard");
  if (!fields) return;
  auto& guard = recipe.guard;
  guard.margin_V = fields->number("margin_V", {0.01, 0.5}, "V").value_or(guard.margin_V);
  guard.time_factor = fields->number("time_factor", {1, 5}).value_or(guard.time_factor);
  guard.charge_factor = fields->number("charge_factor", {1, 5}).value_or(guard.charge_factor);
  guard.allow_current_mA =
      fields->number("allow_current_mA", {0, 200, true}, "mA").value_or(guard.allow_current_mA);
  guard.cell_max_V = fields->number("cell_max_V", document::any, "V");
  guard.cell_min_V = fields->number("cell_min_V", document::any, "V");
  guard.we_max_V = fields->number("we_max_V", document::any, "V");
  guard.we_min_V = fields->number("we_min_V", document::any, "V");
  if (guard.cell_max_V && guard.cell_min_V && *guard.cell_max_V <= *guard.cell_min_V)
    fields->wrong("cell_max_V", "is not above cell_min_V: the limits are inverted");
  if (guard.we_max_V && guard.we_min_V && *guard.we_max_V <= *guard.we_min_V)
    fields->wrong("we_max_V", "is not above we_min_V: the limits are inverted");
  fields->finish();
}

void read_on_gap(Recipe& recipe, Fields& top) {
  auto fields = top.table("on_gap");
  if (!fields) return;
  const auto read = [&](std::string_view key, OnGap& rule) {
    rule =
        fields->choice<OnGap>(key, {{"proceed", OnGap::proceed}, {"wait_for_person", OnGap::wait_for_person}})
            .value_or(rule);
  };
  const auto waits = [&](std::string_view key, OnGap& rule) {
    read(key, rule);
    if (rule == OnGap::proceed)
      fields->wrong(key, "only a rest goes on by itself; what else was interrupted waits for a person");
  };
  read("rest", recipe.on_gap.rest);
  waits("current", recipe.on_gap.current);
  waits("press", recipe.on_gap.press);
  fields->finish();
}

void read_choices(Recipe& recipe, Fields& top) {
  using Potentials = recipe::Potentials;
  using Basis = recipe::Basis;
  recipe.limit_on =
      top.choice<LimitOn>("limit_on", {{"we_vs_re", LimitOn::we_vs_re}, {"cell", LimitOn::cell}});
  recipe.potentials = top.choice<Potentials>("potentials", {{"vs_li", Potentials::vs_li},
                                                            {"as_measured", Potentials::as_measured}})
                          .value_or(Potentials::as_measured);
  recipe.basis = top.choice<Basis>("basis", {{"cell", Basis::cell}, {"sample", Basis::sample}});
  recipe.sampling_s = top.number("sampling_s", {0.01, 60}, "s").value_or(recipe.sampling_s);
}

// --- loops -------------------------------------------------------------------------------------

/// The position in the method, from 0, that a loop goes back to.
std::optional<std::size_t> loop_target(const Recipe& recipe, const recipe::Loop& loop) {
  if (const auto* position = std::get_if<std::uint32_t>(&loop.to)) return *position - 1;
  for (std::size_t i = 0; i < recipe.method.size(); ++i)
    if (const auto* tag = std::get_if<recipe::Tag>(&recipe.method[i].what);
        tag && tag->tag == std::get<std::string>(loop.to))
      return i;
  return std::nullopt;
}

bool is_work(const recipe::Step& step) {
  return !std::holds_alternative<recipe::Loop>(step.what) && !std::holds_alternative<recipe::Tag>(step.what);
}

void check_tags(const Recipe& recipe, const std::vector<Fields>& places, Mistakes& mistakes) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < recipe.method.size(); ++i)
    if (const auto* tag = std::get_if<recipe::Tag>(&recipe.method[i].what);
        tag && !seen.insert(tag->tag).second)
      mistakes.add(places[i].here(), places[i].place_of("tag"),
                   fmt::format("the tag \"{}\" is given twice", tag->tag));
}

void check_loops(const Recipe& recipe, const std::vector<Fields>& places, Mistakes& mistakes) {
  std::vector<std::pair<std::size_t, std::size_t>> loops;
  for (std::size_t i = 0; i < recipe.method.size(); ++i) {
    const auto* loop = std::get_if<recipe::Loop>(&recipe.method[i].what);
    if (!loop) continue;
    const auto to = loop_target(recipe, *loop);
    const auto wrong = [&](std::string_view sentence) {
      mistakes.add(places[i].here(), places[i].place_of("loop_to"), sentence);
    };
    if (!to)
      wrong(fmt::format("there is no tag \"{}\"", std::get<std::string>(loop->to)));
    else if (*to >= i)
      wrong("a loop goes back: expected a tag or a position before the loop itself");
    else if (std::none_of(recipe.method.begin() + static_cast<std::ptrdiff_t>(*to),
                          recipe.method.begin() + static_cast<std::ptrdiff_t>(i), is_work))
      wrong("there is nothing to do between here and where the loop goes back to");
    else if (std::ranges::any_of(loops, [&](const auto& l) { return l.first < *to && *to <= l.second; }))
      wrong("this loop begins inside another one and ends after it: loops may be nested, not crossed");
    else
      loops.emplace_back(*to, i);
  }
}

std::string stem(std::string_view file) {
  file = file.substr(file.find_last_of('/') + 1);
  return std::string(file.substr(0, file.find('.')));
}

}  // namespace

Result<Recipe> read_recipe(std::string_view text, std::string_view file) {
  const auto parsed = document::parse(text, file);
  if (!parsed) return fail(parsed.error());

  Mistakes mistakes{std::string(file)};
  Fields top(*parsed, "", mistakes);
  Recipe recipe;
  recipe.file = file;
  recipe.name = top.text("name").value_or(stem(file));
  recipe.title = top.text("title").value_or("");
  top.value("$schema");  // for editors

  top.require("method", "the list of steps");
  std::vector<Fields> places;
  for (Fields& fields : top.tables("method")) {
    if (auto one = step(fields)) {
      recipe.method.push_back(std::move(*one));
      places.push_back(fields);
    }
  }
  if (mistakes.empty() && recipe.method.empty())
    top.wrong("method", "has no step: there would be nothing to do");
  read_unicycler(recipe, top);
  read_sample(recipe, top);
  read_record(recipe, top);
  read_safety(recipe, top);
  read_choices(recipe, top);
  read_pressure(recipe, top);
  read_reference(recipe, top);
  read_ocv(recipe, top);
  read_guard(recipe, top);
  read_on_gap(recipe, top);
  top.finish();
  if (mistakes.empty()) {  // positions are right only when every step was understood
    check_tags(recipe, places, mistakes);
    check_loops(recipe, places, mistakes);
  }
  if (mistakes.empty() && unrolled(recipe).size() > most_steps)
    top.wrong("method", fmt::format("the loops make more than {} steps", most_steps));
  if (!mistakes.empty()) return fail(Fault::Kind::input, mistakes.text());
  return recipe;
}

std::vector<std::size_t> unrolled(const Recipe& recipe) {
  std::vector<std::size_t> order;
  std::vector<std::uint32_t> done(recipe.method.size(), 1);  // how often each loop's body has run
  for (std::size_t i = 0; i < recipe.method.size() && order.size() <= most_steps;) {
    const auto* loop = std::get_if<recipe::Loop>(&recipe.method[i].what);
    if (loop && done[i] < loop->cycle_count) {
      const std::size_t to = loop_target(recipe, *loop).value_or(i + 1);
      std::fill(done.begin() + static_cast<std::ptrdiff_t>(to), done.begin() + static_cast<std::ptrdiff_t>(i),
                1U);
      ++done[i];
      i = to;
      continue;
    }
    if (is_work(recipe.method[i])) order.push_back(i);
    ++i;
  }
  return order;
}

std::vector<std::string> builtin_recipes() { return {"rate-test-3e", "degradation-2e", "pelletise"}; }

std::string_view builtin_recipe_text(std::string_view name) {
  return embedded_recipes(fmt::format("{}.toml", name));
}

Result<Recipe> builtin_recipe(std::string_view name) {
  const auto text = builtin_recipe_text(name);
  if (text.empty())
    return fail(Fault::Kind::input, fmt::format("there is no built-in recipe \"{}\"; there are {}", name,
                                                fmt::join(builtin_recipes(), ", ")));
  return read_recipe(text, fmt::format("{}.toml", name));
}

}  // namespace cambench
