// A link whose other end is a simulated instrument in the same process: no port, no thread, and time that runs as
// fast as the instrument can be computed. Each read lets the instrument's clock run until it has something to say.
#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>

#include "drivers/link/byte_link.h"
#include "drivers/sim/mscript_machine.h"

namespace cambench::tests {

class MachineLink final : public link::ByteLink {
 public:
  MachineLink(boost::asio::any_io_executor executor, sim::MscriptMachine& machine)
      : executor_(std::move(executor)), machine_(machine) {
    machine_.set_reader(true);
  }

  Later<void> open() override {
    if (!plugged) co_return fail(Fault::Kind::link, "unplugged");
    open_ = true;
    co_return Result<void>{};
  }

  Later<std::size_t> read_some(std::span<char> buffer) override {
    for (;;) {
      co_await boost::asio::post(executor_, boost::asio::use_awaitable);
      if (!open_ || !plugged) co_return fail(Fault::Kind::link, "unplugged");
      if (pending_.empty()) {
        machine_.advance(machine_.now() + step);
        pending_ = machine_.take_output();
      }
      if (pending_.empty()) continue;
      const std::size_t count = std::min({pending_.size(), buffer.size(), largest_piece});
      std::copy_n(pending_.begin(), count, buffer.begin());
      pending_.erase(0, count);
      co_return count;
    }
  }

  Later<void> write(std::string_view bytes) override {
    if (!open_ || !plugged) co_return fail(Fault::Kind::link, "unplugged");
    on_write(bytes);
    machine_.receive(bytes);
    written += bytes;
    co_return Result<void>{};
  }

  void close() override { open_ = false; }
  [[nodiscard]] bool is_open() const override { return open_; }

  bool plugged = true;
  Seconds step{0.05};                ///< instrument time per look
  std::size_t largest_piece = 4096;  ///< how much one read returns
  std::string written;               ///< everything the driver sent
  std::function<void(std::string_view bytes)> on_write = [](std::string_view) {
  };  ///< before the instrument hears it

 private:
  boost::asio::any_io_executor executor_;
  sim::MscriptMachine& machine_;
  std::string pending_;
  bool open_ = false;
};

}  // namespace cambench::tests
