// Any press that a register map describes, over Modbus TCP or RTU. Several presses may share one bus.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>

#include "drivers/instrument.h"

namespace cambench {

struct ModbusPressOptions {
  std::string name;  ///< for sentences: "press A1"
  std::string port;  ///< "tcp://127.0.0.1:1502", or the path of a serial line with what follows
  int baud = 19200;
  char parity = 'N';
  int stop_bits = 1;
  int unit = 1;
  std::string map = "generic-press";  ///< a built-in map, or the path of a map file
  std::optional<double> area_mm2;     ///< of the pellet; overrides the map's
  std::string serial;                 ///< the press must answer with this one; empty takes any
  double time_scale = 1;              ///< experiment seconds a wire second; above 1 for simulators only
};

/// A press on the bus of its port. Talks to nobody yet.
Result<std::unique_ptr<Press>> make_modbus_press(const boost::asio::any_io_executor& executor,
                                                 const ModbusPressOptions& options);

}  // namespace cambench
