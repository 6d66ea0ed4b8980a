#include "drivers/sim/load_cell.h"

#include <fmt/core.h>

#include <cmath>

#include "drivers/sim/random.h"

namespace cambench::sim {

namespace {

constexpr double die_mm2 = 78.54, division_N = 0.1;
constexpr std::uint16_t division_code = 9;  // of 0.1, register 40014
constexpr std::uint16_t firmware = 0, type = 1, serial = 3, status = 6, gross = 7, divisions = 13, end = 14;
constexpr std::uint16_t load_cell_error = 1 << 0, gross_negative = 1 << 7;

}  // namespace

std::expected<std::vector<std::uint16_t>, ModbusException> LoadCell::read(std::uint16_t address,
                                                                          std::uint16_t count) {
  if (count == 0 || address + count > end) return std::unexpected(ModbusException{2});
  // The last digit of a transmitter is never still.
  const auto moment = static_cast<std::uint64_t>(now_.time_since_epoch().count());
  const double flicker_N = division_N * (2 * Random(moment ^ serial_).uniform() - 1);
  const double force_N = press_.true_pressure().value() * die_mm2 + flicker_N;
  const auto magnitude = static_cast<std::uint32_t>(std::lround(std::abs(force_N) / division_N));
  std::vector<std::uint16_t> words(end);
  words[firmware] = 1;
  words[type] = 1;
  words[serial] = serial_;
  words[status] =
      static_cast<std::uint16_t>((broken_ ? load_cell_error : 0) | (force_N < 0 ? gross_negative : 0));
  words[gross] = static_cast<std::uint16_t>(magnitude >> 16);
  words[gross + 1] = static_cast<std::uint16_t>(magnitude);
  words[divisions] = division_code;
  return std::vector(words.begin() + address, words.begin() + address + count);
}

Result<void> LoadCell::order(std::string_view what) {
  if (what == "silent") return silent_ = true, Result<void>();
  if (what == "broken") return broken_ = true, Result<void>();
  if (what == "clear") return silent_ = broken_ = false, Result<void>();
  return fail(Fault::Kind::refused, fmt::format("a load cell is silent, broken or clear, not \"{}\"", what));
}

}  // namespace cambench::sim
