#include "analysis/formats/text.h"

#include <fast_float/fast_float.h>

#include <algorithm>
#include <cstdint>

#include "analysis/bad_input.h"

namespace cambench::text {
namespace {

constexpr std::string_view blanks("\0 \t\r\n", 5);
constexpr double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int largest_exact_power = 22;
constexpr std::uint64_t largest_exact_integer = std::uint64_t{1} << 53;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Every form there is, by fast_float; the mark is the one that this number uses.
bool take_any_number(const char*& at, const char* end, double& value) {
  const char* first = at != end && *at == '+' ? at + 1 : at;
  const char* mark = first;
  while (mark != end && (is_digit(*mark) || *mark == '-')) ++mark;
  const fast_float::parse_options options(fast_float::chars_format::general,
                                          mark != end && *mark == ',' ? ',' : '.');
  const auto [stop, error] = fast_float::from_chars_advanced(first, end, value, options);
  // Out of range is no error to us where the result still is the nearest number (a denormal as 0).
  if (error == std::errc::invalid_argument) return false;
  at = stop;
  return true;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto stop = text.find(separator);
    parts.push_back(text.substr(0, stop));
    if (stop == std::string_view::npos) return parts;
    text.remove_prefix(stop + 1);
  }
}

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string shown = "\"";
  for (const char c : text.substr(0, longest)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > longest ? "...\"" : "\"");
}

void refuse_unwritten(std::string_view text, std::string_view name) {
  if (text.ends_with(std::string_view("\0\0\0\0\0\0\0\0", 8))) throw unwritten(name);
}

std::optional<double> number(std::string_view text) {
  text = trimmed(text);
  const char* at = text.data();
  const char* end = at + text.size();
  double value = 0;
  if (!take_number(at, end, value) || at != end) return std::nullopt;
  return value;
}

// Digits, a mark, digits, perhaps an exponent: with a mantissa below 2^53 and a power of ten up to 22 one multiplication
// or division is correctly rounded (Clinger 1990). Whatever is longer goes to fast_float.
bool take_number(const char*& at, const char* end, double& value) {
  const char* p = at;
  std::uint64_t mantissa = 0;
  int digits = 0, power = 0;
  for (; p != end && is_digit(*p); ++p, ++digits) mantissa = mantissa * 10 + static_cast<unsigned>(*p - '0');
  if (p != end && (*p == '.' || *p == ',')) {
    const char* mark = p++;
    for (; p != end && is_digit(*p); ++p, ++digits)
      mantissa = mantissa * 10 + static_cast<unsigned>(*p - '0');
    power = static_cast<int>(mark + 1 - p);
  }
  if (digits == 0 || digits > 18) return take_any_number(at, end, value);
  if (p != end && (*p == 'e' || *p == 'E')) {
    if (end - p < 4 || (p[1] != '+' && p[1] != '-') || !is_digit(p[2]) || !is_digit(p[3]))
      return take_any_number(at, end, value);
    const int exponent = (p[2] - '0') * 10 + (p[3] - '0');
    power += p[1] == '-' ? -exponent : exponent;
    p += 4;
    if (p != end && is_digit(*p)) return take_any_number(at, end, value);
  }
  if (mantissa > largest_exact_integer || power > largest_exact_power || power < -largest_exact_power)
    return take_any_number(at, end, value);
  const auto whole = static_cast<double>(mantissa);
  value = power < 0 ? whole / powers_of_ten[-power] : whole * powers_of_ten[power];
  at = p;
  return true;
}

std::size_t line_number(std::string_view text, const char* at) {
  return 1 + static_cast<std::size_t>(std::count(text.data(), at, '\n'));
}

std::optional<std::string_view> Lines::next() {
  if (rest_.find_first_not_of('\0') == std::string_view::npos) return std::nullopt;
  const auto stop = rest_.find('\n');
  auto line = rest_.substr(0, stop);
  rest_.remove_prefix(stop == std::string_view::npos ? rest_.size() : stop + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++number_;
  return line;
}

}  // namespace cambench::text
