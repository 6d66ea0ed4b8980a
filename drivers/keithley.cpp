#include "drivers/keithley.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "drivers/keithley_program.h"
#include "drivers/keithley_talk.h"
#include "drivers/turns.h"

namespace cambench {

namespace asio = boost::asio;
namespace scpi = wire::scpi;
using keithley::Clock;
using keithley::Program;
using keithley::ticks;
using namespace std::chrono_literals;

namespace {

constexpr Clock::duration fastest_poll = 5ms, slowest_poll = 1s, idle_poll = 2s;
constexpr Clock::duration last_reconnect = 5s;
constexpr Ampere no_current{1e-5};  // above the offset of any range a step uses
constexpr Volt leads_swapped{-0.2}, lead_open{5.5};

}  // namespace

/// A step that is to be carried out, or is thought to be.
struct Keithley::Asked {
  PlannedStep step;
  Marker marker;
  Seconds recorded{-1};
};

/// Everything that is alive while the driver is: the talk with the instrument, and the program that runs.
class Keithley::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
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
  // who is there
  Later<Identity> meet();
  Later<Identity> ask_who();
  Later<bool> ask_power_cycled();
  Later<void> tidy();
  Later<bool> take_up(const std::string& on_board, bool runs);

  // a step
  Result<void> write(const Asked& asked);
  Later<void> refuse_while_running();
  Later<void> load();
  Later<void> configure(const scpi::Program& program);
  Later<void> launch();

  // while it runs
  Later<scpi::TriggerState> trigger_state();
  Later<void> fetch_new_rows();
  Later<void> look_at_program();
  Later<std::string> buffer_on_board();
  asio::awaitable<void> watch();
  asio::awaitable<void> come_back();

  // its end
  Later<void> conclude(std::optional<EndReason> reason);
  Later<heard::Ended> ending();

  // the cell
  Later<double> read_at_rest();
  Later<void> switch_off();
  Later<void> reach_and_open();
  Later<void> open_and_verify();
  Later<void> confirm_no_current();

  void link_lost(const Fault& why);
  [[nodiscard]] Clock::duration poll_time() const;
  [[nodiscard]] scpi::Rig rig() const;

  KeithleySettings settings_;
  std::shared_ptr<keithley::Talk> talk_;
  Turns turns_;
  link::Signal stirred_;
  std::deque<Heard> queue_;
  std::optional<Program> written_;  ///< and not running yet
  std::optional<Program> running_;
  std::optional<Asked> expected_;
  std::optional<scpi::Model> model_;
  std::string old_buffer_;  ///< of the program before, deleted when the next one starts
  std::optional<Fault> lost_;
  Clock::duration reconnect_wait_{};
  Clock::time_point back_at_{};  ///< the link was lost, and found again
  bool known_ = false;           ///< the instrument has been identified once
  bool verified_ = false;        ///< and on this link
  bool told_lost_ = false;       ///< LinkLost was said and LinkBack was not
  bool power_cycled_ = false;    ///< and nothing has been started since
};

void Keithley::Conversation::begin() {
  const auto self = weak_from_this();
  talk_->listen({.lost =
                     [self](const Fault& why) {
                       if (const auto alive = self.lock()) alive->link_lost(why);
                     },
                 .gives_way =
                     [self] {
                       const auto alive = self.lock();
                       return alive && alive->turns_.gives_way();
                     }});
}

void Keithley::Conversation::link_lost(const Fault& why) {
  verified_ = false;
  lost_ = why;
  stirred_.notify();
}

// ---- the contract -------------------------------------------------------------------------------------------

Later<Identity> Keithley::Conversation::identify() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  co_return co_await meet();
}

Later<Found> Keithley::Conversation::reattach() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  if (power_cycled_) co_return Found{Found::State::power_cycled, std::nullopt};
  if (running_)
    co_return Found{Found::State::running, running_->marker()};  // its rows and its end are still to be told
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::empty) co_return Found{Found::State::idle, std::nullopt};
  const auto on_board = co_await buffer_on_board();
  if (!on_board) co_return fail(on_board.error());
  old_buffer_ = *on_board;
  const bool runs = *state == scpi::TriggerState::running;
  const auto ours = co_await take_up(*on_board, runs);
  if (!ours) co_return fail(ours.error());
  if (*ours) co_return Found{Found::State::running, running_->marker()};
  if (!runs) co_return Found{Found::State::idle, std::nullopt};
  const auto marker = scpi::marker_in(*on_board);
  co_return Found{marker ? Found::State::running : Found::State::unknown, marker};
}

/// Takes up the program on board when it is the expected one and its rows are there: nothing is lost by the pause. One
/// that was loaded and never begun has none.
Later<bool> Keithley::Conversation::take_up(const std::string& on_board, bool runs) {
  if (!expected_) co_return false;
  Program program(expected_->step, expected_->marker, rig(), expected_->recorded);
  if (program.buffer() != on_board) co_return false;
  if (!runs) {
    const auto rows = co_await talk_->ask_count(fmt::format(":TRAC:ACT:END? \"{}\"", on_board));
    if (!rows) co_return fail(rows.error());
    if (*rows == 0) co_return false;
  }
  program.host_was_away();
  running_.emplace(std::move(program));
  co_return true;
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

Later<void> Keithley::Conversation::start(Asked asked) {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  if (!verified_ || !talk_->connected()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  const auto written = write(asked);
  if (!written) co_return fail(written.error());
  const auto loaded = co_await load();
  if (!loaded)
    co_return fail(loaded.error().kind, fmt::format("the program of step {} was not accepted: {}",
                                                    asked.step.index + 1, loaded.error().what));
  running_ = std::exchange(written_, std::nullopt);
  power_cycled_ = false;
  co_return co_await launch();
}

Result<void> Keithley::Conversation::write(const Asked& asked) {
  if (const auto fits = prepare(asked.step); !fits) return fail(fits.error());
  written_.emplace(asked.step, asked.marker, rig());
  if (scpi::marker_in(written_->buffer()) != asked.marker)
    return fail(Fault::Kind::refused, fmt::format("\"{}\" is no name of a run", asked.marker.run));
  return {};
}

Later<Heard> Keithley::Conversation::next() {
  const auto alive = shared_from_this();
  for (;;) {
    if (!queue_.empty()) {
      Heard what = std::move(queue_.front());
      queue_.pop_front();
      co_return what;
    }
    if (talk_->ended()) co_return fail(Fault::Kind::cancelled, "the driver ends");
    if (lost_ && known_ && !told_lost_) {
      told_lost_ = true;
      // A link that is lost again and again, just after it was made, is tried less and less often.
      const bool lasted = Clock::now() - back_at_ > last_reconnect;
      reconnect_wait_ = lasted ? ticks(settings_.reconnect_time)
                               : std::min<Clock::duration>(2 * reconnect_wait_, last_reconnect);
      queue_.emplace_back(heard::LinkLost{*lost_});
      continue;
    }
    co_await stirred_.wait_until(Clock::now() + (told_lost_ ? reconnect_wait_ : poll_time()));
    if (talk_->ended() || !known_) continue;
    if (told_lost_)
      co_await come_back();
    else
      co_await watch();
  }
}

Later<Sample> Keithley::Conversation::measure_rest() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  if (!verified_ || !talk_->connected()) co_return fail(Fault::Kind::link, "the instrument is not connected");
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
  const auto turn = co_await turns_.to_open();
  auto opened = co_await reach_and_open();
  if (!opened && opened.error().kind != Fault::Kind::identity && !talk_->connected())
    opened = co_await reach_and_open();  // the connection ended under way
  if (!opened && !talk_->connected()) opened.error().what += "; the limits in the instrument guard the cell";
  co_return opened;
}

// ---- while a program runs -----------------------------------------------------------------------------------
// Whether a unit serves a question while its trigger model runs is not certain for every model and firmware. Those
// that are asked then are all here: :TRIG:STAT?, :TRAC:ACT:END? and :TRAC:DATA?; after a new connection also *IDN?,
// *LANG? and *ESR? (meet), and after a new start of the daemon :TRIG:BLOC:LIST? (buffer_on_board).

Later<scpi::TriggerState> Keithley::Conversation::trigger_state() {
  const auto reply = co_await talk_->ask(":TRIG:STAT?");
  if (!reply) co_return fail(reply.error());
  co_return scpi::parse_trigger_state(*reply);
}

/// Rows that are in the buffer and not here yet.
Later<void> Keithley::Conversation::fetch_new_rows() {
  const std::string buffer = running_->buffer();
  const auto end = co_await talk_->ask_count(fmt::format(":TRAC:ACT:END? \"{}\"", buffer));
  if (!end) co_return fail(end.error());
  running_->rows_on_board(*end);
  while (running_->fetched() < *end) {
    const std::size_t first = running_->fetched() + 1,
                      last = std::min(*end, first + scpi::most_rows_a_question - 1);
    const auto reply =
        co_await talk_->ask(fmt::format(":TRAC:DATA? {},{},\"{}\",SOUR,READ,REL", first, last, buffer));
    if (!reply) co_return fail(reply.error());
    const auto rows = scpi::parse_rows(*reply, last - first + 1);
    if (!rows) co_return fail(rows.error());
    for (Sample& sample : running_->take(*rows, now_stamp()))
      queue_.emplace_back(heard::Measured{std::move(sample)});
  }
  co_return Result<void>{};
}

Later<void> Keithley::Conversation::look_at_program() {
  const auto state = co_await trigger_state();  // asked first: the rows of an idle instrument are all there
  if (!state) co_return fail(state.error());
  const auto fetched = co_await fetch_new_rows();
  if (!fetched) co_return fail(fetched.error());
  if (*state != scpi::TriggerState::running) co_return co_await conclude(std::nullopt);
  if (!running_->overdue()) co_return Result<void>{};
  const auto off = co_await switch_off();
  if (!off) co_return fail(off.error());
  co_return co_await conclude(EndReason::timeout);
}

/// What stands in the trigger model names its buffer, and the buffer names run, step and part.
Later<std::string> Keithley::Conversation::buffer_on_board() {
  const auto blocks = co_await talk_->ask_lines(":TRIG:BLOC:LIST?");
  if (!blocks) co_return fail(blocks.error());
  for (const std::string& block : *blocks)
    if (auto name = scpi::buffer_in(block); !name.empty()) co_return name;
  co_return std::string();
}

asio::awaitable<void> Keithley::Conversation::watch() {
  const auto alive = shared_from_this();
  if (!turns_.is_free()) co_return;
  if (!running_ && Clock::now() - talk_->heard_at() < idle_poll) co_return;
  const auto turn = turns_.take();
  Result<void> looked;
  if (running_) {
    looked = co_await look_at_program();
  } else {
    const auto state = co_await trigger_state();
    if (!state) looked = fail(state.error());
  }
  // An answer that makes no sense is a stream out of step: it starts anew.
  if (!looked && looked.error().kind != Fault::Kind::cancelled) talk_->lose(looked.error());
}

asio::awaitable<void> Keithley::Conversation::come_back() {
  const auto known = co_await identify();
  if (known) {
    told_lost_ = false;
    back_at_ = Clock::now();
    queue_.emplace_back(heard::LinkBack{});
    co_return;
  }
  reconnect_wait_ = std::min<Clock::duration>(2 * reconnect_wait_, last_reconnect);
  if (known.error().kind == Fault::Kind::identity) queue_.emplace_back(heard::LinkLost{known.error()});
}

// ---- its end ------------------------------------------------------------------------------------------------

/// The program is over: says why. `reason` is ours, when we ended it. It stays in the instrument until the next one
/// starts, so that a host that dies before it has kept the end is told again.
Later<void> Keithley::Conversation::conclude(std::optional<EndReason> reason) {
  auto ended = co_await ending();
  if (!ended) co_return fail(ended.error());
  if (reason) ended->reason = *reason, ended->text.clear();
  if (auto last = running_->last_untold()) queue_.emplace_back(heard::Measured{std::move(*last)});
  queue_.emplace_back(std::move(*ended));
  running_.reset();
  expected_.reset();
  co_return Result<void>{};
}

/// That a trigger model has ended says nothing about why: the last row, the protections, the error queue and the event
/// log decide.
Later<heard::Ended> Keithley::Conversation::ending() {
  heard::Ended ended{running_->marker(), running_->shown(), {}};
  const auto log = co_await talk_->drain_event_log();  // it says what the error queue does, and more
  if (!log) co_return fail(log.error());
  const bool time_limit = std::ranges::any_of(
      *log, [](const std::string& entry) { return entry.find(scpi::time_limit_text) != std::string::npos; });
  if (ended.reason == EndReason::unknown && time_limit)
    ended.reason = running_->step().run_time_is_planned ? EndReason::planned : EndReason::timeout;
  if (ended.reason == EndReason::unknown) {
    ended.text = "the output went off and the last row does not say why";
    if (!log->empty()) ended.text += fmt::format("; its event log: {}", fmt::join(*log, ", "));
  }
  for (const std::string& question : running_->in_instrument().trips) {
    const auto tripped = co_await talk_->ask_flag(question);
    if (!tripped) co_return fail(tripped.error());
    if (*tripped) ended.reason = EndReason::guard, ended.text = "output protection";
  }
  const auto errors = co_await talk_->drain_errors();
  if (!errors) co_return fail(errors.error());
  if (!errors->empty()) ended.reason = EndReason::error, ended.text = *errors;
  const auto on = co_await talk_->ask_flag(":OUTP?");
  if (!on) co_return fail(on.error());
  if (*on) {
    const auto off = co_await switch_off();
    if (!off) co_return fail(off.error());
    ended.reason = EndReason::error, ended.text = "the output was still on after the end of the program";
  }
  co_return ended;
}

// ---- while nothing runs -------------------------------------------------------------------------------------

/// Who is there. The power-on bit is read before anything could clear it.
Later<Identity> Keithley::Conversation::meet() {
  const auto connected = co_await talk_->connect();
  if (!connected) co_return fail(connected.error());
  auto identity = co_await ask_who();
  if (!identity) {
    // Nothing is said to an instrument that is not known.
    if (identity.error().kind == Fault::Kind::identity) talk_->lose(identity.error());
    co_return fail(identity.error());
  }
  const auto cycled = co_await ask_power_cycled();
  if (!cycled) co_return fail(cycled.error());
  if (*cycled) {
    power_cycled_ = true;
    running_.reset();
  }
  if (running_) {
    running_->host_was_away();
  } else {
    const auto tidied = co_await tidy();
    if (!tidied) co_return fail(tidied.error());
  }
  known_ = verified_ = true;
  talk_->met();
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
  const auto reply = co_await talk_->ask("*IDN?");
  if (!reply) co_return fail(reply.error());
  auto identity = identity_of(*reply, settings_.serial);
  if (!identity) co_return fail(identity.error());
  const auto language = co_await talk_->ask("*LANG?");
  if (!language) co_return fail(language.error());
  if (*language != "SCPI")
    co_return fail(Fault::Kind::identity,
                   fmt::format("the instrument speaks {}; send *LANG SCPI and restart it", *language));
  model_ = scpi::model_of(identity->model);
  co_return std::move(*identity);
}

Later<bool> Keithley::Conversation::ask_power_cycled() {
  const auto reply = co_await talk_->ask("*ESR?");
  if (!reply) co_return fail(reply.error());
  const auto status = scpi::parse_event_status(*reply);
  if (!status) co_return fail(status.error());
  co_return (*status & scpi::power_on_bit) != 0;
}

/// The output-off state is NORMAL after a power-up or *RST, and NORMAL discharges the cell: high impedance at once, where
/// nothing runs. Old errors are nobody's any more, unless a program is on board whose end they may explain.
Later<void> Keithley::Conversation::tidy() {
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::running) co_return Result<void>{};
  const auto open = co_await talk_->tell_all(scpi::high_impedance_lines());
  if (!open) co_return fail(open.error());
  if (*state != scpi::TriggerState::empty) co_return Result<void>{};
  const auto drained = co_await talk_->drain_errors();
  if (!drained) co_return fail(drained.error());
  co_return Result<void>{};
}

Later<void> Keithley::Conversation::refuse_while_running() {
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (running_ || *state == scpi::TriggerState::running)
    co_return fail(Fault::Kind::refused, "a program runs in the instrument");
  co_return Result<void>{};
}

Later<void> Keithley::Conversation::load() {
  const auto idle = co_await refuse_while_running();
  if (!idle) co_return fail(idle.error());
  co_return co_await configure(written_->in_instrument());
}

/// *OPC? comes before :INIT, never after: it would wait for the end of the trigger model.
Later<void> Keithley::Conversation::configure(const scpi::Program& program) {
  std::vector<std::string> old{":TRIG:LOAD \"Empty\"", fmt::format(":TRAC:DEL \"{}\"", program.buffer)};
  if (!old_buffer_.empty() && old_buffer_ != program.buffer)
    old.push_back(fmt::format(":TRAC:DEL \"{}\"", old_buffer_));
  old.emplace_back("*CLS");  // there may have been no such buffer
  old.emplace_back(":SYST:CLE");
  const auto cleared = co_await talk_->tell_all(std::move(old));
  if (!cleared) co_return fail(cleared.error());
  old_buffer_ = program.buffer;
  const auto told = co_await talk_->tell_all(program.lines);
  if (!told) co_return fail(told.error());
  const auto done = co_await talk_->ask("*OPC?");
  if (!done) co_return fail(done.error());
  const auto clean = co_await talk_->expect_no_errors();
  if (!clean) co_return fail(clean.error());
  const auto off = co_await talk_->ask_flag(":OUTP?");
  if (!off) co_return fail(off.error());
  if (*off) co_return fail(Fault::Kind::instrument, "the output is on before the start");
  co_return co_await talk_->expect_settings(program.checks);
}

Later<void> Keithley::Conversation::launch() {
  const auto begun = co_await talk_->tell(":INIT");
  if (!begun) co_return fail(begun.error());
  const auto runs = co_await trigger_state();
  if (!runs) co_return fail(runs.error());
  if (*runs == scpi::TriggerState::running || *runs == scpi::TriggerState::idle) co_return Result<void>{};
  running_.reset();
  co_return fail(Fault::Kind::instrument, "the trigger model did not start");
}

// ---- the cell -----------------------------------------------------------------------------------------------

Later<double> Keithley::Conversation::read_at_rest() {
  const auto cleared = co_await talk_->tell("*CLS");  // old errors are not this reading's
  if (!cleared) co_return fail(cleared.error());
  const auto told = co_await talk_->tell_all(scpi::look_lines());
  if (!told) co_return fail(told.error());
  const auto done = co_await talk_->ask("*OPC?");
  if (!done) co_return fail(done.error());
  const auto clean = co_await talk_->expect_no_errors();
  if (!clean) co_return fail(clean.error());
  const auto on = co_await talk_->tell(":OUTP ON");
  if (!on) co_return fail(on.error());
  const auto reply = co_await talk_->ask(":READ? \"defbuffer1\",READ");
  if (!reply) co_return fail(reply.error());
  const auto volt = scpi::parse_number(*reply);
  if (!volt) co_return fail(Fault::Kind::bad_value, fmt::format("the potential at rest is \"{}\"", *reply));
  co_return *volt;
}

/// Ends whatever runs. High impedance first: the output-off state may have fallen back to NORMAL.
Later<void> Keithley::Conversation::switch_off() { co_return co_await talk_->tell_all(scpi::off_lines()); }

/// Whatever it answers to other questions, opening is tried, unless it is somebody else's instrument.
Later<void> Keithley::Conversation::reach_and_open() {
  if (!talk_->connected() || !verified_) {
    const auto known = co_await meet();
    if (!known && !talk_->connected()) co_return fail(known.error());
  }
  co_return co_await open_and_verify();
}

Later<void> Keithley::Conversation::open_and_verify() {
  const auto off = co_await switch_off();
  if (!off) co_return fail(off.error());
  const auto on = co_await talk_->ask_flag(":OUTP?");
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
  const auto open = co_await confirm_no_current();
  if (open) stirred_.notify();
  co_return open;
}

Later<void> Keithley::Conversation::confirm_no_current() {
  const auto sensed = co_await talk_->tell(":SENS:FUNC \"CURR\"");
  if (!sensed) co_return fail(sensed.error());
  const auto reply = co_await talk_->ask(":READ? \"defbuffer1\",READ");
  if (!reply) co_return fail(reply.error());
  const auto current = scpi::parse_number(*reply);  // some units have no value with the output off
  if (current && !(abs(Ampere(*current)) <= no_current))
    co_return fail(Fault::Kind::instrument,
                   fmt::format("{:.4g} mA flow with the output off", *current * 1e3));
  co_return Result<void>{};
}

// ---- small things -------------------------------------------------------------------------------------------

Clock::duration Keithley::Conversation::poll_time() const {
  if (!running_) return idle_poll;
  return std::clamp(ticks(running_->step().sampling / settings_.time_scale), fastest_poll, slowest_poll);
}

scpi::Rig Keithley::Conversation::rig() const {
  return {*model_, settings_.polarity, settings_.sense, settings_.charge, settings_.discharge};
}

// ---- the driver ---------------------------------------------------------------------------------------------

Keithley::Keithley(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
                   std::unique_ptr<link::ByteLink> dead_socket, KeithleySettings settings)
    : talk_(std::make_shared<Conversation>(executor, std::move(link), std::move(dead_socket),
                                           std::move(settings))) {
  talk_->begin();
}

Keithley::~Keithley() { talk_->end(); }

Later<Identity> Keithley::identify() { return talk_->identify(); }
void Keithley::expect(const PlannedStep& step, const Marker& marker, Seconds recorded) {
  talk_->expect({step, marker, recorded});
}
Later<Found> Keithley::reattach() { return talk_->reattach(); }
Result<OnBoard> Keithley::prepare(const PlannedStep& step) const { return talk_->prepare(step); }
Later<void> Keithley::start(const PlannedStep& step, const Marker& marker) {
  return talk_->start({step, marker});
}
Later<Heard> Keithley::next() { return talk_->next(); }
Later<Sample> Keithley::measure_rest() { return talk_->measure_rest(); }
Later<void> Keithley::open_cell() { return talk_->open_cell(); }
IoHealth Keithley::health() const { return talk_->health(); }

}  // namespace cambench
