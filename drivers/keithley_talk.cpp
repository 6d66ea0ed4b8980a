#include "drivers/keithley_talk.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace cambench::keithley {

namespace asio = boost::asio;
namespace scpi = wire::scpi;
using namespace std::chrono_literals;

namespace {

constexpr Clock::duration list_is_over =
    300ms;                         // without a line; :TRIG:BLOC:LIST? does not say where it ends
constexpr int most_errors = 1000;  // the queue's depth
constexpr int tries_until_knock = 2;

}  // namespace

Talk::Talk(asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
           std::unique_ptr<link::ByteLink> dead_socket, Seconds reply)
    : executor_(executor),
      link_(std::move(link)),
      dead_socket_(std::move(dead_socket)),
      reply_(reply),
      arrived_(executor) {}

void Talk::end() {
  ended_ = true;
  link_->close();
  arrived_.notify();
}

// ---- the link -----------------------------------------------------------------------------------------------

/// A session that died without a word keeps the instrument's only port until its dead-socket port is opened. That is
/// done after a second failure, so that another program that owns the instrument is told of first.
Later<void> Talk::connect() {
  if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
  if (link_->is_open()) co_return Result<void>{};
  if (++failures_ > tries_until_knock && dead_socket_) {
    const auto knocked = co_await dead_socket_->open();
    if (knocked) dead_socket_->close();
  }
  const auto opened = co_await link_->open();
  if (!opened) co_return fail(opened.error());
  lines_.clear();
  ++generation_;
  asio::co_spawn(executor_, read_for_ever(generation_), asio::detached);
  co_return Result<void>{};
}

void Talk::lose(const Fault& why) {
  if (!link_->is_open()) return;
  link_->close();
  ++generation_;
  lost_ = why;
  arrived_.notify();
  if (listener_.lost) listener_.lost(why);
}

asio::awaitable<void> Talk::read_for_ever(std::uint64_t generation) {
  const auto alive = shared_from_this();
  std::array<char, 4096> buffer;
  while (!ended_ && generation == generation_) {
    const auto got = co_await link_->read_some(buffer);
    if (ended_ || generation != generation_) co_return;
    if (!got) {
      lose(got.error());
      co_return;
    }
    if (!lines_.feed({buffer.data(), *got})) {
      lose({Fault::Kind::protocol, "an answer without end"});
      co_return;
    }
    heard_at_ = Clock::now();
    arrived_.notify();
  }
}

/// Why nothing more may be said, or nothing.
std::optional<Fault> Talk::why_not() const {
  if (ended_) return Fault{Fault::Kind::cancelled, "the driver ends"};
  if (listener_.gives_way && listener_.gives_way())
    return Fault{Fault::Kind::cancelled, "given up: the cell was ordered open"};
  if (!link_->is_open()) return lost_.value_or(Fault{Fault::Kind::link, "the instrument is not connected"});
  return std::nullopt;
}

// ---- commands and questions ---------------------------------------------------------------------------------

Later<void> Talk::tell(std::string command) {
  if (auto why = why_not()) co_return fail(std::move(*why));
  command += '\n';
  asio::steady_timer patience(executor_, ticks(reply_));
  patience.async_wait([talk = weak_from_this()](boost::system::error_code cancelled) {
    const auto alive = talk.lock();
    if (!cancelled && alive) alive->lose({Fault::Kind::timeout, "the instrument takes no bytes"});
  });
  const auto written = co_await link_->write(command);
  patience.cancel();
  if (!written) lose(written.error());
  co_return written;
}

Later<void> Talk::tell_all(std::vector<std::string> commands) {
  for (std::string& command : commands) {
    const auto told = co_await tell(std::move(command));
    if (!told) co_return fail(told.error());
  }
  co_return Result<void>{};
}

Later<std::string> Talk::ask(std::string question) {
  const auto asked = Clock::now();
  auto answer = co_await answer_to(std::move(question));
  if (answer || answer.error().kind != Fault::Kind::cancelled)
    health_.count(answer.has_value(), Clock::now() - asked);
  co_return answer;
}

/// An answer that does not come, or stops half-way, ends the connection.
Later<std::string> Talk::answer_to(std::string question) {
  lines_.clear();
  const auto told = co_await tell(question);
  if (!told) co_return fail(told.error());
  const auto generation = generation_;
  const auto asked = heard_at_ = Clock::now();
  for (;;) {
    if (auto line = lines_.next()) co_return std::move(*line);
    if (ended_ || generation != generation_)
      co_return fail(lost_.value_or(Fault{Fault::Kind::cancelled, "the driver ends"}));
    const auto deadline = std::max(asked, heard_at_) + ticks(reply_);
    if (Clock::now() >= deadline) {
      const Fault late{Fault::Kind::timeout, fmt::format("no answer to {}", question)};
      lose(late);
      co_return fail(late);
    }
    co_await arrived_.wait_until(deadline);
  }
}

/// A list is over after a short silence; one that lacks what it must have, after as long as an answer may take.
Later<std::vector<std::string>> Talk::ask_lines(std::string question,
                                                std::function<bool(const std::string&)> wanted) {
  auto first = co_await ask(std::move(question));
  if (!first) co_return fail(first.error());
  std::vector<std::string> all;
  all.push_back(std::move(*first));
  const auto deadline = [&] {
    const auto patience = std::max<Clock::duration>(list_is_over, ticks(reply_));
    return heard_at_ + (std::ranges::any_of(all, wanted) ? list_is_over : patience);
  };
  while (Clock::now() < deadline() && link_->is_open()) {
    while (auto line = lines_.next()) all.push_back(std::move(*line));
    co_await arrived_.wait_until(deadline());
  }
  co_return all;
}

Later<std::size_t> Talk::ask_count(std::string question) {
  const auto reply = co_await ask(question);
  if (!reply) co_return fail(reply.error());
  const auto value = scpi::parse_number(*reply);
  if (!value || *value < 0 || *value > 1e9)
    co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to {}", *reply, question));
  co_return static_cast<std::size_t>(*value);
}

Later<bool> Talk::ask_flag(std::string question) {
  const auto reply = co_await ask(question);
  if (!reply) co_return fail(reply.error());
  const auto flag = scpi::parse_flag(*reply);
  if (!flag)
    co_return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to {}", *reply, question));
  co_return *flag;
}

// ---- the instrument's memory of troubles --------------------------------------------------------------------

Later<std::string> Talk::drain_errors() {
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

Later<void> Talk::expect_no_errors() {
  const auto errors = co_await drain_errors();
  if (!errors) co_return fail(errors.error());
  if (!errors->empty()) co_return fail(Fault::Kind::instrument, *errors);
  co_return Result<void>{};
}

Later<std::vector<std::string>> Talk::drain_event_log() {
  std::vector<std::string> entries;
  for (int i = 0; i <= most_errors; ++i) {
    const auto reply = co_await ask(":SYST:EVEN:NEXT?");
    if (!reply) co_return fail(reply.error());
    const auto entry = scpi::parse_error(*reply);
    if (!entry) co_return fail(entry.error());
    if (entry->number == 0) co_return entries;
    entries.push_back(entry->text);
  }
  co_return entries;
}

Later<void> Talk::expect_settings(const std::vector<scpi::Check>& checks) {
  for (const scpi::Check& check : checks) {
    const auto reply = co_await ask(check.query);
    if (!reply) co_return fail(reply.error());
    if (!scpi::agrees(check, *reply))
      co_return fail(Fault::Kind::instrument,
                     fmt::format("{} answers {}, {} was set", check.query, *reply, check.expected));
  }
  co_return Result<void>{};
}

}  // namespace cambench::keithley
