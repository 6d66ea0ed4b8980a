#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "drivers/keithley_conversation.h"

namespace cambench {

namespace asio = boost::asio;
namespace scpi = wire::scpi;
using keithley::Clock;
using keithley::Program;

namespace {

constexpr Ampere no_current{1e-5};  // above the offset of any range a step uses

}  // namespace

// ---- what the buffer keeps ----------------------------------------------------------------------------------

// Whether a unit serves a question while its trigger model runs is not certain for every model and firmware. Those
// that are asked then are all here: :TRIG:STAT?, :TRAC:ACT:END? and :TRAC:DATA?; after a new connection also *IDN?,
// *LANG? and *ESR? (meet), and after a new start of the daemon :TRIG:BLOC:LIST? (buffer_on_board).

Later<scpi::TriggerState> Keithley::Conversation::trigger_state() {
  const auto reply = co_await talk_->ask(":TRIG:STAT?");
  if (!reply) co_return fail(reply.error());
  co_return scpi::parse_trigger_state(*reply);
}

asio::awaitable<void> Keithley::Conversation::watch() {
  const auto alive = shared_from_this();
  if (!turns_.is_free()) co_return;
  if (std::exchange(asked_in_vain_, false)) co_return queue_.emplace_back(heard::LinkBack{}), void();
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

Later<void> Keithley::Conversation::look_at_program() {
  const auto state = co_await trigger_state();  // asked first: the rows of an idle instrument are all there
  if (!state) co_return fail(state.error());
  const auto fetched = co_await fetch_piece();
  if (!fetched) co_return fail(fetched.error());
  if (running_->behind()) co_return Result<void>{};  // what is here is told before more is asked for
  if (*state != scpi::TriggerState::running) co_return co_await conclude(std::nullopt);
  if (!running_->overdue()) co_return Result<void>{};
  const auto off = co_await switch_off();
  if (!off) co_return fail(off.error());
  co_return co_await conclude(running_->step().run_time_is_planned ? EndReason::planned : EndReason::timeout);
}

/// All rows that are in the buffer and not here yet.
Later<void> Keithley::Conversation::fetch_new_rows() {
  do {
    const auto fetched = co_await fetch_piece();
    if (!fetched) co_return fail(fetched.error());
  } while (running_->behind());
  co_return Result<void>{};
}

/// As many of them as one answer holds.
Later<void> Keithley::Conversation::fetch_piece() {
  const std::string buffer = running_->buffer();
  const auto end = co_await talk_->ask_count(fmt::format(":TRAC:ACT:END? \"{}\"", buffer));
  if (!end) co_return fail(end.error());
  running_->rows_on_board(*end);
  if (!running_->behind()) co_return Result<void>{};
  const std::size_t first = running_->fetched() + 1,
                    last = std::min(*end, first + scpi::most_rows_a_question - 1);
  const auto reply =
      co_await talk_->ask(fmt::format(":TRAC:DATA? {},{},\"{}\",SOUR,READ,REL", first, last, buffer));
  if (!reply) co_return fail(reply.error());
  const auto rows = scpi::parse_rows(*reply, last - first + 1);
  if (!rows) co_return fail(rows.error());
  for (Sample& sample : running_->take(*rows, now_stamp()))
    queue_.emplace_back(heard::Measured{running_->marker(), std::move(sample)});
  co_return Result<void>{};
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

/// What stands in the trigger model names its buffer, and the buffer names run, step and part.
Later<std::string> Keithley::Conversation::buffer_on_board() {
  const std::function<bool(const std::string&)> names_one = [](const std::string& block) {
    return !scpi::buffer_in(block).empty();
  };
  const auto blocks = co_await talk_->ask_lines(":TRIG:BLOC:LIST?", names_one);
  if (!blocks) co_return fail(blocks.error());
  for (const std::string& block : *blocks)
    if (auto name = scpi::buffer_in(block); !name.empty()) co_return name;
  co_return std::string();
}

// ---- the end of a program -----------------------------------------------------------------------------------

/// The program is over: says why. `reason` is ours, when we ended it. It stays in the instrument until the next one
/// starts, so that a host that dies before it has kept the end is told again.
Later<void> Keithley::Conversation::conclude(std::optional<EndReason> reason) {
  auto ended = co_await ending();
  if (!ended) co_return fail(ended.error());
  if (reason) ended->reason = *reason, ended->text.clear();
  if (auto last = running_->last_untold())
    queue_.emplace_back(heard::Measured{running_->marker(), std::move(*last)});
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

// ---- the output goes off ------------------------------------------------------------------------------------

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

}  // namespace cambench
