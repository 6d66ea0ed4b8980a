// What is done to the host's clocks is noticed, and how long ago something was does not depend on who set them.
#include "daemon/clock.h"

#include <doctest/doctest.h>

using namespace cambench;
using namespace std::chrono_literals;

namespace {

template <typename Point>
Point after(Seconds time) {
  return Point(std::chrono::duration_cast<typename Point::duration>(time));
}

/// Clocks that agree, `up` seconds after the host came up.
Clocks at(Seconds up) { return {after<Instant>(up), after<WallTime>(1e9s + up), up, "this boot", true}; }

Recorded as_recorded(const Clocks& then) { return {then.wall, then.boot, then.boot_id}; }

}  // namespace

TEST_CASE("clocks that run together say nothing, whatever a time service slews and whatever the season") {
  ClockWatch watch;
  Clocks now = at(100s);
  for (int i = 0; i < 20'000; ++i) {
    now.steady += 200ms;
    now.boot += 200ms;
    now.wall += 200ms + 100us;  // 500 ppm, the fastest that the kernel slews; UTC knows no daylight saving
    CHECK(watch.look(now).empty());
  }
}

TEST_CASE("a wall clock that is set is noticed with how far, and is no gap") {
  ClockWatch watch;
  Clocks now = at(100s);
  watch.look(now);
  now = at(100.2s);
  SUBCASE("forward") {
    now.wall += 1h;
    CHECK(watch.look(now).at(0).text == "the wall clock was set forward by 3600.0 s");
  }
  SUBCASE("back") {
    now.wall -= 24h;
    const auto found = watch.look(now);
    REQUIRE(found.size() == 1);
    CHECK(found[0].text == "the wall clock was set back by 86400.0 s");
    CHECK_FALSE(found[0].nobody_listened);
  }
}

TEST_CASE("a host that slept is a gap: its steady clock stood still, the others did not") {
  ClockWatch watch;
  watch.look(at(100s));
  Clocks now = at(3700.2s);
  now.steady = at(100.2s).steady;
  const auto found = watch.look(now);
  REQUIRE(found.size() == 1);
  CHECK(found[0].text == "the host slept for 3600.0 s");
  CHECK(found[0].nobody_listened);
}

TEST_CASE("a program that was stopped is a gap too") {
  ClockWatch watch;
  watch.look(at(100s));
  CHECK(watch.look(at(101.9s)).empty());
  const auto found = watch.look(at(111.9s));
  REQUIRE(found.size() == 1);
  CHECK(found[0].text == "this program stood still for 10.0 s");
  CHECK(found[0].nobody_listened);
}

TEST_CASE("within one boot nobody can change how long ago something was") {
  const auto then = as_recorded(at(1000s));
  Clocks now = at(8200s);
  SUBCASE("as it is") {}
  SUBCASE("a clock set back by a year") { now.wall -= 24h * 365; }
  SUBCASE("a clock set forward by a year") { now.wall += 24h * 365; }
  SUBCASE("a clock that nobody keeps right") { now.synchronised = false; }
  SUBCASE("an hour of sleep in between counts") { now.steady -= 1h; }
  REQUIRE(since(then, now));
  CHECK(*since(then, now) == 7200s);
}

TEST_CASE("after a reboot the wall clock is believed only when it is kept right and went forward") {
  const auto then = as_recorded(at(1000s));
  Clocks now = at(30s);
  now.boot_id = "the next boot";
  now.wall = then.wall + 2h;
  CHECK(since(then, now) == Seconds(2h));
  SUBCASE("nobody keeps it right") { now.synchronised = false; }
  SUBCASE("it is behind what was recorded") { now.wall = then.wall - 1s; }
  if (!now.synchronised || now.wall < then.wall) CHECK_FALSE(since(then, now));
}

TEST_CASE("without /proc/sys the boot is known from the environment, in the kernel's spelling") {
  const char* systemds = "3f0d1e0c5a6b47c89d2e1f00aabbccdd";  // %b of systemd.unit(5)
  CHECK(boot_id_by("/nonexistent/boot_id", systemds) == "3f0d1e0c-5a6b-47c8-9d2e-1f00aabbccdd");
  CHECK(boot_id_by("/nonexistent/boot_id", "3f0d1e0c-5a6b-47c8-9d2e-1f00aabbccdd") ==
        boot_id_by("/nonexistent/boot_id", systemds));
  CHECK(boot_id_by("/nonexistent/boot_id", nullptr).empty());
  CHECK(boot_id_by("/nonexistent/boot_id", "%b").empty());
  CHECK(boot_id_by("/proc/sys/kernel/random/boot_id", systemds) == read_clocks().boot_id);
}

TEST_CASE("the clocks of this host can be read") {
  const Clocks now = read_clocks();
  CHECK(now.boot > Seconds{0});
  CHECK(now.boot_id.size() == 36);
  CHECK(since({now.wall, now.boot, now.boot_id}, read_clocks()).has_value());
}
