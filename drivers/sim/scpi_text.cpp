#include "drivers/sim/scpi_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace cambench::sim::scpi {

std::string upper(std::string_view text) {
  std::string all(text);
  std::ranges::transform(all, all.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return all;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

Words cut(std::string_view text, char separator) {
  Words parts(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (c == separator && !quoted)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  for (std::string& part : parts) part = trimmed(part);
  return parts;
}

std::string unquoted(std::string text) {
  std::erase(text, '"');
  return text;
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string printed(double value) { return fmt::format("{:.6E}", value); }

bool matches(std::string_view pattern, const std::string& header) {
  const Words wanted = cut(pattern, ':'), given = cut(header, ':');
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::string brief = wanted[i];
    std::erase_if(brief, [](unsigned char c) { return std::islower(c); });
    if (given[i] != brief && given[i] != upper(wanted[i])) return false;
  }
  return true;
}

}  // namespace cambench::sim::scpi
