#include "daemon/export/csv.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>

#include "schema/bdf.h"

namespace cambench::exports {

namespace {

constexpr std::size_t piece_bytes = 60'000;

// --- one field

void put(std::string& line, double number) { fmt::format_to(std::back_inserter(line), "{}", number); }
void put(std::string& line, std::int64_t number) { fmt::format_to(std::back_inserter(line), "{}", number); }
void put(std::string& line, std::string_view text) { line += text; }
void put(std::string& line, const std::optional<double>& number) {
  if (number) put(line, *number);
}

std::int64_t microseconds(WallTime at) {
  return std::chrono::floor<std::chrono::microseconds>(at.time_since_epoch()).count();
}

/// Seconds since 1970 with six decimals: a double would already lose the last one.
void put_unix(std::string& line, WallTime at) {
  const std::int64_t us = microseconds(at);
  fmt::format_to(std::back_inserter(line), "{}.{:06}", us / 1'000'000, us % 1'000'000);
}

/// "2026-11-22 13:00:00.000000", UTC
void put_date(std::string& line, WallTime at) {
  fmt::format_to(
      std::back_inserter(line), "{:%Y-%m-%d %H:%M:%S}.{:06}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(at))),
      microseconds(at) % 1'000'000);
}

/// "ok", or every word that the instrument or the wire had against it.
void put_status(std::string& line, std::uint16_t status) {
  namespace bits = reading_status;
  constexpr std::array words{
      std::pair{bits::timing, "timing"},       std::pair{bits::overload, "overload"},
      std::pair{bits::underload, "underload"}, std::pair{bits::overload_warning, "near_overload"},
      std::pair{bits::late, "late"},           std::pair{bits::bad, "bad"}};
  if (status == bits::ok) return put(line, std::string_view("ok"));
  bool first = true;
  for (const auto& [bit, word] : words) {
    if (!(status & bit)) continue;
    if (!std::exchange(first, false)) line += ' ';
    line += word;
  }
}

// --- columns

using Put = void (*)(std::string&, const TableRow&);

struct Column {
  std::string_view label, machine;
  Put put;
  bool needs_reference = false;  ///< left out for a cell without reference electrode
};

const Sample& sample(const TableRow& row) { return row.sample.sample; }

constexpr Put test_time = [](std::string& l, const TableRow& r) { put(l, r.sample.test_time.count()); };
constexpr Put step_time = [](std::string& l, const TableRow& r) { put(l, sample(r).step_time.count()); };
constexpr Put voltage = [](std::string& l, const TableRow& r) { put(l, r.cell_V()); };
constexpr Put current = [](std::string& l, const TableRow& r) { put(l, r.current_A()); };
constexpr Put we_vs_re = [](std::string& l, const TableRow& r) { put(l, r.we_vs_re_V()); };
constexpr Put ce_vs_re = [](std::string& l, const TableRow& r) { put(l, r.ce_vs_re_V()); };
constexpr Put unix_time = [](std::string& l, const TableRow& r) { put_unix(l, sample(r).at.wall); };
constexpr Put date_time = [](std::string& l, const TableRow& r) { put_date(l, sample(r).at.wall); };
constexpr Put cycle = [](std::string& l, const TableRow& r) { put(l, std::int64_t{r.sample.cycle}); };
constexpr Put step_count = [](std::string& l, const TableRow& r) {
  put(l, std::int64_t{sample(r).step} + 1);
};
constexpr Put step_id = [](std::string& l, const TableRow& r) { put(l, std::int64_t{r.step_id}); };
constexpr Put step_type = [](std::string& l, const TableRow& r) { put(l, r.step_type); };
constexpr Put record = [](std::string& l, const TableRow& r) { put(l, r.record); };
constexpr Put step_record = [](std::string& l, const TableRow& r) { put(l, r.step_record); };
constexpr Put pressure = [](std::string& l, const TableRow& r) { put(l, r.pressure_Pa); };
constexpr Put status = [](std::string& l, const TableRow& r) { put_status(l, sample(r).status); };
constexpr Put nothing = [](std::string&, const TableRow&) {};

constexpr Put charged = [](std::string& l, const TableRow& r) { put(l, r.run.charge_Ah); };
constexpr Put discharged = [](std::string& l, const TableRow& r) { put(l, r.run.discharge_Ah); };
constexpr Put cumulative = [](std::string& l, const TableRow& r) {
  put(l, r.run.charge_Ah + r.run.discharge_Ah);
};
constexpr Put net = [](std::string& l, const TableRow& r) { put(l, r.run.charge_Ah - r.run.discharge_Ah); };
constexpr Put charged_Wh = [](std::string& l, const TableRow& r) { put(l, r.run.charge_Wh); };
constexpr Put discharged_Wh = [](std::string& l, const TableRow& r) { put(l, r.run.discharge_Wh); };
constexpr Put cycle_charged = [](std::string& l, const TableRow& r) { put(l, r.cycle.charge_Ah); };
constexpr Put cycle_discharged = [](std::string& l, const TableRow& r) { put(l, r.cycle.discharge_Ah); };
constexpr Put cycle_charged_Wh = [](std::string& l, const TableRow& r) { put(l, r.cycle.charge_Wh); };
constexpr Put cycle_discharged_Wh = [](std::string& l, const TableRow& r) { put(l, r.cycle.discharge_Wh); };

constexpr std::array bdf_columns{
    Column{"Test Time / s", "test_time_second", test_time},
    Column{"Voltage / V", "voltage_volt", voltage},
    Column{"Current / A", "current_ampere", current},
    Column{"Unix Time / s", "unix_time_second", unix_time},
    Column{"Cycle Count / 1", "cycle_count", cycle},
    Column{"Step Count / 1", "step_count", step_count},
    Column{"Step ID", "step_id", step_id},
    Column{"Step Type", "step_type", step_type},
    Column{"Step Time / s", "step_time_second", step_time},
    Column{"Step Record Index / 1", "step_record_index", step_record},
    Column{"Record Index / 1", "record_index", record},
    Column{"Charging Capacity / Ah", "charging_capacity_ah", charged},
    Column{"Discharging Capacity / Ah", "discharging_capacity_ah", discharged},
    Column{"Cumulative Capacity / Ah", "cumulative_capacity_ah", cumulative},
    Column{"Net Capacity / Ah", "net_capacity_ah", net},
    Column{"Cycle Charging Capacity / Ah", "cycle_charging_capacity_ah", cycle_charged},
    Column{"Cycle Discharging Capacity / Ah", "cycle_discharging_capacity_ah", cycle_discharged},
    Column{"Charging Energy / Wh", "charging_energy_wh", charged_Wh},
    Column{"Discharging Energy / Wh", "discharging_energy_wh", discharged_Wh},
    Column{"Applied Pressure / Pa", "applied_pressure_pa", pressure},
    Column{bdf::we_vs_re.label, bdf::we_vs_re.machine, we_vs_re, true},
    Column{bdf::ce_vs_re.label, bdf::ce_vs_re.machine, ce_vs_re, true},
    Column{bdf::sample_status.label, bdf::sample_status.machine, status},
};

constexpr std::array arbin_columns{
    Column{"Data_Point", "", record},
    Column{"Date_Time", "", date_time},
    Column{"Test_Time(s)", "", test_time},
    Column{"Step_Time(s)", "", step_time},
    Column{"Cycle_Index", "", cycle},
    Column{"Step_Index", "", step_id},
    Column{"Current(A)", "", current},
    Column{"Voltage(V)", "", voltage},
    Column{"Charge_Capacity(Ah)", "", cycle_charged},
    Column{"Discharge_Capacity(Ah)", "", cycle_discharged},
    Column{"Charge_Energy(Wh)", "", cycle_charged_Wh},
    Column{"Discharge_Energy(Wh)", "", cycle_discharged_Wh},
    Column{"Aux_Voltage_1(V)", "", we_vs_re, true},
    Column{"Aux_Pressure_1(Pa)", "", pressure},
};

constexpr std::array archive_columns{
    Column{"Date_Time", "", date_time},
    Column{"Test_Time (s)", "", test_time},
    Column{"Cycle_Index", "", cycle},
    Column{"Current (A)", "", current},
    Column{"Voltage (V)", "", voltage},
    Column{"Charge_Capacity (Ah)", "", cycle_charged},
    Column{"Discharge_Capacity (Ah)", "", cycle_discharged},
    Column{"Charge_Energy (Wh)", "", cycle_charged_Wh},
    Column{"Discharge_Energy (Wh)", "", cycle_discharged_Wh},
    Column{"Environment_Temperature (C)", "", nothing},
    Column{"Cell_Temperature (C)", "", nothing},
};

std::span<const Column> columns_of(Dialect dialect) {
  switch (dialect) {
    case Dialect::bdf:
    case Dialect::bdf_machine: return bdf_columns;
    case Dialect::arbin: return arbin_columns;
    case Dialect::battery_archive: return archive_columns;
  }
  return bdf_columns;
}

/// Writes the head with the first piece.
class Writer {
 public:
  Writer(store::Reader& reader, const RunFacts& facts, Dialect dialect)
      : table_(reader, facts), separator_(dialect == Dialect::arbin ? ';' : ',') {
    for (const Column& column : columns_of(dialect))
      if (!column.needs_reference || facts.has_reference()) columns_.push_back(column);
    for (const Column& column : columns_)
      add(dialect == Dialect::bdf_machine ? column.machine : column.label);
    end_line();
  }

  std::string next() {
    while (text_.size() < piece_bytes && table_.next()) {
      for (const Column& column : columns_) {
        column.put(text_, table_.row());
        text_ += separator_;
      }
      end_line();
    }
    return std::exchange(text_, {});
  }

 private:
  void add(std::string_view field) {
    text_ += field;
    text_ += separator_;
  }
  void end_line() { text_.back() = '\n'; }

  RunTable table_;
  char separator_;
  std::vector<Column> columns_;
  std::string text_;
};

/// A field that may hold separators (RFC 4180).
void put_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char c : text) line += c == '"' ? std::string("\"\"") : std::string(1, c);
  line += '"';
}

}  // namespace

Pieces csv(store::Reader& reader, const RunFacts& facts, Dialect dialect) {
  return [writer = std::make_shared<Writer>(reader, facts, dialect)] { return writer->next(); };
}

Pieces pressure_csv(store::Reader& reader, const RunFacts& facts) {
  constexpr std::int64_t page_rows = 1000;
  return [pressures = store::RunPressures(reader, facts.run.id), begun = false]() mutable {
    std::string text =
        std::exchange(begun, true)
            ? ""
            : "Test Time / s,Unix Time / s,Applied Pressure / Pa,Pressure Set Point / Pa,Trouble\n";
    for (const store::PressurePoint& point : pressures.next(page_rows)) {
      put(text, point.test_time_s);
      text += ',';
      put_unix(text, point.at);
      for (const auto& pressure_MPa : {point.pressure_MPa, point.target_MPa}) {
        text += ',';
        if (pressure_MPa) put(text, *pressure_MPa * 1e6);
      }
      text += ',';
      if (!point.trouble.empty()) put_quoted(text, point.trouble);
      text += '\n';
    }
    return text;
  };
}

}  // namespace cambench::exports
