// Register maps from their files: the device, its blocks and items.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "drivers/wire/register_map_reader.h"

namespace cambench::wire::modbus {
namespace {

std::optional<Unit> unit_named(std::string_view text) {
  struct Known {
    std::string_view name;
    Unit::Kind kind;
    double factor;
  };
  using enum Unit::Kind;
  constexpr std::array known{Known{"MPa", pressure, 1},
                             Known{"kPa", pressure, 1e-3},
                             Known{"bar", pressure, 0.1},
                             Known{"mbar", pressure, 1e-4},
                             Known{"Pa", pressure, 1e-6},
                             Known{"psi", pressure, 6.894757293168e-3},
                             Known{"N", force, 1},
                             Known{"kN", force, 1e3},
                             Known{"kgf", force, 9.80665},
                             Known{"s", time, 1},
                             Known{"ms", time, 1e-3},
                             Known{"min", time, 60},
                             Known{"", none, 1}};
  const auto slash = text.find('/');
  const auto* found = std::ranges::find(known, text.substr(0, slash), &Known::name);
  if (found == known.end()) return std::nullopt;
  Unit unit{found->kind, found->factor, std::string(text)};
  if (slash == std::string_view::npos) return unit;
  if (unit.kind != pressure && unit.kind != force) return std::nullopt;
  const auto* per = std::ranges::find(known, text.substr(slash + 1), &Known::name);
  if (per == known.end() || per->kind != time) return std::nullopt;
  return Unit{unit.kind == pressure ? pressure_rate : force_rate, unit.factor / per->factor,
              std::string(text)};
}

}  // namespace

void MapReader::read_device() {
  auto section = file_.section("device");
  if (!section) reject(file_.table(), "the section [device] is missing");
  map_.name = section->as_text(section->need("name", "what people call it"), "name");
  map_.maker = section->text("maker", "");
  map_.model = section->text("model", "");
  section->find("source");  // the manual and its revision, for people
  if (section->find("transport")) {
    map_.tcp = map_.rtu = false;
    for (const Node* node : section->list("transport")) {
      const std::string name = section->as_text(*node, "transport");
      if (name != "tcp" && name != "rtu")
        reject(*node, "[device]: `transport` knows \"tcp\" and \"rtu\", not \"{}\"", name);
      (name == "tcp" ? map_.tcp : map_.rtu) = true;
    }
  }
  section->need("base", "the manual's number of the register with PDU address 0: 0, 1 or 40001");
  base_ = section->integer("base", 0, 0, 49999);
  map_.max_registers = static_cast<std::uint16_t>(section->integer("max_registers", 125, 1, 125));
  map_.response_timeout = section->milliseconds("response_timeout_ms", 1000, 20, 10000);
  map_.guard_time = section->milliseconds("guard_time_ms", map_.response_timeout.count() * 1e3, 0, 60000);
  if (map_.guard_time < map_.response_timeout)
    reject(section->table(),
           "[device]: `guard_time_ms` must be at least `response_timeout_ms`: the silence after a late frame "
           "has to outlast it");
  const std::string function = section->text("write", "multiple");
  if (function != "single" && function != "multiple")
    reject(*section->find("write"), "[device]: `write` must be \"single\" (FC06) or \"multiple\" (FC16)");
  single_ = function == "single";
  section->done();
}

Table MapReader::table_of(Section& section) {
  const std::string name = section.text("table", "holding");
  if (name == "holding") return Table::holding;
  if (name == "input") return Table::input;
  if (name == "coil") return Table::coil;
  if (name == "discrete") return Table::discrete;
  reject(*section.find("table"), "{}: `table` must be holding, input, coil or discrete, not \"{}\"",
         section.where(), name);
}

std::uint16_t MapReader::address_of(Section& section, std::string_view key, std::uint16_t& printed) {
  const Node& node = section.need(key, "the number printed in the manual");
  const auto number = section.as_integer(node, key, 0, 0xffff);
  if (number < base_)
    reject(node, "{}: `{}` {} lies below the base {} of this map", section.where(), key, number, base_);
  printed = static_cast<std::uint16_t>(number);
  return static_cast<std::uint16_t>(number - base_);
}

void MapReader::read_blocks() {
  for (Section& section : file_.sections("block")) {
    Block block;
    block.name = section.as_text(section.need("name", "what it is called"), "name");
    block.table = table_of(section);
    std::uint16_t printed = 0;
    block.address = address_of(section, "first", printed);
    const Node& count = section.need("count", "how many registers");
    block.count = static_cast<std::uint16_t>(section.as_integer(count, "count", 1, 0xffff));
    if (block.count > map_.max_registers)
      reject(count, "block \"{}\": {} registers, but the device gives at most {} in one request", block.name,
             block.count, map_.max_registers);
    if (block.address + block.count > 0x10000)
      reject(count, "block \"{}\" reaches beyond the last register", block.name);
    section.done();
    map_.blocks.push_back(std::move(block));
  }
}

void MapReader::read_items() {
  auto items = file_.section("item");
  if (!items || items->members().empty())
    reject(file_.table(), "no [item.<name>]: a map needs at least a pressure");
  for (const auto& [key, node] : items->members()) {
    if (!is_table(node)) reject(node, "[item.{}] must be a table", key);
    names_.emplace(key, map_.items.size());
    item_nodes_.push_back(&node);
    map_.items.emplace_back().name = key;
  }
  std::vector<Section> sections;  // bits first: items refer to each other's
  for (ItemIndex i = 0; i < map_.items.size(); ++i) {
    sections.emplace_back(*item_nodes_[i], fmt::format("item \"{}\"", map_.items[i].name));
    read_item(sections.back(), i);
  }
  check_overlap();
  for (ItemIndex i = 0; i < map_.items.size(); ++i) {
    read_references(sections[i], i);
    sections[i].done();
  }
}

void MapReader::read_item(Section& section, ItemIndex index) {
  Item& item = map_.items[index];
  item.table = table_of(section);
  item.address = address_of(section, "address", item.printed);
  const Node& type = section.need("type", "u16, i16, u32, i32, f32, u64, i64, f64, bit or string");
  const auto known = type_named(section.as_text(type, "type"));
  if (!known)
    reject(type, "{}: unknown type \"{}\"; known are u16, i16, u32, i32, f32, u64, i64, f64, bit, string",
           section.where(), section.as_text(type, "type"));
  item.type = *known;
  const bool is_bit_table = item.table == Table::coil || item.table == Table::discrete;
  if (is_bit_table != (item.type == Type::bit))
    reject(type, "{}: type \"bit\" belongs to coils and discrete inputs, and nothing else does",
           section.where());
  const Node* length = section.find("registers");
  item.count = static_cast<std::uint16_t>(words_of(item.type));
  if (item.type == Type::text)
    item.count = static_cast<std::uint16_t>(section.as_integer(
        section.need("registers", "how many hold the text"), "registers", 1, map_.max_registers));
  else if (length && section.as_integer(*length, "registers", 1, 125) != item.count)
    reject(*length, "{}: a {} takes {} registers", section.where(), section.as_text(type, "type"),
           item.count);
  if (item.address + item.count > 0x10000)
    reject(section.table(), "{}: reaches beyond the last register", section.where());
  if (item.type != Type::text) read_number(section, item);
  read_bits(section, item);
}

void MapReader::read_number(Section& section, Item& item) {
  const Node* order = section.find("order");
  if (!order && item.count > 1)
    reject(section.table(),
           "{}: a number of {} registers needs `order` (ABCD, BADC, CDAB or DCBA); there is no default",
           section.where(), item.count);
  if (order) {
    const auto known = order_named(section.as_text(*order, "order"));
    if (!known) reject(*order, "{}: `order` must be ABCD, BADC, CDAB or DCBA", section.where());
    item.order = *known;
  }
  item.scale = section.number("scale", 1);
  if (item.scale == 0) reject(*section.find("scale"), "{}: a scale of 0 loses every value", section.where());
  item.offset = section.number("offset", 0);
  const std::string unit = section.text("unit", "");
  const auto known = unit_named(unit);
  if (!known)
    reject(*section.find("unit"),
           "{}: the unit \"{}\" does not convert; known are MPa, kPa, bar, mbar, Pa, psi, N, kN, kgf, each "
           "also per s, ms or min, and s, ms, min",
           section.where(), unit);
  item.unit = *known;
  for (const Node* node : section.list("sentinels"))
    item.sentinels.push_back(
        static_cast<std::uint64_t>(section.as_integer(*node, "sentinels", 0, INT64_MAX)));
  const auto range = section.list("range");
  if (!range.empty()) {
    if (range.size() != 2)
      reject(*section.find("range"), "{}: `range` is [lowest, highest]", section.where());
    item.range = {section.as_number(*range[0], "range"), section.as_number(*range[1], "range")};
    if (!(item.range->first < item.range->second))
      reject(*range[0], "{}: `range` is [lowest, highest]", section.where());
  }
  if (section.find("stale_ms")) item.stale = section.milliseconds("stale_ms", 0, 1, 600000);
}

void MapReader::read_bits(Section& section, Item& item) {
  auto bits = section.section("bits");
  if (!bits) return;
  const bool integer = item.type == Type::u16 || item.type == Type::u32 || item.type == Type::u64;
  if (!integer) reject(bits->table(), "{}: only u16, u32 and u64 have bits", section.where());
  for (const auto& [key, node] : bits->members()) {
    BitField field;
    if (is_table(node)) {
      Section one(node, fmt::format("{} bits {}", section.where(), key));
      one.need("first", "the lowest bit, from 0");
      field.first = static_cast<unsigned>(one.integer("first", 0, 0, 63));
      field.width = static_cast<unsigned>(one.integer("width", 1, 1, 64));
      if (auto values = one.section("values"))
        for (const auto& [name, value] : values->members())
          field.values.emplace(name, static_cast<std::uint64_t>(one.as_integer(value, name, 0, INT64_MAX)));
      one.done();
    } else {
      field.first = static_cast<unsigned>(section.as_integer(node, key, 0, 63));
    }
    if (field.first + field.width > 16u * item.count)
      reject(node, "{}: the bits \"{}\" lie beyond its {} bits", section.where(), key, 16 * item.count);
    item.bits.emplace(key, std::move(field));
  }
}

ItemIndex MapReader::item_named(const Node& at, std::string_view where, std::string_view name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) reject(at, "{}: there is no item \"{}\"", where, name);
  return found->second;
}

std::pair<ItemIndex, BitField> MapReader::bit_field(const Node& at, const std::string& where,
                                                    std::string_view text) const {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) reject(at, "{}: \"{}\" must be item.bits", where, text);
  const ItemIndex index = item_named(at, where, text.substr(0, dot));
  const auto& bits = map_.items[index].bits;
  const auto found = bits.find(text.substr(dot + 1));
  if (found == bits.end())
    reject(at, "{}: item \"{}\" has no bits \"{}\"", where, map_.items[index].name, text.substr(dot + 1));
  return {index, found->second};
}

// "status.broken", or "status.mode=vent" with a name from the field's values.
BitCondition MapReader::bit_condition(const Node& at, const std::string& where,
                                      const std::string& text) const {
  const auto equals = text.find('=');
  auto [item, field] = bit_field(at, where, std::string_view(text).substr(0, equals));
  BitCondition condition{text, item, field, 1};
  if (equals == std::string::npos) {
    if (field.width != 1)
      reject(at, "{}: \"{}\" has {} bits: say which value, as in {}=name", where, text, field.width, text);
    return condition;
  }
  const auto value = field.values.find(std::string_view(text).substr(equals + 1));
  if (value == field.values.end()) reject(at, "{}: \"{}\": the bits have no value of that name", where, text);
  condition.equals = value->second;
  return condition;
}

void MapReader::read_references(Section& section, ItemIndex index) {
  Item& item = map_.items[index];
  for (const Node* node : section.list("invalid_if"))
    item.invalid_if.push_back(bit_condition(*node, section.where(), section.as_text(*node, "invalid_if")));
  if (const Node* node = section.find("negative_if"))
    item.negative_if = bit_condition(*node, section.where(), section.as_text(*node, "negative_if"));
  if (auto scale = section.section("scale_from")) {
    const Node& bits = scale->need("bits", "item.bits that say the scale");
    auto [from, field] = bit_field(bits, section.where(), scale->as_text(bits, "bits"));
    ScaleFrom rule{from, field, {}};
    for (const Node* pair : scale->list("factors")) {
      const auto* both = std::get_if<Node::List>(&pair->data);
      if (!both || both->size() != 2)
        reject(*pair, "{}: `factors` is a list of [what the bits say, factor]", scale->where());
      const double factor = scale->as_number((*both)[1], "factors");
      if (factor == 0) reject(*pair, "{}: a factor of 0 loses every value", scale->where());
      rule.factors.emplace(static_cast<std::uint64_t>(scale->as_integer((*both)[0], "factors", 0, INT64_MAX)),
                           factor);
    }
    if (rule.factors.empty()) reject(scale->table(), "{}: `factors` is missing", scale->where());
    scale->done();
    item.scale_from = std::move(rule);
  }
  read_write_rules(section, index);
  for (const BitCondition& condition : item.invalid_if)
    require_same_block(index, condition.item, "says whether it is valid");
  if (item.negative_if) require_same_block(index, item.negative_if->item, "says its sign");
  if (item.scale_from) require_same_block(index, item.scale_from->item, "says its scale");
}

void MapReader::read_write_rules(Section& section, ItemIndex index) {
  auto write = section.section("write");
  if (!write) return;
  Item& item = map_.items[index];
  if (item.table == Table::input || item.table == Table::discrete)
    reject(write->table(), "{}: inputs cannot be written", section.where());
  if (item.type == Type::text || item.scale_from || item.negative_if)
    reject(write->table(),
           "{}: a text, or a number whose scale or sign the device decides, cannot be written",
           section.where());
  WriteRules rules;
  rules.min = write->need_number("min", "an item that can be written needs limits");
  rules.max = write->need_number("max", "an item that can be written needs limits");
  if (!(rules.min <= rules.max)) reject(write->table(), "{}: `min` is above `max`", write->where());
  rules.step = write->number("step", 0);
  if (rules.step < 0) reject(*write->find("step"), "{}: `step` must be positive", write->where());
  const std::string function = write->text("function", single_ ? "single" : "multiple");
  if (function != "single" && function != "multiple")
    reject(*write->find("function"), "{}: `function` must be \"single\" (FC06) or \"multiple\" (FC16)",
           write->where());
  rules.single = function == "single";
  if (rules.single && item.count > 1)
    reject(write->table(),
           "{}: FC06 writes one register and would tear a number of {}; use function = \"multiple\"",
           write->where(), item.count);
  rules.readback = index;
  if (const Node* node = write->find("readback")) {
    if (const auto* same = std::get_if<bool>(&node->data))
      rules.readback = *same ? std::optional(index) : std::nullopt;
    else
      rules.readback = item_named(*node, write->where(), write->as_text(*node, "readback"));
    if (rules.readback && map_.items[*rules.readback].type != item.type)
      reject(*node, "{}: `readback` has another type than what is written", write->where());
  }
  rules.tolerance = write->number("tolerance", 0);
  rules.only_on_change = write->flag("only_on_change", false);
  rules.min_interval = write->milliseconds("min_interval_ms", 0, 0, 3600e3);
  write->done();
  item.write = rules;
  for (const double limit : {rules.min, rules.max})
    if (const auto words = words_for(map_, index, limit); !words)
      reject(write->table(), "{}: the limit {:g} cannot be written: {}", write->where(), limit,
             words.error().what);
}

void MapReader::check_overlap() const {
  for (ItemIndex a = 0; a < map_.items.size(); ++a) {
    const Item& one = map_.items[a];
    for (ItemIndex b = a + 1; b < map_.items.size(); ++b) {
      const Item& other = map_.items[b];
      if (one.table == other.table && one.address < other.address + other.count &&
          other.address < one.address + one.count)
        reject(node_of(b), "item \"{}\" overlaps item \"{}\" at {}", other.name, one.name,
               std::max(one.printed, other.printed));
    }
    for (const Block& block : map_.blocks) {
      const bool touches = block.table == one.table && one.address < block.address + block.count &&
                           block.address < one.address + one.count;
      if (touches && (one.address < block.address || one.address + one.count > block.address + block.count))
        reject(node_of(a), "item \"{}\" is torn by the end of block \"{}\"", one.name, block.name);
    }
  }
}

void MapReader::require_same_block(ItemIndex dependent, ItemIndex on, std::string_view why) const {
  const auto one = map_.block_of(dependent), other = map_.block_of(on);
  if (!one || one != other)
    reject(node_of(dependent),
           "item \"{}\" and item \"{}\", which {}, must lie in one block, so that they are read together",
           map_.items[dependent].name, map_.items[on].name, why);
}

Result<RegisterMap> read_register_map(std::string_view text, const std::string& file) {
  const auto tree = document::parse_toml(text, file);
  if (!tree) return fail(tree.error());
  try {
    return MapReader(*tree).read();
  } catch (const Rejected& rejected) {
    return fail(Fault::Kind::input, fmt::format("{}:{}: {}", file, rejected.line, rejected.sentence));
  }
}

}  // namespace cambench::wire::modbus
