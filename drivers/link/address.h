// Where an instrument is: "tcp://192.168.1.20:49152", or the path of a serial device.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace cambench::link {

struct Address {
  std::string text;  ///< as written
  std::string host;  ///< empty for a device
  std::uint16_t port = 0;
  std::string device;  ///< empty for TCP
  [[nodiscard]] bool tcp() const { return !host.empty(); }
};

Result<Address> parse_address(std::string_view text);

}  // namespace cambench::link
