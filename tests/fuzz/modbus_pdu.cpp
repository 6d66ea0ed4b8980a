// Any bytes as the reply to a request of ours, and any words as a number. The first six bytes choose the request.
#include "drivers/wire/modbus_pdu.h"

#include <cmath>
#include <cstdint>

#include "tests/fuzz/must.h"

using namespace cambench::wire::modbus;

namespace {

void reply_to_read(Table table, std::uint16_t address, std::uint16_t count,
                   std::span<const std::uint8_t> reply) {
  const Bytes request = read_request(table, address, count);
  const auto words = read_reply(request, reply);
  if (!words) return must(!words.error().what.empty());
  must(words->size() == count && !exception_of(reply));
  if (table == Table::coil || table == Table::discrete)
    for (const auto word : *words) must(word <= 1);
}

void reply_to_write(const Bytes& request, std::span<const std::uint8_t> reply) {
  if (write_reply(request, reply)) must(!exception_of(reply) && reply.size() == 5);
}

/// What decodes to a number encodes to the same number, in every type and order.
void there_and_back(const Words& words) {
  for (const Type type :
       {Type::u16, Type::i16, Type::u32, Type::i32, Type::f32, Type::u64, Type::i64, Type::f64})
    for (const Order order : {Order::abcd, Order::badc, Order::cdab, Order::dcba}) {
      const auto value = decode(words, type, order);
      if (!value) continue;
      must(std::isfinite(*value) && words.size() == words_of(type));
      const auto back = encode(*value, type, order);
      const bool exact = std::abs(*value) < 0x1p53 || type == Type::f32 || type == Type::f64;
      must(!exact || (back && decode(*back, type, order) == *value));
    }
  must(decode_text(words).size() <= 2 * words.size());
  must(words.empty() || !hex(words).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  const auto word = [&](std::size_t at) { return static_cast<std::uint16_t>(data[at] << 8 | data[at + 1]); };
  const std::uint16_t address = word(1);
  const auto count = static_cast<std::uint16_t>(1 + word(3) % 125);
  const std::span reply(data + 6, size - 6);
  Words words;
  for (std::size_t at = 6; at + 1 < size && words.size() < 123; at += 2) words.push_back(word(at));

  switch (data[0] % 7) {
    case 0: reply_to_read(Table::coil, address, count, reply); break;
    case 1: reply_to_read(Table::discrete, address, count, reply); break;
    case 2: reply_to_read(Table::holding, address, count, reply); break;
    case 3: reply_to_read(Table::input, address, count, reply); break;
    case 4: reply_to_write(write_coil_request(address, data[5] & 1), reply); break;
    case 5: reply_to_write(write_register_request(address, count), reply); break;
    case 6:
      reply_to_write(write_registers_request(address, Words(count > 123 ? 123 : count, address)), reply);
      break;
  }
  if (const auto exception = exception_of(reply)) {
    static_cast<void>(class_of(*exception));
    must(!exception_fault(*exception).what.empty());
  }
  there_and_back(words);
  return 0;
}
