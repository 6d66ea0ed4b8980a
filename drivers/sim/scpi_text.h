// The words of a SCPI line, as a simulated instrument takes them apart. Shares nothing with drivers/wire.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::sim::scpi {

using Words = std::vector<std::string>;

constexpr double no_value = 9.9e37;

std::string upper(std::string_view text);
std::string_view trimmed(std::string_view text);
/// Cut at every `separator` outside quotes; the parts are trimmed.
Words cut(std::string_view text, char separator);
std::string unquoted(std::string text);
std::optional<double> number(const std::string& text);
/// As the instrument prints: 3.700123E+00.
std::string printed(double value);
/// "SOURce:VOLTage" takes SOUR:VOLT, SOURCE:VOLTAGE and any mixture of them.
bool matches(std::string_view pattern, const std::string& header);

}  // namespace cambench::sim::scpi
