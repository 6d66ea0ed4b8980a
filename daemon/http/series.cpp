// What charts ask for: series, pressures and capacities. A handler reads and checks the parameters on the deciding
// thread; what it returns is called on the reader thread and owns all it needs.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <map>
#include <set>

#include "daemon/http/parameters.h"

namespace cambench::http {

namespace {

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
    return archive.runs_of_station(query.station, query.from.value_or(earliest), query.to.value_or(latest));
  auto run = archive.run(query.run);
  return run ? std::vector{std::move(*run)} : std::vector<store::StoredRun>();
}

std::vector<Point> points_of(const SeriesQuery& query, const std::string& run, std::size_t max_points,
                             Archive& archive) {
  if (query.from || query.to)
    return archive.series(run, query.from.value_or(earliest), query.to.value_or(latest), max_points);
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
  const bool over = run.phase == "finished" || run.phase == "aborted";
  JsonWriter writer;
  writer.array();
  for (const auto& [number, cycle] : cycles_of(steps)) {
    writer.object().field("run", run.id).field("cycle", number).field("running", cycle.running && !over);
    writer.field("charge_mAh", 1e3 * cycle.charge_Ah).field("discharge_mAh", 1e3 * cycle.discharge_Ah);
    writer.field("charge_mAh_g", per_gram(cycle.charge_Ah))
        .field("discharge_mAh_g", per_gram(cycle.discharge_Ah));
    writer.field("coulombic_efficiency", cycle.discharge_Ah > 0  // else nobody has discharged it yet
                                             ? ratio(cycle.discharge_Ah, cycle.charge_Ah)
                                             : std::nullopt);
    // As measured: mean current of the largest discharge over the run's 1 C.
    writer.field("discharge_rate_C",
                 ratio(3600 * cycle.longest_discharge_Ah, cycle.longest_discharge_s * run.one_C_A));
    writer.end_object();
  }
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
  using Sensor = store::Reader::Sensor;
  Parameters parameters(asked.request);
  const auto from = parameters.time("from"), to = parameters.time("to");
  const auto max_points = static_cast<std::size_t>(parameters.whole("max_points", 1000, 2, 20'000));
  const auto named = parameters.text("sensor").value_or("press");
  const bool second = named == "second";
  if (!second && named != "press")
    parameters.complain(fmt::format("sensor={} is not known; there are press and second.", named));
  const auto station = from || to ? parameters.text("station").value_or("") : "";
  const auto id = station.empty() ? run_asked(asked, parameters) : "";
  if (auto refused = parameters.finish()) return *refused;
  return [=](Archive& archive) {
    if (station.empty() && !archive.run(id)) return no_such_run(id);
    const auto points =
        station.empty() ? archive.pressures_of_run(id, max_points, second ? Sensor::second : Sensor::press)
                        : archive.pressures(second ? store::second_sensor_of(station) : station,
                                            from.value_or(earliest), to.value_or(latest), max_points);
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

}  // namespace cambench::http
