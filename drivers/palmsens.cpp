#include "drivers/palmsens.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <deque>
#include <utility>

#include "drivers/wire/mscript_program.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto silence_look = 500ms;
constexpr Clock::duration first_reconnect = 200ms, last_reconnect = 5s;
constexpr std::size_t most_replies = 1000, most_unclaimed = 1000;

Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }
Stamp now_stamp() { return {Clock::now(), std::chrono::system_clock::now()}; }
std::string in_mA(Ampere i) { return fmt::format("{:.4g} mA", i.value() * 1e3); }

struct Known {
  Identity identity;
  mscript::Model model;
};
Result<Known> identity_of(const std::string& firmware_line);
Result<OnBoard> limits_on_board(const PlannedStep& step, const mscript::Model& model);
bool is_marker(const Marker& marker);

/// Something to wait for on one thread: wakes whoever waits at notify(), or when the time is over.
class Signal {
 public:
  explicit Signal(asio::any_io_executor executor) : timer_(std::move(executor), Clock::time_point::max()) {}
  void notify() { timer_.cancel(); }
  /// Any number may wait.
  asio::awaitable<void> wait() { co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable)); }
  /// One may wait.
  asio::awaitable<void> wait_until(Clock::time_point deadline) {
    timer_.expires_at(deadline);
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

 private:
  asio::steady_timer timer_;
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
  return limits_on_board(step, *model_);
}

Later<void> Palmsens::Conversation::start(PlannedStep step, Marker marker) {
  const auto alive = shared_from_this();
  co_await turn_for_request();
  const Turn turn(alive, Busy::with_request);
  if (!identity_ || !model_ || !link_->is_open())
    co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (const auto fits = limits_on_board(step, *model_); !fits) co_return fail(fits.error());
  if (!is_marker(marker))
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
  auto known = identity_of(*first);
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
Palmsens::Conversation::Program& Palmsens::Conversation::meet_stranger() {
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

namespace {

// ---- identity -----------------------------------------------------------------------------------------------

Result<Known> identity_of(const std::string& line) {
  if (line == "t")
    return fail(Fault::Kind::protocol,
                "the line sends back what is sent: its local echo must be switched off");
  const auto firmware = mscript::parse_firmware(line);
  if (!firmware) return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to t", line));
  const auto model = mscript::model_of(firmware->device);
  if (!model)
    return fail(Fault::Kind::identity, fmt::format("\"{}\" is no instrument we know", firmware->device));
  Known known{{}, *model};
  known.identity.maker = "PalmSens";
  known.identity.model = model->name;
  known.identity.firmware = firmware->version;
  known.identity.galvanostat = model->galvanostat;
  known.identity.reference_electrode = true;
  known.identity.max_current = model->max_current;
  known.identity.max_potential = model->max_potential;
  return known;
}

// ---- limits -------------------------------------------------------------------------------------------------

bool is_marker(const Marker& marker) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !marker.run.empty() && marker.run.size() <= 16 && std::ranges::all_of(marker.run, allowed);
}

bool within(double value, double most) { return std::abs(value) <= most; }  // false for NaN

/// Why this model cannot carry out this step, or nothing.
std::optional<std::string> beyond(const PlannedStep& step, const mscript::Model& model) {
  using Kind = PlannedStep::Kind;
  constexpr Seconds longest_sampling{60}, longest_run{30 * 24 * 3600.0};
  const Guards& g = step.guards;
  if (step.kind == Kind::press) return "a press step is not for a potentiostat";
  if (!(step.sampling >= Seconds{0.01} && step.sampling <= longest_sampling))
    return fmt::format("sampling every {} s; expected 0.01 to 60 s", step.sampling.count());
  if (!(step.run_time >= step.sampling && step.run_time <= longest_run))
    return fmt::format("a time limit of {} s; expected one sampling interval to 30 days",
                       step.run_time.count());
  if (!(step.record_every > Seconds{0} && step.record_every <= Seconds{3600}))
    return fmt::format("a row every {} s; expected more than 0 and at most an hour",
                       step.record_every.count());
  if (step.record_delta && !(*step.record_delta >= Volt(1e-5)))
    return fmt::format("a row at every change of {} V; expected at least 10 uV", step.record_delta->value());
  for (const auto& limit : {step.until_voltage, step.voltage, g.we_max, g.we_min, g.cell_max, g.cell_min})
    if (limit && !within(limit->value(), model.max_potential.value()))
      return fmt::format("{:.3f} V is beyond {:.0f} V", limit->value(), model.max_potential.value());
  for (const auto& current : {std::optional(step.current), step.until_current})
    if (current && !within(current->value(), model.max_current.value()))
      return fmt::format("{} is beyond {}", in_mA(*current), in_mA(model.max_current));
  if (step.kind == Kind::constant_current && !(abs(step.current) >= Ampere(1e-8)))
    return fmt::format("a current step of {}; expected at least 10 nA", in_mA(step.current));
  if (step.kind == Kind::constant_voltage && !step.voltage) return "a potential to hold is missing";
  return std::nullopt;
}

/// Which limits contradict each other, or nothing: a planned end behind its guard would never be reached.
std::optional<std::string> contradiction(const PlannedStep& step) {
  const Guards& g = step.guards;
  const bool on_we = step.limit_on == LimitOn::we_vs_re;
  if (g.we_min && g.we_max && *g.we_min >= *g.we_max) return "the guards of WE vs RE are the wrong way round";
  if (g.cell_min && g.cell_max && *g.cell_min >= *g.cell_max)
    return "the guards of the cell are the wrong way round";
  const auto& low = on_we ? g.we_min : g.cell_min;
  const auto& high = on_we ? g.we_max : g.cell_max;
  for (const auto& end : {step.until_voltage, step.voltage})
    if (end && ((low && *end <= *low) || (high && *end >= *high)))
      return fmt::format("{:.3f} V is not within its guards", end->value());
  return std::nullopt;
}

std::vector<std::string> sentences(const PlannedStep& step) {
  const Guards& g = step.guards;
  std::vector<std::string> all;
  if (step.until_voltage)
    all.push_back(fmt::format("ends at {:.3f} V {}", step.until_voltage->value(),
                              step.limit_on == LimitOn::cell ? "(cell)" : "(WE vs RE)"));
  if (step.until_current) all.push_back("ends at " + in_mA(abs(*step.until_current)));
  if (g.we_max && g.we_min)
    all.push_back(fmt::format("guard {:.3f} to {:.3f} V (WE vs RE)", g.we_min->value(), g.we_max->value()));
  if (g.cell_max && g.cell_min)
    all.push_back(fmt::format("guard {:.3f} to {:.3f} V (cell)", g.cell_min->value(), g.cell_max->value()));
  all.push_back(fmt::format("ends after {:.0f} s {}", step.run_time.count(),
                            step.run_time_is_planned ? "as planned" : "at the latest"));
  all.emplace_back("the cell is off at the end");
  return all;
}

Result<OnBoard> limits_on_board(const PlannedStep& step, const mscript::Model& model) {
  const auto refuse = [&](const std::string& why) {
    return fail(Fault::Kind::refused, fmt::format("{}: {}", model.name, why));
  };
  if (const auto why = beyond(step, model)) return refuse(*why);
  if (const auto why = contradiction(step)) return refuse(*why);
  const Guards& g = step.guards;
  const bool rests = step.kind == PlannedStep::Kind::open_circuit;
  const bool by_cell = step.limit_on == LimitOn::cell;  // a cell of two electrodes has no second potential
  OnBoard on_board;
  on_board.cutoff = rests || step.run_time_is_planned || step.until_voltage || step.until_current;
  on_board.guards = rests || (g.cell_max && g.cell_min && (by_cell || (g.we_max && g.we_min)));
  on_board.run_time = on_board.opens_at_end = true;
  on_board.sentences = sentences(step);
  return on_board;
}

}  // namespace

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
