// Questions to a PalmSens instrument and their answers, over a link that one coroutine reads for as long as it stands
// and never stops.
//
// A line belongs to the program that runs or answers the request that waits; `Listener::hear` says which. A request
// that is not answered in time is a lost link. A file whose reading was given up comes all the same, perhaps on the next
// link: its lines look like a program's and are passed over.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/instrument.h"
#include "drivers/link/byte_link.h"
#include "drivers/link/signal.h"
#include "drivers/wire/mscript.h"

namespace cambench::palmsens {

using Clock = std::chrono::steady_clock;
inline Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }

/// Shared with its own reader, which may end after the driver.
class Talk : public std::enable_shared_from_this<Talk> {
 public:
  struct Times {
    Seconds reply{2.0};              ///< an answer to a command
    Seconds deaf_after_error{0.15};  ///< what is sent so soon after an error reply is lost
  };
  struct Listener {
    std::function<bool(const std::string& line)> hear;  ///< true: the line is the program's
    std::function<void(Fault why)> lost;                ///< the link is closed already
    std::function<bool()> gives_way;                    ///< whoever waits for an answer gives up
  };
  Talk(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link, Times times);
  void listen(Listener listener) { listener_ = std::move(listener); }
  void end();
  [[nodiscard]] bool ended() const { return ended_; }

  // the link
  Later<void> connect();
  void disconnect();     ///< nobody is told
  void lose(Fault why);  ///< disconnects, and the listener is told; once
  [[nodiscard]] bool connected() const { return link_->is_open(); }
  [[nodiscard]] std::uint64_t generation() const {
    return generation_;
  }  ///< grows with every link made or lost
  [[nodiscard]] Clock::time_point last_line() const { return last_line_; }

  // questions and answers
  Later<void> send(std::string text);
  /// The first line that answers a command: it begins with the command's first character. Lines that belong to
  /// something else (an older program, noise) are passed over.
  Later<std::string> ask(std::string command);
  /// The same, with a refusal by the instrument as a Fault.
  Later<std::string> ask_unrefused(std::string command);
  /// All lines of an answer.
  Later<std::vector<std::string>> ask_lines(std::string command);
  /// The lines of a file in the instrument, one after the other. False when it has no such file. The longest pause
  /// between two pieces is that of an answer.
  Later<bool> read_file(std::string name, std::function<void(const std::string& line)> line);
  /// Runs a script that ends by itself within a second; its lines are the answer.
  Later<std::vector<std::string>> run_short(std::string script);
  /// The next line that is nobody's but the request's.
  Later<std::string> line_until(Clock::time_point deadline);
  std::optional<std::string> next_reply();
  void forget_replies() { replies_.clear(); }
  link::Signal& replied() { return replied_; }  ///< also when the link is lost or a cell is to be opened

  [[nodiscard]] std::optional<Fault> why_not_wait(std::uint64_t generation) const;
  boost::asio::awaitable<void> pause(Clock::duration time);
  boost::asio::awaitable<void> pause_after_error() { return pause(ticks(times_.deaf_after_error)); }
  [[nodiscard]] const IoHealth& health() const { return health_; }

 private:
  boost::asio::awaitable<void> read_for_ever(std::uint64_t generation);
  void take(std::string line);
  bool rest_of_file(const std::string& line);
  Later<std::vector<std::string>> converse(std::string command);

  boost::asio::any_io_executor executor_;
  std::unique_ptr<link::ByteLink> link_;
  Times times_;
  Listener listener_;
  IoHealth health_;
  wire::mscript::Lines lines_;
  std::deque<std::string> replies_;
  link::Signal replied_;
  Clock::time_point last_line_{};
  std::uint64_t generation_ = 0;  ///< whoever belongs to an older one stops
  bool all_mine_ = false;         ///< a request runs whose lines all belong to it
  bool in_file_ = false;          ///< the lines of a file may be on their way
  bool ended_ = false;
};

}  // namespace cambench::palmsens
