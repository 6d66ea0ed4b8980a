// The questions that the archive answers. A handler reads and checks the parameters on the deciding thread; what it
// returns is called on the reader thread and owns all it needs.
#include <fast_float/fast_float.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "daemon/http/handlers.h"
#include "schema/sha256.h"

namespace cambench::http {

namespace {

// --- parameters

/// Reads query parameters and keeps the first complaint; an unknown parameter is one (finish()).
class Parameters {
 public:
  explicit Parameters(const Request& request) : request_(request) {}

  std::optional<std::string> text(std::string_view name) {
    known_.insert(name);
    const auto found = request_.asked(name);
    return found ? std::optional(std::string(*found)) : std::nullopt;
  }

  std::int64_t whole(std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    const auto found = text(name);
    if (!found) return otherwise;
    std::int64_t value = 0;
    const auto* last = found->data() + found->size();
    const auto [end, error] = std::from_chars(found->data(), last, value);
    if (error == std::errc() && end == last && value >= least && value <= most) return value;
    complain(fmt::format("{}={} is not a whole number from {} to {}.", name, *found, least, most));
    return otherwise;
  }

  std::optional<double> number(std::string_view name) {
    const auto found = text(name);
    if (!found) return std::nullopt;
    double value = 0;
    const auto* last = found->data() + found->size();
    const auto [end, error] = fast_float::from_chars(found->data(), last, value);
    if (error == std::errc() && end == last && std::isfinite(value)) return value;
    complain(fmt::format("{}={} is not a number.", name, *found));
    return std::nullopt;
  }

  /// Milliseconds since 1970 or 2026-11-22T13:00:00[.000]Z: the two that Grafana sends.
  std::optional<WallTime> time(std::string_view name);

  void complain(std::string what) {
    if (trouble_.empty()) trouble_ = std::move(what);
  }

  /// The refusal, when something was wrong.
  std::optional<Response> finish() {
    for (const auto& [key, value] : request_.query)
      if (!known_.contains(key))
        complain(fmt::format("{} is not known here; there are {}.", key, fmt::join(known_, ", ")));
    if (trouble_.empty()) return std::nullopt;
    return problem(400, "The question cannot be read", trouble_);
  }

 private:
  const Request& request_;
  std::set<std::string_view> known_;
  std::string trouble_;
};

std::optional<WallTime> parse_time(std::string_view text) {
  const auto digits = [&](std::size_t at, std::size_t count) {
    int value = -1;
    const auto part = text.substr(at, count);
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    return error == std::errc() && end == part.data() + count ? value : -1;
  };
  constexpr std::string_view pattern = "0000-00-00T00:00:00";
  if (text.size() < pattern.size()) return std::nullopt;
  for (std::size_t at = 0; at < pattern.size(); ++at)
    if (pattern[at] != '0' && text[at] != pattern[at]) return std::nullopt;
  const int hour = digits(11, 2), minute = digits(14, 2), second = digits(17, 2);
  const std::chrono::year_month_day date{std::chrono::year(digits(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(digits(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(digits(8, 2)))};
  if (!date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  int milliseconds = 0;
  auto rest = text.substr(pattern.size());
  if (rest.starts_with('.')) {
    milliseconds = digits(pattern.size() + 1, 3);
    if (milliseconds < 0) return std::nullopt;
    rest.remove_prefix(4);
  }
  if (rest != "Z" && !rest.empty()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + std::chrono::milliseconds(milliseconds);
}

std::optional<WallTime> Parameters::time(std::string_view name) {
  const auto found = text(name);
  if (!found) return std::nullopt;
  std::int64_t milliseconds = 0;
  const auto* last = found->data() + found->size();
  const auto [end, error] = std::from_chars(found->data(), last, milliseconds);
  constexpr std::int64_t year_2200 = 7'258'118'400'000;
  if (error == std::errc() && end == last && std::abs(milliseconds) < year_2200)
    return from_unix_ms(milliseconds);
  if (const auto time = parse_time(*found)) return time;
  complain(
      fmt::format("{}={} is neither milliseconds since 1970 nor like 2026-11-22T13:00:00Z.", name, *found));
  return std::nullopt;
}

/// The run that is asked for: by its id, or as the one on a station now.
std::string run_asked(const Asked& asked, Parameters& parameters) {
  const auto run = parameters.text("run");
  const auto name = parameters.text("station");
  if (run) return *run;
  if (!name) parameters.complain("Say which run: run=r000001, or station=A1 for the one that is there now.");
  for (const auto& station : asked.api.board().status().stations)
    if (name && station.name == *name && station.run) return station.run->id;
  if (name) parameters.complain(fmt::format("There is no run on a station called {}.", *name));
  return {};
}

// --- rows

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

void write_event(JsonWriter& json, const store::StoredEvent& event) {
  const auto& row = event.row;
  json.object().field("seq", event.seq).field("time", row.at.wall).field("time_ms", unix_ms(row.at.wall));
  json.field("station", row.station).field("run", row.run).field("kind", row.kind).field("step", row.step);
  json.field("reason", row.reason).field("cause", row.cause).field("text", row.text).field("who", row.who);
  json.field("elapsed_s", row.elapsed).field("test_time_s", row.test_time).end_object();
}

void write_alarm(JsonWriter& json, const store::StoredAlarm& alarm) {
  const auto& row = alarm.row;
  json.object().field("id", alarm.id).field("time", row.raised).field("time_ms", unix_ms(row.raised));
  json.field("severity", row.severity).field("cause", row.cause).field("text", row.text);
  json.field("station", row.station).field("run", row.run);
  json.field("cleared", alarm.cleared).field("acknowledged_by", alarm.acknowledged_by);
  json.field("acknowledged", alarm.acknowledged).end_object();
}

template <typename T>
Response array_of(const std::vector<T>& rows, void (*write)(JsonWriter&, const T&)) {
  JsonWriter writer;
  writer.array();
  for (const auto& row : rows) write(writer, row);
  writer.end_array();
  return json(std::move(writer));
}

void write_pressure(JsonWriter& json, const store::PressurePoint& point) {
  json.object().field("time", point.at).field("time_ms", unix_ms(point.at));
  json.field("test_time_s", point.test_time_s).field("pressure_MPa", point.pressure_MPa);
  json.field("pressure_min_MPa", point.pressure_min_MPa).field("pressure_max_MPa", point.pressure_max_MPa);
  json.field("pressure_target_MPa", point.target_MPa)
      .field("readings", point.readings)
      .field("bad", point.bad);
  json.field("trouble", point.trouble).end_object();
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

// --- series

struct SeriesQuery {
  std::string run;      ///< one run, or
  std::string station;  ///< every run of a station between `from` and `to`
  std::optional<double> from_s, to_s;
  std::optional<WallTime> from, to;
  std::size_t max_points = 0;
  std::set<std::string, std::less<>> fields;  ///< empty: all
  bool columns = false;

  [[nodiscard]] bool wants(std::string_view field) const { return fields.empty() || fields.contains(field); }
};

constexpr WallTime beginning = WallTime::min(), end_of_time = WallTime::max();

using Point = store::SeriesPoint;
using Extreme = std::optional<double> Point::*;

struct Quantities {
  std::string_view name, name_min, name_max;
  Extreme min, max;
};
constexpr Quantities quantities[] = {
    {"we_vs_re_V", "we_vs_re_min_V", "we_vs_re_max_V", &Point::we_vs_re_min_V, &Point::we_vs_re_max_V},
    {"cell_V", "cell_min_V", "cell_max_V", &Point::cell_min_V, &Point::cell_max_V},
    {"current_A", "current_min_A", "current_max_A", &Point::current_min_A, &Point::current_max_A},
};

std::vector<store::StoredRun> runs_meant(const SeriesQuery& query, Archive& archive) {
  if (query.run.empty())
    return archive.runs_of_station(query.station, query.from.value_or(beginning),
                                   query.to.value_or(end_of_time));
  auto run = archive.run(query.run);
  return run ? std::vector{std::move(*run)} : std::vector<store::StoredRun>();
}

std::vector<Point> points_of(const SeriesQuery& query, const std::string& run, std::size_t max_points,
                             Archive& archive) {
  if (query.from || query.to)
    return archive.series(run, query.from.value_or(beginning), query.to.value_or(end_of_time), max_points);
  constexpr double always = std::numeric_limits<double>::max();
  return archive.series(run, query.from_s.value_or(-always), query.to_s.value_or(always), max_points);
}

void write_row(JsonWriter& json, const SeriesQuery& query, const store::StoredRun& run, const Point& point,
               Extreme Quantities::*which) {
  json.object().field("time", point.at).field("time_ms", unix_ms(point.at));
  if (query.wants("run")) json.field("run", run.id);
  if (query.wants("station")) json.field("station", run.station);
  if (query.wants("test_time_s")) json.field("test_time_s", point.test_time_s);
  for (const auto& quantity : quantities)
    if (query.wants(quantity.name)) json.field(quantity.name, point.*(quantity.*which));
  json.end_object();
}

// Long form, one row a point. A thinned point becomes two rows at the same time, its lowest and its highest values: a
// line through the rows shows every excursion, and no value is made up.
Response series_rows(const SeriesQuery& query, const std::vector<store::StoredRun>& runs, Archive& archive) {
  JsonWriter writer;
  writer.array();
  for (const auto& run : runs)
    for (const auto& point :
         points_of(query, run.id, std::max<std::size_t>(2, query.max_points / runs.size()), archive)) {
      write_row(writer, query, run, point, &Quantities::min);
      const bool single =
          std::ranges::all_of(quantities, [&](const auto& it) { return point.*it.min == point.*it.max; });
      if (!single) write_row(writer, query, run, point, &Quantities::max);
    }
  writer.end_array();
  return json(std::move(writer));
}

template <typename Of>
void write_column(JsonWriter& json, std::string_view name, const std::vector<Point>& points, Of of) {
  json.key(name).array();
  for (const auto& point : points) json.value(of(point));
  json.end_array();
}

// One run, one array a quantity: for charts, a third of the bytes.
Response series_columns(const SeriesQuery& query, const store::StoredRun& run, Archive& archive) {
  const auto points = points_of(query, run.id, query.max_points, archive);
  JsonWriter writer;
  writer.object()
      .field("run", run.id)
      .field("started_ms", unix_ms(run.started))
      .field("time_scale", run.time_scale);
  write_column(writer, "time_ms", points, [](const Point& point) { return unix_ms(point.at); });
  write_column(writer, "test_time_s", points, [](const Point& point) { return point.test_time_s; });
  for (const auto& quantity : quantities) {
    if (!query.wants(quantity.name)) continue;
    write_column(writer, quantity.name_min, points, [&](const Point& point) { return point.*quantity.min; });
    write_column(writer, quantity.name_max, points, [&](const Point& point) { return point.*quantity.max; });
  }
  writer.end_object();
  return json(std::move(writer));
}

void read_fields(SeriesQuery& query, Parameters& parameters) {
  const auto list = parameters.text("fields");
  std::string_view rest = list ? *list : std::string_view();
  while (!rest.empty()) {
    const auto field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    const bool known = field == "run" || field == "station" || field == "test_time_s" ||
                       std::ranges::any_of(quantities, [&](const auto& it) { return it.name == field; });
    if (!known)
      parameters.complain(fmt::format(
          "fields={} is not known; there are run, station, test_time_s, we_vs_re_V, cell_V, current_A.",
          field));
    query.fields.emplace(field);
  }
}

SeriesQuery read_series(const Asked& asked, Parameters& parameters) {
  SeriesQuery query;
  query.from = parameters.time("from");
  query.to = parameters.time("to");
  query.from_s = parameters.number("from_s");
  query.to_s = parameters.number("to_s");
  query.max_points = static_cast<std::size_t>(parameters.whole("max_points", 1000, 2, 20'000));
  read_fields(query, parameters);
  const auto format = parameters.text("format").value_or("rows");
  if (format != "rows" && format != "columns")
    parameters.complain(fmt::format("format={} is not known; there are rows and columns.", format));
  query.columns = format == "columns";
  const auto station = parameters.text("station");
  if (station && (query.from || query.to) && !query.columns)
    query.station = *station;
  else
    query.run = run_asked(asked, parameters);
  return query;
}

// --- capacities

struct Cycle {
  double charge_Ah = 0, discharge_Ah = 0;
  double longest_discharge_s = 0, longest_discharge_Ah = 0;
  bool running = false;
};

std::map<std::uint32_t, Cycle> cycles_of(const std::vector<store::StoredStep>& steps) {
  std::map<std::uint32_t, Cycle> cycles;
  for (const auto& [sum, end_reason] : steps) {
    if (sum.cycle == 0) continue;  // before the first current step
    auto& cycle = cycles[sum.cycle];
    cycle.charge_Ah += sum.charge.charge_Ah;
    cycle.discharge_Ah += sum.discharge.charge_Ah;
    cycle.running |= !end_reason;
    if (sum.discharge.charge_Ah <= cycle.longest_discharge_Ah) continue;
    cycle.longest_discharge_s = sum.duration_s;
    cycle.longest_discharge_Ah = sum.discharge.charge_Ah;
  }
  return cycles;
}

// The active mass of the cell as it was configured when the run began; none for a run without a cell.
std::optional<double> cam_g(const store::StoredRun& run) {
  boost::system::error_code error;
  const auto cell = boost::json::parse(run.cell_json.value_or(""), error);
  if (error || !cell.is_object()) return std::nullopt;
  const auto number_at = [&](boost::json::string_view key) {
    const auto* value = cell.as_object().if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
  };
  const double grams = 1e-3 * number_at("composite_mg") * number_at("cam_fraction");
  return grams > 0 ? std::optional(grams) : std::nullopt;
}

Response capacities_of(const store::StoredRun& run, const std::vector<store::StoredStep>& steps) {
  const auto mass_g = cam_g(run);
  const auto per_gram = [&](double charge_Ah) {
    return mass_g.transform([&](double grams) { return 1e3 * charge_Ah / grams; });
  };
  const auto ratio = [](double part, double whole) {
    return whole > 0 ? std::optional(part / whole) : std::nullopt;
  };
  JsonWriter writer;
  writer.array();
  for (const auto& [number, cycle] : cycles_of(steps)) {
    writer.object().field("run", run.id).field("cycle", number).field("running", cycle.running);
    writer.field("charge_mAh", 1e3 * cycle.charge_Ah).field("discharge_mAh", 1e3 * cycle.discharge_Ah);
    writer.field("charge_mAh_g", per_gram(cycle.charge_Ah))
        .field("discharge_mAh_g", per_gram(cycle.discharge_Ah));
    writer.field("coulombic_efficiency", ratio(cycle.discharge_Ah, cycle.charge_Ah));
    // As measured: mean current of the largest discharge over the run's 1 C.
    writer.field("discharge_rate_C",
                 ratio(3600 * cycle.longest_discharge_Ah, cycle.longest_discharge_s * run.one_C_A));
    writer.end_object();
  }
  writer.end_array();
  return json(std::move(writer));
}

Response no_such_run(const std::string& id) { return not_found("run called " + id); }

}  // namespace

Way series(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto query = read_series(asked, parameters);
  if (auto refused = parameters.finish()) return *refused;
  return [query](Archive& archive) {
    const auto runs = runs_meant(query, archive);
    if (runs.empty() && !query.run.empty()) return no_such_run(query.run);
    return query.columns ? series_columns(query, runs.front(), archive) : series_rows(query, runs, archive);
  };
}

Way pressures(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto from = parameters.time("from"), to = parameters.time("to");
  const auto max_points = static_cast<std::size_t>(parameters.whole("max_points", 1000, 2, 20'000));
  const auto station = from || to ? parameters.text("station").value_or("") : "";
  const auto id = station.empty() ? run_asked(asked, parameters) : "";
  if (auto refused = parameters.finish()) return *refused;
  return [=](Archive& archive) {
    if (station.empty() && !archive.run(id)) return no_such_run(id);
    const auto points = station.empty() ? archive.pressures_of_run(id, max_points)
                                        : archive.pressures(station, from.value_or(beginning),
                                                            to.value_or(end_of_time), max_points);
    return array_of(points, write_pressure);
  };
}

Way capacities(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto id = run_asked(asked, parameters);
  if (auto refused = parameters.finish()) return *refused;
  return [id](Archive& archive) {
    const auto run = archive.run(id);
    return run ? capacities_of(*run, archive.steps(id)) : no_such_run(id);
  };
}

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
  return [since, limit](Archive& archive) { return array_of(archive.events(since, limit), write_event); };
}

Way alarms(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto limit = static_cast<int>(parameters.whole("limit", 200, 1, 10'000));
  if (auto refused = parameters.finish()) return *refused;
  return [limit](Archive& archive) { return array_of(archive.alarms(limit), write_alarm); };
}

Way runs(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto limit = static_cast<int>(parameters.whole("limit", 200, 1, 10'000));
  if (auto refused = parameters.finish()) return *refused;
  return [limit](Archive& archive) { return array_of(archive.runs(limit), write_run_row); };
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

Way run_events(const Asked& asked) {
  return [id = asked.places[0]](Archive& archive) {
    if (!archive.run(id)) return no_such_run(id);
    return array_of(archive.events_of(id), write_event);
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

}  // namespace cambench::http
