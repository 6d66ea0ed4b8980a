#include "daemon/jobs/watcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <set>
#include <thread>

#include "daemon/jobs/study_data.h"
#include "drivers/pulse.h"

namespace cambench::jobs {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

constexpr Seconds longest_look{5 * 60};  // at a share in the network, for instance

Clock::duration clock_time(Seconds seconds) { return std::chrono::duration_cast<Clock::duration>(seconds); }

/// Tells that something happened below a folder, not what: the scan finds out. It only keeps which files were written to
/// and not closed since. Without inotify (no watches left, a file system that has none) it never tells, and polling goes
/// on.
class Notifier {
 public:
  explicit Notifier(fs::path root)
      : root_(std::move(root)), descriptor_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}
  ~Notifier() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Notifier(const Notifier&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }

  /// A folder below the root. Watching it twice is the same watch, under the name that it has now.
  void watch(const std::string& folder) {
    constexpr auto events =
        IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
    if (descriptor_ < 0) return;
    const int id = ::inotify_add_watch(descriptor_, (root_ / folder).c_str(), events);
    if (id >= 0) folders_[id] = folder;
  }

  void drain() {
    alignas(inotify_event) std::array<char, 16'384> events;
    for (ssize_t bytes = 0;
         descriptor_ >= 0 && (bytes = ::read(descriptor_, events.data(), events.size())) > 0;)
      for (const char* at = events.data(); at < events.data() + bytes;) {
        const auto& event = *reinterpret_cast<const inotify_event*>(at);
        take(event);
        at += sizeof event + event.len;
      }
  }

  /// Below the root. One that was cut by truncate() stays among them, since nobody had opened it.
  [[nodiscard]] const std::set<std::string>& being_written() const { return being_written_; }

 private:
  void take(const inotify_event& event) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) being_written_.clear();  // a file may have been closed unseen
    const auto folder = folders_.find(event.wd);
    if (folder == folders_.end() || event.len == 0) return;
    const auto path = folder->second + '/' + event.name;  // its name is padded with zeros
    if ((event.mask & IN_MODIFY) != 0)
      being_written_.insert(path);
    else
      being_written_.erase(path);  // closed, new, or somewhere else
  }

  fs::path root_;
  int descriptor_;
  std::map<int, std::string> folders_;   // by their watch
  std::set<std::string> being_written_;  // written to, and not closed since
};

std::set<std::string> folders_of(const std::vector<SeenFile>& files) {
  std::set<std::string> folders;
  for (const auto& file : files)
    for (auto slash = file.path.find('/'); slash != std::string::npos; slash = file.path.find('/', slash + 1))
      folders.insert(file.path.substr(0, slash));
  return folders;
}

}  // namespace

class Watcher::Thread {
 public:
  Thread(fs::path folder, Seconds settle, Seconds poll, std::function<void(Sighting)> tell)
      : folder_(std::move(folder)),
        poll_(clock_time(poll)),
        // A storm of events costs a scan this often, no more.
        pause_(clock_time(std::min(settle / 4, Seconds(0.25)))),
        tell_(std::move(tell)),
        drop_(settle),
        notifier_(folder_),
        stop_(::eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::jthread([this](const std::stop_token& ending) { work(ending); });
  }

  ~Thread() {
    thread_.request_stop();
    (void)::eventfd_write(stop_, 1);
    thread_.join();
    ::close(stop_);
  }

 private:
  void work(const std::stop_token& ending) {
    name_this_thread("watcher");
    while (!ending.stop_requested()) {
      const auto scanned = Clock::now();
      pulse_.handed_over();
      look(scanned);
      pulse_.rests();
      const auto settles = drop_.next();
      const auto until = std::min(scanned + poll_, settles.value_or(scanned + poll_));
      if (wait(until)) wait_quietly(std::min(until, scanned + pause_));
    }
  }

  void look(Clock::time_point now) {
    Sighting seen;
    try {
      if (!was_there_) fs::create_directories(folder_);
      was_there_ = true;
      notifier_.watch("");  // before the scan: what comes in between is told
      auto [files, unreadable] = scan_drop(folder_);
      for (const auto& folder : folders_of(files)) notifier_.watch(folder);
      const auto held_back = unreadable | std::views::keys;
      drop_.saw(std::move(files), now, notifier_.being_written(), {held_back.begin(), held_back.end()});
      seen.unreadable = std::move(unreadable);
      seen.deliveries = drop_.take(now);
      seen.ahead = drop_.take_ahead(now);
      seen.arriving = drop_.arriving(now);
      seen.strays = drop_.strays();
    } catch (const fs::filesystem_error& error) {
      seen.trouble = error.what();
    }
    const bool news = !seen.deliveries.empty() || !seen.ahead.empty() || seen.arriving != told_.arriving ||
                      seen.strays != told_.strays || seen.unreadable != told_.unreadable ||
                      seen.trouble != told_.trouble;
    if (!news) return;
    told_ = seen;
    tell_(std::move(seen));
  }

  /// True when inotify told of something before `until`.
  bool wait(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    std::array<pollfd, 2> both{pollfd{stop_, POLLIN, 0}, pollfd{notifier_.descriptor(), POLLIN, 0}};
    (void)::poll(both.data(), both.size(), std::max<int>(0, static_cast<int>(left.count())));
    notifier_.drain();
    return both[1].revents != 0;
  }

  void wait_quietly(Clock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd stop{stop_, POLLIN, 0};
    if (left.count() > 0) (void)::poll(&stop, 1, static_cast<int>(left.count()));
    notifier_.drain();
  }

  fs::path folder_;
  Clock::duration poll_, pause_;
  std::function<void(Sighting)> tell_;
  DropFolder drop_;
  Notifier notifier_;
  Sighting told_;
  bool was_there_ = false;  // a share that is lost later must not look like an empty folder
  int stop_;
  Pulse pulse_{"the watch over " + folder_.string(), longest_look, Pulse::Role::beside};
  std::jthread thread_;
};

Watcher::Watcher(fs::path folder, Seconds settle, Seconds poll, std::function<void(Sighting)> tell)
    : thread_(std::make_unique<Thread>(std::move(folder), settle, poll, std::move(tell))) {}

Watcher::~Watcher() = default;

}  // namespace cambench::jobs
