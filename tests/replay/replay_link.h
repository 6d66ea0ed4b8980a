// A recorded conversation (tests/replay, drivers/link/recorder.h) as a link: it says what the instrument said, each time
// after the host has said what the host had said, and refuses anything else. One connection; times are not replayed.
#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <sstream>
#include <string>
#include <vector>

#include "drivers/link/byte_link.h"

namespace cambench::tests {

class ReplayLink final : public link::ByteLink {
 public:
  ReplayLink(boost::asio::any_io_executor executor, const std::string& recording)
      : executor_(std::move(executor)) {
    std::istringstream in(recording);
    for (std::string line; std::getline(in, line);)
      if (line.starts_with('>') || line.starts_with('<')) said_.push_back(read(line));
  }

  Later<void> open() override {
    if (opened_) co_return fail(Fault::Kind::link, "the recording holds one connection");
    open_ = opened_ = true;
    co_return Result<void>{};
  }

  Later<std::size_t> read_some(std::span<char> buffer) override {
    for (;;) {
      co_await boost::asio::post(executor_, boost::asio::use_awaitable);
      if (!open_) co_return fail(Fault::Kind::link, "the connection was closed");
      if (pending_.empty() && !next_of_instrument()) continue;
      const std::size_t count = std::min(pending_.size(), buffer.size());
      std::copy_n(pending_.begin(), count, buffer.begin());
      pending_.erase(0, count);
      co_return count;
    }
  }

  Later<void> write(std::string_view bytes) override {
    if (!open_) co_return fail(Fault::Kind::link, "the connection was closed");
    heard_ += bytes;
    for (std::size_t end = heard_.find('\n'); end != std::string::npos; end = heard_.find('\n')) {
      const std::string line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      while (host_ < said_.size() && said_[host_].mark != '>') ++host_;
      if (host_ == said_.size() || said_[host_].text != line + '\n') {
        if (unexpected.empty())
          unexpected = "the host says \"" + line + "\", recorded is \"" +
                       (host_ == said_.size() ? "nothing more" : said_[host_].text) + '"';
        co_return fail(Fault::Kind::link, unexpected);
      }
      ++host_;
    }
    co_return Result<void>{};
  }

  void close() override { open_ = false; }
  [[nodiscard]] bool is_open() const override { return open_; }

  std::string unexpected;  ///< the first thing the host said that is not in the recording

 private:
  struct Line {
    char mark;
    std::string text;  ///< with its line end, when that came
  };

  static Line read(const std::string& recorded) {
    Line line{recorded[0], {}};
    bool ends = true;
    for (std::size_t at = 2; at < recorded.size(); ++at) {
      if (recorded[at] != '\\') {
        line.text += recorded[at];
      } else if (at + 1 == recorded.size()) {
        ends = false;
      } else if (recorded[at + 1] == '\\') {
        line.text += recorded[++at];
      } else {
        unsigned char byte = 0;
        std::from_chars(recorded.data() + at + 2, recorded.data() + at + 4, byte, 16);
        line.text += static_cast<char>(byte);
        at += 3;
      }
    }
    if (ends) line.text += '\n';
    return line;
  }

  bool next_of_instrument() {
    while (instrument_ < said_.size() && said_[instrument_].mark == '>' && instrument_ < host_) ++instrument_;
    if (instrument_ == said_.size() || said_[instrument_].mark == '>') return false;
    pending_ = said_[instrument_++].text;
    return !pending_.empty();
  }

  boost::asio::any_io_executor executor_;
  std::vector<Line> said_;
  std::size_t host_ = 0, instrument_ = 0;  ///< what each side says next
  std::string pending_, heard_;
  bool open_ = false, opened_ = false;
};

}  // namespace cambench::tests
