// A recipe's other forms: canonical text and hash, our JSON, aurora-unicycler's JSON, PyBaMM's sentences.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "schema/document.h"
#include "schema/overloaded.h"
#include "schema/recipe.h"
#include "schema/sha256.h"

namespace cambench {
namespace {

using document::Value;
using Table = Value::Table;
using List = Value::List;

Value of(double number) { return {.data = number}; }
Value of(const std::string& text) { return {.data = text}; }
Value of(std::int64_t number) { return {.data = number}; }
Value of(Table table) { return {.data = std::move(table)}; }
template <typename T>
Value of(const std::optional<T>& value) {
  return value ? of(*value) : Value{};
}

// --- words --------------------------------------------------------------------------------------------------

std::string word(LimitOn on) { return on == LimitOn::we_vs_re ? "we_vs_re" : "cell"; }
std::string word(recipe::Potentials p) { return p == recipe::Potentials::vs_li ? "vs_li" : "as_measured"; }
std::string word(recipe::Basis basis) { return basis == recipe::Basis::cell ? "cell" : "sample"; }
std::string word(OnGap rule) { return rule == OnGap::proceed ? "proceed" : "wait_for_person"; }
std::string word(PressurePlan::AtEnd end) { return end == PressurePlan::AtEnd::hold ? "hold" : "vent"; }

// --- steps and blocks, keys in the order of aurora-unicycler's models ---------------------------------------

Table step_table(const recipe::Step& step) {
  Table table{{"id", of(step.id)}};
  const auto add = [&](const char* key, Value value) { table.push_back({key, std::move(value)}); };
  std::visit(Overloaded{[&](const recipe::OpenCircuit& s) {
                          add("step", of(std::string("open_circuit_voltage")));
                          add("until_time_s", of(s.until_time_s));
                        },
                        [&](const recipe::ConstantCurrent& s) {
                          add("step", of(std::string("constant_current")));
                          add("rate_C", of(s.rate_C));
                          add("current_mA", of(s.current_mA));
                          add("until_time_s", of(s.until_time_s));
                          add("until_voltage_V", of(s.until_voltage_V));
                        },
                        [&](const recipe::ConstantVoltage& s) {
                          add("step", of(std::string("constant_voltage")));
                          add("voltage_V", of(s.voltage_V));
                          add("until_time_s", of(s.until_time_s));
                          add("until_rate_C", of(s.until_rate_C));
                          add("until_current_mA", of(s.until_current_mA));
                        },
                        [&](const recipe::Loop& s) {
                          add("step", of(std::string("loop")));
                          add("loop_to",
                              std::visit(Overloaded{[](const std::string& tag) { return of(tag); },
                                                    [](std::uint32_t n) { return of(std::int64_t{n}); }},
                                         s.to));
                          add("cycle_count", of(std::int64_t{s.cycle_count}));
                        },
                        [&](const recipe::Tag& s) {
                          add("step", of(std::string("tag")));
                          add("tag", of(s.tag));
                        },
                        [&](const recipe::PressStep& s) {
                          add("step", of(std::string("press")));
                          add("pressure_MPa", of(s.pressure_MPa));
                          add("until_time_s", of(s.until_time_s));
                        }},
             step.what);
  return table;
}

Value sample_value(const Recipe& r) {
  return of(Table{{"name", of(r.sample.name)}, {"capacity_mAh", of(r.sample.capacity_mAh)}});
}

Value record_value(const Recipe& r) {
  return of(Table{{"current_mA", of(r.record.current_mA)},
                  {"voltage_V", of(r.record.voltage_V)},
                  {"time_s", of(r.record.time_s)}});
}

Value safety_value(const Recipe& r) {
  return of(Table{{"max_voltage_V", of(r.safety.max_voltage_V)},
                  {"min_voltage_V", of(r.safety.min_voltage_V)},
                  {"max_current_mA", of(r.safety.max_current_mA)},
                  {"min_current_mA", of(r.safety.min_current_mA)},
                  {"max_capacity_mAh", of(r.safety.max_capacity_mAh)},
                  {"delay_s", of(r.safety.delay_s)}});
}

Value pressure_value(const recipe::Pressure& p) {
  return of(Table{{"set_MPa", of(p.set_MPa)},
                  {"band_MPa", of(p.band_MPa)},
                  {"settle_s", of(p.settle_s)},
                  {"at_end", of(word(p.at_end))}});
}

Value reference_value(const recipe::Reference& r) {
  return of(Table{{"material", of(r.material)},
                  {"vs_li_V", of(r.vs_li_V)},
                  {"provenance", of(r.provenance)},
                  {"preparation", of(r.preparation)}});
}

Value guard_value(const recipe::Guard& g) {
  return of(Table{{"margin_V", of(g.margin_V)},
                  {"time_factor", of(g.time_factor)},
                  {"charge_factor", of(g.charge_factor)},
                  {"allow_current_mA", of(g.allow_current_mA)},
                  {"cell_max_V", of(g.cell_max_V)},
                  {"cell_min_V", of(g.cell_min_V)},
                  {"we_max_V", of(g.we_max_V)},
                  {"we_min_V", of(g.we_min_V)}});
}

Value on_gap_value(const recipe::OnGapRule& rule) {
  return of(Table{
      {"rest", of(word(rule.rest))}, {"current", of(word(rule.current))}, {"press", of(word(rule.press))}});
}

/// What aurora-unicycler does not know, in the order in which a person would write it.
Table own_blocks(const Recipe& r) {
  Table table;
  if (r.limit_on) table.push_back({"limit_on", of(word(*r.limit_on))});
  table.push_back({"potentials", of(word(r.potentials))});
  if (r.basis) table.push_back({"basis", of(word(*r.basis))});
  table.push_back({"sampling_s", of(r.sampling_s)});
  if (r.pressure) table.push_back({"pressure", pressure_value(*r.pressure)});
  if (r.reference) table.push_back({"reference", reference_value(*r.reference)});
  if (r.ocv)
    table.push_back({"ocv", of(Table{{"min_V", of(r.ocv->min_V)},
                                     {"max_V", of(r.ocv->max_V)},
                                     {"we_min_V", of(r.ocv->we_min_V)},
                                     {"we_max_V", of(r.ocv->we_max_V)}})});
  table.push_back({"guard", guard_value(r.guard)});
  table.push_back({"on_gap", on_gap_value(r.on_gap)});
  return table;
}

void sort_keys(Value& value) {
  if (auto* list = std::get_if<List>(&value.data)) {
    for (Value& element : *list) sort_keys(element);
  } else if (auto* table = std::get_if<Table>(&value.data)) {
    std::ranges::sort(*table, {}, &document::Member::key);
    for (auto& member : *table) sort_keys(member.value);
  }
}

/// Drops press steps and moves the positions of loops accordingly.
List unicycler_method(const Recipe& recipe) {
  std::vector<std::uint32_t> position(recipe.method.size() + 1, 0);  // from 1, of each step in what is left
  std::uint32_t next = 1;
  for (std::size_t i = 0; i < recipe.method.size(); ++i) {
    position[i] = next;
    if (!std::holds_alternative<recipe::PressStep>(recipe.method[i].what)) ++next;
  }
  List method;
  for (recipe::Step step : recipe.method) {
    if (std::holds_alternative<recipe::PressStep>(step.what)) continue;
    if (auto* loop = std::get_if<recipe::Loop>(&step.what))
      if (auto* to = std::get_if<std::uint32_t>(&loop->to)) *to = position[*to - 1];
    method.push_back(of(step_table(step)));
  }
  return method;
}

// --- PyBaMM -------------------------------------------------------------------------------------------------

/// "54000" is "15 hours", 5400 is "90 minutes", anything else is seconds: as aurora-unicycler writes it.
std::string duration_words(double seconds) {
  if (std::fmod(seconds, 3600) == 0) return fmt::format("{} hours", static_cast<long>(seconds / 3600));
  if (std::fmod(seconds, 60) == 0) return fmt::format("{} minutes", static_cast<long>(seconds / 60));
  return document::print_json(of(seconds), 0) + " seconds";
}

std::string digits(double number) { return document::print_json(of(number), 0); }

std::string with_ends(std::string sentence, std::optional<double> time_s, std::vector<std::string> ends) {
  if (time_s.value_or(0) > 0) sentence += " for " + duration_words(*time_s);
  for (std::size_t i = 0; i < ends.size(); ++i)
    sentence += (i > 0 || time_s.value_or(0) > 0 ? " or until " : " until ") + ends[i];
  return sentence;
}

std::string sentence(const recipe::ConstantCurrent& s) {
  const bool by_rate = s.rate_C.value_or(0) != 0;
  const double amount = by_rate ? *s.rate_C : s.current_mA.value_or(0);
  std::vector<std::string> ends;
  if (s.until_voltage_V.value_or(0) != 0) ends.push_back(digits(*s.until_voltage_V) + " V");
  return with_ends(fmt::format("{} at {}{}", amount > 0 ? "Charge" : "Discharge", digits(std::abs(amount)),
                               by_rate ? "C" : " mA"),
                   s.until_time_s, std::move(ends));
}

std::string sentence(const recipe::ConstantVoltage& s) {
  std::vector<std::string> ends;
  if (s.until_rate_C.value_or(0) != 0) ends.push_back(digits(std::abs(*s.until_rate_C)) + "C");
  if (s.until_current_mA.value_or(0) != 0) ends.push_back(digits(std::abs(*s.until_current_mA)) + " mA");
  return with_ends(fmt::format("Hold at {} V", digits(s.voltage_V)), s.until_time_s, std::move(ends));
}

}  // namespace

std::string canonical(const Recipe& recipe) {
  List method;
  for (const std::size_t i : unrolled(recipe)) {
    Table step = step_table(recipe.method[i]);
    std::erase_if(step, [](const document::Member& m) { return m.key == "id"; });
    method.push_back(of(std::move(step)));
  }
  Table whole = own_blocks(recipe);
  for (auto& [key, value] : whole) {  // a person's words, not the protocol
    if (key == "reference")
      std::erase_if(std::get<Table>(value.data),
                    [](const document::Member& m) { return m.key != "vs_li_V"; });
  }
  whole.push_back({"method", {.data = std::move(method)}});
  whole.push_back({"record", record_value(recipe)});
  whole.push_back({"safety", safety_value(recipe)});
  whole.push_back({"capacity_mAh", of(recipe.sample.capacity_mAh)});
  Value value = of(std::move(whole));
  sort_keys(value);
  return document::print_json(value, 0);
}

std::string recipe_hash(const Recipe& recipe) { return sha256_hex(canonical(recipe)); }

std::string to_json(const Recipe& recipe) {
  Table whole{{"name", of(recipe.name)}, {"title", of(recipe.title)}};
  for (auto& block : own_blocks(recipe)) whole.push_back(std::move(block));
  whole.push_back({"sample", sample_value(recipe)});
  whole.push_back({"record", record_value(recipe)});
  whole.push_back({"safety", safety_value(recipe)});
  List method;
  for (const auto& step : recipe.method) method.push_back(of(step_table(step)));
  whole.push_back({"method", {.data = std::move(method)}});
  return document::print_json(of(std::move(whole)), 1);
}

std::string to_unicycler(const Recipe& recipe) {
  Table whole{{"unicycler", of(Table{{"version", of(recipe.unicycler_version)}})},
              {"sample", sample_value(recipe)},
              {"record", record_value(recipe)},
              {"safety", safety_value(recipe)},
              {"method", {.data = unicycler_method(recipe)}}};
  return document::print_json(of(std::move(whole)), 1);
}

std::vector<std::string> pybamm_sentences(const Recipe& recipe) {
  std::vector<std::string> sentences;
  for (const std::size_t i : unrolled(recipe)) {
    std::visit(Overloaded{[&](const recipe::OpenCircuit& s) {
                            sentences.push_back(fmt::format("Rest for {} seconds", digits(s.until_time_s)));
                          },
                          [&](const recipe::ConstantCurrent& s) { sentences.push_back(sentence(s)); },
                          [&](const recipe::ConstantVoltage& s) { sentences.push_back(sentence(s)); },
                          [](const auto&) {}},
               recipe.method[i].what);
  }
  return sentences;
}

}  // namespace cambench
