#include "daemon/runner.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <stdexcept>

#include "daemon/records.h"
#include "drivers/registry.h"

namespace cambench {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto publish_period = 200ms, lateness_period = 20ms;

}  // namespace

Station::Instruments make_instruments(const asio::any_io_executor& executor, const config::Bench& bench,
                                      const config::Station& station,
                                      const std::function<void(const std::string&)>& say) {
  Station::Instruments made;
  if (const auto& p = station.potentiostat) {
    auto driver = make_potentiostat(
        executor, {p->driver, p->port.text, p->serial, bench.time_scale, bench.mains_Hz, p->baud, p->polarity,
                   p->sense, p->method, station.name, say ? p->record.string() : std::string(), say});
    if (!driver) throw std::runtime_error(fmt::format("station {}: {}", station.name, driver.error().what));
    made.potentiostat = std::move(*driver);
  }
  const auto on_modbus = [&](const config::Press& p, const std::string& name) {
    auto driver = make_press(executor, {p.driver, name, p.port.text, p.baud, p.parity, p.stop_bits, p.unit,
                                        p.map, p.area_mm2, p.serial, bench.time_scale});
    if (!driver) throw std::runtime_error(fmt::format("station {}: {}", station.name, driver.error().what));
    return std::move(*driver);
  };
  if (station.press) made.press = on_modbus(*station.press, station.name);
  if (station.gauge) made.gauge = on_modbus(*station.gauge, station.name + " gauge");
  return made;
}

namespace {

/// Tells one start of the daemon from the next.
std::string start_id() {
  return fmt::format("{:x}", std::chrono::system_clock::now().time_since_epoch().count());
}

LeftRun left_of(store::Reader& reader, const std::string& run) {
  LeftRun left{.holes = reader.holes_of_last_step(run),
               .events = reader.events_of(run),
               .last_sample = {},
               .last_test_time = reader.last_test_time(run)};
  const auto last = reader.samples(run, reader.last_seq(run) - 1);
  if (last.empty()) return left;
  left.last_sample = last.back();
  const auto steps = reader.steps(run);
  const auto step = std::ranges::find_if(
      steps, [&](const store::StoredStep& s) { return s.summary.step == last.back().sample.step; });
  if (step != steps.end())
    left.charge = AmpereHour(step->summary.charge.charge_Ah - step->summary.discharge.charge_Ah);
  return left;
}

status::Alarm standing(const store::StoredAlarm& stored) {
  status::Alarm alarm;
  alarm.id = stored.id;
  alarm.since = stored.row.raised;
  alarm.cause = stored.row.cause;
  alarm.text = stored.row.text;
  alarm.station = stored.row.station.value_or("");
  alarm.run = stored.row.run.value_or("");
  alarm.severity = stored.row.severity == status::name(command::Severity::alarm) ? command::Severity::alarm
                                                                                 : command::Severity::warning;
  alarm.acknowledged_by = stored.acknowledged_by.value_or("");
  alarm.acknowledged = stored.acknowledged;
  alarm.cleared = stored.cleared;
  return alarm;
}

}  // namespace

Runner::Runner(asio::io_context& io, const config::Bench& bench, store::Store& store, Journal& journal)
    : io_(io),
      bench_(bench),
      edited_(std::shared_ptr<void>(), &bench),
      store_(store),
      journal_(journal),
      board_(start_id()) {
  sequencer::Rules rules;
  rules.time_scale = bench.time_scale;
  rules.table = bench.interlocks;
  alarms_.longest_shelf = bench.alarms.longest_shelf;
  alarms_.delays = bench.alarms.delays;
  for (const auto& station : bench.stations) {
    const auto say = [&io, &journal, name = station.name](const std::string& text) {
      asio::post(io, [&journal, name, text] { journal.warning(name, "", text); });
    };
    stations_.push_back(std::make_unique<Station>(io.get_executor(), station, rules,
                                                  make_instruments(io.get_executor(), bench, station, say),
                                                  store, alarms_, journal));
  }
  for (const auto& s : stations_) {
    s->on_finished = [this](const std::string& run) {
      if (on_finished) on_finished(run);
    };
    s->cut_leads = [this](const std::vector<std::string>& words) {
      if (cut_leads) cut_leads(words);
    };
  }
  alarms_.on_change = [this](const status::Alarm& alarm) {
    if (on_alarm) on_alarm(alarm);
  };
  board_.publish(now());
}

void Runner::open() {
  for (const auto& s : stations_) s->open();
  board_.publish(now());  // whoever asks first sees the runs that were taken up
  asio::co_spawn(io_, publish(), asio::detached);
  asio::co_spawn(io_, measure_lateness(), asio::detached);
}

// ---- after a stop -----------------------------------------------------------------------------------------

void Runner::recover(store::Reader& reader) {
  last_run_ = reader.last_run_number();
  const Stamp at = now_stamp();
  std::vector<status::Alarm> alarms;
  for (const auto& stored : reader.standing_alarms()) alarms.push_back(standing(stored));
  alarms_.load(std::move(alarms), reader.last_alarm_id(), reader.shelved(at.wall), at);
  clock_watch_.look(read_clocks());

  std::vector<std::pair<store::StoredRun, std::string>> abandoned;
  for (const auto& stored : reader.unfinished_runs()) {
    Station* on = station(stored.station);
    auto info = as_started(stored);
    if (!on) info = fail(Fault::Kind::refused, "its station is not in the configuration");
    if (info)
      if (auto why = on->lacks(*info->plan)) info = fail(Fault::Kind::refused, *why);
    if (info)
      on->recover(std::move(*info), left_of(reader, stored.id));
    else
      abandoned.emplace_back(stored, info.error().what);
  }
  clear_what_is_over(at);
  for (const auto& [stored, why] : abandoned) give_up(stored, why);
}

/// What stood for a run that is on no station any more, or for the daemon that has ended, has no cause left; but a cell
/// that did not open is still to be opened.
void Runner::clear_what_is_over(const Stamp& at) {
  std::vector<store::Row> rows;
  for (const auto& alarm : alarms_.standing(at.steady)) {
    Station* on = station(alarm.station);
    if (on && on->run_id() == alarm.run) continue;
    const bool not_open = alarm.cause == "cell_not_open" && !alarm.cleared;
    if (not_open && on && on->open_left_cell(alarm.run, "not confirmed before the daemon stopped")) continue;
    std::ranges::move(alarms_.clear(alarm.station, alarm.run, "", at.wall, not_open ? "" : "cell_not_open"),
                      std::back_inserter(rows));
  }
  if (!rows.empty()) store_.commit(std::move(rows), [](const Result<void>&) {});
}

/// What the store says was started: a recipe file that was edited since means later runs.
Result<RunInfo> Runner::as_started(const store::StoredRun& stored) const {
  const auto recipe = read_recipe(stored.recipe_text, stored.id + ".json");
  if (!recipe) return fail(recipe.error());
  auto info = prepare({stored.station, stored.cell.value_or(""), stored.recipe}, *recipe);
  if (!info) return fail(info.error());
  if (info->plan->recipe_hash != stored.recipe_hash)
    return fail(Fault::Kind::refused, "this program understands its recipe differently");
  if (info->cell_json != stored.cell_json.value_or(""))
    return fail(Fault::Kind::refused, "its cell was changed in the configuration");
  info->id = stored.id;
  info->who = stored.who;
  info->started = stored.started;
  return info;
}

/// A run that nobody can go on with: its cell is opened, the press stays as it is, and people are told.
void Runner::give_up(const store::StoredRun& stored, const std::string& why) {
  const WallTime at = std::chrono::system_clock::now();
  Station* on = station(stored.station);
  const bool opened = on && on->open_left_cell(stored.id, "run " + stored.id + " cannot be taken up again");
  const command::Raise raised{
      command::Severity::alarm, "run_abandoned",
      fmt::format("the run cannot be taken up again ({}); {}", why,
                  opened ? "its cell is opened as soon as the potentiostat answers"
                         : "nothing opens its cell but the limits in its instrument")};
  journal_.raise(stored.station, stored.id, raised);
  std::vector<store::Row> rows{store::EventRow{.run = stored.id,
                                               .station = stored.station,
                                               .kind = "aborted",
                                               .cause = raised.cause,
                                               .text = raised.text,
                                               .who = "cambenchd",
                                               .at = {std::chrono::steady_clock::now(), at}},
                               store::PhaseRow{stored.id, "aborted", at}};
  if (auto row = alarms_.raise(stored.station, stored.id, raised, at)) rows.push_back(std::move(*row));
  store_.commit(std::move(rows), [](const Result<void>&) {});  // a store that fails tells by itself
}

Station* Runner::station(const std::string& name) {
  const auto found = std::ranges::find(stations_, name, [](const auto& s) { return s->name(); });
  return found == stations_.end() ? nullptr : found->get();
}

Station* Runner::station_of_run(const std::string& run) {
  const auto found = std::ranges::find_if(stations_, [&](const auto& s) { return s->run_id() == run; });
  return found == stations_.end() ? nullptr : found->get();
}

// ---- what goes on beside the runs -------------------------------------------------------------------------

/// What is done to the host's clocks is recorded; it decides nothing.
void Runner::look_at_clocks() {
  const Clocks clocks = read_clocks();
  for (const auto& [nobody_listened, text] : clock_watch_.look(clocks)) {
    journal_.warning("", "", text);
    const auto kept =
        store_.append(store::EventRow{.kind = "clock", .text = text, .at = {clocks.steady, clocks.wall}});
    if (!kept) journal_.alarm("", "", "not recorded: " + kept.error().what);
    if (nobody_listened)
      for (const auto& s : stations_) s->note_gap(text);
  }
}

std::optional<std::string> Runner::stands_still(Instant now) const {
  for (const auto& s : stations_)
    if (auto trouble = s->stands_still(now)) return trouble;
  return Pulse::standing_still(Pulse::Role::needed, now);
}

/// A thread that waits for what is not ours opens no cell: people are told, and told again when it goes on.
void Runner::look_at_threads_beside(Instant now) {
  const auto trouble = Pulse::standing_still(Pulse::Role::beside, now);
  if (trouble.has_value() == stands_beside_) return;
  stands_beside_ = trouble.has_value();
  tell_of_bench("stands_still", trouble.value_or(""));
}

void Runner::store_failed(const Fault& fault) {
  const command::Raise raised{command::Severity::alarm, "store_failed", fault.what};
  const WallTime at = std::chrono::system_clock::now();
  auto rows =
      alarms_.clear("", "", raised.cause, at);  // what a stall ended in is another alarm than the stall
  if (auto row = alarms_.raise("", "", raised, at)) rows.push_back(std::move(*row));
  keep_alarms(std::move(rows));  // as long as anything is kept
  journal_.alarm("", "", "the store keeps no samples any more: " + fault.what);
  for (const auto& s : stations_) s->store_failed(fault);
}

/// One line when the store gets into difficulties, and one when it is out of them. A disk that does not come back is no
/// better than one that is full: the runs are made safe while they can be.
void Runner::watch_store(const store::Health& health) {
  constexpr double longest_commit_s = 5;
  const bool stalled = health.oldest_queued_s > longest_commit_s;
  if (stalled && !store_stalled_)
    store_failed(
        {Fault::Kind::storage, fmt::format("nothing has been written for {:.1f} s", health.oldest_queued_s)});
  if (store_stalled_ && !stalled && health.trouble.empty()) tell_of_bench("store_failed", "");
  store_stalled_ = stalled;
  if (health.warning.empty() == store_warned_) tell_of_bench("store_behind", health.warning);
  store_warned_ = !health.warning.empty();
}

/// A warning of the bench, or, when `trouble` is empty, that its cause is gone. One that comes and goes is one line.
void Runner::tell_of_bench(const std::string& cause, const std::string& trouble) {
  const WallTime at = std::chrono::system_clock::now();
  std::vector<store::Row> rows;
  if (!trouble.empty()) {
    if (auto row = alarms_.raise("", "", {command::Severity::warning, cause, trouble}, at)) {
      journal_.warning("", "", trouble);
      rows.push_back(std::move(*row));
    }
  } else {
    rows = alarms_.clear("", "", cause, at);
    if (!rows.empty()) journal_.info("", "", cause + " is over");
  }
  keep_alarms(std::move(rows));
}

/// The alarms whose delays have come to their ends.
void Runner::pass_time(Instant now) {
  std::vector<store::Row> rows;
  for (auto& [alarm, row] : alarms_.pass(now)) {
    if (alarm.cleared)
      journal_.info(alarm.station, alarm.run, alarm.cause + " is over");
    else
      journal_.raise(alarm.station, alarm.run, {alarm.severity, alarm.cause, alarm.text});
    rows.push_back(std::move(row));
  }
  keep_alarms(std::move(rows));
}

void Runner::keep_alarms(std::vector<store::Row> rows) {
  if (rows.empty()) return;
  store_.commit(std::move(rows), [](const Result<void>&) {});  // a store that fails tells by itself
}

// ---- the status -------------------------------------------------------------------------------------------

void Runner::show(std::vector<status::Study> studies, std::vector<status::Job> jobs) {
  studies_ = std::move(studies);
  jobs_ = std::move(jobs);
}

asio::awaitable<void> Runner::publish() {
  asio::steady_timer timer(io_);
  auto due = std::chrono::steady_clock::now();
  for (;;) {
    due += publish_period;
    timer.expires_at(due);
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto woken = std::chrono::steady_clock::now();
    lag_ = woken - due;
    due = std::max(due, woken - publish_period);
    pass_time(woken);
    look_at_clocks();
    look_at_threads_beside(woken);
    const store::Health health = store_.health();
    watch_store(health);
    board_.publish(now(health));
  }
}

/// A timer that is due often tells how long everything else on this thread has to wait.
asio::awaitable<void> Runner::measure_lateness() {
  asio::steady_timer timer(io_);
  for (;;) {
    timer.expires_after(lateness_period);
    const auto due = timer.expiry();
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    lateness_.note(std::chrono::steady_clock::now() - due);
  }
}

namespace {

status::StoreHealth shown_health(const store::Health& health) {
  status::StoreHealth shown;
  shown.up = health.trouble.empty();
  shown.trouble = health.trouble;
  shown.warning = health.warning;
  shown.queued = health.queued;
  shown.queue_capacity = store::Settings{}.queue;
  shown.rows = static_cast<std::uint64_t>(health.rows);
  shown.commit_age = Seconds(health.last_commit_age_s);
  shown.file_bytes = health.file_bytes;
  shown.wal_bytes = health.wal_bytes;
  shown.disk_free_bytes = health.disk_free_bytes;
  shown.spooled = health.spooled;
  shown.spooled_bytes = health.spooled_bytes;
  shown.lost = static_cast<std::uint64_t>(health.lost);
  return shown;
}

std::size_t open_descriptors() {
  std::error_code unknown;
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", unknown))
    ++count;
  return count;
}

}  // namespace

Status Runner::now(const store::Health& health) const {
  const Instant instant = std::chrono::steady_clock::now();
  Status shown;
  shown.now = std::chrono::system_clock::now();
  shown.started = started_;
  shown.bench = bench_.name;
  shown.version = CAMBENCH_VERSION;
  shown.time_scale = bench_.time_scale;
  for (const auto& s : stations_) shown.stations.push_back(s->status(instant));
  shown.alarms = alarms_.standing(instant);
  shown.jobs = jobs_;
  shown.studies = studies_;
  shown.store = shown_health(health);
  shown.io = {lag_, open_descriptors(), lateness_};
  if (!shown.store.up) shown.not_ready = "the store takes no rows: " + shown.store.trouble;
  for (const auto& s : stations_)
    if (shown.not_ready.empty() && !s->met())
      shown.not_ready = "the instruments of " + s->name() + " are being met";
  shown.ready = shown.not_ready.empty();
  return shown;
}

}  // namespace cambench
