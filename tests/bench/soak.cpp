// A bench left alone for weeks: 64 stations cycle on a stretched clock, finished cells are exchanged, and what a daemon
// could run out of is printed all along, and compared from the beginning to the end.
//
//   bench_soak [minutes=10] [stations=64] [time scale=3000]     ten minutes are three weeks
//
// The first tenth is warming up. Wire times are not stretched, so missed polls and lateness are those of a real bench.
#define DOCTEST_CONFIG_IMPLEMENT
#include <map>

#include "tests/scenario/bench.h"

using namespace cambench;
using namespace cambench::scenario;
namespace json = boost::json;

namespace {

using Clock = std::chrono::steady_clock;

/// Two days of charge, rest and discharge; a row every five minutes.
constexpr auto recipe =
    "title = \"Slow cycling\"\nlimit_on = \"we_vs_re\"\npotentials = \"vs_li\"\nbasis = \"cell\"\nsampling_s "
    "= 60\n"
    "[record]\ntime_s = 300\n[pressure]\nset_MPa = 50\nband_MPa = 5\nat_end = \"hold\"\n"
    "[ocv]\nmin_V = 1.0\nmax_V = 3.9\n[guard]\ncell_min_V = 1.5\ncell_max_V = 4.3\n"
    "[[method]]\nstep = \"constant_current\"\nrate_C = 0.05\nuntil_voltage_V = 4.32\nuntil_time_s = 36000\n"
    "[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = 7200\n"
    "[[method]]\nstep = \"constant_current\"\nrate_C = -0.05\nuntil_voltage_V = 2.62\nuntil_time_s = 12000\n"
    "[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = 7200\n"
    "[[method]]\nstep = \"loop\"\nloop_to = 1\ncycle_count = 3\n";

/// What could grow, at one moment.
struct Look {
  double minutes = 0, resident_MB = 0, longest_lag_ms = 0, database_MB = 0, log_MB = 0;
  long descriptors = 0, threads = 0, queued = 0, polls_missed = 0, samples = 0, rows = 0;
};

double kB_in(const std::string& status, const std::string& name) {
  const auto at = status.find(name + ':');
  return at == std::string::npos ? 0 : std::atof(status.c_str() + at + name.size() + 1);
}

Look look_at(const Bench& bench, pid_t daemon, Clock::time_point began) {
  const std::string process = contents(fmt::format("/proc/{}/status", daemon));
  const auto status = bench.status();
  const auto& store = status.at("store");
  const auto number = [](const json::value& value) { return value.to_number<double>(); };
  Look now;
  now.minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - began).count();
  now.resident_MB = kB_in(process, "VmRSS") / 1e3;
  now.threads = static_cast<long>(kB_in(process, "Threads"));
  now.descriptors = status.at("io").at("descriptors").to_number<long>();
  now.longest_lag_ms = 1e3 * number(status.at("io").at("longest_lag_s"));
  now.queued = store.at("queued").to_number<long>();
  now.rows = store.at("rows").to_number<long>();
  now.database_MB = number(store.at("file_bytes")) / 1e6;
  now.log_MB = number(store.at("wal_bytes")) / 1e6;
  for (const auto& station : status.at("stations").as_array()) {
    now.samples += station.at("samples").to_number<long>();
    now.polls_missed += station.at("polls_missed").to_number<long>();
  }
  return now;
}

void print(const Look& now, double time_scale) {
  fmt::print("{:7.1f} {:9.1f} {:8.1f} {:5} {:7} {:7} {:9.1f} {:7} {:9} {:9} {:7.1f} {:6.1f}\n", now.minutes,
             now.minutes * time_scale / 60 / 24, now.resident_MB, now.descriptors, now.threads, now.queued,
             now.longest_lag_ms, now.polls_missed, now.samples, now.rows, now.database_MB, now.log_MB);
  std::fflush(stdout);
}

/// Starts what is idle, with a fresh cell; counts how runs ended.
void keep_busy(Bench& bench, int stations, std::map<std::string, int>& ended) {
  const auto status = bench.status();
  for (int i = 1; i <= stations; ++i) {
    const std::string station = fmt::format("A{}", i);
    const auto at = Bench::where_in(status, station);
    if (at.state == "tripped" || at.state == "held") {
      ++ended[at.state + ": " + at.why];
      (void)bench.order(at.run, "abort");
    } else if (at.state.empty() || at.state == "finished" || at.state == "aborted") {
      if (!at.state.empty()) ++ended[at.state];
      bench.run("slow", station);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double minutes = argc > 1 ? std::atof(argv[1]) : 10;
  const int stations = argc > 2 ? std::atoi(argv[2]) : 64;
  const double time_scale = argc > 3 ? std::atof(argv[3]) : 3000;
  doctest::Context asserts;
  asserts.setAsDefaultForAssertsOutOfTestCases();

  Bench bench({.stations = stations, .time_scale = time_scale});
  bench.recipe("slow", recipe);
  bench.start();
  fmt::print(
      "{} stations, experiment time x {:g}\n{:>7} {:>9} {:>8} {:>5} {:>7} {:>7} {:>9} {:>7} {:>9} {:>9} "
      "{:>7} {:>6}\n",
      stations, time_scale, "minutes", "days", "MB", "files", "threads", "queued", "late ms", "missed",
      "samples", "rows", "db MB", "log MB");
  std::map<std::string, int> ended;
  const auto began = Clock::now();
  std::vector<Look> looks;
  while (looks.empty() || looks.back().minutes < minutes) {
    const auto next = Clock::now() + std::chrono::duration<double, std::ratio<60>>(minutes / 20);
    while (Clock::now() < next) {
      keep_busy(bench, stations, ended);
      std::this_thread::sleep_for(200ms);
    }
    looks.push_back(look_at(bench, bench.daemon().id(), began));
    print(looks.back(), time_scale);
  }
  const Look &first = looks.at(std::min<std::size_t>(1, looks.size() - 1)), &last = looks.back();
  for (const auto& [how, times] : ended) fmt::print("{:6} runs {}\n", times, how);
  fmt::print(
      "from {:.1f} to {:.1f} days: memory {:+.1f} MB, files {:+}, threads {:+}, queued {:+}, missed {:+}, "
      "{:.1f} "
      "rows/s\n",
      first.minutes * time_scale / 60 / 24, last.minutes * time_scale / 60 / 24,
      last.resident_MB - first.resident_MB, last.descriptors - first.descriptors,
      last.threads - first.threads, last.queued - first.queued, last.polls_missed - first.polls_missed,
      static_cast<double>(last.rows - first.rows) / (60 * (last.minutes - first.minutes)));
  return bench.daemon().end(SIGTERM);
}
