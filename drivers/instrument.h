// The contract between the daemon and every instrument. It is small on purpose: polling, retries, limit checks
// and logging belong to the runner, once, for all drivers.
//
// Threading: every call is made on the thread of the io_context that the driver was built with, and every
// awaited result comes back there. A driver whose library blocks keeps a thread of its own.
#pragma once
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "schema/event.h"
#include "schema/plan.h"
#include "schema/reading.h"
#include "schema/result.h"

namespace cambench {

template <typename T>
using Later = boost::asio::awaitable<Result<T>>;

/// This moment, on the clock that decides and on the one that people read.
inline Stamp now_stamp() { return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()}; }

/// How the conversations with an instrument went since the driver was made: one request and its answer each, with
/// the time that was spent waiting for the bus. What we gave up ourselves counts as neither.
struct IoHealth {
  std::uint64_t ok = 0, errors = 0;
  Seconds last{0}, longest{0};

  void count(bool answered, Seconds took) {
    ++(answered ? ok : errors);
    last = took;
    longest = std::max(longest, took);
  }
};

/// Who answered, and what it can do.
struct Identity {
  std::string maker, model, serial, firmware;
  bool galvanostat = false;
  bool reference_electrode = false;  ///< measures WE against RE and WE against CE at the same time
  bool stores_on_board = false;      ///< keeps samples while nobody listens
  Ampere max_current{0};
  Volt max_potential{0};
};

/// Which limits of a step will live inside the instrument. An unattended run needs all that apply.
struct OnBoard {
  bool cutoff = false, guards = false, run_time = false, opens_at_end = false;
  [[nodiscard]] bool complete() const { return cutoff && guards && run_time && opens_at_end; }
  std::vector<std::string> sentences;  ///< one per limit, for the log and the recipe check
};

/// What a potentiostat has to say while a program runs, in the order it was said.
namespace heard {
struct Measured {
  Marker marker;  ///< of the program that measured it
  Sample sample;
  bool after_gap =
      false;  ///< rows before this one were missed; what stores on board tells them later, marked late
};
struct Ended {
  Marker marker;
  EndReason reason{};
  std::string text;
};
struct LinkLost {
  Fault why;
};
struct LinkBack {};
}  // namespace heard
using Heard = std::variant<heard::Measured, heard::Ended, heard::LinkLost, heard::LinkBack>;

/// What was found when a daemon came (back) to an instrument.
struct Found {
  enum class State {
    idle,     ///< nothing runs; how the expected program ended is not known
    running,  ///< a program; what it measures comes out of next()
    ended,    ///< the expected program is over; `ended` says how, or that its record breaks off (unknown)
    unknown,  ///< something runs that does not say whose it is
    power_cycled
  } state{};
  std::optional<Marker> marker;  ///< of the program, when it says so
  std::string serial;            ///< of the instrument, where only the program could say it
  std::optional<heard::Ended> ended;
  std::vector<Sample> kept;  ///< its rows that were not told yet, in order; late where nobody heard them
};

class Potentiostat {
 public:
  virtual ~Potentiostat() = default;

  /// Opens the link if need be, asks who is there and refuses another serial number than the configured one.
  /// Leaves the cell as it is. May be called again after any failure.
  virtual Later<Identity> identify() = 0;

  /// Before reattach(): what the daemon believes to run (a resumed step: with the time that was left to it), and the
  /// step time up to which it has every row (negative: none). For what an instrument keeps while nobody listens.
  virtual void expect(const PlannedStep& /*step*/, const Marker& /*marker*/, Seconds /*recorded*/) {}

  /// Finds out, without disturbing it, whether a program runs and whose it is. After `running` the samples of
  /// that program come out of next(). When it fails, LinkBack comes out of next() as soon as it may be tried again.
  virtual Later<Found> reattach() = 0;

  /// Says which limits will be on board, or refuses: outside the instrument's range, not supported, no limit.
  /// Pure: talks to nobody. Needs a successful identify() before.
  [[nodiscard]] virtual Result<OnBoard> prepare(const PlannedStep& step) const = 0;

  /// Loads and starts the program of one step. Returns once the instrument has accepted it.
  virtual Later<void> start(const PlannedStep& step, const Marker& marker) = 0;

  /// The next thing the instrument says; waits for it. Never two calls at once. The driver reads on whether or
  /// not this is called, and reopens a lost link by itself (LinkLost, later LinkBack).
  virtual Later<Heard> next() = 0;

  /// Potentials with the cell off. Only while idle.
  virtual Later<Sample> measure_rest() = 0;

  /// Ends whatever runs and opens the cell; returns once that is confirmed by the instrument. Idempotent, may be
  /// called in every state and while next() or start() waits.
  virtual Later<void> open_cell() = 0;

  [[nodiscard]] virtual IoHealth health() const { return {}; }
};

/// What a press can do.
struct PressLimits {
  MegaPascal max_target{0};
  double max_rate_MPa_per_s = 0.0;
  bool watchdog = false;                  ///< the controller makes safe by itself when nobody feeds it
  std::optional<Seconds> watchdog_after;  ///< so long after the last feeding; empty: the device's own setting
  std::string watchdog_action;            ///< what it then does: "hold", "vent" or "zero"
};

class Press {
 public:
  virtual ~Press() = default;

  /// Opens the link, checks identity and self-test registers, reads the set point before anything is written.
  virtual Later<Identity> identify() = 0;
  [[nodiscard]] virtual PressLimits limits() const = 0;

  /// One block read. A reading that is bad (NaN, out of range, sentinel, status bit) is a PressureSample with
  /// `trouble`; a Fault is a failed conversation. Never waits longer than the response time-out.
  virtual Later<PressureSample> read() = 0;

  /// Moves the set point to `target`, by the device's ramp or by limited host steps; the final value is read back
  /// and compared in raw register words. Returns once the set point is written, not once the press has arrived.
  virtual Later<void> set_target(MegaPascal target) = 0;

  virtual Later<void> hold() = 0;  ///< the press keeps the pressure it has
  /// The press releases. Its own watchdog does not end that, where it can be disarmed.
  virtual Later<void> vent() = 0;
  /// The device itself said at the last reading that it releases; false where it cannot say so.
  [[nodiscard]] virtual bool vents() const { return false; }

  /// Feeds the device's watchdog, where the map has one (arms it at the first call). Called only after the
  /// interlocks have been evaluated on fresh data.
  virtual Later<void> feed_watchdog() = 0;

  /// Whether a cell runs under this press, so that its silence decides something. Then it is asked on while it does
  /// not answer; otherwise it is left alone for growing pauses, so that a dead press does not hold up the others on
  /// its bus.
  virtual void guard(bool /*running_cell*/) {}

  [[nodiscard]] virtual IoHealth health() const { return {}; }
};

}  // namespace cambench
