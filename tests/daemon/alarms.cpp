// Alarms that stand, are seen, are cleared, and are put on a shelf for a while.
#include "daemon/alarms.h"

#include <doctest/doctest.h>

#include "daemon/sequencer/interlock_table.h"

using namespace cambench;
using namespace std::chrono_literals;

namespace {

const command::Raise low{command::Severity::alarm, "pressure_low", "47 MPa"};
Stamp at(Seconds after) {
  return {Instant{} + std::chrono::duration_cast<Instant::duration>(after),
          WallTime{} + std::chrono::duration_cast<WallTime::duration>(after)};
}

}  // namespace

TEST_CASE("an alarm stands until its cause is gone and somebody has seen it, in either order") {
  Alarms alarms;
  REQUIRE(alarms.raise("A1", "r1", low, {}));
  CHECK_FALSE(alarms.raise("A1", "r1", low, {}));  // it stands already
  SUBCASE("seen first") {
    CHECK(alarms.acknowledge(1, "anna", {}));
    CHECK(alarms.standing({}).size() == 1);
    CHECK_FALSE(alarms.acknowledge(1, "ben", {}));
    CHECK(alarms.clear("A1", "r1", "pressure_low", {}).size() == 1);
  }
  SUBCASE("gone first") {
    CHECK(alarms.clear("A1", "r1", "", {}).size() == 1);
    CHECK(alarms.standing({}).size() == 1);
    CHECK(alarms.acknowledge(1, "anna", {}));
  }
  CHECK(alarms.standing({}).empty());
}

TEST_CASE("an alarm whose cause comes back is another alarm") {
  Alarms alarms;
  alarms.raise("A1", "r1", low, {});
  alarms.clear("A1", "r1", "", {});
  REQUIRE(alarms.raise("A1", "r1", low, {}));
  CHECK(alarms.standing({}).size() == 2);
  CHECK(alarms.standing({}).back().id == 2);
}

TEST_CASE(
    "a cause that comes and goes is no alarm before it has stood, and one alarm until it has stayed away") {
  const command::Raise link{command::Severity::warning, "potentiostat_link", "no answer"};
  Alarms alarms;
  alarms.delays = {{"potentiostat_link", 3s, 30s}};
  std::vector<std::int64_t> told;
  alarms.on_change = [&](const status::Alarm& alarm) {
    told.push_back(alarm.cleared ? -alarm.id : alarm.id);
  };
  const auto raise = [&](Seconds when) {
    alarms.pass(at(when).steady);
    return alarms.raise("A1", "r1", link, at(when).wall).has_value();
  };
  const auto gone = [&](Seconds when) {
    alarms.pass(at(when).steady);
    return alarms.clear("A1", "r1", "potentiostat_link", at(when).wall).size();
  };
  CHECK_FALSE(raise(1s));
  CHECK_FALSE(raise(2s));  // the same, said again
  SUBCASE("gone again in time: nobody ever hears of it") {
    CHECK(gone(3s) == 0);
    CHECK(alarms.pass(at(100s).steady).empty());
    CHECK(told.empty());
    CHECK(alarms.standing(at(100s).steady).empty());
  }
  SUBCASE("it stands: told once, however it chatters, and over once it stays away") {
    CHECK(alarms.pass(at(3.9s).steady).empty());
    const auto stood = alarms.pass(at(4s).steady);
    REQUIRE(stood.size() == 1);
    CHECK(std::get<store::AlarmRow>(stood[0].row).raised == at(1s).wall);
    for (int i = 0; i < 20; ++i) {
      CHECK(gone(Seconds(10.0 + 40 * i)) == 0);
      CHECK_FALSE(raise(Seconds(39.0 + 40 * i)));
    }
    CHECK(told == std::vector<std::int64_t>{1});
    CHECK(gone(900s) == 0);
    CHECK(alarms.pass(at(929s).steady).empty());
    const auto over = alarms.pass(at(930s).steady);
    REQUIRE(over.size() == 1);
    CHECK(std::get<store::AlarmClearedRow>(over[0].row).at == at(900s).wall);
    CHECK(told == std::vector<std::int64_t>{1, -1});
    CHECK_FALSE(raise(931s));  // another one, which has to stand again
    CHECK(alarms.pass(at(934s).steady).size() == 1);
  }
  SUBCASE("a run that is over ends it at once, whether it was told or not") {
    CHECK(alarms.clear("A1", "r1", "", at(3s).wall).empty());
    CHECK(alarms.pass(at(100s).steady).empty());
    CHECK_FALSE(raise(101s));
    CHECK(alarms.pass(at(104s).steady).size() == 1);
    CHECK(alarms.clear("A1", "r1", "", at(105s).wall).size() == 1);
    CHECK(told == std::vector<std::int64_t>{1, -1});
  }
}

TEST_CASE("a trip has no delay in the shipped table, and is told in the call that raises it") {
  Alarms alarms;
  alarms.delays = shipped_alarm_delays();
  for (const auto& row : sequencer::shipped_interlocks())
    CHECK(alarms.raise("A1", "r1", {command::Severity::alarm, std::string(row.cause), "seen"}, {}));
  CHECK(alarms.raise("A1", "r1", {command::Severity::alarm, "cell_not_open", "not confirmed"}, {}));
}

TEST_CASE("a shelf needs a name, a reason and an end, and its end comes by itself") {
  Alarms alarms;
  alarms.longest_shelf = 8h;
  alarms.raise("A1", "r1", low, {});
  CHECK_FALSE(alarms.shelve(1, 1h, "", "repair", at(0s)));
  CHECK_FALSE(alarms.shelve(1, 1h, "anna", "", at(0s)));
  CHECK_FALSE(alarms.shelve(1, 9h, "anna", "repair", at(0s)));
  CHECK_FALSE(alarms.shelve(1, 0s, "anna", "repair", at(0s)));
  CHECK_FALSE(alarms.shelve(7, 1h, "anna", "repair", at(0s)));
  REQUIRE(alarms.shelve(1, 1h, "anna", "repair", at(0s)));
  CHECK(alarms.shelved("A1", "pressure_low", at(59min).steady));
  CHECK(alarms.standing(at(59min).steady).front().shelved_by == "anna");
  CHECK_FALSE(alarms.shelved("A2", "pressure_low", at(1s).steady));
  CHECK_FALSE(alarms.shelved("A1", "pressure_low", at(60min).steady));
  CHECK(alarms.standing(at(60min).steady).front().shelved_by.empty());
}

TEST_CASE("a shelved cause is raised, shown and kept as ever, but nobody is told until it is off the shelf") {
  Alarms alarms;
  std::vector<std::int64_t> told;
  alarms.on_change = [&](const status::Alarm& alarm) {
    if (alarm.shelved_by.empty()) told.push_back(alarm.id);
  };
  alarms.raise("A1", "r1", low, {});
  REQUIRE(alarms.shelve(1, 1h, "anna", "repair", at(0s)));
  alarms.pass(at(1s).steady);
  alarms.clear("A1", "r1", "", {});
  CHECK(alarms.raise("A1", "r1", low, {}));  // the row is kept
  CHECK(alarms.standing(at(2s).steady).size() == 2);
  CHECK(told == std::vector<std::int64_t>{1});
  SUBCASE("by itself") { alarms.pass(at(61min).steady); }
  SUBCASE("by a person") { CHECK(alarms.unshelve(2, "ben", "done", at(10min))); }
  CHECK(told == std::vector<std::int64_t>{1, 2});
}

TEST_CASE(
    "a shelf outlives a restart by what was left of it, and a clock that was set back does not prolong it") {
  const store::ShelfRow row{"A1", "pressure_low", "anna", "repair", at(0s).wall, at(1h).wall};
  Alarms alarms;
  SUBCASE("half an hour later") {
    alarms.load({}, 0, {row}, at(30min));
    CHECK(alarms.shelved("A1", "pressure_low", at(59min).steady));
    CHECK_FALSE(alarms.shelved("A1", "pressure_low", at(60min).steady));
  }
  SUBCASE("on a clock that is a day behind") {
    alarms.load({}, 0, {row}, {at(0s).steady, at(-24h).wall});
    CHECK_FALSE(alarms.shelved("A1", "pressure_low", at(61min).steady));
  }
}
