#include "drivers/registry.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "drivers/keithley.h"
#include "drivers/link/address.h"
#include "drivers/link/byte_link.h"
#include "drivers/link/recorder.h"
#include "drivers/link/usbtmc.h"
#include "drivers/modbus_press.h"
#include "drivers/palmsens.h"

namespace cambench {

namespace {

using Executor = boost::asio::any_io_executor;

/// The link itself, or recorded where the configuration says so.
std::unique_ptr<link::ByteLink> as_ordered(std::unique_ptr<link::ByteLink> wire,
                                           const PotentiostatOptions& options) {
  if (options.record.empty()) return wire;
  link::Recording recording;
  recording.file = options.record;
  recording.say = options.say;
  recording.who = fmt::format("cambenchd {}, station {}, {} at {}", CAMBENCH_VERSION, options.name,
                              options.driver, options.port);
  return link::recorded(std::move(wire), std::move(recording));
}

Result<std::unique_ptr<Potentiostat>> make_palmsens(const Executor& executor,
                                                    const PotentiostatOptions& options) {
  const auto address = link::parse_address(options.port);
  if (!address) return fail(address.error());
  return std::make_unique<Palmsens>(
      executor, as_ordered(link::make_link(executor, *address, static_cast<unsigned>(options.baud)), options),
      PalmsensSettings{
          .serial = options.serial, .time_scale = options.time_scale, .mains_Hz = options.mains_Hz});
}

Result<std::unique_ptr<Potentiostat>> make_keithley(const Executor& executor,
                                                    const PotentiostatOptions& options) {
  const auto address = link::parse_address(options.port);
  if (!address) return fail(address.error());
  KeithleySettings settings{.serial = options.serial, .time_scale = options.time_scale};
  settings.polarity = options.polarity;
  if (!options.sense.empty()) settings.sense = options.sense == "cell" ? LimitOn::cell : LimitOn::we_vs_re;
  if (options.method == "current_source")
    settings.charge = settings.discharge = wire::scpi::Method::current_source;
  if (!address->tcp())
    return std::make_unique<Keithley>(
        executor, as_ordered(link::make_usbtmc_link(executor, *address), options), nullptr, settings);
  link::Address dead_socket = *address;
  dead_socket.port = 5030;
  return std::make_unique<Keithley>(executor, as_ordered(link::make_link(executor, *address), options),
                                    link::make_link(executor, dead_socket), settings);
}

Result<std::unique_ptr<Press>> make_modbus(const Executor& executor, const PressOptions& options) {
  ModbusPressOptions modbus;
  modbus.name = "press " + options.name;
  modbus.port = options.port;
  modbus.baud = options.baud;
  modbus.parity = options.parity;
  modbus.stop_bits = options.stop_bits;
  modbus.unit = options.unit;
  modbus.map = options.map;
  modbus.area_mm2 = options.area_mm2;
  modbus.serial = options.serial;
  modbus.time_scale = options.time_scale;
  return make_modbus_press(executor, modbus);
}

template <typename Instrument, typename Options>
struct Driver {
  std::string_view name;
  Result<std::unique_ptr<Instrument>> (*make)(const Executor&, const Options&);
};

constexpr std::array potentiostats{Driver<Potentiostat, PotentiostatOptions>{"methodscript", make_palmsens},
                                   Driver<Potentiostat, PotentiostatOptions>{"keithley", make_keithley}};
constexpr std::array presses{Driver<Press, PressOptions>{"modbus", make_modbus}};

template <typename Table>
std::vector<std::string> names(const Table& table) {
  std::vector<std::string> all;
  for (const auto& driver : table) all.emplace_back(driver.name);
  return all;
}

template <typename Instrument, typename Options, std::size_t n>
Result<std::unique_ptr<Instrument>> make(const std::array<Driver<Instrument, Options>, n>& table,
                                         const Executor& executor, const Options& options) {
  for (const auto& driver : table)
    if (driver.name == options.driver) return driver.make(executor, options);
  return fail(Fault::Kind::input, fmt::format("there is no driver \"{}\"; there is: {}", options.driver,
                                              fmt::join(names(table), ", ")));
}

}  // namespace

std::vector<std::string> potentiostat_drivers() { return names(potentiostats); }
std::vector<std::string> press_drivers() { return names(presses); }

Result<std::unique_ptr<Potentiostat>> make_potentiostat(const Executor& executor,
                                                        const PotentiostatOptions& options) {
  return make(potentiostats, executor, options);
}

Result<std::unique_ptr<Press>> make_press(const Executor& executor, const PressOptions& options) {
  return make(presses, executor, options);
}

}  // namespace cambench
