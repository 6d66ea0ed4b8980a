// The bench: its stations, the runs on them, the orders that people give, and the status that everybody reads.
// Deciding thread only.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "daemon/alarms.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/http/api.h"
#include "daemon/station.h"
#include "drivers/pulse.h"

namespace cambench {

/// The drivers of one station; throws std::runtime_error when one cannot be made. Conversations are recorded, where the
/// configuration says so, only for who hears that a recording has ended: `say` is called on any thread.
Station::Instruments make_instruments(const boost::asio::any_io_executor& executor,
                                      const config::Bench& bench, const config::Station& station,
                                      const std::function<void(const std::string&)>& say = {});

class Runner final : public http::Api {
 public:
  /// Makes a driver for every instrument of the bench; throws std::runtime_error when one cannot be made. Nothing is
  /// opened yet.
  Runner(boost::asio::io_context& io, const config::Bench& bench, store::Store& store, Journal& journal);

  /// Takes up what a stopped daemon left: unfinished runs, the alarms that stand, and shelves.
  void recover(store::Reader& reader);

  /// Starts to talk to the instruments and to publish the status.
  void open();

  [[nodiscard]] const http::Board& board() const override { return board_; }
  void carry_out(http::Order order, std::function<void(Result<std::string>)> done) override;

  /// Samples are not kept any more: every run is made safe.
  void store_failed(const Fault& fault);

  /// What the jobs say of themselves, for the status.
  void show(std::vector<status::Study> studies, std::vector<status::Job> jobs);

  [[nodiscard]] const config::Bench& bench() const override { return *edited_; }

  /// Called after an edit of materials, cells or studies is kept.
  std::function<void(std::shared_ptr<const config::Bench>)> on_edited;

  /// Called after a run has ended, with its id: its capacities may be scored.
  std::function<void(const std::string& run)> on_finished;

  /// People are to be told of this alarm: raised, seen, or its cause gone. Must not wait.
  std::function<void(const status::Alarm& alarm)> on_alarm;

  /// A cell does not open: this program of its station cuts its leads. Must not wait.
  std::function<void(const std::vector<std::string>& words)> cut_leads;

  /// Which loop of the program has not advanced for longer than it may, of the stations' and of every thread
  /// (drivers/pulse.h); none: all do.
  [[nodiscard]] std::optional<std::string> stands_still(Instant now) const;

 private:
  using Done = std::function<void(Result<std::string>)>;

  void start_run(const http::Order::StartRun& what, const std::string& who, Done done);
  void order_run(const http::Order::ForRun& what, const http::Order& order, Done done);
  void test_press(const http::Order::TestPress& what, const std::string& who, Done done);
  void acknowledge(std::int64_t alarm, const std::string& who, Done done);
  void edit(const http::Order::Edit& what, Done done);
  void begin_import(const std::shared_ptr<const exports::Import>& import, Done done);
  void keep_import(const std::shared_ptr<const exports::Import>& import, std::size_t from, Done done);
  [[nodiscard]] Result<RunInfo> prepare(const http::Order::StartRun& what, const Recipe& recipe) const;
  [[nodiscard]] Result<RunInfo> as_started(const store::StoredRun& stored) const;
  void give_up(const store::StoredRun& stored, const std::string& why);
  [[nodiscard]] Station* station(const std::string& name);
  [[nodiscard]] Station* station_of_run(const std::string& run);
  void look_at_clocks();
  void look_at_threads_beside(Instant now);
  void shelve(const http::Order& order, Done done);
  void clear_what_is_over(const Stamp& at);
  void audit(const http::Order& order, const Result<std::string>& outcome, std::function<void()> then);

  boost::asio::awaitable<void> publish();
  boost::asio::awaitable<void> measure_lateness();
  void watch_store(const store::Health& health);
  void tell_of_bench(const std::string& cause, const std::string& trouble);
  void pass_time(Instant now);
  void keep_alarms(std::vector<store::Row> rows);
  [[nodiscard]] Status now() const { return now(store_.health()); }
  [[nodiscard]] Status now(const store::Health& health) const;

  boost::asio::io_context& io_;
  const config::Bench& bench_;  // as it was configured
  std::shared_ptr<const config::Bench>
      edited_;            // with what people edited since: materials, cells and studies
  std::jthread keeping_;  // an edit, which waits for the disk
  bool is_keeping_ = false;
  Pulse keeping_pulse_{"the file of materials, cells and studies", Seconds{30}};
  bool is_importing_ = false;
  std::set<std::string> imported_;  // runs, by this life of the daemon
  store::Store& store_;
  Journal& journal_;
  Alarms alarms_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<status::Study> studies_;
  std::vector<status::Job> jobs_;
  http::Board board_;
  std::int64_t last_run_ = 0;
  bool store_warned_ = false;
  WallTime started_ = std::chrono::system_clock::now();
  Seconds lag_{0};
  status::Lateness lateness_;
  ClockWatch clock_watch_;
  bool store_stalled_ = false;
  bool stands_beside_ = false;
};

}  // namespace cambench
