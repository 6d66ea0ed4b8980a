// The simulated bench as a host meets it: device links, ports, orders, ground truth. No test waits for a time to pass;
// each lets the bench run until something is so, or fails after five seconds.
#include "drivers/sim/bench.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "drivers/sim/order_socket.h"
#include "drivers/sim/truth.h"

using namespace cambench;
using namespace cambench::sim;
namespace fs = std::filesystem;
using boost::asio::ip::tcp;

namespace {

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Fixture {
  explicit Fixture(double time_scale = 1000.0) {
    fs::remove_all(directory);
    bench.emplace(io, BenchSettings{directory, 2, time_scale, 1,
                                    [this](std::string_view line) { log.emplace_back(line); }});
  }
  ~Fixture() {
    bench.reset();
    fs::remove_all(directory);
  }

  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!so() && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::milliseconds(5));
    return so();
  }
  bool logged(std::string_view text) {
    return std::ranges::any_of(log, [&](const auto& line) { return line.find(text) != std::string::npos; });
  }
  std::string port_of(const std::string& station) {
    const std::string toml = text_of(directory / "stations.toml");
    const std::size_t at = toml.find("port = \"", toml.find("\"" + station + "\"")) + 8;
    return toml.substr(at, toml.find('"', at) - at);
  }

  const fs::path directory = fs::temp_directory_path() / ("cambench-sim-bench-" + std::to_string(::getpid()));
  boost::asio::io_context io;
  std::vector<std::string> log;
  std::optional<SimBench> bench;
};

/// A host on a device link, or on TCP; never waits.
class Host {
 public:
  Host(Fixture& fixture, const std::string& address) : fixture_(fixture) {
    if (!address.starts_with("tcp://")) {
      device_ = ::open(address.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK);
    } else {
      const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
      socket_.connect({boost::asio::ip::address_v4::loopback(), port}, error_);
      socket_.non_blocking(true);
      device_ = socket_.native_handle();
    }
  }
  ~Host() {
    if (!socket_.is_open() && device_ >= 0) ::close(device_);
  }
  [[nodiscard]] bool open() const { return device_ >= 0 && !error_; }
  void say(std::string_view bytes) {
    CHECK(::write(device_, bytes.data(), bytes.size()) == std::ssize(bytes));
  }
  /// Reads what there is; false once the other side is gone.
  bool listen() {
    char piece[4096];
    const ssize_t size = ::read(device_, piece, sizeof piece);
    if (size > 0) heard.append(piece, static_cast<std::size_t>(size));
    return size > 0 || (size < 0 && errno == EAGAIN);
  }
  bool hears(std::string_view text) {
    return fixture_.until([&] { return static_cast<void>(listen()), heard.find(text) != std::string::npos; });
  }
  bool is_cut_off() {
    return fixture_.until([&] { return !listen(); });
  }
  std::string heard;

 private:
  Fixture& fixture_;
  boost::asio::io_context own_;
  tcp::socket socket_{own_};
  boost::system::error_code error_;
  int device_ = -1;
};

const std::string charge =
    "e\nvar p\nvar c\nset_pgstat_mode 6\nset_range db 1m\ncell_on\nmeas_loop_cp p c 500u 1 "
    "36000\npck_start\npck_add p\n"
    "pck_end\nif p >= 4100m\nsend_string \"END "
    "upper\"\nbreakloop\nendif\nendloop\non_finished:\ncell_off\n\n";

}  // namespace

TEST_CASE("a bench says when it is ready and where its stations are, on a device link and on TCP by turns") {
  Fixture f;
  CHECK(fs::exists(f.directory / "ready"));
  CHECK(fs::is_symlink(f.directory / "A1.tty"));
  CHECK(f.port_of("A1").ends_with("/A1.tty"));
  CHECK(f.port_of("A2").starts_with("tcp://127.0.0.1:"));
  const std::string toml = text_of(f.directory / "stations.toml");
  CHECK(toml.find("serial = \"ES4HR20B0001\"\n  simulated = true\n") != std::string::npos);
  CHECK(toml.find("map = \"generic-press\"") != std::string::npos);

  Host usb(f, f.port_of("A1")), network(f, f.port_of("A2"));
  REQUIRE(usb.open());
  REQUIRE(network.open());
  REQUIRE(f.until([&] { return f.logged("A1  host connected") && f.logged("A2  host connected"); }));
  usb.say("i\n");
  network.say("i\n");
  CHECK(usb.hears("iES4HR20B0001\n"));
  CHECK(network.hears("iNEXUS20B0002\n"));

  f.bench.reset();
  CHECK(!fs::exists(f.directory / "ready"));
  CHECK(!fs::is_symlink(f.directory / "A1.tty"));
  CHECK(!fs::exists(f.directory / "sim.sock"));
}

TEST_CASE("a step on a mounted cell ends at its cutoff, and the ground truth has seen it") {
  Fixture f(20000.0);
  REQUIRE(f.bench->order("mount A1 rate ncm-x-thin"));
  Host host(f, f.port_of("A1"));
  REQUIRE(f.until([&] { return f.logged("A1  host connected"); }));
  host.say(charge);
  REQUIRE(host.hears("TEND upper\n*\n\n"));
  REQUIRE(f.until([&] { return f.logged("A1  script ended after"); }));
  CHECK(f.logged("cell off"));
  f.bench.reset();
  const std::string truth = text_of(f.directory / "truth.csv");
  CHECK(truth.starts_with(
      "instrument_s,station,cell,cell_on,script,switches,current_A,we_vs_re_V,cell_V,lowest_V,"));
  CHECK(truth.find(",A1,rate ncm-x-thin,1,1,1,0.000") != std::string::npos);
  CHECK(truth.find(",A1,rate ncm-x-thin,0,0,2,0,") != std::string::npos);
}

TEST_CASE(
    "a lost link takes the host away and leaves the cell on; the instrument comes back at the same place") {
  Fixture f;
  REQUIRE(f.bench->order("mount A1 rate ncm-uncoated"));
  Host host(f, f.port_of("A1"));
  REQUIRE(f.until([&] { return f.logged("A1  host connected"); }));
  host.say(charge);
  REQUIRE(host.hears("M000A\nPab"));
  REQUIRE(f.bench->order("fault A1 link"));
  CHECK(host.is_cut_off());
  CHECK(!fs::exists(f.port_of("A1")));
  CHECK(f.bench->order("state")->find("no host   running rate ncm-uncoated") != std::string::npos);
  REQUIRE(f.bench->order("clear A1"));
  Host again(f, f.port_of("A1"));
  REQUIRE(again.open());
  CHECK(again.hears("\nPab"));
}

TEST_CASE("a power cycle opens the cell, cuts the link, and mends it by itself") {
  Fixture f;
  REQUIRE(f.bench->order("mount A2 rate ncm-uncoated"));
  Host host(f, f.port_of("A2"));
  host.say(charge);
  REQUIRE(host.hears("M000A\nPab"));
  REQUIRE(f.bench->order("fault A2 power_cycle for=0.01 banner=1"));
  CHECK(host.is_cut_off());
  REQUIRE(f.until([&] { return f.logged("A2  plugged in again"); }));
  Host again(f, f.port_of("A2"));
  REQUIRE(again.open());
  again.say("r\n");
  CHECK(again.hears("\x11\nr!000C\n"));
  CHECK(f.bench->order("state")->find("cell off +0.000 mA") != std::string::npos);
}

TEST_CASE("a second host is turned away, or takes the place of the first") {
  Fixture f;
  Host first(f, f.port_of("A2"));
  REQUIRE(f.until([&] { return f.logged("A2  host connected"); }));
  Host second(f, f.port_of("A2"));
  CHECK(second.is_cut_off());
  REQUIRE(f.bench->order("second A2 displace"));
  Host third(f, f.port_of("A2"));
  CHECK(first.is_cut_off());
  third.say("i\n");
  CHECK(third.hears("iNEXUS"));
}

TEST_CASE("a cell can be mounted with another reference than everybody assumes, and a clock that is wrong") {
  Fixture f(20000.0);
  REQUIRE(f.bench->order("mount A1 rate ncm-uncoated"));
  REQUIRE(f.bench->order("mount A2 rate ncm-uncoated re_V=0.25"));
  const std::string state = *f.bench->order("state");
  const auto volt = [&](std::string_view station, std::string_view name) {
    return std::stod(state.substr(state.find(name, state.find(station)) + name.size()));
  };
  CHECK(volt("A2 ", "WE ") - volt("A1 ", "WE ") == doctest::Approx(0.06).epsilon(0.01));
  CHECK(volt("A2 ", "full cell ") == doctest::Approx(volt("A1 ", "full cell ")).epsilon(1e-3));
  REQUIRE(f.bench->order("drift A1 50000"));
  const auto hours = [&](std::string_view station) {
    const std::string now = *f.bench->order("state");
    return std::stod(now.substr(now.find("at ", now.find(station)) + 3));
  };
  REQUIRE(f.until([&] { return hours("A2 ") > 1.0; }));
  CHECK(hours("A1 ") == doctest::Approx(1.05 * hours("A2 ")).epsilon(0.01));
}

TEST_CASE("messages can be made to arrive in pieces") {
  Fixture f;
  REQUIRE(f.bench->order("chunk A2 1"));
  Host host(f, f.port_of("A2"));
  host.say("t\n");
  CHECK(host.hears("tnexus11500#Mar 12 2026 14:28:01\nR*\n"));
}

TEST_CASE("an accelerated instrument waits for a host that does not read, so that no sample is lost") {
  Fixture f(1e5);
  REQUIRE(f.bench->order("mount A1 rate ncm-uncoated"));
  Host host(f, f.port_of("A1"));
  REQUIRE(f.until([&] { return f.logged("A1  host connected"); }));
  host.say("e\nvar p\nmeas_loop_ocp p 1 20000\npck_start\npck_add p\npck_end\nendloop\n\n");
  for (int turn = 0; turn < 200; ++turn)
    f.io.run_one_for(std::chrono::milliseconds(2));  // far more than 20000 s
  CHECK(f.bench->order("state")->find("running") != std::string::npos);
  REQUIRE(host.hears("*\n\n"));
  CHECK(std::ranges::count(host.heard, 'P') == 20000);
}

TEST_CASE("orders that make no sense are refused with what there is") {
  Fixture f;
  const auto what = [&](std::string_view order) {
    const auto said = f.bench->order(order);
    return said ? std::string() : said.error().what;
  };
  CHECK(what("mount A9 rate ncm-uncoated") == "there is no station A9; there are A1 to A2");
  CHECK(what("mount A1 rate lco").find("ncm-zro2-thick") != std::string::npos);
  CHECK(what("fault A1 earthquake").find("freeze") != std::string::npos);
  CHECK(what("press A1 earthquake").find("leak") != std::string::npos);
  CHECK(what("settle A1 gravity 1").find("abort_waits_for_sample") != std::string::npos);
  CHECK(what("dance A1").find("mount A1") != std::string::npos);
  CHECK(what("dance").find("mount A1") != std::string::npos);
  CHECK(f.bench->order("settle A1 abort_waits_for_sample 1"));
  CHECK(f.bench->order("press A1 leak:rate=0.5"));
  CHECK(f.bench->order("fault A1 slow_z s=2"));
  CHECK(f.bench->order("help")->find("sims DIR STUDY") != std::string::npos);
}

TEST_CASE("orders come in by the socket, and a SIMS study is written on a thread of its own") {
  Fixture f;
  const auto ask = [&](const std::string& order) {
    auto answer =
        std::async(std::launch::async, [&, order] { return send_order(f.directory / "sim.sock", order); });
    f.until([&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return answer.get();
  };
  CHECK(ask("mount A1 rate ncm-uncoated"));
  CHECK(ask("state")->find("rate ncm-uncoated") != std::string::npos);
  const auto refused = ask("mount A7 rate ncm-uncoated");
  REQUIRE(!refused);
  CHECK(refused.error().what == "there is no station A7; there are A1 to A2");
  const auto written = ask("sims " + (f.directory / "drop").string() + " coatings 5 1 8");
  REQUIRE(written);
  CHECK(written->find("315 files") != std::string::npos);  // 7 samples of 43 fragments, total and rest
  CHECK(fs::exists(f.directory / "drop/coatings/ncm-x-thick/cycled"));
  CHECK(!ask("sims nowhere"));
  CHECK(!send_order(f.directory / "nothing.sock", "state"));
}

TEST_CASE("a bench that cannot be is refused before anything opens") {
  boost::asio::io_context io;
  CHECK_THROWS_AS(SimBench(io, BenchSettings{fs::temp_directory_path() / "x", 0}), std::runtime_error);
  CHECK_THROWS_AS(SimBench(io, BenchSettings{fs::temp_directory_path() / "x", 1, -1.0}), std::runtime_error);
}

TEST_CASE("the ground truth is bounded: a full file makes way for a new one") {
  const fs::path file = fs::temp_directory_path() / ("cambench-truth-" + std::to_string(::getpid()) + ".csv");
  fs::path kept = file;
  kept.replace_extension(".1.csv");
  {
    Truth truth(file, 1000);
    for (int i = 0; i < 100; ++i) truth.write({.instrument = Seconds(i), .station = "A1", .cell = ""});
  }
  CHECK(fs::file_size(file) < 1100);
  CHECK(fs::file_size(kept) < 1100);
  CHECK(text_of(file).starts_with("instrument_s,"));
  CHECK(text_of(file).find("\n99.000,A1,,0,0,0,0,,,,,0,0.000\n") != std::string::npos);
  fs::remove(file);
  fs::remove(kept);
}
