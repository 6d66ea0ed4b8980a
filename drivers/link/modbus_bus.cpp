#include "drivers/link/modbus_bus.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "drivers/pulse.h"

namespace cambench::link {

namespace asio = boost::asio;
namespace modbus = wire::modbus;
using modbus::Bytes;
using modbus::Words;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int busy_retries = 3;
constexpr std::chrono::milliseconds busy_pause{50};
// Opening, one request and its reply take two time-outs of 10 s at most.
constexpr Seconds longest_exchange{30};
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

bool matches(const BusWrite::Check& check, const Words& read) {
  if (check.tolerance <= 0) return read == check.expected;
  const auto got = modbus::decode(read, check.type, check.order);
  const auto wanted = modbus::decode(check.expected, check.type, check.order);
  return got && wanted && std::abs(*got - *wanted) <= check.tolerance;
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
  ModbusLine line_;
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

}  // namespace cambench::link
