// Registers that hold what they were given: a device of any register map without a process behind it, for trying out a
// map before the device is there. Holding and input registers are the same; an address that was never put does not exist.
#pragma once
#include <algorithm>
#include <map>

#include "drivers/sim/press_machine.h"

namespace cambench::sim {

class RegisterBank final : public RegisterDevice {
 public:
  void put(std::uint16_t address, std::span<const std::uint16_t> words) {
    for (const std::uint16_t word : words) words_[address++] = word;
  }
  void advance(Instant) override {}
  std::expected<std::vector<std::uint16_t>, ModbusException> read(std::uint16_t address,
                                                                  std::uint16_t count) override {
    if (!holds(address, count)) return std::unexpected(ModbusException{2});
    std::vector<std::uint16_t> words;
    for (unsigned i = 0; i < count; ++i) words.push_back(words_.at(static_cast<std::uint16_t>(address + i)));
    return words;
  }
  std::expected<void, ModbusException> write(std::uint16_t address,
                                             std::span<const std::uint16_t> words) override {
    if (!holds(address, words.size())) return std::unexpected(ModbusException{2});
    put(address, words);
    return {};
  }

 private:
  [[nodiscard]] bool holds(std::uint16_t address, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i)
      if (!words_.contains(static_cast<std::uint16_t>(address + i))) return false;
    return true;
  }
  std::map<std::uint16_t, std::uint16_t> words_;
};

}  // namespace cambench::sim
