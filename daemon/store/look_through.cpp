#include "daemon/store/look_through.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <utility>

#include "daemon/store/database.h"

namespace cambench::store {

namespace {

constexpr int steps_between_asking = 20'000;  // of SQLite's machine: well below a millisecond

int asked_to_stop(void* stop) { return static_cast<std::atomic<bool>*>(stop)->load() ? 1 : 0; }

}  // namespace

LookThrough::LookThrough(std::filesystem::path file, std::function<void(const std::string&)> on_damage)
    : thread_([this, path = std::move(file), told = std::move(on_damage)] { look(path, told); }) {}

LookThrough::~LookThrough() {
  stop_ = true;
  thread_.join();
}

void LookThrough::look(const std::filesystem::path& file,
                       const std::function<void(const std::string&)>& on_damage) {
  std::string said;
  try {
    Database database(file, Database::Mode::read_only);
    sqlite3_progress_handler(database.handle(), steps_between_asking, asked_to_stop, &stop_);
    said = database.text("PRAGMA quick_check(1)");
  } catch (const StoreError& error) {
    said = error.what();
  }
  clean_ = said == "ok";
  if (clean_ || stop_) return;
  on_damage(fmt::format("{}: the database is damaged ({}); keep the file and restore a backup", file.string(),
                        said));
}

}  // namespace cambench::store
