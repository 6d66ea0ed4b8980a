#include "drivers/wire/modbus_values.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

using namespace cambench;
using namespace cambench::wire::modbus;

namespace {

constexpr std::array orders{Order::abcd, Order::badc, Order::cdab, Order::dcba};

}  // namespace

// 50 MPa is 0x42480000; the words are what a capture of a correct client shows for each order.
TEST_CASE("50.0 travels as 4248 0000 in ABCD and as its permutations in the other orders") {
  CHECK(encode(50.0, Type::f32, Order::abcd).value() == Words{0x4248, 0x0000});
  CHECK(encode(50.0, Type::f32, Order::badc).value() == Words{0x4842, 0x0000});
  CHECK(encode(50.0, Type::f32, Order::cdab).value() == Words{0x0000, 0x4248});
  CHECK(encode(50.0, Type::f32, Order::dcba).value() == Words{0x0000, 0x4842});
}

// 198656 is what libmodbus 3.1.6 of Debian 12 commands when its setter is asked for 50 MPa in CDAB.
TEST_CASE("words of 50.0 read in the wrong order are another number, and 198656 is not 50") {
  const Words words{0x0000, 0x4842};
  CHECK(decode(words, Type::f32, Order::dcba).value() == 50.0);
  CHECK(decode(words, Type::f32, Order::cdab).value() == 198656.0);
}

// Watlow EZ-ZONE communications manual, page 13: 75.0 is 0000 4296, low word first.
TEST_CASE("75.0 in a controller that sends the low word first is 0000 4296") {
  CHECK(encode(75.0, Type::f32, Order::cdab).value() == Words{0x0000, 0x4296});
}

TEST_CASE("0xAABBCCDD names the orders") {
  CHECK(encode(0xAABBCCDD, Type::u32, Order::abcd).value() == Words{0xAABB, 0xCCDD});
  CHECK(encode(0xAABBCCDD, Type::u32, Order::badc).value() == Words{0xBBAA, 0xDDCC});
  CHECK(encode(0xAABBCCDD, Type::u32, Order::cdab).value() == Words{0xCCDD, 0xAABB});
  CHECK(encode(0xAABBCCDD, Type::u32, Order::dcba).value() == Words{0xDDCC, 0xBBAA});
}

TEST_CASE("every type comes back as it went, in every order, at its limits") {
  struct Row {
    Type type;
    double low, high;
  };
  const std::array rows{Row{Type::u16, 0, 65535},
                        Row{Type::i16, -32768, 32767},
                        Row{Type::u32, 0, 4294967295.0},
                        Row{Type::i32, -2147483648.0, 2147483647.0},
                        Row{Type::u64, 0, 9007199254740992.0},
                        Row{Type::i64, -9007199254740992.0, 9007199254740992.0},
                        Row{Type::f32, -3.4028234663852886e38, 3.4028234663852886e38},
                        Row{Type::f64, -1.7976931348623157e308, 1.7976931348623157e308}};
  for (const Row& row : rows)
    for (const Order order : orders)
      for (const double value : {row.low, row.high, 1.0, 37.0}) {
        const auto words = encode(value, row.type, order);
        REQUIRE(words);
        CHECK(words->size() == words_of(row.type));
        CHECK(decode(*words, row.type, order).value() == value);
      }
}

// 374 MPa in hundredths is 37400: beyond an int16.
TEST_CASE("a number that does not fit is refused, not wrapped") {
  CHECK_FALSE(encode(37400, Type::i16, Order::abcd));
  CHECK(encode(37400, Type::u16, Order::abcd).value() == Words{37400});
  CHECK_FALSE(encode(-1, Type::u32, Order::abcd));
  CHECK_FALSE(encode(65536, Type::u16, Order::abcd));
  CHECK_FALSE(encode(18446744073709551616.0, Type::u64, Order::abcd));
  CHECK_FALSE(encode(9223372036854775808.0, Type::i64, Order::abcd));
  CHECK_FALSE(encode(0.5, Type::i16, Order::abcd));
  CHECK_FALSE(encode(1e39, Type::f32, Order::abcd));
  CHECK_FALSE(encode(std::numeric_limits<double>::quiet_NaN(), Type::f32, Order::abcd));
  CHECK_FALSE(encode(std::numeric_limits<double>::quiet_NaN(), Type::i32, Order::abcd));
}

TEST_CASE("NaN and infinity on the wire are bad values in every order") {
  for (const Order order : orders)
    for (const std::uint32_t bits : {0x7fc00000u, 0x7f800000u, 0xff800000u, 0x7f800001u}) {
      const auto words = encode(bits, Type::u32, order).value();
      const auto value = decode(words, Type::f32, order);
      REQUIRE_FALSE(value);
      CHECK(value.error().kind == Fault::Kind::bad_value);
    }
}

TEST_CASE("a number of another length than its registers is a protocol fault") {
  const Words three{1, 2, 3};
  CHECK(decode(three, Type::f32, Order::abcd).error().kind == Fault::Kind::protocol);
  CHECK(decode({}, Type::u16, Order::abcd).error().kind == Fault::Kind::protocol);
}

TEST_CASE("text ends at NUL, loses trailing blanks, and cannot smuggle control characters") {
  CHECK(decode_text(Words{0x5052, 0x2d37, 0x2000, 0x4141}) == "PR-7");
  CHECK(decode_text(Words{0x411b, 0x5b41}) == "A?[A");
  CHECK(decode_text({}).empty());
}
