// One station of the bench: its two instruments, the run on it, and the single way in for everything that
// happens to that run.
//
//     potentiostat --next()--> hear ----+
//     press --read() 5 Hz--> poll ------+--> happen(event) --> sequencer::step --> commit --> carry_out(commands)
//     operator, tick -------------------+                          |
//                                                                  +--> OpenCell, HoldPressure, Vent: at once
//
// Everything here runs on the io_context thread. Transitions are committed before the commands that follow from
// them go out; what makes safe does not wait for the disk and cancels whatever was ordered before it.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/alarms.h"
#include "daemon/config.h"
#include "daemon/first_out.h"
#include "daemon/journal.h"
#include "daemon/sequencer/proof_test.h"
#include "daemon/sequencer/release.h"
#include "daemon/sequencer/sequencer.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "drivers/instrument.h"
#include "schema/status.h"

namespace cambench {

/// What a run is about, as recorded when it was started.
struct RunInfo {
  std::string id;  ///< "r000001", also the instrument's marker
  std::string recipe, cell, material, who;
  std::string recipe_text, cell_json;  ///< as they were when it started
  std::shared_ptr<const Plan> plan;
  WallTime started;
};

/// What the store kept of a run that a stopped daemon left.
struct LeftRun {
  std::vector<store::StoredHole> holes;  ///< of the last step
  std::vector<store::StoredEvent> events;
  std::optional<store::SampleRow> last_sample;
  Seconds last_test_time{0};  ///< of a sample or an event, whichever was later
  AmpereHour charge{0};       ///< moved in the step that was interrupted, signed
};

class Station {
 public:
  struct Instruments {
    std::unique_ptr<Potentiostat> potentiostat;  ///< null: the station only presses
    std::unique_ptr<Press> press;                ///< null: the station has no press
    std::unique_ptr<Press> gauge{};              ///< null: no second pressure sensor; it is only read
  };

  Station(boost::asio::any_io_executor executor, const config::Station& station, sequencer::Rules rules,
          Instruments instruments, store::Store& store, Alarms& alarms, Journal& journal);
  Station(const Station&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Starts the loops that talk to the instruments; they find out by themselves who is there.
  void open();

  /// Starts a run, or refuses with a reason: another run is on this station, an instrument is missing, the plan
  /// leaves a limit to the host. `done` is called once the run is recorded.
  void begin(RunInfo info, std::function<void(Result<void>)> done);

  /// Takes up a run that a stopped daemon left: its transitions are folded, then the instruments are asked.
  void recover(RunInfo info, const LeftRun& left);

  /// What is measured cannot be kept any more: the run trips.
  void store_failed(const Fault& fault) { happen(event::Faulted{Device::potentiostat, fault}); }

  /// The cell of a run that is on no station any more is opened as soon as the potentiostat answers, and told again until
  /// that is confirmed. False when the station has no potentiostat that could do it.
  bool open_left_cell(const std::string& run, std::string why);

  /// Which instrument of this plan the station does not have, in words.
  [[nodiscard]] std::optional<std::string> lacks(const Plan& plan) const;

  /// An operator's order; the refusal of the sequencer comes back.
  Result<void> order(const event::Ordered& order);

  /// Begins the proof test of the press, which must be empty; refused while a run is on the station or the press
  /// does not answer. Says what will move. The result goes into the store and the status.
  Result<std::string> test_press(MegaPascal target, const std::string& who);

  /// Called when a run on this station has finished, after that is durable.
  std::function<void(const std::string& run)> on_finished;

  /// Runs the station's relay program (config::Station::relay), which is the last way to open a cell. May be empty.
  std::function<void(const std::vector<std::string>& words)> cut_leads;

  /// Nobody listened to the instruments for a while; the run on the station has a gap.
  void note_gap(const std::string& why);

  /// Which of its loops has not advanced for longer than any conversation may take; none: all do.
  [[nodiscard]] std::optional<std::string> stands_still(Instant now) const;

  [[nodiscard]] std::string run_id() const { return active_ ? active_->info.id : std::string(); }
  [[nodiscard]] std::string cell_id() const { return active_ ? active_->info.cell : std::string(); }
  /// Each instrument has answered, or failed to, since the daemon came up.
  [[nodiscard]] bool met() const;
  [[nodiscard]] bool busy() const;  ///< a run is on this station and not over
  [[nodiscard]] status::Station status(Instant now) const;

 private:
  /// Rows that were missed and that the instrument may still tell: numbers are kept free for them.
  struct Hole {
    Seconds from, to;  ///< step times of the rows on both sides; `from` moves on as it is filled
    Stamp at;          ///< of the row at `from`
    std::int64_t next = 0, last = 0;
  };

  struct Active {  ///< the run on this station
    Active();      // clang 19 knows the members' first values only behind the class
    RunInfo info;
    sequencer::Run run;
    Instant began;
    std::int64_t seq = 0;
    Seconds step_base{0};    ///< test time at which the running part of the step began
    Seconds done_before{0};  ///< of that step, in the parts before
    Seconds last_test_time{0};
    std::optional<Sample> last_sample;  ///< of the running part
    std::vector<Hole> holes;            ///< of the running part, in their order
    sequencer::Phase shown;             ///< the last phase that is durable: nobody is told of a later one
    std::int64_t trips = 0;
  };

  boost::asio::awaitable<void> listen_to_potentiostat();
  boost::asio::awaitable<void> meet_potentiostat();
  boost::asio::awaitable<void> poll_press();
  boost::asio::awaitable<void> poll_gauge();
  boost::asio::awaitable<Result<PressureSample>> read_gauge();
  void gauge_read(const Result<PressureSample>& read);
  void add_second_sensor(PressureSample& sample) const;
  void warn_of_sensors();
  void warn(bool stands, const char* cause, const std::function<std::string()>& text,
            command::Severity severity = command::Severity::warning);
  void begin_release();
  void end_release();
  void follow_release(const PressureSample& sample);
  void press_is_met();
  [[nodiscard]] bool press_decides() const;
  boost::asio::awaitable<void> feed_watchdog();
  boost::asio::awaitable<void> prove_press();
  boost::asio::awaitable<void> tick();
  void heard(Heard&& what);
  void measured(const heard::Measured& heard);
  [[nodiscard]] Active* run_of(const Marker& program);
  void keep_room(Active& run, const Sample& after_gap, bool same_step);
  void fill(Active& run, Sample late);
  void judge(const Active& run, const Sample& sample);
  void keep(const Active& run, const Sample& sample, std::int64_t seq, Seconds test_time);
  [[nodiscard]] Stamp told_at(const Stamp& earlier, Seconds later) const;
  void pressure_read(PressureSample sample);
  void pressure_missed(const std::string& why);
  void keep_pressure(const PressureSample& sample);
  void potentiostat_away(const Fault& why);
  boost::asio::awaitable<void> link_is_back();
  boost::asio::awaitable<void> ask_what_it_does();
  void tell_what_to_expect();
  /// What becomes of the potentiostat concerns the run that is on the station.
  [[nodiscard]] bool uses_cell() const { return busy() && active_->info.plan->needs_cell; }
  void insist_on_left_cell();

  void happen(Event event);
  void take_turn(const Event& event);
  void raise(const command::Raise& raised, std::vector<store::Row>& rows);
  void keep_trip(const sequencer::Transition& transition, std::vector<store::Row>& rows);
  void clear_alarms(const sequencer::Transition& transition, std::vector<store::Row>& rows);
  void clear_alarm(std::string_view cause);
  void keep(std::optional<store::Row> row);
  void record(std::vector<store::Row> rows, std::vector<Command> after, bool finished);
  void carry_out(const Command& command);
  boost::asio::awaitable<void> identify(Device device);
  boost::asio::awaitable<void> measure_rest();
  boost::asio::awaitable<void> start_step(PlannedStep step, std::uint64_t epoch);
  boost::asio::awaitable<void> open_cell(std::string why);
  boost::asio::awaitable<void> set_pressure(MegaPascal target, std::uint64_t epoch);
  boost::asio::awaitable<void> stop_press(bool vent);

  std::string note(const sequencer::Transition& transition);
  [[nodiscard]] Seconds test_time(Instant now) const;
  [[nodiscard]] status::Run run_status() const;

  static constexpr auto not_met = "not met yet";
  static constexpr Seconds before_start{-1};  ///< step time of what comes before a step's first row
  /// A row that was heard and is told again from the instrument's file is the same to the last digit; what was taken
  /// from the store and put together again need not be. No instrument measures twice so soon.
  static constexpr Seconds same_row{1e-6};

  boost::asio::any_io_executor executor_;
  std::string name_;
  config::Station config_;
  sequencer::Rules rules_;
  Instruments instruments_;
  store::Store& store_;
  Alarms& alarms_;
  Journal& journal_;

  std::optional<Active> active_, before_;  ///< the last rows of the run before may still come
  FirstOut first_out_;
  std::deque<Event> inbox_;
  bool in_turn_ = false;
  std::optional<std::string> refusal_;  ///< of the last order
  std::uint64_t epoch_ = 0;             ///< grows with every command that makes safe
  struct LeftCell {                     ///< of a run that is not the station's any more, not known to be open
    std::string run, why;
    Instant asked;
  };
  std::optional<LeftCell> left_cell_;
  bool opening_failed_ = false;                   ///< the last one
  std::uint64_t samples_ = 0, polls_missed_ = 0;  ///< since the daemon came up

  Instant polled_at_ = std::chrono::steady_clock::now(), ticked_at_ = polled_at_;  ///< the loops' last turns
  struct Asked {  ///< what an instrument owes an answer to, and must give one or fail
    const char* what;
    std::optional<Instant> since;
  };
  Asked meeting_{"meeting with the potentiostat", {}}, opening_{"opening of the cell", {}},
      stopping_{"stopping of the press", {}};

  std::optional<Identity> potentiostat_identity_, press_identity_;
  std::string potentiostat_trouble_ = not_met, press_trouble_ = not_met;
  std::optional<Identity> gauge_identity_;
  std::string gauge_trouble_ = not_met;
  std::optional<PressureSample> last_gauge_, last_good_gauge_, last_stored_gauge_;
  Instant gauge_polled_at_ = polled_at_;
  std::optional<PressureSample> last_pressure_;
  std::optional<PressureSample> last_stored_pressure_;

  std::optional<sequencer::Release> release_;  ///< of the press, whatever has become of the run
  bool releases_by_itself_ = false;            ///< nobody ordered that now: over when it says that it is

  struct PressProof {
    proof::ProofTest test;
    std::string who;
    WallTime started;
  };
  std::optional<PressProof> proof_;  ///< the last one, or the one that runs
  [[nodiscard]] bool proving() const { return proof_ && !proof_->test.over(); }
};

}  // namespace cambench
