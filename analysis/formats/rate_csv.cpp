#include "analysis/formats/rate_csv.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/text.h"
#include "schema/bdf.h"

namespace cambench::rate {

namespace {

enum class Column {
  test_time,
  step_time,
  current,
  voltage,
  we_potential,
  cycle,
  step,
  charged,  // counters that begin anew with every cycle
  discharged,
  charged_in_all,  // counters that never do
  discharged_in_all,
  unix_time,
  date_time
};
constexpr std::size_t column_count = 13;

struct Spelling {
  std::string_view name;
  Column column;
};
// Each column's spellings, in any case; earlier ones are preferred where a file has two.
constexpr std::array spellings{
    Spelling{"Test Time / s", Column::test_time},
    Spelling{"test_time_second", Column::test_time},
    Spelling{"test_time_s", Column::test_time},
    Spelling{"test_time", Column::test_time},
    Spelling{"Test_Time(s)", Column::test_time},
    Spelling{"Test Time (s)", Column::test_time},
    Spelling{"Test_Time (s)", Column::test_time},
    Spelling{"Step Time / s", Column::step_time},
    Spelling{"step_time_second", Column::step_time},
    Spelling{"step_time", Column::step_time},
    Spelling{"Step_Time(s)", Column::step_time},
    Spelling{"Step Time (s)", Column::step_time},
    Spelling{"Current / A", Column::current},
    Spelling{"current_ampere", Column::current},
    Spelling{"current_a", Column::current},
    Spelling{"current", Column::current},
    Spelling{"Current(A)", Column::current},
    Spelling{"Current (A)", Column::current},
    Spelling{"Voltage / V", Column::voltage},
    Spelling{"voltage_volt", Column::voltage},
    Spelling{"voltage_v", Column::voltage},
    Spelling{"voltage", Column::voltage},
    Spelling{"Voltage(V)", Column::voltage},
    Spelling{"Voltage (V)", Column::voltage},
    Spelling{bdf::we_vs_re.label, Column::we_potential},
    Spelling{bdf::we_vs_re.machine, Column::we_potential},
    Spelling{"Working Electrode Potential / V", Column::we_potential},
    Spelling{"working_electrode_potential_volt", Column::we_potential},
    Spelling{"Cycle Count / 1", Column::cycle},
    Spelling{"cycle_count", Column::cycle},
    Spelling{"cycle_index", Column::cycle},
    Spelling{"Cycle Index", Column::cycle},
    Spelling{"Step Count / 1", Column::step},
    Spelling{"step_count", Column::step},
    Spelling{"step_index", Column::step},
    Spelling{"Step Index", Column::step},
    Spelling{"Cycle Charging Capacity / Ah", Column::charged},
    Spelling{"cycle_charging_capacity_ah", Column::charged},
    Spelling{"charge_capacity", Column::charged},
    Spelling{"Charge_Capacity(Ah)", Column::charged},
    Spelling{"Charge_Capacity (Ah)", Column::charged},
    Spelling{"Cycle Discharging Capacity / Ah", Column::discharged},
    Spelling{"cycle_discharging_capacity_ah", Column::discharged},
    Spelling{"discharge_capacity", Column::discharged},
    Spelling{"Discharge_Capacity(Ah)", Column::discharged},
    Spelling{"Discharge_Capacity (Ah)", Column::discharged},
    Spelling{"Charging Capacity / Ah", Column::charged_in_all},
    Spelling{"charging_capacity_ah", Column::charged_in_all},
    Spelling{"Discharging Capacity / Ah", Column::discharged_in_all},
    Spelling{"discharging_capacity_ah", Column::discharged_in_all},
    Spelling{"Unix Time / s", Column::unix_time},
    Spelling{"unix_time_second", Column::unix_time},
    Spelling{"date_time", Column::date_time},
    Spelling{"datetime", Column::date_time},
};

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view unquoted(std::string_view name) {
  name = text::trimmed(name);
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  return name;
}

/// Where each column stands in a line.
struct Layout {
  std::array<std::optional<std::size_t>, column_count> place{};
  std::vector<std::optional<Column>> column_at;  // the other way round: what stands at a place
  char separator = ',';
  Column potential = Column::voltage;
  [[nodiscard]] bool has(Column c) const { return place[static_cast<std::size_t>(c)].has_value(); }
};

void require(const Layout& layout, Column column, std::string_view what, std::string_view header,
             std::string_view file) {
  if (layout.has(column)) return;
  throw BadInput(file, 1, "no column " + std::string(what) + " in the header " + text::quoted(header),
                 "name the columns as Battery Data Format does, in seconds, ampere and volt: \"Test Time / "
                 "s,Current / A,"
                 "Voltage / V,Cycle Count / 1,Step Count / 1\"");
}

Layout layout_of(std::string_view header, std::string_view file, RateTest& test) {
  Layout layout;
  layout.separator = std::ranges::count(header, ';') > std::ranges::count(header, ',') ? ';' : ',';
  const auto names = text::split(header, layout.separator);
  layout.column_at.resize(names.size());
  for (const Spelling& spelling : spellings) {
    auto& place = layout.place[static_cast<std::size_t>(spelling.column)];
    const auto found = std::ranges::find_if(
        names, [&](std::string_view name) { return same_word(unquoted(name), spelling.name); });
    if (place || found == names.end()) continue;
    place = static_cast<std::size_t>(found - names.begin());
    layout.column_at[*place] = spelling.column;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!layout.column_at[i]) test.ignored.emplace_back(unquoted(names[i]));
  layout.potential = layout.has(Column::we_potential) ? Column::we_potential : Column::voltage;
  require(layout, Column::test_time, "of the test time", header, file);
  require(layout, Column::current, "of the current", header, file);
  require(layout, layout.potential, "of the voltage", header, file);
  require(layout, Column::cycle, "that counts cycles", header, file);
  test.potential = unquoted(names[*layout.place[static_cast<std::size_t>(layout.potential)]]);
  return layout;
}

/// The fields of one line that are used.
class Fields {
 public:
  Fields(std::string_view line, std::size_t number, const Layout& layout, std::string_view file)
      : number_(number), file_(file) {
    std::size_t column = 0;
    for (std::size_t begin = 0;; ++column) {
      const std::size_t end = std::min(line.find(layout.separator, begin), line.size());
      if (column < layout.column_at.size() && layout.column_at[column])
        parts_[static_cast<std::size_t>(*layout.column_at[column])] = line.substr(begin, end - begin);
      if (end == line.size()) break;
      begin = end + 1;
    }
    if (column + 1 != layout.column_at.size())
      throw BadInput(file, number,
                     "the line has " + std::to_string(column + 1) + " fields, the header " +
                         std::to_string(layout.column_at.size()),
                     "the file may be truncated: export it again");
  }

  [[nodiscard]] std::string_view text(Column column) const {
    return unquoted(parts_[static_cast<std::size_t>(column)]);
  }

  [[nodiscard]] std::optional<double> maybe(Column column) const {
    const auto part = text(column);
    if (part.empty()) return std::nullopt;
    const auto value = text::number(part);
    if (!value || !std::isfinite(*value))
      throw BadInput(file_, number_, '"' + std::string(part.substr(0, 40)) + "\" is not a number",
                     "every row needs numbers in the columns that are used");
    return value;
  }

  [[nodiscard]] double number(Column column) const {
    const auto value = maybe(column);
    if (!value)
      throw BadInput(file_, number_, "an empty field", "every row needs time, current and potential");
    return *value;
  }

  [[nodiscard]] std::uint32_t count(Column column) const {
    const double value = number(column);
    if (value < 0 || value > 1e9 || value != std::floor(value))
      throw BadInput(file_, number_, "a cycle or step that is not a whole number",
                     "export counts as integers");
    return static_cast<std::uint32_t>(value);
  }

 private:
  std::array<std::string_view, column_count> parts_{};
  std::size_t number_;
  std::string_view file_;
};

/// "2026-11-22 13:00:00.250001" or with a T; seconds since 1970. Nothing for any other form.
std::optional<double> unix_of_date(std::string_view date) {
  if (date.size() < 19 || date[4] != '-' || date[7] != '-' || date[13] != ':' || date[16] != ':')
    return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t size) { return text::number(date.substr(at, size)); };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2), hour = part(11, 2),
             minute = part(14, 2), second = part(17, date.size() - (date.back() == 'Z' ? 18 : 17));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day ymd{std::chrono::year(static_cast<int>(*year)),
                                        std::chrono::month(static_cast<unsigned>(*month)),
                                        std::chrono::day(static_cast<unsigned>(*day))};
  if (!ymd.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(ymd).time_since_epoch().count();
  return 86400.0 * static_cast<double>(days) + 3600 * *hour + 60 * *minute + *second;
}

CyclingRow row_of(const Fields& fields, const Layout& layout) {
  const bool per_cycle = layout.has(Column::charged) && layout.has(Column::discharged);
  CyclingRow read{
      .row = {.test_time_s = fields.number(Column::test_time),
              .step_time_s = fields.maybe(Column::step_time).value_or(0),
              .current_A = fields.number(Column::current),
              .potential_V = fields.number(layout.potential),
              .cycle = fields.count(Column::cycle),
              .step = layout.has(Column::step) ? fields.count(Column::step) : 0,
              .charged_Ah = fields.maybe(per_cycle ? Column::charged : Column::charged_in_all),
              .discharged_Ah = fields.maybe(per_cycle ? Column::discharged : Column::discharged_in_all)},
      .cell_V = fields.maybe(Column::voltage),
      .we_vs_re_V = fields.maybe(Column::we_potential),
      .unix_time_s = fields.maybe(Column::unix_time)};
  if (!read.unix_time_s) read.unix_time_s = unix_of_date(fields.text(Column::date_time));
  return read;
}

/// Counters that run through the whole test begin anew with every cycle.
void reset_counters(std::vector<CyclingRow>& rows) {
  double charged_before = 0, discharged_before = 0;
  std::optional<double> charged, discharged;  // of the row before, as read
  std::uint32_t cycle = rows.front().row.cycle;
  for (auto& [row, cell_V, we_vs_re_V, unix_time_s] : rows) {
    if (row.cycle != cycle) {
      cycle = row.cycle;
      charged_before = charged.value_or(charged_before);
      discharged_before = discharged.value_or(discharged_before);
    }
    charged = row.charged_Ah;
    discharged = row.discharged_Ah;
    if (row.charged_Ah) *row.charged_Ah -= charged_before;
    if (row.discharged_Ah) *row.discharged_Ah -= discharged_before;
  }
}

/// Without a column of its own the step time runs from the step's first row.
void fill_step_times(std::vector<CyclingRow>& rows) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i].row;
    if (row.step != rows[begin].row.step || row.cycle != rows[begin].row.cycle) begin = i;
    row.step_time_s = row.test_time_s - rows[begin].row.test_time_s;
  }
}

/// Steps by the direction of the current; a thousandth of the file's largest current is rest. A step begins with the last
/// row of the one before.
void fill_steps(std::vector<CyclingRow>& rows) {
  double most_A = 0;
  for (const auto& each : rows) most_A = std::max(most_A, std::abs(each.row.current_A));
  const auto direction = [&](const Row& row) {
    return std::abs(row.current_A) <= 1e-3 * most_A ? 0 : row.current_A > 0 ? 1 : -1;
  };
  double began_s = rows.front().row.test_time_s;
  std::uint32_t step = 1;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row& row = rows[i].row;
    if (i > 0) {
      const Row& before = rows[i - 1].row;
      if (direction(row) != direction(before) || row.cycle != before.cycle) {
        ++step;
        began_s = before.test_time_s;
      }
    }
    row.step = step;
    row.step_time_s = row.test_time_s - began_s;
  }
}

}  // namespace

CyclingFile read_cycling_csv(std::string_view content, std::string_view name) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  CyclingFile file;
  auto& [rows, facts] = file;
  text::Lines lines(content);
  const auto header = lines.next();
  if (!header || text::trimmed(*header).empty())
    throw BadInput(name, 1, "the file is empty", "export it again");
  const Layout layout = layout_of(*header, name, facts);
  rows.reserve(content.size() / 80);
  while (const auto line = lines.next()) {
    if (text::trimmed(*line).empty()) continue;
    const Fields fields(*line, lines.number(), layout, name);
    if (fields.text(Column::current).empty() || fields.text(layout.potential).empty()) {
      ++facts.without_values;
      continue;
    }
    const CyclingRow read = row_of(fields, layout);
    if (!rows.empty() && read.row.test_time_s < rows.back().row.test_time_s)
      throw BadInput(name, lines.number(), "the test time runs backwards",
                     "sort the rows by time, or export again");
    rows.push_back(read);
  }
  if (rows.empty()) throw BadInput(name, 0, "there are no rows below the header", "export it again");
  facts.has_steps = layout.has(Column::step);
  if (!facts.has_steps)
    fill_steps(rows);
  else if (!layout.has(Column::step_time))
    fill_step_times(rows);
  const bool per_cycle = layout.has(Column::charged) && layout.has(Column::discharged);
  const bool in_all = layout.has(Column::charged_in_all) && layout.has(Column::discharged_in_all);
  facts.has_counters = per_cycle || in_all;
  if (in_all && !per_cycle) reset_counters(rows);
  return file;
}

RateTest read_rate_csv(std::string_view content, std::string_view name) {
  CyclingFile file = read_cycling_csv(content, name);
  RateTest test = std::move(file.facts);
  test.rows.reserve(file.rows.size());
  for (const CyclingRow& row : file.rows) test.rows.push_back(row.row);
  return test;
}

RateTest read_rate_csv(const std::filesystem::path& file) {
  FileReader reader;
  return read_rate_csv(reader.read(file), file.string());
}

}  // namespace cambench::rate
