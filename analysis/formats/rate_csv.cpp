#include "analysis/formats/rate_csv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/formats/text.h"

namespace cambench::rate {

namespace {

enum class Column { test_time, step_time, current, voltage, we_potential, cycle, step, charged, discharged };
constexpr std::size_t column_count = 9;

struct Spelling {
  std::string_view name;
  Column column;
};
// Each column's spellings; earlier ones are preferred where a file has two.
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
    Spelling{"Current / A", Column::current},
    Spelling{"current_ampere", Column::current},
    Spelling{"current", Column::current},
    Spelling{"Current(A)", Column::current},
    Spelling{"Current (A)", Column::current},
    Spelling{"Voltage / V", Column::voltage},
    Spelling{"voltage_volt", Column::voltage},
    Spelling{"voltage", Column::voltage},
    Spelling{"Voltage(V)", Column::voltage},
    Spelling{"Voltage (V)", Column::voltage},
    Spelling{"Working Electrode Potential / V", Column::we_potential},
    Spelling{"working_electrode_potential_volt", Column::we_potential},
    Spelling{"Cycle Count / 1", Column::cycle},
    Spelling{"cycle_count", Column::cycle},
    Spelling{"cycle_index", Column::cycle},
    Spelling{"Cycle_Index", Column::cycle},
    Spelling{"Step Count / 1", Column::step},
    Spelling{"step_count", Column::step},
    Spelling{"step_index", Column::step},
    Spelling{"Step_Index", Column::step},
    Spelling{"Step Index", Column::step},
    Spelling{"Cycle Charging Capacity / Ah", Column::charged},
    Spelling{"cycle_charging_capacity_ah", Column::charged},
    Spelling{"charge_capacity", Column::charged},
    Spelling{"Charge_Capacity(Ah)", Column::charged},
    Spelling{"Cycle Discharging Capacity / Ah", Column::discharged},
    Spelling{"cycle_discharging_capacity_ah", Column::discharged},
    Spelling{"discharge_capacity", Column::discharged},
    Spelling{"Discharge_Capacity(Ah)", Column::discharged},
};

/// Where each column stands in a line.
struct Layout {
  std::array<std::optional<std::size_t>, column_count> place{};
  std::size_t columns = 0;
  char separator = ',';
  [[nodiscard]] std::optional<std::size_t> operator[](Column c) const {
    return place[static_cast<std::size_t>(c)];
  }
};

std::string_view unquoted(std::string_view name) {
  name = text::trimmed(name);
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  return name;
}

Layout layout_of(std::string_view header, std::string_view file, RateTest& test) {
  Layout layout;
  layout.separator = std::ranges::count(header, ';') > std::ranges::count(header, ',') ? ';' : ',';
  const auto names = text::split(header, layout.separator);
  layout.columns = names.size();
  std::vector<bool> used(names.size());
  for (const Spelling& spelling : spellings) {
    auto& place = layout.place[static_cast<std::size_t>(spelling.column)];
    const auto found = std::ranges::find(names, spelling.name, unquoted);
    if (place || found == names.end()) continue;
    place = static_cast<std::size_t>(found - names.begin());
    used[*place] = true;
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!used[i]) test.ignored.emplace_back(unquoted(names[i]));
  const auto require = [&](Column column, std::string_view what) {
    if (!layout[column])
      throw BadInput(
          file, 1, "the header has no column " + std::string(what),
          "the first line must name its columns, for example \"Test Time / s,Current / A,Voltage / V,"
          "Cycle Count / 1,Step Count / 1\"");
  };
  require(Column::test_time, "of the test time");
  require(Column::current, "of the current");
  if (!layout[Column::we_potential]) require(Column::voltage, "of the voltage");
  require(Column::step, "that counts steps");
  require(Column::cycle, "that counts cycles");
  const Column potential = layout[Column::we_potential] ? Column::we_potential : Column::voltage;
  test.potential = unquoted(names[*layout[potential]]);
  test.has_counters = layout[Column::charged] && layout[Column::discharged];
  return layout;
}

/// Reads the fields of one line.
class Fields {
 public:
  Fields(std::string_view line, std::size_t number, const Layout& layout, std::string_view file)
      : parts_(text::split(line, layout.separator)), number_(number), layout_(layout), file_(file) {
    if (parts_.size() != layout.columns)
      throw BadInput(file, number,
                     "the line has " + std::to_string(parts_.size()) + " fields, the header " +
                         std::to_string(layout.columns),
                     "the file may be truncated: export it again");
  }

  [[nodiscard]] std::optional<double> maybe(Column column) const {
    const auto place = layout_[column];
    if (!place || text::trimmed(parts_[*place]).empty()) return std::nullopt;
    const auto value = text::number(parts_[*place]);
    if (!value || !std::isfinite(*value))
      throw BadInput(file_, number_, "\"" + std::string(text::trimmed(parts_[*place])) + "\" is not a number",
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
  std::vector<std::string_view> parts_;
  std::size_t number_;
  const Layout& layout_;
  std::string_view file_;
};

/// Without a column of its own the step time runs from the step's first row.
void fill_step_times(std::vector<Row>& rows) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].step != rows[begin].step || rows[i].cycle != rows[begin].cycle) begin = i;
    rows[i].step_time_s = rows[i].test_time_s - rows[begin].test_time_s;
  }
}

}  // namespace

RateTest read_rate_csv(std::string_view content, std::string_view name) {
  RateTest test;
  text::Lines lines(content);
  const auto header = lines.next();
  if (!header || text::trimmed(*header).empty())
    throw BadInput(name, 1, "the file is empty", "export it again");
  const Layout layout = layout_of(*header, name, test);
  const Column potential = layout[Column::we_potential] ? Column::we_potential : Column::voltage;
  test.rows.reserve(content.size() / 80);
  while (const auto line = lines.next()) {
    if (text::trimmed(*line).empty()) continue;
    const Fields fields(*line, lines.number(), layout, name);
    Row row{.test_time_s = fields.number(Column::test_time),
            .step_time_s = fields.maybe(Column::step_time).value_or(0),
            .current_A = fields.number(Column::current),
            .potential_V = fields.number(potential),
            .cycle = fields.count(Column::cycle),
            .step = fields.count(Column::step),
            .charged_Ah = fields.maybe(Column::charged),
            .discharged_Ah = fields.maybe(Column::discharged)};
    if (!test.rows.empty() && row.test_time_s < test.rows.back().test_time_s)
      throw BadInput(name, lines.number(), "the test time runs backwards",
                     "sort the rows by time, or export again");
    test.rows.push_back(row);
  }
  if (test.rows.empty()) throw BadInput(name, 0, "there are no rows below the header", "export it again");
  if (!layout[Column::step_time]) fill_step_times(test.rows);
  return test;
}

RateTest read_rate_csv(const std::filesystem::path& file) {
  FileReader reader;
  return read_rate_csv(reader.read(file), file.string());
}

}  // namespace cambench::rate
