#include "drivers/link/usbtmc.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/usb/tmc.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "drivers/link/signal.h"
#include "drivers/pulse.h"

namespace cambench::link {

namespace asio = boost::asio;

namespace {

constexpr std::size_t longest_message = 256 * 1024;
constexpr int waits_of_a_job =
    6;  // opening, clearing, reading and giving up each end by the kernel's time-out

bool asks(std::string_view message) { return message.find('?') != std::string_view::npos; }

/// The device itself: blocking calls, made by the link's thread alone.
class Device {
 public:
  Device(std::string path, UsbtmcCalls calls, Seconds timeout)
      : path_(std::move(path)), calls_(std::move(calls)), timeout_(timeout), buffer_(longest_message) {}
  ~Device() { close(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  Result<void> open() {
    close();
    descriptor_ = calls_.open(path_.c_str());
    if (descriptor_ < 0) return fault("opening");
    auto ready = prepare();
    if (!ready) close();
    return ready;
  }

  void close() {
    if (descriptor_ >= 0) calls_.close(std::exchange(descriptor_, -1));
  }

  Result<void> write(const std::string& message) {
    const ssize_t written = calls_.write(descriptor_, message.data(), message.size());
    if (written == static_cast<ssize_t>(message.size())) return {};
    if (written >= 0) errno = EIO;
    return given_up("writing");
  }

  /// One answer. What does not fit into one read comes with the next ones: an answer ends with a line end.
  Result<std::string> read() {
    std::string answer;
    do {
      const ssize_t got = calls_.read(descriptor_, buffer_.data(), buffer_.size());
      if (got < 0) return given_up("reading");
      if (got == 0) return fail(Fault::Kind::link, fmt::format("{}: reading: nothing came", path_));
      answer.append(buffer_.data(), static_cast<std::size_t>(got));
    } while (!answer.ends_with('\n') && answer.size() < longest_message);
    return answer;
  }

 private:
  Result<void> prepare() {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      return fail(Fault::Kind::link, fmt::format("{}: opening: another program owns this device", path_));
    auto milliseconds = static_cast<__u32>(timeout_.count() * 1e3);
    if (calls_.ioctl(descriptor_, USBTMC_IOCTL_SET_TIMEOUT, &milliseconds) != 0)
      return fault("setting its time-out");
    if (calls_.ioctl(descriptor_, USBTMC_IOCTL_CLEAR, nullptr) != 0) return fault("clearing");
    return {};
  }

  std::unexpected<Fault> fault(std::string_view doing) const {
    const int error = errno;
    return fail(error == ETIMEDOUT ? Fault::Kind::timeout : Fault::Kind::link,
                fmt::format("{}: {}: {}", path_, doing, std::strerror(error)));
  }

  /// The transfer that failed is ended on the bus; the next open() clears the rest.
  std::unexpected<Fault> given_up(std::string_view doing) const {
    auto why = fault(doing);
    calls_.ioctl(descriptor_, doing == "reading" ? USBTMC_IOCTL_ABORT_BULK_IN : USBTMC_IOCTL_ABORT_BULK_OUT,
                 nullptr);
    return why;
  }

  std::string path_;
  UsbtmcCalls calls_;
  Seconds timeout_;
  std::vector<char> buffer_;
  int descriptor_ = -1;
};

/// What the link's thread shares with it: jobs one way, posted results the other.
class Worker {
 public:
  Worker(std::string path, UsbtmcCalls calls, Seconds timeout)
      : pulse_("the thread of " + path, waits_of_a_job * timeout),
        device_(std::move(path), std::move(calls), timeout),
        thread_([this] { run(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_one();
    }
    thread_.join();  // a read that blocks ends by the kernel's time-out
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void add(std::function<void(Device&)> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    pulse_.handed_over();
    changed_.notify_one();
  }

 private:
  void run() {
    name_this_thread("usbtmc");
    for (std::unique_lock lock(mutex_);;) {
      if (jobs_.empty()) pulse_.rests();
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (ending_) return;
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job(device_);
      lock.lock();
      pulse_.advanced();
    }
  }

  Pulse pulse_;
  Device device_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(Device&)>> jobs_;
  bool ending_ = false;
  std::thread thread_;
};

class UsbtmcLink final : public ByteLink {
 public:
  UsbtmcLink(asio::any_io_executor executor, const Address& address, UsbtmcCalls calls, Seconds timeout)
      : executor_(std::move(executor)),
        state_(std::make_shared<State>(executor_)),
        worker_(address.device, std::move(calls), timeout) {}
  ~UsbtmcLink() override { close(); }

  Later<void> open() override {
    close();
    const auto state = state_;
    const auto mine = state->generation;
    bool done = false;
    Result<void> opened;
    order([](Device& device) { return device.open(); },
          [&done, &opened](Result<void> result) { opened = std::move(result), done = true; }, true);
    while (!done) co_await state->changed.wait();
    if (mine != state->generation) co_return fail(Fault::Kind::link, "the link was closed");
    state->open = opened.has_value();
    co_return opened;
  }

  Later<std::size_t> read_some(std::span<char> buffer) override {
    const auto state = state_;
    const auto mine = state->generation;
    while (state->answer.empty()) {
      if (mine != state->generation || !state->open) co_return fail(Fault::Kind::link, "the link was closed");
      if (state->failed) co_return fail(*state->failed);
      co_await state->changed.wait();
    }
    const std::size_t count = std::min(state->answer.size(), buffer.size());
    std::copy_n(state->answer.begin(), count, buffer.begin());
    state->answer.erase(0, count);
    co_return count;
  }

  Later<void> write(std::string_view bytes) override {
    const auto state = state_;
    const auto mine = state->generation;
    if (!state->open) co_return fail(Fault::Kind::link, "the link was closed");
    bool done = false;
    Result<void> written;
    order([message = std::string(bytes)](Device& device) { return device.write(message); },
          [&done, &written](Result<void> result) { written = std::move(result), done = true; }, true);
    while (!done) co_await state->changed.wait();
    if (mine != state->generation) co_return fail(Fault::Kind::link, "the link was closed");
    if (written && asks(bytes)) ask_for_answer();
    co_return written;
  }

  void close() override {
    if (!std::exchange(state_->open, false)) return;
    ++state_->generation;
    state_->answer.clear();
    state_->failed.reset();
    state_->changed.notify();
    worker_.add([](Device& device) { device.close(); });
  }

  [[nodiscard]] bool is_open() const override { return state_->open; }

 private:
  /// Of the executor's thread; outlives the link while somebody waits.
  struct State {
    explicit State(const asio::any_io_executor& executor) : changed(executor) {}
    Signal changed;
    std::uint64_t generation = 0;  ///< grows with every close
    bool open = false;
    std::string answer;
    std::optional<Fault> failed;
  };

  /// Does something on the link's thread; `then` is called on the executor's, even if the link was closed meanwhile when
  /// it is `awaited`.
  template <typename Do, typename Then>
  void order(Do what, Then then, bool awaited) {
    auto tracked = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
    worker_.add([state = state_, generation = state_->generation, what = std::move(what),
                 then = std::move(then), awaited, tracked](Device& device) mutable {
      asio::post(tracked,
                 [state, generation, then = std::move(then), awaited, result = what(device)]() mutable {
                   if (awaited || generation == state->generation) then(std::move(result));
                   state->changed.notify();
                 });
    });
  }

  void ask_for_answer() {
    order([](Device& device) { return device.read(); },
          [state = state_](Result<std::string> answer) {
            if (answer)
              state->answer += *answer;
            else
              state->failed = answer.error();
          },
          false);
  }

  asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
  Worker worker_;
};

}  // namespace

UsbtmcCalls kernel_usbtmc() {
  return {.open = [](const char* path) { return ::open(path, O_RDWR | O_CLOEXEC); },
          .read = [](int descriptor, void* into, std::size_t size) { return ::read(descriptor, into, size); },
          .write = [](int descriptor, const void* from,
                      std::size_t size) { return ::write(descriptor, from, size); },
          .ioctl = [](int descriptor, unsigned long request,
                      void* argument) { return ::ioctl(descriptor, request, argument); },
          .close = [](int descriptor) { ::close(descriptor); }};
}

std::unique_ptr<ByteLink> make_usbtmc_link(asio::any_io_executor executor, const Address& address,
                                           UsbtmcCalls calls, Seconds timeout) {
  return std::make_unique<UsbtmcLink>(std::move(executor), address, std::move(calls), timeout);
}

}  // namespace cambench::link
