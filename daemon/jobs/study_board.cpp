#include "daemon/jobs/study_board.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <utility>

#include "schema/counted.h"

namespace cambench::jobs {

namespace {

constexpr std::size_t jobs_shown = 20;

Instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

// ---- what others tell

void StudyBoard::edited(std::shared_ptr<const config::Bench> bench) {
  {
    const std::lock_guard guard(mutex_);
    newly_edited_ = std::move(bench);
  }
  wake_.notify_all();
}

void StudyBoard::run_finished(const std::string& run) {
  {
    const std::lock_guard guard(mutex_);
    ended_runs_.push_back(run);
  }
  wake_.notify_all();
}

void StudyBoard::sighted(Sighting seen) {
  {
    const std::lock_guard guard(mutex_);
    folder_trouble_ = seen.trouble;
    if (seen.trouble.empty()) {
      strays_ = std::move(seen.strays);
      for (auto& study : studies_ | std::views::values) {
        study.arriving.clear();
        study.unreadable.clear();
      }
      for (auto& [id, why] : seen.unreadable) known(id).unreadable = std::move(why);
      for (auto& [id, arriving] : seen.arriving) known(id).arriving = std::move(arriving);
      for (auto& ahead : seen.ahead) known(ahead.study).ahead = std::move(ahead);
      for (auto& delivery : seen.deliveries) take(std::move(delivery));
    }
  }
  wake_.notify_all();
  show_now();
}

void StudyBoard::take(Delivery delivery) {
  Known& study = known(delivery.study);
  study.files = std::move(delivery.files);
  study.ahead.reset();
  study.read_ahead = 0;
  study.delivered = now();
  study.due = study.delivered;
}

StudyBoard::Known& StudyBoard::known(const std::string& id) {
  Known& study = studies_[id];
  if (study.shown.id.empty()) {
    study.shown.id = study.shown.title = id;
    study.shown.state = "waiting";
  }
  return study;
}

// ---- what is to be done

std::optional<Work> StudyBoard::next(const std::stop_token& ending) {
  std::unique_lock guard(mutex_);
  while (!ending.stop_requested()) {
    pulse_.handed_over();
    pulse_.advanced();
    if (auto work = something()) return work;
    sleep(guard, ending);
  }
  return std::nullopt;
}

std::optional<Work> StudyBoard::something() {
  if (newly_edited_) return Edited{std::exchange(newly_edited_, nullptr)};
  if (!ended_runs_.empty()) return EndedRuns{std::exchange(ended_runs_, {})};
  for (auto& study : studies_ | std::views::values)
    if (study.is_due(now())) {
      study.due.reset();
      return Scoring{bench_, study.configured, study.files, study.delivered};
    }
  for (auto& study : studies_ | std::views::values)
    if (study.is_ahead())
      return ReadingAhead{bench_, study.configured, *std::exchange(study.ahead, std::nullopt)};
  return std::nullopt;
}

bool StudyBoard::is_something() const {
  return newly_edited_ || !ended_runs_.empty() || is_due() ||
         std::ranges::any_of(studies_ | std::views::values, &Known::is_ahead);
}

bool StudyBoard::is_due() const {
  return std::ranges::any_of(studies_ | std::views::values,
                             [](const Known& study) { return study.is_due(now()); });
}

void StudyBoard::sleep(std::unique_lock<std::mutex>& guard, const std::stop_token& ending) {
  std::optional<Instant> soonest;
  for (const auto& study : studies_ | std::views::values)
    if (study.configured && study.due && (!soonest || *study.due < *soonest)) soonest = study.due;
  pulse_.rests();
  if (soonest)
    wake_.wait_until(guard, ending, *soonest, [this] { return is_something(); });
  else
    wake_.wait(guard, ending, [this] { return is_something(); });
}

// ---- what the computing thread tells

void StudyBoard::configure(std::shared_ptr<const config::Bench> bench,
                           const std::map<std::string, status::Study>& scored) {
  {
    const std::lock_guard guard(mutex_);
    bench_ = std::move(bench);
    for (auto& study : studies_ | std::views::values) study.configured = nullptr;
    for (const auto& configured : bench_->studies) {
      Known& study = known(configured.id);
      study.configured = &configured;
      if (study.shown.version == 0) {
        if (const auto before = scored.find(configured.id); before != scored.end())
          study.shown = before->second;
        else if (study.outcome.empty())
          study.outcome = bench_->drop ? fmt::format("waits for spectra in {}",
                                                     (bench_->drop->path / configured.id).string())
                                       : "no drop folder is configured";
      }
      study.shown.title = configured.title;
      if (!study.files.empty()) study.due = now();  // equal inputs make no new version
    }
  }
  show_now();
}

void StudyBoard::rescore(const std::set<std::string>& cells) {
  const std::lock_guard guard(mutex_);
  for (auto& study : studies_ | std::views::values)
    if (study.configured && !study.files.empty() &&
        std::ranges::any_of(study.configured->cells, [&](const auto& cell) { return cells.contains(cell); }))
      study.due = now();
}

bool StudyBoard::read_ahead(const std::string& study, std::size_t spots) {
  pulse_.advanced();
  {
    const std::lock_guard guard(mutex_);
    known(study).read_ahead += spots;
    if (is_due()) return false;
  }
  show_now();
  return true;
}

void StudyBoard::job(const status::Job& job) {
  pulse_.advanced();
  {
    const std::lock_guard guard(mutex_);
    if (jobs_.empty() || jobs_.front().id != job.id) {
      // What waited is tried now; left there, `cambench watch` would wait for it for ever.
      std::erase_if(jobs_, [&](const auto& old) { return old.study == job.study && old.state == "waiting"; });
      jobs_.push_front(job);
    }
    jobs_.front() = job;
    if (jobs_.size() > jobs_shown) jobs_.pop_back();
    if (job.state == "running") known(job.study).shown.state = "scoring";
  }
  show_now();
}

void StudyBoard::ended(const std::string& id, Outcome outcome) {
  const std::lock_guard guard(mutex_);
  Known& study = known(id);
  if (outcome.scored) study.shown = std::move(*outcome.scored);
  // Scores that are there stay valid while a study waits for more.
  study.shown.state =
      outcome.state == "waiting" && study.shown.version > 0 ? "scored" : std::move(outcome.state);
  study.outcome = std::move(outcome.text);
  study.shown.problems = std::move(outcome.problems);
}

void StudyBoard::score_at(const std::string& id, Instant then) {
  const std::lock_guard guard(mutex_);
  Known& study = known(id);
  if (!study.due) study.due = then;
}

// ---- what is shown

void StudyBoard::show_now() {
  const std::lock_guard in_order(showing_);
  Seen seen;
  {
    const std::lock_guard guard(mutex_);
    seen.jobs.assign(jobs_.begin(), jobs_.end());
    for (const auto& study : bench_->studies) seen.studies.push_back(shown(studies_.at(study.id)));
    for (const auto& study : studies_ | std::views::values)
      if (!study.configured && !(study.files.empty() && study.arriving.empty() && study.unreadable.empty()))
        seen.studies.push_back(shown(study));
  }
  show_(std::move(seen));
}

status::Study StudyBoard::shown(const Known& study) const {
  status::Study shown = study.shown;
  if (!folder_trouble_.empty())
    shown.text = "the drop folder cannot be read: " + folder_trouble_;
  else if (!study.unreadable.empty())
    shown.text = "its folder cannot be read, and waits: " + study.unreadable;
  else if (!study.arriving.empty())
    shown.text = counted(study.arriving.size(), "file") + " arriving" +
                 (study.read_ahead > 0 ? ", " + counted(study.read_ahead, "spot") + " read so far" : "");
  else if (!study.configured)
    shown.text = fmt::format("no study called {} is configured; add it, or rename the folder", shown.id);
  else
    shown.text = study.outcome;
  for (const auto& stray : strays_)
    shown.problems.push_back(fmt::format("{}: belongs to no study; put it below a study's folder", stray));
  return shown;
}

}  // namespace cambench::jobs
