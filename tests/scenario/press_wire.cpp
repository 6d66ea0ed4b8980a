// What a network and a controller do to single answers and orders of a press: answers of another moment, writes that
// nobody answers, writes that are done long after they were given up, a ramp that never arrives.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("answers that carry the data of another moment are bad readings, and open the cell") {
  Charging bench;
  bench.expect_trip("press A1 stale", "pressure_bad");
  CHECK_MESSAGE(bench.where().why.find("a late or foreign reply") != std::string::npos, bench.where().why);
}

TEST_CASE("a press that answers no write is never trusted, and the cell is never polarised") {
  Starting bench("press A1 mute");
  bench.never_polarised("held");
}

TEST_CASE("an order that is done seconds after it was given up moves no press") {
  constexpr auto late = 2s;
  Starting bench("press A1 hold:s=2");
  bench.never_polarised("held");
  std::this_thread::sleep_for(late + 500ms);  // by now everything that was kept back has been done
  CHECK_FALSE(bench.wall_between_if("order: press A1 hold", "press runs"));
  CHECK(bench.truth().back().pressure_MPa < 1);
  CHECK_FALSE(bench.cell_is_on());
  CHECK(bench.where().state == "held");
}

TEST_CASE("a press that does not arrive in its time is held, and the cell is never polarised") {
  std::string hurried = short_recipe(1800, 300, 1.0);
  hurried.insert(hurried.find("at_end"), "settle_s = 3\n");
  Starting bench("press A1 stuck", hurried, [](const Bench& it) {
    change_map(it, "working = \"working\"\n",
               "");  // a controller that does not show its ramp: else that tells sooner
  });
  bench.never_polarised("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped press_late"), bench.where().why);
}
