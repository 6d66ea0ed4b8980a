#include "drivers/keithley.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <utility>

#include "drivers/link/signal.h"

namespace cambench {

namespace asio = boost::asio;
using link::Signal;
namespace scpi = wire::scpi;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr Clock::duration fastest_poll = 5ms, slowest_poll = 1s, idle_poll = 2s;
constexpr Clock::duration last_reconnect = 5s;
constexpr Clock::duration list_is_over =
    300ms;                          // without a line; :TRIG:BLOC:LIST? does not say where it ends
constexpr int most_errors = 1000;   // the queue's depth
constexpr Ampere no_current{1e-5};  // above the offset of any range a step uses
constexpr Volt leads_swapped{-0.2}, lead_open{5.5};
constexpr double overdue = 1.1;  // a counter branch is no clock

Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }
Stamp now_stamp() { return {Clock::now(), std::chrono::system_clock::now()}; }

}  // namespace

/// Everything that is alive while the driver is: the link, its reader, the program that runs.
class Keithley::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
               std::unique_ptr<link::ByteLink> dead_socket, KeithleySettings settings)
      : executor_(executor),
        link_(std::move(link)),
        dead_socket_(std::move(dead_socket)),
        settings_(std::move(settings)),
        arrived_(executor),
        stirred_(executor),
        freed_(executor) {}

  void end() {
    ended_ = true;
    link_->close();
    arrived_.notify();
    stirred_.notify();
    freed_.notify();
  }

  Later<Identity> identify();
  void expect(const PlannedStep& step, const Marker& marker, Seconds recorded) {
    expected_ = Expected{step, marker, recorded};
  }
  Later<Found> reattach();
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const;
  Later<void> start(PlannedStep step, Marker marker);
  Later<Heard> next();
  Later<Sample> measure_rest();
  Later<void> open_cell();

 private:
  struct Expected {
    PlannedStep step;
    Marker marker;
    Seconds recorded;
  };

  /// A program of ours, from its start until its end has been told.
  struct Running {
    PlannedStep step;
    Marker marker;
    scpi::Program program;
    std::size_t fetched = 0;     ///< rows
    Seconds recorded{-1};        ///< rows up to here are known already
    bool away = false;           ///< what is in the buffer now was measured while nobody listened
    std::size_t late_until = 0;  ///< rows up to here were
    std::optional<Sample> last, told;
  };

  /// One conversation at a time. Its turn ends with its life.
  class Turn {
   public:
    Turn(std::shared_ptr<Conversation> talk, bool opens) : talk_(std::move(talk)) {
      talk_->busy_ = true;
      talk_->opening_ = opens;
    }
    ~Turn() {
      talk_->busy_ = talk_->opening_ = false;
      talk_->freed_.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::shared_ptr<Conversation> talk_;
  };
  asio::awaitable<void> turn_for_request();
  asio::awaitable<void> turn_to_open();
  [[nodiscard]] std::optional<Fault> why_not() const;

  // the link
  Later<void> connect();
  Later<void> open_link();
  void link_lost(const Fault& why);
  asio::awaitable<void> read_for_ever(std::uint64_t generation);

  // questions and answers
  Later<void> tell(std::string command);
  Later<void> tell_all(std::vector<std::string> commands);
  Later<std::string> ask(std::string question);
  Later<std::vector<std::string>> ask_lines(std::string question);
  Later<std::size_t> ask_count(std::string question);
  Later<bool> ask_flag(std::string question);
  Later<std::string> drain_errors();
  Later<void> expect_no_errors();
  Later<void> expect_settings(const std::vector<scpi::Check>& checks);

  // conversations
  Later<Identity> meet();
  Later<Identity> ask_who();
  Later<bool> ask_power_cycled();
  Later<void> tidy();
  Later<void> refuse_while_running();
  Later<void> launch();
  Later<void> configure(const scpi::Program& program);
  Later<scpi::TriggerState> trigger_state();
  Later<std::size_t> fetch_new_rows();
  Later<void> look_at_program();
  Later<void> conclude(std::optional<EndReason> reason);
  Later<std::optional<Marker>> marker_on_board();
  Later<double> read_at_rest();
  Later<void> switch_off();
  Later<void> reach_and_open();
  Later<void> open_and_verify();
  asio::awaitable<void> watch();
  asio::awaitable<void> come_back();

  void take_rows(const std::vector<scpi::Row>& rows);
  [[nodiscard]] bool worth_telling(const Sample& sample) const;
  void tell_sample(const Sample& sample);
  [[nodiscard]] Running running(const PlannedStep& step, const Marker& marker) const;
  [[nodiscard]] Clock::duration poll_time() const;
  [[nodiscard]] scpi::Rig rig() const;

  asio::any_io_executor executor_;
  std::unique_ptr<link::ByteLink> link_, dead_socket_;
  KeithleySettings settings_;
  scpi::Lines lines_;
  Signal arrived_, stirred_, freed_;
  std::deque<Heard> queue_;
  std::optional<Running> running_;
  std::optional<Expected> expected_;
  std::optional<scpi::Model> model_;
  std::string old_buffer_;  ///< of the program before, deleted when the next one starts
  std::optional<Fault> lost_;
  Clock::duration reconnect_wait_{};
  Clock::time_point heard_at_{};
  std::uint64_t generation_ = 0;  ///< of the link: a reader of an older one stops
  int openers_ = 0, failures_ = 0;
  bool busy_ = false, opening_ = false, ended_ = false;
  bool known_ = false;         ///< the instrument has been identified once
  bool verified_ = false;      ///< and on this link
  bool told_lost_ = false;     ///< LinkLost was said and LinkBack was not
  bool power_cycled_ = false;  ///< and nothing has been started since
};

// ---- the contract -------------------------------------------------------------------------------------------

Later<Identity> Keithley::Conversation::identify() {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, false);
  co_return co_await meet();
}

Later<Found> Keithley::Conversation::reattach() {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, false);
  if (power_cycled_) co_return Found{Found::State::power_cycled, std::nullopt};
  if (running_)
    co_return Found{Found::State::running, running_->marker};  // its rows and its end are still to be told
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::empty) co_return Found{Found::State::idle, std::nullopt};
  const auto marker = co_await marker_on_board();
  if (!marker) co_return fail(marker.error());
  if (*marker) old_buffer_ = scpi::buffer_name(**marker);
  if (*marker && expected_ && expected_->marker == **marker) {
    running_ = running(expected_->step, expected_->marker);
    running_->recorded = expected_->recorded;
    running_->away = true;
    co_return Found{Found::State::running, *marker};
  }
  if (*state == scpi::TriggerState::running)
    co_return Found{*marker ? Found::State::running : Found::State::unknown, *marker};
  co_return Found{Found::State::idle, std::nullopt};
}

Result<OnBoard> Keithley::Conversation::prepare(const PlannedStep& step) const {
  if (!model_) return fail(Fault::Kind::refused, "the instrument has not been identified yet");
  const scpi::Rig wired = rig();
  if (auto why = scpi::beyond(step, wired))
    return fail(Fault::Kind::refused, fmt::format("{}: {}", model_->name, *why));
  const Guards& g = step.guards;
  const bool rests = step.kind == PlannedStep::Kind::open_circuit;
  const bool guarded = wired.sensed() == LimitOn::cell ? g.cell_min && g.cell_max : g.we_min && g.we_max;
  OnBoard on_board;
  on_board.cutoff = rests || step.run_time_is_planned || step.until_voltage || step.until_current;
  on_board.guards = rests || guarded;
  on_board.run_time = on_board.opens_at_end = true;
  on_board.sentences = scpi::sentences(step, wired);
  return on_board;
}

Later<void> Keithley::Conversation::start(PlannedStep step, Marker marker) {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, false);
  if (!verified_ || !link_->is_open()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (const auto fits = prepare(step); !fits) co_return fail(fits.error());
  if (scpi::marker_in(scpi::buffer_name(marker)) != marker)
    co_return fail(Fault::Kind::refused, fmt::format("\"{}\" is no name of a run", marker.run));
  const auto idle = co_await refuse_while_running();
  if (!idle) co_return fail(idle.error());
  const scpi::Program program = scpi::program(step, marker, rig());
  const auto configured = co_await configure(program);
  if (!configured)
    co_return fail(configured.error().kind, fmt::format("the program of step {} was not accepted: {}",
                                                        step.index + 1, configured.error().what));
  running_ = running(step, marker);
  power_cycled_ = false;
  co_return co_await launch();
}

Later<void> Keithley::Conversation::refuse_while_running() {
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (running_ || *state == scpi::TriggerState::running)
    co_return fail(Fault::Kind::refused, "a program runs in the instrument");
  co_return Result<void>{};
}

Later<void> Keithley::Conversation::launch() {
  const auto begun = co_await tell(":INIT");
  if (!begun) co_return fail(begun.error());
  const auto runs = co_await trigger_state();
  if (!runs) co_return fail(runs.error());
  if (*runs == scpi::TriggerState::running || *runs == scpi::TriggerState::idle) co_return Result<void>{};
  running_.reset();
  co_return fail(Fault::Kind::instrument, "the trigger model did not start");
}

Later<Heard> Keithley::Conversation::next() {
  const auto alive = shared_from_this();
  for (;;) {
    if (!queue_.empty()) {
      Heard what = std::move(queue_.front());
      queue_.pop_front();
      co_return what;
    }
    if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
    if (lost_ && known_ && !told_lost_) {
      told_lost_ = true;
      reconnect_wait_ = ticks(settings_.reconnect_time);
      queue_.emplace_back(heard::LinkLost{*lost_});
      continue;
    }
    co_await stirred_.wait_until(Clock::now() + (told_lost_ ? reconnect_wait_ : poll_time()));
    if (ended_ || !known_) continue;
    if (told_lost_)
      co_await come_back();
    else
      co_await watch();
  }
}

Later<Sample> Keithley::Conversation::measure_rest() {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, false);
  if (!verified_ || !link_->is_open()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  const auto idle = co_await refuse_while_running();
  if (!idle) co_return fail(idle.error());
  const auto volt = co_await read_at_rest();
  const auto off = co_await switch_off();  // whatever came of the reading
  if (!volt) co_return fail(volt.error());
  if (!off) co_return fail(off.error());
  const Volt potential = settings_.polarity * Volt(*volt);
  if (abs(potential) > lead_open)
    co_return fail(Fault::Kind::bad_value,
                   fmt::format("{:.3f} V at rest: a sense lead is open", potential.value()));
  if (potential < leads_swapped)
    co_return fail(Fault::Kind::bad_value,
                   fmt::format("{:.3f} V at rest with polarity = {}: the leads are swapped, or it must be {}",
                               potential.value(), settings_.polarity, -settings_.polarity));
  Sample rest;
  (rig().sensed() == LimitOn::cell ? rest.cell : rest.we_vs_re) = potential;
  rest.current = Ampere(0);
  rest.at = now_stamp();
  co_return rest;
}

Later<void> Keithley::Conversation::open_cell() {
  const auto alive = shared_from_this();
  co_await turn_to_open();
  const Turn turn(alive, true);
  auto opened = co_await reach_and_open();
  if (!opened && opened.error().kind != Fault::Kind::identity && !link_->is_open())
    opened = co_await reach_and_open();  // the connection ended under way
  if (!opened && !link_->is_open()) opened.error().what += "; the limits in the instrument guard the cell";
  co_return opened;
}

/// Whatever it answers to other questions, opening is tried, unless it is somebody else's instrument.
Later<void> Keithley::Conversation::reach_and_open() {
  if (!link_->is_open() || !verified_) {
    const auto known = co_await meet();
    if (!known && !link_->is_open()) co_return fail(known.error());
  }
  co_return co_await open_and_verify();
}

// ---- while a program runs -----------------------------------------------------------------------------------
// Whether a unit serves a question while its trigger model runs is not certain for every model and firmware. Those
// that are asked then are all here: :TRIG:STAT?, :TRAC:ACT:END? and :TRAC:DATA?; after a new connection also *IDN?,
// *LANG? and *ESR? (meet), and after a new start of the daemon :TRIG:BLOC:LIST? (marker_on_board).

Later<scpi::TriggerState> Keithley::Conversation::trigger_state() {
  const auto reply = co_await ask(":TRIG:STAT?");
  if (!reply) co_return fail(reply.error());
  co_return scpi::parse_trigger_state(*reply);
}

/// Rows that are in the buffer and not here yet. Returns how many came.
Later<std::size_t> Keithley::Conversation::fetch_new_rows() {
  const std::string buffer = running_->program.buffer;
  const auto end = co_await ask_count(fmt::format(":TRAC:ACT:END? \"{}\"", buffer));
  if (!end) co_return fail(end.error());
  if (std::exchange(running_->away, false)) running_->late_until = *end;
  const std::size_t before = running_->fetched;
  while (running_->fetched < *end) {
    const std::size_t first = running_->fetched + 1,
                      last = std::min(*end, first + scpi::most_rows_a_question - 1);
    const auto reply =
        co_await ask(fmt::format(":TRAC:DATA? {},{},\"{}\",SOUR,READ,REL", first, last, buffer));
    if (!reply) co_return fail(reply.error());
    const auto rows = scpi::parse_rows(*reply, last - first + 1);
    if (!rows) co_return fail(rows.error());
    take_rows(*rows);
  }
  co_return running_->fetched - before;
}

Later<void> Keithley::Conversation::look_at_program() {
  const auto state = co_await trigger_state();  // asked first: the rows of an idle instrument are all there
  if (!state) co_return fail(state.error());
  if (!running_) co_return Result<void>{};
  const auto fetched = co_await fetch_new_rows();
  if (!fetched) co_return fail(fetched.error());
  if (*state != scpi::TriggerState::running) co_return co_await conclude(std::nullopt);
  const Seconds allowed = overdue * running_->step.run_time + Seconds(10);
  if (!running_->last || running_->last->step_time < allowed) co_return Result<void>{};
  const auto off = co_await switch_off();
  if (!off) co_return fail(off.error());
  co_return co_await conclude(EndReason::timeout);
}

/// The program is over: says why. Without a `reason` of ours the last row, the protections and the error queue decide.
Later<void> Keithley::Conversation::conclude(std::optional<EndReason> reason) {
  const Running& over = *running_;
  std::string text;
  EndReason why = over.last
                      ? scpi::shown_by(*over.last, over.fetched, over.step, rig(), over.program.most_rows)
                      : EndReason::unknown;
  if (why == EndReason::unknown) text = "the output went off and the last row does not say why";
  for (const std::string& question : over.program.trips) {
    const auto tripped = co_await ask_flag(question);
    if (!tripped) co_return fail(tripped.error());
    if (*tripped) why = EndReason::guard, text = "output protection";
  }
  const auto errors = co_await drain_errors();
  if (!errors) co_return fail(errors.error());
  if (!errors->empty()) why = EndReason::error, text = *errors;
  const auto on = co_await ask_flag(":OUTP?");
  if (!on) co_return fail(on.error());
  if (*on) {
    const auto off = co_await switch_off();
    if (!off) co_return fail(off.error());
    why = EndReason::error, text = "the output was still on after the end of the program";
  }
  if (reason) why = *reason, text.clear();
  const auto emptied = co_await tell(":TRIG:LOAD \"Empty\"");  // what has been told is not met again
  if (!emptied) co_return fail(emptied.error());
  if (over.last && (!over.told || over.told->step_time < over.last->step_time)) tell_sample(*over.last);
  queue_.emplace_back(heard::Ended{over.marker, why, text});
  running_.reset();
  expected_.reset();
  co_return Result<void>{};
}

/// What stands in the trigger model names its buffer, and the buffer names the run.
Later<std::optional<Marker>> Keithley::Conversation::marker_on_board() {
  const auto blocks = co_await ask_lines(":TRIG:BLOC:LIST?");
  if (!blocks) co_return fail(blocks.error());
  for (const std::string& block : *blocks)
    if (auto marker = scpi::marker_in(block)) co_return marker;
  co_return std::optional<Marker>{};
}

asio::awaitable<void> Keithley::Conversation::watch() {
  const auto alive = shared_from_this();
  if (busy_ || openers_ > 0) co_return;
  if (!running_ && Clock::now() - heard_at_ < idle_poll) co_return;
  const Turn turn(alive, false);
  Result<void> looked;
  if (running_) {
    looked = co_await look_at_program();
  } else {
    const auto state = co_await trigger_state();
    if (!state) looked = fail(state.error());
  }
  // An answer that makes no sense is a stream out of step: it starts anew.
  if (!looked && looked.error().kind != Fault::Kind::cancelled) link_lost(looked.error());
}

asio::awaitable<void> Keithley::Conversation::come_back() {
  const auto known = co_await identify();
  if (known) {
    told_lost_ = false;
    queue_.emplace_back(heard::LinkBack{});
    co_return;
  }
  reconnect_wait_ = std::min<Clock::duration>(2 * reconnect_wait_, last_reconnect);
  if (known.error().kind == Fault::Kind::identity) queue_.emplace_back(heard::LinkLost{known.error()});
}

// ---- while nothing runs -------------------------------------------------------------------------------------

/// Who is there. The power-on bit is read before anything could clear it.
Later<Identity> Keithley::Conversation::meet() {
  const auto connected = co_await connect();
  if (!connected) co_return fail(connected.error());
  auto identity = co_await ask_who();
  if (!identity) {
    // Nothing is said to an instrument that is not known.
    if (identity.error().kind == Fault::Kind::identity) link_lost(identity.error());
    co_return fail(identity.error());
  }
  const auto cycled = co_await ask_power_cycled();
  if (!cycled) co_return fail(cycled.error());
  if (*cycled) {
    power_cycled_ = true;
    running_.reset();
  }
  if (running_) running_->away = true;
  if (!running_) {
    const auto tidied = co_await tidy();
    if (!tidied) co_return fail(tidied.error());
  }
  known_ = verified_ = true;
  failures_ = 0;
  lost_.reset();
  co_return std::move(*identity);
}

namespace {

Result<Identity> identity_of(const std::string& reply, const std::string& serial) {
  const auto who = scpi::parse_identity(reply);
  if (!who) return fail(who.error());
  const auto model = scpi::model_of(who->model);
  if (!model || !who->maker.starts_with("KEITHLEY"))
    return fail(Fault::Kind::identity,
                fmt::format("\"{} {}\" is no instrument we know", who->maker, who->model));
  if (who->serial != serial)
    return fail(Fault::Kind::identity,
                fmt::format("instrument {} answers, {} is configured", who->serial, serial));
  Identity identity{"Keithley", who->model, who->serial, who->firmware};
  identity.galvanostat = identity.stores_on_board = true;
  identity.max_current = model->max_current;
  identity.max_potential = model->max_potential;
  return identity;
}

}  // namespace

Later<Identity> Keithley::Conversation::ask_who() {
  const auto reply = co_await ask("*IDN?");
  if (!reply) co_return fail(reply.error());
  auto identity = identity_of(*reply, settings_.serial);
  if (!identity) co_return fail(identity.error());
  const auto language = co_await ask("*LANG?");
  if (!language) co_return fail(language.error());
  if (*language != "SCPI")
    co_return fail(Fault::Kind::identity,
                   fmt::format("the instrument speaks {}; send *LANG SCPI and restart it", *language));
  model_ = scpi::model_of(identity->model);
  co_return std::move(*identity);
}

Later<bool> Keithley::Conversation::ask_power_cycled() {
  const auto reply = co_await ask("*ESR?");
  if (!reply) co_return fail(reply.error());
  const auto status = scpi::parse_event_status(*reply);
  if (!status) co_return fail(status.error());
  co_return (*status & scpi::power_on_bit) != 0;
}

/// Old errors are nobody's any more, unless something runs there.
Later<void> Keithley::Conversation::tidy() {
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::running) co_return Result<void>{};
  const auto drained = co_await drain_errors();
  if (!drained) co_return fail(drained.error());
  co_return Result<void>{};
}

/// *OPC? comes before :INIT, never after: it would wait for the end of the trigger model.
Later<void> Keithley::Conversation::configure(const scpi::Program& program) {
  std::vector<std::string> old;
  old.push_back(fmt::format(":TRAC:DEL \"{}\"", program.buffer));
  if (!old_buffer_.empty() && old_buffer_ != program.buffer)
    old.push_back(fmt::format(":TRAC:DEL \"{}\"", old_buffer_));
  old.emplace_back("*CLS");  // there may have been no such buffer
  const auto cleared = co_await tell_all(std::move(old));
  if (!cleared) co_return fail(cleared.error());
  old_buffer_ = program.buffer;
  const auto told = co_await tell_all(program.lines);
  if (!told) co_return fail(told.error());
  const auto done = co_await ask("*OPC?");
  if (!done) co_return fail(done.error());
  const auto clean = co_await expect_no_errors();
  if (!clean) co_return fail(clean.error());
  const auto off = co_await ask_flag(":OUTP?");
  if (!off) co_return fail(off.error());
  if (*off) co_return fail(Fault::Kind::instrument, "the output is on before the start");
  co_return co_await expect_settings(program.checks);
}

Later<double> Keithley::Conversation::read_at_rest() {
  const auto told = co_await tell_all(scpi::look_lines());
  if (!told) co_return fail(told.error());
  const auto done = co_await ask("*OPC?");
  if (!done) co_return fail(done.error());
  const auto clean = co_await expect_no_errors();
  if (!clean) co_return fail(clean.error());
  const auto on = co_await tell(":OUTP ON");
  if (!on) co_return fail(on.error());
  const auto reply = co_await ask(":READ? \"defbuffer1\",READ");
  if (!reply) co_return fail(reply.error());
  const auto volt = scpi::parse_number(*reply);
  if (!volt) co_return fail(Fault::Kind::bad_value, fmt::format("the potential at rest is \"{}\"", *reply));
  co_return *volt;
}

/// Ends whatever runs. High impedance first: the output-off state may have fallen back to NORMAL.
Later<void> Keithley::Conversation::switch_off() { co_return co_await tell_all(scpi::off_lines()); }

Later<void> Keithley::Conversation::open_and_verify() {
  const auto off = co_await switch_off();
  if (!off) co_return fail(off.error());
  const auto on = co_await ask_flag(":OUTP?");
  if (!on) co_return fail(on.error());
  if (*on) co_return fail(Fault::Kind::instrument, "the output is still on");
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::running)
    co_return fail(Fault::Kind::instrument, "the trigger model is still running");
  if (running_) {
    const auto fetched = co_await fetch_new_rows();
    if (!fetched) co_return fail(fetched.error());
    const auto told = co_await conclude(EndReason::aborted);
    if (!told) co_return fail(told.error());
  }
  const auto sensed = co_await tell(":SENS:FUNC \"CURR\"");
  if (!sensed) co_return fail(sensed.error());
  const auto reply = co_await ask(":READ? \"defbuffer1\",READ");
  if (!reply) co_return fail(reply.error());
  const auto current = scpi::parse_number(*reply);  // some units have no value with the output off
  if (current && !(abs(Ampere(*current)) <= no_current))
    co_return fail(Fault::Kind::instrument,
                   fmt::format("{:.4g} mA flow with the output off", *current * 1e3));
  stirred_.notify();
  co_return Result<void>{};
}

// ---- rows ---------------------------------------------------------------------------------------------------

void Keithley::Conversation::take_rows(const std::vector<scpi::Row>& rows) {
  for (const scpi::Row& row : rows) {
    ++running_->fetched;
    Sample sample = scpi::sample_of(row, running_->step, running_->program.measures, rig());
    sample.at = now_stamp();
    if (running_->fetched <= running_->late_until) sample.status |= reading_status::late;
    running_->last = sample;
    if (worth_telling(sample)) tell_sample(sample);
  }
}

/// The first row, one every record_every, and whenever the potential moved by record_delta.
bool Keithley::Conversation::worth_telling(const Sample& sample) const {
  if (sample.step_time <= running_->recorded) return false;
  if (!running_->told) return true;
  const PlannedStep& step = running_->step;
  const Sample& told = *running_->told;
  if (sample.step_time - told.step_time >= step.record_every - 0.5 * step.sampling) return true;
  const auto potential = [](const Sample& s) { return s.cell ? s.cell : s.we_vs_re; };
  const auto now = potential(sample), before = potential(told);
  if (now.has_value() != before.has_value()) return true;
  return step.record_delta && now && abs(*now - *before) >= *step.record_delta;
}

void Keithley::Conversation::tell_sample(const Sample& sample) {
  if (sample.step_time <= running_->recorded) return;
  running_->told = sample;
  queue_.emplace_back(heard::Measured{sample});
}

Keithley::Conversation::Running Keithley::Conversation::running(const PlannedStep& step,
                                                                const Marker& marker) const {
  Running made;
  made.step = step;
  made.marker = marker;
  made.program = scpi::program(step, marker, rig());
  return made;
}

Clock::duration Keithley::Conversation::poll_time() const {
  if (!running_) return idle_poll;
  return std::clamp(ticks(running_->step.sampling / settings_.time_scale), fastest_poll, slowest_poll);
}

scpi::Rig Keithley::Conversation::rig() const {
  return {*model_, settings_.polarity, settings_.sense, settings_.charge, settings_.discharge};
}

// ---- turns --------------------------------------------------------------------------------------------------

asio::awaitable<void> Keithley::Conversation::turn_for_request() {
  while ((busy_ || openers_ > 0) && !ended_) co_await freed_.wait();
}

asio::awaitable<void> Keithley::Conversation::turn_to_open() {
  ++openers_;
  while (busy_ && !ended_) co_await freed_.wait();
  --openers_;
}

/// Why nothing more may be said, or nothing.
std::optional<Fault> Keithley::Conversation::why_not() const {
  if (ended_) return Fault{Fault::Kind::cancelled, "the driver ends"};
  if (openers_ > 0 && !opening_) return Fault{Fault::Kind::cancelled, "given up: the cell was ordered open"};
  if (!link_->is_open()) return lost_.value_or(Fault{Fault::Kind::link, "the instrument is not connected"});
  return std::nullopt;
}

// ---- the link -----------------------------------------------------------------------------------------------

/// A session that died without a word keeps the instrument's only port until its dead-socket port is opened. That is
/// done after a second failure, so that another program that owns the instrument is told of first.
Later<void> Keithley::Conversation::connect() {
  if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
  if (link_->is_open()) co_return Result<void>{};
  if (++failures_ > 2 && dead_socket_) {
    const auto knocked = co_await dead_socket_->open();
    if (knocked) dead_socket_->close();
  }
  co_return co_await open_link();
}

Later<void> Keithley::Conversation::open_link() {
  const auto opened = co_await link_->open();
  if (!opened) co_return fail(opened.error());
  lines_.clear();
  verified_ = false;
  ++generation_;
  asio::co_spawn(executor_, read_for_ever(generation_), asio::detached);
  co_return Result<void>{};
}

void Keithley::Conversation::link_lost(const Fault& why) {
  if (!link_->is_open()) return;
  link_->close();
  ++generation_;
  verified_ = false;
  lost_ = why;
  arrived_.notify();
  stirred_.notify();
}

asio::awaitable<void> Keithley::Conversation::read_for_ever(std::uint64_t generation) {
  const auto alive = shared_from_this();
  std::array<char, 4096> buffer;
  while (!ended_ && generation == generation_) {
    const auto got = co_await link_->read_some(buffer);
    if (ended_ || generation != generation_) co_return;
    if (!got) {
      link_lost(got.error());
      co_return;
    }
    if (!lines_.feed({buffer.data(), *got})) {
      link_lost({Fault::Kind::protocol, "an answer without end"});
      co_return;
    }
    heard_at_ = Clock::now();
    arrived_.notify();
  }
}

// ---- questions and answers ----------------------------------------------------------------------------------

Later<void> Keithley::Conversation::tell(std::string command) {
  if (auto why = why_not()) co_return fail(std::move(*why));
  command += '\n';
  asio::steady_timer patience(executor_, ticks(settings_.reply_time));
  patience.async_wait([talk = weak_from_this()](boost::system::error_code cancelled) {
    const auto alive = talk.lock();
    if (!cancelled && alive) alive->link_lost({Fault::Kind::timeout, "the instrument takes no bytes"});
  });
  const auto written = co_await link_->write(command);
  patience.cancel();
  if (!written) link_lost(written.error());
  co_return written;
}

Later<void> Keithley::Conversation::tell_all(std::vector<std::string> commands) {
  for (std::string& command : commands) {
    const auto told = co_await tell(std::move(command));
    if (!told) co_return fail(told.error());
  }
  co_return Result<void>{};
}

/// One line. An answer that does not come, or stops half-way, ends the connection.
Later<std::string> Keithley::Conversation::ask(std::string question) {
  lines_.clear();
  const auto told = co_await tell(question);
  if (!told) co_return fail(told.error());
  const auto generation = generation_;
  const auto asked = heard_at_ = Clock::now();
  for (;;) {
    if (auto line = lines_.next()) co_return std::move(*line);
    if (ended_ || generation != generation_)
      co_return fail(lost_.value_or(Fault{Fault::Kind::cancelled, "the driver ends"}));
    const auto deadline = std::max(asked, heard_at_) + ticks(settings_.reply_time);
    if (Clock::now() >= deadline) {
      const Fault late{Fault::Kind::timeout, fmt::format("no answer to {}", question)};
      link_lost(late);
      co_return fail(late);
    }
    co_await arrived_.wait_until(deadline);
  }
}

/// All lines until nothing more comes.
Later<std::vector<std::string>> Keithley::Conversation::ask_lines(std::string question) {
  auto first = co_await ask(std::move(question));
  if (!first) co_return fail(first.error());
  std::vector<std::string> all;
  all.push_back(std::move(*first));
  for (auto quiet = Clock::now() + list_is_over; Clock::now() < quiet && link_->is_open();) {
    while (auto line = lines_.next()) {
      all.push_back(std::move(*line));
      quiet = Clock::now() + list_is_over;
    }
    co_await arrived_.wait_until(quiet);
  }
  co_return all;
}

Later<std::size_t> Keithley::Conversation::ask_count(std::string question) {
  const auto reply = co_await ask(question);
  if (!reply) co_return fail(reply.error());
  const auto value = scpi::parse_number(*reply);
  if (!value || *value < 0 || *value > 1e9)
    co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to {}", *reply, question));
  co_return static_cast<std::size_t>(*value);
}

Later<bool> Keithley::Conversation::ask_flag(std::string question) {
  const auto reply = co_await ask(question);
  if (!reply) co_return fail(reply.error());
  const auto flag = scpi::parse_flag(*reply);
  if (!flag)
    co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to {}", *reply, question));
  co_return *flag;
}

/// What the error queue held, first entry first; empty when nothing.
Later<std::string> Keithley::Conversation::drain_errors() {
  std::string first;
  for (int i = 0; i <= most_errors; ++i) {
    const auto reply = co_await ask(":SYST:ERR?");
    if (!reply) co_return fail(reply.error());
    const auto entry = scpi::parse_error(*reply);
    if (!entry) co_return fail(entry.error());
    if (entry->number == 0) co_return first;
    if (first.empty()) first = entry->text;
  }
  co_return fail(Fault::Kind::instrument, "the error queue does not end: " + first);
}

Later<void> Keithley::Conversation::expect_no_errors() {
  const auto errors = co_await drain_errors();
  if (!errors) co_return fail(errors.error());
  if (!errors->empty()) co_return fail(Fault::Kind::instrument, *errors);
  co_return Result<void>{};
}

Later<void> Keithley::Conversation::expect_settings(const std::vector<scpi::Check>& checks) {
  for (const scpi::Check& check : checks) {
    const auto reply = co_await ask(check.query);
    if (!reply) co_return fail(reply.error());
    if (!scpi::agrees(check, *reply))
      co_return fail(Fault::Kind::instrument,
                     fmt::format("{} answers {}, {} was set", check.query, *reply, check.expected));
  }
  co_return Result<void>{};
}

// ---- the driver ---------------------------------------------------------------------------------------------

Keithley::Keithley(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
                   std::unique_ptr<link::ByteLink> dead_socket, KeithleySettings settings)
    : talk_(std::make_shared<Conversation>(executor, std::move(link), std::move(dead_socket),
                                           std::move(settings))) {}

Keithley::~Keithley() { talk_->end(); }

Later<Identity> Keithley::identify() { return talk_->identify(); }
void Keithley::expect(const PlannedStep& step, const Marker& marker, Seconds recorded) {
  talk_->expect(step, marker, recorded);
}
Later<Found> Keithley::reattach() { return talk_->reattach(); }
Result<OnBoard> Keithley::prepare(const PlannedStep& step) const { return talk_->prepare(step); }
Later<void> Keithley::start(const PlannedStep& step, const Marker& marker) {
  return talk_->start(step, marker);
}
Later<Heard> Keithley::next() { return talk_->next(); }
Later<Sample> Keithley::measure_rest() { return talk_->measure_rest(); }
Later<void> Keithley::open_cell() { return talk_->open_cell(); }

}  // namespace cambench
