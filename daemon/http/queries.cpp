// The lists and documents that the archive answers: runs, events, alarms, acts, scores. A handler reads and checks the
// parameters on the deciding thread; what it returns is called on the reader thread and owns all it needs.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "daemon/http/parameters.h"
#include "schema/sha256.h"

namespace cambench::http {

namespace {

void write_run(JsonWriter& json, const store::StoredRun& run) {
  json.field("run", run.id).field("station", run.station).field("recipe", run.recipe);
  json.field("recipe_hash", run.recipe_hash).field("cell", run.cell).field("material", run.material);
  json.field("who", run.who)
      .field("program", run.program)
      .field("state", run.phase)
      .field("one_C_A", run.one_C_A);
  json.field("time_scale", run.time_scale);
  json.field("started", run.started).field("started_ms", unix_ms(run.started)).field("ended", run.ended);
}

void write_trip(JsonWriter& json, const store::StoredTrip& trip) {
  const store::TripRow& row = trip.row;
  json.object().field("number", row.number).field("time", row.at.wall).field("time_ms", unix_ms(row.at.wall));
  json.field("station", row.station).field("run", row.run).field("step", row.step);
  json.field("cause", row.cause).field("text", row.text);
  json.key("readings").array();
  for (const auto& reading : trip.readings) {
    json.object().field("offset_s", reading.offset).field("what", reading.what);
    json.field("pressure_MPa", reading.pressure).field("target_MPa", reading.target);
    json.field("we_vs_re_V", reading.we_vs_re).field("cell_V", reading.cell);
    json.field("current_A", reading.current).field("status", reading.status);
    json.field("text", reading.text).end_object();
  }
  json.end_array().end_object();
}

void write_event(JsonWriter& json, const store::StoredEvent& event) {
  const auto& row = event.row;
  json.object().field("seq", event.seq).field("time", row.at.wall).field("time_ms", unix_ms(row.at.wall));
  json.field("station", row.station).field("run", row.run).field("kind", row.kind).field("step", row.step);
  json.field("reason", row.reason).field("cause", row.cause).field("text", row.text).field("who", row.who);
  json.field("elapsed_s", row.elapsed).field("test_time_s", row.test_time).end_object();
}

void write_act(JsonWriter& json, const store::StoredAct& act) {
  const auto& row = act.row;
  json.object().field("id", act.id).field("time", row.at).field("time_ms", unix_ms(row.at));
  json.field("who", row.who).field("act", row.act).field("target", row.target);
  json.field("reason", row.reason).field("outcome", row.outcome).end_object();
}

void write_sample(JsonWriter& json, const store::SampleRow& row) {
  const auto& sample = row.sample;
  json.object().field("seq", row.seq).field("time", sample.at.wall).field("time_ms", unix_ms(sample.at.wall));
  json.field("test_time_s", row.test_time).field("cycle", row.cycle).field("step", sample.step);
  json.field("step_time_s", sample.step_time)
      .field("we_vs_re_V", sample.we_vs_re)
      .field("cell_V", sample.cell);
  json.field("current_A", sample.current).field("current_set_A", sample.current_set);
  json.field("status", sample.status).end_object();
}

void write_alarm(JsonWriter& json, const store::StoredAlarm& alarm) {
  const auto& row = alarm.row;
  json.object().field("id", alarm.id).field("time", row.raised).field("time_ms", unix_ms(row.raised));
  json.field("severity", row.severity).field("cause", row.cause).field("text", row.text);
  json.field("station", row.station).field("run", row.run);
  json.field("cleared", alarm.cleared).field("acknowledged_by", alarm.acknowledged_by);
  json.field("acknowledged", alarm.acknowledged).end_object();
}

/// Where the next page of a list that goes on begins (RFC 8288); a page that is not full is the last one.
template <typename T, typename Cursor>
Response page_of(const std::vector<T>& rows, void (*write)(JsonWriter&, const T&), std::int64_t limit,
                 std::string_view path, std::string_view parameter, Cursor cursor_of) {
  auto response = array_of(rows, write);
  if (std::ssize(rows) >= limit)
    response.headers.emplace_back("Link", fmt::format("<{}?{}={}&limit={}>; rel=\"next\"", path, parameter,
                                                      cursor_of(rows.back()), limit));
  return response;
}

void write_step(JsonWriter& json, const store::StoredStep& step) {
  const auto& sum = step.summary;
  json.object().field("step", sum.step).field("cycle", sum.cycle).field("samples", sum.samples);
  json.field("first_test_time_s", sum.first_test_time_s).field("last_test_time_s", sum.last_test_time_s);
  json.field("duration_s", sum.duration_s);
  json.field("charge_Ah", sum.charge.charge_Ah).field("charge_energy_Wh", sum.charge.energy_Wh);
  json.field("charge_mean_we_vs_re_V", sum.charge.mean_we_vs_re_V());
  json.field("discharge_Ah", sum.discharge.charge_Ah).field("discharge_energy_Wh", sum.discharge.energy_Wh);
  json.field("discharge_mean_we_vs_re_V", sum.discharge.mean_we_vs_re_V());
  json.field("last_we_vs_re_V", sum.last_we_vs_re_V).field("last_cell_V", sum.last_cell_V);
  json.field("end_reason", step.end_reason).end_object();
}

void write_run_row(JsonWriter& json, const store::StoredRun& run) {
  json.object();
  write_run(json, run);
  json.end_object();
}

}  // namespace

Response no_such_run(const std::string& id) { return not_found("run called " + id); }

Way run_steps(const Asked& asked) {
  return [id = asked.places[0]](Archive& archive) {
    if (!archive.run(id)) return no_such_run(id);
    return array_of(archive.steps(id), write_step);
  };
}

Way events(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto since = parameters.whole("since", 0, 0, std::numeric_limits<std::int64_t>::max());
  const auto limit = static_cast<int>(parameters.whole("limit", 1000, 1, 10'000));
  if (auto refused = parameters.finish()) return *refused;
  return [since, limit](Archive& archive) {
    return page_of(archive.events(since, limit), write_event, limit, "/api/v1/events", "since",
                   [](const auto& event) { return event.seq; });
  };
}

Way event_stream(const Asked& asked) {
  Parameters parameters(asked.request);
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  Stream stream;
  const auto since = parameters.whole("since", -1, 0, most);
  stream.status = parameters.whole("status", 1, 0, 1) == 1;
  if (auto refused = parameters.finish()) return *refused;
  if (since >= 0) stream.since = since;
  // What a browser says when it comes back; it wins over the address that it was opened with.
  const auto& last = asked.request.last_event_id;
  std::int64_t seen = 0;
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), seen);
  if (!last.empty() && error == std::errc() && end == last.data() + last.size() && seen >= 0)
    stream.since = seen;
  return stream;
}

Way alarms(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto limit = static_cast<int>(parameters.whole("limit", 200, 1, 10'000));
  const auto before = parameters.whole("before", 0, 1, std::numeric_limits<std::int64_t>::max());
  if (auto refused = parameters.finish()) return *refused;
  return [limit, before](Archive& archive) {
    return page_of(archive.alarms(limit, before), write_alarm, limit, "/api/v1/alarms", "before",
                   [](const auto& alarm) { return alarm.id; });
  };
}

Way audit(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto limit = static_cast<int>(parameters.whole("limit", 200, 1, 10'000));
  const auto before = parameters.whole("before", 0, 1, std::numeric_limits<std::int64_t>::max());
  if (auto refused = parameters.finish()) return *refused;
  return [limit, before](Archive& archive) {
    return page_of(archive.audit(limit, before), write_act, limit, "/api/v1/audit", "before",
                   [](const auto& act) { return act.id; });
  };
}

Way runs(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto limit = static_cast<int>(parameters.whole("limit", 200, 1, 10'000));
  const auto before = parameters.text("before").value_or("");
  if (auto refused = parameters.finish()) return *refused;
  return [limit, before](Archive& archive) {
    return page_of(archive.runs(limit, before), write_run_row, limit, "/api/v1/runs", "before",
                   [](const auto& run) { return run.id; });
  };
}

Way run(const Asked& asked) {
  return [id = asked.places[0]](Archive& archive) {
    const auto found = archive.run(id);
    if (!found) return no_such_run(id);
    JsonWriter writer;
    writer.object();
    write_run(writer, *found);
    writer.key("cell_as_configured").raw(found->cell_json.value_or("null"));
    writer.key("recipe_as_started").raw(found->recipe_text);
    writer.end_object();
    return json(std::move(writer));
  };
}

Way run_samples(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto after = parameters.whole("after", 0, 0, std::numeric_limits<std::int64_t>::max());
  const auto limit = parameters.whole("limit", 1000, 1, 10'000);
  if (auto refused = parameters.finish()) return *refused;
  return [id = asked.places[0], after, limit](Archive& archive) {
    if (!archive.run(id)) return no_such_run(id);
    return page_of(archive.samples(id, after, limit), write_sample, limit,
                   fmt::format("/api/v1/runs/{}/samples", id), "after",
                   [](const auto& sample) { return sample.seq; });
  };
}

Way run_events(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto since = parameters.whole("since", 0, 0, std::numeric_limits<std::int64_t>::max());
  const auto limit = static_cast<int>(parameters.whole("limit", 1000, 1, 10'000));
  if (auto refused = parameters.finish()) return *refused;
  return [id = asked.places[0], since, limit](Archive& archive) {
    if (!archive.run(id)) return no_such_run(id);
    return page_of(archive.events_of(id, since, limit), write_event, limit,
                   fmt::format("/api/v1/runs/{}/events", id), "since",
                   [](const auto& event) { return event.seq; });
  };
}

Way run_trips(const Asked& asked) {
  return [id = asked.places[0]](Archive& archive) {
    if (!archive.run(id)) return no_such_run(id);
    return array_of(archive.trips(id), write_trip);
  };
}

Way study_scores(const Asked& asked) {
  return [id = asked.places[0]](Archive& archive) {
    const auto score = archive.score(id);
    if (!score) return not_found("score of a study called " + id);
    JsonWriter writer;
    writer.object().field("study", score->row.study).field("version", score->version);
    writer.field("time", score->row.at).field("program", score->row.program);
    writer.field("inputs_hash", score->row.inputs_hash).field("settings", score->row.settings);
    writer.key("result").raw(score->row.result_json);
    writer.end_object();
    return json(std::move(writer));
  };
}

Way study_file(const Asked& asked) {
  const auto& studies = asked.api.board().status().studies;
  if (std::ranges::find(studies, asked.places[0], &status::Study::id) == studies.end())
    return not_found("study called " + asked.places[0]);
  return [study = asked.places[0], name = asked.places[1],
          if_none_match = asked.request.if_none_match](Archive& archive) {
    auto bytes = archive.result_file(study, name);
    if (!bytes) return not_found(fmt::format("result {} of a study called {}", name, study));
    auto etag = '"' + sha256_hex(*bytes).substr(0, 16) + '"';
    if (matches(if_none_match, etag)) return unchanged(std::move(etag));
    Response response;
    response.content_type = content_type(name);
    response.body = Body(std::move(*bytes));
    response.etag = std::move(etag);
    // A report carries its own styles and pictures, and nothing that runs.
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox");
    return response;
  };
}

ArchiveQuery news_after(std::shared_ptr<std::int64_t> since) {
  constexpr int at_once = 500;
  return [since](Archive& archive) {
    std::string text;
    if (*since < 0) {
      *since = archive.last_event();
      return Response();
    }
    for (const auto& event : archive.events(*since, at_once)) {
      JsonWriter json;
      write_event(json, event);
      fmt::format_to(std::back_inserter(text), "id: {}\ndata: {}\n\n", event.seq, json.text());
      *since = event.seq;
    }
    Response response;
    response.body = Body(std::move(text));
    return response;
  };
}

}  // namespace cambench::http
