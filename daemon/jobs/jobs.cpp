#include "daemon/jobs/jobs.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <stop_token>
#include <thread>
#include <tuple>

#include "analysis/bad_input.h"
#include "daemon/jobs/rate_tests.h"
#include "daemon/jobs/results_folder.h"
#include "daemon/jobs/scoring.h"
#include "daemon/jobs/study_board.h"
#include "daemon/jobs/watcher.h"
#include "daemon/store/reader.h"
#include "drivers/pulse.h"
#include "schema/counted.h"
#include "schema/overloaded.h"

namespace cambench::jobs {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t problems_shown = 100;
/// A spot that lacks files may still be on its way: so many times `settle` a study waits for the rest.
constexpr double patience_in_settles = 15;
constexpr unsigned reading_threads = 2;

StudySpec spec_of(const config::Bench& bench, const config::Study& study) {
  StudySpec spec{.id = study.id, .title = study.title, .materials = {}, .caveats = {}};
  for (const auto& id : study.materials) spec.materials.push_back(*bench.material(id));
  const bool simulated = std::ranges::any_of(bench.stations, [](const config::Station& s) {
    return (s.potentiostat && s.potentiostat->simulated) || (s.press && s.press->simulated);
  });
  if (simulated)
    spec.caveats.push_back("instruments of this bench are simulated: no number here was measured");
  return spec;
}

std::vector<std::string> ids_of(const std::vector<Material>& materials) {
  std::vector<std::string> ids;
  for (const auto& material : materials) ids.push_back(material.id);
  return ids;
}

std::vector<std::string> texts_of(const std::vector<Problem>& problems) {
  std::vector<std::string> texts;
  for (const auto& problem : problems) {
    if (texts.size() == problems_shown) {
      texts.push_back(fmt::format("and {} more", problems.size() - problems_shown));
      break;
    }
    texts.push_back(problem.text);
  }
  return texts;
}

}  // namespace

class Jobs::Worker {
 public:
  Worker(const config::Bench& bench, store::Store& store, Show show, Log log)
      : bench_(bench),
        store_(store),
        log_(std::move(log)),
        reader_(store.file()),
        cache_([&store](store::RegionRow row) { (void)store.append(std::move(row)); }),
        board_(std::move(show)) {
    configure(std::shared_ptr<const config::Bench>(std::shared_ptr<void>(), &bench));
    computing_ = std::jthread([this](const std::stop_token& ending) { work(ending); });
    if (bench_.drop)
      watcher_ = std::make_unique<Watcher>(bench_.drop->path, bench_.drop->settle, bench_.drop->poll,
                                           [this](Sighting seen) { sighted(std::move(seen)); });
  }

  [[nodiscard]] StudyBoard& board() { return board_; }

 private:
  void work(const std::stop_token& ending) {
    name_this_thread("jobs");
    while (auto work = board_.next(ending))
      std::visit(Overloaded{[&](Edited& edited) { configure(std::move(edited.bench)); },
                            [&](const EndedRuns& ended) { board_.rescore(cells_of(ended.runs)); },
                            [&](const Scoring& scoring) { attempt(scoring); },
                            [&](const ReadingAhead& reading) { read_ahead(reading, ending); }},
                 *work);
  }

  void configure(std::shared_ptr<const config::Bench> bench) {
    std::map<std::string, status::Study> scored;
    for (const auto& study : bench->studies)
      if (const auto last = reader_.last_score(study.id))
        scored.emplace(study.id, shown_again(study.id, *last));
    board_.configure(std::move(bench), scored);
  }

  static status::Study shown_again(const std::string& id, const store::StoredScore& last) {
    status::Study study;
    try {
      study = summary_from_json(last.row.summary_json);
    } catch (const BadInput&) {  // written by another version: the numbers come back with the next scoring
    }
    study.id = id;
    study.version = last.version;
    study.scored = last.row.at;
    study.state = "scored";
    return study;
  }

  /// Spots are read as they land, so that little is left to do when the last one has: a few at a time, until a study is
  /// due. What cannot be read is tried again when its study is scored, and told of then.
  void read_ahead(const ReadingAhead& reading, const std::stop_token& ending) try {
    const StudySpec spec = spec_of(*reading.bench, *reading.study);
    const StudyFile file = study_file(spec.id);
    const auto& normalise = file.scoring.normalise;
    load_once(spec.id, normalise);
    auto sorted = sort_files(bench_.drop->path, reading.ahead.files, ids_of(spec.materials), file);
    keep_settled_spots(sorted, reading.ahead.moving);
    const auto settings = settings_key(normalise);
    auto& tried = read_ahead_[spec.id];
    std::erase_if(sorted.spots, [&](const SpotFiles& spot) {
      if (cache_.find(spot, settings)) return true;
      // Once each: one that has grown since may grow on, and is read when its study is scored.
      return !tried.emplace(spot.material, spot.state, spot.region.name).second;
    });
    for (std::size_t read = 0; board_.read_ahead(spec.id, read) && !sorted.spots.empty();) {
      if (ending.stop_requested()) return;
      SortedFiles few{.drop = sorted.drop, .spots = {}, .problems = {}};
      const auto some = std::min<std::ptrdiff_t>(reading_threads, std::ssize(sorted.spots));
      few.spots.assign(sorted.spots.begin(), sorted.spots.begin() + some);
      sorted.spots.erase(sorted.spots.begin(), sorted.spots.begin() + some);
      read = read_spots(spec.id, std::move(few), normalise, cache_, reading_threads,
                        std::chrono::system_clock::now())
                 .spots.size();
    }
  } catch (const std::exception&) {  // a folder that has gone meanwhile: the next scan tells
  }

  /// The watcher's thread.
  void sighted(Sighting seen) {
    if (log_ && seen.trouble != drop_trouble_)
      log_("the drop folder", seen.trouble.empty() ? "can be read" : "cannot be read: " + seen.trouble);
    drop_trouble_ = seen.trouble;
    board_.sighted(std::move(seen));
  }

  std::set<std::string> cells_of(const std::vector<std::string>& runs) {
    std::set<std::string> cells;
    for (const auto& id : runs)
      if (const auto run = reader_.run(id); run && run->cell) cells.insert(*run->cell);
    return cells;
  }

  /// One scoring of a study, from its files to the row in the store.
  void attempt(const Scoring& scoring) {
    status::Job job{.id = fmt::format("j{}", ++jobs_begun_),
                    .study = scoring.study->id,
                    .what = "score",
                    .state = "running",
                    .progress = 0,
                    .text = {},
                    .started = std::chrono::system_clock::now(),
                    .finished = {}};
    board_.job(job);
    try {
      const auto failure = scored_or_why_not(scoring, job);
      if (!failure.empty()) finish(job, "failed", failure, {});
    } catch (const std::exception& error) {  // not even that can be recorded
      job.state = "failed";
      job.text = error.what();
      job.finished = std::chrono::system_clock::now();
      board_.ended(job.study, {.state = job.state, .text = job.text, .problems = {}, .scored = {}});
      board_.job(job);
    }
  }

  std::string scored_or_why_not(const Scoring& scoring, status::Job& job) try {
    read_ahead_.erase(job.study);
    StudySpec spec = spec_of(*scoring.bench, *scoring.study);
    const StudyFile file = study_file(spec.id);
    add_study_file(file, spec);
    load_once(spec.id, file.scoring.normalise);
    const StudyData data = read(spec, file, scoring.files, job);
    if (const auto missing = waits_for(spec, data); !missing.empty())
      finish(job, "waiting", missing, data);
    else if (const auto until = worth_waiting(data, scoring.delivered))
      wait_for_rest(job, data, *until);
    else
      score(spec, file.scoring, *scoring.study, data, job);
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }

  [[nodiscard]] StudyFile study_file(const std::string& study) const {
    return read_study_file(bench_.drop->path / study, bench_.scoring ? *bench_.scoring : ScoringOptions());
  }

  void load_once(const std::string& study, const sims::NormaliseOptions& normalise) {
    const auto settings = settings_key(normalise);
    if (loaded_.emplace(study, settings).second) cache_.load(reader_.regions(study, settings));
  }

  StudyData read(const StudySpec& spec, const StudyFile& file, const std::vector<SeenFile>& files,
                 status::Job& job) {
    const auto progress = [&](std::size_t done, std::size_t all) {
      job.progress = 0.9 * static_cast<double>(done) / static_cast<double>(all);
      job.text = fmt::format("read {} of {}", done, counted(all, "spot"));
      board_.job(job);
    };
    auto data = read_spots(spec.id, sort_files(bench_.drop->path, files, ids_of(spec.materials), file),
                           file.scoring.normalise, cache_, reading_threads, std::chrono::system_clock::now(),
                           progress);
    read_parts(data, file, cache_, reading_threads);
    return data;
  }

  /// Half a measurement may only be late. Until when to wait for the rest; none: score without it.
  std::optional<Instant> worth_waiting(const StudyData& data, Instant delivered) const {
    if (std::ranges::none_of(data.problems, &Problem::may_pass)) return std::nullopt;
    const auto until =
        delivered + std::chrono::duration_cast<Clock::duration>(patience_in_settles * bench_.drop->settle);
    return Clock::now() < until ? std::optional(until) : std::nullopt;
  }

  void wait_for_rest(status::Job& job, const StudyData& data, Instant until) {
    board_.score_at(job.study, until);
    finish(job, "waiting", "waits a moment for the rest of a measurement that is not complete", data);
  }

  void score(const StudySpec& spec, const ScoringOptions& options, const config::Study& configured,
             const StudyData& data, status::Job& job) {
    std::vector<RateTest> tests;
    for (const auto& cell : configured.cells)
      if (auto test = rate_tests_.last_of(reader_, cell)) tests.push_back(std::move(*test));
    const StudyScores scores = score_study(spec, data, tests, options);
    replace_folder(bench_.drop->results / spec.id, scores.files);
    const auto last = reader_.last_score(spec.id);
    const bool is_new = !last || last->row.inputs_hash != scores.inputs_hash;
    status::Study scored = scores.summary;
    scored.version = is_new ? (last ? last->version : 0) + 1 : last->version;
    scored.scored = is_new ? std::chrono::system_clock::now() : last->row.at;
    std::vector<store::Row> rows;
    if (is_new)
      rows.push_back(store::ScoreRow{spec.id, scores.inputs_hash, scores.settings_json, scores.program,
                                     scores.result_json, *scored.scored, to_json(scores.summary)});
    const auto text = fmt::format("{} from {} and {}", is_new ? "scored" : "nothing new: scored",
                                  counted(data.spots.size(), "spot"), counted(tests.size(), "rate test"));
    finish(job, "done", text, data, std::move(rows), std::move(scored));
  }

  /// A job that failed or made something is recorded together with what it made, before anybody is told of it.
  void finish(status::Job& job, const std::string& state, const std::string& text, const StudyData& data,
              std::vector<store::Row> rows = {}, std::optional<status::Study> scored = {}) {
    job.state = state;
    job.text = text;
    job.progress = state == "done" ? 1 : job.progress;
    job.finished = std::chrono::system_clock::now();
    if (state == "failed" || !rows.empty()) {
      rows.push_back(store::JobRow{job.study, job.what, state, text, *job.started, *job.finished});
      keep(std::move(rows));
    }
    if (log_) log_(job.study, text);
    board_.ended(job.study, {.state = state == "done" ? "scored" : state,
                             .text = text,
                             .problems = texts_of(data.problems),
                             .scored = std::move(scored)});
    board_.job(job);
  }

  void keep(std::vector<store::Row> rows) {
    std::promise<Result<void>> kept;
    store_.commit(std::move(rows), [&](Result<void> result) { kept.set_value(std::move(result)); });
    if (const auto result = kept.get_future().get(); !result) throw std::runtime_error(result.error().what);
  }

  const config::Bench& bench_;  // as it was configured
  store::Store& store_;
  const Log log_;

  // The computing thread's own.
  store::Reader reader_;
  RegionCache cache_;
  RateTests rate_tests_;
  std::set<std::pair<std::string, std::string>> loaded_;  // study and settings of its regions
  std::map<std::string, std::set<std::tuple<std::string, sims::State, std::string>>> read_ahead_;  // by study
  int jobs_begun_ = 0;

  StudyBoard board_;
  std::jthread computing_;
  std::string drop_trouble_;          // the watcher's thread's own
  std::unique_ptr<Watcher> watcher_;  // ends first
};

Jobs::Jobs(const config::Bench& bench, store::Store& store, Show show, Log log)
    : worker_(std::make_unique<Worker>(bench, store, std::move(show), std::move(log))) {}

Jobs::~Jobs() = default;

void Jobs::edited(std::shared_ptr<const config::Bench> edited) { worker_->board().edited(std::move(edited)); }

void Jobs::run_finished(const std::string& run) { worker_->board().run_finished(run); }

}  // namespace cambench::jobs
