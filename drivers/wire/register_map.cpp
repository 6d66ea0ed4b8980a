#include "drivers/wire/register_map.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace cambench::wire::modbus {

namespace {

/// MPa on the pellet for one unit of the item, or the same a second.
double pressure_factor(const RegisterMap& map, const Unit& unit) {
  const bool force = unit.kind == Unit::Kind::force || unit.kind == Unit::Kind::force_rate;
  if (force) return unit.factor / map.area_mm2;
  return map.piston_mm2 > 0 ? unit.factor * map.piston_mm2 / map.area_mm2 : unit.factor;
}

std::uint64_t bits_in(const BitField& field, std::uint64_t word) {
  const std::uint64_t mask = field.width >= 64 ? ~0ull : (1ull << field.width) - 1;
  return word >> field.first & mask;
}

Result<std::span<const std::uint16_t>> words_in(const RegisterMap& map, ItemIndex index, const Block& block,
                                                std::span<const std::uint16_t> words) {
  const Item& item = map.items[index];
  const std::size_t from = item.address - std::size_t{block.address};
  if (item.table != block.table || item.address < block.address || from + item.count > words.size())
    return fail(Fault::Kind::protocol,
                fmt::format("{}: not among the {} registers that were read", item.name, words.size()));
  return words.subspan(from, item.count);
}

Result<std::uint64_t> word_of(const RegisterMap& map, ItemIndex index, const Block& block,
                              std::span<const std::uint16_t> words) {
  const auto own = words_in(map, index, block, words);
  if (!own) return fail(own.error());
  return raw_bits(*own, map.items[index].type, map.items[index].order);
}

Result<bool> is_so(const RegisterMap& map, const BitCondition& condition, const Block& block,
                   std::span<const std::uint16_t> words) {
  const auto word = word_of(map, condition.item, block, words);
  if (!word) return fail(word.error());
  return bits_in(condition.field, *word) == condition.equals;
}

Result<double> factor_of(const RegisterMap& map, const ScaleFrom& scale, const Block& block,
                         std::span<const std::uint16_t> words) {
  const auto word = word_of(map, scale.item, block, words);
  if (!word) return fail(word.error());
  const auto found = scale.factors.find(bits_in(scale.field, *word));
  if (found == scale.factors.end())
    return fail(Fault::Kind::bad_value, fmt::format("{} says {}, for which the map has no scale",
                                                    map.items[scale.item].name, bits_in(scale.field, *word)));
  return found->second;
}

/// The factor of scale and sign that other registers of the block decide.
Result<double> factor_now(const RegisterMap& map, const Item& item, const Block& block,
                          std::span<const std::uint16_t> words) {
  double factor = item.scale;
  if (item.scale_from) {
    const auto from = factor_of(map, *item.scale_from, block, words);
    if (!from) return from;
    factor *= *from;
  }
  if (!item.negative_if) return factor;
  const auto negative = is_so(map, *item.negative_if, block, words);
  if (!negative) return fail(negative.error());
  return *negative ? -factor : factor;
}

Result<void> may_be_believed(const RegisterMap& map, const Item& item, const Block& block,
                             std::span<const std::uint16_t> words) {
  for (const BitCondition& condition : item.invalid_if) {
    const auto invalid = is_so(map, condition, block, words);
    if (!invalid) return fail(invalid.error());
    if (*invalid)
      return fail(Fault::Kind::bad_value, fmt::format("{}: the device says {}", item.name, condition.text));
  }
  return {};
}

std::string with_unit(double value, const Unit& unit) {
  return unit.text.empty() ? fmt::format("{:g}", value) : fmt::format("{:g} {}", value, unit.text);
}

const char* name_of(Table table) {
  switch (table) {
    case Table::coil: return "coil";
    case Table::discrete: return "discrete";
    case Table::holding: return "holding";
    case Table::input: break;
  }
  return "input";
}

}  // namespace

std::optional<std::size_t> RegisterMap::block_of(ItemIndex index) const {
  const Item& item = items[index];
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].table == item.table && item.address >= blocks[i].address &&
        item.address + item.count <= blocks[i].address + blocks[i].count)
      return i;
  return std::nullopt;
}

MegaPascal RegisterMap::to_pressure(ItemIndex item, double value) const {
  return MegaPascal(value * pressure_factor(*this, items[item].unit));
}

double RegisterMap::from_pressure(ItemIndex item, MegaPascal on_pellet) const {
  return on_pellet.value() / pressure_factor(*this, items[item].unit);
}

double RegisterMap::to_rate(ItemIndex item, double value) const {
  return value * pressure_factor(*this, items[item].unit);
}

double RegisterMap::from_rate(ItemIndex item, double MPa_per_s) const {
  return MPa_per_s / pressure_factor(*this, items[item].unit);
}

Result<RegisterMap> with_area(RegisterMap map, double area_mm2) {
  if (!(area_mm2 > 0 && area_mm2 < 1e6))
    return fail(Fault::Kind::input, fmt::format("a pellet of {:g} mm2 cannot be pressed", area_mm2));
  map.area_mm2 = area_mm2;
  return map;
}

Result<double> value_of(const RegisterMap& map, ItemIndex index, const Block& block,
                        std::span<const std::uint16_t> words) {
  const Item& item = map.items[index];
  const auto named = [&](const Fault& fault) { return fail(fault.kind, item.name + ": " + fault.what); };
  const auto own = words_in(map, index, block, words);
  if (!own) return fail(own.error());
  if (const auto good = may_be_believed(map, item, block, words); !good) return fail(good.error());
  const auto raw = raw_bits(*own, item.type, item.order);
  if (!raw) return named(raw.error());
  if (std::ranges::find(item.sentinels, *raw) != item.sentinels.end())
    return fail(Fault::Kind::bad_value, fmt::format("{}: {} stands for no value", item.name, hex(*own)));
  const auto number = decode(*own, item.type, item.order);
  if (!number) return named(number.error());
  const auto factor = factor_now(map, item, block, words);
  if (!factor) return named(factor.error());
  const double value = *number * *factor + item.offset;
  if (item.range && !(value >= item.range->first && value <= item.range->second))
    return fail(Fault::Kind::bad_value,
                fmt::format("{}: {} is outside {:g}..{:g}", item.name, with_unit(value, item.unit),
                            item.range->first, item.range->second));
  return value;
}

Result<std::string> text_of(const RegisterMap& map, ItemIndex index, const Block& block,
                            std::span<const std::uint16_t> words) {
  if (map.items[index].type == Type::text) {
    const auto own = words_in(map, index, block, words);
    if (!own) return fail(own.error());
    return decode_text(*own);
  }
  const auto value = value_of(map, index, block, words);
  if (!value) return fail(value.error());
  return fmt::format("{:.15g}", *value);
}

Result<bool> holds(const RegisterMap& map, const Expectation& expectation, const Block& block,
                   std::span<const std::uint16_t> words) {
  if (expectation.field) {
    const auto word = word_of(map, expectation.item, block, words);
    if (!word) return fail(word.error());
    return static_cast<double>(bits_in(*expectation.field, *word)) == expectation.equals;
  }
  const auto value = value_of(map, expectation.item, block, words);
  if (!value) return fail(value.error());
  return *value == expectation.equals;
}

Result<Words> words_for(const RegisterMap& map, ItemIndex index, double value) {
  const Item& item = map.items[index];
  if (!item.write) return fail(Fault::Kind::refused, fmt::format("{} cannot be written", item.name));
  const WriteRules& rules = *item.write;
  if (!(value >= rules.min && value <= rules.max))
    return fail(Fault::Kind::refused,
                fmt::format("{}: {} is outside {:g}..{:g}, which the map allows", item.name,
                            with_unit(value, item.unit), rules.min, rules.max));
  if (rules.step > 0) value = std::clamp(std::round(value / rules.step) * rules.step, rules.min, rules.max);
  double raw = (value - item.offset) / item.scale;
  if (item.type != Type::f32 && item.type != Type::f64) raw = std::nearbyint(raw);
  auto words = encode(raw, item.type, item.order);
  if (!words) return fail(words.error().kind, item.name + ": " + words.error().what);
  return words;
}

std::string describe(const RegisterMap& map) {
  std::string text = fmt::format("{} ({} {})\n", map.name, map.maker, map.model);
  for (std::size_t i = 0; i < map.items.size(); ++i) {
    const Item& item = map.items[i];
    const auto block = map.block_of(i);
    text += fmt::format("  {:<24} {:<8} {:>5} (0x{:04X})  {:>2} registers  {:<6} {}\n", item.name,
                        name_of(item.table), item.address, item.address, item.count, item.unit.text,
                        block ? "in one request: " + map.blocks[*block].name : "");
  }
  return text;
}

}  // namespace cambench::wire::modbus
