#include "drivers/palmsens_talk.h"

#include <fmt/core.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace cambench::palmsens {

namespace asio = boost::asio;
namespace mscript = wire::mscript;

namespace {

constexpr std::size_t most_replies = 1000;
constexpr char end_of_file = '\x1c';

/// Sets a flag for as long as it lives.
class While {
 public:
  explicit While(bool& flag) : flag_(flag) { flag_ = true; }
  ~While() { flag_ = false; }
  While(const While&) = delete;
  While& operator=(const While&) = delete;

 private:
  bool& flag_;
};

std::string name_of(const std::string& command) { return command.substr(0, command.find('\n')); }

}  // namespace

Talk::Talk(asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link, Times times)
    : executor_(std::move(executor)), link_(std::move(link)), times_(times), replied_(executor_) {}

void Talk::end() {
  ended_ = true;
  link_->close();
  replied_.notify();
}

// ---- the link -----------------------------------------------------------------------------------------------

Later<void> Talk::connect() {
  if (ended_) co_return fail(Fault::Kind::cancelled, "the driver ends");
  if (link_->is_open()) co_return Result<void>{};
  const auto opened = co_await link_->open();
  if (!opened) co_return fail(opened.error());
  lines_.clear();
  replies_.clear();
  ++generation_;
  asio::co_spawn(executor_, read_for_ever(generation_), asio::detached);
  co_return Result<void>{};
}

void Talk::disconnect() {
  link_->close();
  ++generation_;
  replied_.notify();
}

void Talk::lose(Fault why) {
  if (ended_ || !link_->is_open()) return;
  disconnect();
  listener_.lost(std::move(why));
}

asio::awaitable<void> Talk::pause(Clock::duration time) {
  asio::steady_timer timer(executor_, time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
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
    lines_.feed({buffer.data(), *got});
    last_line_ = Clock::now();
    while (auto line = lines_.next()) take(std::move(*line));
  }
}

void Talk::take(std::string line) {
  if (!all_mine_ && in_file_ && rest_of_file(line)) return;
  if (!all_mine_ && listener_.hear(line)) return;
  replies_.push_back(std::move(line));
  if (!all_mine_ && replies_.size() > most_replies) replies_.pop_front();
  replied_.notify();
}

/// Whether a line is of a file that nobody reads any more. Such a file is over with its last character, and with the answer
/// to a later command: those begin with letters that no line of a program does.
bool Talk::rest_of_file(const std::string& line) {
  using Kind = mscript::LineKind;
  const auto kind = mscript::classify(line);
  const bool answers = kind == Kind::other || kind == Kind::abort_acknowledged;
  const bool last = line.ends_with(end_of_file);
  if (last || kind == Kind::abort_acknowledged) in_file_ = false;
  return last || !answers;
}

/// Why whoever waits for the instrument had better not, or nothing.
std::optional<Fault> Talk::why_not_wait(std::uint64_t generation) const {
  if (ended_) return Fault{Fault::Kind::cancelled, "the driver ends"};
  if (listener_.gives_way()) return Fault{Fault::Kind::cancelled, "given up: the cell was ordered open"};
  if (generation != generation_ || !link_->is_open())
    return Fault{Fault::Kind::link, "the connection to the instrument is lost"};
  return std::nullopt;
}

// ---- questions and answers ----------------------------------------------------------------------------------

Later<void> Talk::send(std::string text) {
  asio::steady_timer patience(executor_, ticks(times_.reply));
  patience.async_wait([talk = weak_from_this()](boost::system::error_code cancelled) {
    const auto alive = talk.lock();
    if (!cancelled && alive) alive->lose({Fault::Kind::timeout, "the instrument takes no bytes"});
  });
  const auto written = co_await link_->write(text);
  patience.cancel();
  co_return written;
}

std::optional<std::string> Talk::next_reply() {
  if (replies_.empty()) return std::nullopt;
  std::string line = std::move(replies_.front());
  replies_.pop_front();
  return line;
}

Later<std::string> Talk::line_until(Clock::time_point deadline) {
  const auto generation = generation_;
  for (;;) {
    if (auto line = next_reply()) co_return std::move(*line);
    if (auto why = why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline)
      co_return fail(Fault::Kind::timeout, "the instrument did not answer in time");
    co_await replied_.wait_until(deadline);
  }
}

Later<std::string> Talk::ask(std::string command) {
  auto lines = co_await ask_lines(std::move(command));
  if (!lines) co_return fail(lines.error());
  co_return std::move(lines->front());
}

Later<std::vector<std::string>> Talk::ask_lines(std::string command) {
  const auto began = Clock::now();
  auto answer = co_await converse(std::move(command));
  if (answer || answer.error().kind != Fault::Kind::cancelled)
    health_.count(answer.has_value(), Clock::now() - began);
  co_return answer;
}

Later<std::vector<std::string>> Talk::converse(std::string command) {
  replies_.clear();
  const auto sent = co_await send(command + "\n");
  if (!sent) co_return fail(sent.error());
  const auto deadline = Clock::now() + ticks(times_.reply);
  std::vector<std::string> answer;
  for (bool ends = false; !ends;) {
    auto line = co_await line_until(deadline);
    if (!line) {
      Fault why{line.error().kind, fmt::format("\"{}\": {}", name_of(command), line.error().what)};
      if (why.kind == Fault::Kind::timeout) lose(why);
      co_return fail(std::move(why));
    }
    if (answer.empty() && !line->starts_with(command.front())) continue;
    in_file_ = false;
    ends = command == "r" || mscript::ends_reply(command, *line);
    answer.push_back(std::move(*line));
  }
  if (mscript::parse_error(answer.front())) co_await pause_after_error();
  co_return answer;
}

/// The answer begins with the command's first character, alone or before the first line of the file, and ends with a
/// file separator. Lines of the file that look like errors are the program's.
Later<bool> Talk::read_file(std::string name, std::function<void(const std::string&)> line_of_file) {
  replies_.clear();
  const While listening(all_mine_);
  in_file_ = true;
  const auto sent = co_await send("fs_get " + name + "\n");
  if (!sent) co_return fail(sent.error());
  for (bool begun = false;;) {
    auto line = co_await line_until(Clock::now() + ticks(times_.reply));
    if (!line && line.error().kind == Fault::Kind::timeout) lose(line.error());
    if (!line) co_return fail(line.error());
    if (!begun && !line->starts_with('f')) continue;  // something older
    if (!begun && mscript::parse_error(*line)) {
      in_file_ = false;
      co_await pause_after_error();
      co_return false;
    }
    if (!begun) line->erase(0, 1);
    begun = true;
    const bool ends = line->ends_with(end_of_file);
    if (ends) line->pop_back(), in_file_ = false;
    if (!line->empty()) line_of_file(*line);
    if (ends) co_return true;
  }
}

Later<std::string> Talk::ask_unrefused(std::string command) {
  auto answer = co_await ask(command);
  if (!answer) co_return fail(answer.error());
  if (const auto error = mscript::parse_error(*answer))
    co_return fail(Fault::Kind::instrument,
                   fmt::format("\"{}\": {}", name_of(command), mscript::describe(*error)));
  co_return std::move(*answer);
}

Later<std::vector<std::string>> Talk::run_short(std::string script) {
  replies_.clear();
  const While listening(all_mine_);
  const auto sent = co_await send("e\n" + script + "\n");
  if (!sent) co_return fail(sent.error());
  const auto deadline = Clock::now() + ticks(times_.reply + Seconds{1});
  std::vector<std::string> lines;
  for (bool acknowledged = false;;) {
    auto line = co_await line_until(deadline);
    if (!line) co_return fail(line.error());
    const auto error = mscript::parse_error(*line);
    if (error && (acknowledged || line->starts_with('e'))) {
      co_await pause_after_error();
      co_return fail(Fault::Kind::instrument, mscript::describe(*error));
    }
    if (acknowledged && line->empty()) co_return lines;
    if (acknowledged) lines.push_back(std::move(*line));
    acknowledged = acknowledged || *line == "e";  // what comes before belongs to something older
  }
}

}  // namespace cambench::palmsens
