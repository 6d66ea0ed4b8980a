// Who may speak to an instrument: one conversation at a time, and opening its cell goes before every other.
#pragma once
#include <utility>

#include "drivers/link/signal.h"

namespace cambench {

/// Threading: the thread of the executor alone. Must outlive the turns it gave.
class Turns {
 public:
  /// `opener_waits` wakes whoever waits for an answer while a cell is to be opened; may be null.
  explicit Turns(const boost::asio::any_io_executor& executor, link::Signal* opener_waits = nullptr)
      : freed_(executor), opener_waits_(opener_waits) {}
  Turns(const Turns&) = delete;

  /// A conversation lasts as long as this lives.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    ~Turn() {
      if (of_) of_->free();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    friend class Turns;
    explicit Turn(Turns& of) : of_(&of) {}
    Turns* of_;
  };

  boost::asio::awaitable<Turn> for_request() {
    while ((busy_ || openers_ > 0) && !ended_) co_await freed_.wait();
    co_return take(false);
  }
  boost::asio::awaitable<Turn> to_open() {
    ++openers_;
    if (opener_waits_) opener_waits_->notify();
    while (busy_ && !ended_) co_await freed_.wait();
    --openers_;
    co_return take(true);
  }
  /// At once; only when free().
  Turn take() { return take(false); }
  [[nodiscard]] bool is_free() const { return !busy_ && openers_ == 0; }

  /// Whoever speaks now had better stop: a cell is to be opened.
  [[nodiscard]] bool gives_way() const { return openers_ > 0 && busy_ && !opening_; }

  /// Nobody waits any longer.
  void end() {
    ended_ = true;
    freed_.notify();
  }

 private:
  Turn take(bool opens) {
    busy_ = true;
    opening_ = opens;
    return Turn(*this);
  }
  void free() {
    busy_ = opening_ = false;
    freed_.notify();
  }

  link::Signal freed_;
  link::Signal* opener_waits_;
  int openers_ = 0;
  bool busy_ = false, opening_ = false, ended_ = false;
};

}  // namespace cambench
