// Questions to a Keithley source-measure unit and their answers, over a link that one coroutine reads for as long as it
// stands.
//
// One question at a time; its answer comes before the next one is asked. A question that is not answered in time ends the
// connection, because a late answer would be taken for the next one's. A session that hangs in the instrument is
// closed by its dead-socket port.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/instrument.h"
#include "drivers/link/byte_link.h"
#include "drivers/link/signal.h"
#include "drivers/wire/scpi.h"
#include "drivers/wire/scpi_program.h"

namespace cambench::keithley {

using Clock = std::chrono::steady_clock;
inline Clock::duration ticks(Seconds time) { return std::chrono::duration_cast<Clock::duration>(time); }

/// Shared with its own reader, which may end after the driver.
class Talk : public std::enable_shared_from_this<Talk> {
 public:
  struct Listener {
    std::function<void(const Fault& why)> lost;  ///< the link is closed already
    std::function<bool()> gives_way;             ///< whoever speaks stops after the question under way
  };
  /// `dead_socket` may be null. `reply` is from a question, or the last piece of its answer, to the next piece.
  Talk(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
       std::unique_ptr<link::ByteLink> dead_socket, Seconds reply);
  void listen(Listener listener) { listener_ = std::move(listener); }
  void end();
  [[nodiscard]] bool ended() const { return ended_; }

  // the link
  Later<void> connect();
  void lose(const Fault& why);  ///< closes it, and the listener is told; once
  void met() { failures_ = 0; }
  [[nodiscard]] bool connected() const { return link_->is_open(); }
  [[nodiscard]] Clock::time_point heard_at() const { return heard_at_; }

  // commands and questions
  Later<void> tell(std::string command);
  Later<void> tell_all(std::vector<std::string> commands);
  /// One line.
  Later<std::string> ask(std::string question);
  /// All lines until nothing more comes.
  Later<std::vector<std::string>> ask_lines(std::string question,
                                            std::function<bool(const std::string& line)> wanted);
  Later<std::size_t> ask_count(std::string question);
  Later<bool> ask_flag(std::string question);

  // the instrument's memory of troubles
  /// What the error queue held, first entry first; empty when nothing.
  Later<std::string> drain_errors();
  Later<void> expect_no_errors();
  /// The event log, which holds information besides errors; reading empties it.
  Later<std::vector<std::string>> drain_event_log();
  Later<void> expect_settings(const std::vector<wire::scpi::Check>& checks);

  [[nodiscard]] const IoHealth& health() const { return health_; }

 private:
  [[nodiscard]] std::optional<Fault> why_not() const;
  Later<std::string> answer_to(std::string question);
  boost::asio::awaitable<void> read_for_ever(std::uint64_t generation);

  boost::asio::any_io_executor executor_;
  std::unique_ptr<link::ByteLink> link_, dead_socket_;
  Seconds reply_;
  Listener listener_;
  IoHealth health_;
  wire::scpi::Lines lines_;
  link::Signal arrived_;
  std::optional<Fault> lost_;
  Clock::time_point heard_at_{};
  std::uint64_t generation_ = 0;  ///< of the link: a reader of an older one stops
  int failures_ = 0;
  bool ended_ = false;
};

}  // namespace cambench::keithley
