#include "daemon/http/store_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace cambench::http {

namespace {

constexpr off_t largest_result = 64 << 20;

// A plain file and nothing else: a link could lead anywhere.
std::optional<std::string> read_plain_file(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return std::nullopt;
  struct stat info {};
  std::optional<std::string> bytes;
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= largest_result) {
    bytes.emplace(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t got = 0;
    for (ssize_t more = 1; more > 0 && got < bytes->size();
         got += static_cast<std::size_t>(std::max<ssize_t>(0, more)))
      more = read(file, bytes->data() + got, bytes->size() - got);
    bytes->resize(got);
  }
  close(file);
  return bytes;
}

class StoreArchive final : public Archive {
 public:
  explicit StoreArchive(const config::Bench& bench) : reader_(bench.store) {
    if (bench.drop) results_ = bench.drop->results;
  }

  std::vector<store::StoredRun> runs(int limit, const std::string& before) override {
    return reader_.runs(limit, before);
  }
  std::optional<store::StoredRun> run(const std::string& id) override { return reader_.run(id); }
  std::vector<store::StoredRun> runs_of_station(const std::string& station, WallTime from,
                                                WallTime to) override {
    return reader_.runs_of_station(station, from, to);
  }
  std::vector<store::StoredEvent> events(std::int64_t since, int limit) override {
    return reader_.events(since, limit);
  }
  std::int64_t last_event() override { return reader_.last_event(); }
  std::vector<store::SampleRow> samples(const std::string& run, std::int64_t after,
                                        std::int64_t limit) override {
    return reader_.samples(run, after, limit);
  }
  std::int64_t last_seq(const std::string& run) override { return reader_.last_seq(run); }
  std::vector<store::StoredEvent> events_of(const std::string& run, std::int64_t since, int limit) override {
    return reader_.events_of(run, since, limit);
  }
  std::vector<store::StoredTrip> trips(const std::string& run) override { return reader_.trips(run); }
  std::vector<store::StoredStep> steps(const std::string& run) override { return reader_.steps(run); }
  std::vector<store::SeriesPoint> series(const std::string& run, double from_s, double to_s,
                                         std::size_t max_points) override {
    return reader_.series(run, from_s, to_s, max_points);
  }
  std::vector<store::SeriesPoint> series(const std::string& run, WallTime from, WallTime to,
                                         std::size_t max_points) override {
    return reader_.series(run, from, to, max_points);
  }
  std::vector<store::PressurePoint> pressures_of_run(const std::string& run, std::size_t max_points,
                                                     store::Reader::Sensor sensor) override {
    return reader_.pressures_of_run(run, max_points, sensor);
  }
  std::vector<store::PressurePoint> pressures(const std::string& station, WallTime from, WallTime to,
                                              std::size_t max_points) override {
    return reader_.pressures(station, from, to, max_points);
  }
  std::vector<store::StoredAlarm> alarms(int limit, std::int64_t before) override {
    return reader_.alarms(limit, before);
  }
  std::vector<store::StoredAct> audit(int limit, std::int64_t before) override {
    return reader_.audit(limit, before);
  }
  Result<RunFile> run_file(const std::string& run, exports::Format format,
                           const std::string& licence) override {
    try {
      const auto facts = std::make_shared<const exports::RunFacts>(exports::facts_of(reader_, run));
      return RunFile{
          exports::file_name(*facts, format),
          [facts, pieces = exports::export_run(reader_, *facts, format, licence)] { return pieces(); }};
    } catch (const store::StoreError&) {
      throw;
    } catch (const std::runtime_error& trouble) {
      return fail(Fault::Kind::refused, trouble.what());
    }
  }
  std::optional<store::StoredScore> score(const std::string& study) override {
    return reader_.last_score(study);
  }
  std::optional<std::string> result_file(const std::string& study, const std::string& name) override {
    if (results_.empty()) return std::nullopt;
    return read_plain_file(results_ / study / name);
  }

 private:
  store::Reader reader_;
  std::filesystem::path results_;
};

}  // namespace

std::unique_ptr<Archive> open_archive(const config::Bench& bench) {
  return std::make_unique<StoreArchive>(bench);
}

}  // namespace cambench::http
