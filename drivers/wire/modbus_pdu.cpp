#include "drivers/wire/modbus_pdu.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>

namespace cambench::wire::modbus {

namespace {

constexpr std::uint8_t exception_bit = 0x80;

std::uint8_t read_function(Table table) {
  switch (table) {
    case Table::coil: return 1;
    case Table::discrete: return 2;
    case Table::holding: return 3;
    case Table::input: break;
  }
  return 4;
}

void append(Bytes& bytes, std::uint16_t word) {
  bytes.push_back(static_cast<std::uint8_t>(word >> 8));
  bytes.push_back(static_cast<std::uint8_t>(word & 0xff));
}

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

Bytes request_of(std::uint8_t function, std::uint16_t first, std::uint16_t second) {
  Bytes bytes{function};
  append(bytes, first);
  append(bytes, second);
  return bytes;
}

std::string name_of(std::uint8_t exception) {
  switch (exception) {
    case 1: return "illegal function";
    case 2: return "illegal address";
    case 3: return "illegal value";
    case 4: return "device failure";
    case 5: return "acknowledged, still working";
    case 6: return "busy";
    case 8: return "memory parity error";
    case 0x0a: return "gateway path unavailable";
    case 0x0b: return "gateway target does not answer";
    default: return "unknown exception";
  }
}

Result<void> answers(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply) {
  assert(request.size() >= 5);
  if (const auto exception = exception_of(reply)) return fail(exception_fault(*exception));
  if (reply.empty() || reply[0] != request[0])
    return fail(Fault::Kind::protocol, fmt::format("the reply is for function {}, asked was {}",
                                                   reply.empty() ? 0 : reply[0], request[0]));
  return {};
}

}  // namespace

Bytes read_request(Table table, std::uint16_t address, std::uint16_t count) {
  return request_of(read_function(table), address, count);
}

Bytes write_coil_request(std::uint16_t address, bool on) { return request_of(5, address, on ? 0xff00 : 0); }

Bytes write_register_request(std::uint16_t address, std::uint16_t word) {
  return request_of(6, address, word);
}

Bytes write_registers_request(std::uint16_t address, std::span<const std::uint16_t> words) {
  assert(!words.empty() && words.size() <= 123);
  Bytes bytes = request_of(16, address, static_cast<std::uint16_t>(words.size()));
  bytes.push_back(static_cast<std::uint8_t>(2 * words.size()));
  for (const std::uint16_t word : words) append(bytes, word);
  return bytes;
}

std::optional<std::uint8_t> exception_of(std::span<const std::uint8_t> reply) {
  if (reply.size() < 2 || !(reply[0] & exception_bit)) return std::nullopt;
  return reply[1];
}

ExceptionClass class_of(std::uint8_t exception) {
  if (exception >= 1 && exception <= 3) return ExceptionClass::configuration;
  return exception == 5 || exception == 6 ? ExceptionClass::busy : ExceptionClass::device;
}

Fault exception_fault(std::uint8_t exception) {
  const std::string what = fmt::format("exception {}, {}", exception, name_of(exception));
  switch (class_of(exception)) {
    case ExceptionClass::configuration:
      return {Fault::Kind::instrument, what + ": the register map does not fit this device"};
    case ExceptionClass::busy: return {Fault::Kind::instrument, what};
    case ExceptionClass::device: break;
  }
  return {Fault::Kind::link, what};
}

Result<Words> read_reply(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply) {
  if (const auto fits = answers(request, reply); !fits) return fail(fits.error());
  const bool bits = request[0] <= 2;
  const std::size_t count = word_at(request, 3);
  const std::size_t bytes = bits ? (count + 7) / 8 : 2 * count;
  if (reply.size() != 2 + bytes || reply[1] != bytes)
    return fail(Fault::Kind::protocol, fmt::format("the reply has {} bytes of data, asked was {}",
                                                   reply.size() < 2 ? 0 : reply.size() - 2, bytes));
  Words words(count);
  for (std::size_t i = 0; i < count; ++i)
    words[i] = bits ? reply[2 + i / 8] >> i % 8 & 1 : word_at(reply, 2 + 2 * i);
  return words;
}

Result<void> write_reply(std::span<const std::uint8_t> request, std::span<const std::uint8_t> reply) {
  if (const auto fits = answers(request, reply); !fits) return fits;
  // FC05, 06 and 16 all echo the first five bytes of their request.
  if (reply.size() != 5 || !std::equal(reply.begin(), reply.end(), request.begin()))
    return fail(Fault::Kind::protocol, "the reply does not echo what was written");
  return {};
}

}  // namespace cambench::wire::modbus
