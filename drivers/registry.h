// The one table of drivers. A new driver is a line here and a file beside it.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/instrument.h"

namespace cambench {

struct PotentiostatOptions {
  std::string driver;     ///< a name of potentiostat_drivers()
  std::string port;       ///< "tcp://host:port" or a device
  std::string serial;     ///< the instrument must answer with this one
  double time_scale = 1;  ///< of a simulated instrument's clock
  int mains_Hz = 50;      ///< methodscript: what measurements are timed to reject
  int baud = 921600;      ///< methodscript on a UART; over USB it means nothing
  int polarity = 1;       ///< keithley: -1 when WE is on the low leads
  std::string sense;      ///< keithley: "cell", "we_vs_re", or empty when nobody has said
  std::string method;  ///< keithley: "voltage_source" (or empty) or "current_source", see wire/scpi_program.h
  std::string name;    ///< of the station, for the recording
  std::string record;  ///< file that the conversation is written into (link/recorder.h); empty: none
  std::function<void(const std::string&)> say{};  ///< that the recording has ended; any thread
};

struct PressOptions {
  std::string driver;  ///< a name of press_drivers()
  std::string name;    ///< of the station, for sentences
  std::string port;
  int baud = 19200;
  char parity = 'N';
  int stop_bits = 1;
  int unit = 1;
  std::string map;                 ///< a built-in register map or the path of one
  std::optional<double> area_mm2;  ///< of the pellet, in place of the map's
  std::string serial;              ///< the press must answer with this one; empty takes any
  double time_scale = 1;
};

std::vector<std::string> potentiostat_drivers();
std::vector<std::string> press_drivers();

/// Refused when the driver or the address is unknown; nothing is opened yet.
Result<std::unique_ptr<Potentiostat>> make_potentiostat(const boost::asio::any_io_executor& executor,
                                                        const PotentiostatOptions& options);
Result<std::unique_ptr<Press>> make_press(const boost::asio::any_io_executor& executor,
                                          const PressOptions& options);

}  // namespace cambench
