// The conversation with a PalmSens instrument: what palmsens.h promises, in three files.
//   palmsens.cpp           the contract: programs are started, what they say is told
//   palmsens_link.cpp      connected, recognised, listened for, and found again after a lost link
//   palmsens_recovery.cpp  what the instrument kept; the cell opened, whatever came before
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "drivers/link/signal.h"
#include "drivers/palmsens.h"
#include "drivers/palmsens_program.h"
#include "drivers/palmsens_talk.h"
#include "drivers/turns.h"
#include "drivers/wire/mscript_files.h"
#include "drivers/wire/mscript_program.h"

namespace cambench {

/// Everything that is alive while the driver is: the talk with the instrument, and the program that runs.
class Palmsens::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const boost::asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
               PalmsensSettings settings)
      : executor_(executor),
        settings_(std::move(settings)),
        talk_(std::make_shared<palmsens::Talk>(
            executor, std::move(link),
            palmsens::Talk::Times{settings_.reply_time, settings_.deaf_after_error})),
        turns_(executor, &talk_->replied()),
        heard_(executor) {}

  void begin();  ///< before anything else
  void end() {
    talk_->end();
    turns_.end();
    heard_.notify();
  }

  Later<Identity> identify();
  void expect(const PlannedStep& step, const Marker& marker, Seconds recorded) {
    expected_ = Expected{marker, wire::mscript::file_name(step, marker), recorded,
                         wire::mscript::longest_pause(step)};
  }
  Later<Found> reattach();
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const;
  Later<void> start(PlannedStep step, Marker marker);
  Later<Heard> next();
  Later<Sample> measure_rest();
  Later<void> open_cell();
  [[nodiscard]] IoHealth health() const { return talk_->health(); }

 private:
  /// What the daemon believes to run, or what was started here.
  struct Expected {
    Marker marker;
    std::string file;
    Seconds recorded;  ///< rows up to here are known
    Seconds pause;     ///< instrument time between two rows, at most
  };

  // the link
  Later<void> connect();
  void disconnect();
  void link_lost(Fault why);
  boost::asio::awaitable<void> watch_over_silence(std::uint64_t generation);
  boost::asio::awaitable<void> ask_after_program();
  boost::asio::awaitable<void> reconnect();

  // who is there
  Later<Identity> ask_who();
  Later<Identity> ask_model();
  Later<void> check_abilities();
  Later<void> load(std::string script);
  Later<void> confirm_idle();
  Later<Found> find_program();
  Later<void> hear_its_name();
  boost::asio::awaitable<void> search_again(std::uint64_t generation);
  [[nodiscard]] std::optional<Fault> runs_for_another() const;

  // programs and their files
  Later<void> launch(const PlannedStep& step, const Marker& marker, bool stores);
  Later<void> until_announced();
  Later<Found> recall();
  boost::asio::awaitable<void> conclude(palmsens::Program over, std::string otherwise);
  Later<bool> recall_file(Found& found);
  void recall_queue(Found& found, bool in_file);

  // opening the cell
  Later<Sample> look();
  Later<void> stop_program();
  Later<void> open_and_verify();
  Later<void> connect_to_open();
  Later<void> refuse_stranger();
  boost::asio::awaitable<void> make_safe_after_error(Marker marker, std::string text);

  // what comes
  bool hear(const std::string& line);
  void hear_program(const std::string& line);
  void program_failed(const palmsens::Program& over, const wire::mscript::ErrorCode& error);
  void program_ended(const palmsens::Program& over);
  void tell(Heard what);

  [[nodiscard]] Seconds wire(Seconds instrument_time) const { return instrument_time / settings_.time_scale; }

  boost::asio::any_io_executor executor_;
  PalmsensSettings settings_;
  std::shared_ptr<palmsens::Talk> talk_;
  Turns turns_;
  link::Signal heard_;
  std::deque<Heard> queue_;
  std::size_t dropped_rows_ = 0;
  std::uint64_t programs_over_ = 0;      ///< whose last line came
  std::uint64_t programs_recalled_ = 0;  ///< of which reattach() has told everything
  std::optional<palmsens::Program> program_;
  std::optional<Identity> identity_;
  std::optional<wire::mscript::Model> model_;
  std::optional<wire::mscript::Capabilities> can_;  ///< asked once nothing runs
  std::optional<Expected> expected_;
  std::optional<std::string>
      refused_;  ///< why the program that is being started gave up before it said its name
  bool launching_ = false;
  bool verified_ = false;  ///< the serial number was right on this link
  bool reconnecting_ = false;
  static constexpr palmsens::Clock::duration first_search = std::chrono::seconds(1),
                                             last_search = std::chrono::minutes(1);
  palmsens::Clock::duration search_wait_ = first_search;  ///< after a search for the program that failed
};

}  // namespace cambench
