// The drop folder in action: spectra land, scores are in the store and in the results folder, once. Events are waited
// for, never times.
#include "daemon/jobs/jobs.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/store/reader.h"
#include "drivers/sim/tof_sims.h"
#include "schema/sha256.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/daemon/disk.h"

using namespace cambench;
using namespace cambench::jobs;
using cambench::test::Disk;
namespace fs = std::filesystem;

namespace {

struct Bench {
  fs::path path;
  config::Bench bench;

  Bench() {
    std::string name = (fs::temp_directory_path() / "cambench-jobs-XXXXXX").string();
    path = ::mkdtemp(name.data());
    bench = config::parse(R"(
[bench]
name = "test"
[store]
path = "state/cambench.sqlite"
[http]
listen = "127.0.0.1:8870"
control = "control.sock"
[drop]
path = "drop"
settle_s = 0.1
poll_s = 0.5
results = "results"
[[station]]
name = "A1"
  [station.press]
  driver = "modbus"
  port = "tcp://127.0.0.1:1502"
  map = "generic-press"
  simulated = true
[[material]]
id = "ncm-uncoated"
name = "NCM uncoated"
coating = "none"
amount_wt_percent = 0.0
reference = true
[[material]]
id = "ncm-linbo3"
name = "NCM LiNbO3"
coating = "LiNbO3"
amount_wt_percent = 1.0
[[study]]
id = "coatings"
title = "Coatings for NCM"
materials = ["ncm-uncoated", "ncm-linbo3"]
cells = []
)",
                          path / "bench.toml");
    bench.drop->settle = Seconds(0.03);  // shorter than a person may configure
  }
  ~Bench() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }

  [[nodiscard]] fs::path sample(const std::string& below) const { return path / "drop" / "coatings" / below; }

  void land(int regions = 2) const {
    sim::SimsStudy study;
    study.regions = regions;
    study.pixels = 16;
    study.materials = {"ncm-uncoated", "ncm-linbo3"};
    sim::write_sims_study(path / "drop", study);
  }
  /// Moves a sample away and back, as if it came later.
  void take_away(const std::string& below) const {
    fs::create_directories(path / "elsewhere");
    fs::rename(sample(below), path / "elsewhere" / "sample");
  }
  void bring_back(const std::string& below) const {
    fs::rename(path / "elsewhere" / "sample", sample(below));
  }
};

/// What is shown, and a wait for it.
class Board {
 public:
  Jobs::Show show() {
    return [this](Seen seen) {
      const std::lock_guard guard(mutex_);
      seen_ = std::move(seen);
      history_.push_back(seen_);
      changed_.notify_all();
    };
  }

  template <typename Test>
  Seen wait_until(Test test) {
    std::unique_lock guard(mutex_);
    const bool in_time = changed_.wait_for(guard, std::chrono::seconds(20), [&] {
      return !seen_.studies.empty() && test(std::as_const(seen_));
    });
    REQUIRE_MESSAGE(in_time,
                    "last seen: ", seen_.studies.empty() ? "nothing" : to_json(seen_.studies.front()));
    return seen_;
  }
  template <typename Test>
  status::Study wait_for(Test test) {
    return wait_until([&](const Seen& seen) { return test(seen.studies.front()); }).studies.front();
  }
  /// What was shown when this was so, now or earlier: it may be over in a moment.
  template <typename Test>
  Seen ever(Test test) {
    std::unique_lock guard(mutex_);
    auto found = history_.end();
    const bool in_time = changed_.wait_for(guard, std::chrono::seconds(20), [&] {
      found = std::ranges::find_if(history_, test);
      return found != history_.end();
    });
    REQUIRE(in_time);
    return *found;
  }
  /// Whether a job is in this state.
  bool any_job(std::string_view state) {
    const std::lock_guard guard(mutex_);
    return std::ranges::count(seen_.jobs, state, &status::Job::state) > 0;
  }
  /// All that was shown so far.
  std::vector<Seen> history() {
    const std::lock_guard guard(mutex_);
    return history_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Seen seen_;
  std::vector<Seen> history_;
};

auto version(std::int64_t n) {
  return [n](const status::Study& study) { return study.version == n && study.state == "scored"; };
}

auto says(std::string words) {
  return [words = std::move(words)](const status::Study& study) {
    return study.text.find(words) != std::string::npos;
  };
}

std::string file_bytes(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// As a client of a share writes that sets the size first: all of the file is there, what follows `written` is zeros.
void allocate(const fs::path& file, const std::string& bytes, std::size_t written) {
  std::ofstream(file, std::ios::binary)
      << bytes.substr(0, written) << std::string(bytes.size() - written, '\0');
}
/// The same writer goes on.
void go_on(const fs::path& file, const std::string& bytes, std::size_t from, std::size_t to) {
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(from));
  out << bytes.substr(from, to - from);
}

/// Two spots of each sample as BIF6: total, sum of rest and five peaks that depend on the sample.
std::map<fs::path, std::string> stacks(const Bench& bench) {
  std::map<fs::path, std::string> files;
  for (std::uint32_t sample = 0; sample < 3; ++sample)
    for (std::uint32_t spot = 0; spot < 2; ++spot) {
      std::vector<tests::Bif6Image> images{{0, 0, 150, 300, std::vector<std::uint32_t>(64, 1000)},
                                           {1, 0, 150, 300, std::vector<std::uint32_t>(64, 100)}};
      for (std::uint32_t peak = 0; peak < 5; ++peak) {
        const float mass = std::array{15.995F, 31.973F, 78.959F, 79.957F, 89.926F}[peak];
        images.push_back(
            {2 + peak, mass - 0.03F, mass, mass + 0.03F,
             std::vector<std::uint32_t>(64, 20 + 10 * peak + 7 * peak * sample + 3 * spot * peak)});
      }
      const auto* below =
          std::array{"ncm-uncoated/uncycled", "ncm-uncoated/cycled", "ncm-linbo3/cycled"}[sample];
      files[bench.sample(below) / fmt::format("spot {}.bif6", spot)] = tests::write_bif6(8, 8, images);
    }
  return files;
}

}  // namespace

TEST_CASE("spectra land, and the study is scored, stored and written once") {
  const Bench bench;
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(says("waits for spectra in"));
  bench.land();
  const auto study = board.wait_for(version(1));
  CHECK(study.title == "Coatings for NCM");
  CHECK(study.problems.empty());
  CHECK(study.materials.size() == 2);
  CHECK(study.text == "scored from 6 spots and 0 rate tests");
  store::Reader reader(bench.bench.store);
  const auto score = reader.last_score("coatings");
  REQUIRE(score);
  CHECK(score->version == 1);
  CHECK(file_bytes(bench.path / "results" / "coatings" / "scores.json") == score->row.result_json);
  REQUIRE(reader.jobs().size() == 1);
  CHECK(reader.jobs()[0].state == "done");
}

TEST_CASE("a job counts the spots that it has read, and ends with what came of it in their place") {
  const Bench bench;
  bench.land();
  store::Store store(bench.bench.store);
  Board board;
  {
    const Jobs jobs(bench.bench, store, board.show());
    board.wait_for(version(1));
  }
  std::vector<std::string> told;  // of the job, each once
  for (const auto& seen : board.history()) {
    if (seen.jobs.empty()) continue;
    REQUIRE(seen.jobs.size() == 1);
    const auto& job = seen.jobs[0];
    CHECK((job.study == "coatings" && job.what == "score" && job.started));
    CHECK(job.finished.has_value() == (job.state == "done"));
    if (job.state == "running") CHECK(seen.studies[0].state == "scoring");
    auto words = fmt::format("{} {:.2f} {}", job.state, job.progress, job.text);
    if (told.empty() || told.back() != words) told.push_back(std::move(words));
  }
  CHECK(told == std::vector<std::string>{"running 0.00 ", "running 0.15 read 1 of 6 spots",
                                         "running 0.30 read 2 of 6 spots", "running 0.45 read 3 of 6 spots",
                                         "running 0.60 read 4 of 6 spots", "running 0.75 read 5 of 6 spots",
                                         "running 0.90 read 6 of 6 spots",
                                         "done 1.00 scored from 6 spots and 0 rate tests"});
  Status document;
  document.jobs = board.history().back().jobs;
  CHECK(to_json(document).find("\"state\":\"done\",\"progress\":1,\"text\":\"scored from 6 spots") !=
        std::string::npos);
  CHECK(to_json(document).find("read 6 of 6") == std::string::npos);
}

TEST_CASE("scores that cannot be recorded are a job that has failed, not one that runs for ever") {
  const Bench bench;
  Disk disk;
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(says("waits for spectra in"));
  disk.read_only = true;
  bench.land();
  const auto failed = board.wait_for([](const auto& study) { return study.state == "failed"; });
  CHECK_MESSAGE(failed.text.find("disk") != std::string::npos, failed.text);
  board.wait_until([](const Seen& seen) { return seen.jobs.front().state == "failed"; });
}

TEST_CASE("half a study waits, and is scored again when more lands") {
  const Bench bench;
  bench.land();
  bench.take_away("ncm-uncoated/uncycled");
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(says("waits for spectra of NCM uncoated, uncycled"));
  CHECK_FALSE(store::Reader(bench.bench.store).last_score("coatings"));
  CHECK(board.any_job("waiting"));
  bench.bring_back("ncm-uncoated/uncycled");
  board.wait_for(version(1));
  CHECK_FALSE(board.any_job("waiting"));  // the job that has scored it takes its place
  bench.land(3);
  board.wait_for(version(2));
  CHECK(store::Reader(bench.bench.store).scores("coatings").size() == 2);
}

TEST_CASE("after a restart the scores are there at once, and nothing is scored that was scored before") {
  const Bench bench;
  bench.land();
  {
    store::Store store(bench.bench.store);
    Board board;
    const Jobs jobs(bench.bench, store, board.show());
    board.wait_for(version(1));
  }
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  CHECK(board.wait_for([](const auto&) { return true; }).version == 1);
  board.wait_for(says("nothing new: scored from 6 spots"));
  CHECK(store::Reader(bench.bench.store).scores("coatings").size() == 1);
  CHECK(store::Reader(bench.bench.store).jobs().size() == 1);
}

TEST_CASE("spots are read while the rest of their study still arrives, and scored once when it has") {
  const Bench bench;
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  const auto slow_copy = [&](const std::stop_token& ending) {
    fs::create_directories(bench.sample("ncm-linbo3/cycled/late"));
    for (int bytes = 1; !ending.stop_requested(); ++bytes) {  // never still for the settling time
      std::ofstream(bench.sample("ncm-linbo3/cycled/late/S (0) - total.txt"))
          << std::string(std::size_t(bytes), ' ');
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  };
  {
    const std::jthread copier(slow_copy);
    bench.land();
    board.wait_for(says("spots read so far"));
    CHECK_FALSE(store::Reader(bench.bench.store).last_score("coatings"));
  }
  fs::remove_all(bench.sample("ncm-linbo3/cycled/late"));
  const auto study = board.wait_for(version(1));
  CHECK(study.text == "scored from 6 spots and 0 rate tests");
  CHECK(store::Reader(bench.bench.store).scores("coatings").size() == 1);
}

TEST_CASE("a spot that stays incomplete is waited for, and then left out by name") {
  const Bench bench;
  bench.land(3);
  for (const auto& entry : fs::directory_iterator(bench.sample("ncm-linbo3/cycled")))
    if (entry.path().string().ends_with(" - PO_3-.txt")) {
      fs::remove(entry.path());
      break;
    }
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(says("waits a moment for the rest"));
  const auto study = board.wait_for(version(1));
  REQUIRE(study.problems.size() == 1);
  CAPTURE(study.problems[0]);
  CHECK(study.problems[0].find("lacks PO3-") != std::string::npos);
  CHECK(study.text == "scored from 8 spots and 0 rate tests");
}

TEST_CASE(
    "a file that has its size before its content is named, and read by itself when its writer goes on") {
  const Bench bench;
  bench.land();
  const auto total = [&] {
    for (const auto& entry : fs::directory_iterator(bench.sample("ncm-linbo3/cycled")))
      if (entry.path().string().ends_with("_01 (0) - total.txt")) return entry.path();
    return fs::path();
  }();
  const auto bytes = file_bytes(total);
  allocate(total, bytes, bytes.size() / 3);
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  const auto waiting = board.ever([](const Seen& seen) {
    return !seen.jobs.empty() && seen.jobs.front().state == "waiting" &&
           seen.jobs.front().text == "waits a moment for the rest of a measurement that is not complete";
  });
  REQUIRE(waiting.studies.front().problems.size() == 1);
  CHECK(waiting.studies.front().problems[0].find(total.filename().string()) != std::string::npos);
  board.wait_for(says("scored from 5 spots"));  // its writer pauses for longer than anybody waits
  go_on(total, bytes, bytes.size() / 3, bytes.size() / 2);
  board.ever([](const Seen& seen) { return seen.studies.front().text == "1 file arriving"; });
  go_on(total, bytes, bytes.size() / 2, bytes.size());
  const auto study = board.wait_for(says("scored from 6 spots"));
  CHECK(study.problems.empty());
  CHECK(store::Reader(bench.bench.store).last_score("coatings")->row.result_json.find(sha256_hex(bytes)) !=
        std::string::npos);
}

TEST_CASE(
    "half an image that nobody can tell from a dark one is scored again, as what it is, when its writer goes "
    "on") {
  const Bench bench;
  const auto files = stacks(bench);
  for (const auto& [file, bytes] : files) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  const auto& [late, bytes] = *files.begin();
  const auto half = bytes.size() - 4 * 32;  // of the last image
  allocate(late, bytes, half);
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(version(1));
  const auto result = [&] {
    return store::Reader(bench.bench.store).last_score("coatings")->row.result_json;
  };
  CHECK(result().find(sha256_hex(bytes)) == std::string::npos);
  go_on(late, bytes, half, bytes.size());
  const auto study = board.wait_for(version(2));
  CHECK(study.text == "scored from 6 spots and 0 rate tests");
  CHECK(result().find(sha256_hex(bytes)) != std::string::npos);
}

TEST_CASE("a study that cannot be compared fails with a sentence, and recovers when it is mended") {
  const Bench bench;
  bench.land();
  fs::remove_all(bench.sample("ncm-linbo3"));
  sim::SimsStudy other;
  other.regions = 4;  // as many as the others together: neither image size is that of most spots
  other.pixels = 8;
  other.uncycled = false;
  other.materials = {"ncm-linbo3"};
  sim::write_sims_study(bench.path / "drop", other);
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  const auto failed = board.wait_for([](const auto& study) { return study.state == "failed"; });
  CHECK(failed.text.find("pixels") != std::string::npos);
  REQUIRE(store::Reader(bench.bench.store).jobs().size() == 1);
  CHECK(store::Reader(bench.bench.store).jobs()[0].state == "failed");
  fs::remove_all(bench.sample("ncm-linbo3"));
  bench.land();
  board.wait_for(version(1));
}

TEST_CASE("a change of study.toml scores the study again, and a mistake in it is told and recovers") {
  const Bench bench;
  bench.land();
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(version(1));
  const auto set = [&](const std::string& text) {
    std::ofstream(bench.path / "study.toml.part") << text;
    fs::rename(bench.path / "study.toml.part", bench.sample("study.toml"));
  };
  set("[scoring.degradation]\nvalues = \"plain\"\n");
  board.wait_for(version(2));
  const auto files = [&] { return store::Reader(bench.bench.store).last_score("coatings")->row.settings; };
  CHECK(files().find("\"values in eq. 1\":\"plain normalised\"") != std::string::npos);
  set("[scoring.degradation]\nvalues = \"plane\"\n");
  const auto failed = board.wait_for([](const auto& study) { return study.state == "failed"; });
  CHECK(failed.text.find("study.toml:2:10: scoring.degradation.values: expected \"max_scaled\"") !=
        std::string::npos);
  CHECK(failed.version == 2);  // the scores that are there stay
  set("[scoring]\nnormalisation = \"reference_ion\"\n");
  board.wait_for(version(3));
  CHECK(files().find("\"normalisation of the scores\":\"reference ion\"") != std::string::npos);
}

TEST_CASE("two thousand files that land at once are one scoring") {
  const Bench bench;
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  sim::SimsStudy study;
  study.regions = 14;
  study.pixels = 8;
  study.materials = {"ncm-uncoated", "ncm-linbo3"};
  sim::write_sims_study(bench.path / "elsewhere", study);
  CHECK(std::ranges::distance(fs::recursive_directory_iterator(bench.path / "elsewhere")) > 1800);
  fs::create_directories(bench.path / "drop");
  fs::rename(bench.path / "elsewhere" / "coatings", bench.path / "drop" / "coatings");
  const auto scored = board.wait_for(version(1));
  CHECK(scored.text == "scored from 42 spots and 0 rate tests");
  CHECK(scored.problems.empty());
  CHECK(store::Reader(bench.bench.store).scores("coatings").size() == 1);
}

TEST_CASE("a region that is renamed, and a file that is replaced, are scored as what they are now") {
  const Bench bench;
  bench.land();
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(version(1));
  const auto folder = bench.sample("ncm-linbo3/cycled");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  for (const auto& file : files) {  // "..._01 (0) - total.txt" becomes "other (0) - total.txt"
    const auto name = file.filename().string();
    if (const auto at = name.find("_01 ("); at != std::string::npos)
      fs::rename(file, folder / ("other" + name.substr(at + 3)));
  }
  board.wait_for(version(2));
  const auto result = [&] {
    return store::Reader(bench.bench.store).last_score("coatings")->row.result_json;
  };
  CHECK(result().find("\"region\":\"other\"") != std::string::npos);
  const auto before = result();
  const auto total = folder / "other (0) - total.txt";
  const auto bytes = file_bytes(total);
  fs::rename(folder / "other (2) - O-.txt", total);  // another image of the same size, in one step
  std::ofstream(folder / "other (2) - O-.txt", std::ios::binary) << bytes;
  board.wait_for(version(3));
  CHECK(result() != before);
}

TEST_CASE(
    "a file that is replaced under its old size and time is noticed, and the report names the new content") {
  const Bench bench;
  bench.land();
  store::Store store(bench.bench.store);
  Board board;
  const Jobs jobs(bench.bench, store, board.show());
  board.wait_for(version(1));
  std::vector<fs::path> totals;
  for (const auto& entry : fs::directory_iterator(bench.sample("ncm-linbo3/cycled")))
    if (entry.path().string().ends_with(" - total.txt")) totals.push_back(entry.path());
  auto bytes = file_bytes(totals.at(0));
  const auto digit = bytes.find_last_of("0123456789");
  bytes[digit] = bytes[digit] == '7' ? '8' : '7';
  const auto time = fs::last_write_time(totals[0]);
  const auto beside = bench.path / "drop" / "new.part";
  std::ofstream(beside, std::ios::binary) << bytes;
  fs::last_write_time(beside, time);
  fs::rename(beside, totals[0]);
  board.wait_for(version(2));
  CHECK(fs::last_write_time(totals[0]) == time);
  const auto report = file_bytes(bench.path / "results" / "coatings" / "report.html");
  CHECK(report.find(sha256_hex(bytes)) != std::string::npos);
}

TEST_CASE("a folder that no study is configured for, and a stray file, are named") {
  const Bench bench;
  fs::create_directories(bench.path / "drop" / "unknown" / "a");
  std::ofstream(bench.path / "drop" / "unknown" / "a" / "x.txt") << "1";
  std::ofstream(bench.path / "drop" / "stray.txt") << "1";
  store::Store store(bench.bench.store);
  Board board;
  std::mutex mutex;
  std::condition_variable changed;
  Seen last;
  const Jobs jobs(bench.bench, store, [&](Seen seen) {
    const std::lock_guard guard(mutex);
    last = std::move(seen);
    changed.notify_all();
  });
  std::unique_lock guard(mutex);
  REQUIRE(changed.wait_for(guard, std::chrono::seconds(20), [&] {
    return last.studies.size() == 2 && last.studies[1].text.find("no study called unknown") == 0;
  }));
  CHECK(last.studies[0].problems ==
        std::vector<std::string>{"stray.txt: belongs to no study; put it below a study's folder"});
}

TEST_CASE("a daemon that is killed while it scores scores after all, once") {
  for (int round = 0; round < 4; ++round) {
    const Bench bench;
    bench.land();
    int told[2];
    REQUIRE(::pipe(told) == 0);
    const pid_t child = ::fork();
    if (child == 0) {  // says what its first study is in, until it is killed
      store::Store store(bench.bench.store);
      const Jobs jobs(bench.bench, store, [&](const Seen& seen) {
        const char state = seen.studies.front().state == "scoring" ? 's'
                           : seen.studies.front().version > 0      ? 'd'
                                                                   : 'w';
        (void)!::write(told[1], &state, 1);
      });
      ::pause();
    }
    // Killed at its first word, in the midst of reading, or when it has just finished.
    ::close(told[1]);
    char state = 0;
    for (int words = 0; words < 1 + 3 * round && state != 'd'; ++words)
      REQUIRE(::read(told[0], &state, 1) == 1);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(told[0]);
    store::Store store(bench.bench.store);
    Board board;
    const Jobs jobs(bench.bench, store, board.show());
    board.wait_for(
        [](const auto& study) { return study.text.find("scored from 6 spots") != std::string::npos; });
    store::Reader reader(bench.bench.store);
    REQUIRE(reader.scores("coatings").size() == 1);
    CHECK(file_bytes(bench.path / "results" / "coatings" / "scores.json") ==
          reader.last_score("coatings")->row.result_json);
  }
}
