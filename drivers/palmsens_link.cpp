#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "drivers/palmsens_conversation.h"
#include "drivers/palmsens_limits.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using palmsens::Clock;
using palmsens::Program;
using palmsens::ticks;
using namespace std::chrono_literals;

namespace {

constexpr auto silence_look = 500ms;
constexpr Clock::duration first_reconnect = 200ms, last_reconnect = 5s;

}  // namespace

// ---- the link -----------------------------------------------------------------------------------------------

Later<void> Palmsens::Conversation::connect() {
  if (talk_->connected()) co_return Result<void>{};
  const auto connected = co_await talk_->connect();
  if (!connected) co_return fail(connected.error());
  verified_ = false;
  asio::co_spawn(executor_, watch_over_silence(talk_->generation()), asio::detached);
  co_return Result<void>{};
}

void Palmsens::Conversation::disconnect() {
  if (program_) program_->forget_name();
  talk_->disconnect();
}

/// A program that says nothing for too long is asked after.
asio::awaitable<void> Palmsens::Conversation::watch_over_silence(std::uint64_t generation) {
  const auto alive = shared_from_this();
  const auto over = [&] { return talk_->ended() || generation != talk_->generation(); };
  while (!over()) {
    co_await talk_->pause(std::min<Clock::duration>(silence_look, ticks(settings_.silence)));
    if (over()) co_return;
    if (!program_ || !turns_.is_free()) continue;
    if (Clock::now() - talk_->last_line() < ticks(3 * wire(program_->pause()) + settings_.silence)) continue;
    const auto turn = turns_.take();
    co_await ask_after_program();
  }
}

/// `t` is allowed while a script runs and tells alive from dead; an instrument that then also answers `i` runs nothing
/// any more: it was switched off and on, or somebody else ended the program.
asio::awaitable<void> Palmsens::Conversation::ask_after_program() {
  const auto answered = co_await talk_->ask("t");  // no answer: the link is lost
  if (!answered || !program_) co_return;
  const Program program = *program_;
  const auto idle = co_await confirm_idle();
  if (idle && program.known())
    asio::co_spawn(executor_, conclude(program, "the instrument has lost the program"), asio::detached);
}

void Palmsens::Conversation::link_lost(Fault why) {
  if (program_) program_->forget_name();
  heard_.notify();
  if (reconnecting_ || !identity_) return;  // told already; or nobody was told that it stood
  reconnecting_ = true;
  tell(heard::LinkLost{std::move(why)});
  asio::co_spawn(executor_, reconnect(), asio::detached);
}

asio::awaitable<void> Palmsens::Conversation::reconnect() {
  const auto alive = shared_from_this();
  Clock::duration wait = first_reconnect;
  bool stranger_told = false;
  while (!talk_->ended()) {
    co_await talk_->pause(wait);
    if (talk_->ended()) co_return;
    const auto known = co_await identify();
    if (known) break;
    if (known.error().kind == Fault::Kind::identity && !std::exchange(stranger_told, true))
      tell(heard::LinkLost{known.error()});  // people must know that another instrument is plugged in
    wait = std::min<Clock::duration>(2 * wait, last_reconnect);
  }
  reconnecting_ = false;
  tell(heard::LinkBack{});
}

// ---- who is there -------------------------------------------------------------------------------------------

Later<Identity> Palmsens::Conversation::ask_who() {
  const auto woken = co_await talk_->send("\n");  // ends a half-typed command
  if (!woken) co_return fail(woken.error());
  auto who = co_await ask_model();
  if (!who) co_return fail(who.error());
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind == Fault::Kind::refused)
    co_return std::move(*who);  // its program says whose it is
  if (!idle) co_return fail(idle.error());
  who->serial = settings_.serial;
  const auto version = co_await talk_->ask_unrefused("v");
  if (!version) co_return fail(version.error());
  who->firmware += ", MethodSCRIPT " + mscript::parse_version(*version).value_or("?");
  const auto able = co_await check_abilities();
  if (!able) co_return fail(able.error());
  who->stores_on_board = mscript::can_store(*can_);
  co_return std::move(*who);
}

Later<Identity> Palmsens::Conversation::ask_model() {
  const auto first = co_await talk_->ask_unrefused("t");
  if (!first) co_return fail(first.error());
  auto known = palmsens::identity_of(*first);
  if (!known) co_return fail(known.error());
  model_ = known->model;
  co_return std::move(known->identity);
}

/// What a step needs: a galvanostat, and both potentials measured at once.
Later<void> Palmsens::Conversation::check_abilities() {
  const auto list = co_await talk_->ask_unrefused("CM");
  if (!list) co_return fail(list.error());
  const auto can = mscript::parse_capabilities(*list);
  if (!model_->galvanostat || !can || !can->has(mscript::can_meas_loop_cp) || !can->has(mscript::can_set_i))
    co_return fail(Fault::Kind::refused,
                   fmt::format("{} has no galvanostat (capability bits 67 and 68): it cannot cycle a cell",
                               model_->name));
  const auto loaded = co_await load(mscript::look_script(*model_));
  if (!loaded)
    co_return fail(loaded.error().kind, "both potentials cannot be measured at once, a newer firmware may: " +
                                            loaded.error().what);
  can_ = can;
  co_return Result<void>{};
}

/// `i` is refused while a script runs. Answered, nothing runs whatever we thought, and the serial number is held
/// against the configured one. Refused when a program runs.
Later<void> Palmsens::Conversation::confirm_idle() {
  const auto over_before = programs_over_;
  const auto answer = co_await talk_->ask("i");
  if (!answer) co_return fail(answer.error());
  const auto error = mscript::parse_error(*answer);
  if (error && error->code == mscript::error::not_in_this_mode) {
    if (programs_over_ != over_before) co_return co_await confirm_idle();  // it ended just after it was asked
    if (!program_) program_.emplace(settings_.longest_record);
    co_return fail(Fault::Kind::refused, "a program runs in the instrument");
  }
  const auto serial = mscript::parse_serial(*answer);
  if (!serial) co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no serial number", *answer));
  if (*serial != settings_.serial)
    co_return fail(Fault::Kind::identity,
                   fmt::format("serial number {} answered, {} is configured", *serial, settings_.serial));
  verified_ = true;
  program_.reset();
  co_return Result<void>{};
}

/// Another instrument's program, by what was last heard of its name, on this link or an earlier one.
std::optional<Fault> Palmsens::Conversation::runs_for_another() const {
  if (!program_ || program_->serial().empty() || program_->serial() == settings_.serial) return std::nullopt;
  return Fault{Fault::Kind::identity, fmt::format("a program for instrument {} runs there, {} is configured",
                                                  program_->serial(), settings_.serial)};
}

/// Listens for what a program that may run there says of itself, at most three pauses between rows, of that program or of
/// the one that is expected, and asks whether it still runs when it says nothing.
Later<void> Palmsens::Conversation::hear_its_name() {
  const auto generation = talk_->generation();
  if (program_) {
    const Seconds pause = std::max(program_->pause(), expected_ ? expected_->pause : Seconds{0});
    const auto deadline = Clock::now() + ticks(3 * wire(pause) + settings_.reply_time);
    while (program_ && !program_->known() && Clock::now() < deadline && !talk_->why_not_wait(generation))
      co_await talk_->replied().wait_until(deadline);
  }
  if (auto why = talk_->why_not_wait(generation)) co_return fail(std::move(*why));
  if (!program_ || program_->known()) co_return Result<void>{};
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind != Fault::Kind::refused) co_return fail(idle.error());
  co_return Result<void>{};
}

/// The search failed on a link that stands: it gave way to an order to open, or the answers made no sense. No other link
/// will be made for it, so whoever searched is asked to do so again.
asio::awaitable<void> Palmsens::Conversation::search_again(std::uint64_t generation) {
  const auto alive = shared_from_this();
  co_await talk_->pause(
      std::exchange(search_wait_, std::min<Clock::duration>(2 * search_wait_, last_search)));
  if (!talk_->ended() && generation == talk_->generation()) tell(heard::LinkBack{});
}

/// Brings a script into the instrument's memory; nothing runs yet.
Later<void> Palmsens::Conversation::load(std::string script) {
  const auto loaded = co_await talk_->ask_unrefused("l\n" + script);
  if (!loaded) co_return fail(loaded.error());
  co_return Result<void>{};
}

}  // namespace cambench
