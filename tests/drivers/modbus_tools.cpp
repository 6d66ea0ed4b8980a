// Other people's Modbus against ours: mbpoll reads the simulated press, the driver talks to a pymodbus server. And
// what the program may not import.
#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "drivers/modbus_press.h"
#include "drivers/register_maps.h"
#include "drivers/sim/modbus_server.h"
#include "drivers/sim/register_bank.h"
#include "tests/drivers/loop.h"

using namespace cambench;
namespace asio = boost::asio;

namespace {

/// What a command prints, and how it ended.
std::pair<std::string, int> output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {"", -1};
  std::array<char, 4096> part{};
  while (const auto count = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), count);
  return {text, ::pclose(pipe)};
}

/// The same, while an io_context serves what the command talks to.
std::string output_beside(asio::io_context& io, const std::string& command) {
  std::string text;
  auto work = asio::make_work_guard(io);
  std::thread beside([&] {
    text = output_of(command).first;
    io.stop();
  });
  io.restart();
  io.run();
  beside.join();
  return text;
}

bool there_is(const char* what, const std::string& command) {
  if (output_of(command).second == 0) return true;
  std::cout << "skipped: no " << what << '\n';
  return false;
}

/// A program that somebody else wrote, or a server on it; ended with us. What it prints can be read.
class Program {
 public:
  explicit Program(std::vector<std::string> words) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    REQUIRE(::posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
  }
  ~Program() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::fclose(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  /// The next line it prints, read as a number; 0 when it ended instead.
  [[nodiscard]] int number() {
    int number = 0;
    return std::fscanf(output_, "%d", &number) == 1 ? number : 0;
  }

 private:
  pid_t pid_ = -1;
  FILE* output_ = nullptr;
};

/// Two pseudo terminals with socat between them: a serial line with an end for each side.
struct SocatLine {
  std::filesystem::path folder = [] {
    std::string pattern = (std::filesystem::temp_directory_path() / "cambench-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    return std::filesystem::path(pattern);
  }();
  std::string device = folder / "device", host = folder / "host";
  Program socat{{"socat", "pty,raw,echo=0,link=" + device, "pty,raw,echo=0,link=" + host}};
  SocatLine() {
    const auto both = [&] { return std::filesystem::exists(device) && std::filesystem::exists(host); };
    for (int look = 0; look < 2000 && !both(); ++look) ::usleep(5000);
    REQUIRE(both());
  }
  ~SocatLine() { std::filesystem::remove_all(folder); }
};

}  // namespace

// In Debian 12 they disagree about the byte order: 50 MPa went out as 198656.
TEST_CASE("the drivers import libmodbus, but none of its float helpers") {
  const auto [symbols, status] = output_of("nm -u " CAMBENCH_BUILD "/libcambench_drivers.a");
  REQUIRE(status == 0);
  CHECK(symbols.find("modbus_connect") != std::string::npos);
  CHECK(symbols.find("modbus_get_float") == std::string::npos);
  CHECK(symbols.find("modbus_set_float") == std::string::npos);
  CHECK(symbols.find("modbus_reply") == std::string::npos);  // its server side had the security holes
}

TEST_CASE("mbpoll reads the set point, the serial number and an exception from the simulated press") {
  if (!there_is("mbpoll", "command -v mbpoll")) return;
  asio::io_context io;
  sim::PressMachine machine(sim::PressSettings{});
  sim::ModbusTcpServer server(io.get_executor(), {{1, &machine}});
  machine.set_target_by_hand(MegaPascal(37.5));
  const std::string mbpoll = "mbpoll -m tcp -0 -1 -a 1 -p " + std::to_string(server.port()) + " 127.0.0.1 ";
  const auto target = output_beside(io, mbpoll + "-t 4:float -B -r 4 -c 1");
  CHECK_MESSAGE(target.find("[4]: \t37.5") != std::string::npos, target);
  const auto serial = output_beside(io, mbpoll + "-t 4:hex -r 36 -c 5");
  CHECK_MESSAGE(serial.find("0x5052") != std::string::npos, serial);
  const auto outside = output_beside(io, mbpoll + "-t 4 -r 20 -c 1");
  CHECK_MESSAGE(outside.find("Illegal data address") != std::string::npos, outside);
}

namespace {

void works_on_pymodbus(const std::string& port) {
  asio::io_context io;
  ModbusPressOptions options;
  options.name = "press A1";
  options.port = port;
  options.serial = "PYMODBUS-7";
  const auto press = make_modbus_press(io.get_executor(), options);
  REQUIRE_MESSAGE(press, press.error().what);
  const auto identity = tests::finish(io, (*press)->identify());
  REQUIRE_MESSAGE(identity, identity.error().what);
  const auto moved = tests::finish(io, (*press)->set_target(MegaPascal(50)));
  REQUIRE_MESSAGE(moved, moved.error().what);
  CHECK(tests::finish(io, (*press)->read())->pressure == MegaPascal(50));
  CHECK(tests::finish(io, (*press)->feed_watchdog()));
  CHECK(tests::finish(io, (*press)->hold()));
  CHECK(tests::finish(io, (*press)->vent()));
  CHECK(tests::finish(io, (*press)->read())->pressure == MegaPascal(0));
}

const std::string pymodbus_server = CAMBENCH_SOURCE "/tests/drivers/pymodbus_server.py";
const char* const has_pymodbus = "/usr/bin/python3 -c 'import pymodbus, serial_asyncio'";

}  // namespace

TEST_CASE("the driver identifies, moves, reads, feeds and vents a press on somebody else's Modbus stack") {
  if (!there_is("python3-pymodbus", has_pymodbus)) return;
  Program server({"/usr/bin/python3", pymodbus_server});
  const int port = server.number();
  REQUIRE(port > 0);
  works_on_pymodbus("tcp://127.0.0.1:" + std::to_string(port));
}

TEST_CASE("the same press on a serial line between two pseudo terminals is driven all the same") {
  if (!there_is("python3-pymodbus", has_pymodbus) || !there_is("socat", "command -v socat")) return;
  const SocatLine line;
  Program server({"/usr/bin/python3", pymodbus_server, line.device});
  REQUIRE(server.number() == 1);  // it has opened its end
  works_on_pymodbus(line.host);
}

namespace {

using namespace cambench::wire::modbus;

/// A value that the item can have, not the first and not a round one.
double some_value(const Item& item) {
  if (item.write) return item.write->min + 0.4 * (item.write->max - item.write->min);
  if (item.range) return item.range->first + 0.4 * (item.range->second - item.range->first);
  return 2;
}

/// The item's words on the wire for `value`, or nothing for text.
Words words_of_item(const RegisterMap& map, ItemIndex index, double value) {
  const Item& item = map.items[index];
  if (item.type == Type::text) return Words(item.count, 0x4142);
  if (item.write) return words_for(map, index, value).value();
  const double raw = (value - item.offset) / item.scale;
  return encode(item.type == Type::f32 ? raw : std::nearbyint(raw), item.type, item.order).value();
}

/// mbpoll's name of the item's type, and whether the high word comes first. Its 32-bit numbers are CDAB or ABCD.
std::string mbpoll_type(const Item& item) {
  const std::string table = item.table == Table::input ? "3" : "4";
  const std::string order = item.order == Order::abcd ? " -B" : "";
  if (item.type == Type::text) return "-t " + table + ":hex";
  if (item.type == Type::u16 || item.type == Type::i16) return "-t " + table;
  return "-t " + table + (item.type == Type::f32 ? ":float" : ":int") + order;
}

/// The number after "[address]:" in mbpoll's output; for a 16-bit register with the sign in brackets, that one.
std::optional<double> number_in(const std::string& output, const Item& item) {
  const auto at = output.find("[" + std::to_string(item.address) + "]:");
  if (at == std::string::npos) return std::nullopt;
  const std::string line = output.substr(at, output.find('\n', at) - at);
  const auto bracket = line.find('(');
  const auto from = item.type == Type::i16 && bracket != std::string::npos ? bracket + 1 : line.find(':') + 1;
  return std::stod(line.substr(from));
}

/// Every item of a shipped map, on a device that serves its registers, read by somebody else's program.
void read_by_mbpoll(const std::string& name, bool tcp) {
  const auto map = find_register_map(name);
  REQUIRE_MESSAGE(map, map.error().what);
  if (tcp ? !map->tcp : !map->rtu) return;
  sim::RegisterBank bank;
  for (const Block& block : map->blocks) bank.put(block.address, Words(block.count, 0));
  for (ItemIndex i = 0; i < map->items.size(); ++i)
    bank.put(map->items[i].address, words_of_item(*map, i, some_value(map->items[i])));

  asio::io_context io;
  std::optional<sim::ModbusTcpServer> gateway;
  std::optional<sim::ModbusRtuServer> line;
  std::string where;
  if (tcp) {
    gateway.emplace(io.get_executor(), sim::Units{{1, &bank}});
    where = "-m tcp -p " + std::to_string(gateway->port()) + " 127.0.0.1";
  } else {
    line.emplace(io.get_executor(), sim::Units{{1, &bank}});
    where = "-m rtu -b 19200 -P none " + line->path();
  }
  for (const Item& item : map->items) {
    const auto output = output_beside(io, "mbpoll -0 -1 -a 1 -c 1 -r " + std::to_string(item.address) + " " +
                                              mbpoll_type(item) + " " + where);
    if (item.type == Type::text) {
      CHECK_MESSAGE(output.find("0x4142") != std::string::npos, name << " " << item.name << ": " << output);
      continue;
    }
    const auto raw = number_in(output, item);
    REQUIRE_MESSAGE(raw, name << " " << item.name << ": " << output);
    const double resolution = std::max(
        {std::abs(item.scale), item.write ? item.write->step : 0.0, 1e-6 * std::abs(some_value(item))});
    CHECK_MESSAGE(std::abs(*raw * item.scale + item.offset - some_value(item)) <= resolution,
                  name << " " << item.name << ": " << output);
  }
}

}  // namespace

TEST_CASE("every item of every shipped map reads the same to mbpoll, over TCP and over a serial line") {
  if (!there_is("mbpoll", "command -v mbpoll")) return;
  int maps = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CAMBENCH_SOURCE "/drivers/maps")) {
    if (entry.path().extension() != ".toml") continue;
    ++maps;
    for (const bool tcp : {true, false}) read_by_mbpoll(entry.path().stem(), tcp);
  }
  CHECK(maps >= 6);
}
