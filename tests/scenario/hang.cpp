// One thread of the daemon stands still in the middle of its work, as a hung system call leaves it: systemd is not told any
// more that all is well. Where the thread only waits for what is not ours, people are told and the runs go on.
#include <sys/stat.h>

#include "tests/scenario/held.h"
#include "tests/scenario/supervisor.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

constexpr auto longest_piece = 30s;  // of the work of any of these threads

/// A bench that systemd watches.
struct Watched : Bench {
  Supervisor systemd{folder() / "notify.sock"};
  explicit Watched(const std::string& extra = {}) : Bench({.extra = extra}) {
    environment = systemd.environment();
  }
  [[nodiscard]] bool is_fed() {
    (void)systemd.count("");
    std::this_thread::sleep_for(1s);  // five feedings are due
    return systemd.count("WATCHDOG=1") > 0;
  }
};

struct Hanging : Watched {
  std::string thread, sentence;
  std::optional<Held> held;
  std::jthread asks;  // what only the reader can answer

  Hanging(std::string name, std::vector<long> calls, std::string said, const std::string& extra = {})
      : Watched(extra), thread(std::move(name)), sentence(std::move(said)) {
    start();
    if (thread == "bus") sim("press A1 stall");  // its answers take their whole time
    if (thread == "http-reader")
      asks = std::jthread([this](const std::stop_token& enough) {
        while (!enough.stop_requested()) (void)http::get(control(), "/api/v1/runs", 1s);
      });
    held.emplace(daemon().id(), thread, std::move(calls));
  }
  [[nodiscard]] http::Address control() const { return {(folder() / "control.sock").string(), {}, 0}; }
};

}  // namespace

TEST_CASE(
    "whichever thread stands still, systemd is not fed any more; and it is as soon as the thread goes on") {
  if (!debugging_is_allowed("/dev/null")) {
    MESSAGE("skipped: this host lets nobody stop a thread");
    return;
  }
  // All at the same time, because each of them takes half a minute.
  Hanging bus("bus", {SYS_pselect6}, "the bus tcp://"),
      store("store", {SYS_fdatasync, SYS_pwrite64}, "the store has not advanced"),
      reader("http-reader", {SYS_pread64}, "the thread that reads the store for HTTP"),
      people("notify", {SYS_clock_nanosleep}, "the thread that tells people",
             "[heartbeat]\nrun = [\"/bin/sleep\", \"15\"]\nevery_s = 1\n");
  const auto all = {&bus, &store, &reader, &people};
  for (Hanging* each : all) CHECK_MESSAGE(each->is_fed(), each->thread);
  std::this_thread::sleep_for(longest_piece);
  for (Hanging* each : all) {
    CHECK_FALSE_MESSAGE(each->is_fed(), each->thread);
    CHECK_MESSAGE(each->log().find(each->sentence) != std::string::npos, each->log());
    each->held.reset();
    until("fed again: " + each->thread, [&] { return each->systemd.count("WATCHDOG=1") > 0; });
  }
}

TEST_CASE("a recording whose disk hangs opens no cell: people are told, and systemd is fed") {
  Watched bench("[[alarm]]\ncause = \"stands_still\"\noff_s = 0\n");
  std::string text = contents(bench.configuration());
  constexpr std::string_view section = "[station.potentiostat]\n";
  text.insert(text.find(section) + section.size(), "record = true\n");
  std::ofstream(bench.configuration()) << text;
  const fs::path file = bench.folder() / "state" / "wire" / "A1.log";
  fs::create_directories(file.parent_path());
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);  // opening it waits for a reader for ever
  bench.start();
  std::this_thread::sleep_for(longest_piece - patience / 2);
  until("people are told", [&] { return bench.alarms() == std::vector<std::string>{"stands_still"}; });
  CHECK(bench.is_fed());
  CHECK(lines_of(contents(bench.folder() / "daemon.err")).empty());
  const int reads = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  until("it goes on", [&] { return bench.log().find("stands_still is over") != std::string::npos; });
  ::close(reads);
}
