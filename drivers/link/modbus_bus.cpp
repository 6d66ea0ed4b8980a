#include "drivers/link/modbus_bus.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "drivers/pulse.h"

namespace cambench::link {

namespace asio = boost::asio;
namespace modbus = wire::modbus;
using modbus::Bytes;
using modbus::Words;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int highest_descriptor = 1000;  // libmodbus aborts in FD_SET from 1024 on
constexpr int busy_retries = 3;
constexpr std::chrono::milliseconds busy_pause{50};
constexpr Seconds longest_exchange{
    30};                      // opening, one request and its reply take two time-outs of 10 s at most
constexpr int quiet_ms = 20;  // a serial line that says nothing for so long has finished its frame

Clock::duration ticks(Seconds seconds) { return std::chrono::duration_cast<Clock::duration>(seconds); }

/// How long a unit or a connection that failed is left alone, so that it does not starve the others: growing, from
/// the second failure in a row on.
struct Pause {
  unsigned failures = 0;
  Clock::time_point until;

  void failed(Seconds first, Seconds longest) {
    if (++failures < 2) return;
    until = Clock::now() + ticks(std::min(first * std::exp2(std::min(failures - 2, 16u)), longest));
  }
  void worked() { *this = {}; }
  [[nodiscard]] bool over() const { return Clock::now() >= until; }
};

struct Job {
  BusRequest request;
  std::function<void(Result<Words>)> done;
};

std::string place(const BusSettings& settings) {
  return settings.host.empty() ? settings.device : fmt::format("tcp://{}:{}", settings.host, settings.port);
}

bool matches(const BusWrite::Check& check, const Words& read) {
  if (check.tolerance <= 0) return read == check.expected;
  const auto got = modbus::decode(read, check.type, check.order);
  const auto wanted = modbus::decode(check.expected, check.type, check.order);
  return got && wanted && std::abs(*got - *wanted) <= check.tolerance;
}

/// One libmodbus context. Used by the bus thread only, but for hang_up().
class Line {
 public:
  explicit Line(const BusSettings& settings) : settings_(settings) {}
  ~Line() { close(); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  [[nodiscard]] bool is_tcp() const { return !settings_.host.empty(); }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  Result<void> open(Seconds timeout);
  void close();
  /// Sends one request and waits for its reply; both without envelope.
  Result<Bytes> exchange(std::uint8_t unit, const Bytes& request, Seconds timeout);
  /// Throws away what came unasked and says how many bytes that was. Notices a connection that the peer closed.
  std::size_t drain(int wait_ms);
  /// From another thread: a call that waits on TCP returns at once.
  void hang_up();

 private:
  Result<void> lock_serial_line() const;
  Result<void> send(std::uint8_t unit, const Bytes& request);
  Result<Bytes> receive(std::uint8_t unit, Seconds timeout);
  Result<Bytes> out_of_tcp(std::span<const std::uint8_t> frame, std::uint8_t unit) const;
  void set_timeout(Seconds timeout);

  const BusSettings& settings_;
  modbus_t* context_ = nullptr;
  std::mutex descriptor_mutex_;  // so that hang_up never meets a descriptor that has just been reused
  int descriptor_ = -1;
  std::uint16_t transaction_ = 0;
};

Fault system_fault(std::string_view doing) {
  const int error = errno;
  if (error == ETIMEDOUT) return {Fault::Kind::timeout, fmt::format("{}: no answer in time", doing)};
  const bool framing = error >= MODBUS_ENOBASE;
  return {framing ? Fault::Kind::protocol : Fault::Kind::link,
          fmt::format("{}: {}", doing, modbus_strerror(error))};
}

void Line::set_timeout(Seconds timeout) {
  const auto microseconds = std::max<std::int64_t>(1000, std::llround(timeout.count() * 1e6));
  modbus_set_response_timeout(context_, static_cast<std::uint32_t>(microseconds / 1000000),
                              static_cast<std::uint32_t>(microseconds % 1000000));
  modbus_set_byte_timeout(context_, 0, 0);  // then the response time-out bounds the whole call
}

Result<void> Line::open(Seconds timeout) {
  close();
  context_ = is_tcp() ? modbus_new_tcp(settings_.host.c_str(), settings_.port)
                      : modbus_new_rtu(settings_.device.c_str(), settings_.baud, settings_.parity, 8,
                                       settings_.stop_bits);
  if (!context_) return fail(system_fault("cannot be set up"));
  modbus_set_error_recovery(context_, MODBUS_ERROR_RECOVERY_NONE);
  set_timeout(timeout);
  if (modbus_connect(context_) != 0) {
    // 3.1.6 reports a connection that timed out as "in progress": every -1 is a failure, whatever errno says.
    auto fault = system_fault("cannot be opened");
    fault.kind = Fault::Kind::link;
    close();
    return fail(fault);
  }
  const int descriptor = modbus_get_socket(context_);
  if (descriptor < 0 || descriptor >= highest_descriptor) {
    close();
    return fail(Fault::Kind::link,
                fmt::format("cannot be opened: descriptor {} is beyond {}; too many files are open",
                            descriptor, highest_descriptor));
  }
  const std::lock_guard lock(descriptor_mutex_);
  descriptor_ = descriptor;
  if (!is_tcp()) return lock_serial_line();
  return {};
}

// libmodbus neither locks a serial line nor throws away what waited in it.
Result<void> Line::lock_serial_line() const {
  if (::ioctl(descriptor_, TIOCEXCL) != 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
    return fail(Fault::Kind::link, "another program uses this line");
  ::tcflush(descriptor_, TCIOFLUSH);
  return {};
}

void Line::close() {
  const std::lock_guard lock(descriptor_mutex_);
  if (descriptor_ >= 0 && !is_tcp())
    ::ioctl(descriptor_, TIOCNXCL);  // the lock is the line's, not the descriptor's
  descriptor_ = -1;
  if (!context_) return;
  modbus_close(context_);
  modbus_free(context_);
  context_ = nullptr;
}

void Line::hang_up() {
  const std::lock_guard lock(descriptor_mutex_);
  if (descriptor_ >= 0 && is_tcp()) ::shutdown(descriptor_, SHUT_RDWR);
}

std::size_t Line::drain(int wait_ms) {
  std::size_t drained = 0;
  std::array<std::uint8_t, 512> rest;
  pollfd watched{descriptor_, POLLIN, 0};
  while (drained < 65536 && ::poll(&watched, 1, wait_ms) > 0) {
    const auto count = ::read(descriptor_, rest.data(), rest.size());
    if (count <= 0) {
      close();  // the peer is gone
      return drained;
    }
    drained += static_cast<std::size_t>(count);
  }
  return drained;
}

// libmodbus sends raw requests with transaction 0 always, so the TCP envelope is ours.
Result<void> Line::send(std::uint8_t unit, const Bytes& request) {
  Bytes frame;
  if (is_tcp()) {
    ++transaction_;
    const auto length = request.size() + 1;
    frame = {
        static_cast<std::uint8_t>(transaction_ >> 8), static_cast<std::uint8_t>(transaction_ & 0xff), 0, 0,
        static_cast<std::uint8_t>(length >> 8),       static_cast<std::uint8_t>(length & 0xff)};
  }
  frame.push_back(unit);
  frame.insert(frame.end(), request.begin(), request.end());
  const bool sent = is_tcp()
                        ? ::send(descriptor_, frame.data(), frame.size(), MSG_NOSIGNAL) ==
                              static_cast<ssize_t>(frame.size())
                        : modbus_send_raw_request(context_, frame.data(), static_cast<int>(frame.size())) > 0;
  if (!sent) return fail(system_fault("cannot send"));
  return {};
}

Result<Bytes> Line::receive(std::uint8_t unit, Seconds timeout) {
  set_timeout(timeout);
  std::array<std::uint8_t, MODBUS_MAX_ADU_LENGTH> frame;
  const int count = modbus_receive_confirmation(context_, frame.data());
  if (count < 0) return fail(system_fault("waiting for the reply"));
  const auto bytes = std::span(frame).first(static_cast<std::size_t>(count));
  if (is_tcp()) return out_of_tcp(bytes, unit);
  if (count < 5 || bytes[0] != unit) return fail(Fault::Kind::protocol, "a reply of another unit");
  return Bytes(bytes.begin() + 1, bytes.end() - 2);
}

// Transaction, protocol, length, unit: libmodbus compares none of the last three.
Result<Bytes> Line::out_of_tcp(std::span<const std::uint8_t> frame, std::uint8_t unit) const {
  const auto word = [&](std::size_t at) { return frame[at] << 8 | frame[at + 1]; };
  if (frame.size() < 9) return fail(Fault::Kind::protocol, "a reply that is too short");
  if (word(0) != transaction_) return fail(Fault::Kind::protocol, "a reply to another request");
  if (word(2) != 0) return fail(Fault::Kind::protocol, "a reply that is not Modbus");
  if (word(4) != static_cast<int>(frame.size()) - 6)
    return fail(Fault::Kind::protocol, "a reply with a wrong length");
  if (frame[6] != unit) return fail(Fault::Kind::protocol, fmt::format("a reply of unit {}", frame[6]));
  return Bytes(frame.begin() + 7, frame.end());
}

Result<Bytes> Line::exchange(std::uint8_t unit, const Bytes& request, Seconds timeout) {
  modbus_set_slave(context_, unit);  // without it libmodbus aborts on a serial line
  if (const auto sent = send(unit, request); !sent) return fail(sent.error());
  return receive(unit, timeout);
}

}  // namespace

class ModbusBus::Worker {
 public:
  explicit Worker(const BusSettings& settings)
      : settings_(settings),
        line_(settings),
        pulse_("the bus " + place(settings), longest_exchange),
        thread_([this] { run(); }) {}
  ~Worker() { stop(); }

  void add(Job job);
  void stop();
  [[nodiscard]] BusHealth health() const;

 private:
  void run();
  bool next(Job& job);
  void discard_set_points(std::uint8_t unit);
  bool rest_until(std::unique_lock<std::mutex>& lock, Clock::time_point until);
  Result<Words> serve(const BusRequest& request);
  Result<Words> read(const BusRequest& request, const BusRead& what);
  Result<Words> write(const BusRequest& request, const BusWrite& what);
  Result<Bytes> ask(const BusRequest& request, const Bytes& pdu);
  Result<Bytes> ask_once(const BusRequest& request, const Bytes& pdu);
  Result<void> ready(const BusRequest& request);
  [[nodiscard]] bool left_alone(const BusRequest& request);
  Fault broken(const BusRequest& request, Fault fault);
  void count(bool ok, Clock::time_point since);

  const BusSettings& settings_;

  // Bus thread only.
  Line line_;
  Pause link_pause_;
  std::map<std::uint8_t, Pause> unit_pauses_;
  Clock::time_point others_until_;  // a unit that did not answer waits as long as it made the others wait
  Clock::time_point quiet_until_;
  bool must_drain_ = false;

  mutable std::mutex mutex_;  // the rest
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  BusHealth health_;
  Pulse pulse_;

  std::thread thread_;  // last: everything above exists when it starts
};

void ModbusBus::Worker::add(Job job) {
  const bool stop = job.request.urgency == Urgency::stop;
  const std::lock_guard lock(mutex_);
  if (stop) discard_set_points(job.request.unit);
  const bool full = queue_.size() >= settings_.queue && !stop;  // there is always room for a stop
  if (stopping_ || full) {
    const auto kind = stopping_ ? Fault::Kind::cancelled : Fault::Kind::refused;
    const char* why = stopping_ ? "is being closed" : "has too many requests waiting";
    return job.done(fail(kind, fmt::format("{}: {} {}", job.request.name, place(settings_), why)));
  }
  auto at = queue_.end();
  if (stop)  // behind the stops that are there already
    at =
        std::ranges::find_if(queue_, [](const Job& other) { return other.request.urgency != Urgency::stop; });
  queue_.insert(at, std::move(job));
  pulse_.handed_over();
  changed_.notify_one();
}

void ModbusBus::Worker::discard_set_points(std::uint8_t unit) {
  std::erase_if(queue_, [&](Job& job) {
    const bool superseded = job.request.unit == unit && job.request.urgency == Urgency::set_point;
    if (superseded) job.done(fail(Fault::Kind::cancelled, job.request.name + ": superseded by a stop"));
    return superseded;
  });
}

void ModbusBus::Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  line_.hang_up();
  if (thread_.joinable()) thread_.join();
  for (Job& job : std::exchange(queue_, {}))
    job.done(fail(Fault::Kind::cancelled,
                  fmt::format("{}: {} is being closed", job.request.name, place(settings_))));
}

BusHealth ModbusBus::Worker::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void ModbusBus::Worker::run() {
  name_this_thread("bus");
  Job job;
  while (next(job)) {
    job.done(serve(job.request));
    job = {};
  }
}

bool ModbusBus::Worker::rest_until(std::unique_lock<std::mutex>& lock, Clock::time_point until) {
  changed_.wait_until(lock, until, [this] { return stopping_; });
  return !stopping_;
}

bool ModbusBus::Worker::next(Job& job) {
  std::unique_lock lock(mutex_);
  if (queue_.empty()) pulse_.rests();
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  // The guard time passes before a job is taken, so that a stop which comes meanwhile is still the first.
  pulse_.pauses_until(quiet_until_);
  if (stopping_ || !rest_until(lock, quiet_until_)) return false;
  job = std::move(queue_.front());
  queue_.pop_front();
  return true;
}

void ModbusBus::Worker::count(bool ok, Clock::time_point since) {
  const std::lock_guard lock(mutex_);
  pulse_.advanced();
  ++(ok ? health_.ok : health_.errors);
  health_.last = Clock::now() - since;
  health_.longest = std::max(health_.longest, health_.last);
}

Result<Words> ModbusBus::Worker::serve(const BusRequest& request) {
  auto result = std::holds_alternative<BusRead>(request.what)
                    ? read(request, std::get<BusRead>(request.what))
                    : write(request, std::get<BusWrite>(request.what));
  if (result) return result;
  const auto sentence =
      fmt::format("{}: {} ({} unit {})", request.name, result.error().what, place(settings_), request.unit);
  const std::lock_guard lock(mutex_);
  health_.last_error = sentence;
  return fail(result.error().kind, sentence);
}

Result<Words> ModbusBus::Worker::read(const BusRequest& request, const BusRead& what) {
  const Bytes pdu = modbus::read_request(what.table, what.address, what.count);
  const auto reply = ask(request, pdu);
  if (!reply) return fail(reply.error());
  auto words = modbus::read_reply(pdu, *reply);
  if (!words && !modbus::exception_of(*reply)) return fail(broken(request, words.error()));
  return words;
}

Bytes write_request(const BusWrite& what) {
  if (what.table == modbus::Table::coil) return modbus::write_coil_request(what.address, what.words[0] != 0);
  if (what.single) return modbus::write_register_request(what.address, what.words[0]);
  return modbus::write_registers_request(what.address, what.words);
}

Result<Words> ModbusBus::Worker::write(const BusRequest& request, const BusWrite& what) {
  const Bytes pdu = write_request(what);
  Words seen;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto reply = ask(request, pdu);
    if (!reply) return fail(reply.error());
    const auto written = modbus::write_reply(pdu, *reply);
    if (!written)
      return fail(modbus::exception_of(*reply) ? written.error() : broken(request, written.error()));
    if (!what.check) return Words{};
    auto back = read(request, what.check->where);
    if (!back || matches(*what.check, *back)) return back;
    seen = std::move(*back);
  }
  return fail(Fault::Kind::instrument,
              fmt::format("wrote {} and reads back {} instead of {}: the device did not take it",
                          modbus::hex(what.words), modbus::hex(seen), modbus::hex(what.check->expected)));
}

Result<Bytes> ModbusBus::Worker::ask(const BusRequest& request, const Bytes& pdu) {
  for (int attempt = 0;; ++attempt) {
    auto reply = ask_once(request, pdu);
    const auto exception = reply ? modbus::exception_of(*reply) : std::nullopt;
    const bool busy = exception && modbus::class_of(*exception) == modbus::ExceptionClass::busy;
    if (!busy || attempt == busy_retries) return reply;
    std::unique_lock lock(mutex_);
    if (!rest_until(lock, Clock::now() + busy_pause)) return reply;
  }
}

Result<Bytes> ModbusBus::Worker::ask_once(const BusRequest& request, const Bytes& pdu) {
  if (const auto open = ready(request); !open) return fail(open.error());
  const auto since = Clock::now();
  auto reply = line_.exchange(request.unit, pdu, request.timeout);
  count(reply.has_value(), since);
  if (!reply) {
    others_until_ = Clock::now() + (Clock::now() - since);
    return fail(broken(request, reply.error()));
  }
  unit_pauses_[request.unit].worked();
  return reply;
}

bool ModbusBus::Worker::left_alone(const BusRequest& request) {
  if (request.urgency == Urgency::stop) return false;
  const Pause& unit = unit_pauses_[request.unit];
  const bool shared = unit_pauses_.size() > 1;
  if (shared && unit.failures > 0 && Clock::now() < others_until_) return true;
  return !request.guards_cell && (!link_pause_.over() || !unit.over());
}

/// An open and silent line, or why there is none.
Result<void> ModbusBus::Worker::ready(const BusRequest& request) {
  if (left_alone(request))
    return fail(Fault::Kind::link, "left alone for a moment, because it did not answer");

  if (line_.is_open()) {
    const std::size_t drained = line_.drain(std::exchange(must_drain_, false) ? quiet_ms : 0);
    const std::lock_guard lock(mutex_);
    health_.drained += drained;
  }
  if (line_.is_open()) return {};
  if (auto opened = line_.open(request.timeout); !opened) {
    line_.close();
    link_pause_.failed(settings_.first_pause, settings_.longest_pause);
    return opened;
  }
  link_pause_.worked();
  const std::lock_guard lock(mutex_);
  ++health_.connects;
  return {};
}

/// After this nothing that still comes can be taken for an answer.
Fault ModbusBus::Worker::broken(const BusRequest& request, Fault fault) {
  if (line_.is_tcp() || fault.kind == Fault::Kind::link) {
    line_.close();
  } else {
    quiet_until_ = Clock::now() + ticks(request.guard_time);
    must_drain_ = true;
  }
  unit_pauses_[request.unit].failed(settings_.first_pause, settings_.longest_pause);
  return fault;
}

ModbusBus::ModbusBus(BusSettings settings)
    : settings_(std::move(settings)), worker_(std::make_unique<Worker>(settings_)) {}

ModbusBus::~ModbusBus() = default;

void ModbusBus::close() { worker_->stop(); }

asio::awaitable<Result<Words>> ModbusBus::ask(BusRequest request) {
  const auto start = [worker = worker_.get()](auto handler, BusRequest what) {
    // Tracked work: the io_context must not run dry while the bus thread has our handler.
    auto executor =
        asio::prefer(asio::get_associated_executor(handler), asio::execution::outstanding_work.tracked);
    auto kept = std::make_shared<decltype(handler)>(std::move(handler));
    worker->add({std::move(what), [kept, executor](Result<Words> result) mutable {
                   asio::post(executor, [kept = std::move(kept), result = std::move(result)]() mutable {
                     auto last = std::move(*kept);
                     kept.reset();
                     std::move(last)(std::move(result));
                   });
                 }});
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(Result<Words>)>(start, asio::use_awaitable,
                                                                                  std::move(request));
}

BusHealth ModbusBus::health() const { return worker_->health(); }

namespace {

/// The buses of one io_context, which ends their threads before it goes.
class BusDirectory final : public asio::execution_context::service {
 public:
  using key_type = BusDirectory;
  static inline asio::execution_context::id id;
  explicit BusDirectory(asio::execution_context& context) : service(context) {}

  struct Entry {
    BusSettings settings;
    std::weak_ptr<ModbusBus> bus;
  };
  std::map<std::string, Entry> entries;

 private:
  void shutdown() override {
    for (const auto& [name, entry] : entries)
      if (const auto bus = entry.bus.lock()) bus->close();
  }
};

}  // namespace

Result<std::shared_ptr<ModbusBus>> ModbusBus::shared(const asio::any_io_executor& executor,
                                                     const BusSettings& settings) {
  auto& directory = asio::use_service<BusDirectory>(executor.context());
  auto& entry = directory.entries[place(settings)];
  if (auto bus = entry.bus.lock()) {
    const BusSettings& there = entry.settings;
    if (there.baud == settings.baud && there.parity == settings.parity &&
        there.stop_bits == settings.stop_bits)
      return bus;
    return fail(Fault::Kind::input,
                fmt::format("{} is used twice, with different serial settings", place(settings)));
  }
  auto bus = std::make_shared<ModbusBus>(settings);
  entry = {settings, bus};
  return bus;
}

Result<BusSettings> bus_settings(const std::string& port, int baud, char parity, int stop_bits) {
  BusSettings settings;
  constexpr std::string_view scheme = "tcp://";
  if (port.starts_with(scheme)) {
    const auto colon = port.rfind(':');
    const bool has_port = colon > scheme.size();
    settings.host = port.substr(scheme.size(), has_port ? colon - scheme.size() : std::string::npos);
    if (has_port) {
      const char* end = port.data() + port.size();
      const auto [stop, error] = std::from_chars(port.data() + colon + 1, end, settings.port);
      if (error != std::errc{} || stop != end || settings.port == 0)
        return fail(Fault::Kind::input,
                    fmt::format("{}: the TCP port must be a number from 1 to 65535", port));
    }
    in_addr address{};
    if (::inet_pton(AF_INET, settings.host.c_str(), &address) != 1)
      return fail(
          Fault::Kind::input,
          fmt::format("{}: the address must be numeric, like tcp://192.168.50.7:502; looking up a name could "
                      "block for ever",
                      port));
    return settings;
  }
  constexpr std::array bauds{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400};
  if (port.empty() || port[0] != '/')
    return fail(Fault::Kind::input,
                fmt::format("\"{}\" is neither tcp://address:port nor the path of a serial line", port));
  if (std::ranges::find(bauds, baud) == bauds.end())
    return fail(Fault::Kind::input, fmt::format("{}: {} baud is not a usual rate", port, baud));
  if ((parity != 'N' && parity != 'E' && parity != 'O') || stop_bits < 1 || stop_bits > 2)
    return fail(Fault::Kind::input, fmt::format("{}: the parity is N, E or O, with 1 or 2 stop bits", port));
  settings.device = port;
  settings.baud = baud;
  settings.parity = parity;
  settings.stop_bits = stop_bits;
  return settings;
}

}  // namespace cambench::link
