// cambench capacity: what a cycler's file says about each cycle, by our own integral and by its own counters.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "analysis/capacity.h"
#include "analysis/formats/rate_csv.h"
#include "daemon/cli/verbs.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;
using rate::Cycle;
using rate::Efficiency;
using rate::HalfCycle;

struct Options {
  std::string file;
  bool half_cell = false;
  double cam_mg = 0;
};

/// One line of the answer. Capacities in mAh, or in mAh/g when the mass is known.
struct Line {
  std::uint32_t cycle = 0;
  std::optional<double> current_mA;
  std::optional<double> charge, charge_counter, discharge, discharge_counter;
  std::optional<double> efficiency, retention;
};

std::optional<double> scaled(std::optional<double> ampere_hour, const Options& options) {
  if (!ampere_hour) return std::nullopt;
  return options.cam_mg > 0 ? *ampere_hour * 1e6 / options.cam_mg : *ampere_hour * 1e3;
}

/// The half that counts as the capacity: what a cathode cell gives back, or a half cell's delithiation.
const std::optional<HalfCycle>& counted(const Cycle& cycle, const Options& options) {
  return options.half_cell ? cycle.charge : cycle.discharge;
}

Line line_of(const Cycle& cycle, const Options& options, std::optional<double> first_Ah) {
  Line line{.cycle = cycle.cycle};
  if (cycle.charge) {
    line.charge = scaled(cycle.charge->capacity_Ah, options);
    line.charge_counter = scaled(cycle.charge->counter_Ah, options);
  }
  if (cycle.discharge) {
    line.discharge = scaled(cycle.discharge->capacity_Ah, options);
    line.discharge_counter = scaled(cycle.discharge->counter_Ah, options);
  }
  if (const auto& half = counted(cycle, options)) {
    line.current_mA = half->mean_current_A * 1e3;
    if (first_Ah && *first_Ah > 0) line.retention = half->capacity_Ah / *first_Ah;
  }
  line.efficiency =
      cycle.efficiency(options.half_cell ? Efficiency::charge_by_discharge : Efficiency::discharge_by_charge);
  return line;
}

std::vector<Line> lines_of(const rate::RateTest& test, const Options& options) {
  const auto cycles = rate::cycles(test.rows);
  if (cycles.empty())
    throw Problem(refused,
                  fmt::format("{}: no row has a current: there is no cycle to tell of", options.file));
  std::optional<double> first_Ah;
  std::vector<Line> lines;
  for (const Cycle& cycle : cycles) {
    if (const auto& half = counted(cycle, options); half && !first_Ah) first_Ah = half->capacity_Ah;
    lines.push_back(line_of(cycle, options, first_Ah));
  }
  return lines;
}

std::string cell(const std::optional<double>& number, int digits) {
  return number ? fmt::format("{:.{}f}", *number, digits) : "-";
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.2f} %", *share * 100) : "-";
}

/// By how much the integral is off the instrument's counter.
std::string deviation(const std::optional<double>& integral, const std::optional<double>& counter) {
  if (!integral || !counter || *counter == 0) return "-";
  return fmt::format("{:+.3f} %", (*integral / *counter - 1) * 100);
}

void print(Session& session, const rate::RateTest& test, const std::vector<Line>& lines,
           const Options& options) {
  const std::string unit = options.cam_mg > 0 ? "mAh/g" : "mAh";
  session.out << fmt::format("{}: {} rows, {} cycles; potential from \"{}\"\n", options.file,
                             test.rows.size(), lines.size(), test.potential);
  session.out << fmt::format("capacities in {}: integral of (t, I), and the instrument's counter{}\n", unit,
                             test.has_counters ? "" : " (the file has none)");
  session.out << fmt::format(
      "efficiency: {}; retention: {} against the first cycle\n\n",
      to_string(options.half_cell ? Efficiency::charge_by_discharge : Efficiency::discharge_by_charge),
      options.half_cell ? "charge" : "discharge");
  TextTable table({{"cycle", Align::right},
                   {"mean mA", Align::right},
                   {"charge", Align::right},
                   {"counter", Align::right},
                   {"off by", Align::right},
                   {"discharge", Align::right},
                   {"counter", Align::right},
                   {"off by", Align::right},
                   {"efficiency", Align::right},
                   {"retention", Align::right}});
  for (const Line& line : lines)
    table.add({std::to_string(line.cycle), cell(line.current_mA, 4), cell(line.charge, 5),
               cell(line.charge_counter, 5), deviation(line.charge, line.charge_counter),
               cell(line.discharge, 5), cell(line.discharge_counter, 5),
               deviation(line.discharge, line.discharge_counter), percent(line.efficiency),
               percent(line.retention)});
  table.print(session.out);
}

void print_json(Session& session, const std::vector<Line>& lines, const Options& options) {
  const std::string unit = options.cam_mg > 0 ? "_mAh_g" : "_mAh";
  JsonWriter json;
  json.array();
  for (const Line& line : lines) {
    json.object().field("cycle", line.cycle).field("current_mA", line.current_mA);
    json.field("charge" + unit, line.charge).field("charge_counter" + unit, line.charge_counter);
    json.field("discharge" + unit, line.discharge).field("discharge_counter" + unit, line.discharge_counter);
    json.field("efficiency", line.efficiency).field("retention", line.retention).end_object();
  }
  session.out << json.end_array().text() << '\n';
}

void capacity(Session& session, const Options& options) {
  const auto test = rate::read_rate_csv(read_file(options.file), options.file);
  const auto lines = lines_of(test, options);
  if (session.json)
    print_json(session, lines, options);
  else
    print(session, test, lines, options);
}

}  // namespace

void add_capacity_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* sub =
      app.add_subcommand("capacity", "Capacity, efficiency and retention of every cycle in a cycler's file");
  sub->add_option("file", options->file, "comma-separated: Battery Data Format, Arbin-like or cellpy columns")
      ->required();
  sub->add_option("--cam-mg", options->cam_mg, "mass of the active material: capacities per gram")
      ->check(CLI::PositiveNumber);
  sub->add_flag("--half-cell", options->half_cell,
                "a half cell that is lithiated on discharge: its charge is the capacity, efficiency is "
                "charge/discharge");
  sub->callback(
      [&session, options] { session.action = [&session, options] { capacity(session, *options); }; });
}

}  // namespace cambench::cli
