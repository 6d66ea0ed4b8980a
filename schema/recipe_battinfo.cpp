// BattINFO's JSON-LD of a recipe (https://w3id.org/emmo/domain/battery), in the words and the order of
// aurora-unicycler 0.4.6, and a recipe in the terms of the cell that it was carried out on.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "schema/document.h"
#include "schema/overloaded.h"
#include "schema/recipe.h"

namespace cambench {
namespace {

using document::Value;
using Table = Value::Table;
using List = Value::List;

constexpr std::size_t most_nested = 500;

Value of(double number) { return {.data = number}; }
Value of(std::string text) { return {.data = std::move(text)}; }
Value of(Table table) { return {.data = std::move(table)}; }
Value of(List list) { return {.data = std::move(list)}; }

/// {"@type": type, "hasNumericalPart": {...}, "hasMeasurementUnit": unit}
Value quantity(Value type, Value number, const char* unit) {
  return of(Table{{"@type", std::move(type)},
                  {"hasNumericalPart",
                   of(Table{{"@type", of(std::string("RealData"))}, {"hasNumberValue", std::move(number)}})},
                  {"hasMeasurementUnit", of(std::string(unit))}});
}
Value quantity(const char* type, double number, const char* unit) {
  return quantity(of(std::string(type)), of(number), unit);
}
Value termination(const char* type, double number, const char* unit) {
  return quantity(of(List{of(std::string(type)), of(std::string("TerminationQuantity"))}), of(number), unit);
}

Table task(const char* type, List inputs) {
  return {{"@type", of(std::string(type))}, {"hasInput", of(std::move(inputs))}};
}

void add_duration(List& inputs, const std::optional<double>& time_s) {
  if (time_s.value_or(0) > 0) inputs.push_back(quantity("Duration", *time_s, "Second"));
}

/// A multiple of 1 C in mA; without a capacity nobody knows.
std::optional<double> current_mA(const std::optional<double>& rate_C, const std::optional<double>& given_mA,
                                 const std::optional<double>& capacity_mAh) {
  if (rate_C.value_or(0) != 0 && capacity_mAh) return *rate_C * *capacity_mAh;
  return given_mA.value_or(0) != 0 ? given_mA : std::nullopt;
}

Table battinfo(const recipe::OpenCircuit& s) {
  return task("OpenCircuitHold", {quantity("Duration", s.until_time_s, "Second")});
}

Table battinfo(const recipe::ConstantCurrent& s, const std::optional<double>& capacity_mAh) {
  const auto current = current_mA(s.rate_C, s.current_mA, capacity_mAh);
  const bool charges = current.value_or(s.rate_C.value_or(0)) > 0;
  List inputs;
  if (current) inputs.push_back(quantity("ElectricCurrent", std::abs(*current), "MilliAmpere"));
  if (s.rate_C.value_or(0) != 0) inputs.push_back(quantity("CRate", std::abs(*s.rate_C), "CRateUnit"));
  if (s.until_voltage_V.value_or(0) != 0)
    inputs.push_back(
        termination(charges ? "UpperVoltageLimit" : "LowerVoltageLimit", *s.until_voltage_V, "Volt"));
  add_duration(inputs, s.until_time_s);
  return task(charges ? "ConstantCurrentCharging" : "ConstantCurrentDischarging", std::move(inputs));
}

Table battinfo(const recipe::ConstantVoltage& s, const std::optional<double>& capacity_mAh) {
  List inputs{quantity("Voltage", s.voltage_V, "Volt")};
  if (const auto current = current_mA(s.until_rate_C, s.until_current_mA, capacity_mAh))
    inputs.push_back(termination("LowerCurrentLimit", std::abs(*current), "MilliAmpere"));
  if (s.until_rate_C.value_or(0) != 0)
    inputs.push_back(termination("LowerCRateLimit", std::abs(*s.until_rate_C), "CRateUnit"));
  add_duration(inputs, s.until_time_s);
  return task("VoltageHold", std::move(inputs));
}

/// A task and where in the method it began, from 0: what a loop that goes back to there takes in.
struct Task {
  std::size_t begins_at;
  Table what;
};

/// Each task holds the next one as "hasNext".
Table chain(std::vector<Task> tasks) {
  Table whole = std::move(tasks.back().what);
  for (std::size_t i = tasks.size() - 1; i-- > 0;) {
    Table before = std::move(tasks[i].what);
    before.push_back({"hasNext", of(std::move(whole))});
    whole = std::move(before);
  }
  return whole;
}

std::size_t target_of(const Recipe& recipe, const recipe::Loop& loop) {
  if (const auto* position = std::get_if<std::uint32_t>(&loop.to)) return *position - 1;
  const auto found = std::ranges::find_if(recipe.method, [&](const recipe::Step& step) {
    const auto* tag = std::get_if<recipe::Tag>(&step.what);
    return tag && tag->tag == std::get<std::string>(loop.to);
  });
  return static_cast<std::size_t>(found - recipe.method.begin());
}

/// What was done since `first`, as one task that is repeated.
void close_loop(std::vector<Task>& tasks, std::size_t first, std::uint32_t count) {
  const auto inside = std::ranges::find_if(tasks, [&](const Task& t) { return t.begins_at >= first; });
  if (inside == tasks.end()) return;  // nothing in it can be said here
  std::vector<Task> body(std::make_move_iterator(inside), std::make_move_iterator(tasks.end()));
  const std::size_t begins_at = body.front().begins_at;
  tasks.erase(inside, tasks.end());
  Table loop =
      task("IterativeWorkflow",
           {quantity(of(std::string("NumberOfIterations")), Value{.data = std::int64_t{count}}, "UnitOne")});
  loop.push_back({"hasTask", of(chain(std::move(body)))});
  tasks.push_back({begins_at, std::move(loop)});
}

Value context() {
  const Table unit{
      {"@id", of(std::string("https://w3id.org/emmo#EMMO_bed1d005_b04e_4a90_94cf_02bc678a8569"))},
      {"@type", of(std::string("@vocab"))}};
  return of(List{of(std::string("https://w3id.org/emmo/domain/battery/context")),
                 of(Table{{"hasMeasurementUnit", of(unit)}})});
}

/// Without the dust of arithmetic: 4.32 - 0.31 is 4.01.
double to_nine_digits(double number) {
  const std::string text = fmt::format("{:.9g}", number);
  double rounded = number;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

void shift(std::optional<double>& potential_V, double by_V) {
  if (potential_V.value_or(0) != 0) potential_V = to_nine_digits(*potential_V - by_V);
}

}  // namespace

Result<std::string> to_battinfo(const Recipe& recipe) {
  if (recipe.method.size() > most_nested)
    return fail(Fault::Kind::refused,
                fmt::format("{}: {} steps one inside the other are more than a reader of JSON-LD follows",
                            recipe.file, recipe.method.size()));
  const auto& capacity_mAh = recipe.sample.capacity_mAh;
  std::vector<Task> tasks;
  for (std::size_t i = 0; i < recipe.method.size(); ++i)
    std::visit(
        Overloaded{[&](const recipe::OpenCircuit& s) {
                     tasks.push_back({i, battinfo(s)});
                   },
                   [&](const recipe::ConstantCurrent& s) {
                     tasks.push_back({i, battinfo(s, capacity_mAh)});
                   },
                   [&](const recipe::ConstantVoltage& s) {
                     tasks.push_back({i, battinfo(s, capacity_mAh)});
                   },
                   [&](const recipe::Loop& s) { close_loop(tasks, target_of(recipe, s), s.cycle_count); },
                   [](const recipe::Tag&) {}, [](const recipe::PressStep&) {}},
        recipe.method[i].what);
  if (tasks.empty())
    return fail(Fault::Kind::refused, recipe.file + ": no step that BattINFO has a word for");
  Table whole{{"@context", context()}};
  for (auto& member : chain(std::move(tasks))) whole.push_back(std::move(member));
  return document::print_json(of(std::move(whole)), 1);
}

Recipe as_carried_out(const Recipe& recipe, const std::optional<CellSpec>& cell, const Plan& plan) {
  Recipe done = recipe;
  if (cell) done.sample.name = cell->id;
  if (plan.one_C.value() > 0) done.sample.capacity_mAh = to_nine_digits(plan.one_C.value() * 1e3);
  if (recipe.potentials != recipe::Potentials::vs_li) return done;
  const double offset_V = plan.reference_vs_li.value();
  done.potentials = recipe::Potentials::as_measured;
  for (auto* potential_V :
       {&done.safety.max_voltage_V, &done.safety.min_voltage_V, &done.guard.we_max_V, &done.guard.we_min_V})
    shift(*potential_V, offset_V);
  for (auto& step : done.method) {
    if (auto* s = std::get_if<recipe::ConstantCurrent>(&step.what)) shift(s->until_voltage_V, offset_V);
    if (auto* s = std::get_if<recipe::ConstantVoltage>(&step.what))
      s->voltage_V = to_nine_digits(s->voltage_V - offset_V);
  }
  return done;
}

}  // namespace cambench
