// What is known of every study: the files that were seen of it, what it came to, and what is to be done for it next. The
// watcher, the runs and the editor of studies write on the board, the computing thread takes its work from it, and
// whatever changes is shown whole.
//
// Threading: next() on the computing thread alone; what follows it below, there or on a thread that works for it meanwhile;
// everything else on any thread. `show` is called on the thread that changed something, in the order of the changes.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "daemon/config.h"
#include "daemon/jobs/jobs.h"
#include "daemon/jobs/watcher.h"
#include "drivers/pulse.h"
#include "schema/status.h"

namespace cambench::jobs {

// ---- what the computing thread is given to do

/// To look up what its studies came to before, and to tell configure().
struct Edited {
  std::shared_ptr<const config::Bench> bench;
};
/// To look up whose cells they had, and to tell rescore().
struct EndedRuns {
  std::vector<std::string> runs;
};
/// A study whose files have settled. `bench` keeps what `study` points to, here and below.
struct Scoring {
  std::shared_ptr<const config::Bench> bench;
  const config::Study* study;
  std::vector<SeenFile> files;
  Instant delivered;
};
/// One that still arrives.
struct ReadingAhead {
  std::shared_ptr<const config::Bench> bench;
  const config::Study* study;
  Ahead ahead;
};
using Work = std::variant<Edited, EndedRuns, Scoring, ReadingAhead>;

/// What an attempt to score came to.
struct Outcome {
  std::string state, text;
  std::vector<std::string> problems;
  std::optional<status::Study> scored;  ///< none: the scores that were there stay
};

class StudyBoard {
 public:
  static constexpr Seconds longest_without_news{15 * 60};  ///< of the computing thread

  explicit StudyBoard(Jobs::Show show) : show_(std::move(show)) {}  ///< nothing is configured yet
  StudyBoard(const StudyBoard&) = delete;

  void edited(std::shared_ptr<const config::Bench> bench);
  void run_finished(const std::string& run);
  void sighted(Sighting seen);

  /// Waits for something to do; none: `ending` was requested.
  std::optional<Work> next(const std::stop_token& ending);

  /// What is configured from now on, and what of it was scored before this program started, by the study's id.
  void configure(std::shared_ptr<const config::Bench> bench,
                 const std::map<std::string, status::Study>& scored);
  /// The studies that one of these cells belongs to may have a new rate test.
  void rescore(const std::set<std::string>& cells);
  /// So many spots more of a study that still arrives have been read. False when a study is due, which goes first.
  bool read_ahead(const std::string& study, std::size_t spots);
  void job(const status::Job& job);  ///< the newest one: as it begins, gets on and ends
  void ended(const std::string& study, Outcome outcome);
  void score_at(const std::string& study, Instant then);  ///< unless it is due anyway

 private:
  struct Known {
    const config::Study* configured = nullptr;  ///< in bench_; null: only its folder is there
    std::vector<SeenFile> files;                ///< as delivered last
    std::vector<std::string> arriving;
    std::string unreadable;      ///< why its folder cannot be read as a whole; empty: it can
    std::optional<Ahead> ahead;  ///< settled files of a study that still arrives
    std::size_t read_ahead = 0;  ///< spots that were read before it had arrived
    status::Study shown;
    std::string outcome;         ///< what the last attempt came to, shown unless files are arriving
    std::optional<Instant> due;  ///< when to score it; none: nothing to do
    Instant delivered{};

    [[nodiscard]] bool is_due(Instant now) const { return configured && due && *due <= now; }
    [[nodiscard]] bool is_ahead() const { return configured && ahead; }
  };

  // Under mutex_, all but show_now().
  Known& known(const std::string& id);
  void take(Delivery delivery);
  [[nodiscard]] std::optional<Work> something();
  [[nodiscard]] bool is_something() const;
  [[nodiscard]] bool is_due() const;
  void sleep(std::unique_lock<std::mutex>& guard, const std::stop_token& ending);
  [[nodiscard]] status::Study shown(const Known& known) const;
  void show_now();

  const Jobs::Show show_;
  std::mutex showing_;  // what is shown later is newer
  std::mutex mutex_;    // of everything below
  std::condition_variable_any wake_;
  std::shared_ptr<const config::Bench> bench_, newly_edited_;
  std::map<std::string, Known> studies_;
  std::deque<status::Job> jobs_;
  std::vector<std::string> ended_runs_, strays_;
  std::string folder_trouble_;

  Pulse pulse_{"the scoring of studies", longest_without_news, Pulse::Role::beside};
};

}  // namespace cambench::jobs
