#include "drivers/palmsens.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <deque>
#include <utility>

#include "drivers/palmsens_limits.h"
#include "drivers/palmsens_program.h"
#include "drivers/palmsens_storage.h"
#include "drivers/palmsens_talk.h"
#include "drivers/turns.h"
#include "drivers/wire/mscript_files.h"
#include "drivers/wire/mscript_program.h"

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

Stamp now_stamp() { return {Clock::now(), std::chrono::system_clock::now()}; }

}  // namespace

/// Everything that is alive while the driver is: the talk with the instrument, and the program that runs.
class Palmsens::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
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
    expected_ = Expected{marker, mscript::file_name(step, marker), recorded};
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
  };

  // the link
  Later<void> connect();
  void disconnect();
  void link_lost(Fault why);
  asio::awaitable<void> watch_over_silence(std::uint64_t generation);
  asio::awaitable<void> ask_after_program();
  asio::awaitable<void> reconnect();

  // who is there
  Later<Identity> ask_who();
  Later<Identity> ask_model();
  Later<void> check_abilities();
  Later<void> load(std::string script);
  Later<void> confirm_idle();
  Later<void> hear_its_name();

  // programs and their files
  Later<void> launch(const PlannedStep& step, const Marker& marker, bool stores);
  Later<void> until_announced();
  Later<Found> recall();
  asio::awaitable<void> conclude(Program over, std::string otherwise);

  // opening the cell
  Later<Sample> look();
  Later<void> stop_program();
  Later<void> open_and_verify();
  Later<void> connect_to_open();
  asio::awaitable<void> make_safe_after_error(Marker marker, std::string text);

  // what comes
  bool hear(const std::string& line);
  void hear_program(const std::string& line);
  void program_failed(const mscript::ErrorCode& error);
  void program_ended();
  void tell(Heard what);

  [[nodiscard]] Seconds wire(Seconds instrument_time) const { return instrument_time / settings_.time_scale; }

  asio::any_io_executor executor_;
  PalmsensSettings settings_;
  std::shared_ptr<palmsens::Talk> talk_;
  Turns turns_;
  link::Signal heard_;
  std::deque<Heard> queue_;
  std::size_t dropped_rows_ = 0;
  std::optional<Program> program_;
  std::optional<Identity> identity_;
  std::optional<mscript::Model> model_;
  std::optional<mscript::Capabilities> can_;  ///< asked once nothing runs
  std::optional<Expected> expected_;
  std::optional<std::string>
      refused_;  ///< why the program that is being started gave up before it said its name
  bool launching_ = false;
  bool verified_ = false;  ///< the serial number was right on this link
  bool reconnecting_ = false;
};

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
  const auto listened = co_await hear_its_name();
  if (!listened) co_return fail(listened.error());
  if (!program_) co_return co_await recall();
  if (!program_->known()) co_return Found{Found::State::unknown, {}, {}, {}, {}};
  if (!program_->serial().empty() && program_->serial() != settings_.serial) {
    Fault other{Fault::Kind::identity, fmt::format("a program for instrument {} runs there, {} is configured",
                                                   program_->serial(), settings_.serial)};
    program_.reset();
    talk_->lose(other);
    co_return fail(std::move(other));
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
  co_return co_await launch(step, marker, false);  // the storage refused after all; the cell was never on
}

Later<void> Palmsens::Conversation::launch(const PlannedStep& step, const Marker& marker, bool stores) {
  mscript::Profile profile{*model_, settings_.serial, stores, {}};
  if (can_->has(mscript::can_reject_mains)) profile.mains_Hz = settings_.mains_Hz;
  const auto loaded = co_await load(mscript::program(step, marker, profile));
  if (!loaded)
    co_return fail(loaded.error().kind, fmt::format("the program of step {} was not loaded: {}",
                                                    step.index + 1, loaded.error().what));
  // From here on lines belong to it: its first row may come in one piece with the acknowledgement.
  program_.emplace(marker, settings_.serial, std::max(step.record_every, step.sampling));
  expected_.reset();
  if (stores) expected_ = Expected{marker, mscript::file_name(step, marker), Seconds(-1)};
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

/// A program says its name once its file is open. What it refuses before that, it refuses with the cell off.
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
  if (program_) {
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
  if (!opened && opened.error().kind == Fault::Kind::timeout) talk_->lose(opened.error());
  co_return opened;
}

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
  const auto answer = co_await talk_->ask("i");
  if (!answer) co_return fail(answer.error());
  const auto error = mscript::parse_error(*answer);
  if (error && error->code == mscript::error::not_in_this_mode) {
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

/// Listens for what a program that may run there says of itself, at most three pauses between rows, and asks whether it
/// still runs when it says nothing.
Later<void> Palmsens::Conversation::hear_its_name() {
  const auto generation = talk_->generation();
  if (program_) {
    const auto deadline = Clock::now() + ticks(3 * wire(program_->pause()) + settings_.reply_time);
    while (program_ && !program_->known() && Clock::now() < deadline && !talk_->why_not_wait(generation))
      co_await talk_->replied().wait_until(deadline);
  }
  if (auto why = talk_->why_not_wait(generation)) co_return fail(std::move(*why));
  if (!program_ || program_->known()) co_return Result<void>{};
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind != Fault::Kind::refused) co_return fail(idle.error());
  co_return Result<void>{};
}

/// Brings a script into the instrument's memory; nothing runs yet.
Later<void> Palmsens::Conversation::load(std::string script) {
  const auto loaded = co_await talk_->ask_unrefused("l\n" + script);
  if (!loaded) co_return fail(loaded.error());
  co_return Result<void>{};
}

// ---- what the instrument kept ---------------------------------------------------------------------------------

/// The program that was expected is over: its file has the rows that nobody heard, and how it ended. A file without an
/// end is one whose program was cut off: the instrument has lost its power.
Later<Found> Palmsens::Conversation::recall() {
  Found found{Found::State::idle, {}, {}, {}, {}};
  if (!expected_ || !can_ || !mscript::can_store(*can_)) co_return found;
  Program kept(expected_->marker, settings_.serial, settings_.longest_record);
  const auto there = co_await palmsens::replay(*talk_, expected_->file, kept, [&](Sample row) {
    if (row.step_time > expected_->recorded) found.kept.push_back(std::move(row));
  });
  if (!there) co_return fail(there.error());
  if (!*there) co_return found;
  found.marker = expected_->marker;
  found.state = kept.has_said_its_end() ? Found::State::ended : Found::State::power_cycled;
  if (kept.has_said_its_end()) found.ended = kept.ending();
  co_return found;
}

/// Tells the rows that were missed, then the end. When the link is lost on the way nothing is told: whoever comes back
/// finds the program over and recalls it.
asio::awaitable<void> Palmsens::Conversation::conclude(Program over, std::string otherwise) {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  heard::Ended ended = over.ending();
  if (ended.reason == EndReason::unknown) ended.text = std::move(otherwise);
  if (expected_ && expected_->marker == over.marker()) {  // one that cannot store has no such file
    Program kept(over.marker(), settings_.serial, over.pause());
    const auto there = co_await palmsens::replay(*talk_, expected_->file, kept, [&](Sample row) {
      if (row.step_time > expected_->recorded) tell(heard::Measured{std::move(row), false});
    });
    const bool link_failed = !there && there.error().kind != Fault::Kind::cancelled;
    if (link_failed) co_return;
    if (!over.has_said_its_end() && kept.has_said_its_end()) ended = kept.ending();
  }
  tell(std::move(ended));
}

// ---- opening the cell ---------------------------------------------------------------------------------------

/// Z, then the end of the program: its acknowledgement says only that it was heard.
Later<void> Palmsens::Conversation::stop_program() {
  if (program_) program_->stop_asked();
  talk_->forget_replies();
  const auto sent = co_await talk_->send("\nZ\n");
  if (!sent) co_return fail(sent.error());
  const bool known = program_.has_value();  // its lines go to it; else the empty line comes as a reply
  const auto deadline =
      Clock::now() + ticks(settings_.abort_time + (program_ ? wire(program_->pause()) : Seconds{0}));
  const auto generation = talk_->generation();
  for (bool acknowledged = false, ended = known;;) {
    while (const auto line = talk_->next_reply()) {
      if (acknowledged && line->empty()) ended = true;
      if (!line->starts_with('Z')) continue;
      if (mscript::parse_error(*line)) {  // nothing runs
        program_.reset();
        co_await talk_->pause_after_error();
        co_return Result<void>{};
      }
      acknowledged = true;
    }
    if (acknowledged && ended && !program_) co_return Result<void>{};
    if (auto why = talk_->why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline) co_return fail(Fault::Kind::timeout, "the program did not end after Z");
    co_await talk_->replied().wait_until(deadline);
  }
}

/// The potentials at rest. An answer proves that the cell is off.
Later<Sample> Palmsens::Conversation::look() {
  const auto lines =
      co_await talk_->run_short(mscript::look_script(model_.value_or(*mscript::model_of("es4_lr"))));
  if (!lines) co_return fail(lines.error().kind, "open-circuit measurement: " + lines.error().what);
  std::optional<Sample> seen;
  for (const std::string& line : *lines)
    if (auto row = mscript::read_row(line)) seen = std::move(*row);
  if (!seen)
    co_return fail(Fault::Kind::protocol, "open-circuit measurement: the instrument sent no reading");
  seen->at = now_stamp();
  co_return std::move(*seen);
}

Later<void> Palmsens::Conversation::open_and_verify() {
  const auto stopped = co_await stop_program();
  if (!stopped && stopped.error().kind == Fault::Kind::link) co_return fail(stopped.error());
  const auto off = co_await talk_->run_short(mscript::off_script());  // tried, whatever came of the stop
  const auto looked = co_await look();
  if (looked) {
    program_.reset();  // a look would have been refused while it ran
    co_return Result<void>{};
  }
  if (!stopped) co_return fail(stopped.error().kind, stopped.error().what + "; " + looked.error().what);
  co_return fail(off ? looked.error() : off.error());
}

/// Opens a closed link, and makes sure that it is not somebody else's instrument whose cell would be opened.
Later<void> Palmsens::Conversation::connect_to_open() {
  const auto connected = co_await connect();
  if (!connected) co_return fail(connected.error());
  if (verified_ || program_) co_return Result<void>{};
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind == Fault::Kind::identity) {
    disconnect();
    co_return fail(idle.error());
  }
  co_return Result<void>{};  // whatever else it said: opening is tried
}

/// A runtime error leaves the cell as it was: it is opened from here, at once, and only then is the end told.
asio::awaitable<void> Palmsens::Conversation::make_safe_after_error(Marker marker, std::string text) {
  const auto alive = shared_from_this();
  co_await talk_->pause_after_error();
  const auto opened = co_await open_cell();
  if (!opened) text += "; the cell could not be opened: " + opened.error().what;
  tell(heard::Ended{std::move(marker), EndReason::error, std::move(text)});
}

// ---- what comes ---------------------------------------------------------------------------------------------

void Palmsens::Conversation::tell(Heard what) {
  if (queue_.size() >= settings_.longest_queue && std::holds_alternative<heard::Measured>(what)) {
    ++dropped_rows_;
    return;
  }
  queue_.push_back(std::move(what));
  heard_.notify();
}

/// Whether a line is the program's; else it answers a command. A row or an announcement without a program is one of
/// something that we did not start, or no longer expected.
bool Palmsens::Conversation::hear(const std::string& line) {
  using Kind = mscript::LineKind;
  const auto kind = mscript::classify(line);
  if (!program_ && (kind == Kind::packet || mscript::parse_announcement(line)))
    program_.emplace(settings_.longest_record);
  if (!program_) return false;
  if (kind == Kind::abort_acknowledged && !mscript::parse_error(line)) program_->stop_acknowledged();
  if (kind == Kind::other || kind == Kind::abort_acknowledged) return false;
  hear_program(line);
  return true;
}

void Palmsens::Conversation::hear_program(const std::string& line) {
  const bool was_known = program_->known(), was_announced = program_->announced();
  auto outcome = program_->hear(line, now_stamp());
  for (auto& row : outcome.rows) tell(std::move(row));
  const bool gone = outcome.failed || outcome.over;
  const bool changed = gone || was_known != program_->known() || was_announced != program_->announced();
  if (outcome.failed) program_failed(*outcome.failed);
  if (outcome.over) program_ended();
  if (gone) program_.reset();
  if (changed) talk_->replied().notify();
}

void Palmsens::Conversation::program_failed(const mscript::ErrorCode& error) {
  if (launching_ && !program_->announced()) return void(refused_ = mscript::describe(error));
  asio::co_spawn(executor_, make_safe_after_error(program_->marker(), mscript::describe(error)),
                 asio::detached);
}

void Palmsens::Conversation::program_ended() {
  constexpr auto wordless = "the program ended without a word";
  if (!program_->known()) return;  // nobody asked for it
  if (program_->missed() || !program_->has_said_its_end())
    asio::co_spawn(executor_, conclude(*program_, wordless), asio::detached);
  else
    tell(program_->ending());
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
