// The link to a USB test-and-measurement device, against a device made of code that keeps the boundaries of messages,
// answers only when it is asked, and counts what the kernel would be told.
#include "drivers/link/usbtmc.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/usb/tmc.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "drivers/keithley.h"
#include "drivers/sim/scpi_machine.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/steps.h"

using namespace cambench;
using namespace cambench::tests;
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

/// A source-measure unit behind a device file. The link's thread alone calls it while a conversation goes on.
struct UnitOnUsb {
  fs::path path = fs::temp_directory_path() / fmt::format("cambench-usbtmc-{}", ::getpid());
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::ScpiMachine machine{"2450", "04451117", 1};
  std::string rest;  ///< of an answer that did not fit into one read
  std::size_t largest_read = 4096, largest_message = 0;
  std::map<unsigned long, int> told;  ///< ioctl requests
  bool unplugged = false;

  UnitOnUsb() {
    std::ofstream(path) << "";
    machine.connect(&cell);
    machine.open_session();
  }
  ~UnitOnUsb() { fs::remove(path); }

  link::UsbtmcCalls calls() {
    return {.open = [](const char* at) { return ::open(at, O_RDWR | O_CLOEXEC); },
            .read = [this](int, void* into, std::size_t size) { return read(into, size); },
            .write = [this](int, const void* from, std::size_t size) { return write(from, size); },
            .ioctl =
                [this](int, unsigned long request, void*) {
                  ++told[request];
                  if (request == USBTMC_IOCTL_CLEAR) (void)machine.take_output(), rest.clear();
                  return 0;
                },
            .close = [](int descriptor) { ::close(descriptor); }};
  }
  std::unique_ptr<link::ByteLink> plug_in(asio::io_context& io) {
    return link::make_usbtmc_link(io.get_executor(), {path.string(), "", 0, path.string()}, calls());
  }

 private:
  ssize_t write(const void* from, std::size_t size) {
    if (unplugged) return errno = ENODEV, -1;
    machine.receive({static_cast<const char*>(from), size});
    return static_cast<ssize_t>(size);
  }
  ssize_t read(void* into, std::size_t size) {
    if (unplugged) return errno = ENODEV, -1;
    machine.advance(machine.now() + Seconds(5));
    if (rest.empty()) rest = machine.read_message();
    if (rest.empty()) return errno = ETIMEDOUT, -1;
    largest_message = std::max(largest_message, rest.size());
    const std::size_t count = std::min({rest.size(), size, largest_read});
    std::memcpy(into, rest.data(), count);
    rest.erase(0, count);
    return static_cast<ssize_t>(count);
  }
};

std::string line_of(asio::io_context& io, link::ByteLink& link) {
  std::string line;
  std::array<char, 100> buffer{};
  while (!line.ends_with('\n')) {
    const auto got = finish(io, link.read_some(buffer));
    if (!got) return got.error().what;
    line.append(buffer.data(), *got);
  }
  return line;
}

PlannedStep charge() { return tests::charge_of_one_potential(Seconds(1), Seconds(1)); }

}  // namespace

TEST_CASE(
    "a command is written, an answer is asked for only after a question, and a long one comes in several "
    "reads") {
  UnitOnUsb device;
  asio::io_context io;
  {
    const auto link = device.plug_in(io);
    REQUIRE(finish(io, link->open()));
    REQUIRE(finish(io, link->write(":SOUR:VOLT 1.5\n")));
    REQUIRE(finish(io, link->write(":SOUR:VOLT?\n")));
    CHECK(line_of(io, *link) == "1.500000E+00\n");
    device.largest_read = 7;
    REQUIRE(finish(io, link->write("*IDN?\n")));
    CHECK(line_of(io, *link) == "KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b\n");
  }
  CHECK(device.machine.errors() == 0);  // no -420: nothing was read that was not asked for
  CHECK(device.told[USBTMC_IOCTL_SET_TIMEOUT] == 1);
  CHECK(device.told[USBTMC_IOCTL_CLEAR] == 1);
  CHECK(device.told[USBTMC_IOCTL_ABORT_BULK_IN] == 0);
}

TEST_CASE("the driver carries a charge over it to its planned end") {
  UnitOnUsb device;
  asio::io_context io;
  KeithleySettings settings{.serial = "04451117", .time_scale = 1000};
  settings.sense = LimitOn::we_vs_re;
  std::size_t rows = 0;
  {
    Keithley driver(io.get_executor(), device.plug_in(io), nullptr, settings);
    REQUIRE(finish(io, driver.identify()));
    REQUIRE(finish(io, driver.measure_rest()));
    REQUIRE(finish(io, driver.start(charge(), {"r000001", 3})));
    std::optional<heard::Ended> ended;
    while (!ended) {
      const auto what = finish(io, driver.next());
      REQUIRE_MESSAGE(what, what.error().what);
      rows += std::holds_alternative<heard::Measured>(*what) ? 1 : 0;
      REQUIRE_FALSE(std::holds_alternative<heard::LinkLost>(*what));
      if (const auto* over = std::get_if<heard::Ended>(&*what)) ended = *over;
    }
    CHECK_MESSAGE(ended->reason == EndReason::planned, ended->text);
    REQUIRE(finish(io, driver.open_cell()));
  }
  CHECK(rows > 500);
  CHECK_FALSE(device.machine.output_on());
}

TEST_CASE("a device that another program owns is refused") {
  UnitOnUsb device;
  asio::io_context io;
  auto first = device.plug_in(io);
  const auto second = device.plug_in(io);
  REQUIRE(finish(io, first->open()));
  const auto refused = finish(io, second->open());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("another program owns this device") != std::string::npos);
  first.reset();  // close() alone is carried out by its thread a moment later
  CHECK(finish(io, second->open()));
}

TEST_CASE(
    "an answer that does not come is aborted on the bus, and the device is cleared before anything else is "
    "said") {
  UnitOnUsb device;
  asio::io_context io;
  {
    const auto link = device.plug_in(io);
    REQUIRE(finish(io, link->open()));
    device.machine.faults.deaf = true;
    REQUIRE(finish(io, link->write("*IDN?\n")));
    std::array<char, 100> buffer{};
    const auto got = finish(io, link->read_some(buffer));
    REQUIRE_FALSE(got);
    CHECK(got.error().kind == Fault::Kind::timeout);
    link->close();
    device.machine.faults.deaf = false;
    REQUIRE(finish(io, link->open()));
    REQUIRE(finish(io, link->write("*LANG?\n")));
    CHECK(line_of(io, *link) == "SCPI\n");
  }
  CHECK(device.told[USBTMC_IOCTL_ABORT_BULK_IN] == 1);
  CHECK(device.told[USBTMC_IOCTL_CLEAR] == 2);
}

TEST_CASE("a device that is unplugged, or not there, is a lost link") {
  UnitOnUsb device;
  asio::io_context io;
  const auto link = device.plug_in(io);
  REQUIRE(finish(io, link->open()));
  device.unplugged = true;
  const auto written = finish(io, link->write("*IDN?\n"));
  REQUIRE_FALSE(written);
  CHECK(written.error().kind == Fault::Kind::link);
  const auto nowhere = link::make_usbtmc_link(
      io.get_executor(), {"/dev/usbtmc-none", "", 0, "/dev/usbtmc-none"}, device.calls());
  CHECK_FALSE(finish(io, nowhere->open()));
}

TEST_CASE("closing ends whoever waits for an answer") {
  UnitOnUsb device;
  asio::io_context io;
  const auto link = device.plug_in(io);
  REQUIRE(finish(io, link->open()));
  std::optional<Result<std::size_t>> got;
  std::array<char, 100> buffer{};
  asio::co_spawn(io, link->read_some(buffer),
                 [&](std::exception_ptr, Result<std::size_t> result) { got = std::move(result); });
  io.restart();
  io.poll();
  CHECK_FALSE(got);
  link->close();
  CHECK_FALSE(link->is_open());
  io.restart();
  io.run();
  REQUIRE(got);
  CHECK_FALSE(*got);
}
