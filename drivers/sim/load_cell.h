// A load cell under the die of a simulated press, read by a weight transmitter with the registers of
// drivers/maps/laumas-tlb.toml: a second sensor that knows nothing of the first one's errors. Read only.
#pragma once
#include <string_view>

#include "drivers/sim/press_machine.h"

namespace cambench::sim {

class LoadCell final : public RegisterDevice {
 public:
  /// `press` must outlive it.
  explicit LoadCell(const PressMachine& press, std::uint16_t serial) : press_(press), serial_(serial) {}

  void advance(Instant now) override { now_ = now; }
  std::expected<std::vector<std::uint16_t>, ModbusException> read(std::uint16_t address,
                                                                  std::uint16_t count) override;
  std::expected<void, ModbusException> write(std::uint16_t, std::span<const std::uint16_t>) override {
    return std::unexpected(ModbusException{2});
  }
  [[nodiscard]] AnswerTrouble trouble() const override { return {.stall = silent_}; }

  /// "silent": no answer; "broken": the status bit says so; "clear".
  Result<void> order(std::string_view what);

 private:
  const PressMachine& press_;
  std::uint16_t serial_;
  Instant now_{};
  bool silent_ = false, broken_ = false;
};

}  // namespace cambench::sim
