// The reader of register maps: a tree of values that know their lines becomes a map, or one sentence about the first
// thing that is wrong with it.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "drivers/wire/register_map.h"
#include "drivers/wire/register_map_section.h"

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

class MapReader {
 public:
  explicit MapReader(const Node& file) : file_(file, "") {}

  RegisterMap read() {
    read_device();
    read_blocks();
    read_items();
    read_press();
    for (Section& check : file_.sections("check")) map_.checks.push_back(expectation(check));
    read_ramp();
    read_watchdog();
    read_actions();
    file_.done();
    check_requests();
    return std::move(map_);
  }

 private:
  void read_device();
  void read_blocks();
  void read_items();
  void read_item(Section& section, ItemIndex index);
  void read_number(Section& section, Item& item);
  void read_bits(Section& section, Item& item);
  void read_references(Section& section, ItemIndex index);
  void read_write_rules(Section& section, ItemIndex index);
  void check_overlap() const;
  void read_press();
  void check_pressure(const Node& at);
  void read_ramp();
  void read_watchdog();
  void read_actions();
  void check_requests() const;

  std::uint16_t address_of(Section& section, std::string_view key, std::uint16_t& printed);
  Table table_of(Section& section);
  const Node& node_of(ItemIndex item) const { return *item_nodes_[item]; }
  ItemIndex item_named(const Node& at, std::string_view where, std::string_view name) const;
  std::optional<ItemIndex> role(Section& section, std::string_view key);
  BitCondition bit_condition(const Node& at, const std::string& where, const std::string& text) const;
  std::pair<ItemIndex, BitField> bit_field(const Node& at, const std::string& where,
                                           std::string_view text) const;
  Expectation expectation(Section& section);
  WriteStep write_step(Section& section);
  Seconds pulse(Section& section, const WriteStep& step);
  std::vector<WriteStep> write_steps(Section& section, std::string_view key);
  std::optional<Action> action(Section& actions, std::string_view name);
  void require_same_block(ItemIndex dependent, ItemIndex on, std::string_view why) const;
  void require_pressure_unit(const Node& at, ItemIndex item, bool rate) const;

  Section file_;
  RegisterMap map_;
  std::int64_t base_ = 0;
  bool single_ = false;
  std::map<std::string, ItemIndex, std::less<>> names_;
  std::vector<const Node*> item_nodes_;
};

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

void MapReader::require_pressure_unit(const Node& at, ItemIndex index, bool rate) const {
  const Item& item = map_.items[index];
  using Kind = Unit::Kind;
  const bool is_force = item.unit.kind == (rate ? Kind::force_rate : Kind::force);
  const bool is_pressure = item.unit.kind == (rate ? Kind::pressure_rate : Kind::pressure);
  if (!is_force && !is_pressure)
    reject(at, "item \"{}\": the unit \"{}\" is neither a pressure nor a force{}", item.name, item.unit.text,
           rate ? " per time" : "");
  if (is_force && map_.area_mm2 == 0)
    reject(at, "item \"{}\" is a force: [press] needs `area_mm2` of the pellet to make it a pressure",
           item.name);
}

std::optional<ItemIndex> MapReader::role(Section& section, std::string_view key) {
  const Node* node = section.find(key);
  if (!node) return std::nullopt;
  return item_named(*node, section.where(), section.as_text(*node, key));
}

void MapReader::read_press() {
  auto section = file_.section("press");
  if (!section) reject(file_.table(), "the section [press] is missing: it says which item is the pressure");
  section->need("pressure", "which item is the pressure");
  map_.pressure = *role(*section, "pressure");
  map_.target = role(*section, "target");
  map_.working = role(*section, "working");
  map_.counter = role(*section, "counter");
  map_.uptime = role(*section, "uptime");
  map_.serial = role(*section, "serial");
  map_.firmware = role(*section, "firmware");
  map_.area_mm2 = section->number("area_mm2", 0);
  map_.piston_mm2 = section->number("piston_mm2", 0);
  map_.frozen_after = static_cast<unsigned>(section->integer("frozen_after", 0, 0, 1000));
  if (map_.area_mm2 < 0 || map_.piston_mm2 < 0) reject(section->table(), "[press]: an area must be positive");
  if (map_.piston_mm2 > 0 && map_.area_mm2 == 0)
    reject(section->table(), "[press]: `piston_mm2` needs `area_mm2` of the pellet beside it");
  section->done();
  check_pressure(section->table());
}

void MapReader::check_pressure(const Node& at) {
  const Item& pressure = map_.items[map_.pressure];
  const Node& node = node_of(map_.pressure);
  require_pressure_unit(node, map_.pressure, false);
  if (!pressure.range) reject(node, "item \"{}\" interlocks: it needs a `range`", pressure.name);
  if (!pressure.stale)
    reject(node, "item \"{}\" interlocks: it needs `stale_ms`, the age at which it is no value any more",
           pressure.name);
  const auto block = map_.block_of(map_.pressure);
  if (!block) reject(node, "item \"{}\" interlocks: it must lie in a block that is polled", pressure.name);
  map_.poll = *block;
  for (const auto& [item, what] :
       {std::pair(map_.counter, "counts its samples"), std::pair(map_.uptime, "tells a restart")}) {
    if (!item) continue;
    require_same_block(map_.pressure, *item, what);
    const Type type = map_.items[*item].type;
    if (type != Type::u16 && type != Type::u32)
      reject(node_of(*item), "item \"{}\" {}: it must be u16 or u32", map_.items[*item].name, what);
  }
  if (!map_.target) return;
  require_pressure_unit(node_of(*map_.target), *map_.target, false);
  if (!map_.items[*map_.target].write)
    reject(node_of(*map_.target), "item \"{}\" is the set point: it needs `write` with its limits",
           map_.items[*map_.target].name);
  if (!map_.items[*map_.target].write->readback)
    reject(at, "item \"{}\" is the set point: it must be read back", map_.items[*map_.target].name);
}

Expectation MapReader::expectation(Section& section) {
  const Node& item = section.need("item", "item, or item.bits");
  const std::string name = section.as_text(item, "item");
  Expectation expected;
  if (name.find('.') != std::string::npos) {
    const auto [index, field] = bit_field(item, section.where(), name);
    expected.item = index;
    expected.field = field;
  } else {
    expected.item = item_named(item, section.where(), name);
    if (map_.items[expected.item].type == Type::text)
      reject(item, "{}: a text cannot be compared", section.where());
  }
  expected.equals = section.need_number("equals", "what it must be");
  expected.within = section.milliseconds("within_ms", 1000, 0, 60000);
  expected.why = section.text("why", "");
  section.done();
  return expected;
}

WriteStep MapReader::write_step(Section& section) {
  WriteStep step;
  std::vector<const Node*> names = section.list("items"), values = section.list("values");
  const bool companions = !names.empty();
  if (companions && section.find("item"))
    reject(section.table(), "{}: either `item` or `items`", section.where());
  if (!companions) names = {&section.need("item", "what is written")};
  for (const Node* node : names) {
    const ItemIndex index = item_named(*node, section.where(), section.as_text(*node, "item"));
    const Item& item = map_.items[index];
    if (!item.write) reject(*node, "{}: item \"{}\" has no `write`", section.where(), item.name);
    if (!step.items.empty()) {
      const Item& before = map_.items[step.items.back()];
      if (before.table != item.table || before.address + before.count != item.address || item.write->single)
        reject(*node, "{}: item \"{}\" does not follow \"{}\": one request writes neighbours, with FC16",
               section.where(), item.name, before.name);
    }
    step.items.push_back(index);
  }
  if (!companions) values = {&section.need("value", "a number, or \"pressure\" for the pressure of now")};
  if (auto until = section.section("until")) step.until = expectation(*until);
  if (!companions && std::holds_alternative<std::string>(values[0]->data)) {
    if (section.as_text(*values[0], "value") != "pressure" || step.items[0] != map_.target)
      reject(*values[0], "{}: `value` is a number, or for the set point \"pressure\", the pressure of now",
             section.where());
    section.done();
    return step;
  }
  if (section.find("pulse_ms")) step.pulse = pulse(section, step);
  if (values.size() != step.items.size())
    reject(section.table(), "{}: `values` needs one number for each of `items`", section.where());
  for (std::size_t i = 0; i < values.size(); ++i) {
    step.values.push_back(section.as_number(*values[i], "values"));
    if (const auto words = words_for(map_, step.items[i], step.values[i]); !words)
      reject(*values[i], "{}: {}", section.where(), words.error().what);
  }
  if (section.find("readback")) {
    step.readback.emplace();
    for (const Node* node : section.list("readback"))
      step.readback->push_back(section.as_number(*node, "readback"));
    if (step.readback->size() != step.items.size())
      reject(*section.find("readback"), "{}: `readback` needs one number for each item", section.where());
    for (std::size_t i = 0; i < step.items.size(); ++i)
      if (const auto words =
              encode((*step.readback)[i], map_.items[step.items[i]].type, map_.items[step.items[i]].order);
          !words)
        reject(*section.find("readback"), "{}: {}", section.where(), words.error().what);
  }
  section.done();
  return step;
}

/// How long the value stands before 0 is written again: a bit that a device takes as an edge.
Seconds MapReader::pulse(Section& section, const WriteStep& step) {
  const Node& node = *section.find("pulse_ms");
  for (const ItemIndex index : step.items) {
    if (!words_for(map_, index, 0))
      reject(node, "{}: a pulse ends with 0, which item \"{}\" may not be", section.where(),
             map_.items[index].name);
    if (map_.items[index].write->only_on_change)
      reject(node, "{}: item \"{}\" is spared (`only_on_change`) and cannot be pulsed", section.where(),
             map_.items[index].name);
  }
  return section.milliseconds("pulse_ms", 0, 1, 10000);
}

std::vector<WriteStep> MapReader::write_steps(Section& section, std::string_view key) {
  std::vector<WriteStep> steps;
  for (Section& step : section.sections(key)) steps.push_back(write_step(step));
  return steps;
}

void MapReader::read_ramp() {
  auto section = file_.section("ramp");
  if (!map_.target) {
    if (section) reject(section->table(), "[ramp]: there is no set point to ramp");
    return;
  }
  if (!section) reject(file_.table(), "the section [ramp] is missing: a set point is never jumped to");
  Ramp ramp;
  const Node& by = section->need("by", "\"device\" or \"host\"");
  const std::string who = section->as_text(by, "by");
  if (who != "device" && who != "host") reject(by, "[ramp]: `by` must be \"device\" or \"host\"");
  ramp.rate_MPa_per_s = section->need_number("rate_MPa_per_s", "how fast the pellet is pressed");
  ramp.max_MPa_per_s = section->need_number("max_MPa_per_s", "what the press may never exceed");
  if (!(ramp.rate_MPa_per_s > 0 && ramp.rate_MPa_per_s <= ramp.max_MPa_per_s))
    reject(section->table(), "[ramp]: `rate_MPa_per_s` must lie between 0 and `max_MPa_per_s`");
  if (who == "device") {
    const Node& node = section->need("rate", "the item that holds the device's rate");
    ramp.rate = item_named(node, "[ramp]", section->as_text(node, "rate"));
    require_pressure_unit(node_of(*ramp.rate), *ramp.rate, true);
    for (const double rate : {ramp.rate_MPa_per_s, ramp.max_MPa_per_s})
      if (const auto words = words_for(map_, *ramp.rate, map_.from_rate(*ramp.rate, rate)); !words)
        reject(node, "[ramp]: {:g} MPa/s cannot be set: {}", rate, words.error().what);
  } else {
    ramp.interval = section->milliseconds("interval_ms", 1000, 10, 600000);
    if (ramp.interval < map_.items[*map_.target].write->min_interval)
      reject(section->table(), "[ramp]: `interval_ms` is shorter than `min_interval_ms` of item \"{}\"",
             map_.items[*map_.target].name);
  }
  section->done();
  map_.ramp = ramp;
}

void MapReader::read_watchdog() {
  auto section = file_.section("watchdog");
  if (!section) return;
  Watchdog watchdog;
  const Node& action = section->need("action", "what the device does by itself: hold, vent or zero");
  watchdog.action = section->as_text(action, "action");
  if (watchdog.action != "hold" && watchdog.action != "vent" && watchdog.action != "zero")
    reject(action, "[watchdog]: `action` must be \"hold\", \"vent\" or \"zero\"");
  watchdog.arm = write_steps(*section, "arm");
  watchdog.reset = write_steps(*section, "reset");
  if (auto feed = section->section("feed")) {
    const Node& node = feed->need("item", "what is written to feed it");
    watchdog.feed = item_named(node, feed->where(), feed->as_text(node, "item"));
    if (!map_.items[*watchdog.feed].write)
      reject(node, "{}: item \"{}\" has no `write`", feed->where(), map_.items[*watchdog.feed].name);
    for (const Node* value : feed->list("values"))
      watchdog.feed_with.push_back(static_cast<std::uint16_t>(feed->as_integer(*value, "values", 0, 0xffff)));
    if (watchdog.feed_with.empty() || map_.items[*watchdog.feed].count != 1)
      reject(feed->table(), "{}: needs a 16-bit item and `values` to write to it in turn", feed->where());
    feed->done();
  }
  if (auto verify = section->section("verify")) watchdog.verify = expectation(*verify);
  if (!watchdog.feed && watchdog.arm.empty() && !watchdog.verify)
    reject(section->table(), "[watchdog]: says neither how it is armed, nor fed, nor verified");
  section->done();
  map_.watchdog = std::move(watchdog);
}

std::optional<Action> MapReader::action(Section& actions, std::string_view name) {
  auto section = actions.section(name);
  if (!section) return std::nullopt;
  Action action;
  action.steps = write_steps(*section, "write");
  if (action.steps.empty())
    reject(section->table(), "{}: `write` is missing: what is written to {}", section->where(), name);
  if (auto confirm = section->section("confirm")) action.confirm = expectation(*confirm);
  section->done();
  return action;
}

void MapReader::read_actions() {
  auto actions = file_.section("action");
  if (actions) {
    map_.run = action(*actions, "run");
    map_.hold = action(*actions, "hold");
    map_.vent = action(*actions, "vent");
    actions->done();
  }
  if (!map_.target) return;
  const Node& at = actions ? actions->table() : file_.table();
  if (!map_.hold) reject(at, "[action.hold] is missing: how the press keeps the pressure it has");
  if (!map_.vent) reject(at, "[action.vent] is missing: how the press releases");
}

// On a serial line a late reply can only be told by function and length: what is polled must differ in them.
void MapReader::check_requests() const {
  if (!map_.rtu || !map_.target || map_.block_of(*map_.target) == map_.poll) return;
  const Item& target = map_.items[*map_.target];
  const Block& poll = map_.blocks[map_.poll];
  const auto block = map_.block_of(*map_.target);
  const auto count = block ? map_.blocks[*block].count : target.count;
  if (target.table == poll.table && count == poll.count)
    reject(node_of(*map_.target),
           "the pressure and the set point are both read as {} registers: a late reply on a serial line "
           "could be taken for the other; read one of them with another count",
           count);
}

}  // namespace

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
