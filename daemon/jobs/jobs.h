// What the daemon does beside the runs: it watches the drop folder, and scores a study whenever its files or its rate
// tests are other than what was scored last. Nothing here can hold up a run.
//
// Two threads: one watches (inotify, and a scan every `poll`, because network shares tell nothing), one computes, with a
// helper while spots are read. What they know goes out through `show`, whole, whenever it changes.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "daemon/store/store.h"
#include "schema/status.h"

namespace cambench::jobs {

struct Seen {
  std::vector<status::Study> studies;  ///< in the order of the configuration, then others by name
  std::vector<status::Job> jobs;       ///< newest first; the last few that are over among them
};

class Jobs {
 public:
  using Show = std::function<void(Seen)>;  ///< called on either thread
  using Log =
      std::function<void(const std::string& about, const std::string& text)>;  ///< any thread; one line

  /// `bench` must outlive this; without [drop] only what was scored before is shown.
  Jobs(const config::Bench& bench, store::Store& store, Show show, Log log = {});
  ~Jobs();  ///< waits for what is being read
  Jobs(const Jobs&) = delete;

  /// Materials, cells and studies were edited: what is configured is as in `edited` from now on. Any thread.
  void edited(std::shared_ptr<const config::Bench> edited);

  /// A run has ended, and that is in the store: the studies that its cell belongs to may have a new rate test. Any thread.
  void run_finished(const std::string& run);

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace cambench::jobs
