// Register maps from their files: which items are the press's pressure and set point, how it ramps, what its watchdog
// does, and which writes make an action.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "drivers/wire/register_map_reader.h"

namespace cambench::wire::modbus {

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
  watchdog.disarm = write_steps(*section, "disarm");
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

}  // namespace cambench::wire::modbus
