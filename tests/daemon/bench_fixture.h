// A bench that is not there: a status, an archive and a daemon made of values, for the tests of HTTP and for people
// who work on the page. The numbers follow the paper's rate test (0.1 to 2 C at 50 MPa) in shape only.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <numbers>
#include <stdexcept>

#include "daemon/http/api.h"

namespace cambench::fixture {

/// When all this is. Only the bench that people look at moves it.
inline WallTime& moment() {
  static WallTime at = std::chrono::sys_days(std::chrono::year{2026} / 11 / 22) + std::chrono::hours(13);
  return at;
}
inline WallTime noon() { return moment(); }
inline WallTime began() { return noon() - std::chrono::hours(61); }  // of the run on A1

template <typename Q>
status::Reading<Q> good(double value, double age_s = 0.2) {
  return {Q(value), status::Quality::good, Seconds(age_s)};
}
template <typename Q>
status::Reading<Q> missing(status::Quality quality, double age_s) {
  return {std::nullopt, quality, Seconds(age_s)};
}

inline status::Instrument potentiostat(std::string serial) {
  return {"methodscript", "PalmSens", "EmStat4S HR", std::move(serial), "v1.3.01", false, true, "", 0};
}
inline status::Instrument press(std::string serial) {
  return {"modbus", "generic", "hydraulic press", std::move(serial), "2.1", false, true, "", 0};
}

inline status::Run run(std::string id, std::string cell, std::string material, std::string state) {
  status::Run run;
  run.id = std::move(id);
  run.recipe = "rate-test-3e";
  run.cell = std::move(cell);
  run.material = std::move(material);
  run.who = "anna";
  run.started = noon() - std::chrono::hours(61);
  run.state = std::move(state);
  run.one_C = Ampere(1.608e-3);
  run.reference_vs_li = Volt(0.31);
  return run;
}

inline status::Station charging() {
  status::Station station;
  station.name = "A1";
  station.potentiostat = potentiostat("ES4HR20B0001");
  station.press = press("HP-0107");
  station.run = run("r000012", "R-LiNbO3", "ncm-linbo3", "running");
  station.run->progress = 0.68;
  station.run->time_left = Seconds(28.4 * 3600);
  station.run->step = status::Step{22, 33, 6, "charge 1 C", "constant_current", Seconds(1312)};
  station.cell_open = false;
  station.we_vs_re = good<Volt>(3.6123);
  station.cell = good<Volt>(3.2844);
  station.current = good<Ampere>(1.6081e-3);
  station.pressure = good<MegaPascal>(50.02);
  station.pressure_target = good<MegaPascal>(50.0);
  station.samples = 219'604;
  return station;
}

inline status::Station tripped() {
  auto station = charging();
  station.name = "A2";
  station.potentiostat = potentiostat("ES4HR20B0002");
  station.press = press("HP-0108");
  station.run = run("r000013", "R-ZrO2-thick", "ncm-zro2-thick", "tripped");
  station.run->why = "pressure_low: 46.2 MPa, the band ends at 48.0 MPa (3 of the last 5 readings)";
  station.run->progress = 0.41;
  station.run->step = status::Step{13, 33, 4, "rest", "open_circuit", Seconds(240)};
  station.cell_open = true;
  station.we_vs_re = good<Volt>(3.4021);
  station.cell = good<Volt>(3.1107);
  station.current = good<Ampere>(0);
  station.pressure = good<MegaPascal>(46.2);
  return station;
}

inline status::Station link_lost() {
  auto station = charging();
  station.name = "A3";
  station.potentiostat = potentiostat("ES4HR20B0003");
  station.potentiostat->up = false;
  station.potentiostat->trouble = "/dev/ttyACM2 is gone: Input/output error";
  station.potentiostat->errors = 4;
  station.press = press("HP-0109");
  station.run = run("r000014", "R-uncoated", "ncm-uncoated", "held");
  station.run->why = "the potentiostat does not answer; its program ends by itself at 4.2 V";
  station.run->progress = 0.12;
  station.run->step = status::Step{4, 33, 2, "charge 0.1 C", "constant_current", Seconds(9000)};
  station.cell_open = std::nullopt;
  station.we_vs_re = missing<Volt>(status::Quality::stale, 42);
  station.cell = missing<Volt>(status::Quality::stale, 42);
  station.current = missing<Ampere>(status::Quality::stale, 42);
  station.pressure = good<MegaPascal>(49.91);
  return station;
}

inline status::Station idle() {
  status::Station station;
  station.name = "A4";
  station.potentiostat = potentiostat("ES4HR20B0004");
  station.press = press("HP-0110");
  station.cell_open = true;
  station.we_vs_re = missing<Volt>(status::Quality::absent, 0);
  station.we_vs_re.age.reset();
  station.cell = good<Volt>(0.0021);
  station.current = good<Ampere>(0);
  station.pressure = good<MegaPascal>(0.02);
  station.pressure_target = good<MegaPascal>(0);
  return station;
}

inline status::ScoredMaterial scored(std::string id, std::string name, std::string coating, double amount,
                                     std::array<double, 6> values) {
  static constexpr std::array keys = {"QS_0", "QS_ret", "DS_general", "DS_polysulfide", "DS_SOy", "DS_POy"};
  status::ScoredMaterial material{std::move(id), std::move(name), std::move(coating), amount, false, {}, ""};
  for (std::size_t i = 0; i < keys.size(); ++i)
    material.scores.push_back({keys[i], values[i], i < 2 ? std::optional<double>() : 0.06, ""});
  material.radar = "radar_" + material.id + ".svg";
  return material;
}

inline status::Study study() {
  status::Study study{
      "coatings", "Coatings for NCM", "scored", "", 3, noon() - std::chrono::minutes(7), {}, {}, {}};
  study.axes = {{"QS_0", "capacity at 0.1 C", true},
                {"QS_ret", "retention at 2 C", true},
                {"DS_general", "degradation", false},
                {"DS_polysulfide", "polysulfide", false},
                {"DS_SOy", "SOₓ", false},
                {"DS_POy", "POₓ", false}};
  study.materials = {
      scored("ncm-uncoated", "NCM uncoated", "none", 0, {1, 1, 1, 1, 1, 1}),
      scored("ncm-linbo3", "NCM LiNbO₃", "LiNbO₃", 1, {1.031, 1.214, 0.87, 0.94, 0.71, 0.68}),
      scored("ncm-zro2-thin", "NCM ZrO₂ thin", "ZrO₂", 1, {0.964, 0.881, 1.21, 1.18, 0.83, 0.77}),
      scored("ncm-zro2-thick", "NCM ZrO₂ thick", "ZrO₂", 5, {0.902, 0.744, 1.13, 1.09, 0.74, 0.66}),
      scored("ncm-x-thin", "NCM X thin", "X", 1, {1.052, 1.167, 0.79, 0.88, 0.9, 0.49}),
      scored("ncm-x-thick", "NCM X thick", "X", 5, {0.941, 0.806, 0.42, 0.37, 0.51, 0.33})};
  study.materials.front().reference = true;
  auto& undefined = study.materials[4].scores[4];
  undefined = {"DS_SOy", std::nullopt, std::nullopt,
               "the two anchors lie closer together than their spots scatter"};
  study.problems = {
      "drop/coatings/ncm-zro2-thin/cycled/spot3.txt: the file ends in the middle of line 40 112"};
  return study;
}

inline Status bench() {
  Status bench;
  bench.now = noon();
  bench.started = noon() - std::chrono::hours(75);
  bench.bench = "glovebox 2";
  bench.version = "0.1.0";
  bench.stations = {charging(), tripped(), link_lost(), idle()};
  using command::Severity;
  bench.alarms = {
      {41, noon() - std::chrono::minutes(18), std::nullopt, Severity::alarm, "pressure_low",
       "the press of A2 lost pressure: 46.2 MPa, the band ends at 48.0 MPa; the cell is open, the press "
       "holds",
       "A2", "r000013", "", std::nullopt},
      {42, noon() - std::chrono::minutes(3), std::nullopt, Severity::warning, "link_down",
       "the potentiostat of A3 does not answer: /dev/ttyACM2 is gone", "A3", "r000014", "", std::nullopt},
      {39, noon() - std::chrono::hours(20), noon() - std::chrono::hours(19), Severity::info, "disk",
       "less than 20 GB are free where the store lies", "", "", "anna", noon() - std::chrono::hours(18)}};
  bench.jobs = {{"score-4", "coatings", "score", "running", 0.37, "ncm-x-thick/cycled: spot 4 of 6",
                 noon() - std::chrono::seconds(2), std::nullopt},
                {"score-3", "coatings", "score", "done", 1, "scores version 3",
                 noon() - std::chrono::minutes(8), noon() - std::chrono::minutes(7)}};
  bench.studies = {study()};
  bench.store = {true, "", Seconds(0.08), 12, 100'000, 1'204'312, 93'000'000, 4'100'000, 19'400'000'000};
  bench.io = {Seconds(0.0004), 31};
  return bench;
}

class Archive : public http::Archive {
 public:
  std::vector<store::StoredRun> runs(int limit, const std::string& before) override {
    std::vector<store::StoredRun> found;
    for (const auto* id : {"r000014", "r000013", "r000012"})
      if ((before.empty() || id < before) && std::ssize(found) < limit) found.push_back(stored(id));
    return found;
  }
  std::optional<store::StoredRun> run(const std::string& id) override {
    if (broken) throw std::runtime_error("the store's file cannot be read: disk I/O error");
    if (!id.starts_with("r0000")) return std::nullopt;
    return stored(id);
  }
  std::vector<store::StoredEvent> events(std::int64_t since, int limit) override {
    std::vector<store::StoredEvent> found;
    for (std::int64_t seq = since + 1; seq <= 7 && std::ssize(found) < limit; ++seq)
      found.push_back(event(seq));
    return found;
  }
  std::int64_t last_event() override { return 7; }
  std::vector<store::StoredEvent> events_of(const std::string&, std::int64_t since, int limit) override {
    return events(since, limit);
  }
  std::vector<store::StoredTrip> trips(const std::string& id) override {
    store::StoredTrip trip{{id, 1, "A1", 3, "pressure_lost", "12.00 MPa, target 50.00 MPa", {{}, noon()}},
                           {}};
    trip.readings.push_back({.run = id, .number = 1, .seq = 1, .offset = Seconds(-0.2), .what = "pressure"});
    trip.readings.back().pressure = MegaPascal(49.9);
    trip.readings.push_back({.run = id, .number = 1, .seq = 2, .offset = Seconds(0), .what = "event"});
    trip.readings.back().text = "TRIPPED by pressure_lost";
    return {trip};
  }
  std::vector<store::SampleRow> samples(const std::string& id, std::int64_t after,
                                        std::int64_t limit) override {
    std::vector<store::SampleRow> found;
    for (std::int64_t seq = after + 1; seq <= 9 && std::ssize(found) < limit; ++seq) {
      store::SampleRow row{.run = id, .seq = seq, .test_time = Seconds(seq), .cycle = 1, .sample = {}};
      row.sample.we_vs_re = Volt(3.6);
      row.sample.at.wall = noon();
      found.push_back(row);
    }
    return found;
  }
  std::int64_t last_seq(const std::string&) override { return 9; }
  std::vector<store::SeriesPoint> series(const std::string&, double from_s, double to_s,
                                         std::size_t max_points) override {
    asked_from_s = from_s;
    asked_to_s = to_s;
    std::vector<store::SeriesPoint> found;
    const double end_s = 61 * 3600, first = std::max(0.0, from_s), last = std::min(end_s, to_s);
    const auto count = std::min<std::size_t>(max_points, 1200);
    for (std::size_t i = 0; i < count; ++i)
      found.push_back(
          point(first + (last - first) * static_cast<double>(i) / static_cast<double>(count - 1)));
    return found;
  }
  std::vector<store::SeriesPoint> series(const std::string& id, WallTime from, WallTime to,
                                         std::size_t max_points) override {
    const auto since = [](WallTime at) { return Seconds(at - began()).count(); };
    return series(id, since(from), since(to), max_points);
  }
  std::vector<store::StoredRun> runs_of_station(const std::string&, WallTime, WallTime) override {
    return {stored("r000012"), stored("r000015")};
  }
  std::vector<store::PressurePoint> pressures_of_run(const std::string&, std::size_t,
                                                     store::Reader::Sensor sensor) override {
    asked_sensor = sensor;
    std::vector<store::PressurePoint> found;
    for (int i = 0; i < 600; ++i) {
      store::PressurePoint point;
      point.test_time_s = i * 366.0;
      point.at = began() + std::chrono::seconds(i * 366);
      point.pressure_MPa = 50 + 0.06 * std::sin(i / 3.0) + 0.03 * std::sin(i * 1.7);
      point.pressure_min_MPa = *point.pressure_MPa - 0.04;
      point.pressure_max_MPa = *point.pressure_MPa + 0.04;
      point.target_MPa = 50;
      found.push_back(point);
    }
    return found;
  }
  std::vector<store::PressurePoint> pressures(const std::string&, WallTime, WallTime, std::size_t) override {
    return pressures_of_run("", 0, store::Reader::Sensor::press);
  }
  // Two cycles each at 0.1, 0.3, 1 and 2 C, of which the sixth is running; capacities fall with the rate.
  std::vector<store::StoredStep> steps(const std::string&) override {
    const std::array rates = {0.1, 0.1, 0.3, 0.3, 1.0, 1.0};
    const std::array discharged = {152.1, 151.7, 138.4, 137.9, 104.2, 0.0};
    std::vector<store::StoredStep> found;
    for (std::uint32_t i = 0; i < rates.size(); ++i) {
      store::StoredStep charge, discharge;
      charge.summary.cycle = discharge.summary.cycle = i + 1;
      charge.summary.step = 4 * i;
      discharge.summary.step = 4 * i + 2;
      discharge.summary.discharge.charge_Ah = discharged[i] * 8.04e-6;
      charge.summary.charge.charge_Ah = (i == 5 ? 41.0 : discharged[i] / (i == 0 ? 0.79 : 0.991)) * 8.04e-6;
      discharge.summary.duration_s = 3600 * discharge.summary.discharge.charge_Ah / (rates[i] * 1.608e-3);
      charge.end_reason = "planned";
      if (i == 5) charge.end_reason.reset();
      found.push_back(charge);
      if (i == 5) break;
      discharge.end_reason = "planned";
      found.push_back(discharge);
    }
    return found;
  }
  std::vector<store::StoredAct> audit(int, std::int64_t before) override {
    if (before != 0 && before <= 5) return {};
    return {{5, {"anna (uid 1000, pid 4711)", "reset", "r000013", "the leak is mended", "granted", noon()}}};
  }
  std::vector<store::StoredAlarm> alarms(int, std::int64_t before) override {
    if (before != 0 && before <= 41) return {};
    store::StoredAlarm alarm;
    alarm.id = 41;
    alarm.row = {.station = "A2",
                 .run = "r000013",
                 .severity = "alarm",
                 .cause = "pressure_low",
                 .text = "46.2 MPa",
                 .raised = noon()};
    return {alarm};
  }
  /// `pieces_of` pieces of 1000 bytes; the recipe of this run cannot be said in PyBaMM's words.
  Result<http::RunFile> run_file(const std::string& id, exports::Format format, const std::string&) override {
    if (format == exports::Format::pybamm)
      return fail(Fault::Kind::refused, "a press has no PyBaMM sentence");
    auto left = pieces_of;
    return http::RunFile{id + ".bdf.csv", [this, left]() mutable {
                           if (left-- == breaks_at) throw std::runtime_error("disk I/O error");
                           return left < 0 ? std::string() : std::string(1000, 'x');
                         }};
  }
  std::optional<store::StoredScore> score(const std::string& name) override {
    if (name != "coatings") return std::nullopt;
    return store::StoredScore{3, {"coatings", "ab12", "total-ion", "0.1.0", R"({"sets":[]})", noon()}};
  }
  std::optional<std::string> result_file(const std::string& name, const std::string& file) override {
    if (name != "coatings") return std::nullopt;
    if (file == "report.html") return "<!doctype html><title>report</title>";
    for (const auto& material : study().materials)
      if (material.radar == file) return radar(material);
    return std::nullopt;
  }

  bool broken = false;
  int pieces_of = 3, breaks_at = -7;  // counted down
  double asked_from_s = 0, asked_to_s = 0;
  store::Reader::Sensor asked_sensor = store::Reader::Sensor::press;

 private:
  static store::StoredRun stored(const std::string& id) {
    store::StoredRun run;
    run.id = id;
    run.station = "A1";
    run.recipe = "rate-test-3e";
    run.recipe_hash = "5f2a";
    run.recipe_text = R"({"method":[]})";
    run.cell = "R-LiNbO3";
    run.cell_json = R"({"composite_mg":12,"cam_fraction":0.67})";
    run.material = "ncm-linbo3";
    run.who = "anna";
    run.phase = "running";
    run.one_C_A = 1.608e-3;
    run.started = began();
    return run;
  }
  static store::StoredEvent event(std::int64_t seq) {
    store::EventRow row;
    row.run = "r000012";
    row.station = "A1";
    row.kind = "step_began";
    row.step = static_cast<std::uint32_t>(seq);
    row.test_time = Seconds(3600.0 * static_cast<double>(seq));
    row.at.wall = noon();
    return {seq, row};
  }
  // Charge, rest, discharge, rest: a curve with the plateaus of a layered oxide, drawn, not simulated.
  static store::SeriesPoint point(double time_s) {
    const double cycle_s = 61 * 3600 / 6.0, phase = std::fmod(time_s, cycle_s) / cycle_s;
    const bool charge = phase < 0.42, discharge = phase >= 0.5 && phase < 0.9;
    const double state = charge ? phase / 0.42 : phase < 0.5 ? 1 : discharge ? 1 - (phase - 0.5) / 0.4 : 0;
    const double sign = charge ? 1 : discharge ? -1 : 0;
    const double volt =
        3.25 + 0.62 * state + 0.16 * std::pow(state, 6) - 0.35 * std::pow(1 - state, 8) + 0.03 * sign;
    store::SeriesPoint point;
    point.test_time_s = time_s;
    point.at = began() + std::chrono::duration_cast<WallTime::duration>(Seconds(time_s));
    point.we_vs_re_min_V = volt;
    point.we_vs_re_max_V = volt + (discharge ? 0.004 : 0);
    point.cell_min_V = volt - 0.62 + 0.05 * sign;
    point.cell_max_V = point.cell_min_V;
    point.current_min_A = sign * 1.608e-3;
    point.current_max_A = point.current_min_A;
    return point;
  }
  static std::string radar(const status::ScoredMaterial& material) {
    const auto corner = [](std::size_t axis, double radius) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(axis) / 5 - std::numbers::pi / 2;
      return fmt::format("{:.1f},{:.1f} ", 100 + 80 * radius * std::cos(angle),
                         105 + 80 * radius * std::sin(angle));
    };
    std::string rim, uncoated, own;
    const std::array<std::size_t, 5> axes = {0, 1, 3, 4, 5};
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      const double value = material.scores[axes[axis]].value.value_or(1);
      const double better = axis < 2 ? (value - 1) / (axis == 0 ? 0.25 : 1) : 1 - value;
      rim += corner(axis, 1);
      uncoated += corner(axis, 0.5);
      own += corner(axis, std::clamp(0.5 + 0.5 * better, 0.0, 1.0));
    }
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" role="img"><title>{}</title>)"
        R"(<polygon points="{}" fill="none" stroke="#bbb"/><polygon points="{}" fill="none" stroke="#888" )"
        R"(stroke-dasharray="4 3"/><polygon points="{}" fill="#0072B2" fill-opacity=".25" stroke="#0072B2" )"
        R"(stroke-width="2"/></svg>)",
        material.name, rim, uncoated, own);
  }
};

/// Takes every order and remembers it; refuses what `refusal` says.
class Daemon : public http::Api {
 public:
  Daemon() { board_.publish(fixture::bench()); }
  [[nodiscard]] const http::Board& board() const override { return board_; }
  void publish(Status status) { board_.publish(std::move(status)); }
  [[nodiscard]] const config::Bench& bench() const override { return configured; }
  void carry_out(http::Order order, std::function<void(Result<std::string>)> done) override {
    orders.push_back(std::move(order));
    if (silent)
      kept = std::move(done);
    else
      done(refusal ? Result<std::string>(fail(*refusal)) : Result<std::string>("r000015"));
  }

  config::Bench configured = [] {
    config::Bench bench;
    bench.materials = {{"ncm-uncoated", "NCM uncoated", "none", 0, true},
                       {"ncm-linbo3", "NCM LiNbO₃", "LiNbO₃", 1, false}};
    CellSpec cell{.id = "R-LiNbO3", .material = "ncm-linbo3", .electrodes = 3, .composite = Gram(0.012)};
    cell.cam_fraction = 0.67;
    cell.area_cm2 = 0.7854;
    cell.reference = ReferenceElectrode{Volt(0.31), "lithiated gold, assumed"};
    bench.cells = {cell};
    bench.entries_text = R"({"cell":[{"id":"R-LiNbO3"}]})";
    return bench;
  }();
  std::vector<http::Order> orders;
  std::optional<Fault> refusal;
  bool silent = false;  ///< never says whether an order was carried out
  std::function<void(Result<std::string>)> kept;

 private:
  http::Board board_{"boot"};
};

}  // namespace cambench::fixture
