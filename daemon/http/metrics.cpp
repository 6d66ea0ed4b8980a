#include "daemon/http/metrics.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <iterator>
#include <map>
#include <utility>

#include "schema/json.h"

namespace cambench::http {

namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

class Exposition {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP cambench_{0} {1}\n# TYPE cambench_{0} {2}\n", name,
                   help, type);
  }
  /// `part` is that of a histogram: "_bucket", "_sum", "_count".
  void line(Labels labels, double value, std::string_view part = "") {
    fmt::format_to(std::back_inserter(text_), "cambench_{}{}", name_, part);
    char before = '{';
    for (const auto& [key, word] : labels) {
      fmt::format_to(std::back_inserter(text_), "{}{}=\"{}\"", before, key, escaped(word));
      before = ',';
    }
    fmt::format_to(std::back_inserter(text_), "{} {}\n", before == ',' ? "}" : "", value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_, name_;
};

template <typename Q>
void reading(Exposition& out, const Status& bench, std::string_view family, std::string_view help,
             status::Reading<Q> status::Station::*which, double factor = 1) {
  out.family(family, "gauge", help);
  for (const auto& station : bench.stations)
    if (const auto& value = (station.*which).value)
      out.line({{"station", station.name}}, factor * value->value());
}

void readings(Exposition& out, const Status& bench) {
  using status::Station;
  constexpr double pascals = 1e6;
  reading(out, bench, "electrode_potential_volts", "Working electrode against the reference electrode.",
          &Station::we_vs_re);
  reading(out, bench, "cell_voltage_volts", "Working electrode against the counter electrode.",
          &Station::cell);
  reading(out, bench, "cell_current_amperes", "Measured current; positive charges.", &Station::current);
  reading(out, bench, "press_pressure_pascals", "Stack pressure on the pellet.", &Station::pressure, pascals);
  reading(out, bench, "press_setpoint_pascals", "Set point as read back from the press controller.",
          &Station::pressure_target, pascals);
}

void devices(Exposition& out, const Status& bench) {
  const auto each = [&](auto value) {
    for (const auto& station : bench.stations) {
      if (station.potentiostat)
        out.line({{"station", station.name}, {"device", "potentiostat"}}, value(*station.potentiostat));
      if (station.press) out.line({{"station", station.name}, {"device", "press"}}, value(*station.press));
      if (station.gauge) out.line({{"station", station.name}, {"device", "gauge"}}, value(*station.gauge));
    }
  };
  out.family("device_up", "gauge", "1 while the instrument answers and is the configured one.");
  each([](const status::Instrument& it) { return it.up ? 1.0 : 0.0; });
  out.family("device_errors_total", "counter", "Failed conversations with the instrument.");
  each([](const status::Instrument& it) { return static_cast<double>(it.errors); });
  out.family("device_answers_total", "counter", "Questions that the instrument answered.");
  each([](const status::Instrument& it) { return static_cast<double>(it.ok); });
  out.family("device_last_io_seconds", "gauge",
             "The last question and its answer, with the wait for the bus.");
  each([](const status::Instrument& it) { return it.last_io.count(); });
  out.family("device_longest_io_seconds", "gauge", "The longest of them since the daemon came up.");
  each([](const status::Instrument& it) { return it.longest_io.count(); });
}

void runs(Exposition& out, const Status& bench) {
  static constexpr std::array<std::string_view, 8> states = {"idle", "queued",  "preparing", "running",
                                                             "held", "tripped", "finished",  "aborted"};
  out.family("station_state", "gauge", "1 for the state that the station is in, 0 for the others.");
  for (const auto& station : bench.stations) {
    const std::string state = station.run ? station.run->state : "idle";
    for (const auto word : states)
      out.line({{"station", station.name}, {"state", word}}, word == state ? 1 : 0);
  }
  out.family("run_info", "gauge", "What the station works on; always 1.");
  for (const auto& station : bench.stations)
    if (const auto& run = station.run)
      out.line({{"station", station.name}, {"run", run->id}, {"cell", run->cell}, {"recipe", run->recipe}},
               1);
  out.family("run_progress_ratio", "gauge", "Part of the run's experiment time that is done.");
  for (const auto& station : bench.stations)
    if (station.run) out.line({{"station", station.name}}, station.run->progress);
  out.family("samples_total", "counter", "Samples heard from the potentiostat.");
  for (const auto& station : bench.stations)
    out.line({{"station", station.name}}, static_cast<double>(station.samples));
  out.family("polls_missed_total", "counter", "Readings of the press that did not come in time.");
  for (const auto& station : bench.stations)
    out.line({{"station", station.name}}, static_cast<double>(station.polls_missed));
}

void alarms_and_jobs(Exposition& out, const Status& bench) {
  using command::Severity;
  out.family("alarms_active", "gauge", "Alarms that stand or wait for somebody to acknowledge them.");
  for (const auto severity : {Severity::info, Severity::warning, Severity::alarm}) {
    double count = 0;
    for (const auto& alarm : bench.alarms) count += alarm.severity == severity ? 1 : 0;
    out.line({{"severity", status::name(severity)}}, count);
  }
  std::map<std::string_view, double> jobs = {{"waiting", 0}, {"running", 0}, {"done", 0}, {"failed", 0}};
  for (const auto& job : bench.jobs) jobs[job.state] += 1;
  out.family("jobs", "gauge", "Jobs the daemon knows of, by state.");
  for (const auto& [state, count] : jobs) out.line({{"state", state}}, count);
}

void store(Exposition& out, const Status& bench) {
  const auto& store = bench.store;
  const auto gauge = [&](std::string_view name, std::string_view help, double value) {
    out.family(name, "gauge", help);
    out.line({}, value);
  };
  gauge("store_up", "1 while the store takes rows.", store.up ? 1 : 0);
  gauge("store_commit_age_seconds", "Age of the last commit that had something to write.",
        store.commit_age.count());
  gauge("store_queue_rows", "Rows that wait to be written.", static_cast<double>(store.queued));
  gauge("store_queue_capacity_rows", "Rows that may wait.", static_cast<double>(store.queue_capacity));
  gauge("store_file_bytes", "Size of the database file.", static_cast<double>(store.file_bytes));
  gauge("store_wal_bytes", "Size of the write-ahead log.", static_cast<double>(store.wal_bytes));
  gauge("disk_free_bytes", "Free space where the store lies.", static_cast<double>(store.disk_free_bytes));
  gauge("store_spooled_rows", "Samples on disk beside the store, to be stored late.",
        static_cast<double>(store.spooled));
  gauge("store_spooled_bytes", "Size of these samples.", static_cast<double>(store.spooled_bytes));
  out.family("store_rows_total", "counter", "Rows written.");
  out.line({}, static_cast<double>(store.rows));
  out.family("store_samples_lost_total", "counter", "Samples that not even the spool could take.");
  out.line({}, static_cast<double>(store.lost));
}

void process(Exposition& out, const Status& bench) {
  out.family("io_lag_seconds", "gauge", "How late the deciding thread's last tick was.");
  out.line({}, bench.io.lag.count());
  out.family("open_descriptors", "gauge", "File descriptors in use; libmodbus can use those below 1024.");
  out.line({}, static_cast<double>(bench.io.descriptors));
  const auto& late = bench.io.lateness;
  out.family("loop_lateness_seconds", "histogram", "How late the deciding thread came to what was due.");
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < late.bounds_s.size(); ++i) {
    so_far += late.counts[i];
    out.line({{"le", fmt::format("{}", late.bounds_s[i])}}, static_cast<double>(so_far), "_bucket");
  }
  so_far += late.counts.back();
  out.line({{"le", "+Inf"}}, static_cast<double>(so_far), "_bucket");
  out.line({}, late.sum.count(), "_sum");
  out.line({}, static_cast<double>(so_far), "_count");
}

}  // namespace

std::string to_metrics(const Status& bench) {
  Exposition out;
  out.family("build_info", "gauge", "The program; always 1.");
  out.line({{"version", bench.version}, {"bench", bench.bench}}, 1);
  out.family("ready", "gauge", "1 when runs can be started.");
  out.line({}, bench.ready ? 1 : 0);
  out.family("status_timestamp_seconds", "gauge", "When these numbers were put together, since 1970.");
  out.line({}, static_cast<double>(unix_ms(bench.now)) / 1000);
  out.family("start_time_seconds", "gauge", "When the daemon came up, since 1970.");
  out.line({}, static_cast<double>(unix_ms(bench.started)) / 1000);
  readings(out, bench);
  devices(out, bench);
  runs(out, bench);
  alarms_and_jobs(out, bench);
  store(out, bench);
  process(out, bench);
  return out.take();
}

std::string to_metrics(const Traffic& traffic) {
  Exposition out;
  const auto one = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.family(name, type, help);
    out.line({}, static_cast<double>(value));
  };
  out.family("http_responses_total", "counter", "Responses, by the class of their status.");
  for (std::size_t i = 2; i < std::size(traffic.answered); ++i)
    out.line({{"code", fmt::format("{}xx", i)}}, static_cast<double>(traffic.answered[i]));
  one("http_orders_total", "counter", "Orders that were given over HTTP, granted or refused.",
      traffic.orders);
  one("http_unknown_tokens_total", "counter", "Requests with a bearer token that nobody has.",
      traffic.unknown_tokens);
  one("http_connections_total", "counter", "Connections that were made.", traffic.connections);
  one("http_connections_refused_total", "counter", "Connections that were one too many.",
      traffic.refused_connections);
  one("http_requests_timed_out_total", "counter", "Requests that did not come in time.", traffic.timed_out);
  one("http_connections_open", "gauge", "Connections that are open.", traffic.open);
  one("http_streams_open", "gauge", "Of these, the ones that are told of every event.", traffic.streams);
  one("http_downloads_open", "gauge", "Of these, the ones that are sent a run.", traffic.downloads);
  return out.take();
}

}  // namespace cambench::http
