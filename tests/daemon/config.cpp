#include "daemon/config.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

using namespace cambench;

namespace {

const std::string instruments = R"(
[[station]]
name = "A1"
  [station.potentiostat]
  driver = "methodscript"
  port = "tcp://127.0.0.1:49152"
  serial = "ES4HR20B0001"
  simulated = true
  [station.press]
  driver = "modbus"
  port = "tcp://127.0.0.1:1502"
  unit = 1
  map = "maps/press.toml"
  simulated = true
)";

const std::string materials = R"(
[[material]]
id = "ncm-uncoated"
name = "NCM uncoated"
reference = true
[[material]]
id = "ncm-linbo3"
coating = "LiNbO3"
amount_wt_percent = 1.0
)";

const std::string cells = R"(
[[cell]]
id = "R-uncoated"
material = "ncm-uncoated"
electrodes = 3
composite_mg = 12.0
cam_fraction = 0.67
area_cm2 = 0.7854
q_1C_mAh_g = 200.0
reference_vs_li_V = 0.31
reference_note = "lithiated gold, assumed"
)";

const std::string head = R"(
[bench]
name = "demo bench"
time_scale = 5000
[store]
path = "state/cambench.sqlite"
[http]
listen = "127.0.0.1:8870"
control = "state/control.sock"
[log]
level = "info"
file = "state/cambench.log"
[drop]
path = "drop"
settle_s = 2.0
poll_s = 2.0
results = "state/results"
)";

const std::string study = R"(
[[study]]
id = "coatings"
title = "Coatings for NCM"
materials = ["ncm-uncoated", "ncm-linbo3"]
cells = ["R-uncoated"]
)";

/// A folder with a register map, as a configuration may name one.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / "cambench-config-test";
  Folder() {
    std::filesystem::create_directories(path / "maps");
    std::filesystem::copy_file(CAMBENCH_SOURCE "/drivers/maps/generic-press.toml", path / "maps/press.toml",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream(path / "maps/broken.toml") << "[device]\nname = \"broken\"\nbase = -1\n";
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

config::Bench parse(const std::string& text) {
  const Folder folder;
  return config::parse(text, folder.path / "bench.toml");
}

std::string refusal(const std::string& text) {
  try {
    parse(text);
  } catch (const config::Refused& refused) {
    return refused.what();
  }
  return "accepted";
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

std::string with(std::string text, std::string_view what, std::string_view instead) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), instead);
}

const std::string good = head + instruments + materials + cells + study;

}  // namespace

TEST_CASE("a whole configuration comes out typed, with its paths beside the file") {
  const auto bench = parse(good);
  CHECK(bench.name == "demo bench");
  CHECK(bench.time_scale == 5000);
  CHECK(bench.mains_Hz == 50);
  CHECK(bench.store.filename() == "cambench.sqlite");
  CHECK(bench.store.parent_path().filename() == "state");
  CHECK(bench.store.is_absolute());
  CHECK(bench.http.host == "127.0.0.1");
  CHECK(bench.http.port == 8870);
  CHECK(bench.drop->settle == Seconds(2));
  REQUIRE(bench.stations.size() == 1);
  CHECK(bench.stations[0].potentiostat->port.tcp == 49152);
  CHECK(bench.stations[0].potentiostat->serial == "ES4HR20B0001");
  CHECK(bench.stations[0].press->unit == 1);
  REQUIRE(bench.cell("R-uncoated") != nullptr);
  CHECK(one_C(*bench.cell("R-uncoated")).value() == doctest::Approx(1.608e-3));  // 12 mg x 67 % x 200 mA/g
  CHECK(bench.cell("R-uncoated")->reference->vs_li == Volt(0.31));
  CHECK(bench.material("ncm-uncoated")->reference);
  CHECK(bench.study("coatings")->materials.size() == 2);
  CHECK(bench.station("A2") == nullptr);
}

TEST_CASE("all mistakes are told at once, in the order of the file, with line and mend") {
  const auto told = refusal("[bench]\ntime_scael = 1\n[store]\npath = 7\n[[station]]\nname = \"A 1\"\n");
  CHECK(has(told, "bench.toml:2:14: bench.time_scael: unknown key; did you mean time_scale?"));
  CHECK(has(told, "bench.toml:4:8: store.path: expected a text in quotes, found 7"));
  CHECK(has(told, "bench.toml:6:8: station[1].name: expected 1 to 40 of a-z"));
  CHECK(has(told, "station[1]: no instrument: expected [station.potentiostat], [station.press] or both"));
  CHECK(told.find(":2:") < told.find(":4:"));
}

TEST_CASE("what is missing is named") {
  CHECK(has(refusal(""), "store is missing: expected [store] with the path of the database"));
  CHECK(has(refusal(""), "no [[station]]"));
  CHECK(has(refusal(with(good, "serial = \"ES4HR20B0001\"", "")),
            "serial is missing: expected the serial number"));
  CHECK(has(refusal(with(good, "composite_mg = 12.0", "")), "cell[1]: composite_mg is missing"));
  CHECK(has(refusal(with(good, "reference_note = \"lithiated gold, assumed\"", "")),
            "reference_note is missing"));
}

TEST_CASE("a text that is no TOML is told with its place") {
  CHECK(has(refusal("[bench\n"), "bench.toml:1:"));
  CHECK(has(refusal("[bench\n"), "this is not TOML"));
}

TEST_CASE("ids must exist, and the nearest one is suggested") {
  CHECK(has(refusal(with(good, "material = \"ncm-uncoated\"", "material = \"ncm-uncoatet\"")),
            "cell[1].material: there is no material \"ncm-uncoatet\"; did you mean \"ncm-uncoated\"?"));
  CHECK(has(refusal(with(good, "cells = [\"R-uncoated\"]", "cells = [\"R-uncoated\", \"R-7\"]")),
            "study[1].cells: there is no cell \"R-7\""));
  CHECK(has(refusal(with(good, "\"ncm-linbo3\"]", "\"zro2\"]")),
            "study[1].materials: there is no material \"zro2\""));
  CHECK(has(refusal(with(good, "[\"ncm-uncoated\", \"ncm-linbo3\"]", "[\"ncm-linbo3\"]")),
            "the cell \"R-uncoated\" is of ncm-uncoated, which is no material of this study"));
  CHECK(has(refusal(with(good, "id = \"ncm-linbo3\"", "id = \"ncm-uncoated\"")),
            "material[2].id: \"ncm-uncoated\" is given twice"));
  CHECK(has(refusal(with(good, "id = \"ncm-linbo3\"", "id = \"../evil\"")), "found \"../evil\""));
  CHECK(has(refusal(with(good, "id = \"ncm-linbo3\"", "id = \"..\"")), "found \"..\""));
}

TEST_CASE("a study has exactly one reference material") {
  CHECK(has(refusal(with(good, "reference = true", "reference = false")),
            "study[1].materials: exactly one material"));
  CHECK(has(refusal(with(good, "amount_wt_percent = 1.0", "reference = true")),
            "here are ncm-uncoated and ncm-linbo3"));
  CHECK(has(refusal(with(good, "reference = true", "reference = true\namount_wt_percent = 1")),
            "the reference is the uncoated material"));
}

TEST_CASE("no two instruments share a port or a serial number, but presses may share a bus") {
  const auto second = [](std::string_view port, std::string_view serial) {
    return fmt::format(
        "[[station]]\nname = \"A2\"\n[station.potentiostat]\ndriver = \"methodscript\"\nport = \"{}\"\n"
        "serial = \"{}\"\nsimulated = true\n",
        port, serial);
  };
  CHECK(has(refusal(good + second("tcp://127.0.0.1:49152", "X")),
            "station[2].potentiostat.port: the potentiostat of station A1 has this one already: "
            "tcp://127.0.0.1:49152"));
  CHECK(has(refusal(good + second("tcp://127.0.0.1:49153", "ES4HR20B0001")),
            "has this one already: serial number ES4HR20B0001"));
  const auto press = [](int unit) {
    return fmt::format(
        "[[station]]\nname = \"A2\"\n[station.press]\ndriver = \"modbus\"\nport = \"tcp://127.0.0.1:1502\"\n"
        "unit = {}\nmap = \"maps/press.toml\"\nsimulated = true\n",
        unit);
  };
  CHECK(has(refusal(good + press(1)),
            "the press of station A1 has this one already: tcp://127.0.0.1:1502 unit 1"));
  CHECK(parse(good + press(2)).stations.size() == 2);
}

TEST_CASE("a press may name its pellet's area and its serial number, each in its bounds and only once") {
  const auto press = [](std::string_view more) {
    return good + fmt::format(
                      "[[station]]\nname = \"A2\"\n[station.press]\ndriver = \"modbus\"\n"
                      "port = \"tcp://127.0.0.1:1502\"\nunit = 2\nmap = \"generic-press\"\n"
                      "simulated = true\n{}\n",
                      more);
  };
  const auto named = parse(press("area_mm2 = 78.54\nserial = \"HP-0107\"")).stations[1].press;
  CHECK(named->area_mm2 == 78.54);
  CHECK(named->serial == "HP-0107");
  CHECK_FALSE(parse(press("")).stations[1].press->area_mm2);
  CHECK(has(refusal(press("area_mm2 = 0")), "station[2].press.area_mm2"));
  CHECK(has(refusal(press("serial = \"ES4HR20B0001\"")), "has this one already: serial number ES4HR20B0001"));
}

TEST_CASE("a gauge is the second sensor of a press, at a place of its own") {
  const auto gauge = [](std::string_view more) {
    return good + fmt::format(
                      "[[station]]\nname = \"A2\"\n[station.press]\ndriver = \"modbus\"\n"
                      "port = \"tcp://127.0.0.1:1502\"\nunit = 2\nmap = \"generic-press\"\nsimulated = true\n"
                      "[station.gauge]\ndriver = \"modbus\"\nport = \"tcp://127.0.0.1:1502\"\nmap = "
                      "\"laumas-tlb\"\n{}\n",
                      more);
  };
  const auto read = parse(gauge("unit = 3\nsimulated = true\nneeded = true")).stations[1].gauge;
  REQUIRE(read);
  CHECK(read->map == "laumas-tlb");
  CHECK(read->needed);
  CHECK_FALSE(parse(gauge("unit = 3\nsimulated = true")).stations[1].gauge->needed);
  CHECK(has(refusal(gauge("unit = 2\nsimulated = true")), "the press of station A2 has this one already"));
  CHECK(has(refusal(gauge("unit = 3")), "station A2 has a real instrument"));
  CHECK(has(refusal(good +
                    "[[station]]\nname = \"A2\"\n[station.potentiostat]\ndriver = \"methodscript\"\n"
                    "port = \"tcp://127.0.0.1:49153\"\nserial = \"X\"\nsimulated = true\n[station.gauge]\n"
                    "driver = \"modbus\"\nport = \"tcp://127.0.0.1:1502\"\nunit = 3\nmap = \"laumas-tlb\"\n"),
            "this station has none"));
}

TEST_CASE("one serial device under two names is one device") {
  const Folder folder;
  std::ofstream(folder.path / "tty").put('\n');
  std::filesystem::create_symlink(folder.path / "tty", folder.path / "by-id");
  const auto station = [&](std::string_view name, std::string_view port) {
    return fmt::format(
        "[[station]]\nname = \"{0}\"\n[station.potentiostat]\ndriver = \"methodscript\"\nport = \"{1}\"\n"
        "serial = \"{0}\"\n",
        name, (folder.path / port).string());
  };
  const std::string text = "[store]\npath = \"s/c.sqlite\"\n" + station("A1", "tty") + station("A2", "by-id");
  CHECK_THROWS_WITH_AS(config::parse(text, folder.path / "bench.toml"),
                       doctest::Contains("the potentiostat of station A1"), config::Refused);
}

TEST_CASE("a port is a serial device or tcp://host:port") {
  for (const std::string_view wrong :
       {"127.0.0.1:1502", "tcp://127.0.0.1", "tcp://:1", "tcp://h:70000", "COM3", "tcp://h:0"})
    CHECK(
        has(refusal(with(good, "tcp://127.0.0.1:49152", wrong)), "station[1].potentiostat.port: expected "));
  CHECK(has(refusal(with(good, "unit = 1", "unit = 1\nbaud = 9600")), "belong to a serial port"));
  CHECK(
      has(refusal(with(good, "unit = 1", "unit = 300")), "expected a whole number from 1 to 247, found 300"));
}

TEST_CASE("a press stands where its line can reach it, at a rate that the line knows") {
  const std::string place = "tcp://127.0.0.1:1502";
  for (const char* wrong : {"tcp://press1.lab:502", "tcp://[::1]:502"}) {
    const auto said = refusal(with(good, place, wrong));
    CHECK_MESSAGE(has(said, "the address must be numeric"), said);
    CHECK_MESSAGE(has(said, "station[1].press.port"), said);
  }
  const auto said = refusal(with(good, place + "\"", "/dev/ttyUSB7\"\nbaud = 460800"));
  CHECK_MESSAGE(has(said, "460800 baud is not a usual rate: 1200, 2400, "), said);
  CHECK(refusal(with(good, place + "\"", "/dev/ttyUSB7\"\nbaud = 230400")) == "accepted");
}

TEST_CASE("a register map must exist, must be right, and must speak what its port speaks") {
  CHECK(has(refusal(with(good, "maps/press.toml", "maps/other.toml")), "maps/other.toml that can be read"));
  CHECK(has(refusal(with(good, "maps/press.toml", "nobodys-press")),
            "there is neither a built-in register map \"nobodys-press\""));
  CHECK(has(refusal(with(good, "maps/press.toml", "maps/broken.toml")),
            "maps/broken.toml:3: [device]: `base`"));
  CHECK(has(refusal(with(good, "maps/press.toml", "pixsys-atr243")), "does not speak Modbus"));
}

TEST_CASE("a recorded conversation lies beside the store, under the name of its station") {
  const auto recording = [](std::string_view value) {
    return with(good, "serial = \"ES4HR20B0001\"",
                fmt::format("serial = \"ES4HR20B0001\"\n  record = {}", value));
  };
  CHECK(parse(good).stations[0].potentiostat->record.empty());
  CHECK(parse(recording("false")).stations[0].potentiostat->record.empty());
  const auto bench = parse(recording("true"));
  CHECK(bench.stations[0].potentiostat->record == bench.store.parent_path() / "wire/A1.log");
  CHECK(has(refusal(recording("\"yes\"")), "record"));
}

TEST_CASE("time may only be stretched when every instrument is simulated") {
  CHECK(has(refusal(with(good, "serial = \"ES4HR20B0001\"\n  simulated = true", "serial = \"ES4HR20B0001\"")),
            "bench.time_scale: 5000 makes experiment time run faster, and station A1 has a real instrument"));
  CHECK(has(refusal(with(good, "time_scale = 5000", "time_scale = 0.5")), "expected a number from 1 to"));
  CHECK(parse(with(good, "time_scale = 5000", "time_scale = 5000\nmains_Hz = 60")).mains_Hz == 60);
  CHECK(
      has(refusal(with(good, "time_scale = 5000", "mains_Hz = 55")), "the mains have 50 or 60 Hz, found 55"));
}

TEST_CASE("the page is served to this machine alone, unless an address says otherwise") {
  CHECK(parse(good).http.host == "127.0.0.1");
  CHECK(parse(good).http.tokens.filename() == "tokens");
  CHECK(parse(with(good, "127.0.0.1:8870", "192.168.1.5:8870")).http.host == "192.168.1.5");
  CHECK(has(refusal(with(good, "127.0.0.1:8870", "bench.lab.example:8870")), "expected an address such as"));
  CHECK(parse(with(good, "127.0.0.1:8870", "[::1]:8871")).http.host == "::1");
  CHECK(parse(with(good, "127.0.0.1:8870", "localhost:0")).http.host == "127.0.0.1");
  CHECK(has(refusal(with(good, "127.0.0.1:8870", "8870")), "expected address:port"));
  CHECK(has(refusal(with(good, "state/control.sock", std::string(120, 'x'))),
            "a unix socket has a path of at most 107 bytes"));
}

TEST_CASE("database, drop folder and results keep apart") {
  CHECK(has(refusal(with(good, "path = \"state/cambench.sqlite\"", "path = \"drop/cambench.sqlite\"")),
            "would lie in the folder that others write into"));
  CHECK(has(refusal(with(good, "results = \"state/results\"", "results = \"drop/results\"")),
            "would land in the watched folder"));
  CHECK(
      has(refusal(with(good, "path = \"drop\"", "path = \"/\"")), "the whole file system is no drop folder"));
  CHECK(
      has(refusal(with(good, "state/cambench.sqlite", "maps")), "is a folder: expected the path of a file"));
}

TEST_CASE("the numbers of a cell must be possible") {
  CHECK(has(refusal(with(good, "cam_fraction = 0.67", "cam_fraction = 67")),
            "cell[1].cam_fraction: expected a number above 0 and at most 1, found 67"));
  CHECK(has(refusal(with(good, "electrodes = 3", "electrodes = 2")),
            "a cell with two electrodes has no reference electrode"));
  CHECK(has(refusal(with(good, "electrodes = 3", "electrodes = 4")),
            "expected a whole number from 2 to 3, found 4"));
  CHECK(has(refusal(with(good, "composite_mg = 12.0", "composite_mg = inf")),
            "composite_mg: expected a number"));
}

TEST_CASE("a file that cannot be read is one sentence") {
  CHECK_THROWS_WITH_AS(config::read("/nonexistent/bench.toml"),
                       doctest::Contains("/nonexistent/bench.toml: cannot be read"), config::Refused);
  CHECK_THROWS_WITH_AS(config::read("/"), doctest::Contains("this is a folder"), config::Refused);
}

TEST_CASE("a lab's own recipes stand beside the built-in ones and go first") {
  const Folder folder;
  std::filesystem::create_directories(folder.path / "recipes");
  std::ofstream(folder.path / "recipes/rest.toml")
      << "record.time_s = 1\n[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = 60\n";
  const auto bench = config::parse(good + "[recipes]\npath = \"recipes\"\n", folder.path / "bench.toml");
  CHECK(config::recipe_names(bench) ==
        std::vector<std::string>{"degradation-2e", "pelletise", "rate-test-3e", "rest"});
  CHECK(config::find_recipe(bench, "rest")->method.size() == 1);
  CHECK(config::find_recipe(bench, "pelletise").has_value());
  CHECK(has(config::find_recipe(bench, "rate-test").error().what, "did you mean \"rate-test-3e\"?"));
  CHECK_FALSE(config::find_recipe(bench, "../recipes/rest").has_value());
}

TEST_CASE("a source-measure unit says how its leads are wired, and no other instrument does") {
  const std::string driver = "driver = \"methodscript\"";
  const std::string unit = "driver = \"keithley\"\n  polarity = -1\n  sense = \"we_vs_re\"";
  const auto bench = parse(with(good, driver, unit));
  CHECK(bench.stations[0].potentiostat->polarity == -1);
  CHECK(bench.stations[0].potentiostat->sense == "we_vs_re");
  CHECK(bench.stations[0].potentiostat->method == "voltage_source");
  CHECK(has(refusal(with(good, driver, "driver = \"keithley\"\n  polarity = 0")),
            "polarity: expected 1, or -1"));
  CHECK(has(refusal(with(good, driver, driver + "\n  polarity = -1")), "polarity"));
}
