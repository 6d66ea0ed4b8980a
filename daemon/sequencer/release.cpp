#include "daemon/sequencer/release.h"

#include <fmt/format.h>

#include "daemon/sequencer/words.h"

namespace cambench::sequencer {

namespace {

constexpr MegaPascal progress{0.5};
constexpr Seconds patience{20};
constexpr unsigned readings_to_be_down = 3;

}  // namespace

void Release::read(const PressureSample& sample) {
  last_ = sample;
  down_ = sample.pressure && *sample.pressure <= down_at ? down_ + 1 : 0;
  if (!sample.pressure || (lowest_ && *sample.pressure > *lowest_ - progress)) return;
  lowest_ = sample.pressure;
  fell_at_ = sample.at.steady;
}

bool Release::is_down() const { return down_ >= readings_to_be_down; }

bool Release::stands(Instant now) const { return now - fell_at_ > patience; }

std::string Release::words() const {
  if (last_.pressure) return "releases: " + sequencer::words(*last_.pressure);
  return "releases, and its pressure is not known: " +
         (last_.trouble.empty() ? std::string("no reading yet") : last_.trouble);
}

std::string Release::alarm() const {
  if (last_.pressure)
    return fmt::format("the press vents, and stands at {}", sequencer::words(*last_.pressure));
  return "the press vents, and nobody can say whether it has released: " + last_.trouble;
}

}  // namespace cambench::sequencer
