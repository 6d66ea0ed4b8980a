// Modbus requests and replies without their envelope: function code and data, the same on TCP and RTU
// (application protocol 1.1b3, section 6). A reply is held against the request it should answer: function, length
// and echo all have to fit, because nothing below compares them.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drivers/wire/modbus_values.h"
#include "schema/result.h"

namespace cambench::wire::modbus {

using Bytes = std::vector<std::uint8_t>;

enum class Table { coil, discrete, holding, input };

/// FC01, 02, 03 or 04. At most 125 registers or 2000 bits.
Bytes read_request(Table table, std::uint16_t address, std::uint16_t count);
Bytes write_coil_request(std::uint16_t address, bool on);                                    ///< FC05
Bytes write_register_request(std::uint16_t address, std::uint16_t word);                     ///< FC06
Bytes write_registers_request(std::uint16_t address, std::span<const std::uint16_t> words);  ///< FC16, 1..123

/// The exception code of a reply that is one.
std::optional<std::uint8_t> exception_of(std::span<const std::uint8_t> reply);

/// What an exception means for us.
enum class ExceptionClass {
  configuration,  ///< 1, 2, 3: the map does not fit the device; asking again does not help
  busy,           ///< 5, 6: ask again, a bounded number of times
  device          ///< 4, 0x0A, 0x0B and the rest: counts as a lost link for the interlocks
};
ExceptionClass class_of(std::uint8_t exception);
Fault exception_fault(std::uint8_t exception);

/// The registers (or bits as 0 and 1) that a read request asked for.
Result<Words> read_reply(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply);

/// That a write reply echoes its request.
Result<void> write_reply(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply);

}  // namespace cambench::wire::modbus
