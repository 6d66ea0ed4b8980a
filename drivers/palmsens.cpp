#include "drivers/palmsens.h"

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
#include "drivers/palmsens_limits.h"
#include "drivers/wire/mscript_program.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using link::Signal;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto silence_look = 500ms;
constexpr Clock::duration first_reconnect = 200ms, last_reconnect = 5s;
constexpr std::size_t most_replies = 1000, most_unclaimed = 1000;

Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }
Stamp now_stamp() { return {Clock::now(), std::chrono::system_clock::now()}; }

/// A program that runs in the instrument, as far as it is known.
struct Program {
  Marker marker;
  bool known = false;  ///< the marker is its own
  std::string serial;  ///< of the instrument it was written for
  Seconds pause;       ///< instrument time between two rows, at most
  bool stop_asked = false, stop_acknowledged = false, loop_ended = false;
  std::optional<mscript::Ending> said;
  std::optional<Sample> last;
  std::vector<Sample> unclaimed;  ///< rows that came before the marker
};

}  // namespace

/// Everything that is alive while the driver is: the link, its reader, the program that runs, the request that waits.
class Palmsens::Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(const asio::any_io_executor& executor, std::unique_ptr<link::ByteLink> link,
               PalmsensSettings settings)
      : executor_(executor),
        link_(std::move(link)),
        settings_(std::move(settings)),
        replied_(executor),
        heard_(executor),
        freed_(executor) {}

  void end() {
    ended_ = true;
    link_->close();
    wake_everybody();
  }

  Later<Identity> identify();
  Later<Found> reattach();
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const;
  Later<void> start(PlannedStep step, Marker marker);
  Later<Heard> next();
  Later<Sample> measure_rest();
  Later<void> open_cell();
  [[nodiscard]] IoHealth health() const { return health_; }

 private:
  /// One request at a time. Its turn ends with its life.
  enum class Busy { no, with_request, opening };
  class Turn {
   public:
    Turn(std::shared_ptr<Conversation> talk, Busy as) : talk_(std::move(talk)) { talk_->busy_ = as; }
    ~Turn() {
      talk_->busy_ = Busy::no;
      talk_->freed_.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::shared_ptr<Conversation> talk_;
  };
  asio::awaitable<void> turn_for_request();
  asio::awaitable<void> turn_to_open();
  [[nodiscard]] bool gives_way() const { return ended_ || (openers_ > 0 && busy_ == Busy::with_request); }
  [[nodiscard]] std::optional<Fault> why_not_wait(std::uint64_t generation) const;

  // the link
  Later<void> connect();
  void disconnect();
  asio::awaitable<void> read_for_ever(std::uint64_t generation);
  asio::awaitable<void> watch_over_silence(std::uint64_t generation);
  asio::awaitable<void> ask_after_program();
  asio::awaitable<void> reconnect();
  void link_lost(Fault why);
  void wake_everybody();
  asio::awaitable<void> pause(Clock::duration time);

  // questions and answers
  Later<void> send(std::string text);
  Later<std::string> line_until(Clock::time_point deadline);
  Later<std::string> ask(std::string command);
  Later<std::string> converse(std::string command);
  Later<std::string> ask_unrefused(std::string command);
  Later<std::vector<std::string>> run_short(std::string script);
  Later<Identity> ask_who();
  Later<Identity> ask_model();
  Later<void> check_abilities();
  Later<void> load(std::string script);
  Later<void> confirm_idle();
  Later<Sample> look();
  Later<void> stop_program();
  Later<void> open_and_verify();
  Later<void> connect_to_open();
  asio::awaitable<void> make_safe_after_error(Marker marker, std::string text);

  // what comes
  void hear_line(std::string line);
  void hear_program_line(const std::string& line);
  void hear_row(const std::string& line);
  void hear_row(Sample row);
  void recognise(const mscript::Announcement& announced);
  void program_failed(const mscript::ErrorCode& error);
  void program_ended();
  void tell(Heard what);

  [[nodiscard]] Seconds wire(Seconds instrument_time) const { return instrument_time / settings_.time_scale; }
  Program& meet_stranger();

  asio::any_io_executor executor_;
  std::unique_ptr<link::ByteLink> link_;
  PalmsensSettings settings_;
  IoHealth health_;
  mscript::Lines lines_;
  std::deque<std::string> replies_;
  Signal replied_, heard_, freed_;
  std::deque<Heard> queue_;
  std::size_t dropped_rows_ = 0;
  std::optional<Program> program_;
  std::optional<Identity> identity_;
  std::optional<mscript::Model> model_;
  Clock::time_point last_line_{};
  std::uint64_t generation_ = 0;  ///< of the link: whoever belongs to an older one stops
  Busy busy_ = Busy::no;
  int openers_ = 0;        ///< calls of open_cell() that wait for their turn
  bool short_ = false;     ///< a script of ours runs whose lines all belong to the request
  bool verified_ = false;  ///< the serial number was right on this link
  bool ended_ = false, reconnecting_ = false;
};

// ---- the contract -------------------------------------------------------------------------------------------

Later<Identity> Palmsens::Conversation::identify() {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, Busy::with_request);
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
  co_await turn_for_request();
  const Turn turn(alive, Busy::with_request);
  const auto generation = generation_;
  if (program_) {
    const auto deadline = Clock::now() + ticks(3 * wire(program_->pause) + settings_.reply_time);
    while (program_ && !program_->known && Clock::now() < deadline && !why_not_wait(generation))
      co_await replied_.wait_until(deadline);
  }
  if (auto why = why_not_wait(generation)) co_return fail(*why);
  if (program_ && !program_->known) {
    const auto idle = co_await confirm_idle();
    if (!idle && idle.error().kind != Fault::Kind::refused) co_return fail(idle.error());
  }
  if (!program_) co_return Found{Found::State::idle, std::nullopt};
  if (!program_->known) co_return Found{Found::State::unknown, std::nullopt};
  if (!program_->serial.empty() && program_->serial != settings_.serial) {
    Fault other{Fault::Kind::identity, fmt::format("a program for instrument {} runs there, {} is configured",
                                                   program_->serial, settings_.serial)};
    program_.reset();
    link_lost(other);
    co_return fail(std::move(other));
  }
  co_return Found{Found::State::running, program_->marker};
}

Result<OnBoard> Palmsens::Conversation::prepare(const PlannedStep& step) const {
  if (!model_) return fail(Fault::Kind::refused, "the instrument has not been identified yet");
  return palmsens::limits_on_board(step, *model_);
}

Later<void> Palmsens::Conversation::start(PlannedStep step, Marker marker) {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, Busy::with_request);
  if (!identity_ || !model_ || !link_->is_open())
    co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (const auto fits = palmsens::limits_on_board(step, *model_); !fits) co_return fail(fits.error());
  if (!palmsens::is_marker(marker))
    co_return fail(Fault::Kind::refused, fmt::format("\"{}\" is no name of a run", marker.run));
  if (program_ || !verified_) {  // met while a program ran: only now can it say who it is
    const auto idle = co_await confirm_idle();
    if (!idle) co_return fail(idle.error());
  }
  const mscript::Profile profile{*model_, settings_.serial};
  std::string script = mscript::program(step, marker, profile);
  const auto loaded = co_await load(std::move(script));
  if (!loaded)
    co_return fail(loaded.error().kind, fmt::format("the program of step {} was not loaded: {}",
                                                    step.index + 1, loaded.error().what));
  // From here on lines belong to it: its first row may come in one piece with the acknowledgement.
  program_.emplace();
  program_->marker = marker;
  program_->known = true;
  program_->serial = settings_.serial;
  program_->pause = std::max(step.record_every, step.sampling);
  const auto running = co_await ask_unrefused("r");
  if (running) co_return Result<void>{};
  if (running.error().kind == Fault::Kind::instrument) program_.reset();
  co_return fail(running.error());
}

Later<Heard> Palmsens::Conversation::next() {
  const auto alive = shared_from_this();
  while (queue_.empty()) {
    if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
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
  co_await turn_for_request();
  const Turn turn(alive, Busy::with_request);
  if (!identity_ || !link_->is_open()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (program_) {
    const auto idle = co_await confirm_idle();
    if (!idle) co_return fail(idle.error());
  }
  auto rest = co_await look();
  if (!rest && rest.error().kind == Fault::Kind::timeout) link_lost(rest.error());
  co_return rest;
}

Later<void> Palmsens::Conversation::open_cell() {
  const auto alive = shared_from_this();
  co_await turn_to_open();
  const Turn turn(alive, Busy::opening);
  auto connected = co_await connect_to_open();
  if (!connected)
    co_return fail(connected.error().kind,
                   connected.error().what + "; the limits in the instrument guard the cell");
  auto opened = co_await open_and_verify();
  if (!opened && opened.error().kind != Fault::Kind::link)  // it may have met the end of what ran before
    opened = co_await open_and_verify();
  if (!opened && opened.error().kind == Fault::Kind::timeout) link_lost(opened.error());
  co_return opened;
}

// ---- turns --------------------------------------------------------------------------------------------------

asio::awaitable<void> Palmsens::Conversation::turn_for_request() {
  while ((busy_ != Busy::no || openers_ > 0) && !ended_) co_await freed_.wait();
}

asio::awaitable<void> Palmsens::Conversation::turn_to_open() {
  ++openers_;
  replied_.notify();  // whoever waits for an answer gives up
  while (busy_ != Busy::no && !ended_) co_await freed_.wait();
  --openers_;
}

/// Why whoever waits for the instrument had better not, or nothing.
std::optional<Fault> Palmsens::Conversation::why_not_wait(std::uint64_t generation) const {
  if (ended_) return Fault{Fault::Kind::cancelled, "the driver ends"};
  if (gives_way()) return Fault{Fault::Kind::cancelled, "given up: the cell was ordered open"};
  if (generation != generation_ || !link_->is_open())
    return Fault{Fault::Kind::link, "the connection to the instrument is lost"};
  return std::nullopt;
}

// ---- the link -----------------------------------------------------------------------------------------------

Later<void> Palmsens::Conversation::connect() {
  if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
  if (link_->is_open()) co_return Result<void>{};
  const auto opened = co_await link_->open();
  if (!opened) co_return fail(opened.error());
  lines_.clear();
  replies_.clear();
  verified_ = false;
  ++generation_;
  asio::co_spawn(executor_, read_for_ever(generation_), asio::detached);
  asio::co_spawn(executor_, watch_over_silence(generation_), asio::detached);
  co_return Result<void>{};
}

void Palmsens::Conversation::disconnect() {
  if (program_) program_->known = false;  // whatever runs there next time has to say its name
  link_->close();
  ++generation_;
  wake_everybody();
}

void Palmsens::Conversation::wake_everybody() {
  replied_.notify();
  heard_.notify();
  freed_.notify();
}

asio::awaitable<void> Palmsens::Conversation::pause(Clock::duration time) {
  asio::steady_timer timer(executor_, time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> Palmsens::Conversation::read_for_ever(std::uint64_t generation) {
  const auto alive = shared_from_this();
  std::array<char, 4096> buffer;
  while (!ended_ && generation == generation_) {
    const auto got = co_await link_->read_some(buffer);
    if (ended_ || generation != generation_) co_return;
    if (!got) {
      link_lost(got.error());
      co_return;
    }
    lines_.feed({buffer.data(), *got});
    last_line_ = Clock::now();
    while (auto line = lines_.next()) hear_line(std::move(*line));
  }
}

/// A program that says nothing for too long is asked after.
asio::awaitable<void> Palmsens::Conversation::watch_over_silence(std::uint64_t generation) {
  const auto alive = shared_from_this();
  while (!ended_ && generation == generation_) {
    co_await pause(std::min<Clock::duration>(silence_look, ticks(settings_.silence)));
    if (ended_ || generation != generation_) co_return;
    if (!program_ || busy_ != Busy::no || openers_ > 0) continue;
    if (Clock::now() - last_line_ < ticks(3 * wire(program_->pause) + settings_.silence)) continue;
    const Turn turn(alive, Busy::with_request);
    co_await ask_after_program();
  }
}

/// `t` is allowed while a script runs and tells alive from dead; an instrument that then also answers `i` runs nothing
/// any more: it was switched off and on, or somebody else ended the program.
asio::awaitable<void> Palmsens::Conversation::ask_after_program() {
  const auto answered = co_await ask("t");  // no answer: the link is lost
  if (!answered || !program_) co_return;
  const bool known = program_->known;
  const Marker marker = program_->marker;
  const auto idle = co_await confirm_idle();
  if (idle && known) tell(heard::Ended{marker, EndReason::unknown, "the instrument has lost the program"});
}

void Palmsens::Conversation::link_lost(Fault why) {
  if (ended_ || !link_->is_open()) return;
  disconnect();
  if (reconnecting_ || !identity_) return;  // told already; or nobody was told that it stood
  reconnecting_ = true;
  tell(heard::LinkLost{std::move(why)});
  asio::co_spawn(executor_, reconnect(), asio::detached);
}

asio::awaitable<void> Palmsens::Conversation::reconnect() {
  const auto alive = shared_from_this();
  Clock::duration wait = first_reconnect;
  bool stranger_told = false;
  while (!ended_) {
    co_await pause(wait);
    if (ended_) co_return;
    const auto known = co_await identify();
    if (known) break;
    if (known.error().kind == Fault::Kind::identity && !std::exchange(stranger_told, true))
      tell(heard::LinkLost{known.error()});  // people must know that another instrument is plugged in
    wait = std::min<Clock::duration>(2 * wait, last_reconnect);
  }
  reconnecting_ = false;
  tell(heard::LinkBack{});
}

// ---- questions and answers ----------------------------------------------------------------------------------

Later<void> Palmsens::Conversation::send(std::string text) {
  asio::steady_timer patience(executor_, ticks(settings_.reply_time));
  patience.async_wait([talk = weak_from_this()](boost::system::error_code cancelled) {
    const auto alive = talk.lock();
    if (!cancelled && alive) alive->link_lost({Fault::Kind::timeout, "the instrument takes no bytes"});
  });
  const auto written = co_await link_->write(text);
  patience.cancel();
  co_return written;
}

Later<std::string> Palmsens::Conversation::line_until(Clock::time_point deadline) {
  const auto generation = generation_;
  while (replies_.empty()) {
    if (auto why = why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline)
      co_return fail(Fault::Kind::timeout, "the instrument did not answer in time");
    co_await replied_.wait_until(deadline);
  }
  std::string line = std::move(replies_.front());
  replies_.pop_front();
  co_return line;
}

Later<std::string> Palmsens::Conversation::ask(std::string command) {
  const auto began = Clock::now();
  auto answer = co_await converse(std::move(command));
  if (answer || answer.error().kind != Fault::Kind::cancelled)
    health_.count(answer.has_value(), Clock::now() - began);
  co_return answer;
}

/// The first line that answers a command: it begins with the command's first character. Lines that belong to
/// something else (an older program, noise) are passed over. No answer is a lost link.
Later<std::string> Palmsens::Conversation::converse(std::string command) {
  replies_.clear();
  const auto sent = co_await send(command + "\n");
  if (!sent) co_return fail(sent.error());
  const auto deadline = Clock::now() + ticks(settings_.reply_time);
  std::string answer;
  for (bool ends = false; !ends;) {
    auto line = co_await line_until(deadline);
    if (!line) {
      const std::string name = command.substr(0, command.find('\n'));
      Fault why{line.error().kind, fmt::format("\"{}\": {}", name, line.error().what)};
      if (why.kind == Fault::Kind::timeout) link_lost(why);
      co_return fail(std::move(why));
    }
    if (answer.empty() && !line->starts_with(command.front())) continue;
    if (answer.empty()) answer = *line;
    ends = command == "r" || mscript::ends_reply(command, *line);
  }
  if (mscript::parse_error(answer)) co_await pause(ticks(settings_.deaf_after_error));
  co_return answer;
}

/// The same, with a refusal by the instrument as a Fault.
Later<std::string> Palmsens::Conversation::ask_unrefused(std::string command) {
  auto answer = co_await ask(command);
  if (!answer) co_return fail(answer.error());
  if (const auto error = mscript::parse_error(*answer))
    co_return fail(Fault::Kind::instrument, fmt::format("\"{}\": {}", command.substr(0, command.find('\n')),
                                                        mscript::describe(*error)));
  co_return std::move(*answer);
}

/// Runs a script that ends by itself within a second; its lines are the answer.
Later<std::vector<std::string>> Palmsens::Conversation::run_short(std::string script) {
  struct Listening {
    bool& on;
    explicit Listening(bool& flag) : on(flag) { on = true; }
    ~Listening() { on = false; }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
  };
  replies_.clear();
  const Listening listening(short_);
  const auto sent = co_await send("e\n" + script + "\n");
  if (!sent) co_return fail(sent.error());
  const auto deadline = Clock::now() + ticks(settings_.reply_time + Seconds{1});
  std::vector<std::string> lines;
  for (bool acknowledged = false;;) {
    auto line = co_await line_until(deadline);
    if (!line) co_return fail(line.error());
    const auto error = mscript::parse_error(*line);
    if (error && (acknowledged || line->starts_with('e'))) {
      co_await pause(ticks(settings_.deaf_after_error));
      co_return fail(Fault::Kind::instrument, mscript::describe(*error));
    }
    if (acknowledged && line->empty()) co_return lines;
    if (acknowledged) lines.push_back(std::move(*line));
    acknowledged = acknowledged || *line == "e";  // what comes before belongs to something older
  }
}

Later<Identity> Palmsens::Conversation::ask_who() {
  const auto woken = co_await send("\n");  // ends a half-typed command
  if (!woken) co_return fail(woken.error());
  auto who = co_await ask_model();
  if (!who) co_return fail(who.error());
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind == Fault::Kind::refused)
    co_return std::move(*who);  // its program says whose it is
  if (!idle) co_return fail(idle.error());
  who->serial = settings_.serial;
  const auto version = co_await ask_unrefused("v");
  if (!version) co_return fail(version.error());
  who->firmware += ", MethodSCRIPT " + mscript::parse_version(*version).value_or("?");
  const auto able = co_await check_abilities();
  if (!able) co_return fail(able.error());
  co_return std::move(*who);
}

Later<Identity> Palmsens::Conversation::ask_model() {
  const auto first = co_await ask_unrefused("t");
  if (!first) co_return fail(first.error());
  auto known = palmsens::identity_of(*first);
  if (!known) co_return fail(known.error());
  model_ = known->model;
  co_return std::move(known->identity);
}

/// What a step needs: a galvanostat, and both potentials measured at once.
Later<void> Palmsens::Conversation::check_abilities() {
  const auto list = co_await ask_unrefused("CM");
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
  co_return Result<void>{};
}

/// `i` is refused while a script runs. Answered, nothing runs whatever we thought, and the serial number is held
/// against the configured one. Refused when a program runs.
Later<void> Palmsens::Conversation::confirm_idle() {
  const auto answer = co_await ask("i");
  if (!answer) co_return fail(answer.error());
  const auto error = mscript::parse_error(*answer);
  if (error && error->code == mscript::error::not_in_this_mode) {
    if (!program_) meet_stranger();
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

/// Brings a script into the instrument's memory; nothing runs yet.
Later<void> Palmsens::Conversation::load(std::string script) {
  const auto loaded = co_await ask_unrefused("l\n" + script);
  if (!loaded) co_return fail(loaded.error());
  co_return Result<void>{};
}

// ---- opening the cell ---------------------------------------------------------------------------------------

/// Z, then the end of the program: its acknowledgement says only that it was heard.
Later<void> Palmsens::Conversation::stop_program() {
  if (program_) program_->stop_asked = true;
  replies_.clear();
  const auto sent = co_await send("\nZ\n");
  if (!sent) co_return fail(sent.error());
  const bool known = program_.has_value();  // its lines go to it; else the empty line comes as a reply
  const auto deadline =
      Clock::now() + ticks(settings_.abort_time + (program_ ? wire(program_->pause) : Seconds{0}));
  const auto generation = generation_;
  for (bool acknowledged = false, ended = known;;) {
    while (!replies_.empty()) {
      const std::string line = std::move(replies_.front());
      replies_.pop_front();
      if (acknowledged && line.empty()) ended = true;
      if (!line.starts_with('Z')) continue;
      if (mscript::parse_error(line)) {  // nothing runs
        program_.reset();
        co_await pause(ticks(settings_.deaf_after_error));
        co_return Result<void>{};
      }
      acknowledged = true;
    }
    if (acknowledged && ended && !program_) co_return Result<void>{};
    if (auto why = why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline) co_return fail(Fault::Kind::timeout, "the program did not end after Z");
    co_await replied_.wait_until(deadline);
  }
}

/// The potentials at rest. An answer proves that the cell is off.
Later<Sample> Palmsens::Conversation::look() {
  const auto lines = co_await run_short(mscript::look_script(model_.value_or(*mscript::model_of("es4_lr"))));
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
  const auto off = co_await run_short(mscript::off_script());  // tried, whatever came of the stop
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
  co_await pause(ticks(settings_.deaf_after_error));
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

/// Something runs that we did not start, or no longer expected.
Program& Palmsens::Conversation::meet_stranger() {
  program_.emplace();
  program_->pause = settings_.longest_record;
  return *program_;
}

void Palmsens::Conversation::hear_line(std::string line) {
  const auto kind = mscript::classify(line);
  const bool answers = kind == mscript::LineKind::other || kind == mscript::LineKind::abort_acknowledged;
  if (!short_ && !program_ && (mscript::parse_announcement(line) || kind == mscript::LineKind::packet))
    meet_stranger();
  if (!short_ && program_ && !answers) return hear_program_line(line);
  if (program_ && kind == mscript::LineKind::abort_acknowledged && !mscript::parse_error(line))
    program_->stop_acknowledged = true;
  replies_.push_back(std::move(line));
  if (replies_.size() > most_replies) replies_.pop_front();
  replied_.notify();
}

void Palmsens::Conversation::hear_program_line(const std::string& line) {
  using Kind = mscript::LineKind;
  switch (mscript::classify(line)) {
    case Kind::packet: return hear_row(line);
    case Kind::text:
      if (const auto announced = mscript::parse_announcement(line)) return recognise(*announced);
      if (auto ending = mscript::parse_ending(line); ending && !program_->said)
        program_->said = std::move(*ending);
      return;
    case Kind::error:
      if (const auto error = mscript::parse_error(line)) program_failed(*error);
      return;
    case Kind::loop_ended: program_->loop_ended = true; return;
    case Kind::end_of_script:
      // Any other empty line answers an empty line of ours; whether that happens while a script runs is not known.
      if (program_->loop_ended || program_->said || program_->stop_acknowledged) program_ended();
      return;
    case Kind::loop_began:
    case Kind::abort_acknowledged:
    case Kind::other: return;
  }
}

void Palmsens::Conversation::hear_row(const std::string& line) {
  if (auto row = mscript::read_row(line)) return hear_row(std::move(*row));
  if (!program_->known) return;
  Sample damaged;
  damaged.step = program_->marker.step;
  if (program_->last) damaged.step_time = program_->last->step_time;
  damaged.status = reading_status::bad;
  damaged.at = now_stamp();
  tell(heard::Measured{std::move(damaged)});
}

void Palmsens::Conversation::hear_row(Sample row) {
  if (row.at.steady == Instant{}) row.at = now_stamp();
  if (!program_->known) {
    if (program_->unclaimed.size() < most_unclaimed) program_->unclaimed.push_back(std::move(row));
    return;
  }
  if (row.step != program_->marker.step) return;                             // late, of an older program
  if (program_->last && row.step_time <= program_->last->step_time) return;  // came already
  program_->last = row;
  tell(heard::Measured{std::move(row)});
}

void Palmsens::Conversation::recognise(const mscript::Announcement& announced) {
  Program& program = *program_;
  if (program.known) return;
  if (program.marker != announced.marker) program.last.reset();
  program.marker = announced.marker;
  program.serial = announced.serial;
  program.pause = announced.longest_pause.value_or(program.pause);
  program.known = true;
  for (Sample& row : std::exchange(program.unclaimed, {})) hear_row(std::move(row));
  replied_.notify();
}

void Palmsens::Conversation::program_failed(const mscript::ErrorCode& error) {
  Marker marker = program_->marker;
  program_.reset();
  asio::co_spawn(executor_, make_safe_after_error(std::move(marker), mscript::describe(error)),
                 asio::detached);
}

void Palmsens::Conversation::program_ended() {
  const Program program = *std::exchange(program_, std::nullopt);
  replied_.notify();
  if (!program.known) return;  // nobody asked for it
  const auto said =
      program.said.value_or(mscript::Ending{EndReason::unknown, "the program ended without a word"});
  tell(heard::Ended{program.marker, program.stop_asked ? EndReason::aborted : said.reason, said.text});
}

// ---- the driver ---------------------------------------------------------------------------------------------

Palmsens::Palmsens(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
                   PalmsensSettings settings)
    : talk_(std::make_shared<Conversation>(executor, std::move(link), std::move(settings))) {}

Palmsens::~Palmsens() { talk_->end(); }

Later<Identity> Palmsens::identify() { return talk_->identify(); }
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
