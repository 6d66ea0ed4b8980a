// Any text as a register map. What is refused says where; what is accepted can be printed and used: every item reads
// from any words of its block, and a value that may be written reads back within the item's resolution.
#include "drivers/wire/register_map.h"

#include <cmath>
#include <cstdint>

#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::wire::modbus;

namespace {

/// Words that depend on the input, so that a mutation reaches the readers too.
Words words_from(std::string_view text, std::size_t count) {
  Words words(count);
  for (std::size_t i = 0; i < count; ++i)
    words[i] = static_cast<std::uint16_t>((text.empty() ? 0 : text[i % text.size()]) * 257 + 40503 * (i % 7));
  return words;
}

void read_everything(const RegisterMap& map, std::string_view text) {
  for (const Block& block : map.blocks) {
    const Words words = words_from(text, block.count);
    for (ItemIndex item = 0; item < map.items.size(); ++item) {
      if (map.block_of(item) && &map.blocks[*map.block_of(item)] != &block) continue;
      const auto value = value_of(map, item, block, words);
      must(!value || std::isfinite(*value));
      const auto string = text_of(map, item, block, words);
      must(!string || map.items[item].type != Type::text || string->size() <= 2 * words.size());
    }
    for (const Expectation& check : map.checks)
      static_cast<void>(holds(map, check, block, words).has_value());
  }
}

void write_limits(const RegisterMap& map, ItemIndex item) {
  const auto& rules = *map.items[item].write;
  must(rules.min <= rules.max);
  for (const double value :
       {rules.min, rules.max, 0.5 * (rules.min + rules.max), double(NAN), HUGE_VAL, -HUGE_VAL}) {
    const auto words = words_for(map, item, value);
    if (words) must(std::isfinite(value) && words->size() == map.items[item].count);
  }
  must(!words_for(map, item, rules.max + std::abs(rules.max) + 1e6));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto map = read_register_map(text, "fuzz.toml");
  if (!map) {
    must(map.error().what.starts_with("fuzz.toml"));
    return 0;
  }
  must(!describe(*map).empty());
  read_everything(*map, text);
  for (ItemIndex item = 0; item < map->items.size(); ++item)
    if (map->items[item].write) write_limits(*map, item);
  must(with_area(*map, 78.54).has_value() || map->area_mm2 == 0);
  return 0;
}
