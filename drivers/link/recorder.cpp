#include "drivers/link/recorder.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "drivers/pulse.h"
#include "schema/units.h"

namespace cambench::link {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t longest_line = 256 * 1024;
constexpr Seconds longest_write{30};

/// The file and the thread that alone touches it.
class Writer {
 public:
  explicit Writer(Recording recording)
      : recording_(std::move(recording)),
        pulse_("the recording " + recording_.file.string(), longest_write, Pulse::Role::beside),
        thread_([this] { run(); }) {}
  ~Writer() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      filled_.notify_one();
    }
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Never waits for the disk.
  void write(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + text.size() > recording_.most_waiting)
      ++left_out_;
    else
      waiting_ += text;
    pulse_.handed_over();
    filled_.notify_one();
  }

 private:
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

  void run() {
    name_this_thread("recorder");
    bool works = open() || give_up();
    for (std::string taken; take(taken);)
      if (works) works = keep(taken) || give_up();
  }

  bool keep(const std::string& taken) {
    if (written_ > 0 && written_ + taken.size() > recording_.most_bytes && !begin_another()) return false;
    written_ += taken.size();
    return std::fwrite(taken.data(), 1, taken.size(), file_.get()) == taken.size() &&
           std::fflush(file_.get()) == 0;
  }

  /// False: there is no recording any more.
  bool give_up() {
    const std::string why = std::strerror(errno);
    if (recording_.say)
      recording_.say(
          fmt::format("the recording {} cannot be written, and ends: {}", recording_.file.string(), why));
    return false;
  }

  /// Waits for text; false when the end has come and all is taken.
  bool take(std::string& into) {
    std::unique_lock lock(mutex_);
    if (waiting_.empty()) pulse_.rests();
    filled_.wait(lock, [this] { return ending_ || !waiting_.empty() || left_out_ > 0; });
    pulse_.advanced();
    into = std::exchange(waiting_, {});
    if (const std::size_t count = std::exchange(left_out_, 0); count > 0)
      into += fmt::format("# {} lines were left out: the disk was too slow\n", count);
    return !into.empty();
  }

  bool open() {
    std::error_code ignored;
    std::filesystem::create_directories(recording_.file.parent_path(), ignored);
    const auto size = std::filesystem::file_size(recording_.file, ignored);
    written_ = ignored ? 0 : static_cast<std::size_t>(size);
    file_.reset(std::fopen(recording_.file.c_str(), "ab"));
    if (!file_) return false;
    const std::string head = fmt::format(
        "# who: {}\n# when: {:%Y-%m-%dT%H:%M:%SZ}\n# firmware: as it answers below\n", recording_.who,
        fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
    written_ += head.size();
    return std::fwrite(head.data(), 1, head.size(), file_.get()) == head.size();
  }

  bool begin_another() {
    file_.reset();
    std::error_code error;
    auto kept = recording_.file;
    std::filesystem::rename(recording_.file, kept.replace_extension(".1.log"), error);
    return !error && open();
  }

  Recording recording_;
  Pulse pulse_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::string waiting_;
  std::size_t left_out_ = 0;
  bool ending_ = false;
  File file_{nullptr, std::fclose};  // the thread's own
  std::size_t written_ = 0;
  std::thread thread_;
};

/// Bytes that do not print, and the backslash, by their names.
std::string named(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    if (c == '\\')
      text += "\\\\";
    else if (c < ' ' || c > '~')
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      text += c;
  }
  return text;
}

/// One direction: bytes in whatever pieces they come, written down line by line.
class Direction {
 public:
  Direction(char mark, Writer& writer, Clock::time_point began)
      : mark_(mark), writer_(writer), began_(began) {}

  void hear(std::string_view bytes) {
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      pending_ += bytes.substr(0, end);
      bytes.remove_prefix(end + 1);
      if (pending_.ends_with('\r')) pending_.pop_back();
      write(false);
    }
    pending_ += bytes;
    if (pending_.size() > longest_line) write(true);
  }
  /// What has begun does not go on.
  void break_off() {
    if (!pending_.empty()) write(true);
  }

 private:
  void write(bool broken_off) {
    const Seconds since = Clock::now() - began_;
    const std::string line = named(std::exchange(pending_, {}));
    writer_.write(fmt::format("@ {:.6f}\n{}{}{}{}\n", since.count(), mark_, line.empty() ? "" : " ", line,
                              broken_off ? "\\" : ""));
  }

  char mark_;
  Writer& writer_;
  Clock::time_point began_;
  std::string pending_;
};

class RecordedLink final : public ByteLink {
 public:
  RecordedLink(std::unique_ptr<ByteLink> link, Recording recording)
      : link_(std::move(link)), writer_(std::move(recording)) {}
  ~RecordedLink() override { close(); }

  Later<void> open() override {
    close();
    const auto opened = co_await link_->open();
    writer_.write(opened ? std::string("# connected\n")
                         : fmt::format("# not connected: {}\n", named(opened.error().what)));
    co_return opened;
  }

  Later<std::size_t> read_some(std::span<char> buffer) override {
    const auto got = co_await link_->read_some(buffer);
    if (got) from_instrument_.hear({buffer.data(), *got});
    co_return got;
  }

  Later<void> write(std::string_view bytes) override {
    from_host_.hear(bytes);
    const auto written = co_await link_->write(bytes);
    co_return written;
  }

  void close() override {
    const bool was_open = link_->is_open();
    link_->close();
    if (!was_open) return;
    from_host_.break_off();
    from_instrument_.break_off();
    writer_.write("# closed\n");
  }

  [[nodiscard]] bool is_open() const override { return link_->is_open(); }

 private:
  std::unique_ptr<ByteLink> link_;
  Clock::time_point began_ = Clock::now();
  Writer writer_;
  Direction from_host_{'>', writer_, began_}, from_instrument_{'<', writer_, began_};
};

}  // namespace

std::unique_ptr<ByteLink> recorded(std::unique_ptr<ByteLink> link, Recording recording) {
  return std::make_unique<RecordedLink>(std::move(link), std::move(recording));
}

}  // namespace cambench::link
