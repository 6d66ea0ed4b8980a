#include "daemon/jobs/jobs.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <tuple>

#include "analysis/bad_input.h"
#include "daemon/jobs/rate_tests.h"
#include "daemon/jobs/results_folder.h"
#include "daemon/jobs/scoring.h"
#include "daemon/jobs/watcher.h"
#include "daemon/store/reader.h"
#include "drivers/pulse.h"

namespace cambench::jobs {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t jobs_shown = 20;
constexpr std::size_t problems_shown = 100;
/// A spot that lacks files may still be on its way: so many times `settle` a study waits for the rest.
constexpr double patience_in_settles = 15;
constexpr unsigned reading_threads = 2;
constexpr Seconds longest_without_news{15 * 60};

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

std::string counted(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

}  // namespace

class Jobs::Worker {
 public:
  Worker(const config::Bench& bench, store::Store& store, Show show, Log log)
      : bench_(bench),
        edited_(std::shared_ptr<void>(), &bench),
        store_(store),
        show_(std::move(show)),
        log_(std::move(log)),
        reader_(store.file()),
        cache_([&store](store::RegionRow row) { (void)store.append(std::move(row)); }) {
    for (const auto& study : bench_.studies) remember(study);
    show_now();
    computing_ = std::jthread([this](const std::stop_token& ending) { work(ending); });
    if (bench_.drop)
      watcher_ = std::make_unique<Watcher>(bench_.drop->path, bench_.drop->settle, bench_.drop->poll,
                                           [this](Sighting seen) { sighted(std::move(seen)); });
  }

  ~Worker() {
    watcher_.reset();
    computing_.request_stop();
    wake_.notify_all();
  }

  void edited(std::shared_ptr<const config::Bench> bench) {
    {
      const std::lock_guard guard(mutex_);
      newly_edited_ = std::move(bench);
    }
    wake_.notify_all();
  }

  void run_finished(const std::string& run) {
    {
      const std::lock_guard guard(mutex_);
      ended_runs_.push_back(run);
    }
    wake_.notify_all();
  }

 private:
  /// What is known of a study. Guarded by mutex_.
  struct Known {
    const config::Study* configured = nullptr;  ///< null: only its folder is there
    std::vector<SeenFile> files;                ///< as delivered last
    std::vector<std::string> arriving;
    std::optional<Ahead> ahead;  ///< settled files of a study that still arrives
    std::size_t read_ahead = 0;  ///< spots that were read before it had arrived
    status::Study shown;
    std::string outcome;                   ///< what the last attempt came to, shown unless files are arriving
    std::optional<Clock::time_point> due;  ///< when to score it; none: nothing to do
    Clock::time_point delivered{};
  };

  // ---- what the watcher and the runs tell

  /// What was scored before this program started.
  void remember(const config::Study& study) {
    Known& known = studies_[study.id];
    known.configured = &study;
    if (const auto last = reader_.last_score(study.id)) {
      try {
        known.shown = summary_from_json(last->row.summary_json);
      } catch (const BadInput&) {  // written by another version: the numbers come back with the next scoring
      }
      known.shown.version = last->version;
      known.shown.scored = last->row.at;
      known.shown.state = "scored";
    } else {
      known.shown.state = "waiting";
      known.outcome = bench_.drop
                          ? fmt::format("waits for spectra in {}", (bench_.drop->path / study.id).string())
                          : "no drop folder is configured";
    }
    known.shown.id = study.id;
    known.shown.title = study.title;
  }

  void sighted(Sighting seen) {
    {
      const std::lock_guard guard(mutex_);
      if (!seen.trouble.empty()) {
        folder_trouble_ = seen.trouble;
      } else {
        folder_trouble_.clear();
        strays_ = std::move(seen.strays);
        for (auto& [id, known] : studies_) known.arriving.clear();
        for (auto& [id, arriving] : seen.arriving) study(id).arriving = std::move(arriving);
        for (auto& ahead : seen.ahead) study(ahead.study).ahead = std::move(ahead);
        for (auto& delivery : seen.deliveries) take(std::move(delivery));
      }
    }
    wake_.notify_all();
    show_now();
  }

  void take(Delivery delivery) {
    Known& known = study(delivery.study);
    known.files = std::move(delivery.files);
    known.ahead.reset();
    known.read_ahead = 0;
    known.delivered = Clock::now();
    known.due = known.delivered;
  }

  Known& study(const std::string& id) {
    Known& known = studies_[id];
    if (!known.shown.id.empty()) return known;
    known.shown.id = known.shown.title = id;  // a folder that no study is configured for
    known.shown.state = "waiting";
    known.outcome = fmt::format("no study called {} is configured; add it, or rename the folder", id);
    return known;
  }

  // ---- the computing thread

  void work(const std::stop_token& ending) {
    name_this_thread("jobs");
    std::unique_lock guard(mutex_);
    while (!ending.stop_requested()) {
      pulse_.handed_over();
      if (auto bench = std::exchange(newly_edited_, nullptr)) {
        configure(std::move(bench));
        guard.unlock();
        show_now();
        guard.lock();
        continue;
      }
      const auto runs = std::exchange(ended_runs_, {});
      if (!runs.empty()) {
        guard.unlock();
        const auto cells = cells_of(runs);
        guard.lock();
        for (auto& [id, known] : studies_) rescore_with(known, cells);
        continue;
      }
      if (const auto id = next_due()) {
        guard.unlock();
        attempt(*id);
        guard.lock();
        continue;
      }
      if (auto ahead = next_ahead()) {
        guard.unlock();
        read_ahead(*ahead, ending);
        guard.lock();
        continue;
      }
      sleep(guard, ending);
    }
  }

  /// Under mutex_, on the computing thread, which alone follows what `configured` points to.
  void configure(std::shared_ptr<const config::Bench> bench) {
    for (auto& [id, known] : studies_) known.configured = nullptr;
    for (const auto& study : bench->studies) {
      Known& known = studies_[study.id];
      if (known.shown.version == 0) remember(study);
      known.configured = &study;
      known.shown.title = study.title;
      if (!known.files.empty()) known.due = Clock::now();  // equal inputs make no new version
    }
    edited_ = std::move(bench);
  }

  void sleep(std::unique_lock<std::mutex>& guard, const std::stop_token& ending) {
    std::optional<Clock::time_point> soonest;
    for (const auto& [id, known] : studies_)
      if (known.due && (!soonest || *known.due < *soonest)) soonest = known.due;
    pulse_.rests();
    const auto something = [&] {
      return ending.stop_requested() || newly_edited_ || !ended_runs_.empty() || next_due().has_value() ||
             std::ranges::any_of(studies_, [](const auto& entry) { return entry.second.ahead.has_value(); });
    };
    if (soonest)
      wake_.wait_until(guard, *soonest, something);
    else
      wake_.wait(guard, something);
  }

  [[nodiscard]] std::optional<std::string> next_due() const {
    const auto now = Clock::now();
    for (const auto& [id, known] : studies_)
      if (known.due && *known.due <= now) return id;
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Ahead> next_ahead() {
    for (auto& [id, known] : studies_)
      if (known.ahead) return std::exchange(known.ahead, std::nullopt);
    return std::nullopt;
  }

  /// Spots are read as they land, so that little is left to do when the last one has: a few at a time, until a study is
  /// due. What cannot be read is tried again when its study is scored, and told of then.
  void read_ahead(const Ahead& ahead, const std::stop_token& ending) try {
    const config::Study* configured = nullptr;
    {
      const std::lock_guard guard(mutex_);
      configured = studies_.at(ahead.study).configured;
    }
    if (!configured) return;
    const StudySpec spec = spec_of(*edited_, *configured);
    const StudyFile file = study_file(spec.id);
    const auto& normalise = file.scoring.normalise;
    load_once(spec.id, normalise);
    auto sorted = sort_files(bench_.drop->path, ahead.files, ids_of(spec.materials), file);
    keep_settled_spots(sorted, ahead.moving);
    const auto settings = settings_key(normalise);
    auto& tried = read_ahead_[ahead.study];
    std::erase_if(sorted.spots, [&](const SpotFiles& spot) {
      if (cache_.find(spot, settings)) return true;
      // Once each: one that has grown since may grow on, and is read when its study is scored.
      return !tried.emplace(spot.material, spot.state, spot.region.name).second;
    });
    for (std::size_t read = 0; show_read_ahead(ahead.study, read) && !sorted.spots.empty();) {
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

  /// False when a study is due, which goes first.
  bool show_read_ahead(const std::string& id, std::size_t more) {
    {
      const std::lock_guard guard(mutex_);
      studies_.at(id).read_ahead += more;
      if (next_due()) return false;
    }
    show_now();
    return true;
  }

  std::set<std::string> cells_of(const std::vector<std::string>& runs) {
    std::set<std::string> cells;
    for (const auto& id : runs)
      if (const auto run = reader_.run(id); run && run->cell) cells.insert(*run->cell);
    return cells;
  }

  static void rescore_with(Known& known, const std::set<std::string>& cells) {
    if (!known.configured || known.files.empty()) return;
    for (const auto& cell : known.configured->cells)
      if (cells.contains(cell)) known.due = Clock::now();
  }

  /// One scoring of a study, from its files to the row in the store.
  void attempt(const std::string& id) {
    const auto [configured, files, delivered] = begin(id);
    if (!configured) return end(id, "waiting", "", {});
    status::Job job{.id = fmt::format("j{}", ++jobs_begun_),
                    .study = id,
                    .what = "score",
                    .state = "running",
                    .progress = 0,
                    .text = {},
                    .started = std::chrono::system_clock::now(),
                    .finished = {}};
    show_job(job);
    try {
      const auto failure = scored_or_why_not(*configured, files, delivered, job);
      if (!failure.empty()) finish(job, "failed", failure, {});
    } catch (const std::exception& error) {  // not even that can be recorded
      job.state = "failed";
      job.text = error.what();
      job.finished = std::chrono::system_clock::now();
      end(id, "failed", error.what(), {});
      show_job(job);
    }
  }

  std::string scored_or_why_not(const config::Study& configured, const std::vector<SeenFile>& files,
                                Clock::time_point delivered, status::Job& job) try {
    read_ahead_.erase(configured.id);
    StudySpec spec = spec_of(*edited_, configured);
    const StudyFile file = study_file(spec.id);
    add_study_file(file, spec);
    load_once(spec.id, file.scoring.normalise);
    const StudyData data = read(spec, file, files, job);
    if (const auto missing = waits_for(spec, data); !missing.empty())
      finish(job, "waiting", missing, data);
    else if (const auto until = worth_waiting(data, delivered))
      wait_for_rest(job, data, *until);
    else
      score(spec, file.scoring, configured, data, job);
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }

  struct Begun {
    const config::Study* configured;
    std::vector<SeenFile> files;
    Clock::time_point delivered;
  };
  Begun begin(const std::string& id) {
    const std::lock_guard guard(mutex_);
    Known& known = studies_.at(id);
    known.due.reset();
    return {known.configured, known.files, known.delivered};
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
      show_job(job);
    };
    auto data = read_spots(spec.id, sort_files(bench_.drop->path, files, ids_of(spec.materials), file),
                           file.scoring.normalise, cache_, reading_threads, std::chrono::system_clock::now(),
                           progress);
    read_parts(data, file, cache_, reading_threads);
    return data;
  }

  /// Half a measurement may only be late. Until when to wait for the rest; none: score without it.
  std::optional<Clock::time_point> worth_waiting(const StudyData& data, Clock::time_point delivered) const {
    if (std::ranges::none_of(data.problems, &Problem::may_pass)) return std::nullopt;
    const auto until =
        delivered + std::chrono::duration_cast<Clock::duration>(patience_in_settles * bench_.drop->settle);
    return Clock::now() < until ? std::optional(until) : std::nullopt;
  }

  void wait_for_rest(status::Job& job, const StudyData& data, Clock::time_point until) {
    {
      const std::lock_guard guard(mutex_);
      Known& known = studies_.at(job.study);
      if (!known.due) known.due = until;
    }
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
    end(job.study, state == "done" ? "scored" : state, text, texts_of(data.problems), std::move(scored));
    show_job(job);
  }

  void keep(std::vector<store::Row> rows) {
    std::promise<Result<void>> kept;
    store_.commit(std::move(rows), [&](Result<void> result) { kept.set_value(std::move(result)); });
    if (const auto result = kept.get_future().get(); !result) throw std::runtime_error(result.error().what);
  }

  void end(const std::string& id, const std::string& state, const std::string& text,
           std::vector<std::string> problems, std::optional<status::Study> scored = {}) {
    const std::lock_guard guard(mutex_);
    Known& known = studies_.at(id);
    if (scored) known.shown = std::move(*scored);
    // Scores that are there stay valid while a study waits for more.
    known.shown.state = state == "waiting" && known.shown.version > 0 ? "scored" : state;
    if (!text.empty()) known.outcome = text;
    known.shown.problems = std::move(problems);
  }

  // ---- what is shown

  void show_job(const status::Job& job) {
    {
      const std::lock_guard guard(mutex_);
      if (jobs_.empty() || jobs_.front().id != job.id) {
        // What waited is tried now; left there, `cambench watch` would wait for it for ever.
        std::erase_if(jobs_,
                      [&](const auto& old) { return old.study == job.study && old.state == "waiting"; });
        jobs_.push_front(job);
      }
      jobs_.front() = job;
      if (jobs_.size() > jobs_shown) jobs_.pop_back();
      if (job.state == "running") studies_.at(job.study).shown.state = "scoring";
    }
    show_now();
  }

  void show_now() {
    pulse_.advanced();
    const std::lock_guard in_order(showing_);
    Seen seen;
    {
      const std::lock_guard guard(mutex_);
      seen.jobs.assign(jobs_.begin(), jobs_.end());
      for (const auto& study : edited_->studies) seen.studies.push_back(shown(studies_.at(study.id)));
      for (const auto& [id, known] : studies_)
        if (!known.configured && !(known.files.empty() && known.arriving.empty()))
          seen.studies.push_back(shown(known));
    }
    show_(std::move(seen));
  }

  [[nodiscard]] status::Study shown(const Known& known) const {
    status::Study study = known.shown;
    study.text =
        known.arriving.empty() ? known.outcome : counted(known.arriving.size(), "file") + " arriving";
    if (!known.arriving.empty() && known.read_ahead > 0)
      study.text += ", " + counted(known.read_ahead, "spot") + " read so far";
    if (!folder_trouble_.empty()) study.text = "the drop folder cannot be read: " + folder_trouble_;
    for (const auto& stray : strays_)
      study.problems.push_back(fmt::format("{}: belongs to no study; put it below a study's folder", stray));
    return study;
  }

  const config::Bench& bench_;  // as it was configured
  std::shared_ptr<const config::Bench>
      edited_;  // with the edits since; changed under mutex_ by the computing thread
  store::Store& store_;
  const Show show_;
  const Log log_;

  // The computing thread's own.
  store::Reader reader_;
  RegionCache cache_;
  RateTests rate_tests_;
  std::set<std::pair<std::string, std::string>> loaded_;  // study and settings of its regions
  std::map<std::string, std::set<std::tuple<std::string, sims::State, std::string>>> read_ahead_;  // by study
  int jobs_begun_ = 0;

  std::mutex showing_;  // what is shown later is newer
  std::mutex mutex_;    // of everything below
  std::condition_variable_any wake_;
  std::map<std::string, Known> studies_;
  std::deque<status::Job> jobs_;
  std::vector<std::string> ended_runs_, strays_;
  std::shared_ptr<const config::Bench> newly_edited_;
  std::string folder_trouble_;

  Pulse pulse_{"the scoring of studies", longest_without_news, Pulse::Role::beside};
  std::jthread computing_;
  std::unique_ptr<Watcher> watcher_;
};

Jobs::Jobs(const config::Bench& bench, store::Store& store, Show show, Log log)
    : worker_(std::make_unique<Worker>(bench, store, std::move(show), std::move(log))) {}

Jobs::~Jobs() = default;

void Jobs::edited(std::shared_ptr<const config::Bench> edited) { worker_->edited(std::move(edited)); }

void Jobs::run_finished(const std::string& run) { worker_->run_finished(run); }

}  // namespace cambench::jobs
