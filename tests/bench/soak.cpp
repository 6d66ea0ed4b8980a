// A bench left alone for weeks: 64 stations cycle on a stretched clock, finished cells are exchanged, and what a daemon
// could run out of is printed all along. In the end each of it is told as growth a simulated week, with a verdict; ends
// with 0 when nothing grew.
//
//   bench_soak [minutes=10] [stations=64] [time scale=3000]     ten minutes are three weeks
//
// The first fifth is warming up. Wire times are not stretched, so missed polls and lateness are those of a real bench.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cmath>
#include <map>
#include <span>

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
  double minutes = 0, resident_MB = 0, ticks = 0, late_s = 0, very_late = 0, database_MB = 0, log_MB = 0,
         descriptors = 0, threads = 0, queued = 0, spooled = 0, polls_missed = 0, samples = 0, rows = 0;
};

double number_after(const std::string& text, const std::string& words) {
  const auto at = text.find(words);
  return at == std::string::npos ? 0 : std::atof(text.c_str() + at + words.size());
}

Look look_at(const Bench& bench, pid_t daemon, Clock::time_point began) {
  const std::string process = contents(fmt::format("/proc/{}/status", daemon));
  const auto status = bench.status();
  const auto& store = status.at("store");
  const auto number = [](const json::value& value) { return value.to_number<double>(); };
  Look now;
  now.minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - began).count();
  now.resident_MB = number_after(process, "VmRSS:") / 1e3;
  now.threads = number_after(process, "Threads:");
  now.descriptors = number(status.at("io").at("descriptors"));
  const std::string metrics = bench.get("/metrics").body;
  now.ticks = number_after(metrics, "loop_lateness_seconds_count ");
  now.late_s = number_after(metrics, "loop_lateness_seconds_sum ");
  now.very_late = now.ticks - number_after(metrics, "loop_lateness_seconds_bucket{le=\"0.05\"} ");
  now.queued = number(store.at("queued"));
  now.spooled = number(store.at("spooled"));
  now.rows = number(store.at("rows"));
  now.database_MB = number(store.at("file_bytes")) / 1e6;
  now.log_MB = number(store.at("wal_bytes")) / 1e6;
  for (const auto& station : status.at("stations").as_array()) {
    now.samples += number(station.at("samples"));
    now.polls_missed += number(station.at("polls_missed"));
  }
  return now;
}

double weeks(double minutes, double time_scale) { return minutes * time_scale / 60 / 24 / 7; }

void print(const Look& now, double time_scale) {
  fmt::print("{:7.1f} {:7.2f} {:8.1f} {:5} {:7} {:6} {:7} {:6} {:6} {:9} {:9} {:7.1f} {:6.1f}\n", now.minutes,
             weeks(now.minutes, time_scale), now.resident_MB, now.descriptors, now.threads, now.queued,
             now.spooled, now.very_late, now.polls_missed, now.samples, now.rows, now.database_MB,
             now.log_MB);
  std::fflush(stdout);
}

/// What must stay as it is, however long the bench runs; all that is written grows, and should.
struct Quantity {
  const char* name;
  double Look::*value;
};
constexpr Quantity quantities[] = {{"resident memory, MB", &Look::resident_MB},
                                   {"open files", &Look::descriptors},
                                   {"threads", &Look::threads},
                                   {"rows in the queue", &Look::queued},
                                   {"rows in the spool", &Look::spooled},
                                   {"log of the database, MB", &Look::log_MB}};

double middle(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// The middle of the first and of the last quarter are compared. It grows when it is higher by more than three hundredths of
/// what it was, and nothing of the last quarter is as low as the middle of the first.
bool tell_growth(const Quantity& quantity, std::span<const Look> looks, double time_scale) {
  std::vector<double> values;
  for (const Look& look : looks) values.push_back(look.*quantity.value);
  const auto quarter = static_cast<std::ptrdiff_t>(std::max<std::size_t>(values.size() / 4, 1));
  const double first = middle({values.begin(), values.begin() + quarter});
  const std::vector<double> end(values.end() - quarter, values.end());
  const double last = middle(end), lowest = *std::ranges::min_element(end);
  const double a_week =
      (last - first) / weeks(0.75 * (looks.back().minutes - looks.front().minutes), time_scale);
  const bool grows = last > 1.03 * first && lowest > first;
  fmt::print("{:25} {:10.1f} {:10.1f} {:+12.3f}   {}\n", quantity.name, first, last, a_week,
             grows ? "GROWS" : "no growth");
  return grows;
}

/// Deadlines are counted up: the second half must not miss more a week than the first. By chance both miss about the same, so
/// three times the square root is allowed.
bool tell_missed(const Quantity& quantity, std::span<const Look> looks, double time_scale) {
  const Look &begin = looks.front(), &half = looks[looks.size() / 2], &end = looks.back();
  const auto a_week = [&](const Look& from, const Look& to) {
    return (to.*quantity.value - from.*quantity.value) / weeks(to.minutes - from.minutes, time_scale);
  };
  const double first = a_week(begin, half), last = a_week(half, end);
  const bool grows = last > first + 3 * std::sqrt(first + 1);
  fmt::print("{:25} {:10.1f} {:10.1f} {:12}   {}\n", quantity.name, first, last, "",
             grows ? "GROWS" : "no growth");
  return grows;
}

/// True when anything grew.
bool tell(std::span<const Look> looks, double time_scale) {
  fmt::print("from week {:.2f} to week {:.2f}:\n{:25} {:>10} {:>10} {:>12}\n",
             weeks(looks.front().minutes, time_scale), weeks(looks.back().minutes, time_scale), "",
             "beginning", "end", "a week");
  bool grew = tell_missed({"missed polls a week", &Look::polls_missed}, looks, time_scale);
  grew = tell_missed({"ticks > 50 ms late a week", &Look::very_late}, looks, time_scale) || grew;
  for (const Quantity& quantity : quantities) grew = tell_growth(quantity, looks, time_scale) || grew;
  const Look &first = looks.front(), &last = looks.back();
  fmt::print("a tick was late by {:.2f} ms on average\n",
             1e3 * (last.late_s - first.late_s) / (last.ticks - first.ticks));
  fmt::print("{:.0f} rows/s were written; the database grew by {:.1f} MB a week\n",
             (last.rows - first.rows) / (60 * (last.minutes - first.minutes)),
             (last.database_MB - first.database_MB) / weeks(last.minutes - first.minutes, time_scale));
  fmt::print("{}\n", grew ? "SOMETHING GREW" : "nothing grew");
  return grew;
}

/// Starts what is idle, with a fresh cell, and acknowledges what was told, as a person would; counts how runs ended.
void keep_busy(Bench& bench, int stations, std::map<std::string, int>& ended) {
  const auto status = bench.status();
  for (int i = 1; i <= stations; ++i) {
    const std::string station = fmt::format("A{}", i);
    const auto at = Bench::where_in(status, station);
    if (at.state == "tripped" || at.state == "held") {
      ++ended[at.state + " by " + at.why.substr(0, at.why.find(':'))];
      (void)bench.order(at.run, "abort");
    } else if (at.state.empty() || at.state == "finished" || at.state == "aborted") {
      if (!at.state.empty()) ++ended[at.state];
      bench.run("slow", station);
    }
  }
  for (const auto& alarm : status.at("alarms").as_array())
    (void)bench.post(fmt::format("/api/v1/alarms/{}/acknowledge", alarm.at("id").to_number<long>()),
                     {{"who", "anna"}});
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
      "{} stations, experiment time x {:g}\n{:>7} {:>7} {:>8} {:>5} {:>7} {:>6} {:>7} {:>7} {:>6} {:>9} "
      "{:>9} {:>7} {:>6}\n",
      stations, time_scale, "minutes", "weeks", "MB", "files", "threads", "queued", "spooled", "late ms",
      "missed", "samples", "rows", "db MB", "log MB");
  std::map<std::string, int> ended;
  const auto began = Clock::now();
  std::vector<Look> looks;
  while (looks.empty() || looks.back().minutes < minutes) {
    const auto next = Clock::now() + std::chrono::duration<double, std::ratio<60>>(minutes / 40);
    while (Clock::now() < next) {
      keep_busy(bench, stations, ended);
      std::this_thread::sleep_for(200ms);
    }
    looks.push_back(look_at(bench, bench.daemon().id(), began));
    print(looks.back(), time_scale);
  }
  for (const auto& [how, times] : ended) fmt::print("{:6} runs {}\n", times, how);
  const bool grew = tell(std::span(looks).subspan(looks.size() / 5), time_scale);
  return bench.daemon().end(SIGTERM) != 0 || grew;
}
