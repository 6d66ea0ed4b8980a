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

#include "drivers/wire/mscript.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }

Stamp now_stamp() { return {Clock::now(), std::chrono::system_clock::now()}; }

constexpr auto after_error = 100ms;  // input is lost for about 50 ms after an error reply
constexpr Clock::duration first_reconnect = 200ms, last_reconnect = 5s;

/// Something to wait for on one thread: wait() returns at notify() or when the time is over.
class Signal {
 public:
  explicit Signal(asio::any_io_executor executor) : timer_(std::move(executor)) {}
  void notify() { timer_.cancel(); }
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
  Conversation(asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
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
    replied_.notify();
    heard_.notify();
    freed_.notify();
  }

  Later<Identity> identify();
  Later<Found> reattach();
  Result<OnBoard> prepare(const PlannedStep& step) const;
  Later<void> start(const PlannedStep& step, const Marker& marker);
  Later<Heard> next();
  Later<Sample> measure_rest();
  Later<void> open_cell();

 private:
  /// A program that runs in the instrument, as far as we know.
  struct Program {
    Marker marker;
    bool known = false;  ///< ours, with its marker
    bool abort_asked = false, abort_heard = false, loop_ended = false;
    std::optional<EndReason> said;
    std::string text;
    std::optional<mscript::ProgramRow> last;
    Seconds silence_allowed{60};  ///< wire time
  };

  /// One request at a time; open_cell waits for its turn at most one reply time.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<Conversation> talk) : talk_(std::move(talk)) { talk_->taken_ = true; }
    ~Turn() {
      talk_->taken_ = false;
      talk_->freed_.notify();
    }
    Turn(const Turn&) = delete;

   private:
    std::shared_ptr<Conversation> talk_;
  };
  asio::awaitable<void> wait_for_turn();

  // the link
  Later<void> connect();
  asio::awaitable<void> read_for_ever(std::uint64_t generation);
  asio::awaitable<void> watch_over_silence(std::uint64_t generation);
  asio::awaitable<void> reconnect();
  void link_lost(const Fault& why);
  Later<void> send(std::string_view text);
  Later<std::string> line_within(Seconds time);
  Later<std::string> reply_to(std::string_view command, char echo);
  asio::awaitable<void> recover_from_error_reply();

  // what comes
  void hear_line(std::string line);
  void hear_program_line(const std::string& line);
  void hear_row(const std::string& line);
  void hear_text(const std::string& line);
  void program_failed(const mscript::ErrorCode& error);
  void program_ended(EndReason reason, std::string text);
  [[nodiscard]] EndReason end_reason() const;
  void tell(Heard what);

  // doing
  Later<Sample> open_and_look();
  Later<void> stop_program();
  asio::awaitable<void> make_safe_after_error(std::string text);
  Later<Identity> ask_who();

  asio::any_io_executor executor_;
  std::unique_ptr<link::ByteLink> link_;
  PalmsensSettings settings_;
  mscript::Lines lines_;
  std::deque<std::string> replies_;
  Signal replied_, heard_, freed_;
  std::deque<Heard> queue_;
  std::optional<Program> program_;
  std::optional<Identity> identity_;
  std::optional<mscript::Model> model_;
  Clock::time_point last_line_{};
  std::uint64_t generation_ = 0;  ///< of the link: a reader of an older one stops
  bool taken_ = false, ended_ = false, reconnecting_ = false, runs_something_ = false;
};

// ---- the link ---------------------------------------------------------------------------------------------

Later<void> Palmsens::Conversation::connect() {
  if (link_->is_open()) co_return Result<void>{};
  auto opened = co_await link_->open();
  if (!opened) co_return fail(opened.error());
  lines_.clear();
  replies_.clear();
  ++generation_;
  asio::co_spawn(executor_, read_for_ever(generation_), asio::detached);
  asio::co_spawn(executor_, watch_over_silence(generation_), asio::detached);
  co_return Result<void>{};
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

/// A program that says nothing for too long is asked whether it is alive (`t` is allowed while a script runs).
asio::awaitable<void> Palmsens::Conversation::watch_over_silence(std::uint64_t generation) {
  const auto alive = shared_from_this();
  asio::steady_timer timer(executor_);
  while (!ended_ && generation == generation_) {
    timer.expires_after(500ms);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (ended_ || generation != generation_ || !program_ || taken_) continue;
    if (Seconds(Clock::now() - last_line_) < program_->silence_allowed) continue;
    const auto asked = Clock::now();
    (void)co_await send("t\n");
    timer.expires_after(ticks(settings_.reply_time));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!ended_ && generation == generation_ && last_line_ < asked)
      link_lost({Fault::Kind::timeout, "the instrument is silent and does not answer"});
  }
}

void Palmsens::Conversation::link_lost(const Fault& why) {
  if (!link_->is_open() && reconnecting_) return;
  link_->close();
  ++generation_;
  replied_.notify();
  tell(heard::LinkLost{why});
  if (!reconnecting_) {
    reconnecting_ = true;
    asio::co_spawn(executor_, reconnect(), asio::detached);
  }
}

asio::awaitable<void> Palmsens::Conversation::reconnect() {
  const auto alive = shared_from_this();
  Clock::duration wait = first_reconnect;
  while (!ended_) {
    asio::steady_timer timer(executor_, wait);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (ended_) co_return;
    const auto known = co_await identify();
    if (known) break;
    link_->close();
    ++generation_;
    wait = std::min<Clock::duration>(2 * wait, last_reconnect);
  }
  reconnecting_ = false;
  tell(heard::LinkBack{});
}

Later<void> Palmsens::Conversation::send(std::string_view text) {
  const std::string kept(text);  // the text must live as long as the write
  auto written = co_await link_->write(kept);
  if (!written) co_return fail(written.error());
  co_return Result<void>{};
}

Later<std::string> Palmsens::Conversation::line_within(Seconds time) {
  const auto deadline = Clock::now() + ticks(time);
  const auto generation = generation_;
  while (replies_.empty()) {
    if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
    if (generation != generation_)
      co_return fail(Fault::Kind::link, "the link was lost while waiting for an answer");
    if (Clock::now() >= deadline)
      co_return fail(Fault::Kind::timeout, fmt::format("no answer within {:.1f} s", time.count()));
    co_await replied_.wait_until(deadline);
  }
  std::string line = std::move(replies_.front());
  replies_.pop_front();
  co_return line;
}

/// What is sent within about 50 ms of an error reply is lost.
asio::awaitable<void> Palmsens::Conversation::recover_from_error_reply() {
  asio::steady_timer timer(executor_, after_error);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// The line that answers a one-line command: the instrument echoes the command's first character. Lines that belong
/// to something else (an older program, noise) are passed over.
Later<std::string> Palmsens::Conversation::reply_to(std::string_view command, char echo) {
  replies_.clear();
  auto sent = co_await send(fmt::format("{}\n", command));
  if (!sent) co_return fail(sent.error());
  for (;;) {
    auto line = co_await line_within(settings_.reply_time);
    if (!line) co_return fail(line.error().kind, fmt::format("\"{}\": {}", command, line.error().what));
    if (line->empty() || line->front() != echo) continue;
    if (const auto error = mscript::parse_error(*line)) {
      co_await recover_from_error_reply();
      co_return fail(Fault::Kind::instrument, fmt::format("\"{}\": {}", command, mscript::describe(*error)));
    }
    co_return std::move(*line);
  }
}

asio::awaitable<void> Palmsens::Conversation::wait_for_turn() {
  while (taken_ && !ended_) co_await freed_.wait_until(Clock::now() + ticks(settings_.reply_time));
}

// ---- what comes -------------------------------------------------------------------------------------------

void Palmsens::Conversation::tell(Heard what) {
  queue_.push_back(std::move(what));
  heard_.notify();
}

void Palmsens::Conversation::hear_line(std::string line) {
  if (program_) {
    const auto kind = mscript::classify(line);
    if (kind != mscript::LineKind::other && kind != mscript::LineKind::abort_acknowledged)
      return hear_program_line(line);
    if (kind == mscript::LineKind::abort_acknowledged && !mscript::parse_error(line))
      program_->abort_heard = true;
  } else if (line.starts_with('P') || mscript::parse_marker(line)) {
    runs_something_ = true;  // output of a program we did not start, or no longer expect
  }
  replies_.push_back(std::move(line));
  if (replies_.size() > 1000) replies_.pop_front();
  replied_.notify();
}

void Palmsens::Conversation::hear_program_line(const std::string& line) {
  using Kind = mscript::LineKind;
  switch (mscript::classify(line)) {
    case Kind::packet: return hear_row(line);
    case Kind::text: return hear_text(line);
    case Kind::error:
      if (const auto error = mscript::parse_error(line)) return program_failed(*error);
      return;
    case Kind::loop_ended: program_->loop_ended = true; return;
    case Kind::end_of_script:
      // An empty line before the loop ended is an answer to an empty line of ours, not the end.
      if (program_->loop_ended || program_->abort_heard) program_ended(end_reason(), program_->text);
      return;
    case Kind::loop_began:
    case Kind::abort_acknowledged:
    case Kind::other: return;
  }
}

void Palmsens::Conversation::hear_row(const std::string& line) {
  auto row = mscript::read_row(line);
  if (!row) {
    Sample damaged{.step = program_->marker.step, .status = reading_status::bad, .at = now_stamp()};
    if (program_->last) damaged.step_time = program_->last->sample.step_time;
    return tell(heard::Measured{damaged});
  }
  if (program_->known && row->step != program_->marker.step) return;  // a late row of an older program
  // The last row comes once more after the cell is off; without a row before it, it holds start values only.
  const auto& last = program_->last;
  if (program_->loop_ended && (!last || row->sample.step_time <= last->sample.step_time)) return;
  row->sample.at = now_stamp();
  program_->last = *row;
  tell(heard::Measured{row->sample});
}

void Palmsens::Conversation::hear_text(const std::string& line) {
  if (const auto marker = mscript::parse_marker(line)) {
    if (!program_->known) {
      program_->marker = *marker;
      program_->known = true;
      replied_.notify();
    }
    return;
  }
  if (const auto reason = mscript::parse_end(line); reason && !program_->said) {
    program_->said = reason;
    program_->text = line.substr(1);
  }
}

EndReason Palmsens::Conversation::end_reason() const {
  if (program_->abort_asked) return EndReason::aborted;
  return program_->said.value_or(EndReason::unknown);
}

void Palmsens::Conversation::program_ended(EndReason reason, std::string text) {
  const Marker marker = program_->marker;
  program_.reset();
  runs_something_ = false;
  replied_.notify();
  tell(heard::Ended{marker, reason, std::move(text)});
}

void Palmsens::Conversation::program_failed(const mscript::ErrorCode& error) {
  asio::co_spawn(executor_, make_safe_after_error(mscript::describe(error)), asio::detached);
}

/// A runtime error leaves the cell as it was: it is opened from here, at once, and only then is the end told.
asio::awaitable<void> Palmsens::Conversation::make_safe_after_error(std::string text) {
  const auto alive = shared_from_this();
  const Marker marker = program_ ? program_->marker : Marker{};
  program_.reset();
  co_await recover_from_error_reply();
  const auto opened = co_await open_cell();
  if (!opened) text += "; the cell could not be opened: " + opened.error().what;
  tell(heard::Ended{marker, EndReason::error, std::move(text)});
}

// ---- the contract -----------------------------------------------------------------------------------------

Later<Identity> Palmsens::Conversation::identify() {
  auto connected = co_await connect();
  if (!connected) co_return fail(connected.error());
  co_await wait_for_turn();
  const Turn turn(shared_from_this());
  auto known = co_await ask_who();
  if (known) identity_ = *known;
  co_return known;
}

Later<Identity> Palmsens::Conversation::ask_who() {
  (void)co_await send("\n");  // ends a half-typed command
  auto first = co_await reply_to("t", 't');
  if (!first) co_return fail(first.error());
  const auto firmware = mscript::parse_firmware(*first);
  if (!firmware) co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to t", *first));
  model_ = mscript::model_of(firmware->device);
  if (!model_)
    co_return fail(Fault::Kind::identity, fmt::format("\"{}\" is no instrument we know", firmware->device));
  Identity identity{"PalmSens",
                    std::string(model_->name),
                    settings_.serial,
                    firmware->version,
                    model_->galvanostat,
                    true,
                    false,
                    model_->max_current,
                    model_->max_potential};
  auto serial = co_await reply_to("i", 'i');
  if (!serial && serial.error().kind == Fault::Kind::instrument) {
    runs_something_ = true;  // `i` is refused while a script runs; the marker will say whose it is
    co_return identity_.value_or(identity);
  }
  if (!serial) co_return fail(serial.error());
  program_.reset();  // it answered, so nothing runs
  runs_something_ = false;
  if (serial->substr(1) != settings_.serial)
    co_return fail(Fault::Kind::identity, fmt::format("serial number {} answered, {} is configured",
                                                      serial->substr(1), settings_.serial));
  auto list = co_await reply_to("CM", 'C');
  if (!list) co_return fail(list.error());
  const auto can = mscript::parse_capabilities(*list);
  if (!can || !can->has(mscript::can_meas_loop_cp) || !can->has(mscript::can_set_i))
    co_return fail(Fault::Kind::refused,
                   fmt::format("{} has no galvanostat (capability bits 67 and 68): it cannot cycle a cell",
                               model_->name));
  identity.stores_on_board = false;  // what it could store is not fetched yet
  co_return identity;
}

Later<Found> Palmsens::Conversation::reattach() {
  co_await wait_for_turn();
  const Turn turn(shared_from_this());
  if (!program_ && !runs_something_) co_return Found{Found::State::idle, std::nullopt};
  runs_something_ = false;
  if (!program_) program_.emplace();
  program_->known = false;
  const Seconds patience = 2 * settings_.longest_record / settings_.time_scale + settings_.reply_time;
  const auto deadline = Clock::now() + ticks(patience);
  while (program_ && !program_->known && Clock::now() < deadline && !ended_)
    co_await replied_.wait_until(deadline);
  if (!program_) co_return Found{Found::State::idle, std::nullopt};  // it ended while we listened
  if (!program_->known) {
    program_.reset();
    co_return Found{Found::State::unknown, std::nullopt};
  }
  program_->silence_allowed = 3 * settings_.longest_record / settings_.time_scale + 3s;
  co_return Found{Found::State::running, program_->marker};
}

Result<OnBoard> Palmsens::Conversation::prepare(const PlannedStep& step) const {
  using Kind = PlannedStep::Kind;
  if (!model_) return fail(Fault::Kind::refused, "the instrument has not been identified yet");
  const auto refuse = [&](std::string why) {
    return fail(Fault::Kind::refused, std::string(model_->name) + ": " + why);
  };
  if (step.kind == Kind::press) return refuse("a press step is not for a potentiostat");
  if (step.run_time <= Seconds{0}) return refuse("a step without a time limit");
  if (step.sampling < Seconds{0.01}) return refuse("sampling faster than 10 ms");
  if (abs(step.current) > model_->max_current)
    return refuse(fmt::format("{:.3f} mA is beyond {:.0f} mA", step.current.value() * 1e3,
                              model_->max_current.value() * 1e3));
  for (const auto& limit : {step.until_voltage, step.voltage, step.guards.we_max, step.guards.we_min,
                            step.guards.cell_max, step.guards.cell_min})
    if (limit && abs(*limit) > model_->max_potential)
      return refuse(
          fmt::format("{:.3f} V is beyond {:.0f} V", limit->value(), model_->max_potential.value()));
  OnBoard on_board{.cutoff = true, .guards = true, .run_time = true, .opens_at_end = true, .sentences = {}};
  if (step.kind != Kind::open_circuit) {
    const Guards& g = step.guards;
    const bool by_reference =
        step.limit_on == LimitOn::we_vs_re;  // a two-electrode cell has no second potential
    on_board.guards = g.cell_max && g.cell_min && (!by_reference || (g.we_max && g.we_min));
    on_board.cutoff = step.until_voltage || step.until_current || step.run_time_is_planned;
  }
  if (step.until_voltage)
    on_board.sentences.push_back(fmt::format("ends at {:.3f} V {}", step.until_voltage->value(),
                                             step.limit_on == LimitOn::cell ? "(cell)" : "(WE vs RE)"));
  if (step.guards.we_max && step.guards.we_min)
    on_board.sentences.push_back(fmt::format("guard {:.3f} to {:.3f} V (WE vs RE)",
                                             step.guards.we_min->value(), step.guards.we_max->value()));
  if (step.guards.cell_max && step.guards.cell_min)
    on_board.sentences.push_back(fmt::format("guard {:.3f} to {:.3f} V (cell)", step.guards.cell_min->value(),
                                             step.guards.cell_max->value()));
  on_board.sentences.push_back(fmt::format("ends after {:.0f} s at the latest", step.run_time.count()));
  return on_board;
}

Later<void> Palmsens::Conversation::start(const PlannedStep& step, const Marker& marker) {
  co_await wait_for_turn();
  const Turn turn(shared_from_this());
  if (!model_ || !link_->is_open()) co_return fail(Fault::Kind::link, "the instrument is not connected");
  if (program_) co_return fail(Fault::Kind::refused, "another program runs in the instrument");
  const std::string script = mscript::program(step, marker, *model_);
  replies_.clear();
  runs_something_ = false;
  program_
      .emplace();  // from here on lines belong to it: the first rows may follow the acknowledgement at once
  program_->marker = marker;
  program_->known = true;
  program_->silence_allowed = 3 * std::max(step.record_every, step.sampling) / settings_.time_scale + 3s;
  auto sent = co_await send(script);
  if (!sent) co_return fail(sent.error());
  const auto acknowledged = co_await line_within(settings_.reply_time);
  if (acknowledged && *acknowledged == "e") co_return Result<void>{};
  program_.reset();
  if (!acknowledged) co_return fail(acknowledged.error());
  const auto error = mscript::parse_error(*acknowledged);
  co_return fail(Fault::Kind::instrument,
                 fmt::format("the program of step {} was refused: {}", step.index + 1,
                             error ? mscript::describe(*error) : *acknowledged));
}

Later<Heard> Palmsens::Conversation::next() {
  while (queue_.empty()) {
    if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
    co_await heard_.wait_until(Clock::time_point::max());
  }
  Heard what = std::move(queue_.front());
  queue_.pop_front();
  co_return what;
}

Later<Sample> Palmsens::Conversation::measure_rest() {
  co_await wait_for_turn();
  const Turn turn(shared_from_this());
  if (program_)
    co_return fail(Fault::Kind::refused, "a program runs; the potentials at rest cannot be measured");
  co_return co_await open_and_look();
}

Later<Sample> Palmsens::Conversation::open_and_look() {
  replies_.clear();
  auto sent = co_await send(mscript::open_and_look());
  if (!sent) co_return fail(sent.error());
  std::optional<Sample> seen;
  bool acknowledged = false, looped = false;
  for (;;) {
    auto line = co_await line_within(settings_.reply_time + Seconds{1});
    if (!line) co_return fail(line.error().kind, "open circuit: " + line.error().what);
    if (*line == "e") acknowledged = true;
    if (const auto error = mscript::parse_error(*line); error && (acknowledged || line->front() == 'e')) {
      co_await recover_from_error_reply();
      co_return fail(Fault::Kind::instrument, "open circuit: " + mscript::describe(*error));
    }
    if (!acknowledged) continue;  // the end of something older
    if (line->starts_with('M')) looped = true;
    if (line->starts_with('P'))
      if (auto row = mscript::read_row(*line)) seen = row->sample;
    if (line->empty() && looped) break;
  }
  if (!seen) co_return fail(Fault::Kind::protocol, "open circuit: the instrument sent no reading");
  seen->at = now_stamp();
  co_return *seen;
}

/// Z, then the end of the program: its acknowledgement says only that it was heard.
Later<void> Palmsens::Conversation::stop_program() {
  if (program_) program_->abort_asked = true;
  replies_.clear();
  auto sent = co_await send("\nZ\n");
  if (!sent) co_return fail(sent.error());
  const Seconds patience = settings_.abort_time + (program_ ? program_->silence_allowed / 3 : Seconds{0});
  const auto deadline = Clock::now() + ticks(patience);
  const auto generation = generation_;
  bool acknowledged = false, ended = !program_;  // a program we do not know ends with an empty line
  const bool known = program_.has_value();
  while (Clock::now() < deadline && !ended_ && generation == generation_) {
    while (!replies_.empty()) {
      const std::string line = std::move(replies_.front());
      replies_.pop_front();
      if (line.starts_with('Z') && mscript::parse_error(line)) {  // Z!0006: nothing ran
        program_.reset();
        co_await recover_from_error_reply();
        co_return Result<void>{};
      }
      if (line.starts_with('Z')) acknowledged = true, ended = known;
      if (acknowledged && line.empty()) ended = true;
    }
    if (acknowledged && ended && !program_) co_return Result<void>{};
    co_await replied_.wait_until(deadline);
  }
  if (generation != generation_)
    co_return fail(Fault::Kind::link, "the link was lost while the program was stopped");
  co_return fail(Fault::Kind::timeout,
                 fmt::format("the program did not end within {:.1f} s of Z", patience.count()));
}

Later<void> Palmsens::Conversation::open_cell() {
  co_await wait_for_turn();
  const Turn turn(shared_from_this());
  if (!link_->is_open())
    co_return fail(Fault::Kind::link, "the instrument is not connected; its own limits guard the cell");
  auto stopped = co_await stop_program();  // tried, whatever comes of it
  auto looked = co_await open_and_look();
  if (!looked) {  // once more: the first try may have met the end of what ran before
    stopped = co_await stop_program();
    looked = co_await open_and_look();
  }
  if (!looked) co_return fail(looked.error());
  runs_something_ = false;
  co_return Result<void>{};
}

// ---- the driver -------------------------------------------------------------------------------------------

Palmsens::Palmsens(asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
                   PalmsensSettings settings)
    : talk_(std::make_shared<Conversation>(std::move(executor), std::move(link), std::move(settings))) {}

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

}  // namespace cambench
