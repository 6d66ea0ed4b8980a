// The reader of register maps: a tree of values that know their lines becomes a map, or one sentence about the first
// thing that is wrong with it. Not for other rooms.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drivers/wire/register_map.h"
#include "drivers/wire/register_map_section.h"

namespace cambench::wire::modbus {

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
  // ---- the device, its blocks and items: register_map_file.cpp
  void read_device();
  void read_blocks();
  void read_items();
  void read_item(Section& section, ItemIndex index);
  void read_number(Section& section, Item& item);
  void read_bits(Section& section, Item& item);
  void read_references(Section& section, ItemIndex index);
  void read_write_rules(Section& section, ItemIndex index);
  void check_overlap() const;
  std::uint16_t address_of(Section& section, std::string_view key, std::uint16_t& printed);
  Table table_of(Section& section);
  const Node& node_of(ItemIndex item) const { return *item_nodes_[item]; }
  ItemIndex item_named(const Node& at, std::string_view where, std::string_view name) const;
  BitCondition bit_condition(const Node& at, const std::string& where, const std::string& text) const;
  std::pair<ItemIndex, BitField> bit_field(const Node& at, const std::string& where,
                                           std::string_view text) const;
  void require_same_block(ItemIndex dependent, ItemIndex on, std::string_view why) const;

  // ---- what the press does with them: register_map_press.cpp
  void read_press();
  void check_pressure(const Node& at);
  void read_ramp();
  void read_watchdog();
  void read_actions();
  void check_requests() const;
  std::optional<ItemIndex> role(Section& section, std::string_view key);
  Expectation expectation(Section& section);
  WriteStep write_step(Section& section);
  Seconds pulse(Section& section, const WriteStep& step);
  std::vector<WriteStep> write_steps(Section& section, std::string_view key);
  std::optional<Action> action(Section& actions, std::string_view name);
  void require_pressure_unit(const Node& at, ItemIndex item, bool rate) const;

  Section file_;
  RegisterMap map_;
  std::int64_t base_ = 0;
  bool single_ = false;
  std::map<std::string, ItemIndex, std::less<>> names_;
  std::vector<const Node*> item_nodes_;
};

}  // namespace cambench::wire::modbus
