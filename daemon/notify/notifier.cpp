#include "daemon/notify/notifier.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "daemon/notify/outbox.h"
#include "daemon/notify/ways.h"
#include "drivers/pulse.h"

namespace cambench::notify {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience = 20s, relay_patience = 5s, last_words = 3s;
constexpr std::size_t most_waiting = 1000;
constexpr auto deciding_is_silent = 10s;
constexpr Seconds longest_message{30}, longest_relay{30};

Result<void> send(const config::Notify& way, const Sender& sender, const std::vector<status::Alarm>& alarms,
                  std::chrono::milliseconds longest) {
  switch (way.by) {
    case config::Notify::By::command:
      return run_program(way.run, alertmanager_json(sender, alarms, "command"), longest);
    case config::Notify::By::webhook:
      return call(way.url, alertmanager_json(sender, alarms, "webhook"), longest);
    case config::Notify::By::mail:
      return run_program({way.sendmail.string(), "-t", "-oi", "-f", way.from},
                         mail(sender, alarms, way, std::chrono::system_clock::now()), longest);
  }
  return {};
}

std::string name(const config::Notify& way) {
  switch (way.by) {
    case config::Notify::By::command: return way.run.front();
    case config::Notify::By::webhook: return way.url;
    case config::Notify::By::mail: return fmt::format("mail to {}", fmt::join(way.to, ", "));
  }
  return {};
}

}  // namespace

class Notifier::Thread {
 public:
  Thread(const config::Alarms& settings, const std::optional<config::Heartbeat>& heartbeat, Sender sender,
         Log log)
      : settings_(settings),
        heartbeat_(heartbeat),
        sender_(std::move(sender)),
        log_(std::move(log)),
        outbox_(settings),
        troubles_(settings.ways.size()),
        worker_([this] { work(); }),
        relays_([this] { work_relays(); }) {}

  ~Thread() {
    {
      const std::lock_guard guard(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    worker_.join();
    relays_.join();
  }

  void tell(const status::Alarm& alarm) {
    {
      const std::lock_guard guard(mutex_);
      if (arrived_.size() >= most_waiting)
        arrived_.pop_front();  // of thousands the last ones say how it stands
      arrived_.push_back(alarm);
      pulse_.handed_over();
    }
    wake_.notify_all();
  }

  void alive(Instant now) {
    {
      const std::lock_guard guard(mutex_);
      alive_ = now;
      asked_ = true;
      pulse_.handed_over();
    }
    wake_.notify_all();
  }

  void run_at_once(std::vector<std::string> words, std::function<void(Result<void>)> done) {
    {
      const std::lock_guard guard(mutex_);
      relay_jobs_.push_back({std::move(words), std::move(done)});
      relay_pulse_.handed_over();
    }
    wake_.notify_all();
  }

 private:
  struct Relay {
    std::vector<std::string> words;
    std::function<void(Result<void>)> done;
  };

  void work() {
    name_this_thread("notify");
    std::unique_lock guard(mutex_);
    for (;;) {
      if (arrived_.empty() && !asked_) pulse_.rests();
      wake_.wait_until(guard, wake_at(), [this] { return ending_ || asked_ || !arrived_.empty(); });
      asked_ = false;
      const auto arrived = std::exchange(arrived_, {});
      const bool ending = ending_, decided = Clock::now() - alive_ < deciding_is_silent;
      guard.unlock();
      for (const auto& alarm : arrived) outbox_.changed(alarm, Clock::now());
      if (!ending && decided) beat();
      send(ending ? Clock::now() + 24h : Clock::now(), ending ? last_words : patience);
      if (ending) return;
      guard.lock();
    }
  }

  [[nodiscard]] Instant wake_at() const {
    Instant at = Clock::now() + 1h;
    if (const auto next = outbox_.next()) at = std::min(at, *next);
    if (heartbeat_) at = std::min(at, std::max(next_beat_, Clock::now() + 100ms));
    return std::max(at, Clock::now() + 20ms);
  }

  void send(Instant now, std::chrono::milliseconds each) {
    for (const Message& message : outbox_.due(now)) {
      const auto done = notify::send(settings_.ways[message.way], sender_, message.alarms, each);
      if (done)
        outbox_.sent(message, Clock::now());
      else
        outbox_.failed(message, Clock::now());
      pulse_.advanced();
      note(troubles_[message.way], done, "people could not be told: ", "people are told again by ");
    }
  }

  void beat() {
    if (!heartbeat_ || Clock::now() < next_beat_) return;
    const auto done = heartbeat_->url.empty() ? run_program(heartbeat_->run, "", patience)
                                              : call(heartbeat_->url, "", patience);
    pulse_.advanced();
    next_beat_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(heartbeat_->every);
    note(heartbeat_trouble_, done, "the heartbeat did not go out: ", "the heartbeat goes out again ");
  }

  /// One line at the change, none while it lasts.
  void note(std::string& trouble, const Result<void>& done, const char* bad, const char* good) {
    const bool was_bad = !trouble.empty();
    if (!done && !was_bad) log_(bad + done.error().what);
    if (done && was_bad) log_(good + trouble.substr(0, trouble.find(": ")));
    trouble = done ? std::string() : done.error().what;
  }

  /// Relays have a thread of their own: what makes safe does not stand behind a mail server that hangs.
  void work_relays() {
    name_this_thread("relay");
    std::unique_lock guard(mutex_);
    for (;;) {
      if (relay_jobs_.empty()) relay_pulse_.rests();
      wake_.wait(guard, [this] { return ending_ || !relay_jobs_.empty(); });
      if (relay_jobs_.empty()) return;
      const Relay job = std::move(relay_jobs_.front());
      relay_jobs_.pop_front();
      guard.unlock();
      job.done(run_program(job.words, "", relay_patience));
      relay_pulse_.advanced();
      guard.lock();
    }
  }

  const config::Alarms settings_;
  const std::optional<config::Heartbeat> heartbeat_;
  const Sender sender_;
  const Log log_;
  Outbox outbox_;  // of the worker alone, as what follows
  std::vector<std::string> troubles_;
  std::string heartbeat_trouble_;
  Instant next_beat_{};

  std::mutex mutex_;  // of everything below
  std::condition_variable wake_;
  std::deque<status::Alarm> arrived_;
  std::deque<Relay> relay_jobs_;
  Instant alive_{};
  bool asked_ = false;  ///< whether it advances
  bool ending_ = false;
  Pulse pulse_{"the thread that tells people", longest_message};
  Pulse relay_pulse_{"the thread that runs relay programs", longest_relay};
  std::thread worker_, relays_;
};

Notifier::Notifier(const config::Alarms& settings, const std::optional<config::Heartbeat>& heartbeat,
                   Sender sender, Log log)
    : thread_(std::make_unique<Thread>(settings, heartbeat, std::move(sender), std::move(log))) {}
Notifier::~Notifier() = default;

void Notifier::tell(const status::Alarm& alarm) { thread_->tell(alarm); }
void Notifier::alive(Instant now) { thread_->alive(now); }
void Notifier::run_at_once(std::vector<std::string> words, std::function<void(Result<void>)> done) {
  thread_->run_at_once(std::move(words), std::move(done));
}

bool tell_now(const config::Alarms& settings, const Sender& sender, const status::Alarm& alarm,
              std::ostream& out) {
  bool all = true;
  for (const config::Notify& way : settings.ways) {
    const auto done = send(way, sender, {alarm}, patience);
    out << name(way) << ": " << (done ? "told" : done.error().what) << std::endl;
    all = all && done.has_value();
  }
  if (settings.ways.empty()) out << "nobody is to be told: the configuration has no [[notify]]" << std::endl;
  return all;
}

}  // namespace cambench::notify
