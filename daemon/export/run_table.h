// A run of the store as a table, row by row: each sample with what every export adds to it. What it rests on is read once,
// samples and pressures page by page: memory does not grow with the run.
//
// Threading: as its Reader, one thread. Throws store::StoreError and NoSuchRun.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/store/reader.h"
#include "daemon/store/step_summary.h"
#include "schema/recipe.h"

namespace cambench::exports {

struct NoSuchRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What is known of a run beside its rows.
struct RunFacts {
  store::StoredRun run;
  std::optional<CellSpec> cell;  ///< as it was configured when the run began
  std::optional<Recipe> recipe;  ///< as it was started; none when this program cannot read it
  std::optional<Plan> plan;      ///< the recipe planned for the cell again; none when that is refused now
  std::int64_t last_seq = 0;     ///< what is sampled later stays out, so that all parts of an export agree
  [[nodiscard]] bool has_reference() const { return !cell || cell->electrodes == 3; }
};
RunFacts facts_of(store::Reader& reader, const std::string& run);

/// Charge and energy since a beginning. An energy is none once a potential it needs was missing.
struct Moved {
  double charge_Ah = 0, discharge_Ah = 0;
  std::optional<double> charge_Wh = 0, discharge_Wh = 0;
};

/// One sample. Numbers that the instrument marked as overloaded or bad are not there: `believed` is false.
struct TableRow {
  store::SampleRow sample;
  bool believed = false;
  std::int64_t record = 0;            ///< from 1
  std::int64_t step_record = 0;       ///< from 1 in each step
  std::uint32_t step_id = 0;          ///< place in the recipe's method, from 1; repeats in loops
  std::string_view step_type;         ///< in the words of Battery Data Format: "CC_CHG", "REST", ...
  Moved run, cycle;                   ///< since the run, since its cycle began; trapezoid rule
  std::optional<double> pressure_Pa;  ///< the reading before it, when that was good and not older than 10 s
  [[nodiscard]] std::optional<double> we_vs_re_V() const;
  [[nodiscard]] std::optional<double> cell_V() const;
  [[nodiscard]] std::optional<double> ce_vs_re_V() const;  ///< E(WE vs RE) - E(cell)
  [[nodiscard]] std::optional<double> current_A() const;
};

class RunTable {
 public:
  RunTable(store::Reader& reader, const RunFacts& facts)
      : reader_(reader), facts_(facts), all_pressures_(reader, facts.run.id) {}

  /// Moves to the next row; false at the end.
  bool next();
  [[nodiscard]] const TableRow& row() const { return row_; }

 private:
  bool read_page();
  void count();
  void add_up();
  void find_pressure();
  bool next_pressure();

  store::Reader& reader_;
  const RunFacts& facts_;
  std::vector<store::SampleRow> page_;
  std::size_t at_ = 0;
  std::int64_t last_seq_ = 0;
  TableRow row_;
  store::StepSummary step_;
  Moved before_step_, before_cycle_;
  store::RunPressures all_pressures_;
  std::vector<store::PressurePoint> pressures_;  // a page of them
  std::size_t pressure_at_ = 0;
  std::optional<store::PressurePoint> pressure_;
};

/// Text or bytes in pieces: the next one whenever it is called, empty at the end.
using Pieces = std::function<std::string()>;

}  // namespace cambench::exports
