#include "daemon/sequencer/release.h"

#include <doctest/doctest.h>

using namespace cambench;
using namespace cambench::sequencer;
using namespace std::chrono_literals;

namespace {

struct Play {
  Instant now{};
  Release release{now};

  void read(std::optional<double> MPa, int times = 1) {
    for (int i = 0; i < times; ++i) {
      now += 200ms;
      PressureSample sample{std::nullopt, std::nullopt, MPa ? "" : "not a number", {now, {}}};
      if (MPa) sample.pressure = MegaPascal(*MPa);
      release.read(sample);
    }
  }
};

}  // namespace

TEST_CASE("a press releases until three readings say that it is down") {
  Play play;
  CHECK(play.release.words() == "releases, and its pressure is not known: no reading yet");
  for (double MPa = 374; MPa > 2; MPa -= 0.2) {  // 1 MPa a second
    play.read(MPa);
    REQUIRE_FALSE(play.release.is_down());
    REQUIRE_FALSE(play.release.stands(play.now));
  }
  play.read(274);
  CHECK(play.release.words() == "releases: 274.00 MPa");
  play.read(0.2, 2);
  CHECK_FALSE(play.release.is_down());
  play.read(std::nullopt);
  play.read(0.2, 3);
  CHECK(play.release.is_down());
}

TEST_CASE("a press that gets no lower for twenty seconds is told of, and so is one that nobody can read") {
  Play play;
  play.read(300, 5);
  SUBCASE("it stands, within its noise") {
    for (int i = 0; i < 50; ++i) {
      play.read(274);
      play.read(274.3);
    }
    CHECK_FALSE(play.release.stands(play.now));
    play.read(274, 2);
    CHECK(play.release.stands(play.now));
    CHECK(play.release.alarm() == "the press vents, and stands at 274.00 MPa");
    play.read(273);
    CHECK_FALSE(play.release.stands(play.now));
  }
  SUBCASE("its sensor is broken") {
    play.read(std::nullopt, 101);
    CHECK(play.release.stands(play.now));
    CHECK(play.release.alarm() ==
          "the press vents, and nobody can say whether it has released: not a number");
  }
}
