// Numbers in 16-bit Modbus registers. libmodbus' own float helpers are not used: in Debian 12 its setters and
// getters disagree about the byte order, so that 50.0 written by one reads as 198656 by the other.
//
// The order of a multi-word number is named by the bytes of 0xAABBCCDD as they travel: ABCD is most significant
// word and byte first, BADC swaps the bytes of each word, CDAB sends the words in reverse, DCBA both. A 64-bit
// number follows the same two rules.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace cambench::wire::modbus {

using Words = std::vector<std::uint16_t>;

enum class Type { bit, u16, i16, u32, i32, f32, u64, i64, f64, text };
enum class Order { abcd, badc, cdab, dcba };

[[nodiscard]] std::optional<Type> type_named(std::string_view name);    ///< "u16", "f32", "string", ...
[[nodiscard]] std::optional<Order> order_named(std::string_view name);  ///< "ABCD", ...

/// Registers a number of this type takes; 0 for text, whose length is the map's.
[[nodiscard]] std::size_t words_of(Type type);

/// The number in exactly words_of(type) registers. NaN and infinity are a bad value, never a number. 64-bit
/// integers beyond 2^53 lose their last digits.
Result<double> decode(std::span<const std::uint16_t> words, Type type, Order order);

/// The registers of a number. Refuses what the type cannot hold exactly enough: NaN, out of range, a fraction
/// for an integer. A float is rounded to its nearest.
Result<Words> encode(double value, Type type, Order order);

/// The bits of an integer type as they are compared with sentinels, whatever the sign.
Result<std::uint64_t> raw_bits(std::span<const std::uint16_t> words, Type type, Order order);

/// Text of two characters a register, the first in the high byte; ends at the first NUL, trailing blanks go,
/// anything that cannot be printed becomes '?'.
std::string decode_text(std::span<const std::uint16_t> words);

/// "4248 0000", for sentences about what was on the wire.
std::string hex(std::span<const std::uint16_t> words);

}  // namespace cambench::wire::modbus
