// A press made of code: first-order pressure behind a ramp, a noisy sensor, a breathing cell, a watchdog, and
// the holding registers of drivers/maps/generic-press.toml. Faults can be switched on and off while it runs,
// and the true pressure can be seen, so that a test knows what a controller only believes.
//
// Two clocks. Pressure, ramp and breathing run on experiment time (wire time x time_scale); watchdog, sample
// counter and uptime run on wire time, because they are about the link. No clock is read here: advance(now).
#pragma once
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/reading.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::sim {

/// A Modbus exception code: 1 illegal function, 2 illegal address, 3 illegal value, 4 device failure.
struct ModbusException {
  std::uint8_t code = 4;
};

/// What a faulty link or controller does to an answer, whatever the answer is.
struct AnswerTrouble {
  bool stall = false;      ///< no answer at all
  bool mute = false;       ///< no answer to a write
  bool refuse = false;     ///< connections are closed at once
  Seconds delay{0};        ///< the answer comes this much later
  bool stale = false;      ///< every second answer of a kind carries the data of the one two before it
  bool duplicate = false;  ///< every answer comes twice
  bool wrong_transaction = false, wrong_unit = false;
  std::uint8_t exception = 0;  ///< answer every request with this exception
};

/// Something with 16-bit registers that a Modbus server can serve. Holding and input registers are the same.
class RegisterDevice {
 public:
  virtual ~RegisterDevice() = default;
  virtual void advance(Instant now) = 0;
  virtual std::expected<std::vector<std::uint16_t>, ModbusException> read(std::uint16_t address,
                                                                          std::uint16_t count) = 0;
  virtual std::expected<void, ModbusException> write(std::uint16_t address,
                                                     std::span<const std::uint16_t> words) = 0;
  [[nodiscard]] virtual AnswerTrouble trouble() const { return {}; }
};

struct PressSettings {
  std::string serial = "PRESS-0001";  ///< at most 16 characters
  double time_scale = 1.0;            ///< experiment seconds per wire second
  double max_MPa = 400.0;             ///< targets above are an illegal value
  double rate_MPa_per_s = 1.0;        ///< ramp until the host writes another one
  double release_MPa_per_s = 20;      ///< of a vent, at most
  double time_constant_s = 1.5;       ///< of the pressure behind the ramp
  double noise_MPa = 0.01;            ///< standard deviation of the sensor
  bool low_word_first = false;        ///< 32-bit values as CDAB instead of ABCD: a wrongly configured device
  std::uint64_t seed = 1;
};

class PressMachine final : public RegisterDevice {
 public:
  explicit PressMachine(PressSettings settings, Instant start = {});

  /// Brings the machine to `now` (steady clock). Going back in time is ignored.
  void advance(Instant now) override;

  // The controller's registers (see drivers/maps/generic-press.toml).
  std::expected<std::vector<std::uint16_t>, ModbusException> read(std::uint16_t address,
                                                                  std::uint16_t count) override;
  std::expected<void, ModbusException> write(std::uint16_t address,
                                             std::span<const std::uint16_t> words) override;
  [[nodiscard]] AnswerTrouble trouble() const override;

  /// Switches a fault on: "leak", "leak:rate=0.5", ... A name alone takes the standard parameter. Refuses an
  /// unknown name or parameter with a sentence that lists what there is. "reboot" happens once.
  Result<void> inject(std::string_view fault);
  void clear(std::string_view name);  ///< switches one fault off
  void clear_all();
  [[nodiscard]] static std::vector<std::string>
  known_faults();  ///< "leak:rate=0.5  pressure is lost ...", ...

  // Ground truth, and the world around the press.
  [[nodiscard]] MegaPascal true_pressure() const;
  [[nodiscard]] MegaPascal target() const { return MegaPascal(target_MPa_); }
  [[nodiscard]] unsigned target_writes() const {
    return target_writes_;
  }  ///< by which an EEPROM would have aged
  enum class Mode : std::uint16_t { run = 1, hold = 2, vent = 3 };
  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] bool watchdog_expired() const { return watchdog_ == Watchdog::expired; }
  /// The cell's own expansion, added to the pressure of the stack; follows the state of charge.
  void set_breathing(MegaPascal expansion) { breathing_MPa_ = expansion.value(); }
  /// Somebody turns the knob on the front panel.
  void set_target_by_hand(MegaPascal target) { target_MPa_ = target.value(); }

 private:
  enum class Watchdog : std::uint16_t { off = 0, armed = 1, expired = 2 };
  struct Wish;  // what a write asks for, checked before any of it is done

  void move(double experiment_s);
  void relax(double dt_s);
  void release(double dt_s);
  void sense(Instant now);
  void watch(Instant now);
  void do_held_writes(Instant now);
  std::expected<void, ModbusException> do_write(std::uint16_t address, std::span<const std::uint16_t> words);
  void reboot(Instant now);
  void command(Mode mode);
  [[nodiscard]] bool at_target() const;
  [[nodiscard]] std::uint16_t status() const;
  [[nodiscard]] std::vector<std::uint16_t> registers() const;
  [[nodiscard]] std::optional<double> fault(std::string_view name) const;

  PressSettings settings_;
  std::map<std::string, double, std::less<>> faults_;  // name -> parameter
  Instant now_, booted_, fed_;
  double experiment_s_ = 0.0;

  double pressure_MPa_ = 0.0, working_MPa_ = 0.0, target_MPa_ = 0.0, rate_MPa_per_s_;
  double breathing_MPa_ = 0.0;
  unsigned target_writes_ = 0;
  Mode mode_ = Mode::hold;
  struct HeldWrite {
    Instant due;
    std::uint16_t address;
    std::vector<std::uint16_t> words;
  };
  std::deque<HeldWrite> held_writes_;

  double shown_MPa_ = 0.0;
  std::uint64_t samples_ = 0;
  std::uint16_t counter_ = 0;

  Watchdog watchdog_ = Watchdog::off;
  std::uint16_t watchdog_ms_ = 0, watchdog_feed_ = 0;
  Mode watchdog_action_ = Mode::hold;
};

}  // namespace cambench::sim
