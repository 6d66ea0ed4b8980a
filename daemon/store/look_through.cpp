#include "daemon/store/look_through.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <utility>

#include "daemon/store/database.h"

namespace cambench::store {

class LookThrough::Interruptible {
 public:
  Interruptible(LookThrough& looking, sqlite3* handle) : looking_(looking) { set(handle); }
  ~Interruptible() { set(nullptr); }
  Interruptible(const Interruptible&) = delete;

 private:
  void set(sqlite3* handle) {
    const std::lock_guard guard(looking_.mutex_);
    looking_.open_ = handle;
  }
  LookThrough& looking_;
};

LookThrough::LookThrough(std::filesystem::path file, std::function<void(const std::string&)> on_damage)
    : thread_([this, path = std::move(file), told = std::move(on_damage)] { look(path, told); }) {}

LookThrough::~LookThrough() {
  stop_ = true;
  {
    const std::lock_guard guard(mutex_);
    if (open_) sqlite3_interrupt(open_);
  }
  thread_.join();
}

void LookThrough::look(const std::filesystem::path& file,
                       const std::function<void(const std::string&)>& on_damage) {
  std::string said;
  try {
    Database database(file, Database::Mode::read_only);
    const Interruptible as_long_as_it_is_open(*this, database.handle());
    if (!stop_) said = database.text("PRAGMA quick_check(1)");
  } catch (const StoreError& error) {
    said = error.what();
  }
  clean_ = said == "ok";
  if (clean_ || stop_) return;
  on_damage(fmt::format("{}: the database is damaged ({}); keep the file and restore a backup", file.string(),
                        said));
}

}  // namespace cambench::store
