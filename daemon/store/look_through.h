// Looks through a whole database for damage, on a thread of its own, while the store already works with it.
#pragma once
#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

struct sqlite3;

namespace cambench::store {

class LookThrough {
 public:
  /// `on_damage` is called on the looking thread, at most once, with what was found.
  LookThrough(std::filesystem::path file, std::function<void(const std::string&)> on_damage);
  ~LookThrough();  ///< ends the looking, wherever it is
  LookThrough(const LookThrough&) = delete;

  [[nodiscard]] bool found_nothing() const { return clean_; }  ///< false also as long as it looks

 private:
  void look(const std::filesystem::path& file, const std::function<void(const std::string&)>& on_damage);

  class Interruptible;

  std::atomic<bool> stop_ = false, clean_ = false;
  std::mutex mutex_;  // of the one below
  sqlite3* open_ = nullptr;
  std::thread thread_;
};

}  // namespace cambench::store
