// A link to a simulated source-measure unit in the same process: no port, no thread, and time that runs as fast as the
// instrument can be computed. Each read lets the instrument's clock run until it has something to say.
#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "drivers/link/byte_link.h"
#include "drivers/sim/scpi_machine.h"

namespace cambench::tests {

class ScpiLink final : public link::ByteLink {
 public:
  ScpiLink(boost::asio::any_io_executor executor, sim::ScpiMachine& machine)
      : executor_(std::move(executor)), machine_(machine) {}

  Later<void> open() override {
    if (!plugged || !machine_.open_session()) co_return fail(Fault::Kind::link, "connection refused");
    open_ = true;
    ++opened_;
    pending_.clear();
    held_back_.clear();
    co_return Result<void>{};
  }

  Later<std::size_t> read_some(std::span<char> buffer) override {
    for (const int mine = opened_;;) {
      co_await boost::asio::post(executor_, boost::asio::use_awaitable);
      if (mine != opened_) co_return fail(Fault::Kind::link, "the connection was closed");
      if (!usable() && pending_.empty()) co_return fail(Fault::Kind::link, "the connection ended");
      if (pending_.empty()) {
        machine_.advance(machine_.now() + step);
        pending_ = machine_.take_output();
        if (hold_back_after && pending_.find('\n') + 1 < pending_.size()) {
          std::size_t lines = 0;
          for (std::size_t n = 0; n < *hold_back_after; ++n) lines = pending_.find('\n', lines) + 1;
          held_back_ = pending_.substr(lines);
          pending_.resize(lines);
          hold_back_after.reset();
        }
      }
      if (pending_.empty()) continue;
      const std::size_t count = std::min({pending_.size(), buffer.size(), largest_piece});
      std::copy_n(pending_.begin(), count, buffer.begin());
      pending_.erase(0, count);
      co_return count;
    }
  }

  Later<void> write(std::string_view bytes) override {
    if (!usable()) co_return fail(Fault::Kind::link, "the connection ended");
    written += bytes;
    release();
    machine_.receive(bytes);
    co_return Result<void>{};
  }

  /// What was held back comes: now, or with the next question.
  void release() { pending_ += std::exchange(held_back_, {}); }

  void close() override {
    if (open_) machine_.close_session(plugged);  // a cable that was pulled says no word
    open_ = false;
  }
  [[nodiscard]] bool is_open() const override { return open_; }

  bool plugged = true;
  Seconds step{0.05};                          ///< instrument time per look
  std::size_t largest_piece = 4096;            ///< how much one read returns
  std::optional<std::size_t> hold_back_after;  ///< so many lines of the next answer that has several; once
  std::string written;                         ///< everything the driver sent

 private:
  [[nodiscard]] bool usable() const { return open_ && plugged && machine_.session(); }

  boost::asio::any_io_executor executor_;
  sim::ScpiMachine& machine_;
  std::string pending_, held_back_;
  bool open_ = false;
  int opened_ = 0;
};

/// Port 5030 of the same unit: opening it is all.
class ScpiDeadSocket final : public link::ByteLink {
 public:
  ScpiDeadSocket(sim::ScpiMachine& machine, const bool& plugged) : machine_(machine), plugged_(plugged) {}
  Later<void> open() override {
    if (!plugged_) co_return fail(Fault::Kind::link, "no route");
    ++knocks;
    machine_.knock_at_dead_socket();
    co_return Result<void>{};
  }
  Later<std::size_t> read_some(std::span<char>) override {
    co_return fail(Fault::Kind::link, "nothing is said here");
  }
  Later<void> write(std::string_view) override { co_return fail(Fault::Kind::link, "nothing is said here"); }
  void close() override {}
  [[nodiscard]] bool is_open() const override { return false; }

  int knocks = 0;

 private:
  sim::ScpiMachine& machine_;
  const bool& plugged_;
};

}  // namespace cambench::tests
