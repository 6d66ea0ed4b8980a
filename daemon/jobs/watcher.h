// The drop folder, watched: inotify says that something happened, a scan every `poll` finds what network shares do not
// tell, and DropFolder decides what has settled. A thread of its own.
//
// Of writers on this host, a file server that serves the folder among them, inotify tells more: a file that was written
// to since it was last closed has not settled, however long its writer pauses (DropFolder: longest_pause).
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/jobs/drop_folder.h"

namespace cambench::jobs {

/// What is new after a scan.
struct Sighting {
  std::vector<Delivery> deliveries;
  std::vector<Ahead> ahead;
  std::map<std::string, std::vector<std::string>> arriving;  ///< per study: files that still move
  std::vector<std::string> strays;                           ///< files beside the studies
  std::map<std::string, std::string> unreadable;  ///< studies that could not be read as a whole, and why
  std::string trouble;  ///< why the folder could not be read; then nothing else is said
};

class Watcher {
 public:
  /// `tell` is called on the watcher's thread whenever a sighting differs from the one before, deliveries each once.
  /// The folder is made when it is not there: as soon as it can be, and once. Until then it is a trouble.
  Watcher(std::filesystem::path folder, Seconds settle, Seconds poll, std::function<void(Sighting)> tell);
  ~Watcher();
  Watcher(const Watcher&) = delete;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace cambench::jobs
