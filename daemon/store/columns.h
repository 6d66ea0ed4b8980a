// How rows of the tables look as C++ values: shared by the writer, which resumes from them, and the reader.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/store/database.h"
#include "daemon/store/rows.h"
#include "daemon/store/step_summary.h"

namespace cambench::store {

inline WallTime wall(std::int64_t nanoseconds) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(std::chrono::nanoseconds(nanoseconds)));
}

inline std::int64_t nanoseconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

inline std::int64_t nanoseconds(Instant time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

template <typename Q>
std::optional<Q> maybe(const Statement& row, int column) {
  const auto value = row.maybe_real(column);
  if (!value) return std::nullopt;
  return Q(*value);
}

template <typename T>
std::optional<T> first_of(std::vector<T> found) {
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

inline constexpr std::string_view step_columns =
    "cycle, samples, first_test_time_s, last_test_time_s, duration_s, charge_Ah, charge_Wh, "
    "charge_we_vs_re_VAh, "
    "discharge_Ah, discharge_Wh, discharge_we_vs_re_VAh, last_we_vs_re_V, last_cell_V";

/// The summary in the `step_columns` of a row, the first of which is column `at`.
inline StepSummary step_in(const Statement& row, std::uint32_t step, int at) {
  StepSummary s{.step = step, .cycle = static_cast<std::uint32_t>(row.integer(at))};
  s.samples = row.integer(at + 1);
  s.first_test_time_s = row.real(at + 2);
  s.last_test_time_s = row.real(at + 3);
  s.duration_s = row.real(at + 4);
  s.charge = {row.real(at + 5), row.maybe_real(at + 6), row.maybe_real(at + 7)};
  s.discharge = {row.real(at + 8), row.maybe_real(at + 9), row.maybe_real(at + 10)};
  s.last_we_vs_re_V = row.maybe_real(at + 11);
  s.last_cell_V = row.maybe_real(at + 12);
  return s;
}

inline constexpr std::string_view sample_columns =
    "seq, test_time_s, step, cycle, step_time_s, we_vs_re_V, cell_V, current_A, current_set_A, status, "
    "at_wall_ns, at_mono_ns";

/// Of a sample, NULL where its instrument marked them as overloaded or bad.
inline constexpr std::string_view believed_columns =
    "CASE WHEN status & 34 = 0 THEN we_vs_re_V END AS we_vs_re_V, CASE WHEN status & 34 = 0 THEN cell_V END "
    "AS cell_V, CASE WHEN status & 34 = 0 THEN current_A END AS current_A";
static_assert(not_believed == 34);

/// The sample in the `sample_columns` of a row.
inline SampleRow sample_in(const Statement& row, const std::string& run) {
  SampleRow s{.run = run,
              .seq = row.integer(0),
              .test_time = Seconds(row.real(1)),
              .cycle = static_cast<std::uint32_t>(row.integer(3)),
              .sample = {}};
  s.sample.step = static_cast<std::uint32_t>(row.integer(2));
  s.sample.step_time = Seconds(row.real(4));
  s.sample.we_vs_re = maybe<Volt>(row, 5);
  s.sample.cell = maybe<Volt>(row, 6);
  s.sample.current = maybe<Ampere>(row, 7);
  s.sample.current_set = maybe<Ampere>(row, 8);
  s.sample.status = static_cast<std::uint16_t>(row.integer(9));
  s.sample.at = {Instant(std::chrono::nanoseconds(row.integer(11))), wall(row.integer(10))};
  return s;
}

}  // namespace cambench::store
