#include "drivers/wire/modbus_pdu.h"

#include <doctest/doctest.h>

#include <random>

using namespace cambench;
using namespace cambench::wire::modbus;

// Modbus application protocol 1.1b3, section 6.3: registers 108 to 110 hold 555, 0 and 100.
TEST_CASE("the specification's example of reading holding registers is what we send and understand") {
  const Bytes request = read_request(Table::holding, 0x006B, 3);
  CHECK(request == Bytes{0x03, 0x00, 0x6B, 0x00, 0x03});
  const Bytes reply{0x03, 0x06, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64};
  CHECK(read_reply(request, reply).value() == Words{555, 0, 100});
}

// Section 6.1: coils 20 to 38.
TEST_CASE("the specification's example of reading coils gives one word a bit") {
  const Bytes request = read_request(Table::coil, 0x0013, 19);
  const auto bits = read_reply(request, Bytes{0x01, 0x03, 0xCD, 0x6B, 0x05}).value();
  REQUIRE(bits.size() == 19);
  CHECK(Words(bits.begin(), bits.begin() + 8) == Words{1, 0, 1, 1, 0, 0, 1, 1});
  CHECK(bits[18] == 1);
}

// Section 6.12: 000A and 0102 into registers 2 and 3.
TEST_CASE("the specification's example of writing registers is what we send") {
  const Words words{0x000A, 0x0102};
  const Bytes request = write_registers_request(1, words);
  CHECK(request == Bytes{0x10, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02});
  CHECK(write_reply(request, Bytes{0x10, 0x00, 0x01, 0x00, 0x02}));
  CHECK_FALSE(write_reply(request, Bytes{0x10, 0x00, 0x01, 0x00, 0x01}));
}

TEST_CASE("an echo with another address or value is not an acknowledgement") {
  const Bytes request = write_register_request(12, 2);
  CHECK(request == Bytes{0x06, 0x00, 0x0C, 0x00, 0x02});
  CHECK(write_reply(request, request));
  CHECK(write_reply(request, Bytes{0x06, 0x00, 0x0D, 0x00, 0x02}).error().kind == Fault::Kind::protocol);
  CHECK(write_reply(request, Bytes{0x06, 0x00, 0x0C, 0x00, 0x03}).error().kind == Fault::Kind::protocol);
  CHECK(write_coil_request(3, true) == Bytes{0x05, 0x00, 0x03, 0xFF, 0x00});
}

TEST_CASE("a reply that does not fit its request is never a value") {
  const Bytes request = read_request(Table::holding, 0, 2);
  for (const Bytes& reply :
       {Bytes{}, Bytes{0x03}, Bytes{0x03, 0x04, 0x00, 0x01, 0x00}, Bytes{0x03, 0x02, 0x00, 0x01},
        Bytes{0x03, 0x06, 0, 1, 0, 2, 0, 3}, Bytes{0x04, 0x04, 0, 1, 0, 2}, Bytes{0x03, 0x02, 0, 1, 0, 2}})
    CHECK(read_reply(request, reply).error().kind == Fault::Kind::protocol);
}

TEST_CASE("exceptions are configuration, busy or device, and the sentence says which") {
  const Bytes request = read_request(Table::holding, 0, 2);
  CHECK(class_of(1) == ExceptionClass::configuration);
  CHECK(class_of(2) == ExceptionClass::configuration);
  CHECK(class_of(3) == ExceptionClass::configuration);
  CHECK(class_of(5) == ExceptionClass::busy);
  CHECK(class_of(6) == ExceptionClass::busy);
  for (const std::uint8_t code : {4, 0x0a, 0x0b, 99}) CHECK(class_of(code) == ExceptionClass::device);
  const auto illegal = read_reply(request, Bytes{0x83, 0x02});
  CHECK(illegal.error().kind == Fault::Kind::instrument);
  CHECK(illegal.error().what == "exception 2, illegal address: the register map does not fit this device");
  CHECK(read_reply(request, Bytes{0x83, 0x0b}).error().kind == Fault::Kind::link);
}

TEST_CASE("random bytes are a fault or as many words as were asked for") {
  std::mt19937 random(7);
  const auto below = [&](unsigned limit) { return static_cast<std::uint16_t>(random() % limit); };
  for (int i = 0; i < 20000; ++i) {
    const std::uint16_t count = static_cast<std::uint16_t>(1 + below(125));
    const Bytes request = read_request(static_cast<Table>(below(4)), below(65535), count);
    Bytes reply(below(260));
    for (auto& byte : reply) byte = static_cast<std::uint8_t>(below(256));
    if (!reply.empty() && below(2)) reply[0] = request[0];
    if (reply.size() > 1 && below(2)) reply[1] = static_cast<std::uint8_t>(reply.size() - 2);
    const auto words = read_reply(request, reply);
    if (words) CHECK(words->size() == count);
    CHECK_FALSE(write_reply(write_register_request(below(65535), below(65535)), reply));
  }
}
