#include "drivers/wire/register_map.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "drivers/register_maps.h"

using namespace cambench;
using namespace cambench::wire::modbus;

namespace {

// A press of few lines: a force in tenths of newton at 40008, its sign in the status, its set point at 40020.
constexpr std::string_view small = R"([device]
name = "small"
base = 40001
max_registers = 32
[[block]]
name = "poll"
first = 40007
count = 8
[item.status]
address = 40007
type = "u16"
bits = { broken = 0, negative = 7, mode = { first = 4, width = 2, values = { run = 1, hold = 2 } } }
[item.force]
address = 40008
type = "u32"
order = "ABCD"
unit = "N"
scale = 0.1
range = [-50, 33000]
stale_ms = 1000
invalid_if = ["status.broken"]
negative_if = "status.negative"
[item.counter]
address = 40010
type = "u16"
[item.target]
address = 40020
type = "u32"
order = "ABCD"
unit = "N"
scale = 0.1
write = { min = 0, max = 32000, step = 10 }
[item.command]
address = 40022
type = "u16"
write = { min = 0, max = 3 }
[press]
pressure = "force"
target = "target"
counter = "counter"
area_mm2 = 78.54
[ramp]
by = "host"
rate_MPa_per_s = 1
max_MPa_per_s = 5
[action.hold]
write = [{ item = "command", value = 2 }]
[action.vent]
write = [{ item = "command", value = 3 }]
)";

RegisterMap small_map() {
  auto map = read_register_map(small, "small.toml");
  REQUIRE_MESSAGE(map, map.error().what);
  return *map;
}

ItemIndex index_of(const RegisterMap& map, std::string_view name) {
  for (ItemIndex i = 0; i < map.items.size(); ++i)
    if (map.items[i].name == name) return i;
  FAIL("no such item");
  return 0;
}

/// What is said when `from` is replaced by `to`.
std::string refusal(std::string_view from, std::string_view to) {
  std::string text(small);
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  const auto map = read_register_map(text, "small.toml");
  return map ? "accepted" : map.error().what;
}

Result<double> force(const RegisterMap& map, const Words& poll) {
  return value_of(map, map.pressure, map.blocks[map.poll], poll);
}

}  // namespace

TEST_CASE("addresses are resolved against the base of the manual") {
  const RegisterMap map = small_map();
  CHECK(map.items[map.pressure].address == 7);  // Laumas: "number minus 40001"
  CHECK(map.items[map.pressure].printed == 40008);
  CHECK(map.blocks[map.poll].address == 6);
  CHECK(describe(map).find("0x0007") != std::string::npos);
}

// 10 mm pellet: 78.54 mm2, 50 MPa are 3927 N.
TEST_CASE("a force over the pellet's area is a pressure, and back") {
  const RegisterMap map = small_map();
  CHECK(map.to_pressure(map.pressure, 3927).value() == doctest::Approx(50));
  CHECK(map.from_pressure(map.pressure, MegaPascal(374)) == doctest::Approx(29374).epsilon(1e-4));
  const RegisterMap larger = with_area(map, 113.1).value();
  CHECK(larger.to_pressure(map.pressure, 5655).value() == doctest::Approx(50));
  CHECK_FALSE(with_area(map, 0));
}

TEST_CASE("scale and sign bit make the number, the status bit and the range make it invalid") {
  const RegisterMap map = small_map();
  CHECK(force(map, {0x0000, 0x0000, 0x9966, 0, 0, 0, 0, 0}).value() == doctest::Approx(3927.0));
  CHECK(force(map, {0x0080, 0x0000, 0x0064, 0, 0, 0, 0, 0}).value() == doctest::Approx(-10.0));
  const auto broken = force(map, {0x0001, 0x0000, 0x9966, 0, 0, 0, 0, 0});
  REQUIRE_FALSE(broken);
  CHECK(broken.error().kind == Fault::Kind::bad_value);
  CHECK(broken.error().what == "force: the device says status.broken");
  CHECK(force(map, {0x0000, 0x0006, 0x0000, 0, 0, 0, 0, 0}).error().what ==
        "force: 39321.6 N is outside -50..33000");
  CHECK(force(map, {0x0000, 0x0000}).error().kind == Fault::Kind::protocol);
}

TEST_CASE("what is written is limited, rounded to the device's step and scaled") {
  const RegisterMap map = small_map();
  CHECK(words_for(map, *map.target, 3927).value() == Words{0x0000, 39300});
  CHECK(words_for(map, *map.target, 32001).error().kind == Fault::Kind::refused);
  CHECK(words_for(map, *map.target, -0.1).error().kind == Fault::Kind::refused);
  CHECK(words_for(map, map.pressure, 1).error().what == "force cannot be written");
}

TEST_CASE("a bit field is compared by its own bits") {
  const RegisterMap map = small_map();
  const ItemIndex status = index_of(map, "status");
  const Expectation held{status, map.items[status].bits.at("mode"), 2, Seconds(1), ""};
  CHECK(holds(map, held, map.blocks[0], Words{0x00A1, 0, 0, 0, 0, 0, 0, 0}).value());
  CHECK_FALSE(holds(map, held, map.blocks[0], Words{0x0011, 0, 0, 0, 0, 0, 0, 0}).value());
}

// One row a mistake: what is written instead, and what is said about it. The line is that of the mistake.
TEST_CASE("every inconsistency of a map is refused with file, line and what was expected") {
  struct Row {
    std::string_view from, to, sentence;
  };
  const Row rows[] = {
      {"base = 40001", "",
       "small.toml:1: [device]: `base` is missing (the manual's number of the register with "
       "PDU address 0: 0, 1 or 40001)"},
      {"base = 40001", "base = 40001\ncolour = \"red\"",
       "small.toml:4: [device]: unknown key `colour`; known are base, guard_time_ms, maker, max_registers, "
       "model, "
       "name, response_timeout_ms, source, transport, write"},
      {"base = 40001", "base = \"40001\"",
       "small.toml:3: [device]: `base` must be a whole number from 0 to 49999"},
      {"count = 8", "count = 33",
       "small.toml:8: block \"poll\": 33 registers, but the device gives at most 32 in one request"},
      {"address = 40007", "address = 7",
       "small.toml:10: item \"status\": `address` 7 lies below the base 40001 of "
       "this map"},
      {"type = \"u32\"\norder = \"ABCD\"", "type = \"u32\"",
       "small.toml:13: item \"force\": a number of 2 registers needs `order` (ABCD, BADC, CDAB or DCBA); "
       "there is "
       "no default"},
      {"order = \"ABCD\"", "order = \"big\"",
       "small.toml:16: item \"force\": `order` must be ABCD, BADC, CDAB or DCBA"},
      {"type = \"u16\"\nbits", "type = \"uint16\"\nbits",
       "small.toml:11: item \"status\": unknown type \"uint16\"; known are u16, i16, u32, i32, f32, u64, "
       "i64, f64, "
       "bit, string"},
      {"scale = 0.1", "registers = 3", "small.toml:18: item \"force\": a u32 takes 2 registers"},
      {"scale = 0.1", "scale = 0", "small.toml:18: item \"force\": a scale of 0 loses every value"},
      {"unit = \"N\"", "unit = \"lbf\"",
       "small.toml:17: item \"force\": the unit \"lbf\" does not convert; known are MPa, kPa, bar, mbar, Pa, "
       "psi, "
       "N, kN, kgf, each also per s, ms or min, and s, ms, min"},
      {"unit = \"N\"", "unit = \"s\"",
       "small.toml:13: item \"force\": the unit \"s\" is neither a pressure nor a force"},
      {"area_mm2 = 78.54", "",
       "small.toml:13: item \"force\" is a force: [press] needs `area_mm2` of the pellet to make it a "
       "pressure"},
      {"range = [-50, 33000]", "", "small.toml:13: item \"force\" interlocks: it needs a `range`"},
      {"range = [-50, 33000]", "range = [33000, -50]",
       "small.toml:19: item \"force\": `range` is [lowest, highest]"},
      {"stale_ms = 1000", "",
       "small.toml:13: item \"force\" interlocks: it needs `stale_ms`, the age at which it is no value any "
       "more"},
      {"count = 8", "count = 2", "small.toml:13: item \"force\" is torn by the end of block \"poll\""},
      {"address = 40010", "address = 40009",
       "small.toml:23: item \"counter\" overlaps item \"force\" at 40009"},
      {"address = 40010", "address = 40015",
       "small.toml:13: item \"force\" and item \"counter\", which counts its samples, must lie in one block, "
       "so "
       "that they are read together"},
      {"\"status.broken\"", "\"status.bent\"",
       "small.toml:21: item \"force\": item \"status\" has no bits \"bent\""},
      {"\"status.broken\"", "\"status.mode\"",
       "small.toml:21: item \"force\": \"status.mode\" has 2 bits: say which value, as in status.mode=name"},
      {"\"status.negative\"", "\"state.negative\"",
       "small.toml:22: item \"force\": there is no item \"state\""},
      {"broken = 0", "broken = 16",
       "small.toml:12: item \"status\": the bits \"broken\" lie beyond its 16 bits"},
      {"write = { min = 0, max = 32000, step = 10 }", "write = { max = 32000 }",
       "small.toml:32: item \"target\" write: `min` is missing (an item that can be written needs limits)"},
      {"write = { min = 0, max = 32000, step = 10 }", "write = { min = -1, max = 32000 }",
       "small.toml:32: item \"target\" write: the limit -1 cannot be written: target: -10 does not fit into "
       "0..4.29497e+09"},
      {"step = 10 }", "function = \"single\" }",
       "small.toml:32: item \"target\" write: FC06 writes one register and would tear a number of 2; use "
       "function "
       "= \"multiple\""},
      {"step = 10 }", "readback = false }",
       "small.toml:37: item \"target\" is the set point: it must be read back"},
      {"write = { min = 0, max = 32000, step = 10 }", "",
       "small.toml:26: item \"target\" is the set point: it needs `write` with its limits"},
      {"address = 40020", "address = 40020\ntable = \"input\"",
       "small.toml:33: item \"target\": inputs cannot be written"},
      {"pressure = \"force\"", "pressure = \"pressure\"",
       "small.toml:38: [press]: there is no item \"pressure\""},
      {"[ramp]\nby = \"host\"\nrate_MPa_per_s = 1\nmax_MPa_per_s = 5\n", "",
       "small.toml:1: the section [ramp] is missing: a set point is never jumped to"},
      {"rate_MPa_per_s = 1", "rate_MPa_per_s = 6",
       "small.toml:42: [ramp]: `rate_MPa_per_s` must lie between 0 and `max_MPa_per_s`"},
      {"by = \"host\"", "by = \"device\"\nrate = \"command\"",
       "small.toml:33: item \"command\": the unit \"\" is neither a pressure nor a force per time"},
      {"step = 10 }", "step = 10, min_interval_ms = 5000 }",
       "small.toml:42: [ramp]: `interval_ms` is shorter than `min_interval_ms` of item \"target\""},
      {"value = 2", "value = 4",
       "small.toml:47: [action.hold.write]: command: 4 is outside 0..3, which the map allows"},
      {"item = \"command\", value = 2", "item = \"status\", value = 2",
       "small.toml:47: [action.hold.write]: item \"status\" has no `write`"},
      {"item = \"command\", value = 2", "items = [\"target\", \"status\"], values = [0, 1]",
       "small.toml:47: [action.hold.write]: item \"status\" has no `write`"},
      {"item = \"command\", value = 2", "items = [\"command\", \"target\"], values = [0, 1]",
       "small.toml:47: [action.hold.write]: item \"target\" does not follow \"command\": one request writes "
       "neighbours, with FC16"},
      {"value = 2 }", "value = 2, pulse_ms = 0 }",
       "small.toml:47: [action.hold.write]: `pulse_ms` must lie between 1 and 10000 ms"},
      {"write = { min = 0, max = 3 }",
       "write = { min = 2, max = 3 }\n[item.other]\naddress = 40030\ntype = "
       "\"u16\"\nwrite = { min = 1, max = 2 }\n[action.run]\nwrite = [{ item = \"other\", value = 1, "
       "pulse_ms = 5 }]",
       "small.toml:42: [action.run.write]: a pulse ends with 0, which item \"other\" may not be"},
      {"value = 2 }", "value = 2, until = { item = \"status.ready\", equals = 1 } }",
       "small.toml:47: [action.hold.write.until]: item \"status\" has no bits \"ready\""},
      {"[action.vent]\nwrite = [{ item = \"command\", value = 3 }]\n", "",
       "small.toml:46: [action.vent] is missing: how the press releases"},
      {"count = 8", "count = 8\nperiod = 2",
       "small.toml:9: [block]: unknown key `period`; known are count, first, "
       "name, table"},
      {"[ramp]", "[watchdog]\naction = \"hold\"\n[ramp]",
       "small.toml:42: [watchdog]: says neither how it is armed, nor fed, nor verified"},
      {"[ramp]", "[!ramp]", "small.toml:42: this is not TOML: expected a name in the brackets"},
      {"name = \"small\"", "name = small",
       "small.toml:2:8: this is not TOML: Error while parsing value: could not determine value type"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.from);
    CAPTURE(row.to);
    CHECK(refusal(row.from, row.to) == row.sentence);
  }
}

TEST_CASE("a set point that is polled with the same length as the pressure is refused on a serial line") {
  std::string text(small);
  text.replace(text.find("count = 8"), 9, "count = 2");
  text.replace(text.find("first = 40007"), 13, "first = 40008");
  for (const std::string_view line : {"invalid_if = [\"status.broken\"]\n",
                                      "negative_if = \"status.negative\"\n", "counter = \"counter\"\n"})
    text.erase(text.find(line), line.size());
  const auto map = read_register_map(text, "small.toml");
  REQUIRE_FALSE(map);
  CHECK(map.error().what.find("a late reply on a serial line could be taken for the other") !=
        std::string::npos);
  text.replace(text.find("base"), 4,
               "transport = [\"tcp\"]\nbase");  // there a transaction number tells them apart
  CHECK(read_register_map(text, "small.toml"));
}

TEST_CASE("a map with random damage is a map or a sentence that begins with the file's name") {
  std::mt19937 random(11);
  int maps = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text(small);
    for (unsigned damage = 0; damage <= random() % 3; ++damage) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random() % 128); break;
        case 1: text.erase(at, random() % 20); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 20));
      }
    }
    const auto map = read_register_map(text, "small.toml");
    if (map)
      ++maps;
    else
      CHECK(map.error().what.starts_with("small.toml:"));
  }
  CHECK(maps > 0);
}

TEST_CASE("every built-in map can be used") {
  int maps = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CAMBENCH_SOURCE "/drivers/maps")) {
    if (entry.path().extension() != ".toml") continue;
    const auto map = find_register_map(entry.path().stem());
    CHECK_MESSAGE(map, (map ? "" : map.error().what));
    ++maps;
  }
  CHECK(maps >= 6);
  const auto unknown = find_register_map("no-such-press");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == Fault::Kind::input);
}

// Laumas: magnitude, sign bit 7, scale from 40014; 3927.0 N with division 0.1 comes as 39270.
TEST_CASE(
    "the Laumas map takes sign and scale from the device, and a division it does not know is no value") {
  const RegisterMap map = find_register_map("laumas-tlb").value();
  Words weight{0, 0, 39270, 0, 0, 0, 0, 0x0409};
  const Block& poll = map.blocks[map.poll];
  CHECK(value_of(map, map.pressure, poll, weight).value() == doctest::Approx(3927));
  CHECK(map.to_pressure(map.pressure, 3927).value() == doctest::Approx(50));
  weight[0] = 0x80;
  CHECK(value_of(map, map.pressure, poll, Words{0x80, 0, 100, 0, 0, 0, 0, 0x0409}).value() ==
        doctest::Approx(-10));
  weight[7] = 0x0408;
  CHECK(value_of(map, map.pressure, poll, weight).error().kind == Fault::Kind::bad_value);
  weight = {0x08, 0, 39270, 0, 0, 0, 0, 0x0409};
  CHECK(value_of(map, map.pressure, poll, weight).error().what ==
        "gross: the device says status.over_110_percent");
}

// Alicat: manual number 1203 is PDU 1202; an 80 mm piston on a 10 mm pellet multiplies the gas pressure by 64.
TEST_CASE("the Alicat map subtracts one from the manual's numbers and multiplies by piston over pellet") {
  const RegisterMap map = find_register_map("alicat-pc").value();
  CHECK(map.items[map.pressure].address == 1202);
  CHECK(map.items[*map.target].address == 1009);
  CHECK(map.to_pressure(map.pressure, 7.8125).value() == doctest::Approx(50).epsilon(1e-3));
}

// Watlow: 75.0 is 0000 4296. Pixsys: tenths in 16 bits, 0x8000 stands for a broken sensor.
TEST_CASE("word order and sentinels of the other maps are those of their manuals") {
  const RegisterMap watlow = find_register_map("watlow-pm").value();
  CHECK(words_for(watlow, *watlow.target, 75).value() == Words{0x0000, 0x4296});
  const RegisterMap pixsys = find_register_map("pixsys-atr243").value();
  CHECK(words_for(pixsys, *pixsys.target, 37.46).value() == Words{375});
  CHECK(value_of(pixsys, pixsys.pressure, pixsys.blocks[pixsys.poll], Words{500, 500}).value() ==
        doctest::Approx(50));
  CHECK(value_of(pixsys, pixsys.pressure, pixsys.blocks[pixsys.poll], Words{0x8000, 500}).error().what ==
        "process: 8000 stands for no value");
}
