#include "drivers/palmsens_program.h"

#include <utility>

namespace cambench::palmsens {

namespace mscript = wire::mscript;

namespace {
constexpr std::size_t most_unclaimed = 1000;
}  // namespace

Program::Program(Marker marker, std::string serial, Seconds pause)
    : marker_(std::move(marker)), serial_(std::move(serial)), pause_(pause), known_(true) {}

Program::Program(Seconds pause) : pause_(pause), gap_(true) {}

Program::Outcome Program::hear(const std::string& line, Stamp at) {
  using Kind = mscript::LineKind;
  Outcome outcome;
  switch (mscript::classify(line)) {
    case Kind::packet: hear_row(line, at, outcome.rows); break;
    case Kind::text:
      if (const auto announced = mscript::parse_announcement(line))
        recognise(*announced, outcome.rows);
      else if (auto ending = mscript::parse_ending(line); ending && !said_)
        said_ = std::move(*ending);
      break;
    case Kind::error: outcome.failed = mscript::parse_error(line); break;
    case Kind::loop_ended: loop_ended_ = true; break;
    case Kind::end_of_script:
      // Any other empty line answers an empty line of ours; whether that happens while a script runs is not known.
      outcome.over = loop_ended_ || said_ || stop_acknowledged_;
      break;
    case Kind::loop_began:
    case Kind::abort_acknowledged:
    case Kind::other: break;
  }
  return outcome;
}

heard::Ended Program::ending() const {
  const auto said = said_.value_or(mscript::Ending{EndReason::unknown, "the program ended without a word"});
  return {marker_, stop_asked_ ? EndReason::aborted : said.reason, said.text};
}

void Program::hear_row(const std::string& line, Stamp at, Rows& rows) {
  if (auto row = mscript::read_row(line)) {
    row->at = at;
    return take_row(std::move(*row), rows);
  }
  if (!known_) return;
  Sample damaged;
  damaged.step = marker_.step;
  if (last_) damaged.step_time = *last_;
  damaged.status = reading_status::bad;
  damaged.at = at;
  gap_ = missed_ = true;
  rows.push_back({marker_, std::move(damaged), false});
}

void Program::take_row(Sample row, Rows& rows) {
  if (!known_) {
    if (unclaimed_.size() < most_unclaimed) unclaimed_.push_back(std::move(row));
    return;
  }
  if (row.step != marker_.step) return;          // late, of an older program
  if (last_ && row.step_time <= *last_) return;  // came already
  const bool skipped = last_ && row.step_time - *last_ > 1.5 * pause_;
  const bool after_gap = std::exchange(gap_, false) || skipped;
  missed_ = missed_ || after_gap;
  last_ = row.step_time;
  rows.push_back({marker_, std::move(row), after_gap});
}

void Program::recognise(const mscript::Announcement& announced, Rows& rows) {
  announced_ = true;
  if (known_) return;
  if (marker_ != announced.marker || serial_ != announced.serial) last_.reset();
  marker_ = announced.marker;
  serial_ = announced.serial;
  pause_ = announced.longest_pause.value_or(pause_);
  known_ = true;
  for (Sample& row : std::exchange(unclaimed_, {})) take_row(std::move(row), rows);
}

}  // namespace cambench::palmsens
