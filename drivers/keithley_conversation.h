// The conversation with a Keithley source-measure unit: what keithley.h promises, in three files.
//   keithley.cpp           the contract: programs are started, what they say is told
//   keithley_link.cpp      connected, recognised, and found again after a lost link
//   keithley_recovery.cpp  the rows and the end that the buffer keeps; the output off, whatever came before
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "drivers/keithley.h"
#include "drivers/keithley_program.h"
#include "drivers/keithley_talk.h"
#include "drivers/turns.h"

namespace cambench {

/// A step that is to be carried out, or is thought to be.
struct Keithley::Asked {
  PlannedStep step;
  Marker marker;
  Seconds recorded{-1};
};

/// Everything that is alive while the driver is: the talk with the instrument, and the program that runs.
class Keithley::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const boost::asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
               std::unique_ptr<link::ByteLink> dead_socket, KeithleySettings settings)
      : settings_(std::move(settings)),
        talk_(std::make_shared<keithley::Talk>(executor, std::move(link), std::move(dead_socket),
                                               settings_.reply_time)),
        turns_(executor),
        stirred_(executor) {}

  void begin();  ///< before anything else
  void end() {
    talk_->end();
    turns_.end();
    stirred_.notify();
  }

  Later<Identity> identify();
  void expect(Asked step) { expected_ = std::move(step); }
  Later<Found> reattach();
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const;
  Later<void> start(Asked asked);
  Later<Heard> next();
  Later<Sample> measure_rest();
  Later<void> open_cell();
  [[nodiscard]] IoHealth health() const { return talk_->health(); }

 private:
  // the link
  void link_lost(const Fault& why);
  boost::asio::awaitable<void> come_back();
  Later<Identity> meet();
  Later<Identity> ask_who();
  Later<bool> ask_power_cycled();
  Later<void> tidy();

  // a step is loaded and begun
  Result<void> write(const Asked& asked);
  Later<void> refuse_while_running();
  Later<void> load();
  Later<void> configure(const wire::scpi::Program& program);
  Later<void> launch();

  // its rows and its end
  boost::asio::awaitable<void> watch();
  Later<wire::scpi::TriggerState> trigger_state();
  Later<void> look_at_program();
  Later<void> fetch_new_rows();
  Later<void> fetch_piece();
  Later<Found> find_program();
  Later<Found> take_up_what_is_there();
  Later<bool> take_up(const std::string& on_board, bool runs);
  Later<std::string> buffer_on_board();
  Later<void> conclude(std::optional<EndReason> reason);
  Later<heard::Ended> ending();

  // the output
  Later<double> read_at_rest();
  Later<void> switch_off();
  Later<void> reach_and_open();
  Later<void> open_and_verify();
  Later<void> confirm_no_current();

  [[nodiscard]] keithley::Clock::duration poll_time() const;
  [[nodiscard]] wire::scpi::Rig rig() const;

  static constexpr keithley::Clock::duration idle_poll = std::chrono::seconds(2),
                                             last_reconnect = std::chrono::seconds(5);

  KeithleySettings settings_;
  std::shared_ptr<keithley::Talk> talk_;
  Turns turns_;
  link::Signal stirred_;
  std::deque<Heard> queue_;
  std::optional<keithley::Program> written_;  ///< and not running yet
  std::optional<keithley::Program> running_;
  std::optional<Asked> expected_;
  std::optional<wire::scpi::Model> model_;
  std::string old_buffer_;  ///< of the program before, deleted when the next one starts
  std::optional<Fault> lost_;
  keithley::Clock::duration reconnect_wait_{};
  keithley::Clock::time_point back_at_{};  ///< the link was lost, and found again
  bool known_ = false;                     ///< the instrument has been identified once
  bool verified_ = false;                  ///< and on this link
  bool told_lost_ = false;                 ///< LinkLost was said and LinkBack was not
  bool asked_in_vain_ = false;             ///< reattach() gave way, and nobody was told to try again
  bool power_cycled_ = false;              ///< and nothing has been started since
};

}  // namespace cambench
