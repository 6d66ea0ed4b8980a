// Rows for the tests of the store, and a folder to keep them in.
#pragma once
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "daemon/store/store.h"

namespace cambench::test {

/// A folder of its own for a test, removed at its end.
struct Folder {
  std::filesystem::path path;
  explicit Folder(const std::filesystem::path& where = std::filesystem::temp_directory_path()) {
    std::string name = (where / "cambench-store-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path file() const { return path / "bench.sqlite"; }
};

/// Where files cost no disk, for tests whose disk is a make-believe one.
inline std::filesystem::path in_memory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
}

inline store::RunRow a_run(const std::string& id) {
  return {.id = id,
          .station = "A1",
          .recipe = "rate-test-3e",
          .recipe_hash = "ab",
          .recipe_text = "{}",
          .cell = "R-uncoated",
          .cell_json = "{}",
          .material = "ncm-uncoated",
          .who = "anna",
          .one_C = from_mA(1.608),
          .phase = "queued",
          .time_scale = 1,
          .started = WallTime(std::chrono::hours(1))};
}

/// One a second, of a charge at 0.1 C.
inline store::SampleRow a_sample(const std::string& run, std::int64_t seq, double volt = 3.0) {
  store::SampleRow row{
      .run = run, .seq = seq, .test_time = Seconds(static_cast<double>(seq)), .cycle = 1, .sample = {}};
  row.sample.step_time = row.test_time;
  row.sample.we_vs_re = Volt(volt);
  row.sample.cell = Volt(volt - 0.3);
  row.sample.current = from_mA(0.1608);
  row.sample.at = {Instant(std::chrono::seconds(seq)), WallTime(std::chrono::seconds(seq))};
  return row;
}

inline store::PressureRow a_pressure(const std::string& station, const std::string& run,
                                     std::int64_t second) {
  PressureSample sample{MegaPascal(50), MegaPascal(50), "", {}};
  sample.at = {Instant(std::chrono::seconds(second)), WallTime(std::chrono::seconds(second))};
  return {station, run, Seconds(static_cast<double>(second)), sample};
}

inline store::EventRow an_event(const std::string& run, const std::string& kind, std::int64_t second = 0) {
  return {.run = run,
          .station = "A1",
          .kind = kind,
          .step = 0,
          .reason = {},
          .cause = {},
          .text = "",
          .who = {},
          .elapsed = Seconds(0),
          .test_time = Seconds(static_cast<double>(second)),
          .at = {Instant(std::chrono::seconds(second)), WallTime(std::chrono::seconds(second))}};
}

inline Result<void> committed(store::Store& store, std::vector<store::Row> rows) {
  std::promise<Result<void>> promise;
  store.commit(std::move(rows), [&](Result<void> kept) { promise.set_value(kept); });
  return promise.get_future().get();
}

}  // namespace cambench::test
