// What a press says and understands over Modbus, as data: one TOML file a device (drivers/maps/*.toml), written
// from its manual, with the numbers printed there. A map is checked as a whole when it is read: what could be
// misread later (a 32-bit number without word order, a set point without limits, a pressure that nobody knows the
// age of) is refused then, with file and line.
//
// Everything here is a value or a pure function; nothing talks to a device. Manual values are in the item's unit,
// MegaPascal is the pressure on the pellet.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/wire/modbus_pdu.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::wire::modbus {

using ItemIndex = std::size_t;  ///< into RegisterMap::items

/// What an item's numbers mean: `factor` brings them to MPa, N, s, MPa/s or N/s.
struct Unit {
  enum class Kind { none, pressure, force, time, pressure_rate, force_rate } kind = Kind::none;
  double factor = 1.0;
  std::string text;
};

/// Some bits of an integer item, with names for their values where the manual has some.
struct BitField {
  unsigned first = 0, width = 1;
  std::map<std::string, std::uint64_t, std::less<>> values;
};

/// "these bits of that item are `equals`" ("status.broken"), or for a negated one, "are anything else".
struct BitCondition {
  std::string text;  ///< as written in the map
  ItemIndex item = 0;
  BitField field;
  std::uint64_t equals = 1;
};

/// A factor that the device keeps in a register: one that is not listed is a bad value.
struct ScaleFrom {
  ItemIndex item = 0;
  BitField field;
  std::map<std::uint64_t, double> factors;
};

struct WriteRules {
  double min = 0, max = 0;            ///< allowed values, in the item's unit
  double step = 0;                    ///< the device's own resolution: values are rounded to it; 0 for none
  bool single = false;                ///< FC06 instead of FC16
  std::optional<ItemIndex> readback;  ///< where it can be read back; empty for what reads as something else
  double tolerance = 0;               ///< allowed difference of the read-back; 0 compares the raw words
  bool only_on_change = false;        ///< spares an EEPROM: never written twice with the same words
  Seconds min_interval{0};            ///< likewise: not more often than this, except to make safe
};

struct Item {
  std::string name;
  Table table = Table::holding;
  std::uint16_t printed = 0;  ///< the number in the manual
  std::uint16_t address = 0;  ///< on the wire
  Type type = Type::u16;
  Order order = Order::abcd;
  std::uint16_t count = 1;  ///< registers
  double scale = 1, offset = 0;
  Unit unit;
  std::optional<ScaleFrom> scale_from;
  std::optional<BitCondition> negative_if;  ///< the wire has a magnitude only
  std::vector<BitCondition> invalid_if;
  std::vector<std::uint64_t> sentinels;  ///< raw words that mean "no value"
  std::optional<std::pair<double, double>> range;
  std::optional<Seconds> stale;  ///< older than this it is not a value any more
  std::map<std::string, BitField, std::less<>> bits;
  std::optional<WriteRules> write;
};

/// Registers that come from one request, so that they belong together.
struct Block {
  std::string name;
  Table table = Table::holding;
  std::uint16_t address = 0, count = 0;
};

/// What a register has to say for something to be believed.
struct Expectation {
  ItemIndex item = 0;
  std::optional<BitField> field;  ///< empty: the whole number
  double equals = 0;
  Seconds within{0};
  std::string why;
};

/// One write request: neighbouring items and what to put there.
struct WriteStep {
  std::vector<ItemIndex> items;
  std::vector<double> values;                   ///< empty: the pressure of now, into the one item
  std::optional<std::vector<double>> readback;  ///< when the device answers something else than was written
  std::optional<Seconds> pulse;                 ///< after so long 0 is written there again
  std::optional<Expectation> until;  ///< a handshake: what the device says before anything else is written
};

struct Action {
  std::vector<WriteStep> steps;
  std::optional<Expectation> confirm;
};

/// How the set point gets to its target; always limited.
struct Ramp {
  std::optional<ItemIndex> rate;  ///< the device ramps with this rate; empty: the host walks
  double rate_MPa_per_s = 0, max_MPa_per_s = 0;
  Seconds interval{1};  ///< host ramp: between two set points
};

struct Watchdog {
  std::string action;  ///< what the device does by itself: "hold", "vent" or "zero"
  std::vector<WriteStep> arm;
  std::optional<ItemIndex> feed;         ///< empty: every request feeds
  std::vector<std::uint16_t> feed_with;  ///< written in turn: some take a repetition for a host that hangs
  std::optional<Expectation> verify;     ///< what it says while it is armed
  std::vector<WriteStep> reset;
  std::vector<WriteStep> disarm;  ///< after a vent, which its hold would end; empty: it is fed until then
};

struct RegisterMap {
  std::string name, maker, model;
  bool tcp = true, rtu = true;
  std::uint16_t max_registers = 125;
  Seconds response_timeout{0.5}, guard_time{1};
  std::vector<Block> blocks;
  std::vector<Item> items;

  ItemIndex pressure = 0;
  std::size_t poll = 0;              ///< the block with the pressure and all it depends on
  std::optional<ItemIndex> target;   ///< empty: a gauge on a press that is set by hand
  std::optional<ItemIndex> working;  ///< where the device's own ramp to the target is now
  std::optional<ItemIndex> counter, uptime, serial, firmware;
  double area_mm2 = 0;    ///< of the pellet, for a device that knows forces
  double piston_mm2 = 0;  ///< for a device that knows the pressure behind a piston
  unsigned frozen_after =
      0;  ///< this often the same raw pressure is a frozen sensor; 0 where noise is below resolution
  std::vector<Expectation> checks;  ///< identity and self-test

  std::optional<Ramp> ramp;
  std::optional<Watchdog> watchdog;
  std::optional<Action> run, hold, vent;

  [[nodiscard]] std::optional<std::size_t> block_of(ItemIndex item) const;
  [[nodiscard]] MegaPascal to_pressure(ItemIndex item, double value) const;
  [[nodiscard]] double from_pressure(ItemIndex item, MegaPascal on_pellet) const;
  /// The same for rates: MPa of the pellet a second.
  [[nodiscard]] double to_rate(ItemIndex item, double value) const;
  [[nodiscard]] double from_rate(ItemIndex item, double MPa_per_s) const;
};

/// Reads a map. `file` names it in the sentences: "press.toml:12: item \"target\": ...".
Result<RegisterMap> read_register_map(std::string_view text, const std::string& file);

/// The map with another pellet area than the file's, for devices that know forces.
Result<RegisterMap> with_area(RegisterMap map, double area_mm2);

/// A number out of the words of one block, with scale, sign, sentinels, status bits and range: anything that is
/// not to be believed is Fault::bad_value.
Result<double> value_of(const RegisterMap& map, ItemIndex item, const Block& block,
                        std::span<const std::uint16_t> words);
Result<std::string> text_of(const RegisterMap& map, ItemIndex item, const Block& block,
                            std::span<const std::uint16_t> words);
Result<bool> holds(const RegisterMap& map, const Expectation& expectation, const Block& block,
                   std::span<const std::uint16_t> words);

/// The words to write for a value in the item's unit: limits, step, scale. The fault says which limit.
Result<Words> words_for(const RegisterMap& map, ItemIndex item, double value);

/// A table of the map with resolved addresses, for people.
std::string describe(const RegisterMap& map);

}  // namespace cambench::wire::modbus
