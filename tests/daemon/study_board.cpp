// What is done for a study next, and what people are shown of it, without a folder and without a thread.
#include "daemon/jobs/study_board.h"

#include <doctest/doctest.h>

#include <chrono>

using namespace cambench;
using namespace cambench::jobs;

namespace {

std::shared_ptr<const config::Bench> bench_with(const std::vector<std::string>& studies) {
  auto bench = std::make_shared<config::Bench>();
  bench->drop.emplace().path = "drop";
  for (const auto& id : studies) {
    config::Study study;
    study.id = id;
    study.title = "The study of " + id;
    study.cells = {id + "-cell"};
    bench->studies.push_back(study);
  }
  return bench;
}

Sighting delivery_of(const std::string& study) {
  Sighting seen;
  seen.deliveries.push_back({.study = study, .files = {{.path = study + "/ncm/cycled/S1.txt"}}});
  return seen;
}

Sighting ahead_of(const std::string& study) {
  Sighting seen;
  seen.ahead.push_back({.study = study, .files = {}, .moving = {}});
  return seen;
}

struct Board {
  Seen last;
  StudyBoard board{[this](Seen seen) { last = std::move(seen); }};
  std::stop_source stop;

  explicit Board(const std::vector<std::string>& studies) { board.configure(bench_with(studies), {}); }

  /// It has to be there: next() would wait for it.
  template <typename Expected>
  Expected next() {
    auto work = board.next(stop.get_token());
    REQUIRE(work);
    REQUIRE(std::holds_alternative<Expected>(*work));
    return std::get<Expected>(std::move(*work));
  }
  /// What is read ahead comes after everything that is due.
  void check_nothing_is_due() {
    board.sighted(ahead_of("coatings"));
    CHECK(next<ReadingAhead>().study->id == "coatings");
  }
  [[nodiscard]] status::Study shown(const std::string& id) const {
    for (const auto& study : last.studies)
      if (study.id == id) return study;
    FAIL("no study is shown that is called " << id);
    return {};
  }
};

}  // namespace

TEST_CASE("what was delivered is scored once, and once more when the study is edited") {
  Board test({"coatings"});
  test.board.sighted(delivery_of("coatings"));
  const auto scoring = test.next<Scoring>();
  CHECK(scoring.study->title == "The study of coatings");
  CHECK(scoring.files.size() == 1);
  test.check_nothing_is_due();

  const auto edited = bench_with({"coatings"});
  test.board.edited(edited);
  CHECK(test.next<Edited>().bench == edited);
  test.board.configure(edited, {});
  CHECK(test.next<Scoring>().bench == edited);
  test.check_nothing_is_due();
}

TEST_CASE("a run that ended scores the studies again which its cell belongs to") {
  Board test({"coatings", "others"});
  for (const auto* study : {"coatings", "others"}) {
    test.board.sighted(delivery_of(study));
    (void)test.next<Scoring>();
  }
  test.board.run_finished("r-1");
  test.board.run_finished("r-2");
  CHECK(test.next<EndedRuns>().runs == std::vector<std::string>{"r-1", "r-2"});
  test.board.rescore({"others-cell", "a cell of no study"});
  CHECK(test.next<Scoring>().study->id == "others");
  test.check_nothing_is_due();
}

TEST_CASE("reading ahead stops for a study that is due") {
  Board test({"coatings", "others"});
  test.board.sighted(ahead_of("coatings"));
  (void)test.next<ReadingAhead>();
  CHECK(test.board.read_ahead("coatings", 2));
  test.board.sighted(delivery_of("others"));
  CHECK_FALSE(test.board.read_ahead("coatings", 2));
  CHECK(test.next<Scoring>().study->id == "others");
}

TEST_CASE("a study that waits for the rest of a measurement is not due before its time, nor twice") {
  Board test({"coatings"});
  test.board.sighted(delivery_of("coatings"));
  const auto delivered = test.next<Scoring>().delivered;
  test.board.score_at("coatings", delivered + std::chrono::hours(1));
  test.check_nothing_is_due();
  test.board.sighted(delivery_of("coatings"));
  test.board.score_at("coatings", delivered + std::chrono::hours(1));  // it is due already
  (void)test.next<Scoring>();
  test.check_nothing_is_due();
}

TEST_CASE("a folder waits until its study is configured, and is named when it is not any more") {
  Board test({"coatings"});
  test.board.sighted(delivery_of("others"));
  const std::string text = "no study called others is configured; add it, or rename the folder";
  CHECK(test.shown("others").text == text);
  CHECK(test.shown("others").state == "waiting");
  test.check_nothing_is_due();

  test.board.configure(bench_with({"coatings", "others"}), {});
  CHECK(test.next<Scoring>().study->id == "others");
  test.board.ended("others",
                   {.state = "scored", .text = "scored from 8 spots", .problems = {}, .scored = {}});
  test.board.configure(bench_with({"coatings", "others"}), {});
  CHECK(test.shown("others").text == "scored from 8 spots");
  test.board.configure(bench_with({"coatings"}), {});
  CHECK(test.shown("others").text == text);
  test.check_nothing_is_due();
}

TEST_CASE(
    "a study whose folder cannot be read says which, whether it is configured or not, and others do not") {
  Board test({"coatings", "binders"});
  Sighting seen = delivery_of("binders");
  seen.unreadable = {{"coatings", "/drop/coatings/private: Permission denied"}, {"mine", "/drop/mine: no"}};
  test.board.sighted(seen);
  CHECK(test.shown("coatings").text ==
        "its folder cannot be read, and waits: /drop/coatings/private: Permission denied");
  CHECK(test.shown("mine").text == "its folder cannot be read, and waits: /drop/mine: no");
  CHECK(test.next<Scoring>().study->id == "binders");
  test.board.sighted({});
  CHECK(test.shown("coatings").text.find("cannot be read") == std::string::npos);
}

TEST_CASE("scoring that hangs is told of, however many files land meanwhile") {
  Board test({"coatings"});
  test.board.sighted(delivery_of("coatings"));
  (void)test.next<Scoring>();
  const auto given = std::chrono::steady_clock::now();
  const auto standing = [&](Instant now) { return Pulse::standing_still(Pulse::Role::beside, now); };
  test.board.sighted(delivery_of("others"));
  CHECK(standing(given + std::chrono::minutes(15)) == "the scoring of studies has not advanced for 900 s");
  test.board.job({.id = "j1", .study = "coatings"});
  CHECK_FALSE(standing(given + std::chrono::minutes(15)));
}
