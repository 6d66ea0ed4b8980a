#include "drivers/wire/modbus_values.h"

#include <fmt/core.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace cambench::wire::modbus {

namespace {

bool words_reversed(Order order) { return order == Order::cdab || order == Order::dcba; }
bool bytes_swapped(Order order) { return order == Order::badc || order == Order::dcba; }
std::uint16_t swap_bytes(std::uint16_t word) { return static_cast<std::uint16_t>(word << 8 | word >> 8); }

std::uint64_t join(std::span<const std::uint16_t> words, Order order) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint16_t word = words[words_reversed(order) ? words.size() - 1 - i : i];
    bits = bits << 16 | (bytes_swapped(order) ? swap_bytes(word) : word);
  }
  return bits;
}

Words split(std::uint64_t bits, std::size_t count, Order order) {
  Words words(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = static_cast<std::uint16_t>(bits >> 16 * (count - 1 - i));
    words[words_reversed(order) ? count - 1 - i : i] = bytes_swapped(order) ? swap_bytes(word) : word;
  }
  return words;
}

/// The bits of an integer that fits, else why it does not. The limits are exact as doubles, except for the upper
/// ones of 64 bits, which are one beyond the type: hence `below`.
template <typename Integer>
Result<std::uint64_t> integer_bits(double value) {
  const double low = static_cast<double>(std::numeric_limits<Integer>::min());
  const double below = std::ldexp(1.0, std::numeric_limits<Integer>::digits);
  if (!(value >= low && value < below))
    return fail(Fault::Kind::refused,
                fmt::format("{:g} does not fit into {:g}..{:g}", value, low, below - 1));
  if (value != std::nearbyint(value))
    return fail(Fault::Kind::refused, fmt::format("{:g} is not a whole number", value));
  return static_cast<std::uint64_t>(static_cast<Integer>(value));
}

Result<std::uint64_t> float_bits(double value) {
  if (!std::isfinite(value) || std::abs(value) > static_cast<double>(std::numeric_limits<float>::max()))
    return fail(Fault::Kind::refused, fmt::format("{:g} is not a number that 32 bits can hold", value));
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

Result<std::uint64_t> double_bits(double value) {
  if (!std::isfinite(value)) return fail(Fault::Kind::refused, fmt::format("{:g} is not a number", value));
  return std::bit_cast<std::uint64_t>(value);
}

Result<std::uint64_t> bits_of(double value, Type type) {
  switch (type) {
    case Type::bit:
      if (value != 0.0 && value != 1.0)
        return fail(Fault::Kind::refused, fmt::format("{:g} is not a bit", value));
      return static_cast<std::uint64_t>(value);
    case Type::u16: return integer_bits<std::uint16_t>(value);
    case Type::i16: return integer_bits<std::int16_t>(value);
    case Type::u32: return integer_bits<std::uint32_t>(value);
    case Type::i32: return integer_bits<std::int32_t>(value);
    case Type::u64: return integer_bits<std::uint64_t>(value);
    case Type::i64: return integer_bits<std::int64_t>(value);
    case Type::f32: return float_bits(value);
    case Type::f64: return double_bits(value);
    case Type::text: break;
  }
  return fail(Fault::Kind::refused, "text is not a number");
}

double number_of(std::uint64_t bits, Type type) {
  switch (type) {
    case Type::i16: return static_cast<std::int16_t>(bits);
    case Type::i32: return static_cast<std::int32_t>(bits);
    case Type::i64: return static_cast<double>(static_cast<std::int64_t>(bits));
    case Type::f32: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    case Type::f64: return std::bit_cast<double>(bits);
    case Type::bit:
    case Type::u16:
    case Type::u32:
    case Type::u64:
    case Type::text: break;
  }
  return static_cast<double>(bits);
}

}  // namespace

std::optional<Type> type_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Type>, 10> types{{{"bit", Type::bit},
                                                                     {"u16", Type::u16},
                                                                     {"i16", Type::i16},
                                                                     {"u32", Type::u32},
                                                                     {"i32", Type::i32},
                                                                     {"f32", Type::f32},
                                                                     {"u64", Type::u64},
                                                                     {"i64", Type::i64},
                                                                     {"f64", Type::f64},
                                                                     {"string", Type::text}}};
  for (const auto& [known, type] : types)
    if (known == name) return type;
  return std::nullopt;
}

std::optional<Order> order_named(std::string_view name) {
  if (name == "ABCD") return Order::abcd;
  if (name == "BADC") return Order::badc;
  if (name == "CDAB") return Order::cdab;
  if (name == "DCBA") return Order::dcba;
  return std::nullopt;
}

std::size_t words_of(Type type) {
  switch (type) {
    case Type::bit:
    case Type::u16:
    case Type::i16: return 1;
    case Type::u32:
    case Type::i32:
    case Type::f32: return 2;
    case Type::u64:
    case Type::i64:
    case Type::f64: return 4;
    case Type::text: break;
  }
  return 0;
}

Result<std::uint64_t> raw_bits(std::span<const std::uint16_t> words, Type type, Order order) {
  if (words.empty() || words.size() != words_of(type))
    return fail(Fault::Kind::protocol,
                fmt::format("{} registers instead of {}", words.size(), words_of(type)));
  return join(words, order);
}

Result<double> decode(std::span<const std::uint16_t> words, Type type, Order order) {
  const auto bits = raw_bits(words, type, order);
  if (!bits) return fail(bits.error());
  const double value = number_of(*bits, type);
  if (!std::isfinite(value))
    return fail(Fault::Kind::bad_value,
                fmt::format("{} is not a number", std::isnan(value) ? "NaN" : "infinity"));
  return value;
}

Result<Words> encode(double value, Type type, Order order) {
  const auto bits = bits_of(value, type);
  if (!bits) return fail(bits.error());
  return split(*bits, words_of(type), order);
}

std::string decode_text(std::span<const std::uint16_t> words) {
  std::string text;
  for (const std::uint16_t word : words)
    for (const int byte : {word >> 8, word & 0xff}) text += static_cast<char>(byte);
  text.resize(std::min(text.find('\0'), text.size()));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  for (char& character : text)
    if (character < ' ' || character > '~') character = '?';
  return text;
}

std::string hex(std::span<const std::uint16_t> words) {
  std::string text;
  for (const std::uint16_t word : words) text += fmt::format("{}{:04X}", text.empty() ? "" : " ", word);
  return text;
}

}  // namespace cambench::wire::modbus
