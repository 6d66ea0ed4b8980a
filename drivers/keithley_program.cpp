#include "drivers/keithley_program.h"

#include <utility>

namespace cambench::keithley {

Program::Program(const PlannedStep& step, const Marker& marker, const wire::scpi::Rig& rig, Seconds recorded)
    : step_(step),
      marker_(marker),
      rig_(rig),
      program_(wire::scpi::program(step, marker, rig)),
      recorded_(recorded) {}

void Program::rows_on_board(std::size_t end) {
  on_board_ = end;
  if (std::exchange(away_, false)) late_until_ = end;
}

std::vector<Sample> Program::take(const std::vector<wire::scpi::Row>& rows, Stamp at) {
  std::vector<Sample> told;
  for (const wire::scpi::Row& row : rows) {
    ++fetched_;
    Sample sample = wire::scpi::sample_of(row, step_, program_.measures, rig_);
    sample.at = at;
    if (fetched_ <= late_until_) sample.status |= reading_status::late;
    last_ = sample;
    if (!worth_telling(sample)) continue;
    told_ = sample;
    told.push_back(sample);
  }
  return told;
}

bool Program::worth_telling(const Sample& sample) const {
  if (sample.step_time <= recorded_) return false;
  if (!told_) return true;
  if (sample.step_time - told_->step_time >= step_.record_every - 0.5 * step_.sampling) return true;
  const auto potential = [](const Sample& s) { return s.cell ? s.cell : s.we_vs_re; };
  const auto now = potential(sample), before = potential(*told_);
  if (now.has_value() != before.has_value()) return true;
  return step_.record_delta && now && abs(*now - *before) >= *step_.record_delta;
}

std::optional<Sample> Program::last_untold() const {
  if (!last_ || last_->step_time <= recorded_) return std::nullopt;
  if (told_ && told_->step_time >= last_->step_time) return std::nullopt;
  return last_;
}

EndReason Program::shown() const {
  if (!last_) return EndReason::unknown;
  return wire::scpi::shown_by(*last_, fetched_, step_, rig_, program_.most_rows);
}

bool Program::overdue() const { return last_ && last_->step_time >= step_.run_time + step_.sampling; }

}  // namespace cambench::keithley
