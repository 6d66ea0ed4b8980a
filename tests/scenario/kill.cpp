// The daemon is killed again and again, at random moments: starting, taking up what was left, preparing, charging, resting,
// between a write and its acknowledgement. A client that looks at it as a dashboard does, and orders as a person does,
// writes down everything it was told; in the end the store, and what the cells really saw, are held against that.
//
//     CAMBENCH_BLOWS=1000 nice build/tests/scenario_kill        the long campaign
#include <cmath>
#include <map>
#include <set>

#include "daemon/store/verify.h"
#include "tests/scenario/campaign.h"

using namespace cambench;
using namespace cambench::scenario;
namespace json = boost::json;

namespace {

constexpr int stations = 2;
// Charge to 4.32 V against Li+/Li, reference at 0.31 V, guards 0.1 V beyond: the instrument ends a step in between.
constexpr double highest_V = 4.32 - 0.31 + 0.1, lowest_V = 2.62 - 0.31 - 0.1;

std::string name_of(int station) { return fmt::format("A{}", station + 1); }

struct Shown {
  double we_vs_re_V = 0, current_A = 0;
  /// Boost.JSON reads a number to within its last digit.
  [[nodiscard]] bool is(const Shown& other) const {
    return std::abs(we_vs_re_V - other.we_vs_re_V) < 1e-12 && std::abs(current_A - other.current_A) < 1e-15;
  }
};

std::int64_t us_of(double test_time_s) { return std::llround(test_time_s * 1e6); }

/// What the daemon told a client, and must never take back.
struct Told {
  std::map<std::int64_t, std::string> events;                    ///< by number, as JSON
  std::map<std::string, std::map<std::int64_t, Shown>> samples;  ///< of a run, by test time in us
  std::set<std::string> runs;
  std::map<std::string, int> resumed;  ///< so often was it granted
};

class Client {
 public:
  explicit Client(Bench& bench) : bench_(bench) {}

  /// Looks and orders until the moment of the next blow; a daemon that does not answer yet is asked again.
  void go_on_until(std::chrono::steady_clock::time_point moment) {
    while (std::chrono::steady_clock::now() < moment) {
      try {
        look();
        act(true);
      } catch (const std::exception&) {
      }
      std::this_thread::sleep_for(look_every);
    }
  }

  /// Lets every run come to its end; starts none.
  void finish() {
    until("every run is over", [&] {
      look();
      return !act(false);
    });
    look();
  }

  [[nodiscard]] const Told& told() const { return told_; }
  [[nodiscard]] const std::map<std::string, int>& trips() const { return trips_; }

 private:
  json::array ask(const std::string& target) const {
    const auto reply = bench_.get(target);
    if (!reply.ok()) throw std::runtime_error(target);
    return json::parse(reply.body).as_array();
  }

  /// Only what is read from the store: the status may be a few milliseconds ahead of it.
  void look() {
    const std::int64_t last = told_.events.empty() ? 0 : told_.events.rbegin()->first;
    const auto events = ask(fmt::format("/api/v1/events?since={}&limit=10000", last));
    for (const auto& event : events)
      told_.events[event.at("seq").to_number<std::int64_t>()] = json::serialize(event);
    for (int i = 0; i < stations; ++i) {
      const std::string run = bench_.where(name_of(i)).run;
      if (run.empty()) continue;
      auto& seen = told_.samples[run];
      const double from_s = seen.empty() ? 0 : static_cast<double>(seen.rbegin()->first) * 1e-6;
      const auto rows = ask(fmt::format("/api/v1/series?run={}&from_s={}&max_points=20000", run, from_s));
      for (const auto& row : rows)
        seen[us_of(row.at("test_time_s").to_number<double>())] = {row.at("we_vs_re_V").to_number<double>(),
                                                                  row.at("current_A").to_number<double>()};
    }
  }

  /// What a person would order. True while a run is not over.
  bool act(bool start) {
    bool busy = false;
    const auto status = bench_.status();  // one look: in another one the same station may have a run again
    for (int i = 0; i < stations; ++i) {
      const std::string station = name_of(i);
      const auto at = Bench::where_in(status, station);
      if (at.state.empty() || at.state == "finished" || at.state == "aborted") {
        if (start && status.at("ready").as_bool()) told_.runs.insert(bench_.run("short", station));
        continue;
      }
      busy = true;
      if (at.state == "held" && bench_.order(at.run, "resume").empty()) ++told_.resumed[at.run];
      if (at.state != "tripped") continue;
      if (tripped_.insert(at.run).second) ++trips_[at.why.substr(0, at.why.find(':'))];
      if (bench_.order(at.run, "abort").empty()) continue;
    }
    return busy;
  }

  Bench& bench_;
  Told told_;
  std::set<std::string> tripped_;
  std::map<std::string, int> trips_;
};

struct Kill {
  WallTime at;
  std::array<std::string, stations> run, state;  ///< as the store has it
};

/// The store as it lies there while no daemon runs.
Kill what_was_killed(const Bench& bench) {
  Kill kill{std::chrono::system_clock::now(), {}, {}};
  if (!fs::exists(bench.database())) return kill;
  try {
    for (const auto& run : bench.reader().unfinished_runs())
      for (int i = 0; i < stations; ++i)
        if (run.station == name_of(i)) kill.run[i] = run.id, kill.state[i] = run.phase;
  } catch (const store::StoreError&) {  // killed before the schema was there
  }
  return kill;
}

// ---- what is held against what ------------------------------------------------------------------------------

void nothing_told_is_missing(const Bench& bench, const Told& told) {
  auto reader = bench.reader();
  std::size_t lost = 0;
  for (auto known = told.events.begin(); known != told.events.end();) {
    const auto page =
        json::parse(bench.get(fmt::format("/api/v1/events?since={}&limit=1000", known->first - 1)).body)
            .as_array();
    for (const auto& event : page) {
      const auto seq = event.at("seq").to_number<std::int64_t>();
      for (; known != told.events.end() && known->first < seq; ++known) ++lost;
      if (known == told.events.end()) break;
      if (known->first == seq) lost += known++->second != json::serialize(event);
    }
    if (page.empty())
      lost += static_cast<std::size_t>(std::distance(known, told.events.end())), known = told.events.end();
  }
  CHECK_MESSAGE(lost == 0, lost, " events were told and are not there, or are others now");
  for (const auto& [run, points] : told.samples) {
    std::map<std::int64_t, Shown> rows;
    for (const auto& row : reader.samples(run))
      rows[us_of(row.test_time.count())] = {row.sample.we_vs_re->value(), row.sample.current->value()};
    std::size_t lost_samples = 0;
    for (const auto& [time, shown] : points)
      if (const auto row = rows.find(time); row == rows.end() || !row->second.is(shown)) ++lost_samples;
    CHECK_MESSAGE(lost_samples == 0, run, ": ", lost_samples, " of ", points.size(),
                  " samples that were shown");
  }
  for (const auto& run : told.runs) CHECK_MESSAGE(reader.run(run).has_value(), run);
  for (const auto& [run, times] : told.resumed)
    CHECK_MESSAGE(std::ranges::count(bench.events(run), "resumed") >= times, run, " was resumed ", times,
                  " times");
}

void nothing_is_there_twice(const Bench& bench) {
  const auto seen = store::verify(bench.database());
  for (const auto& [where, what] : seen.breaches) FAIL_CHECK(where << ": " << what);
  auto reader = bench.reader();
  for (const auto& run : reader.runs(100'000)) {
    std::map<std::string, std::int64_t> times;
    for (const auto& event : bench.events(run.id)) ++times[event];
    for (const char* once : {"started", "finished", "aborted"})
      CHECK_MESSAGE(times[once] <= 1, run.id, ' ', once);
    CHECK(times["finished"] + times["aborted"] == 1);
  }
}

/// The cell was never outside its guards, never on without a current step, never switched on by itself.
void the_cells_were_safe(const Bench& bench) {
  auto reader = bench.reader();
  for (int i = 0; i < stations; ++i) {
    const auto rows = bench.truth(name_of(i));
    const WhileOn seen = while_on(rows);
    MESSAGE(name_of(i), ": on between ", seen.lowest_V, " V and ", seen.highest_V, " V, ", seen.off_mA,
            " mA while off, switched ", seen.switches, " times");
    CHECK(seen.highest_V <= highest_V);
    CHECK(seen.lowest_V >= lowest_V);
    CHECK(seen.off_mA < 1e-3);
    CHECK(std::ranges::count_if(rows, [](const Truth& row) { return row.cell_on && !row.script; }) == 0);
    long ordered = 0;
    for (const auto& run : reader.runs(100'000)) {
      if (run.station != name_of(i)) continue;
      for (const auto& event : reader.events_of(run.id))
        ordered += event.row.kind == "step_began" && event.row.step != 1U;  // the rest leaves the cell open
    }
    CHECK(seen.switches <= 2 * ordered);
  }
}

/// (A driver listens for up to three seconds before it is clear what the instrument does.)
/// Between the last sample before a kill and the first one after it, in the same step, an event says that nobody listened.
std::size_t every_gap_is_a_row(const Bench& bench, const std::vector<Kill>& kills) {
  auto reader = bench.reader();
  std::size_t gaps = 0, silent = 0;
  for (const auto& run : reader.runs(100'000)) {
    auto rows = reader.samples(run.id);
    std::erase_if(
        rows, [](const auto& row) { return row.sample.status & reading_status::late; });  // fetched: no gap
    const auto events = reader.events_of(run.id);
    for (const Kill& kill : kills) {
      const auto after =
          std::ranges::find_if(rows, [&](const auto& row) { return row.sample.at.wall > kill.at; });
      if (after == rows.begin() || after == rows.end()) continue;
      if (after->sample.step != std::prev(after)->sample.step) continue;
      const bool told = std::ranges::any_of(events, [&](const auto& event) {
        return event.row.at.wall > kill.at && event.row.at.wall < after->sample.at.wall + 5s &&
               (event.row.kind == "gap" || event.row.kind == "step_began");
      });
      ++(told ? gaps : silent);
    }
  }
  CHECK(silent == 0);
  return gaps;
}

}  // namespace

TEST_CASE("a daemon that is killed at random moments loses nothing it told, and the cells stay safe") {
  Campaign campaign("kill", 50);
  Bench bench({.stations = stations, .time_scale = 600});
  bench.recipe("short", short_recipe(1200, 600));
  Client client(bench);
  std::vector<Kill> kills;
  std::map<std::string, int> states;
  for (int blow = 0; blow < campaign.blows(); ++blow) {
    bench.launch();
    const auto lives = std::chrono::duration<double, std::milli>(campaign.between(5, 800));
    client.go_on_until(std::chrono::steady_clock::now() +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(lives));
    bench.kill();
    kills.push_back(what_was_killed(bench));
    for (const auto& state : kills.back().state) ++states[state.empty() ? "idle" : state];
  }
  bench.start();
  client.finish();

  const Told& told = client.told();
  nothing_told_is_missing(bench, told);
  nothing_is_there_twice(bench);
  the_cells_were_safe(bench);
  const std::size_t gaps = every_gap_is_a_row(bench, kills);
  std::size_t samples = 0;
  for (const auto& [run, points] : told.samples) samples += points.size();
  std::string when;
  for (const auto& [state, times] : states) when += fmt::format(" {} {}", times, state);
  std::string trips;
  for (const auto& [cause, times] : client.trips()) trips += fmt::format(" {} {}", times, cause);
  MESSAGE(kills.size(), " kills (stations:", when, "), ", told.runs.size(), " runs, ", told.events.size(),
          " events and ", samples, " samples told, ", gaps, " gaps, trips:", trips.empty() ? " none" : trips);
  CHECK(gaps > 0);
  CHECK(bench.daemon().end(SIGTERM) == 0);
}
