#include "drivers/keithley.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "drivers/keithley_conversation.h"

namespace cambench {

namespace scpi = wire::scpi;
using keithley::Clock;
using keithley::ticks;
using namespace std::chrono_literals;

namespace {

constexpr Clock::duration fastest_poll = 5ms, slowest_poll = 1s;
constexpr Volt leads_swapped{-0.2}, lead_open{5.5};

}  // namespace

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

// ---- the contract -------------------------------------------------------------------------------------------

Later<Identity> Keithley::Conversation::identify() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  co_return co_await meet();
}

Later<Found> Keithley::Conversation::reattach() {
  const auto alive = shared_from_this();
  const auto turn = co_await turns_.for_request();
  auto found = co_await find_program();
  asked_in_vain_ = !found && found.error().kind == Fault::Kind::cancelled;
  // As while it is watched: an answer that makes no sense is a stream out of step.
  if (!found && !asked_in_vain_) talk_->lose(found.error());
  co_return found;
}

Later<Found> Keithley::Conversation::find_program() {
  if (power_cycled_) co_return Found{Found::State::power_cycled, std::nullopt};
  if (!running_) {
    const auto other = co_await take_up_what_is_there();
    if (!other) co_return fail(other.error());
    if (!running_) co_return *other;
  }
  // Its rows are here before it is said to run: then silence begins to count, and most of them may be known already.
  const auto fetched = co_await fetch_new_rows();
  if (!fetched) co_return fail(fetched.error());
  co_return Found{Found::State::running, running_->marker()};
}

/// What is on board; running_ when it is the expected program.
Later<Found> Keithley::Conversation::take_up_what_is_there() {
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

// ---- a step is loaded and begun -----------------------------------------------------------------------------

Result<void> Keithley::Conversation::write(const Asked& asked) {
  if (const auto fits = prepare(asked.step); !fits) return fail(fits.error());
  written_.emplace(asked.step, asked.marker, rig());
  if (scpi::marker_in(written_->buffer()) != asked.marker)
    return fail(Fault::Kind::refused, fmt::format("\"{}\" is no name of a run", asked.marker.run));
  return {};
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

// ---- small things -------------------------------------------------------------------------------------------

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

Clock::duration Keithley::Conversation::poll_time() const {
  if (!running_) return idle_poll;
  if (running_->behind()) return fastest_poll;
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
