#include "schema/status.h"

#include <algorithm>

#include "schema/json.h"

namespace cambench {

namespace status {

Reading<MegaPascal> pressure_reading(const PressureSample& sample, Instant now, Seconds stale_after) {
  return reading(sample.pressure, sample.at, now, stale_after, !sample.trouble.empty() || !sample.pressure);
}

void Lateness::note(Seconds late) {
  std::size_t bucket = 0;
  while (bucket < bounds_s.size() && late.count() > bounds_s[bucket]) ++bucket;
  ++counts[bucket];
  sum += late;
  longest = std::max(longest, late);
}

std::string_view name(Quality quality) {
  switch (quality) {
    case Quality::good: return "good";
    case Quality::stale: return "stale";
    case Quality::bad: return "bad";
    case Quality::absent: return "absent";
  }
  return {};
}

std::string_view name(command::Severity severity) {
  switch (severity) {
    case command::Severity::info: return "info";
    case command::Severity::warning: return "warning";
    case command::Severity::alarm: return "alarm";
  }
  return {};
}

namespace {

void write(JsonWriter& json, const Run& run);
void write(JsonWriter& json, const Study& study);

template <typename Q>
void write(JsonWriter& json, const std::string& key, const char* unit, const Reading<Q>& reading) {
  json.field(key + unit, reading.value);
  json.field(key + "_quality", name(reading.quality));
  json.field(key + "_age_s", reading.age);
}

void write_readings(JsonWriter& json, const Station& station) {
  json.field("cell_open", station.cell_open);
  write(json, "we_vs_re", "_V", station.we_vs_re);
  write(json, "cell", "_V", station.cell);
  write(json, "current", "_A", station.current);
  write(json, "pressure", "_MPa", station.pressure);
  write(json, "pressure_target", "_MPa", station.pressure_target);
  write(json, "pressure_second", "_MPa", station.pressure_second);
  json.field("samples", station.samples).field("polls_missed", station.polls_missed);
  json.field("pressure_spikes", station.pressure_spikes).field("press_release", station.press_release);
}

void write(JsonWriter& json, const ProofTest& test) {
  json.object().field("who", test.who).field("state", test.state).field("started", test.started);
  json.key("steps").array();
  for (const ProofStep& it : test.steps) {
    json.object().field("step", it.step).field("expected", it.expected);
    json.field("seen", it.seen).field("verdict", it.verdict).end_object();
  }
  json.end_array().end_object();
}

void write(JsonWriter& json, const Instrument& instrument) {
  json.object();
  json.field("driver", instrument.driver).field("maker", instrument.maker).field("model", instrument.model);
  json.field("serial", instrument.serial).field("firmware", instrument.firmware);
  json.field("simulated", instrument.simulated).field("up", instrument.up);
  json.field("trouble", instrument.trouble).field("errors", instrument.errors).field("ok", instrument.ok);
  json.field("last_io_s", instrument.last_io).field("longest_io_s", instrument.longest_io);
  json.end_object();
}

void write(JsonWriter& json, const Step& step) {
  json.object();
  json.field("index", step.index).field("count", step.count).field("cycle", step.cycle);
  json.field("label", step.label).field("kind", step.kind).field("elapsed_s", step.elapsed);
  json.end_object();
}

template <typename T>
void write_or_null(JsonWriter& json, std::string_view key, const std::optional<T>& what) {
  json.key(key);
  if (what)
    write(json, *what);
  else
    json.null();
}

void write(JsonWriter& json, const Run& run) {
  json.object();
  json.field("id", run.id).field("recipe", run.recipe).field("cell", run.cell);
  json.field("material", run.material).field("who", run.who).field("started", run.started);
  json.field("state", run.state).field("why", run.why);
  json.field("progress", run.progress).field("time_left_s", run.time_left);
  json.field("one_C_A", run.one_C).field("reference_vs_li_V", run.reference_vs_li);
  write_or_null(json, "step", run.step);
  json.end_object();
}

void write(JsonWriter& json, const Station& station) {
  json.object().field("name", station.name);
  write_readings(json, station);
  write_or_null(json, "potentiostat", station.potentiostat);
  write_or_null(json, "press", station.press);
  write_or_null(json, "gauge", station.gauge);
  write_or_null(json, "run", station.run);
  write_or_null(json, "press_test", station.press_test);
  json.end_object();
}

void write(JsonWriter& json, const Alarm& alarm) {
  json.object();
  json.field("id", alarm.id).field("time", alarm.since).field("time_ms", unix_ms(alarm.since));
  json.field("cleared", alarm.cleared).field("severity", name(alarm.severity));
  json.field("cause", alarm.cause).field("text", alarm.text);
  json.field("station", alarm.station).field("run", alarm.run);
  json.field("acknowledged_by", alarm.acknowledged_by).field("acknowledged", alarm.acknowledged);
  json.field("shelved_by", alarm.shelved_by).field("shelved_until", alarm.shelved_until);
  json.end_object();
}

void write(JsonWriter& json, const Job& job) {
  json.object();
  json.field("id", job.id).field("study", job.study).field("what", job.what).field("state", job.state);
  json.field("progress", job.progress).field("text", job.text);
  json.field("started", job.started).field("finished", job.finished);
  json.end_object();
}

void write(JsonWriter& json, const Axis& axis) {
  json.object();
  json.field("key", axis.key).field("label", axis.label).field("higher_is_better", axis.higher_is_better);
  json.end_object();
}

void write(JsonWriter& json, const ScoredMaterial& material) {
  json.object();
  json.field("id", material.id).field("name", material.name).field("coating", material.coating);
  json.field("amount_wt_percent", material.amount_wt_percent).field("reference", material.reference);
  json.field("radar", material.radar);
  json.key("scores").object();
  for (const auto& score : material.scores) {
    json.key(score.axis).object();
    json.field("value", score.value).field("sd", score.sd);
    json.field("ci_low", score.ci_low).field("ci_high", score.ci_high).field("why_not", score.why_not);
    json.end_object();
  }
  json.end_object().end_object();
}

void write(JsonWriter& json, const std::string& text) { json.value(text); }

template <typename T>
void write(JsonWriter& json, const std::vector<T>& list) {
  json.array();
  for (const auto& each : list) write(json, each);
  json.end_array();
}

void write(JsonWriter& json, const Study& study) {
  json.object();
  json.field("id", study.id).field("title", study.title).field("state", study.state);
  json.field("text", study.text).field("version", study.version).field("scored", study.scored);
  write(json.key("axes"), study.axes);
  write(json.key("materials"), study.materials);
  write(json.key("problems"), study.problems);
  json.end_object();
}

void write(JsonWriter& json, const StoreHealth& store) {
  json.object();
  json.field("up", store.up).field("trouble", store.trouble).field("warning", store.warning);
  json.field("commit_age_s", store.commit_age);
  json.field("queued", store.queued).field("queue_capacity", store.queue_capacity).field("rows", store.rows);
  json.field("file_bytes", store.file_bytes).field("wal_bytes", store.wal_bytes);
  json.field("disk_free_bytes", store.disk_free_bytes);
  json.field("spooled", store.spooled).field("spooled_bytes", store.spooled_bytes).field("lost", store.lost);
  json.end_object();
}

void write(JsonWriter& json, const IoHealth& io) {
  json.object().field("lag_s", io.lag).field("longest_lag_s", io.lateness.longest);
  json.field("descriptors", io.descriptors).end_object();
}

// One row of /api/v1/stations: nothing nested, every key in every row.
void write_flat(JsonWriter& json, const Station& station, WallTime now) {
  const Run none;
  const auto& run = station.run ? *station.run : none;
  const auto step = run.step.value_or(Step{});
  json.object();
  json.field("time", now).field("time_ms", unix_ms(now)).field("station", station.name);
  write_readings(json, station);
  json.field("potentiostat_up", station.potentiostat.transform([](auto& it) { return it.up; }));
  json.field("press_up", station.press.transform([](auto& it) { return it.up; }));
  json.field("run", run.id).field("recipe", run.recipe).field("cell", run.cell);
  json.field("material", run.material).field("state", station.run ? run.state : "idle");
  json.field("why", run.why).field("step", step.index).field("steps", step.count);
  json.field("step_label", step.label).field("cycle", step.cycle);
  json.field("progress", run.progress).field("time_left_s", run.time_left);
  json.end_object();
}

template <typename T>
std::string list_json(const std::vector<T>& list) {
  JsonWriter json;
  write(json, list);
  return json.take();
}

}  // namespace

}  // namespace status

std::string to_json(const Status& bench) {
  JsonWriter json;
  json.object();
  json.field("revision", bench.revision).field("now", bench.now).field("now_ms", unix_ms(bench.now));
  json.field("bench", bench.bench).field("version", bench.version).field("started", bench.started);
  json.field("time_scale", bench.time_scale);
  json.field("ready", bench.ready).field("not_ready", bench.not_ready);
  status::write(json.key("stations"), bench.stations);
  status::write(json.key("alarms"), bench.alarms);
  status::write(json.key("jobs"), bench.jobs);
  status::write(json.key("studies"), bench.studies);
  status::write(json.key("store"), bench.store);
  status::write(json.key("io"), bench.io);
  json.end_object();
  return json.take();
}

std::string to_json(const status::Study& study) {
  JsonWriter json;
  status::write(json, study);
  return json.take();
}

std::string stations_json(const Status& bench) {
  JsonWriter json;
  json.array();
  for (const auto& station : bench.stations) status::write_flat(json, station, bench.now);
  json.end_array();
  return json.take();
}

std::string studies_json(const Status& bench) { return status::list_json(bench.studies); }

}  // namespace cambench
