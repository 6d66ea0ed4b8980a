#include "drivers/palmsens.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "drivers/palmsens_conversation.h"
#include "drivers/palmsens_limits.h"
#include "drivers/palmsens_storage.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using palmsens::Clock;
using palmsens::Program;
using palmsens::ticks;

void Palmsens::Conversation::begin() {
  const auto self = weak_from_this();
  talk_->listen({.hear =
                     [self](const std::string& line) {
                       const auto alive = self.lock();
                       return !alive || alive->hear(line);
                     },
                 .lost =
                     [self](Fault why) {
                       if (const auto alive = self.lock()) alive->link_lost(std::move(why));
                     },
                 .gives_way =
                     [self] {
                       const auto alive = self.lock();
                       return alive && alive->turns_.gives_way();
                     }});
}

// ---- the contract -------------------------------------------------------------------------------------------

Later<Identity> Palmsens::Conversation::identify() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  const auto connected = co_await connect();
  if (!connected) co_return fail(connected.error());
  auto known = co_await ask_who();
  if (!known) {
    disconnect();  // nothing is said to an instrument that is not known
    co_return fail(known.error());
  }
  identity_ = *known;
  co_return std::move(*known);
}

Later<Found> Palmsens::Conversation::reattach() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  auto found = co_await find_program();
  if (found)
    search_wait_ = first_search;
  else if (talk_->connected())
    asio::co_spawn(executor_, search_again(talk_->generation()), asio::detached);
  co_return found;
}

Later<Found> Palmsens::Conversation::find_program() {
  const auto listened = co_await hear_its_name();
  if (!listened) co_return fail(listened.error());
  if (!program_) {
    ++programs_recalled_;
    co_return co_await recall();
  }
  if (!program_->known()) co_return Found{Found::State::unknown, {}, {}, {}, {}};
  if (auto other = runs_for_another()) {
    talk_->lose(*other);
    co_return fail(std::move(*other));
  }
  co_return Found{Found::State::running, program_->marker(), program_->serial(), {}, {}};
}

Result<OnBoard> Palmsens::Conversation::prepare(const PlannedStep& step) const {
  if (!model_) return fail(Fault::Kind::refused, "the instrument has not been identified yet");
  return palmsens::limits_on_board(step, *model_);
}

Later<void> Palmsens::Conversation::start(PlannedStep step, Marker marker) {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  if (!identity_ || !model_ || !talk_->connected())
    co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (const auto fits = palmsens::limits_on_board(step, *model_); !fits) co_return fail(fits.error());
  if (!palmsens::is_marker(marker))
    co_return fail(Fault::Kind::refused, fmt::format("\"{}\" is no name of a run", marker.run));
  if (program_ || !verified_) {  // met while a program ran: only now can it say who it is
    const auto idle = co_await confirm_idle();
    if (!idle) co_return fail(idle.error());
  }
  if (!can_) {
    const auto able = co_await check_abilities();
    if (!able) co_return fail(able.error());
  }
  bool stores = false;
  if (mscript::can_store(*can_)) {
    const auto fits = co_await palmsens::make_room(*talk_, mscript::largest_file(step));
    if (!fits) co_return fail(fits.error());
    stores = *fits;
  }
  const auto launched = co_await launch(step, marker, stores);
  if (launched || !stores || !refused_) co_return launched;
  // The storage refused after all. That the cell was never on is proved first: the announcement may have been said
  // and not heard.
  const auto open = co_await open_and_verify();
  if (!open) co_return fail(open.error());
  co_return co_await launch(step, marker, false);
}

Later<void> Palmsens::Conversation::launch(const PlannedStep& step, const Marker& marker, bool stores) {
  mscript::Profile profile{*model_, settings_.serial, stores, {}};
  if (can_->has(mscript::can_reject_mains)) profile.mains_Hz = settings_.mains_Hz;
  const auto loaded = co_await load(mscript::program(step, marker, profile));
  if (!loaded)
    co_return fail(loaded.error().kind, fmt::format("the program of step {} was not loaded: {}",
                                                    step.index + 1, loaded.error().what));
  // From here on lines belong to it: its first row may come in one piece with the acknowledgement.
  program_.emplace(marker, settings_.serial, mscript::longest_pause(step));
  expected_.reset();
  if (stores) expect(step, marker, Seconds(-1));
  refused_.reset();
  launching_ = stores;
  const auto running = co_await talk_->ask_unrefused("r");
  if (running) {
    const auto announced = co_await until_announced();
    launching_ = false;
    co_return announced;
  }
  launching_ = false;
  if (running.error().kind == Fault::Kind::instrument) program_.reset();
  co_return fail(running.error());
}

/// A program says its name once its file is open. What its storage refuses, it should refuse before that.
Later<void> Palmsens::Conversation::until_announced() {
  const auto generation = talk_->generation();
  const auto deadline = Clock::now() + ticks(settings_.reply_time);
  while (launching_ && program_ && !program_->announced()) {
    if (auto why = talk_->why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline) break;  // it says nothing yet; if it never does, the silence is noticed
    co_await talk_->replied().wait_until(deadline);
  }
  if (!refused_) co_return Result<void>{};
  co_await talk_->pause_after_error();
  co_return fail(Fault::Kind::instrument, "the program gave up at its beginning: " + *refused_);
}

Later<Heard> Palmsens::Conversation::next() {
  const auto alive = shared_from_this();
  while (queue_.empty()) {
    if (talk_->ended()) co_return fail(Fault::Kind::cancelled, "the driver ends");
    co_await heard_.wait();
  }
  if (const auto dropped = std::exchange(dropped_rows_, 0); dropped > 0)
    co_return fail(Fault::Kind::storage, fmt::format("{} rows were lost because nobody took them", dropped));
  Heard what = std::move(queue_.front());
  queue_.pop_front();
  co_return what;
}

Later<Sample> Palmsens::Conversation::measure_rest() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  if (!identity_ || !talk_->connected()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (program_ || !verified_) {
    const auto idle = co_await confirm_idle();
    if (!idle) co_return fail(idle.error());
  }
  auto rest = co_await look();
  if (!rest && rest.error().kind == Fault::Kind::timeout) talk_->lose(rest.error());
  co_return rest;
}

Later<void> Palmsens::Conversation::open_cell() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.to_open();
  auto connected = co_await connect_to_open();
  if (!connected)
    co_return fail(connected.error().kind,
                   connected.error().what + "; the limits in the instrument guard the cell");
  auto opened = co_await open_and_verify();
  if (!opened && opened.error().kind != Fault::Kind::link)  // it may have met the end of what ran before
    opened = co_await open_and_verify();
  if (opened && !verified_)
    opened = co_await refuse_stranger();  // nothing runs any more: now it can say who it is
  if (!opened && opened.error().kind == Fault::Kind::timeout) talk_->lose(opened.error());
  co_return opened;
}

// ---- what comes ---------------------------------------------------------------------------------------------

/// Nobody takes rows any more: new ones are dropped, and that is told. Where there is a file they are told late; those
/// that come from it are as many as it holds.
void Palmsens::Conversation::tell(Heard what) {
  const auto* row = std::get_if<heard::Measured>(&what);
  const bool late = row && (row->sample.status & reading_status::late);
  if (row && !late && queue_.size() >= settings_.longest_queue) {
    ++dropped_rows_;
    if (program_) program_->row_was_dropped();
    return;
  }
  queue_.push_back(std::move(what));
  heard_.notify();
}

namespace {

/// What only a program says while nothing was asked. One that was stopped by an error says its last words to nobody.
bool shows_a_program(const std::string& line) {
  const auto kind = mscript::classify(line);
  const auto ending = mscript::parse_ending(line);
  return kind == mscript::LineKind::packet || kind == mscript::LineKind::loop_ended ||
         mscript::parse_announcement(line) || (ending && ending->reason != EndReason::aborted);
}

}  // namespace

/// Whether a line is the program's; else it answers a command. A line of a program that is not known is one of something
/// that we did not start, or no longer expected.
bool Palmsens::Conversation::hear(const std::string& line) {
  using Kind = mscript::LineKind;
  const auto kind = mscript::classify(line);
  if (!program_ && shows_a_program(line)) program_.emplace(settings_.longest_record);
  if (!program_) return false;
  if (kind == Kind::abort_acknowledged && !mscript::parse_error(line)) program_->stop_acknowledged();
  if (kind == Kind::other || kind == Kind::abort_acknowledged) return false;
  hear_program(line);
  return true;
}

void Palmsens::Conversation::hear_program(const std::string& line) {
  const bool was_known = program_->known(), was_announced = program_->announced();
  auto outcome = program_->hear(line, now_stamp());
  const bool not_ours = program_->known() && runs_for_another();
  if (!not_ours)
    for (auto& row : outcome.rows) tell(std::move(row));
  const bool gone = outcome.failed || outcome.over;
  const bool changed = gone || was_known != program_->known() || was_announced != program_->announced();
  if (gone) {
    ++programs_over_;
    const Program over = *std::exchange(program_, std::nullopt);
    if (outcome.failed && !not_ours) program_failed(over, *outcome.failed);
    if (outcome.over && !not_ours) program_ended(over);
  }
  if (changed) talk_->replied().notify();
}

void Palmsens::Conversation::program_failed(const Program& over, const mscript::ErrorCode& error) {
  if (launching_ && !over.announced() && mscript::is_of_storage(error))
    return void(refused_ = mscript::describe(error));
  asio::co_spawn(executor_, make_safe_after_error(over.marker(), mscript::describe(error)), asio::detached);
}

void Palmsens::Conversation::program_ended(const Program& over) {
  constexpr auto wordless = "the program ended without a word";
  if (!over.known()) return;  // nobody asked for it
  if (over.missed() || !over.has_said_its_end())
    asio::co_spawn(executor_, conclude(over, wordless), asio::detached);
  else
    tell(over.ending());
}

// ---- the driver ---------------------------------------------------------------------------------------------

Palmsens::Palmsens(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
                   PalmsensSettings settings)
    : talk_(std::make_shared<Conversation>(executor, std::move(link), std::move(settings))) {
  talk_->begin();
}

Palmsens::~Palmsens() { talk_->end(); }

Later<Identity> Palmsens::identify() { return talk_->identify(); }
void Palmsens::expect(const PlannedStep& step, const Marker& marker, Seconds recorded) {
  talk_->expect(step, marker, recorded);
}
Later<Found> Palmsens::reattach() { return talk_->reattach(); }
Result<OnBoard> Palmsens::prepare(const PlannedStep& step) const { return talk_->prepare(step); }
Later<void> Palmsens::start(const PlannedStep& step, const Marker& marker) {
  return talk_->start(step, marker);
}
Later<Heard> Palmsens::next() { return talk_->next(); }
Later<Sample> Palmsens::measure_rest() { return talk_->measure_rest(); }
Later<void> Palmsens::open_cell() { return talk_->open_cell(); }
IoHealth Palmsens::health() const { return talk_->health(); }

}  // namespace cambench
