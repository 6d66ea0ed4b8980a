// The proof test of a press as a screenplay: what came of each act, and what it makes of it. No press, no clock.
#include "daemon/sequencer/proof_test.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace cambench;
using namespace cambench::proof;
using namespace std::chrono_literals;

namespace {

Setting with_watchdog(std::string action = "hold") {
  Setting setting;
  setting.watchdog_after = 5s;
  setting.watchdog_action = std::move(action);
  return setting;
}

Outcome done() { return {}; }
Outcome fault(std::string what, Fault::Kind kind = Fault::Kind::instrument) {
  return {Fault{kind, std::move(what)}, std::nullopt, {}};
}
Outcome reads(double MPa, double target = 1) {
  return {std::nullopt, PressureSample{MegaPascal(MPa), MegaPascal(target), "", {}}, {}};
}

/// A press of a few numbers, and the clock; does what the test wants until it ends or a step is reached.
struct Play {
  explicit Play(Setting setting) : test(std::move(setting)) {}

  ProofTest test;
  Instant now{};
  double pressure = 0, keeps = 1,
         vented = 0;  ///< `keeps`: the factor by which a second of hold changes the pressure
  double read_back = 1;
  bool fires = true;  ///< the watchdog, when nobody speaks
  bool expired = false, venting = false, holding = false;
  int vents = 0, targets = 0;
  std::vector<Act> acts;

  Outcome act() {
    switch (test.next()) {
      case Act::identify: return {std::nullopt, std::nullopt, "a press"};
      case Act::set_target:
        ++targets;
        expired = holding = venting = false;
        return done();
      case Act::read:
      case Act::read_and_feed:
        now += 200ms;
        if (venting)
          pressure = vented;
        else if (holding)
          pressure *= keeps;
        else if (targets > 0)
          pressure = 1;
        return reads(pressure, read_back);
      case Act::feed: return expired ? fault("the press's own watchdog is not armed") : done();
      case Act::be_silent:
        now += std::chrono::duration_cast<Instant::duration>(test.silence());
        expired = fires;
        holding = fires;
        return done();
      case Act::hold: holding = true; return done();
      case Act::vent:
        ++vents;
        venting = true;
        return done();
      case Act::end: break;
    }
    return {};
  }
  void run() {
    for (int i = 0; i < 2000 && !test.over(); ++i) {
      acts.push_back(test.next());
      test.came(act(), now);
    }
    REQUIRE(test.over());
  }
  [[nodiscard]] const Finding& of(std::string_view step) const {
    return *std::ranges::find(test.findings(), step, &Finding::step);
  }
};

}  // namespace

TEST_CASE("a press that does everything it should passes, in nine steps") {
  Play play(with_watchdog());
  play.run();
  CHECK(play.test.passed());
  REQUIRE(play.test.findings().size() == 9);
  for (const auto& finding : play.test.findings()) CHECK(finding.verdict == Verdict::passed);
  CHECK(play.of("watchdog").seen == "it fired after 7 s of silence, 1.00 MPa");
  CHECK(play.of("watchdog").expected ==
        "5 s after the last word the press does its hold by itself, and says so");
}

// 1.5 % a reading: 3 s of hold are fifteen readings.
TEST_CASE("a press that loses pressure while it holds fails, and is vented") {
  Play play(with_watchdog());
  play.keeps = 0.985;
  play.run();
  CHECK_FALSE(play.test.passed());
  CHECK(play.of("hold").verdict == Verdict::failed);
  CHECK(play.of("watchdog").verdict == Verdict::not_tried);
  CHECK(play.of("vent").verdict == Verdict::passed);
  CHECK(play.vents == 1);
}

TEST_CASE("a watchdog that does not fire is found, and so is one that fires without an effect") {
  Play sleeps(with_watchdog());
  sleeps.fires = false;
  sleeps.run();
  CHECK(sleeps.of("watchdog").verdict == Verdict::failed);
  CHECK(sleeps.of("watchdog").seen == "after 7.0 s of silence it still counts as armed");
  CHECK(sleeps.of("recovery").verdict == Verdict::not_tried);
  CHECK(sleeps.vents == 1);

  Play keeps(with_watchdog("vent"));  // it says that it vented, and keeps its pressure
  keeps.run();
  CHECK(keeps.of("watchdog").verdict == Verdict::failed);
}

TEST_CASE("nothing is said to the press between the last feeding and the end of the silence") {
  Play play(with_watchdog());
  play.run();
  const auto silent = std::ranges::find(play.acts, Act::be_silent);
  REQUIRE(silent != play.acts.end());
  CHECK(*(silent - 1) == Act::feed);
  CHECK(*(silent + 1) == Act::feed);
}

TEST_CASE("a press without a watchdog of its own passes, and the record says what is not covered") {
  Play play{Setting{}};
  play.run();
  CHECK(play.test.passed());
  CHECK(play.of("watchdog").verdict == Verdict::not_there);
  CHECK(play.of("watchdog").seen.find("a lost link is not covered") != std::string::npos);
  CHECK(std::ranges::find(play.acts, Act::be_silent) == play.acts.end());
}

TEST_CASE("a press that is another one, or that is not empty, is not moved at all") {
  Play stranger(with_watchdog());
  stranger.test.came(fault("another press answered", Fault::Kind::identity), stranger.now);
  CHECK(stranger.test.over());
  CHECK(stranger.of("identity").verdict == Verdict::failed);
  CHECK(stranger.of("vent").verdict == Verdict::not_tried);

  Play loaded(with_watchdog());
  loaded.pressure = 50;
  loaded.run();
  CHECK(loaded.targets == 0);
  CHECK(loaded.vents == 0);
  CHECK(loaded.of("released").seen == "50.00 MPa");
}

TEST_CASE("a set point that reads back as another one is a failure before the press arrives") {
  Play play(with_watchdog());
  play.read_back = 10;
  play.run();
  CHECK(play.of("read-back").verdict == Verdict::failed);
  CHECK(play.of("read-back").seen == "10.000 MPa");
  CHECK(play.vents == 1);
}

TEST_CASE("a press that never arrives or never empties is waited for a minute, not for ever") {
  Play late(with_watchdog());
  late.test.came(late.act(), late.now);
  for (int i = 0; i < 2000 && !late.test.over(); ++i) {
    auto outcome = late.act();
    if (outcome.sample && !late.venting) outcome.sample->pressure = MegaPascal(0.3);
    late.test.came(outcome, late.now);
  }
  CHECK(late.of("arrival").verdict == Verdict::failed);
  CHECK(late.of("arrival").seen == "0.30 MPa");
  CHECK(late.now - Instant{} < 63s);

  Play full(with_watchdog());
  full.vented = 0.9;
  full.run();
  CHECK(full.of("vent").verdict == Verdict::failed);
}

TEST_CASE("bad readings are no arrival, and the trouble is what was seen") {
  Play play(with_watchdog());
  play.test.came(play.act(), play.now);
  Outcome broken{std::nullopt, PressureSample{std::nullopt, std::nullopt, "the sensor is broken", {}}, {}};
  play.test.came(broken, play.now);
  CHECK(play.of("released").verdict == Verdict::failed);
  CHECK(play.of("released").seen == "the sensor is broken");
}
