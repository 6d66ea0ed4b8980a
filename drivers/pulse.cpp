#include "drivers/pulse.h"

#include <fmt/core.h>
#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace cambench {

namespace {

/// Of this process. Never destroyed: a pulse may be the last thing that ends.
struct Known {
  std::mutex mutex;
  std::vector<const Pulse*> pulses;
};
Known& known() {
  static auto* const all = new Known;
  return *all;
}

}  // namespace

Pulse::Pulse(std::string what, Seconds longest, Role role)
    : what_(std::move(what)), longest_(longest), role_(role) {
  const std::lock_guard guard(known().mutex);
  known().pulses.push_back(this);
}

Pulse::~Pulse() {
  const std::lock_guard guard(known().mutex);
  std::erase(known().pulses, this);
}

void Pulse::handed_over() {
  Instant resting{};
  since_.compare_exchange_strong(resting, std::chrono::steady_clock::now());
}

void Pulse::advanced() {
  Instant since = since_;
  if (since != Instant{}) since_.compare_exchange_strong(since, std::chrono::steady_clock::now());
}

void Pulse::pauses_until(Instant then) { since_ = std::max(then, std::chrono::steady_clock::now()); }

void Pulse::rests() { since_ = Instant{}; }

Seconds Pulse::owed_for(Instant now) const {
  const Instant since = since_;
  return since == Instant{} ? Seconds{0} : Seconds(now - since);
}

std::optional<std::string> Pulse::standing_still(Role role, Instant now) {
  const std::lock_guard guard(known().mutex);
  for (const Pulse* pulse : known().pulses)
    if (pulse->role_ == role && pulse->owed_for(now) > pulse->longest_)
      return fmt::format("{} has not advanced for {:.0f} s", pulse->what_, pulse->longest_.count());
  return std::nullopt;
}

void name_this_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

}  // namespace cambench
