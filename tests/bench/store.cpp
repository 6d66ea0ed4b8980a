// What the store costs, beside bare SQLite with the same rows on the same disk.
//
//   bench_store [samples=10000000] [folder=the current one]
//
// Durable means fdatasync: the figures are those of the disk below the folder, so only ratios carry over.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

#include "daemon/store/database.h"
#include "daemon/store/migrations.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"

using namespace cambench;
using namespace cambench::store;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) { return Seconds(Clock::now() - start).count(); }

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Folder {
  fs::path path;
  explicit Folder(const fs::path& where) {
    auto name = (where / "cambench-bench-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
};

std::string run_name(int number) { return fmt::format("r{:06}", number); }

RunRow a_run(int number) {
  RunRow row;
  row.id = run_name(number);
  row.station = fmt::format("A{}", number);
  row.recipe = "rate-test-3e";
  row.phase = "running";
  return row;
}

SampleRow a_sample(const std::string& run, std::int64_t seq) {
  SampleRow row{
      .run = run, .seq = seq, .test_time = Seconds(static_cast<double>(seq)), .cycle = 1, .sample = {}};
  const double t = static_cast<double>(seq);
  row.sample.step = static_cast<std::uint32_t>(seq / 20'000);
  row.sample.step_time = Seconds(static_cast<double>(seq % 20'000));
  row.sample.we_vs_re = Volt(3.4 + 0.3 * std::sin(t / 9000));
  row.sample.cell = Volt(3.1 + 0.3 * std::sin(t / 9000));
  row.sample.current = Ampere(0.16e-3);
  row.sample.current_set = Ampere(0.16e-3);
  row.sample.at = {Instant(std::chrono::seconds(seq)), WallTime(std::chrono::seconds(seq))};
  return row;
}

struct Rate {
  double rows_per_second = 0, cpu_us = 0;  ///< of wall time; of a row, all threads together
};

/// `groups` transactions of `size` rows over 64 runs, straight into the table.
Rate bare_rate(const fs::path& file, int groups, int size) {
  Database database(file, Database::Mode::read_write);
  database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000");
  migrate(database);
  Statement insert(database, "INSERT INTO sample VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)");
  std::vector<std::int64_t> seq(64);
  const double cpu = cpu_seconds();
  const auto start = Clock::now();
  for (int group = 0; group < groups; ++group) {
    Transaction transaction(database);
    for (int i = 0; i < size; ++i) {
      const auto channel = static_cast<std::size_t>(i) % 64;
      const SampleRow row = a_sample(run_name(static_cast<int>(channel)), ++seq[channel]);
      const Sample& s = row.sample;
      insert.bind(1, row.run).bind(2, row.seq).bind(3, row.test_time.count()).bind(4, std::int64_t{s.step});
      insert.bind(5, std::int64_t{row.cycle}).bind(6, s.step_time.count()).bind(7, s.we_vs_re->value());
      insert.bind(8, s.cell->value()).bind(9, s.current->value()).bind(10, s.current_set->value());
      insert.bind(11, std::int64_t{s.status}).bind(12, row.seq).bind(13, row.seq).run();
    }
    transaction.commit();
  }
  return {groups * size / seconds_since(start), 1e6 * (cpu_seconds() - cpu) / (groups * size)};
}

Rate store_rate(const fs::path& file, int groups, int size) {
  Store store(file, {.every = std::chrono::hours(1)});
  std::vector<Row> runs;
  for (int i = 0; i < 64; ++i) runs.push_back(a_run(i));
  store.commit(std::move(runs), [](const Result<void>&) {});
  if (!store.flush()) return {};
  std::vector<std::int64_t> seq(64);
  const auto start = Clock::now();
  const double cpu = cpu_seconds();
  for (int group = 0; group < groups; ++group) {
    for (int i = 0; i < size; ++i) {
      const auto channel = static_cast<std::size_t>(i) % 64;
      (void)store.append(a_sample(run_name(static_cast<int>(channel)), ++seq[channel]));
    }
    (void)store.flush();
  }
  return {groups * size / seconds_since(start), 1e6 * (cpu_seconds() - cpu) / (groups * size)};
}

/// In turns, and the middle of many rounds: the machine is never quiet. Processor time is what the store itself costs.
void beside_bare(const fs::path& where) {
  std::vector<double> rates, cpus;
  for (int round = 0; round < 9; ++round) {
    const Folder folder(where);
    const Rate bare = bare_rate(folder.path / "bare.sqlite", 300, 1000);
    const Rate ours = store_rate(folder.path / "store.sqlite", 300, 1000);
    rates.push_back(100 * ours.rows_per_second / bare.rows_per_second);
    cpus.push_back(100 * bare.cpu_us / ours.cpu_us);
    fmt::print(
        "1000 rows a commit: bare SQLite {:.0f} rows/s and {:.2f} us of processor a row, the store {:.0f} "
        "and {:.2f}: {:.0f} %, {:.0f} % by processor time\n",
        bare.rows_per_second, bare.cpu_us, ours.rows_per_second, ours.cpu_us, rates.back(), cpus.back());
  }
  std::ranges::sort(rates), std::ranges::sort(cpus);
  fmt::print("in the middle {:.0f} % of the rows a second ({:.0f} to {:.0f}), {:.0f} % by processor time\n",
             rates[rates.size() / 2], rates.front(), rates.back(), cpus[cpus.size() / 2]);
}

void charts(const fs::path& file, std::int64_t samples) {
  {
    Store store(file, {.queue = 1'000'000, .group = 50'000});
    store.commit({a_run(1)}, [](const Result<void>&) {});
    for (std::int64_t seq = 1; seq <= samples; ++seq) {
      if (seq % 100'000 == 0) (void)store.flush();
      (void)store.append(a_sample(run_name(1), seq));
    }
  }
  fmt::print("{} samples: {} MB, {:.0f} bytes a sample\n", samples, fs::file_size(file) / 1'000'000,
             static_cast<double>(fs::file_size(file)) / static_cast<double>(samples));
  auto start = Clock::now();
  { Store store(file); }
  fmt::print("opened after an orderly end in {:.0f} ms", 1e3 * seconds_since(start));
  fs::remove(file.string() + ".lock");
  start = Clock::now();
  { Store store(file); }
  fmt::print(", with a check after a crash in {:.0f} ms\n", 1e3 * seconds_since(start));

  Reader reader(file);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> place(0, static_cast<double>(samples));
  std::vector<double> took_ms;
  std::size_t most = 0;
  for (int i = 0; i < 500; ++i) {
    double from = place(random), to = place(random);
    if (i % 2 == 0) from = 0, to = static_cast<double>(samples);
    const auto asked = Clock::now();
    most = std::max(most, reader.series(run_name(1), std::min(from, to), std::max(from, to), 2000).size());
    took_ms.push_back(1e3 * seconds_since(asked));
  }
  std::ranges::sort(took_ms);
  fmt::print(
      "a chart of 2000 points, the whole run or a random part: p50 {:.1f} ms, p99 {:.1f} ms, {} points at "
      "most\n",
      took_ms[took_ms.size() / 2], took_ms[took_ms.size() * 99 / 100], most);
  start = Clock::now();
  fmt::print("capacities of all cycles: {:.2f} ms\n",
             (reader.capacities(run_name(1)), 1e3 * seconds_since(start)));
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t samples = argc > 1 ? std::atoll(argv[1]) : 10'000'000;
  const fs::path where = argc > 2 ? argv[2] : ".";
  beside_bare(where);
  {
    const Folder folder(where);
    const Rate live = store_rate(folder.path / "store.sqlite", 400, 96);
    fmt::print("64 channels at 10 Hz, a commit every 150 ms: {:.1f} % of one core\n",
               100 * 1e-6 * live.cpu_us * 96 / 0.15);
  }
  const Folder folder(where);
  charts(folder.path / "store.sqlite", samples);
}
