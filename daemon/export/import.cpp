#include "daemon/export/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "analysis/bad_input.h"
#include "analysis/formats/rate_csv.h"
#include "daemon/records.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::exports {

namespace {

using rate::CyclingFile;
using rate::CyclingRow;

constexpr std::size_t most_rows = 2'000'000;

WallTime wall(double unix_s) {
  return WallTime(
      std::chrono::duration_cast<WallTime::duration>(std::chrono::microseconds(std::llround(unix_s * 1e6))));
}

/// When the test time was zero.
WallTime began(const CyclingFile& file, const ImportOrder& order) {
  const CyclingRow& first = file.rows.front();
  if (first.unix_time_s) return wall(*first.unix_time_s - first.row.test_time_s);
  return order.file_changed -
         std::chrono::duration_cast<WallTime::duration>(Seconds(file.rows.back().row.test_time_s));
}

WallTime time_of(const CyclingRow& row, WallTime test_began) {
  if (row.unix_time_s) return wall(*row.unix_time_s);
  return test_began + std::chrono::duration_cast<WallTime::duration>(Seconds(row.row.test_time_s));
}

/// The longest silence within a step: what the file was recorded with.
double recorded_every_s(const CyclingFile& file) {
  double longest_s = 1;
  for (std::size_t i = 1; i < file.rows.size(); ++i) {
    const auto &before = file.rows[i - 1].row, &row = file.rows[i].row;
    if (row.step == before.step && row.cycle == before.cycle)
      longest_s = std::max(longest_s, row.test_time_s - before.test_time_s);
  }
  return longest_s;
}

void check_potentials(const CyclingFile& file, const ImportOrder& order) {
  const bool has_we = file.rows.front().we_vs_re_V.has_value() || order.voltage_is_we_vs_re;
  if (order.cell.electrodes == 3 && !has_we)
    throw BadInput(
        order.file, 1,
        fmt::format("cell {} has a reference electrode, and no column is the working electrode's potential",
                    order.cell.id),
        "if the file's voltage is that potential, say --voltage-is we_vs_re; else import it for a cell of "
        "two "
        "electrodes");
  if (order.cell.electrodes == 2 && order.voltage_is_we_vs_re)
    throw std::runtime_error(fmt::format("cell {} has no reference electrode", order.cell.id));
}

store::RunRow run_row(const std::string& id, const CyclingFile& file, const ImportOrder& order,
                      const std::string& file_sha256, WallTime started) {
  store::RunRow row{.id = id,
                    .station = "import",
                    .recipe = order.recipe ? order.recipe->name : "unknown",
                    // Nobody knows the protocol: equal to nothing but itself.
                    .recipe_hash = sha256_hex("the unknown protocol of " + file_sha256),
                    .recipe_text = {},
                    .cell = order.cell.id,
                    .cell_json = records::to_json(order.cell),
                    .material = order.cell.material,
                    .who = order.who,
                    .one_C = one_C(order.cell),
                    .phase = "aborted",  // until its last row is kept
                    .time_scale = 1,
                    .started = started};
  // The recording is the file's, whatever the recipe asked for: silences are judged by it.
  const double every_s = recorded_every_s(file);
  row.recipe_text = fmt::format(R"({{"record":{{"time_s":{}}}}})", every_s);
  if (!order.recipe) return row;
  const auto planned = plan(*order.recipe, order.cell);
  if (!planned) throw std::runtime_error(planned.error().what);
  Recipe as_recorded = *order.recipe;
  as_recorded.record.time_s = std::max(as_recorded.record.time_s, every_s);
  row.recipe_hash = planned->recipe_hash;
  row.recipe_text = to_json(as_recorded);
  row.one_C = planned->one_C;
  return row;
}

store::EventRow event(const std::string& run, std::string kind, const ImportOrder& order, WallTime at,
                      double test_time_s) {
  store::EventRow row;
  row.run = run;
  row.station = "import";
  row.kind = std::move(kind);
  row.who = order.who;
  row.test_time = Seconds(test_time_s);
  row.at.wall = at;
  return row;
}

/// A new step wherever the file's step or cycle changes, or a step's clock begins again.
bool begins_step(const rate::Row& before, const rate::Row& row) {
  return row.step != before.step || row.cycle != before.cycle || row.step_time_s < before.step_time_s;
}

store::SampleRow sample_row(const std::string& run, const CyclingRow& read, const ImportOrder& order,
                            std::int64_t seq, std::uint32_t step, WallTime at) {
  store::SampleRow row{.run = run,
                       .seq = seq,
                       .test_time = Seconds(read.row.test_time_s),
                       .cycle = read.row.cycle,
                       .sample = {}};
  row.sample.step = step;
  row.sample.step_time = Seconds(read.row.step_time_s);
  row.sample.current = Ampere(read.row.current_A);
  const auto& cell_V = order.voltage_is_we_vs_re ? std::optional<double>() : read.cell_V;
  const auto& we_V = order.voltage_is_we_vs_re ? read.cell_V : read.we_vs_re_V;
  if (cell_V) row.sample.cell = Volt(*cell_V);
  if (we_V && order.cell.electrodes == 3) row.sample.we_vs_re = Volt(*we_V);
  row.sample.at.wall = at;
  return row;
}

std::string understood(const CyclingFile& file, const ImportOrder& order) {
  std::string words = fmt::format("{} rows; ", file.rows.size());
  words += order.voltage_is_we_vs_re ? "its voltage is that of the working electrode against the reference"
                                     : fmt::format("limits and scores look at \"{}\"", file.facts.potential);
  if (!file.facts.has_steps) words += "; it counts no steps, they were told by the direction of the current";
  if (file.facts.without_values) words += fmt::format("; {} rows had no values", file.facts.without_values);
  if (!file.rows.front().unix_time_s)
    words += "; it tells no time of day, its last change was taken for its end";
  words += order.recipe ? "; measured with recipe " + order.recipe->name
                        : "; nobody said with which recipe, so it is compared to nothing";
  return words;
}

}  // namespace

Import import_csv(std::string_view text, const ImportOrder& order) {
  const CyclingFile file = rate::read_cycling_csv(text, order.file);
  if (file.rows.size() > most_rows)
    throw BadInput(order.file, 0, fmt::format("it has {} rows", file.rows.size()),
                   fmt::format("{} are the most: export it with fewer", most_rows));
  check_potentials(file, order);
  const std::string hash = sha256_hex(text);
  const WallTime started = began(file, order);
  const double end_s = file.rows.back().row.test_time_s;
  const WallTime ended = time_of(file.rows.back(), started);
  Import made{.run = "i" + hash.substr(0, 10), .rows = {}, .samples = file.rows.size()};
  made.remark = understood(file, order);
  made.left_out = file.facts.without_values;
  made.rows.reserve(file.rows.size() + 6);
  made.rows.push_back(run_row(made.run, file, order, hash, started));
  auto imported = event(made.run, "imported", order, order.at, 0);
  imported.cause = hash;
  imported.text = fmt::format("{} ({} bytes, SHA-256 {}): {}", order.file, text.size(), hash, made.remark);
  made.rows.push_back(std::move(imported));
  made.rows.push_back(event(made.run, "started", order, started, 0));
  std::uint32_t step = 0, cycle = 0;
  for (std::size_t i = 0; i < file.rows.size(); ++i) {
    if (i > 0 && begins_step(file.rows[i - 1].row, file.rows[i].row)) ++step;
    if (i == 0 || file.rows[i].row.cycle != cycle) ++made.cycles;
    cycle = file.rows[i].row.cycle;
    made.rows.push_back(sample_row(made.run, file.rows[i], order, static_cast<std::int64_t>(i) + 1, step,
                                   time_of(file.rows[i], started)));
  }
  made.rows.push_back(event(made.run, "finished", order, ended, end_s));
  made.rows.push_back(store::PhaseRow{made.run, "finished", ended});
  made.rows.push_back(store::AuditRow{order.who, "import", made.run, order.file, "granted", order.at});
  return made;
}

void leave_out_kept(Import& import, std::int64_t last_seq) {
  std::erase_if(import.rows, [&](const store::Row& row) {
    if (const auto* sample = std::get_if<store::SampleRow>(&row)) return sample->seq <= last_seq;
    const auto* event = std::get_if<store::EventRow>(&row);
    return std::holds_alternative<store::RunRow>(row) || (event && event->kind != "finished");
  });
}

}  // namespace cambench::exports
